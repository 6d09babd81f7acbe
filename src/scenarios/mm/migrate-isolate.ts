/**
 * Isolating a driver's page, and who comes in between (mm.md R4.3, R4.5 to R4.7, R4.13). P is a page of the driver.
 *
 * blind-reference (R4.5a)
 *   1. CPU 0 sees that P is a driver's
 *   2. CPU 1 frees it: the last reference goes
 *   3. CPU 0 takes a reference, from 0 to 1, and drops it again: P is freed twice
 *
 * keeps-reference (R4.5b)
 *   1. CPU 0 takes a reference to P
 *   2. CPU 1 frees it: its own was not the last
 *   3. CPU 0 finds P nobody's, and returns with its reference
 *
 * isolates-twice (R4.6)
 *   1. CPU 0 sees that P is a driver's, and not isolated
 *   2. CPU 1 isolates it
 *   3. CPU 0 has the page lock, and isolates it, too
 *
 * locks-any-page (R4.7)
 *   1. CPU 1 frees P, which CPU 0 has seen to be a driver's; the frame is allocated anew
 *   2. CPU 0 takes a reference to it and locks it, not asking once more what it is
 *   3. CPU 1 locks the page that nobody knows yet, and finds it locked
 *
 * peeks-at-tail (R4.3)
 *   1. CPU 0 sees that a page is not part of a compound one
 *   2. CPU 1 makes it the tail of one, and three huge entries map that: compound_mapcount is 2, as the type is of a driver's page
 *   3. CPU 0 isolates it, asking nothing more: the head's mapping is no driver's
 *   Tails have references here, as up to Linux 4.4: with none, nobody takes one.
 *
 * isolates-under-lru-lock (R4.13)
 *   1. CPU 0 has isolated a page of the LRU, and holds lru_lock
 *   2. CPU 1 holds the driver's private_lock, and drops the last reference to a page of the LRU: it wants lru_lock
 *   3. CPU 0 has P isolated: the driver wants private_lock
 */
import { COMPACTION_DESIGNS, compaction } from '../../mm/compaction.ts';
import { compound } from '../../mm/movable/compound.ts';
import { AddressSpace } from '../../mm/structs.ts';
import {
  free,
  isolateAndPutBack,
  mappingOf,
  moving,
  NON_LRU,
  P,
  POOLED,
  poolOf,
  put,
} from './migrate-scene.ts';
import { type Act, inOrder, mmRace } from './objrmap-scene.ts';

const SHARED = {
  ...POOLED,
  fixed: { modules: moving({}) },
} as const;

/** R4.5, a. */
export const blindReference = mmRace({
  ...SHARED,
  name: 'mm/migrate/blind-reference',
  wrong: 'isolation takes a reference to a page that may have none',
  source: `${NON_LRU}: isolate_movable_page; mm.md R4.5`,
  actors: [isolateAndPutBack, free()],
  says: 'bad_page',
  broken: { modules: moving({ reference: 'blind' }) },
});

/** R4.5, b. */
export const keepsReference = mmRace({
  ...SHARED,
  name: 'mm/migrate/keeps-reference',
  wrong: 'isolation keeps its reference to a page that it does not isolate',
  source: `${NON_LRU}: isolate_movable_page; mm.md R4.5`,
  actors: [isolateAndPutBack, free()],
  caughtBy: 'check',
  says: 'O-LEAK',
  broken: { modules: moving({ putsBack: false }) },
});

/** R4.6. */
export const isolatesTwice = mmRace({
  ...SHARED,
  name: 'mm/migrate/isolates-twice',
  wrong: 'PG_isolated is looked at without the page lock: two CPUs isolate one page',
  source: `${NON_LRU}: isolate_movable_page; mm.md R4.6`,
  actors: isolateAndPutBack,
  cpus: 2,
  says: 'O-ISO: isolatePage is called',
  broken: { modules: moving({ isolated: 'before' }) },
});

const freeAndAlloc: Act = ({ k }) => {
  for (let times = 0; times < 5; times += 1) {
    poolOf(k).free(1);
    poolOf(k).alloc(mappingOf(k));
  }
};

/** Who has looked at a page before, and found a driver's, isolates it, and puts it back. */
const isolateKnown: Act = ({ k }) => {
  const page = P(k);
  if (k.movable.isolateMovablePage(page, 'sync')) k.movable.putbackMovablePage(page);
};

/** R4.7. */
export const locksAnyPage = mmRace({
  ...SHARED,
  name: 'mm/migrate/locks-any-page',
  wrong:
    'isolation locks a page before it asks what it is: who has just allocated it expects nobody else to have it locked',
  source: `${NON_LRU}: isolate_movable_page; mm.md R4.7`,
  actors: [inOrder(...Array.from({ length: 5 }, () => isolateKnown)), freeAndAlloc],
  says: 'is new, and somebody has locked it',
  broken: { modules: moving({ peeks: 'never' }) },
});

/** A compound page of the frames 1 and 2, three huge entries, and then none. */
const huge: Act = ({ k }) => {
  const pages = compound(k, 'counted');
  pages.make(P(k));
  for (let entries = 0; entries < 3; entries += 1) pages.map(P(k), 1);
  for (let entries = 0; entries < 3; entries += 1) pages.map(P(k), -1);
  pages.split(P(k));
  put(k, P(k));
  put(k, P(k, 2));
};

/** R4.3. */
export const peeksAtTail = mmRace({
  ...SHARED,
  name: 'mm/migrate/peeks-at-tail',
  wrong: 'a page is isolated on a look at its type, which in the tail of a compound page is a counter',
  source: `${NON_LRU}: the review of page_mapping in isolate_movable_page; mm.md R4.3`,
  init({ k }) {
    for (let made = 0; made < 2; made += 1) k.pageAlloc.allocPage();
  },
  actors: [isolateAndPutBack, huge],
  says: 'O-TYPE: isolatePage is called',
  broken: { modules: moving({ rechecks: false }) },
});

/** Under the pool's lock, the last reference to a page of the LRU goes. */
const dropUnderLock: Act = ({ k }) => {
  const lock = mappingOf(k) + AddressSpace.private_lock;
  k.locks.spin.acquire(lock);
  put(k, P(k, 3));
  k.locks.spin.release(lock);
};

/** R4.13. */
export const isolatesUnderLruLock = mmRace({
  ...SHARED,
  name: 'mm/migrate/isolates-under-lru-lock',
  wrong: 'a driver is called with lru_lock held; it takes its own lock, with which others take lru_lock',
  source: `${NON_LRU}: isolate_migratepages_block; mm.md R4.13`,
  caughtBy: 'progress',
  init({ k }) {
    const mapping = poolOf(k).create();
    const onLru = (): void => k.lru.cacheAdd(k.pageAlloc.allocPage());
    onLru();
    poolOf(k).alloc(mapping);
    onLru();
    k.lru.drain();
  },
  actors: [inOrder(isolateAndPutBack, ({ k }) => put(k, P(k))), dropUnderLock],
  broken: {
    modules: { compaction: (k) => compaction(k, { ...COMPACTION_DESIGNS.merged, dropsLruLock: false }) },
  },
  fixed: {},
});
