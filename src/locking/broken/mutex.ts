/** Mutexes that are broken on purpose: the plain ones. */
import { defineMutant } from '../define.ts';
import { Tas, tas } from '../tas.ts';
import { Ttas, ttas } from '../ttas.ts';

/** Does nothing. */
export const noExclusion = defineMutant(
  tas,
  {
    name: 'busted/no-exclusion',
    wrong: 'acquire and release do nothing (locktorture has the same, lock_busted)',
    caughtBy: 'exclusion',
    promises: { owned: false },
  },
  () => ({ acquire() {}, tryAcquire: () => true, release() {} }),
);

/** Test, then set. */
export const testThenSet = defineMutant(
  ttas,
  {
    name: 'busted/test-then-set',
    wrong: 'acquire waits until the word is 0 and then writes 1: two CPUs see the same 0',
    caughtBy: 'exclusion',
  },
  (isa) => ({
    acquire(lock) {
      while (isa.load(lock + Ttas.word) !== 0) isa.spinWhile(lock + Ttas.word, 1);
      isa.store(lock + Ttas.word, 1);
    },
  }),
);

/** Wakes nobody. */
export const ttasForgetsWake = defineMutant(
  ttas,
  {
    name: 'busted/ttas-forgets-wake',
    wrong:
      'release stores and wakes nobody: a waiter that has parked sleeps on beside a free lock until its park times out',
    caughtBy: 'wakeup',
    cpus: 4,
  },
  (isa) => ({
    release(lock) {
      isa.store(lock + Ttas.word, 0);
    },
  }),
);

/** A trylock that two CPUs win. */
export const trylockTwice = defineMutant(
  ttas,
  {
    name: 'busted/trylock-twice',
    wrong: 'tryAcquire looks and then writes, so it can succeed on two CPUs at once',
    caughtBy: 'exclusion',
  },
  (isa) => ({
    tryAcquire(lock) {
      if (isa.load(lock + Ttas.word) !== 0) return false;
      isa.store(lock + Ttas.word, 1);
      return true;
    },
  }),
);

/** Release by anybody. */
export const foreignRelease = defineMutant(
  tas,
  {
    name: 'busted/foreign-release',
    wrong: 'release does not look who holds the lock, and frees it for a CPU that does not',
    caughtBy: 'ownership',
  },
  (isa) => ({
    release(lock) {
      isa.storeWake(lock + Tas.holder, 0);
    },
  }),
);

/** A release that one CPU in a while forgets. */
export const leftLocked = defineMutant(
  tas,
  {
    name: 'busted/trylock-left-locked',
    wrong:
      'a tryAcquire that fails writes its CPU into the word all the same: the holder is refused its own release',
    caughtBy: 'ownership',
  },
  (isa, cpu) => ({
    tryAcquire: (lock) => isa.exchange(lock + Tas.holder, cpu.id + 1) === 0,
  }),
);

/** Is acquired again by its holder, who waits for itself. */
export const ttasRecursive = defineMutant(
  ttas,
  {
    name: 'busted/ttas-recursive',
    wrong: 'promises that its holder may acquire it again, and has the holder wait for itself',
    caughtBy: 'progress',
    promises: { recursive: true },
  },
  () => ({}),
);
