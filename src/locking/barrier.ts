/**
 * Counting barrier with a phase word (sense reversal: Hensgen, Finkel and Manber 1988; Mellor-Crummey and Scott 1991, with the number of the phase
 * for its sense).
 *
 * parties: how many must come        arrived: how many have come in this phase        phase: phases completed
 *
 * A party notes `phase`, then adds itself to `arrived`. The last one sets `arrived` back to 0, then stores the next phase, which lets all
 * the others go; it answers true. The note comes before the addition: the phase cannot change until this party has arrived, so what it noted is the
 * phase that it waits out. The count is reset before the phase: nobody arrives again before the phase has changed.
 *
 * That is what makes it reusable. A fast party that comes back while a slow one still sleeps waits for the next phase on the same word, and that
 * cannot come before the slow one has arrived again: `phase` is at most one ahead of a waiter's note and never back at it.
 *
 * Ordering: the additions to `arrived` form one chain of read-modify-writes, at the end of it the last party has seen what all did before; its
 * storeWake of `phase` and the acquire in spinWhile pass that on to everyone. Its reset of `arrived` may be plain for the same reason.
 */
import { struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';

/** Layout of a {@link barrier}. */
export const Barrier = struct('barrier', { arrived: u32.ownLine(), phase: u32.ownLine(), parties: u32 });

/** Reusable barrier. `init`'s value is the number of parties. */
export const barrier = defineLock({
  name: 'barrier',
  kind: 'barrier',
  layout: Barrier,
  init(isa, lock, _cpus, parties) {
    if (!Number.isInteger(parties) || parties < 1)
      throw new RangeError(`a barrier has 1 party or more, not ${parties}`);
    isa.write(lock + Barrier.parties, parties);
  },
  create(isa) {
    const { parties, arrived, phase } = Barrier;
    return {
      wait(lock) {
        const noted = isa.load(lock + phase);
        if (isa.fetchAdd(lock + arrived, 1) + 1 !== isa.read(lock + parties)) {
          isa.spinWhile(lock + phase, noted);
          return false;
        }
        isa.write(lock + arrived, 0);
        isa.storeWake(lock + phase, (noted + 1) | 0);
        return true;
      },
    };
  },
});
