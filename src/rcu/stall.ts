/**
 * Which reader holds a grace period of `rcu` or `qsbr` up, and for how long: what the kernel calls an RCU CPU stall.
 *
 * The CPU that waits leaves in the head whom it waits for, and since when. An observer reads these words while they may be changing: an answer is a hint, and
 * one that stays the same from look to look is a stall.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { Rcu, RcuCpu, rcuCpu } from './grace.ts';

/** A grace period that waits. */
export interface WaitingGracePeriod {
  /** The CPU that it waits for: in a read section, or not quiescent, since before it began. */
  readonly cpu: number;
  /** How deep that CPU is in read sections; 0 for `qsbr`, which does not count them. */
  readonly nesting: number;
  /** Its number: grace periods are numbered by twos. */
  readonly number: number;
  /** Milliseconds for which it has waited for this CPU. */
  readonly milliseconds: number;
}

/**
 * The grace period of `synchronize` that is waiting; undefined when none is. Of several that were asked for, one waits and the others wait for their turn.
 * @param now `performance.now()` of this process
 */
export function waitingGracePeriod(
  isa: Pick<Isa, 'readOnce'>,
  rcu: Addr,
  now: number,
): WaitingGracePeriod | undefined {
  const cpu = isa.readOnce(rcu + Rcu.waits_for) - 1;
  if (cpu < 0) return undefined;
  return {
    cpu,
    nesting: isa.readOnce(rcu + rcuCpu(cpu) + RcuCpu.nesting),
    number: isa.readOnce(rcu + Rcu.gp) >>> 0,
    milliseconds: ((now | 0) - isa.readOnce(rcu + Rcu.since)) | 0,
  };
}
