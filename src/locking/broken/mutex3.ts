/** Sleeping mutexes that are broken on purpose. */
import { defineMutant } from '../define.ts';
import { CONTENDED, FREE, HELD, Mutex3, mutex3 } from '../mutex3.ts';

/** Forgets those who still sleep. */
export const mutex3DroppedWakeup = defineMutant(
  mutex3,
  {
    name: 'busted/mutex3-dropped-wakeup',
    wrong: 'who has slept takes the lock as held, not as contended: others who still sleep are forgotten',
    caughtBy: 'wakeup',
    cpus: 4,
  },
  (isa) => ({
    acquire(lock) {
      const word = lock + Mutex3.word;
      while (isa.compareExchange(word, FREE, HELD) !== FREE) {
        if (isa.exchange(word, CONTENDED) === FREE) {
          isa.store(word, HELD);
          return;
        }
        isa.wait(word, CONTENDED);
      }
    },
  }),
);

/** Parks without looking. */
export const mutex3BlindPark = defineMutant(
  mutex3,
  {
    name: 'busted/mutex3-blind-park',
    wrong:
      'the sleeper waits on whatever the word holds by then: also on 0, when the lock has just become free',
    caughtBy: 'wakeup',
  },
  (isa) => ({
    acquire(lock) {
      const word = lock + Mutex3.word;
      if (isa.compareExchange(word, FREE, HELD) === FREE) return;
      while (isa.exchange(word, CONTENDED) !== FREE) isa.wait(word, isa.load(word));
    },
  }),
);
