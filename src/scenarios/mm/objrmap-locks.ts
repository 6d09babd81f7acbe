/**
 * Locks in two orders: reclaim and swapoff come from the page, faults from the address space (mm.md R0.5, R0.6).
 *
 * swapout-waits-for-ptl (R0.5)
 *   1. CPU 0 faults a page of a file: with page_table_lock held it is about to add its entry to the page's chain
 *   2. CPU 1 reclaims the page: with the chain locked (PG_maplock) it waits for page_table_lock
 *   3. CPU 0 waits for the chain
 *   The fixed twin tries, and gives up for this time (SWAP_AGAIN).
 *
 * swapoff-waits-for-mmap-sem (R0.6)
 *   1. CPU 0, swapoff, has locked the page of an entry
 *   2. CPU 1 faults at that entry: it holds mmap_sem for reading, and waits for the page
 *   3. CPU 2, mmap, waits for mmap_sem for writing
 *   4. CPU 0 waits for mmap_sem for reading, behind CPU 2, since the semaphore is fair
 *   The fixed twin tries, and gives the page lock up before it waits (Linux 2.6.12).
 */

import { VM } from '../../mm/structs.ts';
import { swapoff } from '../../mm/swapoff.ts';
import {
  A,
  B,
  map,
  mapAt,
  mmRace,
  populate,
  RW,
  reclaim,
  SMALL,
  seeing,
  THREAD,
  touch,
  tree,
} from './objrmap-scene.ts';

const SPEC = { ...SMALL, vmas: 4, anonVmas: 3, chains: 6 };

/** R0.5. */
export const swapoutWaitsForPtl = mmRace({
  name: 'mm/objrmap/swapout-waits-for-ptl',
  wrong:
    'try_to_unmap waits for page_table_lock with the chain of the page locked; a fault takes them in the other order',
  source: `the order of locks at the head of Linux's mm/rmap.c (2.5, 2.6); ${THREAD}; mm.md R0.5`,
  caughtBy: 'progress',
  spec: SPEC,
  init({ k }) {
    k.mms.create();
    const file = k.pageCache.create(1);
    for (const address of [A, B]) map(k, address, RW | VM.SHARED, file);
    populate(k, A, false);
  },
  actors: [touch(B, false), reclaim],
  broken: { regime: tree('L', { swapoutAnon: { ptl: 'lock' } }) },
  fixed: { regime: tree('L') },
});

/** R0.6. */
export const swapoffWaitsForMmapSem = mmRace({
  name: 'mm/objrmap/swapoff-waits-for-mmap-sem',
  wrong:
    'swapoff waits for mmap_sem with a page locked; a fault holds mmap_sem and waits for the page, and a writer stands between them',
  source: `try_to_unuse of ${THREAD} (-mjb2, -aa4), and of Linux 2.6.12, which tries; mm.md R0.6`,
  caughtBy: 'progress',
  spec: SPEC,
  regime: tree('A4'),
  init({ k }) {
    k.mms.create();
    map(k, A);
    populate(k, A);
    k.reclaim.shrinkInactive(1);
  },
  actors: [({ k }) => void k.swapoff.swapoff(), touch(A, false), mapAt(B)],
  broken: {
    modules: {
      // It does not know that it will wait.
      swapoff: (k) => swapoff(seeing(k, { sections: { ...k.sections, wants: () => ({}) } })),
    },
  },
  fixed: {},
});
