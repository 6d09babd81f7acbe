/**
 * The neighbourhood of a schedule: those that differ from it in one decision. On changed code the accesses have shifted, so the schedule that failed may be right beside
 * the one that was recorded: a decision some accesses earlier or later, one that is not needed any more, one that is needed besides.
 */
import type { MemoryModel } from '../../src/scenario.ts';
import { DRAIN, RUN, transition } from '../engines/gated/policy.ts';
import type { Switch } from './exploration.ts';

/** A schedule beside another, and how it differs. */
export interface Neighbour {
  readonly kind: 'moved' | 'left out' | 'added';
  readonly switches: readonly Switch[];
}

/** Accesses by which a decision is moved. */
const MOVES = [-3, -2, -1, 1, 2, 3];
/** Neighbours with a decision added, at most; spread evenly over the execution. */
const ADDED = 256;

/** A plan is read by each CPU in the order of its accesses; decisions at one access stay in theirs. */
function inOrder(switches: readonly Switch[]): Switch[] {
  return [...switches].sort((one, other) => one.cpu - other.cpu || one.accesses - other.accesses);
}

function* added(switches: readonly Switch[], accesses: readonly number[], model: MemoryModel) {
  const cpus = accesses.length;
  for (const [cpu, count] of accesses.entries())
    for (let at = 0; at < count; at += 1) {
      const choices = accesses.map((_, other) => transition(RUN, other)).filter((_, other) => other !== cpu);
      // One store of each CPU reaches memory here.
      if (model !== 'sc')
        for (let other = 0; other < cpus; other += 1) choices.push(transition(DRAIN, other));
      for (const choice of choices) yield inOrder([...switches, { cpu, accesses: at, choice }]);
    }
}

/**
 * The neighbours of a schedule.
 * @param accesses of each CPU in the execution that the schedule made
 */
export function neighbours(
  switches: readonly Switch[],
  accesses: readonly number[],
  model: MemoryModel,
): Neighbour[] {
  const found: Neighbour[] = [];
  for (const [at, one] of switches.entries()) {
    const others = switches.filter((_, other) => other !== at);
    found.push({ kind: 'left out', switches: others });
    for (const move of MOVES)
      if (one.accesses + move >= 0)
        found.push({
          kind: 'moved',
          switches: inOrder([...others, { ...one, accesses: one.accesses + move }]),
        });
  }
  const more = [...added(switches, accesses, model)];
  const stride = Math.max(1, more.length / ADDED);
  for (let at = 0; at < more.length; at += stride)
    found.push({ kind: 'added', switches: more[Math.floor(at)]! });
  return found;
}
