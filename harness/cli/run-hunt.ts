/** What `lockrig hunt` does: finds the subjects, hunts one after the other, writes down what it found. */
import { setFlagsFromString } from 'node:v8';
import { threadsLeft } from '../cpus/threads.ts';
import { type HuntResult, type HuntState, hunt } from '../explore/hunt.ts';
import { INLINING } from '../explore/inlining.ts';
import { lockrigHash } from '../explore/token.ts';
import { group } from '../torture/summary.ts';
import { Channel } from './channel.ts';
import { EXIT, UsageError } from './errors.ts';
import { type Asked, Attempts, HuntFolder } from './hunt-folder.ts';
import { huntOptions } from './hunt-options.ts';
import { describeFailure, verdictLine } from './hunt-text.ts';
import { Interrupt } from './interrupt.ts';
import { ALONE, type Refused, refusal, refused, refusedLine } from './refused.ts';
import { findSubjects, type Subject } from './subjects.ts';
import type { Raw } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

/** Executions that measure how frequent a failure is, for verify-fix. */
const MEASURED = 2000;

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

/** Runs the command. @returns the exit code */
export async function runHunt(names: readonly string[], options: Options): Promise<number> {
  setFlagsFromString(INLINING);
  const how = await huntOptions(options);
  const channel = new Channel('hunt', options);
  const { folder } = channel;
  if (options.resume && folder === undefined)
    throw new UsageError('--resume goes on with the hunt in a folder: --out DIR is expected');
  const subjects = await findSubjects(names, { scenarios: true });
  // Said at the start, not when something has been found.
  channel.write(channel.document(false, { results: [] }));
  const attempts = new Attempts();
  const asked = askedFor(options, subjects);
  const kept =
    folder === undefined
      ? undefined
      : HuntFolder[options.resume ? 'resume' : 'begin'](folder, asked, attempts);
  const interrupt = new Interrupt();
  const results: (HuntResult | Refused)[] = [...(kept?.results ?? [])];
  let finished = results.length;
  const keep = (complete: boolean): void => {
    const document = channel.document(complete, { results });
    attempts.attempt(() => channel.write(document));
    kept?.kept(document, finished);
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
        channel.tell({ event: 'progress', subject: lock.name, ...progress });
      },
      onFailure(failure) {
        // On disk before it is printed.
        const safe = kept?.found(lock.name, failure);
        for (const line of describeFailure(failure, lock.name, from, safe !== false)) channel.say(line);
        channel.tell({ event: 'failure', subject: lock.name, failure });
      },
    });
  for (const result of results)
    channel.say(
      result.verdict === 'refused'
        ? `${refusedLine(result)}, before: ${result.reason}`
        : `${verdictLine(result)}, before`,
    );
  try {
    for (const subject of subjects.slice(finished)) {
      if (interrupt.signal.aborted) break;
      const state = kept?.state;
      channel.say(
        `hunt:${subject.lock.name}${state ? ` goes on after ${group(state.executions)} executions` : ''}`,
      );
      const result = await one(subject, state).catch((error: unknown) =>
        refused(subject.lock.name, error, options.verbose === true),
      );
      results.push(result);
      if (result.verdict === 'refused') {
        finished = results.length;
        keep(false);
        channel.say(refusedLine(result));
        channel.tell({ event: 'refused', result });
        if (!threadsLeft()) continue;
        if (results.length < subjects.length) channel.say(ALONE);
        break;
      }
      if (!interrupt.signal.aborted || (!how.all && result.verdict === 'found')) finished = results.length;
      keep(false);
      for (const lead of result.leads) channel.say(`  lead: ${lead}`);
      for (const { pattern, line } of result.unused)
        channel.say(`  the suppression '${pattern}' (line ${line}) has matched nothing`);
      channel.say(verdictLine(result));
      channel.tell({ event: 'result', result });
    }
  } finally {
    interrupt.dispose();
    keep(finished === subjects.length);
  }
  const any = (...verdicts: string[]): boolean => results.some(({ verdict }) => verdicts.includes(verdict));
  if (any('found', 'not deterministic')) return EXIT.violation;
  if (interrupt.signal.aborted) return EXIT.interrupted;
  return refusal(results) ?? (attempts.broken ? EXIT.died : EXIT.clean);
}
