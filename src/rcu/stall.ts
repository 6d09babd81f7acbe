/**
 * Which reader holds a grace period of `rcu` or `qsbr` up, and for how long: what the kernel calls an RCU CPU stall.
 *
 * A CPU that waits leaves among its own words whom it waits for, and since when. An observer reads these words while they may be changing: an answer is a
 * hint, and one that stays the same from look to look is a stall.
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
 * The grace period that has waited longest; undefined when none waits. Of `synchronize` one at a time waits, the others for their turn; expedited ones wait
 * beside each other.
 * @param now `performance.now()` of this process
 */
export function waitingGracePeriod(
  isa: Pick<Isa, 'readOnce'>,
  rcu: Addr,
  now: number,
): WaitingGracePeriod | undefined {
  let longest: WaitingGracePeriod | undefined;
  const cpus = isa.readOnce(rcu + Rcu.cpus);
  for (let waiter = 0; waiter < cpus; waiter += 1) {
    const line = rcu + rcuCpu(waiter);
    const cpu = isa.readOnce(line + RcuCpu.waits_for) - 1;
    if (cpu < 0) continue;
    const milliseconds = ((now | 0) - isa.readOnce(line + RcuCpu.since)) | 0;
    if (longest && longest.milliseconds >= milliseconds) continue;
    const nesting = isa.readOnce(rcu + rcuCpu(cpu) + RcuCpu.nesting);
    longest = { cpu, nesting, number: isa.readOnce(line + RcuCpu.number) >>> 0, milliseconds };
  }
  return longest;
}
