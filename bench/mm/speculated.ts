/**
 * What the benchmark of speculative faults shows, beside what was published of them.
 *
 *   faults/s      of all threads, while nobody maps; and while three of twenty of their operations map elsewhere and keep mmap_sem for writing for 0, 1 and 10 us
 *   by classic    the same, of windows beside each other
 *   served        how much sooner a thread has its fault served: time in faults by classic, by this one
 *   success       speculations that served their fault
 *   alone         time of a fault where nobody maps and there is one CPU
 *   reads         faults of the zero page on two CPUs: nothing is allocated, so the look-up counts for most
 *
 * Who maps waits for who maps, whatever the design. So where the threads that fault are those that map, faults a second cannot grow by much more than the share of time that faults have: with n CPUs, mappers that hold mmap_sem for W
 * of each operation on average and faults that take F, the classic fault needs nW + F for n operations and no speculation less than nW, nor than W + F. What does grow is what was promised: nobody waits for mappers in a fault.
 */
import type { SpfName } from '../../src/mm/index.ts';
import type { Printed } from '../extras.ts';
import type { Row, Surroundings } from '../section.ts';
import { type Figure, figureOf, ratioOf } from '../stats.ts';
import { columns, rate } from '../table.ts';
import { type Figures, fixed, row } from './rows.ts';
import { faultRates, faultTimes, type Speculated, successes, takeSpeculation } from './speculation.ts';
import type { SpeculationCase } from './speculation-cpu.ts';

/** The designs that are compared, by the name of what keeps the vma. */
export const SPECULATED = {
  classic: 'off',
  srcu: 'v5',
  rwlock: 'v11',
  rcu: 'rcu',
  'per-vma-lock': 'per-vma-lock',
} as const satisfies Record<string, SpfName>;
/** The name of one. */
export type SpeculatedName = keyof typeof SPECULATED;

const NAMES = Object.keys(SPECULATED) as SpeculatedName[];
/** The names of the rows. */
export const SPECULATION_ROWS: readonly string[] = NAMES.map((name) => `speculation: ${name}`);

/** mm.md E.3: RFC of October 2014, 20 cores and four sockets; v8, v9, v11 on x86. */
const PUBLISHED =
  '+58 % and +78 % (RFC of 2014, 20 cores and four sockets, nobody mapping); success 99.1, 99.6, 98.1 % (v8, v9, v11 on x86)';

const ALONE: SpeculationCase = { cpus: 1 };
const READS: SpeculationCase = { cpus: 2, reads: true };

const held = (hold: number | undefined): string => (hold === undefined ? 'nobody maps' : `${hold} us`);
const on = (cpus: number): string => (cpus === 1 ? '1 CPU' : `${cpus} CPUs`);
const prefix = ({ cpus, hold }: SpeculationCase): string => `${on(cpus)}, ${held(hold)}`;

/** What is done with so many CPUs; one alone has a case of its own. */
const casesOf = (cpus: number, holds: readonly number[]): SpeculationCase[] => [
  ...(cpus === 1 ? [] : [{ cpus }]),
  ...holds.map((hold) => ({ cpus, hold })),
];

function figuresOf(
  name: SpeculatedName,
  taken: ReadonlyMap<SpeculatedName, Speculated>,
  cases: readonly SpeculationCase[],
): Figures {
  const figures: Figures = {};
  const of = (design: SpeculatedName, at: number) => taken.get(design)![at]!;
  for (const [at, what] of cases.entries()) {
    const [mine, classic] = [of(name, at), of('classic', at)];
    if (what === ALONE) {
      figures['alone, ns'] = figureOf(faultTimes(mine));
      figures['alone, by classic'] = ratioOf(faultTimes(mine), faultTimes(classic));
      continue;
    }
    if (what === READS) {
      figures['reads, faults/s'] = figureOf(faultRates(mine));
      figures['reads, by rwlock'] = ratioOf(faultRates(mine), faultRates(of('rwlock', at)));
      continue;
    }
    figures[`${prefix(what)}, faults/s`] = figureOf(faultRates(mine));
    figures[`${prefix(what)}, by classic`] = ratioOf(faultRates(mine), faultRates(classic));
    figures[`${prefix(what)}, ns a fault`] = figureOf(faultTimes(mine));
    figures[`${prefix(what)}, served`] = ratioOf(faultTimes(classic), faultTimes(mine));
    if (name !== 'classic') figures[`${prefix(what)}, success`] = figureOf(successes(mine));
  }
  return figures;
}

const percent = (figure: Figure | undefined): string =>
  figure === undefined ? '-' : (100 * figure.value).toFixed(1);
const times = (figure: Figure | undefined): string =>
  figure === undefined ? '-' : `${fixed(figure, 2)} (${figure.low.toFixed(2)}-${figure.high.toFixed(2)})`;

function table(rows: readonly Row[], cases: readonly SpeculationCase[]): string {
  const lines = rows.map(({ name, figures }) => [
    name.split(': ')[1]!,
    ...cases.flatMap((what) => {
      const of = (figure: string): Figure | undefined => figures[`${prefix(what)}, ${figure}`];
      return [
        rate(of('faults/s')?.value ?? Number.NaN),
        times(of('by classic')),
        fixed(of('served'), 1),
        percent(of('success')),
      ];
    }),
  ]);
  const head = cases.flatMap(({ hold }) => [held(hold), '×', 'served', '%']);
  return columns([on(cases[0]!.cpus), ...head], lines);
}

/** By how much of a hundred rcu is more than classic. */
function gains({ figures }: Row, cases: readonly SpeculationCase[], hold: number | undefined): string {
  const each = cases
    .filter((what) => what.hold === hold)
    .map((what) => {
      const { value } = figures[`${prefix(what)}, by classic`]!;
      return `${value < 1 ? '' : '+'}${((value - 1) * 100).toFixed(0)} % with ${what.cpus}`;
    });
  return `${held(hold)} ${each.join(', ')} CPUs`;
}

/** The part of the section on speculative faults. */
export async function speculation(around: Surroundings): Promise<Printed> {
  around.progress('mm: speculative faults');
  const { cpus, holds, ...how } = around.budget.mm.speculation;
  const mixes = cpus.map((each) => casesOf(each, holds));
  const cases = [ALONE, READS, ...mixes.flat()];
  const designs = NAMES.map((name) => [name, SPECULATED[name]] as const);
  const taken = await takeSpeculation({ designs, cases, ...how, signal: around.signal });
  const rows = NAMES.map((name) => row(`speculation: ${name}`, figuresOf(name, taken, cases)));
  const beside = rows.map(({ name, figures }) => [
    name.split(': ')[1]!,
    fixed(figures['alone, ns']),
    times(figures['alone, by classic']),
    rate(figures['reads, faults/s']!.value),
    times(figures['reads, by rwlock']),
  ]);
  const rcu = rows[NAMES.indexOf('rcu')]!;
  const gained = [undefined, ...holds].map((hold) => gains(rcu, mixes.flat(), hold));
  const text = [
    'Threads of one address space touch fresh anonymous pages; nobody maps, or 3 of 20 operations map or unmap elsewhere in it, with mmap_sem held for writing for so many us more. Faults a second, and by classic;',
    'how much sooner a fault is served; % of speculations that succeed.',
    ...mixes.map((each) => table(rows, each)),
    `Gain of rcu: ${gained.join('; ')}. Published: ${PUBLISHED}.`,
    'Nobody maps: one CPU, ns a fault; two that read the zero page, faults a second.',
    columns(['', 'alone, ns', '× classic', 'reads', '× rwlock'], beside),
  ];
  return { rows, text: text.join('\n') };
}
