/**
 * The part of the benchmark on truncation: how long i_mmap_lock is held by each design, how that grows with the vmas that map the file, and how long who maps the file waits.
 */
import { plot } from 'simple-ascii-chart';
import { TRUNCATE_DESIGNS, type TruncateName } from '../../src/mm/truncate/rules.ts';
import type { Printed } from '../extras.ts';
import type { Row, Surroundings } from '../section.ts';
import { exactly, figureOf, quantile, ratioOf } from '../stats.ts';
import { columns } from '../table.ts';
import { fixed, row } from './rows.ts';
import { truncateWaits, type Waits } from './truncate-wait.ts';
import { type Holds, truncateHolds } from './truncation.ts';

const DESIGNS = Object.keys(TRUNCATE_DESIGNS) as TruncateName[];
/** The letter of each design in the plot. */
const LETTERS = 'ABCDEFGH';
const [WIDTH, HEIGHT] = [60, 16];

/** The names of its rows. */
export const TRUNCATE_ROWS: readonly string[] = DESIGNS.map((design) => `truncate: ${design}`);

const us = (ns: number): string => (ns / 1000).toFixed(ns < 100_000 ? 1 : 0);
/** Every design in turn, as often as asked. */
async function each<T>(
  { budget, progress, signal }: Surroundings,
  what: string,
  measure: (design: TruncateName) => T | Promise<T>,
): Promise<Map<TruncateName, T[]>> {
  const taken = new Map<TruncateName, T[]>(DESIGNS.map((design) => [design, []]));
  for (let time = 0; time < budget.mm.truncated.times; time += 1)
    for (const design of DESIGNS) {
      progress(`mm: truncation, ${what}, ${design}`);
      signal?.throwIfAborted();
      taken.get(design)!.push(await measure(design));
    }
  return taken;
}

/** Longest holds by the vmas that map a file, in nanoseconds. */
type Curve = readonly (readonly [vmas: number, ns: number])[];

/** Both axes by powers of ten. */
function plotted(curves: ReadonlyMap<TruncateName, Curve>): string {
  const log = ([vmas, ns]: readonly [number, number]): [number, number] => [Math.log10(vmas), Math.log10(ns)];
  const lines = [...curves.values()].map((curve) => curve.map(log));
  return plot(lines, {
    width: WIDTH,
    height: HEIGHT,
    xLabel: 'vmas that map the file',
    yLabel: 'us',
    customXAxisTicks: lines[0]!.map(([vmas]) => vmas),
    formatter: (value, { axis }) => (axis === 'y' ? us(10 ** value) : String(Math.round(10 ** value))),
    lineFormatter: ({ x, y, plotX, plotY }) => {
      const at = lines.findIndex((line) => line.some(([vmas, ns]) => vmas === x && ns === y));
      return { x: plotX, y: plotY, symbol: LETTERS[at]! };
    },
  });
}

/** The sizes of the curve: by steps of about three, to as many as are asked for. */
const sizes = (most: number): number[] =>
  [1, 3, 10, 30, 100, 300, 1000, 3000].filter((vmas) => vmas < most).concat(most);

/** The part. */
export async function truncation(around: Surroundings): Promise<Printed> {
  const { times: _times, ...file } = around.budget.mm.truncated;
  const held = await each(around, 'holds', (design): Holds => truncateHolds(design, file));
  const waited = await each(
    around,
    'waits',
    (design): Promise<Waits> => truncateWaits(design, file, around.signal),
  );
  const curves = new Map(
    DESIGNS.map((design): [TruncateName, Curve] => {
      around.progress(`mm: truncation, by vmas, ${design}`);
      around.signal?.throwIfAborted();
      return [
        design,
        sizes(file.vmas).map(
          (vmas) => [vmas, truncateHolds(design, { ...file, vmas }).holds.at(-1)!] as const,
        ),
      ];
    }),
  );
  const counted = new Map(
    DESIGNS.map((design) => [design, truncateHolds(design, file, 'accesses').holds.at(-1)!] as const),
  );
  const longest = (design: TruncateName): number[] => held.get(design)!.map(({ holds }) => holds.at(-1)!);
  const before = longest('trunc3');
  const rows = DESIGNS.map((design): Row => {
    const mine = held.get(design)!;
    const [{ holds, walked, zapped }] = mine as [Holds];
    const beside = waited.get(design)!;
    return row(`truncate: ${design}`, {
      'longest hold, ns': figureOf(longest(design)),
      'longest hold, accesses': exactly(counted.get(design)!),
      'trunc3 by this, accesses': exactly(counted.get('trunc3')! / counted.get(design)!),
      'hold, p99, ns': figureOf(mine.map((one) => quantile(one.holds, 0.99))),
      holds: exactly(holds.length),
      'walked by zapped': exactly(walked / zapped),
      'trunc3 by this': ratioOf(before, longest(design)),
      'longest mmap beside it, ns': figureOf(beside.map(({ waits }) => waits.at(-1) ?? 0)),
      'mmap beside it, p99, ns': figureOf(
        beside.map(({ waits }) => (waits.length > 0 ? quantile(waits, 0.99) : 0)),
      ),
      'truncation, ns': figureOf(beside.map(({ took }) => took)),
    });
  });
  const lines = rows.map(({ figures }, at) => {
    const of = (name: string): string => (figures[name] === undefined ? '-' : us(figures[name].value));
    return [
      DESIGNS[at]!,
      of('longest hold, ns'),
      of('hold, p99, ns'),
      fixed(figures.holds, 0),
      fixed(figures['walked by zapped'], 2),
      fixed(figures['trunc3 by this'], 0),
      fixed(figures['longest hold, accesses'], 0),
      fixed(figures['trunc3 by this, accesses'], 0),
      of('longest mmap beside it, ns'),
      of('mmap beside it, p99, ns'),
      of('truncation, ns'),
    ];
  });
  const heads = [
    'design',
    'longest',
    'p99',
    'holds',
    'walked',
    'trunc3 ×',
    'accesses',
    'trunc3 ×',
    'mmap',
    'p99',
    'truncation',
  ];
  return {
    rows,
    text: [
      `A file becomes empty that ${file.vmas} vmas map, each of its ${file.pages} pages present in all of them, while i_mmap_lock is wanted. How long it is held, in us; pages gone over by pages that go; the longest hold in accesses, of which nobody else takes a part.`,
      'Behind that, two CPUs: how long an mmap of the file takes beside it, at the longest and at p99, and how long the truncation takes.',
      columns(heads, lines),
      '',
      `Longest hold, by vmas of ${file.pages} pages; ${DESIGNS.map((design, at) => `${LETTERS[at]} ${design}`).join(', ')}; a later letter covers an earlier one:`,
      plotted(curves),
    ].join('\n'),
  };
}
