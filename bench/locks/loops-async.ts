/**
 * The loops of a sweep for locks that are held while a callback runs, and that return a promise. As loops.ts, but for hand-offs, whose moment of release is the
 * lock's own: after the callback has returned.
 */
import type { AsyncMutexOps } from '../../src/locking/kinds.ts';
import { type Clocks, DATA_STRIDE, type Lengths, type LoopOn, type Tally } from './loops.ts';
import { work } from './work.ts';

/** The loops of one CPU. */
export interface AsyncLoops {
  /** Sections that nobody times. */
  fast(sections: number): Promise<void>;
  /** Sections of which one in `every` is timed. */
  timed(sections: number): Promise<void>;
}

/** Makes the loops of a CPU. */
export function asyncLoopsOf(
  on: LoopOn,
  ops: AsyncMutexOps,
  lengths: Lengths,
  tally: Tally,
  { wait, hold }: Clocks,
): AsyncLoops {
  const { isa, cpu, locks, firstLock, lockStride, firstData, count, clock } = on;
  let at = 0;
  let x = cpu;
  let done = 0;
  let had = 0;
  let left = 0;
  const section = (): void => {
    const data = firstData + at * DATA_STRIDE;
    const value = isa.read(data);
    x = work(x, lengths.section);
    isa.write(data, value + 1);
    tally.writes += 1;
  };
  const timedSection = (): void => {
    had = performance.now();
    section();
    left = performance.now();
  };
  const after = (): void => {
    x = work(x, lengths.outside);
    at = (at + 1) % locks;
    done = (done + 1) | 0;
    isa.write(count, done);
  };
  return {
    async fast(sections) {
      for (let each = sections; each > 0; each -= 1) {
        await ops.hold(firstLock + at * lockStride, section);
        after();
      }
      isa.write(count + 4, x);
    },
    async timed(sections) {
      for (let each = sections; each > 0; each -= 1) {
        const wanted = performance.now();
        await ops.hold(firstLock + at * lockStride, timedSection);
        wait.add((had - wanted) * 1e6 - clock);
        hold.add((left - had) * 1e6 - clock);
        after();
      }
    },
  };
}
