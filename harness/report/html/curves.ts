/**
 * Curves of a sweep: throughput with its uncertainty, and latency at the median and at the 99th percentile.
 */
import type { Setting, SweepPoint } from '../../measure/schema.ts';
import { look, type Maker, type Series, seriesClass, type Table, titled } from './figure.ts';
import { type Html, html } from './markup.ts';
import { figure, percent, rate, several, time } from './numbers.ts';
import { type Dimension, decades, type Group, valuesOf } from './settings.ts';

/** Pictures of a kind; more would be looked at by nobody. */
export const MOST = 6;

interface Value {
  readonly x: Setting[keyof Setting];
  readonly y: number;
  readonly low: number;
  readonly high: number;
  readonly title: string;
  /** It is drawn hollow: the machine was too noisy to claim it. */
  readonly noisy: boolean;
}

interface Curve {
  readonly series: Series;
  readonly values: readonly Value[];
}

/** The locks of some points, as series: a lock has the same look in all pictures. */
export function seriesOf(points: readonly SweepPoint[], order: readonly string[]): Series[] {
  const names = [...new Set([...order, ...points.map(({ lock }) => lock)])];
  const there = new Set(points.map(({ lock }) => lock));
  return names.flatMap((name, at) => (there.has(name) ? [{ name, at }] : []));
}

function curvesOf(
  { points, along }: Group,
  series: readonly Series[],
  value: (point: SweepPoint) => Pick<Value, 'y' | 'low' | 'high'> | undefined,
  shown: (value: number) => string,
): Curve[] {
  return series.map((each) => ({
    series: each,
    values: points
      .filter(({ lock }) => lock === each.name)
      .sort((one, other) => (one[along.key] < other[along.key] ? -1 : 1))
      .flatMap((point) => {
        const at = value(point);
        if (!at) return [];
        const title = titled(
          `${each.name}, ${along.title} ${along.show(point[along.key])}: ${shown(at.y)} (${shown(at.low)} to ${shown(at.high)})${point.noisy === undefined ? '' : `; noisy: ${point.noisy}`}`,
        );
        return [{ x: point[along.key], ...at, title, noisy: point.noisy !== undefined }];
      }),
  }));
}

/** The axis along a dimension: by order where it is no number, logarithmic where the values are far apart. */
export function axisOf(group: Group): object {
  const { along } = group;
  const values = valuesOf(group.points, along);
  const numbers = values.filter((value) => typeof value === 'number');
  const base = { label: along.label, labelArrow: 'none' as const };
  const tickFormat = (value: Setting[keyof Setting]): string => along.show(value);
  if (numbers.length < values.length) return { ...base, type: 'point', domain: values };
  const far = Math.min(...numbers) > 0 && Math.max(...numbers) / Math.min(...numbers) > 4;
  if (values.length > 12) return { ...base, type: far ? 'log' : 'linear', tickFormat, ticks: 6 };
  return { ...base, type: far ? 'log' : 'linear', ticks: values, tickFormat, inset: 10 };
}

function marks({ plot }: Maker, curves: readonly Curve[], more: object = {}): object[] {
  return curves.flatMap(({ series: { at }, values }) => {
    const { colour, symbol, dash } = look(at);
    const of = { ...seriesClass(at), x: 'x' };
    return [
      plot.areaY(values, { ...of, y1: 'low', y2: 'high', fill: colour, fillOpacity: 0.15 }),
      plot.link(values, { ...of, x1: 'x', x2: 'x', y1: 'low', y2: 'high', stroke: colour, strokeWidth: 1.5 }),
      plot.line(values, {
        ...of,
        y: 'y',
        stroke: colour,
        strokeWidth: 2,
        ...(dash === '' ? {} : { strokeDasharray: dash }),
        ...more,
      }),
      plot.dot(values, {
        ...of,
        y: 'y',
        stroke: colour,
        fill: (value: Value) => (value.noisy ? 'var(--page)' : colour),
        symbol,
        r: 4,
        title: 'title',
      }),
    ];
  });
}

const flagged = (points: readonly SweepPoint[]): string => {
  const all = [
    [points.filter(({ noisy }) => noisy !== undefined).length, 'too noisy to claim, and drawn hollow'],
    [points.filter(({ stalled }) => stalled !== undefined).length, 'stalled'],
    [points.filter(({ skipped }) => skipped !== undefined).length, 'not measured'],
  ] as const;
  const some = all.filter(([many]) => many > 0).map(([many, what]) => `${several(many, 'point')} ${what}`);
  return some.length === 0 ? '' : ` ${some.join('; ')}.`;
};

const state = ({ noisy, stalled, skipped, violation }: SweepPoint): string =>
  [
    violation ? 'let two in' : '',
    noisy === undefined ? '' : `noisy: ${noisy}`,
    stalled === undefined ? '' : `stalled: ${stalled}`,
    skipped === undefined ? '' : `not measured: ${skipped}`,
  ]
    .filter((each) => each !== '')
    .join('; ');

const title = (what: string, along: Dimension, where: string): string =>
  `${what} by ${along.title}${where === '' ? '' : `: ${where}`}`;

type Cell = (point: SweepPoint) => string | number | undefined;

/** Everything that was measured, a row a point: the columns, and what is in them. */
const POINT = {
  lock: ({ lock }) => lock,
  cpus: ({ cpus }) => cpus,
  section_ns: ({ section }) => section,
  outside_ns: ({ outside }) => outside,
  reads: ({ reads }) => reads,
  waiting: ({ waiting }) => waiting,
  locks: ({ locks }) => locks,
  throughput_per_s: ({ throughput: each }) => each?.median,
  throughput_low: ({ throughput: each }) => each?.low,
  throughput_high: ({ throughput: each }) => each?.high,
  variation: ({ throughput: each }) => each?.variation,
  latency_p50_ns: ({ latency: each }) => each?.p50,
  latency_p90_ns: ({ latency: each }) => each?.p90,
  latency_p99_ns: ({ latency: each }) => each?.p99,
  latency_p99_low_ns: ({ p99 }) => p99?.low,
  latency_p99_high_ns: ({ p99 }) => p99?.high,
  latency_p999_ns: ({ latency: each }) => each?.p999,
  latency_max_ns: ({ latency: each }) => each?.max,
  handoff_p50_ns: ({ handoff }) => handoff?.p50,
  hold_p50_ns: ({ hold }) => hold?.p50,
  calibrated_section_ns: ({ calibrated }) => calibrated?.section,
  jain: ({ fairness: each }) => each?.jain,
  max_by_min: ({ fairness: each }) => each?.ratio,
  state: (point) => state(point),
} satisfies Record<string, Cell>;

type Column = keyof typeof POINT;

const WHERE: readonly Column[] = ['lock', 'cpus', 'section_ns', 'outside_ns', 'reads', 'waiting', 'locks'];
const THROUGHPUT: readonly Column[] = [
  ...WHERE,
  'throughput_per_s',
  'throughput_low',
  'throughput_high',
  'variation',
  'state',
];
const LATENCY: readonly Column[] = [
  ...WHERE,
  'latency_p50_ns',
  'latency_p90_ns',
  'latency_p99_ns',
  'latency_p99_low_ns',
  'latency_p99_high_ns',
  'latency_p999_ns',
  'latency_max_ns',
];

function shownAs(column: Column): ((value: number) => string) | undefined {
  if (column === 'reads' || column === 'variation') return percent;
  if (column.startsWith('throughput')) return rate;
  if (column === 'jain' || column === 'max_by_min') return figure;
  return column.endsWith('_ns') ? time : undefined;
}

/** Points in a table. @param columns all unless given */
export function pointTable(
  points: readonly SweepPoint[],
  columns: readonly Column[] = Object.keys(POINT) as Column[],
): Table {
  return {
    columns,
    rows: points.map((point) => columns.map((column) => POINT[column](point))),
    shown: columns.map(shownAs),
  };
}

/** Sections by the second. */
export function throughput(make: Maker, group: Group, order: readonly string[]): Html | undefined {
  const measured = group.points.filter((point) => point.throughput);
  if (measured.length === 0) return undefined;
  const series = seriesOf(measured, order);
  const curves = curvesOf(
    group,
    series,
    ({ throughput: each }) => each && { y: each.median, low: each.low, high: each.high },
    rate,
  );
  const { along, where } = group;
  const name = title('Throughput', along, where);
  return make.figure({
    title: name,
    text: `Sections by the second, of all CPUs together; higher is better. Lines are medians over forks, bands reach from the 10th to the 90th percentile.${flagged(group.points)}`,
    picture: make.chart(
      name,
      {
        x: axisOf(group),
        y: { label: 'sections by the second', labelArrow: 'none', tickFormat: 's', zero: true, nice: true },
      },
      [make.plot.gridY({ strokeOpacity: 0.15 }), make.plot.ruleY([0]), ...(marks(make, curves) as never[])],
    ),
    legend: series,
    table: pointTable(group.points, THROUGHPUT),
  });
}

/** From wanting a lock to having it. */
export function latency(make: Maker, group: Group, order: readonly string[]): Html | undefined {
  const measured = group.points.filter(({ latency: each }) => each && each.samples > 0);
  if (measured.length === 0) return undefined;
  const series = seriesOf(measured, order);
  const at = (quantile: 'p50' | 'p99'): Curve[] =>
    curvesOf(
      { ...group, points: measured },
      series,
      ({ latency: each, p99 }) => {
        const y = Math.max(1, each?.[quantile] ?? 1);
        if (quantile === 'p50' || !p99) return { y, low: y, high: y };
        return { y, low: Math.max(1, Math.min(y, p99.low)), high: Math.max(y, p99.high) };
      },
      time,
    );
  const { along, where } = group;
  const name = title('Latency', along, where);
  const ticks = decades(measured.flatMap(({ latency: each }) => [each?.p50 ?? 0, each?.p99 ?? 0]));
  return make.figure({
    title: name,
    text: 'From wanting the lock to having it; lower is better. The thick line is the median, the thin one above it the 99th percentile, whose band reaches over that of each fork. Both scales are logarithmic where values are far apart.',
    key: html`<p class="note">thick: median, thin: 99th percentile</p>`,
    picture: make.chart(
      name,
      {
        x: axisOf(group),
        y: {
          type: 'log',
          label: 'to have the lock',
          labelArrow: 'none',
          tickFormat: time,
          ticks,
          domain: [ticks[0], ticks.at(-1)],
        },
      },
      [
        make.plot.gridY({ strokeOpacity: 0.15, ticks }),
        ...(marks(make, at('p50'), { strokeWidth: 2.5 }) as never[]),
        ...(marks(make, at('p99'), { strokeWidth: 1 }) as never[]),
      ],
    ),
    legend: series,
    table: pointTable(measured, LATENCY),
  });
}
