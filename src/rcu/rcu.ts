/**
 * RCU with nested read sections (McKenney and Slingwine 1998; the shape of liburcu's general-purpose flavour, Desnoyers et al. 2012).
 *
 * The first readLock of a CPU stores the number of the latest grace period into its `seen`, the last readUnlock stores 0; those in between count only.
 * Readers write nothing that another CPU writes and never wait. Grace periods and callbacks are in grace.ts and callbacks.ts.
 *
 * Ordering. Entering: the store of `seen` is sequentially consistent, and so must be the `load` of a pointer inside: a weaker store could wait in the
 * store buffer while the pointer is read, and a grace period would pass over a reader that has it. (liburcu and the kernel let the waiting side
 * pay with membarrier or an interrupt of every CPU; Node has no such call.) Leaving: `storeWake` is at least a release, so all that was read in the section
 * was read before a grace period can see the CPU outside, and it wakes one that sleeps for it.
 *
 * `gp` is read plainly. The call in the store keeps a compiler from reading it once for many sections, and a stale number is waited for without need,
 * nothing worse.
 *
 * A grace period cannot end inside its own caller's section: synchronize and barrier refuse to begin there.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { defineLock } from '../locking/define.ts';
import type { RcuOps } from '../locking/kinds.ts';
import type { Cpu } from '../memory/index.ts';
import { callbacks } from './callbacks.ts';
import {
  GRACE,
  type GraceForm,
  gracePeriods,
  initRcu,
  Rcu,
  RcuCpu,
  RcuError,
  rcuBytes,
  rcuCpu,
} from './grace.ts';

/** The operations of one CPU. */
export function rcuOps(
  isa: Isa,
  cpu: Cpu,
  form: GraceForm,
): Required<Omit<RcuOps, 'quiescent' | 'offline' | 'online'>> {
  const seen = rcuCpu(cpu.id) + RcuCpu.seen;
  const nesting = rcuCpu(cpu.id) + RcuCpu.nesting;
  const grace = gracePeriods(isa, cpu, form);
  const calls = callbacks(isa, cpu, grace);

  function outside(rcu: Addr, what: string): void {
    if (isa.read(rcu + nesting) !== 0)
      throw new RcuError(`${what} inside a read section of CPU ${cpu.id} would wait for its own end`);
  }

  return {
    readLock(rcu) {
      const depth = isa.read(rcu + nesting);
      isa.write(rcu + nesting, depth + 1);
      if (depth === 0) isa.store(rcu + seen, isa.readOnce(rcu + Rcu.gp));
      return 0;
    },
    readUnlock(rcu) {
      const depth = isa.read(rcu + nesting) - 1;
      if (depth < 0) throw new RcuError(`CPU ${cpu.id} is in no read section that readUnlock could end`);
      isa.write(rcu + nesting, depth);
      if (depth === 0) isa.storeWake(rcu + seen, 0);
    },
    synchronize(rcu) {
      outside(rcu, 'synchronize');
      grace.synchronize(rcu);
    },
    synchronizeExpedited(rcu) {
      outside(rcu, 'synchronizeExpedited');
      grace.synchronizeExpedited(rcu);
    },
    callRcu: (rcu, head, vector) => calls.call(rcu, head, vector),
    onCallback: (vector, fn) => calls.on(vector, fn),
    poll: (rcu) => calls.poll(rcu),
    barrier(rcu) {
      outside(rcu, 'barrier');
      calls.barrier(rcu);
    },
  };
}

/** Read-copy update; read sections nest. */
export const rcu = defineLock({
  name: 'rcu',
  kind: 'rcu',
  size: rcuBytes,
  layout: Rcu,
  promises: { sleeps: true, spins: true },
  init: initRcu,
  create: (isa, cpu) => rcuOps(isa, cpu, GRACE),
});
