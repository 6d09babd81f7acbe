/**
 * The numbered steps of a race over the model, as data: who, by which operation, on which word. The word is looked up by the name that it has in the scenario, so a script reads like the head of the
 * file that it is from. Forced, they tell what comes of them; of a fixed twin they tell which of them can no longer happen.
 */
import type { OracleName } from '../../src/locking/define.ts';
import type { ScenarioDefinition } from '../../src/scenario.ts';
import type { CpuThreads } from '../cpus/threads.ts';
import { type Execution, Exploration } from '../explore/exploration.ts';
import { failureOf } from '../explore/failure.ts';
import { type Step, StepError, script } from '../explore/script.ts';

/** A step: who, by which operation, on which word; without an operation, to its end. */
export interface Told {
  readonly cpu: number;
  /** Its name; several with `|` between. */
  readonly op?: string;
  readonly word?: string;
  readonly value?: number;
  /** Bits that the access sets. */
  readonly sets?: number;
  /** For the how manieth time since the step before. */
  readonly times?: number;
  /** Up to that access, the last of `times`, and not behind it. */
  readonly before?: true;
  /** That load returns an older value; the CPU then runs to its end (weak memory). */
  readonly stale?: true;
  /** What it comes to, in words. */
  readonly what?: string;
}

/** What is said of a race or a control when its steps are forced, and the steps. */
export type Script = readonly [says: RegExp, ...steps: Told[]];
/** Scripts by the last part of the name of their scenario. */
export type Steps = Readonly<Record<string, Script>>;

type More = Omit<Told, 'cpu' | 'op' | 'word'>;

/** To its end. @param what that is */
export const end = (cpu: number, what?: string): Told => (what === undefined ? { cpu } : { cpu, what });
/** Up to an access. */
export const by = (cpu: number, op: string, word = '', more: More = {}): Told => ({ cpu, op, word, ...more });

/** What came of steps that were forced. */
export interface Forced {
  /** What is said of it; `nothing`. */
  readonly says: string;
  /** The oracle that fired. */
  readonly oracle?: OracleName;
  /** The step that cannot happen: its number, from 1, and why. */
  readonly stopped?: { readonly step: number; readonly why: string };
}

/** What a failure says, without who noticed. */
const plainly = (text: string): string => text.replace(/^an actor threw: /, '');

const inWords = ({ op, word, value, what, before }: Told): string =>
  what ??
  (op === undefined
    ? 'its end'
    : [op, word, value === undefined ? '' : `= ${value}`, before ? '(not behind it)' : '']
        .filter(Boolean)
        .join(' '));

/** The steps as accesses of a scenario on its CPUs. */
function stepsOf({ subject, setup, cpus }: Exploration, told: Told): Step[] {
  const names = subject.definition === 'scenario' ? subject.names : undefined;
  const { cpu, op, word = '', value, sets, times = 1, before, stale } = told;
  const until = inWords(told);
  const where = { ...(before ? { before } : {}), ...(stale ? { stale } : {}) };
  if (op === undefined) return [{ cpu, until }];
  const operations = op.split('|');
  const is: Step['is'] = (event, name) =>
    operations.includes(name) &&
    (value === undefined || event.value === value) &&
    (sets === undefined || (event.value & ~event.before & sets) !== 0) &&
    (word === '' || (names?.(event.addr, setup.lock, cpus) ?? '').split('|').includes(word));
  return Array.from({ length: times }, (_, nth) => ({ cpu, until, is, ...(nth === times - 1 ? where : {}) }));
}

/**
 * Forces steps on a scenario.
 * @param threads to run on, as many as it has CPUs
 */
export async function forced(
  scenario: ScenarioDefinition,
  told: readonly Told[],
  { threads, detect }: { readonly threads?: CpuThreads; readonly detect?: readonly string[] } = {},
): Promise<Forced> {
  const { model = 'sc' } = scenario.mutant ?? {};
  const exploration = await Exploration.open(scenario, {
    ...(threads ? { threads } : {}),
    ...(detect ? { detect } : {}),
  });
  const each = told.map((step) => stepsOf(exploration, step));
  const judge = (execution: Execution): Pick<Forced, 'says' | 'oracle'> => {
    const failure = failureOf(exploration, execution);
    return failure ? { says: plainly(failure.text), oracle: failure.oracle } : { says: 'nothing' };
  };
  try {
    return judge(await script(exploration, each.flat(), model));
  } catch (error) {
    if (!(error instanceof StepError)) throw error;
    const { at, execution, message } = error;
    const step = each.flatMap((steps, of) => steps.map(() => of + 1))[at]!;
    return { ...judge(execution), stopped: { step, why: message } };
  } finally {
    if (threads) await exploration.leave();
    else await exploration.close();
  }
}
