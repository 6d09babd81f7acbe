/**
 * Replays a token: the same CPUs, the same switches, and as evidence the same hash of every access. A run that comes out otherwise is not reported as what the
 * token stands for.
 */
import type { StackFrame } from '../cpus/source-map.ts';
import type { Tortured } from '../torture/setup.ts';
import { evidence, stacksOf } from './evidence.ts';
import { type Execution, Exploration, type Switch } from './exploration.ts';
import { type Failure, failuresOf } from './failure.ts';
import { difference } from './finder.ts';
import { columnsOf, matters } from './show.ts';
import { type Recording, recordingOf } from './tape.ts';
import { type Run, TokenError } from './token.ts';

/** Accesses that are shown unless somebody asks for more. */
const SHOWN = 15;

/** What a replay came to. */
export interface ReplayResult {
  readonly subject: string;
  /** Replays made, and those that were the token's run, access by access. */
  readonly times: number;
  readonly same: number;
  readonly failure: Failure | undefined;
  /** All ways in which it failed, that one first. */
  readonly failures: readonly Failure[];
  /** What is to be said of the first, in lines: sites with their stacks, a chain of locks, who waits for whom. */
  readonly details: readonly string[];
  readonly columns: readonly string[];
  readonly preemptions: number;
  readonly accesses: number;
  readonly switches: readonly Switch[];
  /** With `stacks`: of each access shown. */
  readonly sites: readonly ReplaySite[];
  /** Where the first that was not the same differed from the first that was. */
  readonly difference: string | undefined;
}

/** How to replay. */
export interface ReplayOptions {
  readonly times?: number;
  readonly url?: string;
  /** Hash of a user's subject, as it is now. */
  readonly hash?: string;
  /** Accesses shown. */
  readonly most?: number;
  /** Says who made each access. */
  readonly stacks?: boolean;
}

/** Who made an access that the columns show. */
export interface ReplaySite {
  /** Its number: its place in the trace. */
  readonly place: number;
  readonly cpu: number;
  /** Innermost first; empty where nobody did, as when a store reaches memory. */
  readonly frames: readonly StackFrame[];
}

/**
 * Replays a run.
 * @throws TokenError when the subject is not what the token was made of
 */
export async function replay(
  subject: Tortured,
  run: Run,
  options: ReplayOptions = {},
): Promise<ReplayResult> {
  return (await record(subject, run, options)).result;
}

/**
 * Replays a run, and keeps the first replay to be walked through.
 * @throws TokenError as {@link replay} does
 */
export async function record(
  subject: Tortured,
  run: Run,
  options: ReplayOptions = {},
): Promise<{ readonly result: ReplayResult; readonly recording: Recording }> {
  const { times = 1, url, hash = '', most = SHOWN, stacks = false } = options;
  if (subject.name !== run.subject)
    throw new TokenError(`the token is of '${run.subject}', not of '${subject.name}'`);
  if (hash.slice(0, 8) !== run.subjectHash)
    throw new TokenError(
      `'${subject.name}' has changed since the token was made (${run.subjectHash || 'no file'} then, ${hash.slice(0, 8) || 'no file'} now): the same schedule would be another run; lockrig hunt looks for the failure anew`,
    );
  const exploration = await Exploration.open(subject, {
    cpus: run.cpus,
    steps: run.steps,
    ...(run.detect === undefined ? {} : { detect: run.detect }),
    ...(url === undefined ? {} : { url }),
  });
  try {
    let same = 0;
    let first: Execution | undefined;
    let recording: Recording | undefined;
    let differs: string | undefined;
    for (let time = 0; time < times; time += 1) {
      const execution = await exploration.execution(run.schedule, {
        model: run.model,
        ...(stacks && !first ? { stacks: 'all' } : {}),
      });
      first ??= execution;
      // Now: the next replay puts memory back.
      recording ??= recordingOf(exploration, execution, run.model);
      if (execution.hash === run.traceHash) same += 1;
      else
        differs ??=
          difference(first.trace, execution.trace) ??
          'every replay is the same, and none is the run of the token';
    }
    const execution = first!;
    const kept = recording!;
    const places = matters(kept, most);
    const failures = failuresOf(exploration, execution);
    const [failure] = failures;
    const findings = failure?.finding ? [failure.finding] : [];
    const found = await stacksOf(exploration, findings, run.schedule, run.model);
    const result: ReplayResult = {
      subject: subject.name,
      times,
      same,
      failure,
      failures,
      details: failure ? evidence(failure, execution, found) : [],
      columns: columnsOf(kept, places, stacks),
      preemptions: execution.preemptions,
      accesses: execution.steps,
      switches: execution.switches,
      sites: stacks ? sitesOf(kept, places) : [],
      difference: differs,
    };
    return { result, recording: kept };
  } finally {
    await exploration.close();
  }
}

/** Who made these accesses. */
export function sitesOf({ trace, stacks }: Recording, places: readonly number[]): ReplaySite[] {
  return places.map((place) => ({ place, cpu: trace.cpu(place), frames: stacks.get(place) ?? [] }));
}
