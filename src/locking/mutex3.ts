/**
 * Sleeping mutex on a futex (Drepper, "Futexes are tricky", 2011, mutex 3; also the low-level lock of glibc since 2.4).
 *
 * word: 0 = free, 1 = held, 2 = held and somebody may be asleep
 *
 *   acquire   0 -> 1; failing that, looks on for a moment; then sets 2, and has the lock if that replaced 0; else sleeps while the word is 2
 *   release   sets 0, and wakes one sleeper if that replaced 2
 *
 * A CPU that has slept, or was about to, takes the lock with 2, never with 1: it cannot know whether others still sleep. That costs one
 * idle wake-up at the end and is what keeps sleepers from being forgotten. Whoever comes by may overtake those that are being woken:
 * no order is promised, but the lock changes hands at full speed while the woken one is still on its way.
 *
 * No wake-up is lost: a sleeper sleeps only if the word was still 2 inside the futex, and who replaces that 2 by 0 notifies. If the woken
 * one comes too late, it sets 2 again before it sleeps again, so that the one who overtook it will notify.
 *
 * Ordering: the compare-exchange or exchange that takes the lock reads the 0 of the exchange that released it; all are full barriers. The
 * reads while it looks on are hints.
 */
import { struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';

/** Layout of a {@link mutex3} lock. */
export const Mutex3 = struct('mutex3', { word: u32 });

/** The word: free. */
export const FREE = 0;
/** The word: held, nobody sleeps. */
export const HELD = 1;
/** The word: held, somebody may sleep. */
export const CONTENDED = 2;

/** How often acquire looks at a held lock before it goes to sleep. */
const LOOKS = 100;

/** Sleeping mutex; lets others pass. */
export const mutex3 = defineLock({
  name: 'mutex3',
  kind: 'mutex',
  layout: Mutex3,
  promises: { sleeps: true, irqSafe: true },
  create: (isa) => {
    const { word } = Mutex3;
    function acquireHeld(at: number): void {
      for (let looks = LOOKS; looks > 0; looks -= 1) {
        if (isa.readOnce(at) === FREE && isa.compareExchange(at, FREE, HELD) === FREE) return;
      }
      while (isa.exchange(at, CONTENDED) !== FREE) isa.wait(at, CONTENDED);
    }
    return {
      acquire(lock) {
        if (isa.compareExchange(lock + word, FREE, HELD) !== FREE) acquireHeld(lock + word);
      },
      tryAcquire: (lock) => isa.compareExchange(lock + word, FREE, HELD) === FREE,
      release(lock) {
        if (isa.exchange(lock + word, FREE) === CONTENDED) isa.notify(lock + word, 1);
      },
    };
  },
});
