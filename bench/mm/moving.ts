/** Drivers' pages that are moved: how fast they are isolated, and what it is good for (compaction.ts). */
import type { Printed } from '../extras.ts';
import type { Row, Surroundings } from '../section.ts';
import { exactly, figureOf, ratioOf } from '../stats.ts';
import { columns, rate } from '../table.ts';
import { HIGH_ORDER, highOrder } from './compaction.ts';
import { fixed, row } from './rows.ts';
import { ratesOfTurn, takeTogether, twiceOfTurn } from './together.ts';
import type { ScanName } from './together-cpu.ts';

/** How scanners scan, and what that is called. */
export const SCANNERS: Readonly<Record<string, ScanName>> = {
  'blocks and balloons of their own': 'scan apart',
  'one balloon': 'scan one balloon',
  'the same blocks': 'scan everywhere',
};

/** Isolation by one scanner and two. */
export async function isolation(around: Surroundings): Promise<Printed> {
  const { rounds, warmup, window } = around.budget.mm;
  const rows: Row[] = [];
  for (const [name, what] of Object.entries(SCANNERS)) {
    around.signal?.throwIfAborted();
    around.progress(`mm: isolation, ${name}`);
    const how = { what, regime: 'AM', turns: [1, 2], rounds, warmup, window, signal: around.signal } as const;
    const taken = await takeTogether(how);
    const [one, two] = taken.map(ratesOfTurn);
    rows.push(
      row(`isolation: ${name}`, {
        '1 scanner, pages/s': figureOf(one!),
        '2 scanners, pages/s': figureOf(two!),
        scale: ratioOf(two!, one!),
        'isolated twice': exactly(taken.reduce((sum, samples) => sum + twiceOfTurn(samples), 0)),
      }),
    );
  }
  const lines = rows.map(({ name, figures }) => [
    name.slice('isolation: '.length),
    rate(figures['1 scanner, pages/s']!.value),
    rate(figures['2 scanners, pages/s']!.value),
    `${fixed(figures.scale, 2)} ×`,
    fixed(figures['isolated twice']),
  ]);
  const head =
    'Pages of balloons that scanners isolate a second, a pageblock at a time; putting them back is not timed. A page that two have at a time counts as isolated twice.';
  return {
    rows,
    text: `${head}\n${columns(['scanners have', '1 scanner', '2 scanners', 'ratio', 'twice'], lines)}`,
  };
}

/** High-order allocations that succeed, by what compaction moves. */
export async function highOrders(around: Surroundings): Promise<Printed> {
  const { times, ...memory } = around.budget.mm.compacted;
  const titles = memory.orders.map((order) => `order ${order}, %`);
  const rows = HIGH_ORDER.map((name) => {
    around.progress(`mm: high order, ${name}`);
    around.signal?.throwIfAborted();
    const taken = Array.from({ length: times }, (_, at) => highOrder(name, memory, at + 1));
    const figures = titles.map((title, at) => [title, figureOf(taken.map((each) => each[at]!))] as const);
    return row(`high order: ${name}`, Object.fromEntries(figures));
  });
  const lines = rows.map(({ name, figures }) => [
    name.slice('high order: '.length),
    ...titles.map((title) => fixed(figures[title])),
  ]);
  const head = `${memory.frames} frames full of pages of files, of a balloon and of small objects, of which drivers have given up a third. Of the allocations of 2^order frames that what is free would suffice for, those that succeed, in %, by what compaction moves.`;
  return { rows, text: `${head}\n${columns(['compaction', ...titles], lines)}` };
}
