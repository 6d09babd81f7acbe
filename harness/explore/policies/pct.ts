/**
 * PCT, probabilistic concurrency testing (Burckhardt, Kothari, Musuvathi and Nagarakatte, ASPLOS 2010).
 *
 * CPUs get random ranks and the highest that can run runs; at depth - 1 random places of the execution the running CPU falls below all others. A bug
 * of depth d among n CPUs and k accesses is hit with a probability of at least 1 / (n k^(d-1)). The stores in a CPU's buffer have a rank of
 * their own, so they are late or early as a whole.
 *
 * kept: 0 depth of this execution, 1 changes made, 2… the places of the changes in ascending order
 */
import { cpuOf, DRAIN, kindOf, type Policy, type PolicyView } from '../../engines/gated/policy.ts';

const CHANGED = 1;
const PLACES = 2;
const MAX_DEPTH = 12;
const LONG = 4096;

function nextPlace(view: PolicyView): number {
  const changed = view.kept(CHANGED);
  return changed < view.kept(0) - 1 ? view.kept(PLACES + changed) : Number.POSITIVE_INFINITY;
}

function rank(view: PolicyView, choice: number): number {
  return kindOf(choice) === DRAIN ? view.drainPriority(cpuOf(choice)) : view.priority(cpuOf(choice));
}

/** PCT; the parameter is the depth. */
export const pct: Policy = {
  name: 'pct',
  begin(view) {
    const depth = Math.min(MAX_DEPTH, Math.max(1, view.parameter));
    view.keep(0, depth);
    view.keep(CHANGED, 0);
    for (let cpu = 0; cpu < view.cpus; cpu += 1) {
      view.setPriority(cpu, MAX_DEPTH + (view.random() & 0xffffff));
      view.setDrainPriority(cpu, MAX_DEPTH + (view.random() & 0xffffff));
    }
    for (let place = 0; place < depth - 1; place += 1) {
      let value = 1 + (view.random() % Math.max(1, view.length));
      // Insertion sort: there are a handful.
      for (let at = 0; at < place; at += 1) {
        const other = view.kept(PLACES + at);
        if (value < other) {
          view.keep(PLACES + at, value);
          value = other;
        }
      }
      view.keep(PLACES + place, value);
    }
  },
  choose(view, enabled, count, usual) {
    while (view.steps >= nextPlace(view)) {
      const changed = view.kept(CHANGED);
      view.keep(CHANGED, changed + 1);
      if (view.current < view.cpus) view.setPriority(view.current, view.kept(0) - 1 - changed);
    }
    let best = usual;
    for (let at = 0; at < count; at += 1) {
      const choice = enabled[at]!;
      if (rank(view, choice) > rank(view, best)) best = choice;
    }
    return best;
  },
  quota(view, cpu) {
    const own = view.priority(cpu);
    for (let other = 0; other < view.cpus; other += 1) {
      // Somebody who outranks it is waiting for something that it may do.
      if (other !== cpu && !view.done(other) && view.priority(other) > own) return 1;
      if (view.buffered(other) > 0 && view.drainPriority(other) > own) return 1;
    }
    return Math.max(1, Math.min(LONG, nextPlace(view) - view.steps));
  },
};
