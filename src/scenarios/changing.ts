/**
 * Objects that change under somebody who looks at them: one that is moved to another list, one that is edited where it lies, a mapping that is taken away between two
 * looks. Every access is in order and under its lock, if it has one; what was found out by the first look no longer holds at the second.
 */
import type { Addr } from '../arch/index.ts';
import type { MutexOps } from '../locking/kinds.ts';
import { struct, u32, words } from '../memory/index.ts';
import type { Actor } from '../scenario.ts';
import { classic } from './classic.ts';
import { mutexOps } from './parts.ts';

const Chains = struct('chains', { lock: u32, first: u32, next: words(6), visited: u32 });
const nextOf = (state: Addr, node: number): Addr => state + Chains.next + 4 * node;

/** Moves node 3 from the chain 2, 3, 4 to the front of the chain 5. */
const moveNode: Actor<MutexOps> = ({ isa, state, tools }) => {
  tools.acquire(state + Chains.lock);
  isa.write(nextOf(state, 2), 4);
  isa.write(nextOf(state, 3), 5);
  tools.release(state + Chains.lock);
};

/** An iterator that is led to another list. */
export const strayedIterator = classic({
  name: 'strayed-iterator',
  wrong:
    'an iterator gives up the lock at each element: the one that it stands on is moved to another list, and it goes on there',
  source: 'Linux Documentation/RCU/rculist_nulls.rst; java.util.ConcurrentModificationException',
  caughtBy: 'check',
  state: Chains,
  create: mutexOps,
  init: ({ isa, state }) => {
    isa.write(state + Chains.first, 2);
    isa.write(nextOf(state, 2), 3);
    isa.write(nextOf(state, 3), 4);
  },
  check: ({ isa, state, fail }) => {
    const visited = isa.read(state + Chains.visited);
    if ((visited & (1 << 5)) !== 0 || (visited & (1 << 4)) === 0) fail('the iterator left its list');
  },
  broken: {
    actors: [
      ({ isa, state, tools }) => {
        const step = (from: Addr): number => {
          tools.acquire(state + Chains.lock);
          const node = isa.read(from);
          tools.release(state + Chains.lock);
          return node;
        };
        let visited = 0;
        for (let node = step(state + Chains.first); node !== 0; node = step(nextOf(state, node)))
          visited |= 1 << node;
        isa.write(state + Chains.visited, visited);
      },
      moveNode,
    ],
  },
  fixed: {
    actors: [
      ({ isa, state, tools }) => {
        let visited = 0;
        tools.acquire(state + Chains.lock);
        for (let node = isa.read(state + Chains.first); node !== 0; node = isa.read(nextOf(state, node)))
          visited |= 1 << node;
        tools.release(state + Chains.lock);
        isa.write(state + Chains.visited, visited);
      },
      moveNode,
    ],
  },
});

const Versions = struct('versions', { current: u32, x: words(2), y: words(2), seen: words(2) });

const readVersion: Actor = ({ isa, state }) => {
  const version = isa.loadAcquire(state + Versions.current);
  isa.write(state + Versions.seen, isa.readOnce(state + Versions.x + 4 * version));
  isa.write(state + Versions.seen + 4, isa.readOnce(state + Versions.y + 4 * version));
};

/** A published object that is changed where it lies. */
export const editInPlace = classic({
  name: 'edit-in-place',
  wrong:
    'an object that readers find without a lock is changed where it lies, not copied: a reader sees one field new and one old',
  source: 'McKenney 2004, "Exploiting deferred destruction"; Linux Documentation/RCU/listRCU.rst',
  caughtBy: 'check',
  state: Versions,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Versions.seen) !== isa.read(state + Versions.seen + 4))
      fail('half of an update was seen');
  },
  broken: {
    actors: [
      ({ isa, state }) => {
        isa.writeOnce(state + Versions.x, 1);
        isa.writeOnce(state + Versions.y, 1);
      },
      readVersion,
    ],
  },
  fixed: {
    actors: [
      ({ isa, state }) => {
        isa.writeOnce(state + Versions.x + 4, 1);
        isa.writeOnce(state + Versions.y + 4, 1);
        isa.storeRelease(state + Versions.current, 1);
      },
      readVersion,
    ],
  },
});

const Mapping = struct('mapping', { lock: u32, pte: u32, original: u32, copy: u32 });
const NO_PAGE = 0;
const READ_ONLY = 1;
const PRIVATE = 2;

const discard: Actor<MutexOps> = ({ isa, state, tools }) => {
  tools.acquire(state + Mapping.lock);
  isa.write(state + Mapping.pte, NO_PAGE);
  tools.release(state + Mapping.lock);
};
/** Writes to a private mapping by two faults: the first breaks copy-on-write, the second looks the page up again. */
const forcedWrite =
  (secondFault: (pte: number) => number): Actor<MutexOps> =>
  ({ isa, state, tools }) => {
    tools.acquire(state + Mapping.lock);
    isa.write(state + Mapping.pte, PRIVATE);
    tools.release(state + Mapping.lock);
    tools.acquire(state + Mapping.lock);
    const pte = secondFault(isa.read(state + Mapping.pte));
    isa.write(state + Mapping.pte, pte);
    isa.write(state + (pte === PRIVATE ? Mapping.copy : Mapping.original), 1);
    tools.release(state + Mapping.lock);
  };

/** Dirty COW. */
export const dirtyCow = classic({
  name: 'dirty-cow',
  wrong:
    'a forced write breaks copy-on-write, forgets that it wants to write, and takes whatever page is there: if the copy was discarded meanwhile, the original',
  source:
    'CVE-2016-5195 (Dirty COW); Linux commit 19be0eaffa3a, "mm: remove gup_flags FOLL_WRITE games from __get_user_pages()"',
  caughtBy: 'check',
  state: Mapping,
  create: mutexOps,
  init: ({ isa, state }) => isa.write(state + Mapping.pte, READ_ONLY),
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Mapping.original) !== 0) fail('the original was written to');
  },
  broken: { actors: [forcedWrite((pte) => (pte === NO_PAGE ? READ_ONLY : pte)), discard] },
  fixed: { actors: [forcedWrite(() => PRIVATE), discard] },
});
