/**
 * A sweep as text: a table for each axis that was walked, what the base shows of each lock, pictures, advice, and the comparison with an earlier run.
 */
import type { Comparison, Setting, SweepDocument, SweepPoint } from '../../harness/measure/schema.ts';
import { median } from '../stats.ts';
import { columns, rate } from '../table.ts';
import { cliffOf } from './advice.ts';
import { bar, boxPlot, painted, sparkline, terminalWidth } from './pictures.ts';
import { AXES, type Axes, type Axis, along, duration, keyOf, settingText, valueText } from './settings.ts';

const DASH = '-';

/** What is said of an axis. */
const TITLES: Readonly<Record<Axis, string>> = {
  cpus: 'CPUs',
  section: 'length of the section',
  outside: 'time outside',
  reads: 'share of reads',
  waiting: 'how CPUs wait',
  locks: 'number of locks',
};

/** A figure with its mark: `~` noisy, `!` stalled, and why there is none. */
function cell(point: SweepPoint | undefined): string {
  if (point === undefined) return DASH;
  if (point.stalled !== undefined)
    return painted('red', point.throughput ? `${rate(point.throughput.median)} !` : 'stalled !');
  if (point.violation) return painted('red', 'let two in');
  if (!point.throughput) return 'skipped';
  const figure = rate(point.throughput.median);
  return point.noisy === undefined ? figure : painted('yellow', `~${figure}`);
}

const namesOf = ({ points }: SweepDocument): string[] => [...new Set(points.map(({ lock }) => lock))];

/** How long sections were by the clock: the middle of the locks' medians. */
function seen({ points }: SweepDocument, setting: Setting): string {
  const holds = points.flatMap((point) =>
    keyOf(point) === keyOf(setting) && point.hold && point.hold.samples > 0 ? [point.hold.p50] : [],
  );
  return holds.length === 0 ? DASH : duration(median(holds));
}

/** Throughput along an axis: a line a lock. */
function axisTable(axis: Axis, axes: Axes, base: Setting, document: SweepDocument): string {
  const walk = along(axis, axes, base);
  const at = new Map(document.points.map((point) => [`${point.lock} ${keyOf(point)}`, point]));
  const numeric = walk.every((setting) => typeof setting[axis] === 'number');
  const lines = namesOf(document).map((lock) => {
    const points = walk.map((setting) => at.get(`${lock} ${keyOf(setting)}`));
    const shape = sparkline(points.map((point) => point?.throughput?.median));
    return [lock, ...points.map(cell), ...(numeric ? [shape] : [])];
  });
  if (axis === 'section')
    lines.push(['(as seen by the clock)', ...walk.map((setting) => seen(document, setting)), '']);
  const head = [TITLES[axis], ...walk.map((setting) => valueText(axis, setting)), ...(numeric ? [''] : [])];
  return columns(head, lines);
}

/** Walks of more than one value. */
export function axisTables(axes: Axes, base: Setting, document: SweepDocument): string {
  const walked = AXES.filter((axis) => axes[axis].length > 1);
  const tables = walked.map((axis) => axisTable(axis, axes, base, document));
  return [
    `Sections a second, of all CPUs; median of windows. Where not said otherwise: ${settingText(base)}. ~ forks differ too much, ! stalled.`,
    ...tables,
  ].join('\n\n');
}

/** What the base shows of each lock. */
export function baseTable(base: Setting, document: SweepDocument, cores: number): string {
  const here = document.points.filter((point) => keyOf(point) === keyOf(base) && point.throughput);
  const crowds = [2 * cores, 4 * cores].filter((cpus) =>
    document.points.some((point) => point.cpus === cpus),
  );
  const head = [
    'lock',
    'rate/s',
    'p10',
    'p90',
    'forks',
    'wait p50',
    'p99',
    'p99.9',
    'max',
    'hand-off',
    'hold',
    ...crowds.map((cpus) => `${cpus} CPUs`),
  ];
  const lines = here.map((point) => {
    const { lock, throughput, latency, handoff, hold } = point;
    const cliff = new Map(cliffOf(document.points, lock, base, cores));
    const time = (value: number | undefined): string => (value === undefined ? DASH : duration(value));
    return [
      lock,
      cell(point),
      rate(throughput!.low),
      rate(throughput!.high),
      `${(100 * throughput!.variation).toFixed(1)} %`,
      time(latency?.p50),
      time(latency?.p99),
      time(latency?.p999),
      time(latency?.max),
      time(handoff?.p50),
      time(hold?.p50),
      ...crowds.map((cpus) => {
        const figure = cliff.get(cpus);
        return figure === undefined ? DASH : `${figure.value.toPrecision(2)} ×`;
      }),
    ];
  });
  const calibrated = here.find((point) => point.calibrated?.turn !== undefined)?.calibrated;
  const said = calibrated
    ? ` The section is ${calibrated.turns} turns of ${calibrated.turn!.toFixed(2)} ns: ${duration(calibrated.section)}, as calibrated; hold is as seen by the clock.`
    : '';
  return [
    `${settingText(base)}. Waits of sections that were sampled, hand-offs at the median, throughput with more CPUs by that with ${cores}.${said}`,
    columns(head, lines),
  ].join('\n');
}

/** A box plot a lock, on one scale, and bars of how evenly CPUs shared. */
export function pictures(base: Setting, document: SweepDocument): string {
  const here = document.points.filter((point) => keyOf(point) === keyOf(base) && point.throughput);
  if (here.length === 0) return '';
  const widest = Math.max(...here.map(({ lock }) => lock.length));
  const width = Math.max(20, Math.min(60, terminalWidth() - widest - 26));
  const all = here.flatMap(({ throughput }) => throughput!.samples);
  const [from, to] = [Math.min(...all), Math.max(...all)];
  const log = from > 0 && to > 10 * from;
  const boxes = here.map(({ lock, throughput }) => {
    const { samples, low, median, high } = throughput!;
    const box = { least: Math.min(...samples), low, median, high, greatest: Math.max(...samples) };
    return `${lock.padEnd(widest)}  ${painted('cyan', boxPlot(box, from, to, width, log).padEnd(width))}  ${rate(median)}/s`;
  });
  const shared = here.filter(({ fairness }) => fairness !== undefined);
  const bars = shared.map(({ lock, fairness }) => {
    const { jain, ratio } = fairness!;
    const line = bar(jain, width).padEnd(width);
    return `${lock.padEnd(widest)}  ${jain < 0.9 ? painted('yellow', line) : painted('green', line)}  ${jain.toFixed(3)}, max/min ${ratio.toFixed(2)}`;
  });
  return [
    `Windows, from ${rate(from)}/s to ${rate(to)}/s${log ? ', logarithmic' : ''}: ├ least, ▒ 10th to 90th percentile, ┃ median, ┤ greatest`,
    ...boxes,
    ...(bars.length > 0 ? ['', "Jain's index of the CPUs' shares: 1 is even", ...bars] : []),
  ].join('\n');
}

/** Advice, each with its figures. */
export function adviceText({ advice }: SweepDocument): string {
  if (advice.length === 0) return '';
  return [
    'From these figures:',
    ...advice.flatMap(({ text, evidence }) => [`  ${text}`, ...evidence.map((each) => `      ${each}`)]),
  ].join('\n');
}

/** Why points have no figure. */
export function marksText({ points, absent }: SweepDocument): string {
  const reasons = new Map<string, number>();
  for (const { lock, stalled, skipped } of points)
    for (const why of [
      stalled === undefined ? undefined : `stalled: ${stalled}`,
      skipped === undefined ? undefined : `skipped: ${skipped}`,
    ])
      if (why !== undefined) reasons.set(`${lock} ${why}`, (reasons.get(`${lock} ${why}`) ?? 0) + 1);
  return [
    ...[...reasons].map(([why, count]) => `${why} (${count} point${count === 1 ? '' : 's'})`),
    ...absent.map((each) => `skipped: ${each}`),
  ].join('\n');
}

const VERDICT_COLOURS = { worse: 'red', better: 'green', unclear: 'yellow', same: undefined } as const;

/** The comparison: what differs, and how much is the same. */
export function comparisonText(comparison: Comparison, file: string): string {
  const { rows, threshold, forced, missing, partial } = comparison;
  const percent = Number((100 * threshold).toFixed(2));
  const count = (verdict: string): number => rows.filter((row) => row.verdict === verdict).length;
  const told = rows.filter(({ verdict }) => verdict !== 'same');
  const lines = told.map(({ lock, figure, now, before, ratio, verdict, why, forced: mark, ...setting }) => {
    const value = (each: number | undefined): string =>
      each === undefined ? DASH : figure === 'p99' ? duration(each) : `${rate(each)}/s`;
    const colour = VERDICT_COLOURS[verdict];
    const said = mark ? `${verdict} (forced)` : verdict;
    return [
      `${lock}: ${settingText(setting)}`,
      figure,
      value(now),
      value(before),
      ratio
        ? `${ratio.value.toFixed(2)} × (${ratio.low.toFixed(2)}-${ratio.high.toFixed(2)})`
        : (why ?? DASH),
      colour === undefined ? said : painted(colour, said),
    ];
  });
  return [
    `Against ${file}: ${rows.length} figures, ${count('same')} the same within ${percent} %, ${count('better')} better, ${count('worse')} worse, ${count('unclear')} too noisy to say.`,
    ...(partial ? ['The earlier run did not come to its end: what it has was compared.'] : []),
    ...(missing.now + missing.before > 0
      ? [
          `Not compared: ${missing.now} points that only the earlier run has, ${missing.before} that only this one has.`,
        ]
      : []),
    ...(forced.length > 0
      ? [painted('red', `Forced although the runs are not comparable: ${forced.join('; ')}.`)]
      : []),
    ...(lines.length > 0 ? [columns(['', 'figure', 'now', 'before', 'ratio (range)', ''], lines)] : []),
  ].join('\n');
}
