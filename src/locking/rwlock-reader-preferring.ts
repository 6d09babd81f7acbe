/**
 * Reader-preferring reader-writer spinlock: the rule of Linux's rwlock_t before 3.16 (Courtois, Heymans and Parnas 1971, first problem).
 *
 * word: readers inside times 2, + 1 while a writer is inside
 *
 * A reader adds itself and is in unless a writer is: then it takes itself off, waits, and tries again. A writer needs the word to be 0. So readers
 * come in as long as one of them is inside, and a stream of readers keeps writers out for ever: no bound is promised to either.
 * What it gives for that is a read that may be taken inside a read, on the same CPU or by an interrupt handler, whoever waits meanwhile: with
 * any fairer rule such a nested read can wait for a writer that waits for the outer read.
 *
 * A reader that adds itself in vain keeps writers out for that moment only, since it takes itself off again: whichever of the two brings the word
 * to 0, or lets the writer's bit go, wakes everybody who is parked on it.
 *
 * Ordering: all changes are full read-modify-writes of one word, so whoever enters has read what those before it stored.
 */
import { struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';

/** Layout of a {@link rwlockReaderPreferring} lock. */
export const RwlockReaderPreferring = struct('rwlock_reader_preferring', { word: u32 });

const WRITER = 1;
const READER = 2;

/** Reader-writer spinlock that lets readers in while readers are in. */
export const rwlockReaderPreferring = defineLock({
  name: 'rwlock-reader-preferring',
  kind: 'rwlock',
  layout: RwlockReaderPreferring,
  promises: { spins: true },
  create: (isa) => {
    const { word } = RwlockReaderPreferring;

    function leaveRead(at: number): void {
      if (isa.fetchAdd(at, -READER) === READER) isa.wake(at, -1);
    }

    return {
      acquireRead(lock) {
        const at = lock + word;
        while ((isa.fetchAdd(at, READER) & WRITER) !== 0) {
          leaveRead(at);
          let now = isa.loadAcquire(at);
          while ((now & WRITER) !== 0) now = isa.spinWhile(at, now);
        }
      },
      tryRead(lock) {
        let seen = isa.readOnce(lock + word);
        while ((seen & WRITER) === 0) {
          const now = isa.compareExchange(lock + word, seen, seen + READER);
          if (now === seen) return true;
          seen = now;
        }
        return false;
      },
      releaseRead: (lock) => leaveRead(lock + word),
      acquireWrite(lock) {
        let now = isa.compareExchange(lock + word, 0, WRITER);
        while (now !== 0) {
          isa.spinWhile(lock + word, now);
          now = isa.compareExchange(lock + word, 0, WRITER);
        }
      },
      tryWrite: (lock) => isa.compareExchange(lock + word, 0, WRITER) === 0,
      releaseWrite(lock) {
        isa.fetchAdd(lock + word, -WRITER);
        isa.wake(lock + word, -1);
      },
      downgrade(lock) {
        isa.fetchAdd(lock + word, READER - WRITER);
        isa.wake(lock + word, -1);
      },
      tryUpgrade: (lock) => isa.compareExchange(lock + word, READER, WRITER) === READER,
    };
  },
});
