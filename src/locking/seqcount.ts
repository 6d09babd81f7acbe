/**
 * Sequence counter (Linux's seqcount_t; Lameter 2005): a {@link seqlock} without the lock. Its writers are kept apart by a lock that the
 * data has anyway, or there is only one.
 *
 * sequence: odd while a writer is at work
 *
 * The edges between `sequence` and the data are those of seqlock.ts, and argued there: `wmb` after the odd store, the even store at least a release,
 * acquire in readBegin, `rmb` in readRetry. A writer must not be stopped for long, nor interrupted by a handler that reads: readers wait for it.
 */
import { struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';

/** Layout of a {@link seqcount}. */
export const Seqcount = struct('seqcount', { sequence: u32 });

/** Sequence counter: one writer at a time, which its caller sees to. */
export const seqcount = defineLock({
  name: 'seqcount',
  kind: 'seq',
  layout: Seqcount,
  promises: { writers: 1 },
  create(isa) {
    const { sequence } = Seqcount;
    return {
      readBegin(lock) {
        let now = isa.loadAcquire(lock + sequence);
        while ((now & 1) !== 0) now = isa.spinWhile(lock + sequence, now);
        return now;
      },
      readRetry(lock, seq) {
        isa.rmb();
        return isa.readOnce(lock + sequence) !== seq;
      },
      writeBegin(lock) {
        isa.writeOnce(lock + sequence, (isa.read(lock + sequence) + 1) | 0);
        isa.wmb();
      },
      writeEnd(lock) {
        isa.storeWake(lock + sequence, (isa.read(lock + sequence) + 1) | 0);
      },
    };
  },
});
