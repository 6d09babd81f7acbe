/**
 * Test and test-and-set lock with randomised exponential backoff (Anderson 1990; Agarwal and Cherian 1989).
 *
 * word: 0 = free, 1 = held
 *
 * All waiters of `ttas` see a release at once and all try the exchange, though only one can win. Here who has been beaten steps back before
 * it tries again, for a random time below a limit that doubles with each defeat: the losers of one release are not the rivals of the next.
 * What that costs is time in which the lock is free and nobody takes it, and the later one came, the better one's chances: anyone may
 * overtake anyone, the last comer most of all.
 *
 * A release wakes one parked waiter. It may step back first, and be overtaken; who overtook it wakes the next, so a waiter is never
 * parked on a lock that no one will release.
 *
 * Ordering: as `ttas`: the exchange that takes the lock reads the 0 that the last holder stored after its critical section.
 */
import { struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';

/** Layout of a {@link ttasBackoff} lock. */
export const TtasBackoff = struct('ttas_backoff', { word: u32 });

/** Pauses below which the first defeat steps back, and which no defeat exceeds. */
const SHORTEST = 2;
const LONGEST = 64;

/** Test and test-and-set lock whose losers step back. */
export const ttasBackoff = defineLock({
  name: 'ttas-backoff',
  kind: 'mutex',
  layout: TtasBackoff,
  promises: { irqSafe: true, spins: true },
  create: (isa, cpu) => {
    const { word } = TtasBackoff;
    function acquireHeld(at: number): void {
      let limit = SHORTEST;
      do {
        isa.spinWhile(at, 1);
        for (let left = cpu.below(limit); left > 0; left -= 1) isa.pause();
        limit = Math.min(2 * limit, LONGEST);
      } while (isa.readOnce(at) !== 0 || isa.exchange(at, 1) !== 0);
    }
    return {
      acquire(lock) {
        if (isa.exchange(lock + word, 1) !== 0) acquireHeld(lock + word);
      },
      tryAcquire: (lock) => isa.readOnce(lock + word) === 0 && isa.exchange(lock + word, 1) === 0,
      release(lock) {
        isa.storeWakeOne(lock + word, 0);
      },
    };
  },
});
