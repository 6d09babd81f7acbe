/**
 * What `lockrig torture` does: reads the options, finds the locks, tortures one after the other, writes down how it went.
 *
 * A short run is mostly start, so everything that this one may not need is loaded where it is needed.
 */
import { join } from 'node:path';
import { setFlagsFromString } from 'node:v8';
import { type CpuThreads, threadsLeft } from '../cpus/threads.ts';
import { INLINING } from '../explore/inlining.ts';
import type { Published } from '../measure/publish.ts';
import { Output, Unwritten } from '../report/files.ts';
import type { TortureParams } from '../torture/params.ts';
import type { TortureResult } from '../torture/result.ts';
import { type Progress, paramsFor, torture } from '../torture/run.ts';
import { runsFreeOnly } from '../torture/setup.ts';
import { heading, summarize } from '../torture/summary.ts';
import { EXIT, UsageError } from './errors.ts';
import { Interrupt } from './interrupt.ts';
import { Live } from './live.ts';
import { findSubjects, type Subject } from './subjects.ts';
import type { Raw } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

function exitCode(results: readonly TortureResult[], interrupted: boolean): number {
  const any = (...verdicts: string[]): boolean => results.some(({ verdict }) => verdicts.includes(verdict));
  if (any('failure')) return EXIT.violation;
  if (any('died')) return EXIT.died;
  if (any('stall')) return EXIT.stall;
  return interrupted ? EXIT.interrupted : EXIT.clean;
}

/** What the command has been told. */
export interface Told {
  readonly names: readonly string[];
  readonly options: Options;
  readonly params: Partial<TortureParams>;
  readonly maxMemory: number | undefined;
  /** Threads that boot already, for the first lock. */
  readonly threads: CpuThreads | undefined;
}

/** Runs the command. @returns the exit code */
export async function runTorture(told: Told): Promise<number> {
  const { names, options, params } = told;
  if (options.stat) setFlagsFromString(INLINING);
  const interrupt = new Interrupt();
  try {
    if (options.selfTest) {
      if (names.length > 0) throw new UsageError('--self-test takes no locks: it runs every broken one');
      if (options.junit !== undefined || options.out !== undefined)
        throw new UsageError('--self-test writes neither --junit nor --out: give it --json FILE');
      const { runSelfTest } = await import('./selftest.ts');
      return await runSelfTest(params.seed ?? 1, interrupt.signal, options);
    }
    if (
      names.length === 0 &&
      options.duration === undefined &&
      options.rounds === undefined &&
      options.cpus === undefined
    ) {
      const { runTour } = await import('./tour.ts');
      return await runTour(params, interrupt.signal, options);
    }
    const subjects = await findSubjects(names.length > 0 ? names : ['*'], { workloads: true });
    return await tortureAll(subjects, told, interrupt.signal);
  } finally {
    interrupt.dispose();
  }
}

interface Telling {
  readonly say: (text: string) => void;
  readonly tell: (event: object) => void;
  readonly signal: AbortSignal;
}

/** A failure that torture has seen: searched for until it replays, or how to do that. */
async function again(
  subject: Subject,
  result: TortureResult,
  options: Options,
  { say, tell, signal }: Telling,
): Promise<void> {
  if (!options.reproduce) {
    const { lock, file } = subject;
    if (runsFreeOnly(lock)) return;
    const name = file === undefined ? lock.name : `${file}#${lock.name}`;
    const watched = result.races.length > 0 ? ' --detect races' : '';
    say(`  to make it a run that replays: lockrig torture ${name}${watched} --reproduce`);
    return;
  }
  const { describeReproduced, reproduceSubject } = await import('./reproduce.ts');
  try {
    const found = await reproduceSubject(subject, result, signal);
    for (const line of describeReproduced(found, subject)) say(line);
    tell({ event: 'reproduced', lock: result.lock, found });
  } catch (error) {
    // What torture has found stands, whatever becomes of the search.
    say(`not reproduced:${subject.lock.name} ${(error as Error).message}`);
  }
}

/** Where results go. @throws OutputError */
export function outputOf(options: Options): { output: Output; events: boolean } {
  const events = options.json === true || options.json === '-';
  const file = (raw: Raw): string | undefined =>
    typeof raw === 'string' && raw !== '-' ? raw : typeof raw === 'number' ? String(raw) : undefined;
  return {
    output: new Output('torture', {
      json: file(options.json),
      junit: file(options.junit),
      dir: file(options.out),
    }),
    events,
  };
}

/** Where the lock statistics of one of several locks are published while it runs; nowhere without a folder. */
async function publishedTo(out: Raw, subjects: number, name: string): Promise<Published> {
  const { Published, statFileOf } = await import('../measure/publish.ts');
  const file = subjects === 1 ? 'stat.json' : statFileOf(name);
  return new Published('torture', typeof out === 'string' ? [join(out, file)] : []);
}

async function tortureAll(
  subjects: readonly Subject[],
  { params, options, maxMemory, threads }: Told,
  signal: AbortSignal,
): Promise<number> {
  const { withDefaults } = await import('../torture/params.ts');
  const { refuse } = await import('../torture/setup.ts');
  // All of them, so that a bad one is not found an hour later.
  for (const { lock } of subjects) refuse(lock, withDefaults(paramsFor(lock, params)));
  if (options.suppress !== undefined && !params.detect?.length)
    throw new UsageError('--suppress is about races: it goes with --detect races');
  const suppress =
    options.suppress === undefined
      ? undefined
      : (await import('./suppressions.ts')).suppressionsIn(options.suppress, 'torture');
  const { output, events } = outputOf(options);
  const say = (text: string): void => {
    if (!events) process.stdout.write(`${text}\n`);
  };
  const tell = (event: object): void => {
    if (events) process.stdout.write(`${JSON.stringify(event)}\n`);
  };
  const live = await Live.open(!events);
  // What the search needs to know is in the rings.
  const traced =
    options.reproduce && params.trace === undefined && !params.detect?.length
      ? { ...params, trace: 'ring' as const }
      : params;
  const results: TortureResult[] = [];
  const unwritten = new Unwritten();
  let complete = false;
  try {
    for (const subject of subjects) {
      const { lock, url } = subject;
      if (signal.aborted) break;
      const full = withDefaults(paramsFor(lock, params));
      say(heading({ lock: lock.name, params: full }));
      tell({ event: 'start', lock: lock.name, params: full });
      const published = options.stat ? await publishedTo(options.out, subjects.length, lock.name) : undefined;
      const onProgress = (progress: Progress): void => {
        live.show(progress, full.duration / 1000 - progress.seconds);
        output.counters(progress);
        published?.tick({ subject: lock.name, cpus: full.cpus, seconds: progress.seconds });
        tell({ event: 'progress', ...progress });
      };
      const result = await torture(lock, traced, {
        signal,
        onProgress,
        ...(url === undefined ? {} : { url }),
        ...(suppress === undefined ? {} : { suppress }),
        ...(published ? { stat: { onStart: published.start } } : {}),
        ...(maxMemory === undefined ? {} : { maxMemory }),
        ...(threads === undefined || results.length > 0 ? {} : { threads }),
      });
      live.clear();
      // What was found is said, whatever becomes of the files.
      await unwritten.write(() => output.add(result));
      results.push(result);
      if (result.verdict === 'success') live.passed += 1;
      else if (result.verdict !== 'interrupted') live.failed += 1;
      const lines = summarize(result);
      for (const line of lines.slice(0, -1)) say(line);
      if (result.lockStat) {
        const { lockStatText } = await import('../measure/stat-text.ts');
        say(lockStatText(result.lockStat));
        const { statDocument } = await import('../measure/documents.ts');
        const document = statDocument('torture', result, result.lockStat, !signal.aborted);
        await unwritten.write(() => published?.write(document));
      }
      tell({ event: 'result', result });
      if (result.verdict === 'failure' || result.verdict === 'stall')
        await again(subject, result, options, { say, tell, signal });
      // The verdict is the last line, whatever else there is to say.
      say(lines.at(-1)!);
      if (threadsLeft()) {
        if (results.length < subjects.length)
          say('A CPU is in a loop that nothing interrupts: no other lock can be tortured beside it.');
        break;
      }
      if (params.failFast && (result.verdict === 'failure' || result.verdict === 'stall')) break;
    }
    complete = !signal.aborted;
  } finally {
    live.clear();
    await output.finish(complete);
  }
  unwritten.say();
  const code = exitCode(results, signal.aborted);
  if (subjects.length > 1)
    say(
      `${live.passed} of ${subjects.length} ${subjects.every(({ lock }) => lock.definition === 'lock') ? 'locks ' : ''}held${live.failed > 0 ? `, ${live.failed} did not` : ''}`,
    );
  tell({ event: 'end', exitCode: code });
  return code;
}
