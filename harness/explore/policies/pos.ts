/**
 * POS, partial order sampling (Yuan, Yang and Gu, CAV 2018): every access that is due has a random rank, the highest is made; those that conflict with
 * it draw anew. Unlike a random walk it samples orders of conflicting accesses about evenly, however many others lie between.
 *
 * kept: 0 whether an access has been made, 1 its operation, 2 its address
 */
import { cpuOf, DRAIN, kindOf, NOBODY, type Policy, type PolicyView } from '../../engines/gated/policy.ts';
import { OPERATIONS } from '../../engines/trace.ts';

const WRITES = OPERATIONS.map(({ writes }) => writes);

function draw(view: PolicyView): number {
  return view.random() >>> 1;
}

/** Partial order sampling. */
export const pos: Policy = {
  name: 'pos',
  begin(view) {
    for (let cpu = 0; cpu < view.cpus; cpu += 1) {
      view.setPriority(cpu, draw(view));
      view.setDrainPriority(cpu, draw(view));
    }
    view.keep(0, 0);
  },
  choose(view, enabled, count) {
    const { current } = view;
    if (view.kept(0) !== 0 && current !== NOBODY) {
      const op = view.kept(1);
      const addr = view.kept(2);
      for (let cpu = 0; cpu < view.cpus; cpu += 1) {
        const conflicts =
          view.nextAddr(cpu) === addr && (WRITES[op] === true || WRITES[view.nextOp(cpu)] === true);
        if (cpu === current || conflicts) view.setPriority(cpu, draw(view));
      }
    }
    let best = enabled[0]!;
    let highest = -1;
    for (let at = 0; at < count; at += 1) {
      const choice = enabled[at]!;
      const cpu = cpuOf(choice);
      const rank = kindOf(choice) === DRAIN ? view.drainPriority(cpu) : view.priority(cpu);
      if (rank > highest) {
        highest = rank;
        best = choice;
      }
    }
    const cpu = cpuOf(best);
    if (kindOf(best) === DRAIN) {
      view.setDrainPriority(cpu, draw(view));
      view.keep(0, 0);
    } else {
      view.keep(0, 1);
      view.keep(1, view.nextOp(cpu));
      view.keep(2, view.nextAddr(cpu));
    }
    return best;
  },
  quota: () => 1,
};
