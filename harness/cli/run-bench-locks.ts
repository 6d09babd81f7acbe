/**
 * `lockrig bench locks`: sweeps locks over CPUs, sections, readers, waiting and number of locks; says what fits where; compares with an earlier run.
 */
import { statSync } from 'node:fs';
import { join } from 'node:path';
import { advise } from '../../bench/locks/advice.ts';
import { compare, differencesOf } from '../../bench/locks/compare.ts';
import { NOISY } from '../../bench/locks/figures.ts';
import type { ForkBudget } from '../../bench/locks/fork.ts';
import { othersText, othersWere, watchOthers } from '../../bench/locks/noise.ts';
import { allPeers } from '../../bench/locks/peers.ts';
import { type Axes, baseOf, defaultAxes, settingsOf, settingText } from '../../bench/locks/settings.ts';
import { type Sweeped, type SweepPlan, secondsOf, sweep } from '../../bench/locks/sweep.ts';
import {
  adviceText,
  axisTables,
  baseTable,
  comparisonText,
  marksText,
  pictures,
} from '../../bench/locks/text.ts';
import { endWatched } from '../../bench/locks/watched.ts';
import { describeMachine } from '../../bench/machine.ts';
import { MEASURE_SCHEMA, type SweepDocument, type SweepPoint } from '../measure/schema.ts';
import { readWhole, Unwritten, writeWhole } from '../report/files.ts';
import { environment } from '../torture/result.ts';
import { EXIT, UsageError } from './errors.ts';
import { Interrupt } from './interrupt.ts';
import { sweepChoices } from './sweep-options.ts';
import { sweepSubjects } from './sweep-subjects.ts';
import type { Raw } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

const FULL: ForkBudget = { rounds: 5, warmup: 60, window: 40, stallAfter: 5000 };
const QUICK: ForkBudget = { rounds: 3, warmup: 25, window: 12, stallAfter: 3000 };
const FORKS = { full: 7, quick: 3 } as const;

/** Reads an earlier run. @throws UsageError */
function readEarlier(given: string): SweepDocument {
  const file = statSync(given, { throwIfNoEntry: false })?.isDirectory() ? join(given, 'locks.json') : given;
  let document: SweepDocument;
  try {
    document = JSON.parse(readWhole(file)) as SweepDocument;
  } catch (error) {
    const { code, message } = error as NodeJS.ErrnoException;
    throw new UsageError(
      code === 'ENOENT'
        ? `--compare ${given}: there is no such file`
        : `--compare ${given}: it is no result of bench locks, or was cut short (${message.split('\n')[0]})`,
    );
  }
  if (document?.command !== 'bench locks' || !Array.isArray(document.points))
    throw new UsageError(`--compare ${given}: it is no result of bench locks`);
  if (document.schemaVersion > MEASURE_SCHEMA)
    throw new UsageError(
      `--compare ${given}: a newer lockrig wrote it (schema ${document.schemaVersion}; this one reads ${MEASURE_SCHEMA})`,
    );
  const whole = (point: SweepPoint | null): boolean =>
    typeof point?.lock === 'string' &&
    typeof point.cpus === 'number' &&
    (point.throughput === undefined || Array.isArray(point.throughput?.samples));
  const damaged = document.points.findIndex((point) => !whole(point));
  if (damaged >= 0 || typeof document.environment !== 'object' || typeof document.options !== 'object')
    throw new UsageError(
      `--compare ${given}: it is damaged: ${damaged >= 0 ? `point ${damaged + 1} is none` : 'it does not say how it was run'}`,
    );
  return document;
}

/** The share of points whose forks agree, and what others did to the machine. */
function noiseText(points: readonly SweepPoint[], others: string, busy: boolean): string {
  const measured = points.filter(({ throughput }) => throughput !== undefined);
  const alone = measured.filter(({ cpus, throughput }) => cpus === 1 && (throughput!.forks?.length ?? 0) > 1);
  const percent = (share: number): string => `${(100 * share).toFixed(1)} %`;
  const worst = Math.max(0, ...alone.map(({ throughput }) => throughput!.variation));
  const noisy = measured.filter((point) => point.noisy !== undefined).length;
  const said = [
    ...(alone.length > 0
      ? [`forks of one CPU differ by at most ${percent(worst)} (limit ${percent(NOISY.alone)})`]
      : []),
    `${noisy} of ${measured.length} points are noisy`,
    others,
  ].join('; ');
  const loud = busy || worst > NOISY.alone || 4 * noisy > measured.length;
  return loud ? `noisy: ${said}. Take the figures again on a quiet machine` : `quiet: ${said}`;
}

function exitCode({ complete, problems }: Sweeped, document: SweepDocument): number {
  if (problems.broken) return EXIT.violation;
  if (problems.stalled) return EXIT.stall;
  if (problems.failed) return EXIT.died;
  if (!complete) return EXIT.interrupted;
  const worse = document.comparison?.rows.some(({ verdict }) => verdict === 'worse');
  return worse ? EXIT.violation : EXIT.clean;
}

const minutes = (seconds: number): string =>
  seconds < 90 ? `${Math.ceil(seconds)} s` : `${Math.ceil(seconds / 60)} min`;

/** Runs it. @returns the exit code */
export async function runBenchLocks(names: readonly string[], options: Options): Promise<number> {
  const choices = sweepChoices(options);
  const earlier = choices.compare === undefined ? undefined : readEarlier(choices.compare);
  if (options.against === true) throw new UsageError('--against needs names of locks, with commas between');
  const against =
    options.against === undefined
      ? []
      : String(options.against)
          .split(',')
          .map((name) => name.trim());
  const { locks, peers, absent } = await sweepSubjects(names, against, allPeers);
  const machine = describeMachine({ available: false, reason: 'they are peers of their own here' });
  const cores = machine.usable.length;
  const { forks = options.quick ? FORKS.quick : FORKS.full, product } = choices;
  const kinds = locks.map(({ subject }) => subject.lock.kind);
  const axes: Axes = { ...defaultAxes(cores, kinds), ...pick(choices) };
  const base = baseOf(axes, cores);
  const settings = settingsOf(axes, base, product);
  const budget = options.quick ? QUICK : FULL;
  const toStdout = options.json === true || options.json === '-';
  const files = [
    ...(typeof options.json === 'string' && !toStdout ? [options.json] : []),
    ...(choices.out === undefined ? [] : [join(choices.out, 'locks.json')]),
  ];
  const others = watchOthers();
  const head: SweepDocument = {
    schemaVersion: MEASURE_SCHEMA,
    command: 'bench locks',
    complete: false,
    environment: environment(),
    options: { axes, product, forks, budget, ...(choices.stat && { stat: true }) },
    locks: locks.map(({ name }) => name),
    peers: [
      ...locks.flatMap(({ name, peer }) => (peer ? [{ name, ...peer }] : [])),
      ...peers.map(({ name, kind, version }) => ({ name, kind, version })),
    ],
    absent,
    points: [],
    advice: [],
    noise: '',
    base,
  };
  const reasons = earlier ? differencesOf(head, earlier) : [];
  if (reasons.length > 0 && !choices.force)
    throw new UsageError(
      `--compare ${choices.compare}: the runs are not comparable (${reasons.join('; ')}); --force compares them all the same`,
    );
  const write = (document: SweepDocument): void => {
    for (const file of files) writeWhole(file, `${JSON.stringify(document)}\n`);
  };
  write(head);
  const say = (text: string): void => {
    if (!toStdout && text !== '') process.stdout.write(`${text}\n\n`);
  };
  const interrupt = new Interrupt();
  const { createLogUpdate } = await import('log-update');
  const live = process.stderr.isTTY ? createLogUpdate(process.stderr) : undefined;
  const began = performance.now();
  const plan: SweepPlan = {
    locks,
    peers,
    settings,
    forks,
    budget,
    pin: machine.pinning === true ? machine.usable : [],
    ...(choices.stat && choices.out !== undefined && { stat: choices.out }),
    signal: interrupt.signal,
    onProgress: (text, share) => {
      const left = share > 0 ? ((performance.now() - began) / 1000) * (1 / share - 1) : undefined;
      live?.(
        `bench locks: ${text}, ${Math.round(100 * share)} %${left === undefined ? '' : `, ${minutes(left)} left`}`,
      );
    },
    // What is wrong with the files is said of the last document, which has everything.
    onPoints: (points) => void new Unwritten().write(() => write({ ...head, points })),
  };
  try {
    say(opening(head, plan, cores, machine.pinning));
    const swept = await sweep(plan, cores);
    live?.clear();
    if (plan.stat !== undefined)
      endWatched(
        plan.stat,
        locks.map(({ name }) => name),
        swept.complete,
      );
    const foreign = others();
    const busy = othersWere(foreign, cores);
    const measured: SweepDocument = {
      ...head,
      complete: swept.complete,
      points: swept.points,
      advice: advise(swept.points, base, cores),
      noise: noiseText(swept.points, othersText(foreign, cores), busy),
    };
    const document: SweepDocument = earlier
      ? { ...measured, comparison: compare(measured, earlier, choices.threshold, reasons) }
      : measured;
    // What was measured is printed, whatever becomes of the files.
    const unwritten = new Unwritten();
    await unwritten.write(() => write(document));
    if (toStdout) process.stdout.write(`${JSON.stringify(document, null, 2)}\n`);
    for (const text of closing(document, axes, cores, choices.compare)) say(text);
    unwritten.say();
    for (const each of swept.problems.told) process.stderr.write(`lockrig: ${each}\n`);
    if (choices.out !== undefined) {
      const { reportOf } = await import('./run-report.ts');
      say(`report: ${await reportOf(choices.out)}`);
    }
    return exitCode(swept, document);
  } finally {
    live?.clear();
    interrupt.dispose();
  }
}

function pick({ cpus, section, outside, reads, waiting, locks }: Partial<Axes>): Partial<Axes> {
  const given = { cpus, section, outside, reads, waiting, locks };
  return Object.fromEntries(Object.entries(given).filter(([, value]) => value !== undefined));
}

function opening(
  { environment: { cpu, platform, arch, node, v8 }, peers }: SweepDocument,
  plan: SweepPlan,
  cores: number,
  pinning: true | string,
): string {
  const { locks, settings, forks, budget } = plan;
  return [
    `${cpu}, ${cores} core${cores === 1 ? '' : 's'}, ${platform} ${arch}; Node ${node}, V8 ${v8}; ${pinning === true ? 'CPUs are bound to cores where there are enough' : `nothing is bound: ${pinning}`}`,
    `locks: ${locks.map(({ name }) => name).join(', ')}`,
    ...(peers.length > 0
      ? [`peers: ${peers.map(({ name, version }) => `${name} (${version})`).join(', ')}`]
      : []),
    `base: ${settingText(settings[0]!)}; ${settings.length} setting${settings.length === 1 ? '' : 's'}, ${forks} fork${forks === 1 ? '' : 's'} of ${budget.rounds} windows of ${budget.window} ms each: about ${minutes(secondsOf(plan, cores))}`,
  ].join('\n');
}

function closing(document: SweepDocument, axes: Axes, cores: number, file: string | undefined): string[] {
  const base = document.base!;
  return [
    axisTables(axes, base, document),
    baseTable(base, document, cores),
    pictures(base, document),
    marksText(document),
    adviceText(document),
    ...(document.comparison ? [comparisonText(document.comparison, file ?? '')] : []),
    document.noise,
    ...(document.complete ? [] : ['interrupted: these are the figures up to then']),
  ];
}
