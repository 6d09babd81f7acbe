/**
 * Data races: plain accesses that no synchronisation orders. None of these shows by its result on a machine that takes each access as it comes; the compiler may
 * make of them what it likes. They are found by happens-before (Lamport 1978; C11, 5.1.2.4), so the checks only say what holds in any case.
 */
import { struct, u32, words } from '../memory/index.ts';
import type { Actor } from '../scenario.ts';
import { classic } from './classic.ts';
import { mutexOps } from './parts.ts';

const Flagged = struct('flagged', { data: u32, flag: u32, seen: u32 });

const oneOf =
  (field: number, ...values: number[]) =>
  ({ isa, state, fail }: Parameters<Actor>[0] & { fail(what: string): void }): void => {
    if (!values.includes(isa.read(state + field)))
      fail(`${isa.read(state + field)} was read, which nobody wrote`);
  };

/** A flag that is an ordinary variable. */
export const plainFlag = classic({
  name: 'plain-flag',
  wrong: 'a flag that says that the data are there is an ordinary variable, as are the data',
  source: 'Boehm 2011, "How to miscompile programs with \'benign\' data races"',
  caughtBy: 'race',
  state: Flagged,
  check: oneOf(Flagged.seen, 0, 1),
  broken: {
    actors: [
      ({ isa, state }) => {
        isa.write(state + Flagged.data, 1);
        isa.write(state + Flagged.flag, 1);
      },
      ({ isa, state }) => {
        if (isa.read(state + Flagged.flag) === 1)
          isa.write(state + Flagged.seen, isa.read(state + Flagged.data));
      },
    ],
  },
  fixed: {
    actors: [
      ({ isa, state }) => {
        isa.write(state + Flagged.data, 1);
        isa.storeRelease(state + Flagged.flag, 1);
      },
      ({ isa, state }) => {
        if (isa.loadAcquire(state + Flagged.flag) === 1)
          isa.write(state + Flagged.seen, isa.read(state + Flagged.data));
      },
    ],
  },
});

const TwoLocks = struct('two_locks', { lock: words(2), value: u32, seen: u32 });

/** One variable, two locks. */
export const twoLocks = classic({
  name: 'two-locks',
  wrong: 'both CPUs hold a lock when they access a variable, but not the same lock',
  source: 'Savage et al. 1997, "Eraser: a dynamic data race detector for multithreaded programs"',
  caughtBy: 'race',
  state: TwoLocks,
  create: mutexOps,
  check: oneOf(TwoLocks.seen, 0, 7),
  broken: {
    actors: [
      ({ isa, state, tools }) => {
        tools.acquire(state + TwoLocks.lock);
        isa.write(state + TwoLocks.value, 7);
        tools.release(state + TwoLocks.lock);
      },
      ({ isa, state, tools }) => {
        tools.acquire(state + TwoLocks.lock + 4);
        isa.write(state + TwoLocks.seen, isa.read(state + TwoLocks.value));
        tools.release(state + TwoLocks.lock + 4);
      },
    ],
  },
  fixed: {
    actors: [
      ({ isa, state, tools }) => {
        tools.acquire(state + TwoLocks.lock);
        isa.write(state + TwoLocks.value, 7);
        tools.release(state + TwoLocks.lock);
      },
      ({ isa, state, tools }) => {
        tools.acquire(state + TwoLocks.lock);
        isa.write(state + TwoLocks.seen, isa.read(state + TwoLocks.value));
        tools.release(state + TwoLocks.lock);
      },
    ],
  },
});

/** A write under the lock, a read without. */
export const unlockedRead = classic({
  name: 'unlocked-read',
  wrong: 'a variable is written under its lock and read without: "it is only a read"',
  source:
    'Adve and Boehm 2010, "Memory models: a case for rethinking parallel languages and hardware"; Linux tools/memory-model/Documentation/access-marking.txt',
  caughtBy: 'race',
  state: TwoLocks,
  create: mutexOps,
  check: oneOf(TwoLocks.seen, 0, 7),
  broken: {
    actors: [
      ({ isa, state, tools }) => {
        tools.acquire(state + TwoLocks.lock);
        isa.write(state + TwoLocks.value, 7);
        tools.release(state + TwoLocks.lock);
      },
      ({ isa, state }) => isa.write(state + TwoLocks.seen, isa.read(state + TwoLocks.value)),
    ],
  },
  fixed: {
    actors: [
      ({ isa, state, tools }) => {
        tools.acquire(state + TwoLocks.lock);
        isa.writeOnce(state + TwoLocks.value, 7);
        tools.release(state + TwoLocks.lock);
      },
      ({ isa, state }) => isa.write(state + TwoLocks.seen, isa.readOnce(state + TwoLocks.value)),
    ],
  },
});

const Dropped = struct('dropped', { refs: u32, field: words(2), sum: u32 });

const useAndPut =
  (put: (isa: Parameters<Actor>[0]['isa'], refs: number) => number): Actor =>
  ({ isa, state, cpu }) => {
    isa.write(state + Dropped.field + 4 * cpu.id, 1);
    if (put(isa, state + Dropped.refs) !== 1) return;
    isa.write(state + Dropped.sum, isa.read(state + Dropped.field) + isa.read(state + Dropped.field + 4));
  };

/** A reference dropped without order. */
export const relaxedPut = classic({
  name: 'relaxed-put',
  wrong:
    'a reference is dropped by a relaxed decrement: who frees the object is not ordered after the last use by the others',
  source: 'Linux Documentation/core-api/refcount-vs-atomic.rst; Boost.Atomic, "Reference counting"',
  caughtBy: 'race',
  cpus: 2,
  state: Dropped,
  init: ({ isa, state }) => isa.write(state + Dropped.refs, 2),
  check: oneOf(Dropped.sum, 1, 2),
  broken: { actors: useAndPut((isa, refs) => isa.fetchAddRelaxed(refs, -1)) },
  fixed: { actors: useAndPut((isa, refs) => isa.fetchAdd(refs, -1)) },
});
