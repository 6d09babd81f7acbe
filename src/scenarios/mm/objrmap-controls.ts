/**
 * What looks wrong in the locking of vmas in 2004, and is not (mm.md C0.a, C0.b); and where the first of them stops being right. Linus's regime.
 *
 * flags-without-ptl (C0.a)
 *   mlock sets VM_LOCKED under mmap_sem alone, while reclaim reads it under page_table_lock alone
 *   1. CPU 1, reclaim, sees that the vma is not locked
 *   2. CPU 0, mlock, sets VM_LOCKED
 *   3. CPU 1 takes the page
 *   4. CPU 0 goes over the entries under page_table_lock, and then touches every page of the range: those that went in between come back, and go no more
 *   Pages bear no mark of it, as in Linux 2.4 and 2.6.
 *
 * mlock-counted-twice
 *   the same where mlocks are counted in the page (2022)
 *   1. CPU 0, mlock, sets VM_LOCKED, and has not come to the page yet
 *   2. CPU 1, reclaim, finds the vma locked, marks the page for it, and puts it back, counted once
 *   3. CPU 0 comes to the page, and counts it again: after munlock it stays unevictable
 *   The vma says meanwhile that mlock has yet to come to its pages (VM_IO, as in Linux 5.18), and reclaim leaves them where they are without a mark.
 *
 * both-locks-writers (C0.b)
 *   CPU 0 unmaps a vma and maps a hole, whose neighbours become one; CPU 1 reclaims, CPU 2 takes the swap device away. These two hold page_table_lock alone, and need no more, since CPU 0 holds both
 *   locks. One pass of swapoff may still not be enough: a slot that CPU 1 is about to give to a page is counted, and no entry holds it.
 */
import { refile } from '../../mm/mlock/refile.ts';
import { PAGE_SIZE } from '../../mm/pte.ts';
import type { MmContext } from '../../mm/scenario.ts';
import { VM } from '../../mm/structs.ts';
import { unmappable } from '../../mm/unmappable.ts';
import {
  type Act,
  HOLE,
  inOrder,
  map,
  mapAt,
  mmAt,
  mmControl,
  mmRace,
  N,
  P,
  pageAt,
  populate,
  reclaim,
  SMALL,
  THREAD,
  tree,
  unmapAt,
} from './objrmap-scene.ts';

/** Where another vma lies. */
const U = 0x14000;

const FLAGS_WITHOUT_PTL = tree('L', { flagsChange: { mmap_sem: 'W' } });

const mlock: Act = ({ k }) => void k.maps.mlock(mmAt(k), P, PAGE_SIZE);

const onePage = {
  spec: SMALL,
  init({ k }: MmContext) {
    k.mms.create();
    map(k, P);
    populate(k, P);
  },
};

/** C0.a. */
export const flagsWithoutPtl = mmControl({
  name: 'mm/objrmap/flags-without-ptl',
  why: 'mlock sets VM_LOCKED without page_table_lock, goes over the entries under it, and touches what is not there: a page that was taken in between comes back',
  source: `rmap-34 of Rik van Riel, which had dropped that lock; ${THREAD}; mm.md C0.a`,
  ...onePage,
  regime: FLAGS_WITHOUT_PTL,
  modules: { mlock: refile },
  actors: [mlock, reclaim],
  check: ({ k }) => (pageAt(k, P) === 0 ? 'O-MLOCK: the page of a VM_LOCKED vma is not there' : undefined),
});

/** Where C0.a ends. */
export const mlockCountedTwice = mmRace({
  name: 'mm/objrmap/mlock-counted-twice',
  wrong:
    'mlock sets VM_LOCKED in one section and counts the pages in another: reclaim, in between, counts one for the same vma, not asking whether mlock has come to it (VM_IO)',
  source: 'Hugh Dickins, "mm/munlock" 06/13, linux-mm, February 2022; C0.a of mm.md',
  caughtBy: 'check',
  says: 'O-MLOCK',
  ...onePage,
  regime: FLAGS_WITHOUT_PTL,
  actors: [mlock, reclaim],
  broken: { modules: { unmappable: (k) => unmappable(k, (flags) => (flags & VM.LOCKED) !== 0) } },
  fixed: {},
});

/** C0.b. */
export const bothLocksWriters = mmControl({
  name: 'mm/objrmap/both-locks-writers',
  why: 'writers of vmas hold mmap_sem and page_table_lock, so readers that hold page_table_lock alone meet none of them half way',
  source: `${THREAD}: Andrea Arcangeli, 3 March, of Linux 2.4; Hugh Dickins, 26 March, of 2.6.5-rc2; mm.md C0.b`,
  spec: SMALL,
  regime: tree('L'),
  init({ k }) {
    k.mms.create();
    for (const address of [P, N, U]) map(k, address);
    populate(k, N);
    k.reclaim.shrinkInactive(1);
    populate(k, U);
  },
  actors: [inOrder(unmapAt(U), mapAt(HOLE)), reclaim, ({ k }) => void k.swapoff.swapoff(3)],
});
