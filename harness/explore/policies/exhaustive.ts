/**
 * Exhaustive search with a preemption bound (CHESS; Musuvathi and Qadeer, "Iterative context bounding", PLDI 2007): every schedule with no preemption, then
 * every one with at most one, and so on. Most failures need one or two, and the first that is found needs the fewest.
 *
 * A preemption takes the turn from a CPU that could go on, by letting another run or interrupting another. Everything else is free: who goes on
 * when a CPU blocks or is done, an interrupt of the CPU that has the turn, which store leaves a buffer and when, how old the value of a relaxed load is. Free choices are
 * enumerated in full at every bound. The search plans the next execution by itself, between executions, in shared memory: see search.ts.
 *
 * Drains are late. A store that reaches memory right before a step that cannot tell might as well do so right after it: the preemptions are the same, and
 * nobody is kept from a value by it (under the weak model a CPU can then see more, not less). Moved on and on it comes to stand before another CPU's
 * access to its word, before another CPU's store to that word, before one of its own CPU's stores of which that is true, or where the
 * machine drains by itself. So a store is drained only for the sake of somebody: whose next access is to one of the words in that buffer, or is not known yet, and
 * who then makes the next step (`obliged`); or who has one of these words in a buffer, too, for whose store reaches memory last may be all that is left of an
 * execution.
 *
 * Futex waits that end spuriously: as many an execution as the third byte of the parameter says. That too lets a CPU run, and is a preemption where another could go on.
 *
 * The parameter is the bound; its second byte the bound to begin with.
 */
import {
  cpuOf,
  DRAIN,
  INTERRUPT,
  kindOf,
  NOBODY,
  type Policy,
  type PolicyView,
  RUN,
  SPURIOUS,
  STALE,
} from '../../engines/gated/policy.ts';
import type { Search } from '../../engines/gated/search.ts';

/** What only this policy looks at. */
interface SearchView extends PolicyView {
  readonly search: Search;
  readonly weakness: number;
  pending(cpu: number): number;
  storeAddr(cpu: number, place: number): number;
  undisturbed(): boolean;
}

const UNKNOWN = -1;
/** Accesses that a CPU makes where it has no choice. */
const FOR_GOOD = 4096;
const PRIME = 0x01000193;
const OPTIONS = 1024;
/** The options of one decision; of no meaning from one call to the next. */
const options = new Int32Array(OPTIONS);

/** The CPUs, as bits, whose next access may be to a word in this CPU's buffer. */
function waiting(view: SearchView, cpu: number): number {
  let cpus = 0;
  for (let other = 0; other < view.cpus; other += 1) {
    if (other === cpu) continue;
    const next = view.pending(other);
    if (next === UNKNOWN) cpus |= 1 << other;
    else
      for (let place = view.buffered(cpu) - 1; place >= 0; place -= 1)
        if (view.storeAddr(cpu, place) === next) cpus |= 1 << other;
  }
  return cpus;
}

/** The CPUs, as bits, that have a store to one of the same words in their buffer. */
function competing(view: SearchView, cpu: number): number {
  let cpus = 0;
  for (let other = 0; other < view.cpus; other += 1) {
    if (other === cpu) continue;
    for (let theirs = view.buffered(other) - 1; theirs >= 0; theirs -= 1)
      for (let place = view.buffered(cpu) - 1; place >= 0; place -= 1)
        if (view.storeAddr(cpu, place) === view.storeAddr(other, theirs)) cpus |= 1 << other;
  }
  return cpus;
}

function isPreemption(view: SearchView, choice: number): boolean {
  const kind = kindOf(choice);
  return (kind === RUN || kind === INTERRUPT || kind === SPURIOUS) && cpuOf(choice) !== view.current;
}

/** Whether the CPU makes its next access by it. */
const runs = (choice: number): boolean => kindOf(choice) === RUN || kindOf(choice) === SPURIOUS;

/** Exhaustive search. */
export const exhaustive: Policy = {
  name: 'exhaustive',
  more(plain) {
    const view = plain as SearchView;
    return view.search.advance((view.parameter >>> 8) & 0xff, view.parameter & 0xff);
  },
  begin() {},
  spurious: (view) => (view.parameter >>> 16) & 0xff,
  choose(plain, enabled, count, usual) {
    const view = plain as SearchView;
    const { search, current } = view;
    const goesOn = kindOf(usual) === RUN && cpuOf(usual) === current;
    const broke = goesOn && search.spent >= search.bound;
    const { obliged } = search;
    let many = 0;
    // What the CPU is about to do is the same each time that the search comes here.
    let hash =
      current === NOBODY || view.done(current) ? 0 : view.nextAddr(current) ^ (view.nextOp(current) << 24);
    for (let at = -1; at < count; at += 1) {
      const choice = at < 0 ? usual : enabled[at]!;
      if (at >= 0 && choice === usual) continue;
      const cpu = cpuOf(choice);
      if (kindOf(choice) === DRAIN) {
        // Whoever is waiting for it must be able to come next.
        const all = waiting(view, cpu);
        const reached = broke ? all & (1 << current) : all;
        if (reached !== all) search.turnAway();
        if ((reached | competing(view, cpu)) === 0) continue;
      } else if (obliged !== 0 && (!runs(choice) || (obliged & (1 << cpu)) === 0)) continue;
      else if (broke && isPreemption(view, choice)) {
        search.turnAway();
        continue;
      }
      options[many++] = choice;
      hash = Math.imul(hash ^ choice, PRIME);
    }
    let choice = usual;
    if (many > 0)
      choice = options[many === 1 ? 0 : search.pick(many, hash, view.steps, goesOn && options[0] === usual)]!;
    if (goesOn && isPreemption(view, choice)) search.spend();
    const cpu = cpuOf(choice);
    search.oblige(kindOf(choice) === DRAIN ? waiting(view, cpu) | competing(view, cpu) : 0);
    return choice;
  },
  quota(plain, cpu) {
    const view = plain as SearchView;
    const { search } = view;
    // Relaxed loads of the weak model are decisions, too, and come between.
    if (view.weakness < 2) {
      const ahead = search.ahead(view.steps);
      if (ahead > 0) return ahead;
    }
    if (search.spent < search.bound || !view.undisturbed()) return 1;
    for (let other = 0; other < view.cpus; other += 1)
      if (other !== cpu && !view.done(other)) search.turnAway();
    return FOR_GOOD;
  },
  stale(plain, older) {
    const view = plain as SearchView;
    return view.search.pick(older + 1, STALE, view.steps, false);
  },
};
