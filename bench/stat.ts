/**
 * What lock statistics cost, and whether they are right.
 *
 * A free lock with them and without takes turns on one core, a pair of CPUs that contend takes turns with another pair, on both; the same worker, engine and loop as in the other sections.
 * They begin anew some times, since where V8 puts their code and the system their memory is worth some percent either way, for as long as they live. Of
 * histograms the loop records values of all sizes. Of a pair that contends every batch of rounds is timed, and the one counts that was under way in the middle of the time. V8 may inline as
 * much as in the commands that keep statistics. What is right is planted: two CPUs note by their own clock how long they hold and wait for a hot lock and for one that each has to
 * itself, and one of them gets less of the hot one; `off` is by how much the statistics differ.
 */
import { setFlagsFromString } from 'node:v8';
import { INLINING, USUAL_INLINING } from '../harness/explore/inlining.ts';
import { HISTOGRAM_NUMBERS, record } from '../harness/measure/histogram.ts';
import type { LockClassStats } from '../harness/measure/schema.ts';
import { readStat, statMemory } from '../harness/measure/stat.ts';
import { loadLock } from '../src/catalog.ts';
import { ticket } from '../src/locking/ticket.ts';
import { createMachine } from '../src/memory/index.ts';
import { BATCH, PAIR_OF_CPUS } from './contended.ts';
import { runCrew } from './crew.ts';
import type { Printed } from './extras.ts';
import type { Row, Surroundings } from './section.ts';
import { caseLike, type Ends } from './section.ts';
import type { Planted, PlantedOrders } from './stat-cpu.ts';
import { exactly, type Figure, median, ratioOf } from './stats.ts';
import { columns } from './table.ts';
import { middleBatch, Team } from './team.ts';
import { type Contestant, takeTurns } from './turns.ts';

/** Locks that are measured. */
const LOCKS = ['tas', 'ticket', 'mcs', 'mutex3', 'rwlock'] as const;
const CONTESTANTS = [
  ['without', false],
  ['with', true],
] as const;

/** What is planted. */
const PLANTED = [
  'planted holds',
  'planted holds, not contended',
  'planted waits',
  'planted hot lock',
  'planted unfair lock',
] as const;

type Plant = (typeof PLANTED)[number];

const WHERE = ['alone', 'together'] as const;
const labelOf = (name: string, where: (typeof WHERE)[number]): string =>
  `${name} ${where === 'alone' ? 'free' : 'contended'}`;

/** The names of its rows. */
export const STAT_ROWS: readonly string[] = [
  ...WHERE.flatMap((where) => LOCKS.map((name) => labelOf(name, where))),
  'histogram record',
  ...PLANTED,
];

interface Cost {
  readonly name: string;
  readonly without: number;
  readonly with: number;
  readonly ratio: Figure;
}

async function costOf(
  name: string,
  where: 'alone' | 'together',
  { budget, pin, signal }: Surroundings,
): Promise<Cost> {
  const lock = (await loadLock(name))!;
  const { form } = caseLike({ lock }, 'write', where);
  const bare: number[] = [];
  const counted: number[] = [];
  const started: Ends[] = [];
  const join = async (label: string, stat: boolean): Promise<Contestant> => {
    const { warmup, block } = budget[where === 'alone' ? 'uncontended' : 'contended'];
    const how = { subject: { lock }, form, stat };
    if (where === 'alone') {
      const timing = { cpus: 1, warmupMs: warmup, blockMs: block, pin: pin.slice(-1) };
      const team = await Team.start({ ...how, ...timing });
      started.push(team);
      await team.block();
      return { name: label, block: () => team.block() };
    }
    const team = await Team.start({ ...how, cpus: PAIR_OF_CPUS, batch: BATCH, timed: true, pin });
    started.push(team);
    let before = await team.crowd(warmup, 0);
    const next = async (): Promise<number> => {
      const after = await team.crowd(0, budget.stat.window);
      const middle = middleBatch(before, after);
      before = after;
      return middle;
    };
    return { name: label, block: next };
  };
  for (let teams = 0; teams < budget.stat.teams; teams += 1)
    try {
      const contestants: Contestant[] = [];
      for (const [label, stat] of CONTESTANTS) contestants.push(await join(label, stat));
      const samples = await takeTurns(contestants, budget.stat.rounds, signal);
      bare.push(...samples.get('without')!);
      counted.push(...samples.get('with')!);
    } finally {
      await Promise.all(started.splice(0).map((each) => each.end()));
    }
  return { name, without: median(bare), with: median(counted), ratio: ratioOf(counted, bare) };
}

const RECORDS = 20_000;

/** Records as a CPU does, which knows its memory: a closure over it, of which there is one. */
function recorder(): (records: number) => void {
  const numbers = new Float64Array(new SharedArrayBuffer(8 * HISTOGRAM_NUMBERS));
  const values = Float64Array.from({ length: 1024 }, (_, at) => 1.02 ** at % 1e9);
  return (records) => {
    for (let at = 0; at < records; at += 1) record(numbers, 0, values[at & 1023]!, 1);
  };
}

/** Nanoseconds a record, in the fastest of several blocks. */
function recordCost(): number {
  const run = recorder();
  let least = Number.POSITIVE_INFINITY;
  for (let block = 0; block < 400; block += 1) {
    const began = performance.now();
    run(RECORDS);
    least = Math.min(least, ((performance.now() - began) * 1e6) / RECORDS);
  }
  return least;
}

const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const module = new URL(`./stat-cpu${extension}`, import.meta.url).href;

/** By how much statistics differ from what CPUs noted themselves. */
async function planted(time: number, signal: AbortSignal | undefined): Promise<Record<Plant, number>> {
  const machine = createMachine({ cpus: PAIR_OF_CPUS });
  const [hot, cold] = [machine.alloc(1024), machine.alloc(1024 * PAIR_OF_CPUS)];
  for (const lock of [hot, cold, cold + 1024]) ticket.init(machine.boot, lock, PAIR_OF_CPUS, 0);
  const handle = statMemory({ cpus: PAIR_OF_CPUS, bytes: machine.words.byteLength });
  const own = await runCrew<PlantedOrders, Planted>({
    machine,
    engine: 'wasm',
    job: { module, name: 'plantedCpu' },
    args: { handle, hot, cold, time },
    pin: true,
    signal,
  });
  const rows = readStat(handle);
  const row = (name: string): LockClassStats => rows.find((each) => each.name === name)!;
  const sum = (field: keyof Planted): number => own.reduce((all, each) => all + each[field], 0);
  const off = (got: number, wanted: number): number => Math.abs(got / wanted - 1);
  const [warm, cool] = [row('hot'), row('cold')];
  const share = ([one = 0, two = 0]: readonly number[]): number => one / two;
  return {
    'planted holds': off(warm.hold.total, sum('held')),
    'planted holds, not contended': off(cool.hold.total, sum('coldHeld')),
    'planted waits': off(warm.wait.total, sum('waited')),
    'planted hot lock': off(
      warm.hold.total / (warm.hold.total + cool.hold.total),
      sum('held') / (sum('held') + sum('coldHeld')),
    ),
    'planted unfair lock': off(share(warm.byCpu ?? []), share(own.map(({ taken }) => taken))),
  };
}

const row = (name: string, figures: Readonly<Record<string, Figure>>): Row => ({
  name,
  judged: true,
  fifo: false,
  parties: {},
  figures,
});

/** The section of the benchmark. */
export async function statSection(around: Surroundings): Promise<Printed> {
  setFlagsFromString(INLINING);
  try {
    return await measure(around);
  } finally {
    setFlagsFromString(USUAL_INLINING);
  }
}

async function measure(around: Surroundings): Promise<Printed> {
  const { budget, signal, progress } = around;
  const rows: Row[] = [];
  const lines: string[][] = [];
  for (const where of WHERE)
    for (const name of LOCKS) {
      const label = labelOf(name, where);
      progress(`stat: ${label}`);
      const cost = await costOf(name, where, around);
      rows.push(row(label, { ns: exactly(cost.with), 'with / without': cost.ratio }));
      const { value, low, high } = cost.ratio;
      const more = (of: number): string => `${((of - 1) * 100).toFixed(1)} %`;
      lines.push([
        label,
        cost.without.toFixed(1),
        cost.with.toFixed(1),
        more(value),
        `${more(low)} to ${more(high)}`,
      ]);
    }
  progress('stat: histogram');
  const ns = recordCost();
  rows.push(row('histogram record', { ns: exactly(ns) }));
  progress('stat: planted');
  const found = await planted(budget.stat.planted, signal);
  for (const [name, off] of Object.entries(found)) rows.push(row(name, { off: exactly(off) }));
  const text = [
    'Lock statistics: ns a round without them and with them, and how much more that is.',
    columns(['lock', 'without', 'with', 'more', 'p10 to p90'], lines),
    '',
    `One record in a histogram: ${ns.toFixed(1)} ns. By how much statistics differ from what CPUs noted themselves:`,
    columns(
      ['planted', 'off'],
      Object.entries(found).map(([name, off]) => [name, `${(off * 100).toFixed(2)} %`]),
    ),
  ].join('\n');
  return { rows, text };
}
