/**
 * Test and test-and-set lock (Rudolph and Segall 1984).
 *
 * word: 0 = free, 1 = held
 *
 * A waiter only reads, in its own cache, until it sees the lock free, and tries the exchange then: one transfer of the line for a release
 * and one for the winner, where `tas` pays one for every try of every waiter. Anyone may overtake anyone. Release wakes one parked
 * waiter; who overtakes it wakes the next, so a waiter is never parked on a lock that no one will release.
 *
 * Ordering: the exchange that takes the lock reads the 0 that the last holder stored after its critical section. The reads before it are
 * hints.
 */
import { struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';

/** Layout of a {@link ttas} lock. */
export const Ttas = struct('ttas', { word: u32 });

/** Test and test-and-set lock. */
export const ttas = defineLock({
  name: 'ttas',
  kind: 'mutex',
  layout: Ttas,
  promises: { irqSafe: true, spins: true },
  create: (isa) => {
    const { word } = Ttas;
    return {
      acquire(lock) {
        while (isa.exchange(lock + word, 1) !== 0) isa.spinWhile(lock + word, 1);
      },
      tryAcquire: (lock) => isa.readOnce(lock + word) === 0 && isa.exchange(lock + word, 1) === 0,
      release(lock) {
        isa.storeWakeOne(lock + word, 0);
      },
    };
  },
});
