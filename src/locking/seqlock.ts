/**
 * Sequence lock (Linux since 2.5.60; Lameter 2005, "Effective synchronization on Linux/NUMA systems"; orderings after Boehm 2012, "Can seqlocks
 * get along with programming language memory models?").
 *
 * sequence: odd while a writer is at work        lock: a test-and-set word, for writers against each other
 *
 * A writer takes `lock`, makes `sequence` odd, writes, makes it even. A reader waits for an even `sequence`, reads without storing anything,
 * and throws away what it read if `sequence` has changed. What it reads before it knows may be half written: it must not follow a pointer
 * or trust an index from there. A reader is never in a writer's way; a stream of writers can keep a reader out for ever.
 *
 * Ordering, with plain accesses to the data. All four edges are needed, none is stronger than it has to be:
 *   - odd before the data (writer): the `wmb` after the odd store. A store-release would keep only earlier stores before it.
 *   - data before even (writer): the storing of the even value, which is at least a release, and wakes the readers that wait for it.
 *   - even before the data (reader): the acquire load in readBegin.
 *   - data before the re-check (reader): the `rmb` in readRetry. An acquire re-check would keep only later loads behind it.
 * A reader that saw one word of a write section also sees, after its `rmb`, that section's odd value or a later one, and retries. One that saw the
 * even value with acquire sees all that was written before it. Only the writer writes `sequence`; its own read of it may be plain.
 *
 * The sequence wraps after 2^31 write sections: a reader that is stopped for exactly that many (minutes at least) would miss them.
 */
import { struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';

/** Layout of a {@link seqlock}. */
export const Seqlock = struct('seqlock', { sequence: u32.ownLine(), lock: u32.ownLine() });

/** Sequence lock: readers store nothing and retry. */
export const seqlock = defineLock({
  name: 'seqlock',
  kind: 'seq',
  layout: Seqlock,
  promises: { spins: true },
  create(isa) {
    const { sequence, lock: word } = Seqlock;
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
        while (isa.compareExchangeAcquire(lock + word, 0, 1) !== 0) isa.spinWhile(lock + word, 1);
        isa.writeOnce(lock + sequence, (isa.read(lock + sequence) + 1) | 0);
        isa.wmb();
      },
      writeEnd(lock) {
        isa.storeWake(lock + sequence, (isa.read(lock + sequence) + 1) | 0);
        isa.store(lock + word, 0);
        isa.wake(lock + word, 1);
      },
    };
  },
});
