/**
 * Shrinking: the fewest switches with which an execution still fails in the same way.
 *
 * Switches are named by the accesses of the CPU that made them, so each can go by itself (delta debugging, Zeller and Hildebrandt 2002): first halves, then
 * quarters, down to single ones. What is kept is the schedule that the shorter run recorded, not the one that was asked for: entries that no longer
 * applied are gone from it.
 */
import type { MemoryModel } from '../../src/scenario.ts';
import type { Execution, Exploration, Switch } from './exploration.ts';
import { type Failure, failuresOf } from './failure.ts';

/** An execution that fails, and how. */
export interface Found {
  readonly execution: Execution;
  readonly failure: Failure;
  readonly seed: number;
}

/** Replays that shrinking may take. */
const TRIALS = 600;
/** Accesses that they may make: where runs go on to their bound after they have failed, fewer replays have to do. */
const ACCESSES = 400_000;

/** Replays a list of switches. @returns what it found if it fails by the same key */
async function attempt(
  exploration: Exploration,
  model: MemoryModel,
  switches: readonly Switch[],
  seed: number,
  key: string,
): Promise<{ readonly found: Found | undefined; readonly accesses: number }> {
  const execution = await exploration.execution({ switches, seed }, { model });
  const failure = failuresOf(exploration, execution).find((each) => each.key === key);
  return { found: failure && { execution, failure, seed }, accesses: execution.steps };
}

/** Whether a run is simpler than another: fewer preemptions, then fewer decisions, then fewer accesses. */
function simpler(one: Execution, other: Execution): boolean {
  if (one.preemptions !== other.preemptions) return one.preemptions < other.preemptions;
  if (one.switches.length !== other.switches.length) return one.switches.length < other.switches.length;
  return one.steps < other.steps;
}

/**
 * Shrinks a failure.
 * @returns the simplest execution found that fails in the same way, and the replays that it took
 */
export async function shrink(
  exploration: Exploration,
  model: MemoryModel,
  found: Found,
): Promise<{ found: Found; trials: number }> {
  const { seed, failure } = found;
  let trials = 1;
  // By its switches it must fail just so; if not, the subject is not deterministic, and the caller says that.
  const first = await attempt(exploration, model, found.execution.switches, seed, failure.key);
  if (!first.found) return { found, trials };
  let best = first.found;
  let { accesses } = first;
  const goesOn = (): boolean => trials < TRIALS && accesses < ACCESSES;
  for (let parts = 2; best.execution.switches.length > 0 && goesOn(); ) {
    const { switches } = best.execution;
    const size = Math.ceil(switches.length / parts);
    let shorter: Found | undefined;
    for (let from = 0; from < switches.length && !shorter && goesOn(); from += size) {
      trials += 1;
      const less = [...switches.slice(0, from), ...switches.slice(from + size)];
      const tried = await attempt(exploration, model, less, seed, failure.key);
      accesses += tried.accesses;
      if (tried.found && simpler(tried.found.execution, best.execution)) shorter = tried.found;
    }
    if (shorter) {
      best = shorter;
      parts = Math.max(2, parts - 1);
    } else if (size === 1) break;
    else parts = Math.min(switches.length, parts * 2);
  }
  return { found: best, trials };
}
