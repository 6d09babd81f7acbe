/**
 * Grace periods: what `rcu` and `qsbr` have in common.
 *
 *   gp          the number of the latest grace period that was begun; odd, so that it is never 0
 *   done        the greatest number of a grace period that has ended
 *   lock        one grace period of `synchronize` at a time
 *   waits_for of each CPU: the CPU + 1 that its grace period waits for, and `since` when; for whoever looks for stalls
 *   reader.seen of each CPU: 0, it is in no read section; else the `gp` that it saw when it last said so
 *
 * A grace period adds 2 to `gp` and passes over the CPUs, waiting at each while its `seen` is neither 0 nor the new number or a later one. A number
 * instead of liburcu's phase bit (Desnoyers, McKenney, Stern, Dagenais and Walpole 2012, "User-level implementations of read-copy update")
 * makes one pass enough, and lets several grace periods run at once, since each knows by itself whom it has to wait for.
 *
 * Why one pass: take a reader that the pass did not wait for. Either its `seen` was 0 when it was looked at. Then its store of `seen` comes after that look,
 * its loads of pointers after its store, and what was taken away before the grace period began was gone before: it cannot find it. Or its
 * `seen` was the new number or a later one: then it had loaded `gp` after the grace period began, and the same holds. All four
 * accesses are sequentially consistent, and pointers are read by `load`, for it is the load that must not pass the reader's store (Dekker).
 * A reader that read `gp`, was delayed, and then stored a number long past is waited for without need, never overlooked.
 *
 * Sharing: who wants a grace period that begins after now notes `gp` and queues on `lock`. When its turn comes, one numbered higher than
 * noted may have begun and ended meanwhile: `done` says so, and that one will do. An expedited one does not queue.
 *
 * Wrap-around: numbers are compared by their difference. A CPU with an old number holds every grace period up, so none is ever 2^31 behind.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { mutex3 } from '../locking/mutex3.ts';
import { type Cpu, i32, LINE, sizeOf, struct, u32 } from '../memory/index.ts';

/** Layout of the head of an `rcu` or `qsbr`; the CPUs' own lines follow. */
export const Rcu = struct('rcu', {
  gp: u32.ownLine(),
  done: u32.ownLine(),
  lock: u32.ownLine(),
  barrier_lock: u32.ownLine(),
  cpus: u32,
});

/** Layout of what a CPU has of it. */
export const RcuCpu = struct('rcu_cpu', {
  /** Read by grace periods, written by the CPU. */
  seen: u32.ownLine(),
  /** How deep in read sections it is; its own. */
  nesting: i32,
  /** Its callbacks; see callbacks.ts. */
  lock: u32.ownLine(),
  next: u32,
  next_tail: u32,
  wait: u32,
  wait_tail: u32,
  wait_gp: u32,
  posted: u32,
  completed: u32.ownLine(),
  /** The grace period that this CPU drives: CPU + 1 that it waits for, since when (milliseconds modulo 2^32), its number. */
  waits_for: u32.ownLine(),
  since: u32,
  number: u32,
});

const HEAD = Math.ceil(sizeOf(Rcu) / LINE) * LINE;
const STRIDE = Math.ceil(sizeOf(RcuCpu) / LINE) * LINE;

/** Bytes of one, for `cpus` CPUs. */
export const rcuBytes = (cpus: number): number => HEAD + cpus * STRIDE;

/** Byte offset of what a CPU has of it. */
export const rcuCpu = (cpu: number): number => HEAD + cpu * STRIDE;

/** The first grace period. */
export const FIRST_GP = 1;

/** Sets one up: no grace period is under way. */
export function initRcu(isa: Isa, rcu: Addr, cpus: number): void {
  isa.store(rcu + Rcu.cpus, cpus);
  isa.store(rcu + Rcu.gp, FIRST_GP);
  isa.store(rcu + Rcu.done, FIRST_GP);
}

/** Used where it would wait for itself. */
export class RcuError extends Error {
  readonly code = 'ERCU';
  constructor(message: string) {
    super(message);
    this.name = 'RcuError';
  }
}

/** Whether grace period `number`, or a later one, is meant by `seen`. */
const reached = (seen: number, number: number): boolean => ((seen - number) | 0) >= 0;

/** Grace periods, as one CPU drives them. */
export interface GracePeriods {
  /** Waits for one, shared with others that wait. */
  synchronize(rcu: Addr): void;
  /** Waits for one of its own. */
  synchronizeExpedited(rcu: Addr): void;
  /** Begins one without waiting. @returns its number */
  begin(rcu: Addr): number;
  /** Whether grace period `number` has ended. Does not wait. */
  ended(rcu: Addr, number: number): boolean;
}

/** What broken grace periods do differently. */
export interface GraceForm {
  /** CPUs that a grace period does not look at, counted from the last. */
  readonly skips: number;
}

/** The grace periods of one CPU. */
export function gracePeriods(isa: Isa, cpu: Cpu, { skips }: GraceForm): GracePeriods {
  const turns = mutex3.create(isa, cpu);
  const last = cpu.count - skips;

  function begin(rcu: Addr): number {
    return (isa.fetchAdd(rcu + Rcu.gp, 2) + 2) | 0;
  }

  function waitFor(rcu: Addr, number: number): void {
    const mine = rcu + rcuCpu(cpu.id);
    for (let other = 0; other < last; other += 1) {
      const seen = rcu + rcuCpu(other) + RcuCpu.seen;
      let now = isa.load(seen);
      if (now === 0 || reached(now, number)) continue;
      isa.writeOnce(mine + RcuCpu.since, (cpu.now() / 1e6) | 0);
      isa.writeOnce(mine + RcuCpu.number, number);
      isa.writeOnce(mine + RcuCpu.waits_for, other + 1);
      do now = isa.spinWhile(seen, now);
      while (now !== 0 && !reached(now, number));
      isa.writeOnce(mine + RcuCpu.waits_for, 0);
    }
    let done = isa.load(rcu + Rcu.done);
    while (!reached(done, number)) {
      const seen = isa.compareExchange(rcu + Rcu.done, done, number);
      if (seen === done) return;
      done = seen;
    }
  }

  return {
    begin,
    ended(rcu, number) {
      if (reached(isa.load(rcu + Rcu.done), number)) return true;
      for (let other = 0; other < last; other += 1) {
        const now = isa.load(rcu + rcuCpu(other) + RcuCpu.seen);
        if (now !== 0 && !reached(now, number)) return false;
      }
      return true;
    },
    synchronize(rcu) {
      const enough = (isa.load(rcu + Rcu.gp) + 2) | 0;
      turns.acquire(rcu + Rcu.lock);
      if (!reached(isa.load(rcu + Rcu.done), enough)) waitFor(rcu, begin(rcu));
      turns.release(rcu + Rcu.lock);
    },
    synchronizeExpedited(rcu) {
      waitFor(rcu, begin(rcu));
    },
  };
}

/** The correct form. */
export const GRACE: GraceForm = { skips: 0 };
