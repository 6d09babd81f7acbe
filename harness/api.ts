/**
 * The commands as functions, for tests and tools: each takes a lock or a scenario, of lockrig's own or loaded from a file, and returns plain data.
 *
 *     const result = await hunt(await loadSubject('./my-lock.ts'), { executions: 2000 });
 *     assert.equal(result.verdict, 'clean', describeHunt(result));
 */
import { type HuntOptions, type HuntResult, hunt as huntFor } from './explore/hunt.ts';
import { type ProofOptions, proveSubject, type SubjectProof } from './explore/proof.ts';
import { type ReplayOptions, type ReplayResult, replay as replayOf } from './explore/replay.ts';
import { decode, type Run } from './explore/token.ts';
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

/**
 * Runs every execution of a small lock or scenario with at most so many preemptions, for each kind of episode that its random numbers lead to.
 * @returns the verdict; `failures` of `found` are shrunk and have a token, `gaps` of `not proved` say why
 * @throws ParameterError, SubjectError, CpuDied
 */
export async function prove(subject: Subject, options: ProofOptions = {}): Promise<SubjectProof> {
  const { definition, from } = unfold(subject);
  return proveSubject(definition, { ...from, ...options });
}

/** What a hunt found, for the message of a failed assertion: each failure with its columns and its token. */
export function describeHunt(result: HuntResult): string {
  const { subject, verdict, executions, difference } = result;
  const lines = [`hunt of '${subject}': ${verdict}, ${executions} executions`];
  if (difference !== undefined) lines.push(`two runs of one schedule differ at ${difference}`);
  for (const { oracle, text, details, columns, token } of result.failures)
    lines.push(`!!! ${oracle}: ${text}`, ...details, '', ...columns, '', `lockrig replay '${token}'`);
  return lines.join('\n');
}
