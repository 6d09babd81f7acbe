/**
 * Which locks a CPU waits for and holds, kept in its area for whoever watches it.
 *
 * The functions close over the memory and the indices of one CPU: V8 then treats them as constants, and an entry costs a few stores. The CPU alone
 * writes; the count is written after the entry when one is added, so an observer never reads an entry that was not there.
 */
import type { Addr } from '../arch/index.ts';
import { CpuArea, MAX_HELD } from './layout.ts';

/** Mode of a held lock: exclusive. */
export const MODE_WRITE = 1;
/** Mode of a held lock: shared. */
export const MODE_READ = 2;
/** {@link MODE_WRITE} or {@link MODE_READ}. */
export type LockMode = number;

/** A CPU holds, or queues for, more locks at once than its area has room for. */
export class TooManyLocks extends Error {
  readonly code = 'ETOOMANYLOCKS';
  constructor(what: string, cpu: number) {
    super(`CPU ${cpu} ${what} more than ${MAX_HELD} locks at once`);
    this.name = 'TooManyLocks';
  }
}

/** The record of one CPU. */
export interface Tracking {
  /** This CPU begins to acquire `lock`. @param traits what it is, for engines that watch its use; nothing is kept of it */
  readonly waitsFor: (lock: Addr, mode: LockMode, traits?: number) => void;
  /** The attempt has ended without the lock. */
  readonly gaveUp: () => void;
  /** As `waitsFor`, of what is never acquired: a condition, a grace period. For who counts; `waitsFor` unless given. */
  readonly awaits?: (lock: Addr, mode: LockMode, traits?: number) => void;
  /** As `acquired`, where nobody has waited: a trylock, a read section of RCU. For who counts; `acquired` unless given. */
  readonly took?: (lock: Addr, mode: LockMode, traits?: number) => void;
  /** This CPU tried for `lock` and did not get it, or read what a writer has disturbed. For who counts. */
  readonly refused?: (lock: Addr, mode: LockMode) => void;
  /** Is told of read sections of sequence locks, which hold nothing. For who counts. */
  readonly sections?: Pick<Tracking, 'waitsFor' | 'acquired' | 'released'>;
  /** Is told of waits for what nobody holds: barriers, completions. For who counts. */
  readonly waits?: Required<Pick<Tracking, 'awaits' | 'gaveUp'>>;
  /** This CPU has acquired `lock`. @throws TooManyLocks */
  readonly acquired: (lock: Addr, mode: LockMode, traits?: number) => void;
  /** This CPU is about to release `lock`. @returns whether it held it in that mode */
  readonly released: (lock: Addr, mode: LockMode, traits?: number) => boolean;
  /** Locks held, the latest last. */
  readonly held: () => { lock: Addr; mode: LockMode }[];
  /** An object of the slab at `slab` has been allocated: for engines that watch lifetimes; nothing is kept of it. */
  readonly allocated: (object: Addr, layout: object, slab: Addr) => void;
  /** An object of a slab is about to be freed, likewise. */
  readonly freed: (object: Addr, layout: object, slab: Addr) => void;
}

const nothing = (): void => {};

/** Keeps the record of the CPU whose area begins at word `base`. */
export function tracking(words: Int32Array<SharedArrayBuffer>, base: number, cpu: number): Tracking {
  const waiting = base + (CpuArea.waitingFor >>> 2);
  const mode = base + (CpuArea.waitingMode >>> 2);
  const count = base + (CpuArea.held >>> 2);
  const first = base + (CpuArea.heldLocks >>> 2);

  function releasedOutOfOrder(lock: Addr, wanted: LockMode, last: number): boolean {
    for (let at = last; at >= 0; at -= 1) {
      if (words[first + 2 * at] !== lock || words[first + 2 * at + 1] !== wanted) continue;
      for (let move = at; move < last; move += 1) {
        words[first + 2 * move] = words[first + 2 * move + 2]!;
        words[first + 2 * move + 1] = words[first + 2 * move + 3]!;
      }
      words[count] = last;
      return true;
    }
    return false;
  }

  return {
    waitsFor(lock, wanted) {
      words[mode] = wanted;
      words[waiting] = lock;
    },
    gaveUp() {
      words[waiting] = 0;
    },
    acquired(lock, held) {
      const at = words[count]!;
      if (at >= MAX_HELD) throw new TooManyLocks('holds', cpu);
      words[first + 2 * at] = lock;
      words[first + 2 * at + 1] = held;
      words[count] = at + 1;
      words[waiting] = 0;
    },
    released(lock, wanted) {
      const last = words[count]! - 1;
      if (last >= 0 && words[first + 2 * last] === lock && words[first + 2 * last + 1] === wanted) {
        words[count] = last;
        return true;
      }
      return releasedOutOfOrder(lock, wanted, last);
    },
    held: () =>
      Array.from({ length: words[count]! }, (_, at) => ({
        lock: words[first + 2 * at]!,
        mode: words[first + 2 * at + 1]!,
      })),
    allocated: nothing,
    freed: nothing,
  };
}
