/** RCU and hazard pointers that are broken on purpose. */
import { defineMutant } from '../../locking/define.ts';
import { HAZARD_SLOTS, HazardCpu, hazard, hazardPlace } from '../hazard.ts';
import { qsbr } from '../qsbr.ts';
import { rcu, rcuOps } from '../rcu.ts';
import { srcu, srcuOps } from '../srcu.ts';

/** Does not wait. */
export const rcuNoWait = defineMutant(
  rcu,
  {
    name: 'busted/rcu-no-wait',
    wrong: 'synchronize returns at once: readers still use what was taken away before it',
    caughtBy: 'grace-period',
  },
  () => ({ synchronize() {} }),
);

/** Waits for one CPU too few. */
export const rcuSkipsOne = defineMutant(
  rcu,
  {
    name: 'busted/rcu-skips-one',
    wrong: 'a grace period waits for every CPU but the last',
    caughtBy: 'grace-period',
  },
  (isa, cpu) => {
    const { synchronize, synchronizeExpedited, callRcu, onCallback, poll, barrier } = rcuOps(isa, cpu, {
      skips: 1,
    });
    return { synchronize, synchronizeExpedited, callRcu, onCallback, poll, barrier };
  },
);

/** Runs callbacks early. */
export const rcuEarlyCallbacks = defineMutant(
  rcu,
  {
    name: 'busted/rcu-early-callbacks',
    wrong: 'callbacks run when they are handed over, before any grace period',
    caughtBy: 'grace-period',
  },
  () => {
    const vectors: ((head: number) => void)[] = [];
    const pending: [head: number, vector: number][] = [];
    let running = false;
    return {
      onCallback(vector, fn) {
        vectors[vector] = fn;
      },
      callRcu(_rcu, head, vector) {
        pending.push([head, vector]);
        if (running) return;
        running = true;
        for (let next = pending.shift(); next; next = pending.shift()) vectors[next[1]]?.(next[0]);
        running = false;
      },
    };
  },
);

/** Is quiescent inside its sections. */
export const qsbrAlwaysQuiescent = defineMutant(
  qsbr,
  {
    name: 'busted/qsbr-offline-readers',
    wrong:
      'a CPU goes offline where it should say that it is quiescent, and reads on: nobody waits for it any more',
    caughtBy: 'grace-period',
  },
  (_isa, _cpu, { offline }) => ({ quiescent: (lock) => offline?.(lock) }),
);

/** Looks at one of the two counters only. */
export const srcuOneIndex = defineMutant(
  srcu,
  {
    name: 'busted/srcu-one-index',
    wrong:
      'a grace period looks at one counter only: it flips and waits for the old one; who had read the index before the flip before is counted on the other',
    caughtBy: 'grace-period',
  },
  (isa, cpu) => {
    const { synchronize } = srcuOps(isa, cpu, { looksAtBoth: false });
    return { synchronize };
  },
);

/** Does not look again. */
export const hazardUnchecked = defineMutant(
  hazard,
  {
    name: 'busted/hazard-unchecked',
    wrong:
      'protect does not read the pointer again: the object may have been retired, and looked for, before the protection stood',
    caughtBy: 'grace-period',
  },
  (isa, cpu) => ({
    protect(domain, slot, addr) {
      const object = isa.load(addr);
      isa.storeWake(
        hazardPlace(domain, cpu.id, cpu.count) + HazardCpu.slots + 4 * (slot % HAZARD_SLOTS),
        object,
      );
      return object;
    },
  }),
);
