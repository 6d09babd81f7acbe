/**
 * A recorded schedule: at so many accesses of this CPU, that happens, and then what was recorded at the same accesses after it; everywhere else the usual, the CPU that has the turn goes on, and where it cannot, the
 * first that can.
 *
 * Entries go by the accesses of the CPU that made the decision, so each means the same whatever becomes of the others. An entry whose moment has passed, or
 * that names what cannot happen there, is skipped and counted: a schedule may have been made for a program that was a little different.
 *
 * kept: 0 entries of the plan, 1 entries that applied
 */
import { kindOf, type Policy, type PolicyView, STALE } from '../../engines/gated/policy.ts';

const ENTRIES = 0;
/** The word kept for the entries that applied. */
export const APPLIED = 1;
const FOR_GOOD = 4096;
const SPURIOUS_WAKE_UPS = 255;

/** The view with the plan; only this policy looks at it. */
interface PlanView extends PolicyView {
  cursor(cpu: number): number;
  setCursor(cpu: number, value: number): void;
  plan(entry: number, word: number): number;
  readonly planned: number;
}

/** The next entry of a CPU that is not past, or -1. */
function due(view: PlanView, cpu: number, accesses: number): number {
  const at = cpu < view.cpus ? view.cursor(cpu) : view.kept(2);
  let entry = at;
  while (entry < view.kept(ENTRIES) && (view.plan(entry, 0) !== cpu || view.plan(entry, 1) < accesses))
    entry += 1;
  if (entry !== at) {
    if (cpu < view.cpus) view.setCursor(cpu, entry);
    else view.keep(2, entry);
  }
  return entry < view.kept(ENTRIES) ? entry : -1;
}

function consume(view: PlanView, cpu: number, entry: number): void {
  if (cpu < view.cpus) view.setCursor(cpu, entry + 1);
  else view.keep(2, entry + 1);
}

/** The recorded schedule. */
export const recorded: Policy = {
  name: 'recorded',
  begin(view) {
    view.keep(ENTRIES, (view as PlanView).planned);
    view.keep(APPLIED, 0);
    view.keep(2, 0);
  },
  // What was recorded has kept within its bounds.
  spurious: () => SPURIOUS_WAKE_UPS,
  choose(plain, enabled, count, usual) {
    const view = plain as PlanView;
    const cpu = view.current;
    const accesses = cpu < view.cpus ? view.accesses(cpu) : 0;
    const entry = due(view, cpu, accesses);
    if (entry < 0 || view.plan(entry, 1) !== accesses) return usual;
    const choice = view.plan(entry, 2);
    if (kindOf(choice) === STALE) return usual;
    consume(view, cpu, entry);
    for (let at = 0; at < count; at += 1) {
      if (enabled[at] !== choice) continue;
      view.keep(APPLIED, view.kept(APPLIED) + 1);
      return choice;
    }
    return usual;
  },
  quota(plain, cpu) {
    const view = plain as PlanView;
    const accesses = view.accesses(cpu);
    const entry = due(view, cpu, accesses);
    if (entry < 0) return FOR_GOOD;
    // An entry at this very access, of a decision that was made before this one, is the next decision's.
    return Math.max(1, view.plan(entry, 1) - accesses);
  },
  stale(plain, older) {
    const view = plain as PlanView;
    const cpu = view.current;
    const accesses = view.accesses(cpu);
    const entry = due(view, cpu, accesses);
    if (entry < 0 || view.plan(entry, 1) !== accesses) return 0;
    const choice = view.plan(entry, 2);
    if (kindOf(choice) !== STALE) return 0;
    consume(view, cpu, entry);
    view.keep(APPLIED, view.kept(APPLIED) + 1);
    return Math.min(older, (choice >>> 8) & 0xff);
  },
};
