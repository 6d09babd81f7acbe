/** The options of `lockrig hunt`, some of which `verify-fix` has, too: what they say, or in one sentence what is wrong with them. */
import type { MemoryModel } from '../../src/scenario.ts';
import { DETECTORS } from '../detect/index.ts';
import { MODELS } from '../engines/gated/buffers.ts';
import { MAX_GATED } from '../engines/gated/layout.ts';
import type { HuntOptions } from '../explore/hunt.ts';
import { POLICIES, type PolicyChoice, policyIndex, RECORDED } from '../explore/policies/index.ts';
import { UsageError } from './errors.ts';
import { suppressionsIn } from './suppressions.ts';
import { type Raw, time, whole } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

/** Parameters of policies that were given none: laziness, depth. */
const DEFAULT_PARAMETER: Readonly<Record<string, number>> = { random: 16, pct: 3, pos: 0 };

/** Policies that no hunt can be asked for, and where they are. */
const ELSEWHERE: Readonly<Record<string, string>> = {
  exhaustive:
    'the policy exhaustive takes no turns with others and ends by itself: lockrig hunt SUBJECT --prove runs it',
  focus:
    'the policy focus preempts where a trace of free-running CPUs has shown conflicts: lockrig torture SUBJECT --reproduce runs it',
};

function words(raw: Raw, name: string): string[] | undefined {
  if (raw === undefined) return undefined;
  const list = typeof raw === 'boolean' ? [] : String(raw).split(',').filter(Boolean);
  if (list.length === 0) throw new UsageError(`--${name} needs a value: lockrig hunt --help shows which`);
  return list;
}

async function nearest(word: string, known: readonly string[]): Promise<string> {
  const { closest } = await import('fastest-levenshtein');
  return closest(word, known);
}

/** The memory models that were named. @throws UsageError */
export async function models(raw: Raw): Promise<MemoryModel[] | undefined> {
  const list = words(raw, 'model');
  for (const word of list ?? [])
    if (!MODELS.includes(word as MemoryModel))
      throw new UsageError(
        `there is no memory model '${word}': ${MODELS.join(', ')} are there; '${await nearest(word, MODELS)}' is the nearest`,
      );
  return list as MemoryModel[] | undefined;
}

/** The policies that an option names. @throws UsageError */
export async function policies(raw: Raw): Promise<PolicyChoice[] | undefined> {
  const list = words(raw, 'policy');
  if (!list) return undefined;
  const known = POLICIES.map(({ name }) => name).filter(
    (name, at) => at !== RECORDED && !Object.hasOwn(ELSEWHERE, name),
  );
  return Promise.all(
    list.map(async (word) => {
      const [policy = '', parameter] = word.split(':');
      if (Object.hasOwn(ELSEWHERE, policy)) throw new UsageError(ELSEWHERE[policy]!);
      if (!known.includes(policy) || policyIndex(policy) < 0)
        throw new UsageError(
          `there is no policy '${policy}': ${known.join(', ')} are there; '${await nearest(policy, known)}' is the nearest`,
        );
      const value =
        parameter === undefined
          ? (DEFAULT_PARAMETER[policy] ?? 0)
          : (whole('policy', parameter, 0, 1000) ?? 0);
      return { policy, parameter: value };
    }),
  );
}

/** Names of detectors; undefined: those that are on by default. */
async function detect(raw: Raw): Promise<string[] | undefined> {
  const list = words(raw, 'detect');
  if (!list) return undefined;
  const known = DETECTORS.map(({ name }) => name);
  const wanted = new Set<string>();
  for (const word of list) {
    if (!known.includes(word) && word !== 'all' && word !== 'none')
      throw new UsageError(
        `there is no detector '${word}': ${known.join(', ')} are there, and all or none of them; '${await nearest(word, [...known, 'all', 'none'])}' is the nearest`,
      );
    if (word === 'none' && list.length > 1)
      throw new UsageError("--detect none goes with no other name: leave 'none' out, or the others");
    for (const name of word === 'all' ? known : word === 'none' ? [] : [word]) wanted.add(name);
  }
  return known.filter((name) => wanted.has(name));
}

/** A budget: `20000` executions, or `30s`. @throws UsageError */
export function budget(raw: Raw): Pick<HuntOptions, 'executions' | 'milliseconds'> {
  if (raw === undefined) return {};
  if (typeof raw !== 'boolean' && /^\d+$/.test(String(raw))) {
    const executions = whole('budget', raw, 1, 2 ** 31 - 1);
    return executions === undefined ? {} : { executions };
  }
  const milliseconds = time('budget', raw, 1, 86_400_000);
  return milliseconds === undefined ? {} : { milliseconds };
}

/** How to hunt. @throws UsageError */
export async function huntOptions(options: Options): Promise<HuntOptions> {
  const cpus = whole('cpus', options.cpus, 1, MAX_GATED);
  const steps = whole('steps', options.steps, 1, 1000);
  const seed = whole('seed', options.seed, 0, 2 ** 32 - 1);
  const chosen = await policies(options.policy);
  const memory = await models(options.model);
  const watched = await detect(options.detect);
  const suppressed = suppressionsIn(options.suppress, 'hunt');
  return {
    ...budget(options.budget),
    ...(cpus === undefined ? {} : { cpus }),
    ...(steps === undefined ? {} : { steps }),
    ...(seed === undefined ? {} : { seed }),
    ...(chosen === undefined ? {} : { policies: chosen }),
    ...(memory === undefined ? {} : { models: memory }),
    ...(watched === undefined ? {} : { detect: watched }),
    ...(suppressed === undefined ? {} : { suppress: suppressed }),
    all: options.all === true,
  };
}
