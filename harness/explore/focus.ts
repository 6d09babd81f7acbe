/**
 * From free-running to deterministic: a failure that torture has seen at full speed is searched for in the gated engine until it is a token.
 *
 * What torture knows narrows the search: the oracle that must fail, how many CPUs there were, and from the trace the words that they were in conflict about near the
 * failure. Policy `focus` preempts at these words; the usual portfolio takes turns with it, since the words may be the wrong ones (the trace ends when a failure
 * is noticed, which may be long after it happened), or none were traced.
 *
 * The search goes in rounds. A round tries each number of CPUs from that of the run down to two, and each memory model, with executions of so many steps. Each
 * following round has more time and more steps: what needs a full ring or a list of retired objects does not fail within a few. The words are looked up by
 * their places, since a machine of other CPUs has them elsewhere.
 *
 * A race that was watched for while CPUs ran free is searched for by the pass over gated traces, at the words that raced.
 *
 * A failure counts if an oracle says so that has in the run, where one failure often makes several speak; `progress` and `wakeup` are one here: a CPU that waits for ever is called by what it waits in, and the watchdog of
 * a free run and the gate may see another one first.
 */
import type { OracleName } from '../../src/locking/define.ts';
import type { MemoryModel } from '../../src/scenario.ts';
import { detectors } from '../detect/index.ts';
import { MAX_GATED } from '../engines/gated/layout.ts';
import type { Place } from '../torture/places.ts';
import type { TortureResult } from '../torture/result.ts';
import type { Tortured } from '../torture/setup.ts';
import { type HuntFailure, hunt } from './hunt.ts';
import { PORTFOLIO, type PolicyChoice } from './policies/index.ts';
import { stepsFor } from './size.ts';

/** What is known of a failure that was seen free-running. */
export type Seen = Pick<TortureResult, 'oracle'> & {
  readonly violationCounts?: TortureResult['violationCounts'];
  readonly params: Pick<TortureResult['params'], 'cpus' | 'seed'>;
  readonly trace?: Pick<NonNullable<TortureResult['trace']>, 'conflicts'> | undefined;
  readonly races?: readonly Pick<TortureResult['races'][number], 'place'>[];
};

/** How to search. */
export interface ReproduceOptions {
  /** Milliseconds at most; a minute unless given. */
  readonly milliseconds?: number;
  readonly seed?: number;
  /** Of a user's subject: its bundled module, and the hash of that. */
  readonly url?: string;
  readonly hash?: string;
  readonly signal?: AbortSignal;
  /** Told what is tried. */
  readonly onStage?: (stage: { cpus: number; steps: number; seconds: number }) => void;
}

/** What a search came to. */
export interface Reproduced {
  /** The failure with its token; undefined: none of that oracle was found. */
  readonly failure: HuntFailure | undefined;
  readonly oracle: OracleName;
  readonly cpus: number;
  readonly steps: number;
  readonly executions: number;
  readonly seconds: number;
  /** Why nothing was searched for, or the subject cannot be. */
  readonly reason: string | undefined;
}

const BUDGET = 60_000;
const FIRST_STAGE = 600;
const MODELS: readonly MemoryModel[] = ['sc', 'tso', 'sc', 'weak'];
const FOCUS: readonly PolicyChoice[] = [
  { policy: 'focus', parameter: 2 },
  { policy: 'focus', parameter: 6 },
];

/** Oracles that say the same of one failure. */
export function related(oracle: OracleName): readonly OracleName[] {
  return oracle === 'progress' || oracle === 'wakeup' ? ['progress', 'wakeup'] : [oracle];
}

/** Numbers of CPUs to try: as many as there were, and fewer. */
function cpusToTry(subject: Tortured, cpus: number): number[] {
  if (subject.definition === 'scenario') return [cpus];
  const most = Math.min(cpus, MAX_GATED, 4);
  const all = [Math.min(cpus, MAX_GATED), ...Array.from({ length: most }, (_, less) => most - less)];
  return [...new Set(all)].filter((each) => each >= Math.min(2, cpus));
}

/** Steps in a round: more each time, in proportion to what the kind needs, up to what fills a ring of 256. */
function stepsIn(subject: Tortured, cpus: number, round: number): number {
  return subject.definition === 'scenario' ? 1 : Math.min(400, stepsFor(subject, cpus) * 2 ** round);
}

/**
 * Searches for a failure of the same oracle that replays.
 * @throws ParameterError where the subject cannot be gated; SubjectError, CpuDied as `hunt` does
 */
export async function reproduce(
  subject: Tortured,
  seen: Seen,
  options: ReproduceOptions = {},
): Promise<Reproduced> {
  const { milliseconds = BUDGET, signal, url, hash, onStage } = options;
  const { oracle, params } = seen;
  const began = performance.now();
  const spent = (): number => performance.now() - began;
  let executions = 0;
  const result = (about: Partial<Pick<Reproduced, 'failure' | 'cpus' | 'steps' | 'reason'>>): Reproduced => ({
    failure: undefined,
    cpus: params.cpus,
    steps: 0,
    reason: undefined,
    oracle: oracle ?? 'progress',
    executions,
    seconds: spent() / 1000,
    ...about,
  });
  if (oracle === undefined) return result({ reason: 'the run did not fail' });
  const others = Object.keys(seen.violationCounts ?? {}) as OracleName[];
  const oracles = [...new Set([oracle, ...others].flatMap(related))];
  const conflicts: readonly Place[] = seen.trace?.conflicts.map(({ place }) => place) ?? [];
  const focus = [...conflicts, ...(seen.races ?? []).flatMap(({ place }) => place ?? [])];
  // Off unless asked for.
  const detect = oracles.includes('race') ? [...detectors().map(({ name }) => name), 'races'] : undefined;
  const policies = focus.length > 0 ? [...PORTFOLIO, ...FOCUS] : PORTFOLIO;
  let seed = options.seed ?? params.seed;
  for (let round = 0; spent() < milliseconds && !signal?.aborted; round += 1) {
    for (const cpus of cpusToTry(subject, params.cpus)) {
      const left = milliseconds - spent();
      if (left <= 0 || signal?.aborted) break;
      const steps = stepsIn(subject, cpus, round);
      onStage?.({ cpus, steps, seconds: spent() / 1000 });
      seed = (seed + 1) >>> 0;
      const found = await hunt(subject, {
        cpus,
        seed,
        policies,
        focus,
        models: MODELS,
        oracles,
        ...(detect === undefined ? {} : { detect }),
        milliseconds: Math.min(left, FIRST_STAGE * 2 ** round),
        ...(subject.definition === 'scenario' ? {} : { steps }),
        ...(url === undefined ? {} : { url }),
        ...(hash === undefined ? {} : { hash }),
        ...(signal === undefined ? {} : { signal }),
      });
      executions += found.executions;
      const [failure] = found.failures;
      if (failure) return result({ failure, cpus, steps });
      if (found.verdict === 'not deterministic')
        return result({ cpus, steps, reason: `two runs of one schedule differ at ${found.difference}` });
    }
  }
  return result({});
}
