/** Sequence locks that are broken on purpose. */
import { defineMutant } from '../define.ts';
import { Seqcount, seqcount } from '../seqcount.ts';
import { Seqlock, seqlock } from '../seqlock.ts';

/** Begins in the middle of a write. */
export const seqlockNoOddCheck = defineMutant(
  seqlock,
  {
    name: 'busted/seqlock-no-odd-check',
    wrong:
      'readBegin takes an odd sequence too: a reader that begins and ends within one write section finds it unchanged',
    caughtBy: 'snapshot',
  },
  (isa) => ({ readBegin: (lock) => isa.loadAcquire(lock + Seqlock.sequence) }),
);

/** Never retries. */
export const seqlockNoRetry = defineMutant(
  seqlock,
  {
    name: 'busted/seqlock-no-retry',
    wrong: 'readRetry never asks for a retry: a writer that comes during the read goes unnoticed',
    caughtBy: 'snapshot',
  },
  () => ({ readRetry: () => false }),
);

/** Counts writes, not their begin and end. */
export const seqlockCountsOnce = defineMutant(
  seqlock,
  {
    name: 'busted/seqlock-counts-once',
    wrong:
      'the sequence changes at the end of a write only: a reader that ends before that has read what was being written',
    caughtBy: 'snapshot',
  },
  (isa) => ({
    writeBegin(lock) {
      while (isa.compareExchange(lock + Seqlock.lock, 0, 1) !== 0) isa.spinWhile(lock + Seqlock.lock, 1);
    },
    writeEnd(lock) {
      isa.storeRelease(lock + Seqlock.sequence, (isa.read(lock + Seqlock.sequence) + 2) | 0);
      isa.store(lock + Seqlock.lock, 0);
      isa.wake(lock + Seqlock.lock, 1);
    },
  }),
);

/** A seqcount taken for a seqlock. */
export const seqlockWritersMeet = defineMutant(
  seqlock,
  {
    name: 'busted/seqlock-writers-meet',
    wrong:
      'writers do not exclude each other: a sequence count (seqcount_t) without the lock that its users have to bring',
    caughtBy: 'exclusion',
  },
  (isa) => ({
    writeBegin(lock) {
      isa.fetchAdd(lock + Seqlock.sequence, 1);
      isa.wmb();
    },
    writeEnd(lock) {
      isa.fetchAdd(lock + Seqlock.sequence, 1);
      isa.wake(lock + Seqlock.sequence, -1);
    },
  }),
);

/** Counts to odd and to even on the wrong sides of the data. */
export const seqcountSwapped = defineMutant(
  seqcount,
  {
    name: 'busted/seqcount-swapped',
    wrong:
      'the increments are swapped: the one to even comes before the data and the one to odd, with the next to even, after it; a reader is let in while a write is going on',
    caughtBy: 'snapshot',
  },
  (isa) => ({
    writeBegin() {},
    writeEnd(lock) {
      isa.storeWake(lock + Seqcount.sequence, (isa.read(lock + Seqcount.sequence) + 2) | 0);
    },
  }),
);
