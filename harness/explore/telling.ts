/** Whether a failure is the one that a broken scenario is about: by the oracle that it names, or another that it names besides, each with its own sentence. */
import type { OracleName } from '../../src/locking/define.ts';
import type { ScenarioMutant } from '../../src/scenario.ts';
import type { Failure } from './failure.ts';

type Told = Pick<ScenarioMutant, 'caughtBy' | 'says' | 'or'>;

/** What a hunt calls it when somebody waits for what nobody gives up: by whether he is asleep, and whether it saw it coming. */
const ASLEEP: readonly OracleName[] = ['progress', 'wakeup', 'lock-order'];
const named = (by: OracleName): readonly OracleName[] => (ASLEEP.slice(0, 2).includes(by) ? ASLEEP : [by]);

/** Who may tell of it. */
export const tellers = ({ caughtBy, or = [] }: Told): readonly OracleName[] => [
  ...new Set([caughtBy, ...or.map((other) => other.caughtBy)].flatMap(named)),
];

/** Whether that is it. */
export function isTold(mutant: Told, { oracle, text }: Pick<Failure, 'oracle' | 'text'>): boolean {
  return [mutant, ...(mutant.or ?? [])].some(
    ({ caughtBy, says = '' }) => named(caughtBy).includes(oracle) && text.includes(says),
  );
}
