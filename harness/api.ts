/**
 * The commands as functions, for tests and tools: each takes a lock or a scenario, of lockrig's own or loaded from a file, and returns plain data.
 *
 *     const result = await hunt(await loadSubject('./my-lock.ts'), { executions: 2000 });
 *     assert.equal(result.verdict, 'clean', describeHunt(result));
 */
import { Exploration } from './explore/exploration.ts';
import { failureOf } from './explore/failure.ts';
import { type HuntOptions, type HuntResult, hunt as huntFor } from './explore/hunt.ts';
import { type Proof, type ProveOptions, prove as proveOn } from './explore/prove.ts';
import { type ReplayOptions, type ReplayResult, replay as replayOf } from './explore/replay.ts';
import { columns } from './explore/show.ts';
import { decode, encode, type Run } from './explore/token.ts';
import { type Subject, unfold } from './subject.ts';
import type { TortureParams } from './torture/params.ts';
import type { TortureResult } from './torture/result.ts';
import { type TortureOptions, torture as tortureOf } from './torture/run.ts';

/**
 * Searches for a schedule that breaks a lock or a scenario, and makes it small.
 * @returns the verdict; `failures` of `found` come with columns and token
 * @throws ParameterError for options that make no sense; SubjectError when the definition throws before the first execution; CpuDied
 */
export async function hunt(subject: Subject, options: HuntOptions = {}): Promise<HuntResult> {
  const { definition, from } = unfold(subject);
  return huntFor(definition, { ...from, ...options });
}

/**
 * Replays what a token stands for, access by access.
 * @param run a token, or what `decode` made of one
 * @throws TokenError when the token is damaged, or the subject is not what it was made of
 */
export async function replay(
  subject: Subject,
  run: Run | string,
  options: ReplayOptions = {},
): Promise<ReplayResult> {
  const { definition, from } = unfold(subject);
  return replayOf(definition, typeof run === 'string' ? decode(run) : run, { ...from, ...options });
}

/**
 * Tortures a lock, or runs the episodes of a scenario, on CPUs that run free.
 * @throws ParameterError, SubjectError, CpuDied
 */
export async function torture(
  subject: Subject,
  params: Partial<TortureParams> = {},
  options: TortureOptions = {},
): Promise<TortureResult> {
  const { definition, from } = unfold(subject);
  return tortureOf(definition, params, {
    ...(from.url === undefined ? {} : { url: from.url }),
    ...options,
  });
}

/** What to prove, of which machine. */
export interface ProveSubjectOptions extends ProveOptions {
  readonly cpus?: number;
  /** Steps of each CPU in an execution, for locks. */
  readonly steps?: number;
}

/** A proof, or what refutes it. */
export interface ProofResult extends Proof {
  readonly subject: string;
  /** The failure in words, as columns, and as a token; undefined where none was found. */
  readonly refuted:
    | {
        readonly oracle: string;
        readonly text: string;
        readonly columns: readonly string[];
        readonly token: string;
      }
    | undefined;
}

/**
 * Runs every execution of a small lock or scenario with at most so many preemptions.
 * @throws ParameterError, SubjectError, CpuDied
 */
export async function prove(
  subject: Subject,
  { cpus, steps, ...options }: ProveSubjectOptions = {},
): Promise<ProofResult> {
  const { definition, from } = unfold(subject);
  const exploration = await Exploration.open(definition, {
    ...(cpus === undefined ? {} : { cpus }),
    ...(steps === undefined ? {} : { steps }),
    ...(from.url === undefined ? {} : { url: from.url }),
  });
  try {
    const proof = await proveOn(exploration, options);
    const { failure: found } = proof;
    if (!found) return { ...proof, subject: definition.name, refuted: undefined };
    const { model = 'sc' } = options;
    const execution = await exploration.execution(found.schedule, { model });
    const failure = failureOf(exploration, execution);
    const refuted = {
      oracle: failure?.oracle ?? 'check',
      text: failure?.text ?? 'it failed',
      columns: columns(exploration, execution),
      token: encode({
        subject: definition.name,
        cpus: exploration.cpus,
        steps: exploration.steps,
        model,
        schedule: { switches: execution.switches, seed: found.schedule.seed },
        subjectHash: from.hash ?? '',
        traceHash: execution.hash,
      }),
    };
    return { ...proof, subject: definition.name, refuted };
  } finally {
    await exploration.close();
  }
}

/** What a hunt found, for the message of a failed assertion: each failure with its columns and its token. */
export function describeHunt(result: HuntResult): string {
  const { subject, verdict, executions, difference } = result;
  const lines = [`hunt of '${subject}': ${verdict}, ${executions} executions`];
  if (difference !== undefined) lines.push(`two runs of one schedule differ at ${difference}`);
  for (const { oracle, text, columns: shown, token } of result.failures)
    lines.push(`!!! ${oracle}: ${text}`, '', ...shown, '', `lockrig replay '${token}'`);
  return lines.join('\n');
}
