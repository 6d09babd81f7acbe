/**
 * Reducing: the fewest CPUs and the fewest operations with which a lock still fails in the same way.
 *
 * A schedule says nothing about a run with fewer CPUs, or with episodes of fewer steps: so each smaller size is searched anew, for a moment, and what is
 * found there is shrunk like any other failure. Sizes are those that a user might have asked for. Nothing else is left out of an episode: one that lacks the
 * partner that it waits for would fail, too, and say nothing about the lock.
 *
 * A scenario has the CPUs and operations that it has. A size at which the lock throws before it starts, or at which a CPU dies or is never heard of again, is no
 * smaller failure, and no reason to lose the one that is known.
 */
import type { MemoryModel } from '../../src/scenario.ts';
import type { Tortured } from '../torture/setup.ts';
import { Exploration, type ExplorationOptions } from './exploration.ts';
import { failuresOf } from './failure.ts';
import { PORTFOLIO } from './policies/index.ts';
import { type Found, shrink } from './shrink.ts';

/** Executions that a smaller size is searched for. */
const EXECUTIONS = 600;
/** Failures among them that are looked at: each is replayed. */
const EXAMINED = 8;

/** A failure, and the machine on which it can be replayed. */
export interface Reduced {
  readonly exploration: Exploration;
  readonly found: Found;
  readonly replays: number;
}

/** Sizes below this one, the most promising first. */
function* smaller(cpus: number, steps: number): Generator<{ cpus: number; steps: number }> {
  if (cpus > 2) yield { cpus: 2, steps };
  if (steps > 1) yield { cpus, steps: 1 };
  if (steps > 3) yield { cpus, steps: steps >> 1 };
}

async function search(
  exploration: Exploration,
  model: MemoryModel,
  found: Found,
): Promise<Reduced | undefined> {
  const { failures } = await exploration.session({
    model,
    executions: EXECUTIONS,
    base: found.seed,
    portfolio: PORTFOLIO,
    // What goes on for longer than the one that is known is no smaller.
    ...(found.failure.key === 'bound' ? {} : { stepBound: 2 * found.execution.steps }),
  });
  for (const { schedule } of failures.slice(0, EXAMINED)) {
    const execution = await exploration.execution(schedule, { model });
    const failure = failuresOf(exploration, execution).find(({ key }) => key === found.failure.key);
    if (!failure) continue;
    const shrunk = await shrink(exploration, model, { execution, failure, seed: schedule.seed });
    return { exploration, found: shrunk.found, replays: shrunk.trials };
  }
  return undefined;
}

/** Searches one size. @returns what it found, on CPUs that are still there */
async function attempt(
  subject: Tortured,
  options: ExplorationOptions,
  model: MemoryModel,
  found: Found,
): Promise<Reduced | undefined> {
  const exploration = await Exploration.open(subject, options).catch(() => undefined);
  const reduced = exploration && (await search(exploration, model, found).catch(() => undefined));
  if (!reduced) await exploration?.close();
  return reduced;
}

/**
 * Reduces a failure of a lock.
 * @param exploration where it was found; it stays open
 * @param options how that was opened
 * @returns where it was found last; undefined when no smaller size fails so
 */
export async function reduce(
  exploration: Exploration,
  model: MemoryModel,
  found: Found,
  options: ExplorationOptions,
): Promise<Reduced | undefined> {
  if (exploration.subject.definition === 'scenario') return undefined;
  let best: Reduced | undefined;
  let size = { cpus: exploration.cpus, steps: exploration.steps };
  for (let shrank = true; shrank; ) {
    shrank = false;
    for (const next of smaller(size.cpus, size.steps)) {
      const reduced = await attempt(
        exploration.subject,
        { ...options, ...next },
        model,
        best?.found ?? found,
      );
      if (!reduced) continue;
      await best?.exploration.close();
      best = { ...reduced, replays: (best?.replays ?? 0) + reduced.replays };
      size = next;
      shrank = true;
      break;
    }
  }
  return best;
}
