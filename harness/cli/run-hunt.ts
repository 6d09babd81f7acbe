/** What `lockrig hunt` does: reads the options, finds the subjects, hunts one after the other, writes down what it found. */
import { setFlagsFromString } from 'node:v8';
import type { MemoryModel } from '../../src/scenario.ts';
import { DETECTORS } from '../detect/index.ts';
import { MODELS } from '../engines/gated/buffers.ts';
import { richness, unseen } from '../engines/gated/coverage.ts';
import { MAX_GATED } from '../engines/gated/layout.ts';
import {
  type HuntFailure,
  type HuntOptions,
  type HuntResult,
  type HuntState,
  hunt,
} from '../explore/hunt.ts';
import { POLICIES, type PolicyChoice, policyIndex, RECORDED } from '../explore/policies/index.ts';
import { LONGEST_TOKEN, lockrigHash } from '../explore/token.ts';
import { writeWhole } from '../report/files.ts';
import { environment } from '../torture/result.ts';
import { group } from '../torture/summary.ts';
import { EXIT, UsageError } from './errors.ts';
import { type Asked, Attempts, HuntFolder } from './hunt-folder.ts';
import { Interrupt } from './interrupt.ts';
import { findSubjects, type Subject } from './subjects.ts';
import { suppressionsIn } from './suppressions.ts';
import { type Raw, time, whole } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

/** Executions that measure how frequent a failure is, for verify-fix. */
const MEASURED = 2000;

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

/**
 * What a failure says, for people.
 * @param written whether a token that is too long for a line is in a file, or will be
 */
export function describeFailure(
  failure: HuntFailure,
  subject: string,
  file?: string,
  written = true,
): string[] {
  const { after, shrunk } = failure;
  return [
    `  !!! ${failure.oracle}: ${failure.text.split('\n').join('\n      ')}`,
    ...failure.details.map((line) => `      ${line}`),
    `      under ${failure.model}, after ${group(after.executions)} executions and ${after.seconds.toFixed(2)} s; shrunk from ${shrunk.from} to ${failure.preemptions} preemptions in ${shrunk.seconds.toFixed(2)} s; ${failure.shown} of ${failure.accesses} accesses:`,
    '',
    ...failure.columns,
    '',
    failure.token.length <= LONGEST_TOKEN || !written
      ? `  lockrig replay '${failure.token}'${file === undefined ? '' : ` ${file}`}`
      : `  the token has ${failure.token.length} characters; --out writes it to a file for ${subject}`,
  ];
}

/** Histories that were too much for the checker are not called linearizable. */
const undecided = (result: HuntResult): string =>
  result.undecided === 0
    ? ''
    : `; what was recorded in ${group(result.undecided)} of them is UNKNOWN to be linearizable: too many operations at once, or in all`;

/** Executions without a new interleaving that make a search a spent one, if they are half of all. */
const SPENT = 500;

/** How much of what can happen has happened. */
function covered({ coverage }: HuntResult): string {
  const { executions, interleavings, since, uncounted } = coverage;
  if (interleavings === 0) return '';
  const percent = (100 * unseen(coverage)).toPrecision(2);
  const parts = [
    `${group(interleavings)} distinct interleavings`,
    since >= SPENT && since >= executions / 2
      ? `none new in the last ${group(since)} executions: more of the same finds nothing more, another --cpus or --steps may`
      : `about ${group(Math.max(richness(coverage) - interleavings, 0))} more to be found, the next execution is a new one with ${percent} %`,
    ...(uncounted > 0 ? [`${group(uncounted)} executions were too many to tell apart`] : []),
  ];
  return `; ${parts.join(', ')}`;
}

function verdictLine(result: HuntResult): string {
  const { executions, seconds } = result;
  const rate = `${group(executions)} executions in ${seconds.toFixed(1)} s`;
  const echo = `hunt:${result.subject} cpus=${result.cpus} models=${result.models.join()} seed=${result.seed}`;
  switch (result.verdict) {
    case 'found':
      return `${echo} FAILURE (${result.failures.map(({ oracle }) => oracle).join(', ')}) ${rate}`;
    case 'clean':
      return `${echo} SUCCESS no failure in ${rate}${covered(result)}${undecided(result)}`;
    case 'interrupted':
      return `${echo} INTERRUPTED after ${rate}${covered(result)}`;
    default:
      return `${echo} NOT DETERMINISTIC: two runs of one schedule differ at ${result.difference}; what an episode needs from one call to the next belongs into shared memory, and Math.random, Date.now and the like have no place in it`;
  }
}

async function parse(options: Options): Promise<HuntOptions> {
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

/** What a hunt that goes on must be asked for, too. */
function askedFor(options: Options, subjects: readonly Subject[]): Asked {
  const given = ['budget', 'cpus', 'steps', 'seed', 'model', 'policy', 'detect', 'suppress', 'all'].map(
    (name) => [`--${name}`, options[name]],
  );
  return {
    subjects: subjects.map(({ lock, hash }) =>
      hash === undefined ? lock.name : `${lock.name} (${hash.slice(0, 8)})`,
    ),
    lockrig: lockrigHash(),
    ...Object.fromEntries(given),
  };
}

/** Traces are in the files of failures, and nowhere else: they are long. */
const withoutTrace = (name: string, value: unknown): unknown => (name === 'trace' ? undefined : value);

/**
 * V8 makes calls of what it does not inline, and stops inlining early; where processors do not predict such calls, they are most of what a gated access costs.
 * For the whole process, CPUs included.
 */
const INLINE = '--max-inlined-bytecode-size-cumulative=4000';

/** Runs the command. @returns the exit code */
export async function runHunt(names: readonly string[], options: Options): Promise<number> {
  setFlagsFromString(INLINE);
  const how = await parse(options);
  const events = options.json === true || options.json === '-';
  const file = typeof options.json === 'string' && options.json !== '-' ? options.json : undefined;
  const folder = typeof options.out === 'string' ? options.out : undefined;
  if (options.resume && folder === undefined)
    throw new UsageError('--resume goes on with the hunt in a folder: --out DIR is expected');
  const subjects = await findSubjects(names, { scenarios: true });
  const document = (results: readonly HuntResult[], complete: boolean): string =>
    `${JSON.stringify({ schemaVersion: 1, command: 'hunt', complete, environment: environment(), results }, withoutTrace, 2)}\n`;
  // Said at the start, not when something has been found.
  if (file !== undefined) writeWhole(file, document([], false));
  const attempts = new Attempts();
  const asked = askedFor(options, subjects);
  const kept =
    folder === undefined
      ? undefined
      : HuntFolder[options.resume ? 'resume' : 'begin'](folder, asked, attempts);
  const say = (text: string): void => {
    if (!events) process.stdout.write(`${text}\n`);
  };
  const tell = (event: object): void => {
    if (events) process.stdout.write(`${JSON.stringify(event, withoutTrace)}\n`);
  };
  const interrupt = new Interrupt();
  const results: HuntResult[] = [...(kept?.results ?? [])];
  let finished = results.length;
  const keep = (complete: boolean): void => {
    if (file !== undefined) attempts.attempt(() => writeWhole(file, document(results, complete)));
    kept?.kept(document(results, complete), finished);
  };
  if (!options.resume) keep(false);
  const one = async ({ lock, url, hash, file: from }: Subject, state?: HuntState): Promise<HuntResult> =>
    hunt(lock, {
      ...how,
      ...(url === undefined ? {} : { url }),
      ...(hash === undefined ? {} : { hash }),
      ...(kept ? { measure: MEASURED } : {}),
      ...(state ? { from: state } : {}),
      signal: interrupt.signal,
      onProgress(progress) {
        kept?.went(progress.state);
        tell({ event: 'progress', subject: lock.name, ...progress });
      },
      onFailure(failure) {
        // On disk before it is printed.
        const safe = kept?.found(lock.name, failure);
        for (const line of describeFailure(failure, lock.name, from, safe !== false)) say(line);
        tell({ event: 'failure', subject: lock.name, failure });
      },
    });
  for (const result of results) say(`${verdictLine(result)}, before`);
  try {
    for (const subject of subjects.slice(finished)) {
      if (interrupt.signal.aborted) break;
      const state = kept?.state;
      say(`hunt:${subject.lock.name}${state ? ` goes on after ${group(state.executions)} executions` : ''}`);
      const result = await one(subject, state);
      results.push(result);
      if (!interrupt.signal.aborted || (!how.all && result.verdict === 'found')) finished = results.length;
      keep(false);
      for (const lead of result.leads) say(`  lead: ${lead}`);
      for (const { pattern, line } of result.unused)
        say(`  the suppression '${pattern}' (line ${line}) has matched nothing`);
      say(verdictLine(result));
      tell({ event: 'result', result });
    }
  } finally {
    interrupt.dispose();
    keep(finished === subjects.length);
  }
  const any = (...verdicts: string[]): boolean => results.some(({ verdict }) => verdicts.includes(verdict));
  if (any('found', 'not deterministic')) return EXIT.violation;
  if (interrupt.signal.aborted) return EXIT.interrupted;
  return attempts.broken ? EXIT.died : EXIT.clean;
}
