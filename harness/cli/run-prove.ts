/** What `lockrig hunt --prove` does: reads the options, proves one subject after the other under one memory model after the other, says what that means. */
import { join } from 'node:path';
import { threadsLeft } from '../cpus/threads.ts';
import { MAX_GATED } from '../engines/gated/layout.ts';
import type { HuntFailure } from '../explore/hunt.ts';
import { PROOF_BOUND, type ProofOptions, proveSubject, type SubjectProof } from '../explore/proof.ts';
import { writeWhole } from '../report/files.ts';
import { group } from '../torture/summary.ts';
import { Channel } from './channel.ts';
import { EXIT, UsageError } from './errors.ts';
import { Attempts, writeFailure } from './hunt-folder.ts';
import { models } from './hunt-options.ts';
import { describeFailure } from './hunt-text.ts';
import { Interrupt } from './interrupt.ts';
import { ALONE as NO_OTHERS, type Refused, refusal, refused, refusedLine } from './refused.ts';
import { findSubjects } from './subjects.ts';
import { type Raw, whole } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

const WHOLE = 'a proof runs every schedule, and ends at the first failure';
/** Options of hunt that a proof does not take, and why. */
const ALONE = {
  policy: WHOLE,
  all: WHOLE,
  suppress: WHOLE,
  resume: 'a proof begins anew each time',
};

const given = <Value>(name: string, value: Value | undefined): object =>
  value === undefined ? {} : { [name]: value };

function parse(options: Options): ProofOptions {
  for (const [name, why] of Object.entries(ALONE))
    if (options[name] !== undefined && options[name] !== false)
      throw new UsageError(`--prove and --${name} do not go together: ${why}`);
  if (options.budget !== undefined && !/^\d+$/.test(String(options.budget)))
    throw new UsageError(
      `--budget ${options.budget} is not right with --prove: a number of executions is expected`,
    );
  return {
    bound: options.prove === true ? PROOF_BOUND : (whole('prove', options.prove, 0, 255) ?? PROOF_BOUND),
    ...given('cpus', whole('cpus', options.cpus, 1, MAX_GATED)),
    ...given('steps', whole('steps', options.steps, 1, 1000)),
    ...given('spurious', whole('spurious', options.spurious, 0, 255)),
    ...given('seed', whole('seed', options.seed, 0, 2 ** 31 - 1)),
    ...given('executions', whole('budget', options.budget, 1, 2 ** 31 - 1)),
  };
}

const preemptions = (count: number): string => `${count} preemption${count === 1 ? '' : 's'}`;

/** What the search was, below the verdict. */
function details(proof: SubjectProof): string[] {
  const { perBound, bound, assumes, seeds } = proof;
  return [
    ...perBound.map(
      (count, at) =>
        `  up to ${preemptions(at)}: ${group(count)} executions${at > bound ? ', not all that there are' : ''}`,
    ),
    ...(seeds.length > 1
      ? [`  episodes: ${seeds.length}, the shortest of each kind that 64 seeds draw: ${seeds.join(', ')}`]
      : []),
    ...(assumes.length > 0 ? [`  taken for granted: ${assumes.join('; ')}`] : []),
  ];
}

function verdictLine(proof: SubjectProof): string {
  const { subject, cpus, model, asked, bound, executions, seconds, perBound } = proof;
  const echo = `hunt:${subject} cpus=${cpus} model=${model}`;
  const took = `(${group(executions)} executions in ${seconds.toFixed(1)} s)`;
  switch (proof.verdict) {
    case 'proved':
      return proof.exhausted
        ? `${echo} PROVED: no schedule fails (exhausted) ${took}`
        : `${echo} PROVED up to ${preemptions(bound)} in all ${group(perBound[bound] ?? perBound.at(-1) ?? 0)} executions ${took}`;
    case 'found':
      return `${echo} FAILURE (${proof.failures.map(({ oracle }) => oracle).join(', ')}) ${took}`;
    case 'interrupted':
      return `${echo} INTERRUPTED ${took}`;
    case 'not deterministic':
      return `${echo} NOT DETERMINISTIC: two runs of one schedule differ at ${proof.difference}`;
    default:
      return `${echo} NOT PROVED up to ${preemptions(asked)}: ${proof.gaps.join('; ')} ${took}`;
  }
}

/** Runs the command. @returns the exit code */
export async function runProve(names: readonly string[], options: Options): Promise<number> {
  const how = parse(options);
  const list = (await models(options.model)) ?? ['sc'];
  const subjects = await findSubjects(names, { scenarios: true });
  const channel = new Channel('prove', options);
  const { folder } = channel;
  const results: (SubjectProof | Refused)[] = [];
  const attempts = new Attempts();
  const put = (complete: boolean): void => {
    const document = channel.document(complete, { results });
    channel.write(document);
    if (folder !== undefined) writeWhole(join(folder, 'hunt.json'), document);
  };
  const keep = (complete: boolean): boolean => attempts.attempt(() => put(complete));
  // Said at the start, not when something has been found.
  put(false);
  const interrupt = new Interrupt();
  try {
    for (const { lock, url, hash, file: from } of subjects)
      for (const model of list) {
        if (interrupt.signal.aborted) break;
        channel.say(`hunt:${lock.name} model=${model} up to ${preemptions(how.bound ?? PROOF_BOUND)}`);
        const proof = await proveSubject(lock, {
          ...how,
          ...given('url', url),
          ...given('hash', hash),
          model,
          signal: interrupt.signal,
          onFailure(failure: HuntFailure) {
            // On disk before it is printed.
            const safe =
              folder === undefined || attempts.attempt(() => writeFailure(folder, lock.name, failure));
            for (const line of describeFailure(failure, lock.name, from, safe)) channel.say(line);
            channel.tell({ event: 'failure', subject: lock.name, failure });
          },
        }).catch((error: unknown) => refused(lock.name, error, options.verbose === true));
        results.push(proof);
        keep(false);
        if (proof.verdict === 'refused') {
          channel.say(refusedLine(proof));
          channel.tell({ event: 'refused', result: proof });
          if (threadsLeft()) {
            channel.say(NO_OTHERS);
            return proof.exitCode;
          }
          // It is so under every model.
          break;
        }
        for (const line of [...details(proof), verdictLine(proof)]) channel.say(line);
        channel.tell({ event: 'result', result: proof });
      }
  } finally {
    interrupt.dispose();
    keep(!interrupt.signal.aborted);
  }
  const any = (...verdicts: string[]): boolean => results.some(({ verdict }) => verdicts.includes(verdict));
  if (any('found', 'not deterministic')) return EXIT.violation;
  if (interrupt.signal.aborted) return EXIT.interrupted;
  return refusal(results) ?? (attempts.broken ? EXIT.died : EXIT.clean);
}
