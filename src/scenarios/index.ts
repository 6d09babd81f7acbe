/** The classic bugs, in the order in which they are listed. */
import type { ScenarioDefinition } from '../scenario.ts';
import * as changing from './changing.ts';
import type { Classic } from './classic.ts';
import * as conditions from './conditions.ts';
import * as contexts from './contexts.ts';
import * as deadlock from './deadlock.ts';
import * as exclusion from './exclusion.ts';
import * as fairness from './fairness.ts';
import * as lifetime from './lifetime.ts';
import * as lockfree from './lockfree.ts';
import * as ordering from './ordering.ts';
import * as queues from './queues.ts';
import * as races from './races.ts';
import * as sleeping from './sleeping.ts';
import * as updates from './updates.ts';
import * as waits from './waits.ts';

export type { Classic } from './classic.ts';

/** Every classic bug with its fixed twin. */
export const classics: readonly Classic[] = [
  updates,
  exclusion,
  deadlock,
  waits,
  contexts,
  fairness,
  conditions,
  sleeping,
  lifetime,
  changing,
  lockfree,
  queues,
  ordering,
  races,
].flatMap((module) => Object.values(module));

/** Finds a scenario by its name: a fixed one, or `busted/…`. */
export function scenarioByName(name: string): ScenarioDefinition | undefined {
  return classics.flatMap(({ fixed, broken }) => [fixed, broken]).find((each) => each.name === name);
}
