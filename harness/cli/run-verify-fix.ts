/** What `lockrig verify-fix` does: finds the old and the changed code, verifies, and says what that is worth. */
import { join } from 'node:path';
import { decodeChanged, type Run } from '../explore/token.ts';
import { type Code, type VerifyOptions, type VerifyResult, verifyFix } from '../explore/verify.ts';
import { writeWhole } from '../report/files.ts';
import { group } from '../torture/summary.ts';
import { Channel } from './channel.ts';
import { EXIT, UsageError } from './errors.ts';
import { Attempts, writeFailure } from './hunt-folder.ts';
import { budget, policies } from './hunt-options.ts';
import { describeFailure } from './hunt-text.ts';
import { Interrupt } from './interrupt.ts';
import { findSubjects, type Subject } from './subjects.ts';
import { readToken } from './token-file.ts';
import { type Raw, whole } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

const NOTHING =
  'A schedule that diverged, or that did not fail, proves nothing: confidence comes from the campaign alone.';

const code = ({ lock, url, hash }: Subject): Code => ({
  subject: lock,
  ...(url === undefined ? {} : { url }),
  ...(hash === undefined ? {} : { hash }),
});

const percent = (share: number): string => {
  const text = (share * 100).toPrecision(2);
  if (share >= 0.995) return 'more than 99 %';
  return `${text.includes('e') ? Number(text).toFixed(6) : text} %`;
};

/** The definition of the token's name; or the only one, which may be called otherwise. */
function pick(found: readonly Subject[], run: Run, named: string): Subject {
  const same = found.find(({ lock }) => lock.name === run.subject);
  const [only] = found;
  if (same) return same;
  if (only && found.length === 1) return only;
  throw new UsageError(
    `the token is of '${run.subject}'; ${named} defines ${found.map(({ lock }) => lock.name).join(', ')}: name one, as in ${named}#${only?.lock.name}`,
  );
}

async function find(name: string, run: Run): Promise<Subject> {
  return pick(await findSubjects([name]), run, name);
}

/** What the token was made of: what `--old` names, or lockrig's own, which is always at hand. */
async function oldCode(run: Run, sameLockrig: boolean, raw: Raw): Promise<Code | undefined> {
  if (raw !== undefined) return code(await find(String(raw), run));
  if (run.subjectHash !== '' || !sameLockrig) return undefined;
  return code(await find(run.subject, run));
}

function compatible(changed: Code, old: Code | undefined): void {
  const kind = ({ subject }: Code): string =>
    subject.definition === 'lock' ? `lock of kind ${subject.kind}` : 'scenario';
  if (old && kind(old) !== kind(changed))
    throw new UsageError(
      `the token is of '${old.subject.name}', a ${kind(old)}; '${changed.subject.name}' is a ${kind(changed)}: a schedule of one means nothing to the other`,
    );
}

function oldLines({ old, campaign }: VerifyResult): string[] {
  if (!old) return ['  old code: not at hand (--old names it)'];
  const text = old.text === undefined ? 'does not fail' : `fails: ${old.text}`;
  const rate = campaign?.rate;
  const measured =
    rate?.source === 'old code' ? `; ${rate.failures} of ${group(rate.executions ?? 0)} executions do` : '';
  return [
    `  old code: the token's run ${old.same ? 'comes out bit for bit and ' : 'comes out otherwise, since lockrig has changed, and '}${text}${measured}`,
  ];
}

function scheduleLines({ schedule, neighbourhood }: VerifyResult): string[] {
  if (!schedule) return [];
  const { switches, applied, diverged, compared, deterministic, text } = schedule;
  const where = !compared
    ? 'where it diverged is not known without the old code or the file that hunt --out has written'
    : diverged === undefined
      ? 'no access differed'
      : `diverged at ${diverged}`;
  const lines = [
    `  schedule: ${applied} of ${switches} switches applied; ${where}; ${text === undefined ? 'no failure' : `fails: ${text}`}`,
  ];
  if (!deterministic)
    lines.push(
      '  two runs of one schedule differ: the changed code is no function of shared memory, and no number of clean executions would say anything',
    );
  if (neighbourhood) {
    const { moved, 'left out': without, added, failed } = neighbourhood;
    lines.push(
      `  neighbourhood: ${group(moved + without + added)} schedules (a switch moved: ${moved}, left out: ${without}, added: ${added}): ${failed === 0 ? 'no failure' : 'the last one fails'}`,
    );
  }
  return lines;
}

function campaignLines({ campaign, verdict }: VerifyResult): string[] {
  if (!campaign) return [];
  const { executions, seconds, needed, rate, confidence, remaining } = campaign;
  const known =
    rate.source === 'assumed'
      ? `how frequent it was is not known; 1 in ${group(Math.round(1 / rate.lower))} is assumed`
      : `it was in ${rate.failures} of ${group(rate.executions ?? 0)} executions ${rate.source === 'hunt' ? 'after the hunt had found it' : 'of the old code'}: at least ${percent(rate.lower)} (99 % bound)`;
  const lines = [`  campaign: ${known}`];
  const made = `${group(executions)} executions in ${seconds.toFixed(1)} s`;
  if (verdict === 'not fixed') return [...lines, `            ${made}; the last one fails`];
  const left = `a rate of up to ${percent(remaining)} remains possible (99 % bound)`;
  const sure =
    executions >= needed
      ? `were it still as frequent, that had a chance of ${confidence > 1 - 1e-9 ? 'less than 1 in 1 000 000 000' : `1 in ${group(Math.floor(1 / (1 - confidence)))}`}`
      : `confidence ${percent(confidence)}; 99 % takes ${group(needed)} clean executions`;
  return [...lines, `            ${made}, all clean: ${sure}; ${left}`, `  ${NOTHING}`];
}

function verdictLine(result: VerifyResult, run: Run): string {
  const echo = `verify-fix:${result.subject} cpus=${run.cpus} model=${run.model}`;
  switch (result.verdict) {
    case 'gone':
      return `${echo} GONE with 99 % confidence`;
    case 'not fixed':
      return result.unchanged
        ? `${echo} NOT FIXED: the code is what the token was made of, and the failure reproduces on it`
        : `${echo} NOT FIXED: the changed code fails`;
    case 'interrupted':
      return `${echo} INTERRUPTED, no failure so far`;
    default:
      return result.schedule?.deterministic === false
        ? `${echo} INCONCLUSIVE: the changed code is not deterministic`
        : `${echo} INCONCLUSIVE: the budget was spent before 99 % confidence`;
  }
}

/** What a verification says, for people. */
function describe(result: VerifyResult, run: Run, file: string | undefined): string[] {
  if (result.unchanged) return [`  nothing was fixed: ${result.old?.text}`, verdictLine(result, run)];
  const { failure } = result;
  return [
    ...oldLines(result),
    ...scheduleLines(result),
    ...campaignLines(result),
    ...(failure ? describeFailure(failure, result.subject, file) : []),
    verdictLine(result, run),
  ];
}

/** Runs the command. @returns the exit code */
export async function runVerifyFix(
  argument: string,
  named: string | undefined,
  options: Options,
): Promise<number> {
  const seed = whole('seed', options.seed, 0, 2 ** 32 - 1);
  const chosen = await policies(options.policy);
  const limits = budget(options.budget);
  const { token, known } = readToken(argument);
  const { run, sameLockrig } = decodeChanged(token);
  if (run.subjectHash !== '' && named === undefined)
    throw new UsageError(
      `the token is of '${run.subject}', which a file defines: lockrig verify-fix TOKEN FILE is expected`,
    );
  const changed = await find(named ?? run.subject, run);
  const old = await oldCode(run, sameLockrig, options.old);
  compatible(code(changed), old);
  const channel = new Channel('verify-fix', options);
  const { folder } = channel;
  const document = (result?: VerifyResult): string =>
    channel.document(result !== undefined, { sameLockrig, result });
  const write = (result?: VerifyResult): void => {
    channel.write(document(result));
    if (folder !== undefined) writeWhole(join(folder, 'verify-fix.json'), document(result));
  };
  // Said at the start, not when there is a result.
  write();
  const interrupt = new Interrupt();
  const how: VerifyOptions = {
    ...limits,
    ...(old ? { old } : {}),
    ...(seed === undefined ? {} : { seed }),
    ...(chosen === undefined ? {} : { policies: chosen }),
    sameLockrig,
    known,
    signal: interrupt.signal,
  };
  const result = await verifyFix(code(changed), run, how).finally(() => interrupt.dispose());
  if (channel.events) process.stdout.write(document(result));
  else {
    const lines = [
      `verify-fix:${changed.lock.name}${changed.lock.name === run.subject ? '' : ` in place of ${run.subject}`}`,
      ...(sameLockrig
        ? []
        : ['  lockrig has changed since the token was made: what fails or not may be due to that, too']),
      ...describe(result, run, changed.file),
    ];
    process.stdout.write(`${lines.join('\n')}\n`);
  }
  const attempts = new Attempts();
  attempts.attempt(() => write(result));
  const { failure } = result;
  if (folder !== undefined && failure) attempts.attempt(() => writeFailure(folder, result.subject, failure));
  if (attempts.broken && result.verdict === 'gone') return EXIT.died;
  return {
    'not fixed': EXIT.violation,
    gone: EXIT.clean,
    inconclusive: EXIT.inconclusive,
    interrupted: EXIT.interrupted,
  }[result.verdict];
}
