/**
 * What `lockrig replay` does: finds the subject of the token, replays it, and shows the run: in columns, up to an access, step by step, as a timeline.
 *
 * All of it looks at one recording, the first of the replays; the others only have to be the same.
 */
import { createInterface } from 'node:readline';
import type { ReplayResult } from '../explore/replay.ts';
import { columnsOf, describe, matters } from '../explore/show.ts';
import { siteLines } from '../explore/stacks.ts';
import { accessesTo, findWord, fullName, type NamedWord, type Recording } from '../explore/tape.ts';
import type { Run } from '../explore/token.ts';
import { EXIT, UsageError } from './errors.ts';
import { readToken } from './token-file.ts';
import { type Raw, whole } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

/** Where `--until` stops. */
interface Halt {
  readonly word: NamedWord;
  readonly place: number;
  /** Which of how many accesses, from 1. */
  readonly nth: number;
  readonly of: number;
  /** In words, where it was not said by the user. */
  readonly why: string;
}

/** @throws UsageError when there is no such word, or no such access */
async function haltAt(recording: Recording, text: string, nth: number | undefined): Promise<Halt> {
  const word = await findWord(recording, text);
  const places = accessesTo(recording, word.addr);
  const of = places.length;
  const called = fullName(word);
  if (of === 0) throw new UsageError(`${called} is not accessed in this run`);
  if (nth !== undefined) {
    const place = places[nth - 1];
    if (place === undefined)
      throw new UsageError(`--nth ${nth} is not right: ${called} is accessed ${of} times in this run`);
    return { word, place, nth, of, why: '' };
  }
  const { failure, failedAt } = recording;
  const before = places.findLastIndex((place) => place < failedAt);
  const index = before < 0 ? of - 1 : before;
  const why = failure && before >= 0 ? ', the last before the failure' : ', the last';
  return { word, place: places[index]!, nth: index + 1, of, why };
}

async function haltLines(
  recording: Recording,
  { place, nth, of, why }: Halt,
  most: number,
  stacks: boolean,
): Promise<string[]> {
  const { momentAt, stateLines } = await import('../report/moment.ts');
  const places = matters(recording, most - 1, place);
  const { trace, name } = recording;
  return [
    ...columnsOf(recording, [...places, place], stacks),
    '',
    `  after access ${nth} of ${of}${why} (#${place}, CPU ${trace.cpu(place)} ${describe(trace, place, name)}):`,
    ...stateLines(recording, momentAt(recording, place)),
  ];
}

/** The same for programs. */
async function haltState(recording: Recording, { word, place, nth, of }: Halt): Promise<object> {
  const { momentAt } = await import('../report/moment.ts');
  const moment = momentAt(recording, place);
  const words = Object.fromEntries(
    [...recording.words.values()]
      .filter(({ unseen }) => !unseen)
      .map((each) => [fullName(each), moment.word(each.addr)]),
  );
  const cpus = moment.cpus.map(({ cpu, status, addr, value, held, acquiring }) => ({
    cpu,
    status,
    ...(status === 'spins' || status === 'sleeps' ? { word: recording.name(addr), value } : {}),
    held: held.map(({ lock }) => recording.name(lock)),
    ...(acquiring ? { acquiring: recording.name(acquiring.lock) } : {}),
  }));
  return { word: fullName(word), place, nth, of, words, cpus, buffered: moment.buffered };
}

/** Walks through a recording by what is typed, or piped. */
async function walk(recording: Recording, start: number): Promise<void> {
  const { Stepper } = await import('../report/stepper.ts');
  const { stdin, stdout } = process;
  const terminal = stdin.isTTY === true && stdout.isTTY === true;
  const stepper = new Stepper(recording, start);
  const say = (lines: readonly string[]): void => {
    if (lines.length > 0) stdout.write(`${lines.join('\n')}\n`);
  };
  const input = createInterface({ input: stdin, ...(terminal ? { output: stdout } : {}), terminal });
  const prompt = (): void => {
    if (!terminal) return;
    input.setPrompt(stepper.prompt);
    input.prompt();
  };
  say(stepper.intro());
  prompt();
  try {
    for await (const command of input) {
      const answer = await stepper.answer(command);
      if (!answer) break;
      say(answer);
      prompt();
    }
  } finally {
    input.close();
  }
}

async function subjectOf(run: Run, named: string | undefined) {
  if (run.subjectHash !== '' && named === undefined)
    throw new UsageError(
      `the token is of '${run.subject}', which a file defines: lockrig replay TOKEN FILE is expected`,
    );
  const { findSubjects } = await import('./subjects.ts');
  const found = await findSubjects([named ?? run.subject]);
  const subject = found.find(({ lock }) => lock.name === run.subject);
  if (!subject)
    throw new UsageError(
      `the token is of '${run.subject}'; ${named ?? ''} defines ${found.map(({ lock }) => lock.name).join(', ')}`,
    );
  return subject;
}

function text(value: Raw): string | undefined {
  return value === undefined || typeof value === 'boolean' ? undefined : String(value);
}

/** Writes the timeline; before there is one, an empty one, so that what cannot be written is said at the start. */
async function writeTimeline(file: string, recording?: Recording, token?: string): Promise<void> {
  const { writeWhole } = await import('../report/files.ts');
  const { timeline } = await import('../report/perfetto.ts');
  const document = recording
    ? timeline(recording, { token, subject: recording.subject })
    : { traceEvents: [] };
  writeWhole(file, `${JSON.stringify(document)}\n`);
}

/** What is printed where nobody wants JSON. */
async function show(
  result: ReplayResult,
  recording: Recording,
  { halt, most, stacks, step }: { halt: Halt | undefined; most: number; stacks: boolean; step: boolean },
): Promise<void> {
  const { failures } = result;
  if (step) await walk(recording, halt?.place ?? -1);
  else {
    const lines = halt ? await haltLines(recording, halt, most, stacks) : result.columns;
    const sites = siteLines(result.sites);
    process.stdout.write(`${[...lines, ...(sites.length > 0 ? ['', ...sites] : []), ''].join('\n')}\n`);
  }
  const { subject, same, times } = result;
  const lines = failures.flatMap(({ oracle, text }, at) => [
    `  !!! ${oracle}: ${text.split('\n').join('\n      ')}`,
    ...(at === 0 ? result.details.map((line) => `      ${line}`) : []),
  ]);
  const verdict = lines.length > 0 ? lines.join('\n') : '  no failure';
  const echo = `replay:${subject} cpus=${recording.cpus} model=${recording.model} ${same} of ${times} bit for bit`;
  process.stdout.write(`${verdict}\n${echo}\n`);
}

/** Runs the command. @returns the exit code */
export async function runReplay(
  argument: string,
  named: string | undefined,
  options: Options,
): Promise<number> {
  const times = whole('times', options.times, 1, 1_000_000) ?? 1;
  const most = whole('lines', options.lines, 1, 100_000) ?? 15;
  const nth = whole('nth', options.nth, 1, 2 ** 31 - 1);
  // The parser makes a number of an address.
  const until = typeof options.until === 'number' ? `0x${options.until.toString(16)}` : text(options.until);
  const step = options.step === true;
  const stacks = options.stacks === true;
  if (nth !== undefined && until === undefined) throw new UsageError('--nth goes with --until');
  if (step && options.json) throw new UsageError('--step and --json do not go together');
  const { decode } = await import('../explore/token.ts');
  const token = readToken(argument).token.trim();
  const run = decode(token);
  const { lock, url, hash } = await subjectOf(run, named);
  const perfetto = text(options.perfetto);
  if (perfetto !== undefined) await writeTimeline(perfetto);
  const { record, sitesOf } = await import('../explore/replay.ts');
  const { result, recording } = await record(lock, run, {
    times,
    most,
    // Who made an access is asked for in a walk, and a timeline shows it at a click.
    stacks: stacks || step || perfetto !== undefined,
    ...(url === undefined ? {} : { url }),
    ...(hash === undefined ? {} : { hash }),
  });
  const { failure, same } = result;
  if (perfetto !== undefined) await writeTimeline(perfetto, recording, token);
  const halt = until === undefined ? undefined : await haltAt(recording, until, nth);
  const places = halt ? [...matters(recording, most - 1, halt.place), halt.place] : matters(recording, most);
  const shown: ReplayResult = {
    ...result,
    columns: columnsOf(recording, places, stacks),
    sites: stacks ? sitesOf(recording, places) : [],
  };
  if (options.json) {
    const until = halt && (await haltState(recording, halt));
    process.stdout.write(`${JSON.stringify({ schemaVersion: 1, ...shown, until }, null, 2)}\n`);
  } else await show(shown, recording, { halt, most, stacks, step });
  if (same < times) {
    process.stderr.write(
      `lockrig: ${times - same} of ${times} replays were another run: ${result.difference}\n`,
    );
    return EXIT.died;
  }
  return failure ? EXIT.violation : EXIT.clean;
}
