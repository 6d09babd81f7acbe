/**
 * How times are spread and how evenly a lock was shared: distribution curves, and bars of each CPU's share.
 */
import type { Times } from '../../measure/schema.ts';
import { type Cell, look, type Maker, type Series, seriesClass, titled } from './figure.ts';
import type { Html } from './markup.ts';
import { figure, percent, time, whole } from './numbers.ts';
import { decades } from './settings.ts';

/** Times under a name. */
export interface Distribution {
  readonly name: string;
  readonly at: number;
  readonly times: Times;
}

interface Step {
  readonly x: number;
  readonly share: number;
}

/** Of how many samples each time is not exceeded. */
function cumulative({ buckets, min }: Times): Step[] {
  const all = buckets.reduce((sum, [, , many]) => sum + many, 0);
  let so = 0;
  const first = Math.max(1, min, buckets[0]?.[0] ?? 1);
  return [
    { x: first, share: 0 },
    ...buckets.map(([, to, many]) => {
      so += many;
      return { x: Math.max(first, to), share: so / all };
    }),
  ];
}

/** How high a curve is at a time, between two of its steps in proportion; its scale is logarithmic. */
function shareAt(steps: readonly Step[], x: number): number {
  const after = steps.findIndex((step) => step.x >= x);
  const [one, other] = [steps[after - 1], steps[after]];
  if (!other) return 1;
  if (!one || other.x <= one.x) return other.share;
  const part = Math.log(x / one.x) / Math.log(other.x / one.x);
  return one.share + part * (other.share - one.share);
}

/** Distribution curves. */
export function distributions(
  make: Maker,
  title: string,
  what: string,
  all: readonly Distribution[],
): Html | undefined {
  const some = all.filter(({ times }) => times.samples > 0 && times.buckets.length > 0);
  if (some.length === 0) return undefined;
  const { plot } = make;
  const marks = some.flatMap(({ name, at, times }) => {
    const { colour, symbol, dash } = look(at);
    const steps = cumulative(times);
    const points = (
      [
        [times.p50, 0.5],
        [times.p90, 0.9],
        [times.p99, 0.99],
        [times.p999, 0.999],
      ] as const
    ).map(([x, share]) => ({
      x: Math.max(1, x),
      share: shareAt(steps, x),
      title: titled(`${name}: ${percent(share)} within ${time(x)}`),
    }));
    return [
      plot.line(steps, {
        ...seriesClass(at),
        x: 'x',
        y: 'share',
        stroke: colour,
        strokeWidth: 2,
        ...(dash === '' ? {} : { strokeDasharray: dash }),
      }),
      plot.dot(points, {
        ...seriesClass(at),
        x: 'x',
        y: 'share',
        fill: colour,
        symbol,
        r: 3.5,
        title: 'title',
      }),
    ];
  });
  const ticks = decades(some.flatMap(({ times }) => [Math.max(1, times.min), times.max]));
  const rows = some.flatMap(({ name, times }): Cell[][] => [
    [
      name,
      times.samples,
      times.min,
      times.p50,
      times.p90,
      times.p99,
      times.p999,
      times.max,
      times.mean,
      times.every,
    ],
  ]);
  return make.figure({
    title,
    text: `${what} A curve that is further to the left is faster; where it bends to the right at the top, a few waited long. Marks are the median, the 90th, 99th and 99.9th percentile.`,
    picture: make.chart(
      title,
      {
        x: { type: 'log', label: 'time', labelArrow: 'none', tickFormat: time, ticks },
        y: {
          domain: [0, 1],
          label: 'share of samples',
          labelArrow: 'none',
          tickFormat: (v: number) => percent(v),
        },
      },
      [
        plot.gridY({ strokeOpacity: 0.15 }),
        plot.gridX({ strokeOpacity: 0.15, ticks }),
        plot.ruleY([0]),
        ...marks,
      ],
    ),
    legend: some.map(({ name, at }): Series => ({ name, at })),
    table: {
      columns: [
        'name',
        'samples',
        'min_ns',
        'p50_ns',
        'p90_ns',
        'p99_ns',
        'p999_ns',
        'max_ns',
        'mean_ns',
        'one_in',
      ],
      rows,
      shown: [undefined, whole, time, time, time, time, time, time, time, undefined],
    },
  });
}

/** Sections of each CPU under a lock. */
export interface Shares {
  readonly name: string;
  readonly shares: readonly number[];
}

/** Greatest by least, and Jain's index (Jain, Chiu and Hawe 1984): 1 is even. */
export function evenness(shares: readonly number[]): { ratio: number; jain: number } {
  const sum = shares.reduce((so, each) => so + each, 0);
  const squares = shares.reduce((so, each) => so + each * each, 0);
  return {
    ratio: Math.max(...shares) / Math.min(...shares),
    jain: squares === 0 ? 1 : (sum * sum) / (shares.length * squares),
  };
}

/** Bars of each CPU's share. */
export function fairness(make: Maker, title: string, all: readonly Shares[]): Html | undefined {
  const some = all.filter(({ shares }) => shares.length > 1 && shares.some((each) => each > 0));
  if (some.length === 0) return undefined;
  const { plot } = make;
  const names = some.map(({ name }, at) => `${at}|${name}`);
  const bars = some.flatMap(({ name, shares }, lock) => {
    const sum = shares.reduce((so, each) => so + each, 0);
    let from = 0;
    return shares.map((each, cpu) => {
      const bar = {
        lock: names[lock]!,
        from,
        to: from + each / sum,
        cpu,
        even: cpu % 2 === 0,
        title: titled(`${name}, CPU ${cpu}: ${percent(each / sum)}, ${whole(each)} sections`),
      };
      from = bar.to;
      return bar;
    });
  });
  const told = some.map(({ shares }, lock) => {
    const { ratio, jain } = evenness(shares);
    const worst = Number.isFinite(ratio) ? `${figure(ratio)}×` : 'one had none';
    return { lock: names[lock]!, text: `Jain ${figure(jain)}, max/min ${worst}` };
  });
  const widest = Math.max(...some.map(({ name }) => Math.min(30, name.length)));
  return make.figure({
    title,
    text: 'How the sections were shared among the CPUs, a segment each; an even lock has segments of one length. Jain’s index is 1 where all CPUs had the same and 1 divided by their number where one had all.',
    picture: make.chart(
      title,
      {
        height: 44 + 34 * some.length,
        marginLeft: 24 + 7.2 * widest,
        marginRight: 190,
        x: { domain: [0, 1], percent: false, label: null, tickFormat: (v: number) => percent(v) },
        y: {
          domain: names,
          label: null,
          tickSize: 0,
          tickFormat: (name: string) => titled(name.replace(/^\d+\|/, '')).slice(0, 30),
        },
      },
      [
        plot.barX(bars, {
          x1: 'from',
          x2: 'to',
          y: 'lock',
          fill: 'var(--s0)',
          fillOpacity: (bar: { even: boolean }) => (bar.even ? 0.75 : 0.4),
          stroke: 'var(--page)',
          strokeWidth: 1.5,
          insetTop: 3,
          insetBottom: 3,
          title: 'title',
        }),
        plot.text(
          bars.filter(({ from, to }) => to - from > 0.04),
          {
            x: (bar: { from: number; to: number }) => (bar.from + bar.to) / 2,
            y: 'lock',
            text: (bar: { cpu: number }) => `CPU ${bar.cpu}`,
            fill: 'var(--ink)',
            fontSize: 10,
          },
        ),
        plot.text(told, { x: 1, y: 'lock', text: 'text', textAnchor: 'start', dx: 8 }),
      ],
    ),
    table: {
      columns: ['lock', 'cpu', 'sections', 'share', 'jain', 'max_by_min'],
      rows: some.flatMap(({ name, shares }) => {
        const sum = shares.reduce((so, each) => so + each, 0);
        const { ratio, jain } = evenness(shares);
        return shares.map((each, cpu) => [name, cpu, each, each / sum, jain, ratio]);
      }),
      shown: [undefined, undefined, whole, percent, figure, figure],
    },
  });
}
