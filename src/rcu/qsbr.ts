/**
 * RCU by quiescent states (QSBR: McKenney and Slingwine 1998; liburcu-qsbr, Desnoyers et al. 2012): read sections cost nothing.
 *
 * A CPU is taken to be in a read section all the time, but where it says otherwise: quiescent stores the latest grace period's number into its `seen`,
 * offline stores 0. readLock and readUnlock do nothing and are there to show what is meant. A CPU begins offline, and goes online before its first
 * section; one that stays away from quiescent holds every grace period up, so it goes offline before it waits for anything.
 *
 * synchronize and barrier are quiescent themselves: the caller is offline while it waits, else two callers would wait for each other.
 *
 * Ordering: quiescent reads `gp` and stores it, if it has changed, sequentially consistent: what was read before stays before the store, and the next
 * section's pointers, which are read by `load`, come after it. While nobody waits, `gp` does not change and quiescent is two reads. online is
 * argued in grace.ts: it is the entering of a long section.
 */
import { defineLock } from '../locking/define.ts';
import type { RcuOps } from '../locking/kinds.ts';
import { callbacks } from './callbacks.ts';
import { GRACE, gracePeriods, initRcu, Rcu, RcuCpu, rcuBytes, rcuCpu } from './grace.ts';

/** Read-copy update by quiescent states: no cost in read sections. */
export const qsbr = defineLock({
  name: 'qsbr',
  kind: 'rcu',
  size: rcuBytes,
  layout: Rcu,
  promises: { sleeps: true, spins: true },
  init: initRcu,
  create(isa, cpu) {
    const seen = rcuCpu(cpu.id) + RcuCpu.seen;
    const grace = gracePeriods(isa, cpu, GRACE);
    const calls = callbacks(isa, cpu, grace);

    const offline = (rcu: number): void => isa.storeWake(rcu + seen, 0);

    function online(rcu: number): void {
      isa.store(rcu + seen, isa.load(rcu + Rcu.gp));
    }

    /** Runs `wait` as a quiescent state. */
    function away(rcu: number, wait: (rcu: number) => void): void {
      const before = isa.read(rcu + seen);
      if (before !== 0) offline(rcu);
      try {
        wait(rcu);
      } finally {
        if (before !== 0) online(rcu);
      }
    }

    return {
      readLock: () => 0,
      readUnlock() {},
      quiescent(rcu) {
        const latest = isa.readOnce(rcu + Rcu.gp);
        if (isa.read(rcu + seen) !== latest) isa.storeWake(rcu + seen, latest);
      },
      offline,
      online,
      synchronize: (rcu) => away(rcu, grace.synchronize),
      synchronizeExpedited: (rcu) => away(rcu, grace.synchronizeExpedited),
      callRcu: (rcu, head, vector) => calls.call(rcu, head, vector),
      onCallback: (vector, fn) => calls.on(vector, fn),
      poll: (rcu) => calls.poll(rcu),
      barrier: (rcu) => away(rcu, calls.barrier),
    } satisfies RcuOps;
  },
});
