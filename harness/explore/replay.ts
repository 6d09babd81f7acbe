/**
 * Replays a token: the same CPUs, the same switches, and as evidence the same hash of every access. A run that comes out otherwise is not reported as what the
 * token stands for.
 */
import type { Tortured } from '../torture/setup.ts';
import { evidence, stacksOf } from './evidence.ts';
import { type Execution, Exploration, type Switch } from './exploration.ts';
import { type Failure, failuresOf } from './failure.ts';
import { difference } from './hunt.ts';
import { columns } from './show.ts';
import { type Run, TokenError } from './token.ts';

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
  const { times = 1, url, hash = '', most } = options;
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
    let differs: string | undefined;
    for (let time = 0; time < times; time += 1) {
      const execution = await exploration.execution(run.schedule, { model: run.model });
      first ??= execution;
      if (execution.hash === run.traceHash) same += 1;
      else
        differs ??=
          difference(first.trace, execution.trace) ??
          'every replay is the same, and none is the run of the token';
    }
    const execution = first!;
    const failures = failuresOf(exploration, execution);
    const [failure] = failures;
    const findings = failure?.finding ? [failure.finding] : [];
    // Columns are of the memory as the run has left it, so they come before any other run.
    const shown = columns(exploration, execution, most);
    const stacks = await stacksOf(exploration, findings, run.schedule, run.model);
    return {
      subject: subject.name,
      times,
      same,
      failure,
      failures,
      details: failure ? evidence(failure, execution, stacks) : [],
      columns: shown,
      preemptions: execution.preemptions,
      accesses: execution.steps,
      switches: execution.switches,
      difference: differs,
    };
  } finally {
    await exploration.close();
  }
}
