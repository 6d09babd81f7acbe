/**
 * Vmas that change under a reader who holds page_table_lock (mm.md R0.1 to R0.3). The rule of Linux 2.4 and of Linus's tree is that writers hold mmap_sem and page_table_lock, so that a reader may
 * choose one; -mjb had taken page_table_lock out of mm/mmap.c (Dave McCracken, 2.5.70-mm4), and left the readers that had chosen it.
 *
 * detach-outside-ptl (R0.1, 2.6.3-mjb2)
 *   1. CPU 0 reclaims a page of vma B: under page_table_lock it comes to B, and is about to remember it in mmap_cache
 *   2. CPU 1 unmaps B: without the lock it takes B out of the tree and the list, and forgets the cache
 *   3. CPU 0 stores B in mmap_cache
 *   4. CPU 1 gets the lock, zaps, frees B; its next fault reads B, because the cache has it
 *
 * detach-hides-vma (R0.1)
 *   1. CPU 0 reclaims a page of vma V, which is VM_LOCKED; its descent is at the root
 *   2. CPU 1 unmaps a vma at the other end, and the tree is turned: the root has another left child now
 *   3. CPU 0 follows it, and comes to a vma above V, which is not locked: the page of V goes
 *
 * merge-frees-vma-of-swapoff (R0.2, 2.6.4-mjb1)
 *   1. CPU 0, in unuse_process, stands on vma N, under page_table_lock alone
 *   2. CPU 1 maps the hole before N: the vma before it takes both over, N is unlinked and freed
 *   3. CPU 0 reads the flags of N, its bounds, or where to go from there
 *
 * merge-frees-vma-of-swapout (R0.2)
 *   as above, but CPU 0 reclaims a page of N, and reads its flags
 *
 * unuse-passes-over (R0.3)
 *   1. CPU 0, in unuse_process, has searched vma P up to where it ended
 *   2. CPU 1 maps the hole between P and N: P now ends where N does, and N is unlinked
 *   3. CPU 0 goes on from P: there is nothing behind it. It has not seen the entry in what was N
 *   4. who trusts one pass takes the device away, and the entry is left
 *   try_to_unuse goes round until nobody uses the slot, and so comes to the end later; what shows here is that a pass is worth nothing. N is kept from being freed, so that R0.2 is not in the way: no
 *   reference to a vma, and no grace period, would help.
 *
 * The fixed twins run under Linus's regime.
 */
import type { Kernel } from '../../mm/kernel.ts';
import { refile } from '../../mm/mlock/refile.ts';
import { Mm, VM } from '../../mm/structs.ts';
import { vmas } from '../../mm/vma.ts';
import {
  type Act,
  HOLE,
  inOrder,
  map,
  mapAt,
  mmAt,
  mmRace,
  N,
  P,
  pageAt,
  populate,
  RW,
  reclaim,
  SMALL,
  seeing,
  THREAD,
  touch,
  tree,
  unmapAt,
} from './objrmap-scene.ts';

const LINUS = tree('L');
const HUGH = `${THREAD}: Hugh Dickins, 26 March`;

/** Where more of them lie. */
const ODD = [0x11000, 0x13000, 0x15000, 0x17000, 0x19000] as const;

/** mmap_cache is of no help. */
const forgetVma = (k: Kernel): void => k.isa.writeOnce(mmAt(k) + Mm.mmap_cache, 0);

/** N has a page, P has none. */
const bothMapped: Act = ({ k }) => {
  k.mms.create();
  map(k, P);
  map(k, N);
  populate(k, N);
};

/** R0.1. */
export const detachOutsidePtl = mmRace({
  name: 'mm/objrmap/detach-outside-ptl',
  wrong:
    'munmap takes vmas out of the tree before it takes page_table_lock: a look-up under that lock leaves one in mmap_cache that is freed then',
  source: `${THREAD}: Andrea Arcangeli, 3 March, of 2.6.3-mjb2; ${HUGH}; mm.md R0.1`,
  caughtBy: 'lifetime',
  spec: SMALL,
  init(context) {
    bothMapped(context);
    forgetVma(context.k);
  },
  actors: [reclaim, inOrder(unmapAt(N), touch(P))],
  broken: { regime: tree('J2') },
  fixed: { regime: LINUS },
});

/** R0.1. */
export const detachHidesVma = mmRace({
  name: 'mm/objrmap/detach-hides-vma',
  wrong:
    'munmap turns the tree of vmas without page_table_lock: a look-up under that lock misses a VM_LOCKED vma, and reclaim takes its page',
  source: `${HUGH}; mm.md R0.1`,
  caughtBy: 'check',
  says: 'O-MLOCK',
  spec: SMALL,
  modules: { mlock: refile },
  init({ k }) {
    k.mms.create();
    for (const address of [...ODD].reverse()) map(k, address, address === ODD[0] ? RW | VM.LOCKED : RW);
    populate(k, ODD[0]);
    forgetVma(k);
  },
  actors: [reclaim, unmapAt(ODD[4])],
  check: ({ k }) =>
    pageAt(k, ODD[0]) === 0 ? 'O-MLOCK: reclaim has taken the page of a VM_LOCKED vma' : undefined,
  broken: { regime: tree('J2') },
  fixed: { regime: LINUS },
});

/** The page of N is on the swap device. */
const swappedOut = inOrder(bothMapped, reclaim);

/** R0.2. */
export const mergeFreesVmaOfSwapoff = mmRace({
  name: 'mm/objrmap/merge-frees-vma-of-swapoff',
  wrong:
    'mmap merges vmas and frees one without page_table_lock: swapoff, which holds no other, stands on it',
  source: `${HUGH}, of 2.6.4-mjb1; mm.md R0.2`,
  caughtBy: 'lifetime',
  spec: SMALL,
  init: swappedOut,
  actors: [({ k }) => void k.swapoff.swapoff(), mapAt(HOLE)],
  broken: { regime: tree('J1') },
  fixed: { regime: LINUS },
});

/** R0.2. */
export const mergeFreesVmaOfSwapout = mmRace({
  name: 'mm/objrmap/merge-frees-vma-of-swapout',
  wrong:
    'mmap merges vmas and frees one without page_table_lock: reclaim, which holds no other, has just found it',
  source: `${HUGH}, of 2.6.4-mjb1; mm.md R0.2`,
  caughtBy: 'lifetime',
  spec: SMALL,
  init: bothMapped,
  actors: [reclaim, mapAt(HOLE)],
  broken: { regime: tree('J1') },
  fixed: { regime: LINUS },
});

/** Searches once, and takes the device away. */
const swapoffOnce: Act = ({ k }) => {
  k.swapoff.swapoff(1);
  k.swap.swapoff();
};

/** R0.3. */
export const unusePassesOver = mmRace({
  name: 'mm/objrmap/unuse-passes-over',
  wrong:
    'swapoff walks the vmas under page_table_lock, mmap merges them without: a range that goes to a vma already searched is not searched',
  source: `${THREAD}: Andrea Arcangeli, 3 March (the patch), 25 March (taken back); ${HUGH}; mm.md R0.3`,
  caughtBy: 'check',
  says: 'O-SWAPOFF',
  spec: SMALL,
  modules: {
    vmas: (k) => vmas(seeing(k, { slabs: { ...k.slabs, vmas: { ...k.slabs.vmas, free() {} } } })),
  },
  init: swappedOut,
  actors: [swapoffOnce, mapAt(HOLE)],
  check({ k }) {
    const n = k.slabs.vmas.objectAt(1);
    if (k.vmaTree.findVma(mmAt(k), N) !== n) k.slabs.vmas.free(n);
    return undefined;
  },
  broken: { regime: tree('J1') },
  fixed: { regime: LINUS },
});
