/**
 * Vmas that change or go while a fault that holds no mmap_sem uses them (mm.md R3.9, R3.10, R3.12, R3.13, C3.a; "Speculative page faults", Peter Zijlstra, 2014; Laurent Dufour, v3 to v11, 2017 and 2018).
 *
 * vma-not-kept (R3.10)
 *   1. CPU 0 finds V in the tree
 *   2. CPU 1 unmaps V and frees it
 *   3. CPU 0 reads its flags
 *
 * anon-vma-from-neighbour (R3.12): V has no anon_vma, and that of its neighbour U would do
 *   1. CPU 0 reads V's vm_prev
 *   2. CPU 1 unmaps U and frees it
 *   3. CPU 0 reads U's anon_vma
 *
 * flags-copied-early (R3.13)
 *   1. CPU 0 copies VM_WRITE, before it has looked at vm_sequence
 *   2. CPU 1 makes V read-only, from begin to end
 *   3. CPU 0 reads vm_sequence, which is even, and installs an entry that may be written through
 *
 * index-read-late (R3.13)
 *   1. CPU 0 has the pte lock, and V's sequence is what it was; it reads V's vm_pgoff, to number its new page
 *   2. CPU 1 unmaps the first page of V: no page_table_lock is taken where a vma is split. vm_start is another now
 *   3. CPU 0 reads vm_start: the page gets the number of the one before, and reverse mapping looks for it there
 *   Found by this model: the series passes the vma on to linear_page_index.
 *
 * mremap-unmarked (R3.9)
 *   1. CPU 1 links the vma that V's entries are to be moved to
 *   2. CPU 0 faults there, and gets a page
 *   3. CPU 1 moves V's entry there, over that of this page
 *
 * counts-lost (C3.a, where it ends)
 *   1. CPU 0, MADV_DONTNEED, reads vm_sequence, to count it up
 *   2. CPU 1, MADV_DONTNEED of the same vma, counts it up
 *   3. CPU 0 stores the same number; when both have ended it is odd, and from now on even while somebody writes
 *
 * fork-unmarked: three threads of a process
 *   1. CPU 1, fork, takes the right to write from V's entry in memory, and has not flushed the TLBs yet
 *   2. CPU 2 writes to V: its fault, without mmap_sem, copies the page
 *   3. CPU 0 writes to V by the translation that it has: to the page that was copied
 *   4. CPU 2 installs the copy: what CPU 0 has written is lost
 *   With mmap_sem CPU 2 waits for the flush. Found again with per-VMA locks: "fork: lock VMAs of the parent process when forking" (Suren Baghdasaryan, Linux 6.5, commit fb49c455323f).
 *
 * dontneed-twice (C3.a)
 *   Two MADV_DONTNEED of one vma, both with mmap_sem for reading: vm_sequence is even while both are at it. A fault may come between: that is what it may do under mmap_sem, too.
 */

import { VM_FAULT_ERROR } from '../../mm/fault.ts';
import { PAGE_SIZE } from '../../mm/pte.ts';
import {
  type Act,
  HOLE,
  inOrder,
  map,
  mapAt,
  mmAt,
  mmControl,
  mmRace,
  populate,
  RW,
  unmapAt,
} from './objrmap-scene.ts';
import {
  ANON,
  AWAY,
  dontneed,
  empty,
  fault,
  long,
  N,
  REGIME,
  readOnly,
  rules,
  SPF,
  speculate,
  V,
} from './spf-scene.ts';

const SHARED = { spec: ANON, regime: REGIME, source: SPF, fixed: { spf: rules() } } as const;

/** R3.10. */
export const vmaNotKept = mmRace({
  ...SHARED,
  name: 'mm/spf/vma-not-kept',
  wrong: 'a fault looks a vma up without mmap_sem, and nothing keeps it from being freed',
  source: `${SPF}: SRCU in v3 to v5, mm_rb_lock and vm_ref_count from v6 on; mm.md R3.10`,
  caughtBy: 'lifetime',
  says: 'vm_area_struct',
  init: empty,
  actors: [fault(V), unmapAt(V)],
  broken: { spf: rules({ lookup: 'none' }) },
});

const kept = { spec: ANON, regime: REGIME, init: empty, actors: [fault(V), unmapAt(V)] };

/** R3.10. */
export const keptBySrcu = mmControl({
  ...kept,
  name: 'mm/spf/kept-by-srcu',
  why: 'who frees a vma waits for a grace period of the SRCU that faults are in',
  source: `${SPF}: v3 to v5; mm.md R3.10`,
  spf: 'v5',
});

/** R3.10. */
export const keptByRcu = mmControl({
  ...kept,
  name: 'mm/spf/kept-by-rcu',
  why: 'who frees a vma waits for a grace period, and faults that sleep are left to the classic path',
  source: 'Peter Zijlstra on "Speculative page faults" v9 17/24, linux-mm, March 2018; mm.md R3.10',
  spf: 'rcu',
});

/** R3.10. */
export const keptByItsLock = mmControl({
  ...kept,
  name: 'mm/spf/kept-by-its-lock',
  why: 'a vma is used with its lock held for reading, and looked at again with it: who unmaps it takes it for writing',
  source: '"Per-VMA locks", Suren Baghdasaryan, Linux 6.4',
  spf: 'per-vma-lock',
  // Merged with what is around it, and split: its lock sleeps, so it comes before those of files and anon_vmas.
  actors: [fault(V), inOrder(mapAt(HOLE), unmapAt(V))],
});

/** R3.12. */
export const anonVmaFromNeighbour = mmRace({
  ...SHARED,
  name: 'mm/spf/anon-vma-from-neighbour',
  wrong: 'a fault without mmap_sem gives a vma the anon_vma of its neighbour, which nothing keeps',
  source: `${SPF}: spf_vma_noanon; mm.md R3.12`,
  caughtBy: 'lifetime',
  says: 'vm_area_struct',
  init({ k }) {
    k.mms.create();
    map(k, V);
    populate(k, V);
    map(k, HOLE, RW | 4);
  },
  actors: [fault(HOLE), unmapAt(V)],
  broken: { spf: rules({ noAnon: 'prepare' }) },
});

/** R3.13. */
export const flagsCopiedEarly = mmRace({
  ...SHARED,
  name: 'mm/spf/flags-copied-early',
  wrong: 'what is copied of a vma is copied before its sequence is looked at',
  source: `${SPF}: vma_flags and vma_page_prot of struct vm_fault; mm.md R3.13`,
  caughtBy: 'check',
  says: 'O-VMA',
  init: empty,
  actors: [fault(V), readOnly(V)],
  broken: { spf: rules({ copies: 'before' }) },
});

/** R3.13. */
export const indexReadLate = mmRace({
  ...SHARED,
  name: 'mm/spf/index-read-late',
  wrong: 'a new page is numbered by the bounds of a vma that is being split',
  source: `${SPF}: __page_add_new_anon_rmap; mm.md R3.13`,
  caughtBy: 'check',
  says: 'O-MAP',
  init: long(2),
  actors: [fault(V + PAGE_SIZE), unmapAt(V)],
  broken: { spf: rules({ index: 'vma' }) },
});

const mremap: Act = ({ k }) => void k.mremap.mremap(mmAt(k), N, PAGE_SIZE, PAGE_SIZE, 1, AWAY);

/** R3.9. */
export const mremapUnmarked = mmRace({
  ...SHARED,
  name: 'mm/spf/mremap-unmarked',
  wrong: 'mremap links a vma and moves entries to it later: a fault may have filled them by then',
  source: `${SPF}: copy_vma returns the vma with its sequence odd; mm.md R3.9`,
  caughtBy: 'check',
  says: 'O-MAP',
  init: empty,
  actors: [speculate(AWAY), mremap],
  broken: { spf: rules({ writers: { move: false } }) },
});

/** C3.a, where it ends. */
export const countsLost = mmRace({
  ...SHARED,
  name: 'mm/spf/counts-lost',
  wrong: 'two that hold mmap_sem for reading count vm_sequence up by loads and stores',
  source: `${SPF}: vm_write_begin in unmap_page_range; mm.md C3.a`,
  caughtBy: 'check',
  says: 'O-LOCKBAL',
  init: empty,
  actors: [dontneed(V), dontneed(V)],
  broken: { spf: rules({ writers: { atomic: false } }) },
});

/** C3.a. */
export const dontneedTwice = mmControl({
  name: 'mm/spf/dontneed-twice',
  why: 'vm_sequence is even while two drop pages of a vma: a fault may come between them under mmap_sem, too',
  source: `${SPF}; mm.md C3.a`,
  spec: ANON,
  regime: REGIME,
  spf: rules(),
  init: empty,
  actors: [dontneed(N), dontneed(N), fault(N)],
});

/** fork. */
export const forkUnmarked = mmRace({
  ...SHARED,
  name: 'mm/spf/fork-unmarked',
  wrong:
    'a fault without mmap_sem copies a page while fork has not flushed the TLBs through which others still write to it',
  source:
    '"fork: lock VMAs of the parent process when forking", Suren Baghdasaryan, Linux 6.5, commit fb49c455323f',
  spec: { ...ANON, frames: 20, mms: 2, vmas: 6 },
  caughtBy: 'check',
  says: 'O-LOST',
  init({ k }) {
    k.mms.create();
    map(k, V);
    populate(k, V);
  },
  actors: [
    ({ k, note }) => {
      for (const version of [1, 2])
        if ((k.user.userWrite(mmAt(k), V, 1, version) & VM_FAULT_ERROR) === 0)
          k.isa.write(note + 16, version);
    },
    ({ k }) => void k.mms.fork(mmAt(k)),
    fault(V),
  ],
  check({ k, note }) {
    const wrote = k.isa.read(note + 16);
    const { version } = k.user.userRead(mmAt(k), V);
    return version === wrote ? undefined : `O-LOST: write ${wrote} is lost: there is write ${version}`;
  },
  broken: { spf: rules({ writers: { fork: false } }, 'v10') },
  fixed: { spf: 'v10' },
});
