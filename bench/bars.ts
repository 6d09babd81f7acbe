/**
 * The bars: what lockrig holds itself to. All of them are data in this one table; documents are made from it.
 *
 * A bar is about one figure of some rows of a section. A figure passes by its value alone; one that lies
 * nearer to the bar than its own spread is marked as close, because the next run may say otherwise.
 */
import type { Row } from './section.ts';
import { type Figure, tells } from './stats.ts';

/** A bar. */
export interface Bar {
  readonly section: string;
  /** What must hold, in a few words. */
  readonly text: string;
  /** Which of a row's figures. */
  readonly figure: string;
  /**
   * Rows by name; `all`: every one of lockrig's own locks; `fifo`: those that promise first come, first
   * served.
   */
  readonly rows: readonly string[] | 'all' | 'fifo';
  /** The figure is at most, or at least, this. */
  readonly most?: number;
  readonly least?: number;
  readonly unit: '×' | '/s' | 'ms' | 'ns' | '%' | '';
}

/** A bar held against a row. */
export interface Outcome {
  readonly bar: Bar;
  readonly row: string;
  readonly verdict: 'pass' | 'MISS' | 'skipped';
  readonly figure?: Figure;
  /** Whether the bar lies inside the figure's spread. */
  readonly close?: boolean;
  /** Why it was skipped, or missed without a figure. */
  readonly why?: string;
}

const uncontended = { section: 'uncontended', unit: '×' } as const;
const contended = { section: 'contended', unit: '×' } as const;
const oversubscribed = { section: 'oversubscribed' } as const;
const mm = { section: 'mm' } as const;
/** 13/13 of the series of 2010, and its repaired form. */
const FAST_PATHS = ['page_lock_anon_vma: refcount-test', 'page_lock_anon_vma: page-mapped'];

/** All bars. */
export const bars: readonly Bar[] = [
  {
    ...uncontended,
    text: 'free, by pthread_mutex',
    figure: 'wasm / pthread_mutex',
    rows: ['tas', 'ttas', 'mutex3', 'mutex', 'qspinlock'],
    most: 1.8,
  },
  {
    ...uncontended,
    text: 'free and tracked, by pthread_mutex',
    figure: 'wasm tracked / pthread_mutex',
    rows: ['tas', 'ttas', 'mutex3'],
    most: 2.5,
  },
  {
    ...uncontended,
    text: 'free, by pthread_mutex',
    figure: 'wasm / pthread_mutex',
    rows: ['ticket', 'mcs', 'clh', 'rwlock read', 'rwsem read'],
    most: 3,
  },
  {
    ...uncontended,
    text: 'free, Atomics engine by wasm engine',
    figure: 'atomics / wasm',
    rows: 'all',
    least: 1.5,
  },
  {
    section: 'uncontended',
    text: 'read section that costs nothing but what is read',
    figure: 'wasm ns',
    rows: ['qsbr read'],
    most: 2,
    unit: 'ns',
  },
  {
    section: 'uncontended',
    text: 'read section that stores at its begin and end',
    figure: 'wasm ns',
    rows: ['rcu read'],
    most: 14,
    unit: 'ns',
  },
  {
    section: 'uncontended',
    text: 'read of four words that retries',
    figure: 'wasm ns',
    rows: ['seqlock read'],
    most: 20,
    unit: 'ns',
  },
  {
    section: 'contended',
    text: 'grace periods beside a CPU that goes through read sections',
    figure: 'grace periods/s',
    rows: ['rcu grace'],
    least: 20_000,
    unit: '/s',
  },
  {
    section: 'contended',
    text: 'transfers from one producer to one consumer',
    figure: 'transfers/s',
    rows: ['mpmc'],
    least: 10e6,
    unit: '/s',
  },
  {
    ...contended,
    text: '2 CPUs, throughput by the same lock in C',
    figure: 'lockrig / C release',
    rows: ['ticket', 'mcs'],
    least: 0.8,
  },
  {
    ...contended,
    text: '2 CPUs, throughput by pthread_mutex',
    figure: 'lockrig / pthread_mutex',
    rows: ['mutex3'],
    least: 0.5,
  },
  {
    ...oversubscribed,
    text: '4 CPUs a core, throughput by its own with 2 CPUs',
    figure: 'lockrig / 2 CPUs',
    rows: ['mutex3', 'mutex'],
    least: 0.7,
    unit: '×',
  },
  {
    ...oversubscribed,
    text: "4 CPUs a core, Jain's index",
    figure: 'Jain',
    rows: ['mutex3', 'mutex'],
    least: 0.9,
    unit: '',
  },
  {
    ...oversubscribed,
    text: '4 CPUs a core, acquisitions of a FIFO lock',
    figure: 'acquisitions/s',
    rows: 'fifo',
    least: 40_000,
    unit: '/s',
  },
  {
    ...oversubscribed,
    text: '4 CPUs a core, longest silence of a CPU under a FIFO lock',
    figure: 'longest silence',
    rows: 'fifo',
    most: 1000,
    unit: 'ms',
  },
  {
    section: 'packages',
    text: '2 CPUs, throughput by the published mutex',
    figure: 'lockrig / multithreading/mutex',
    rows: ['mutex by multithreading/mutex'],
    least: 30,
    unit: '×',
  },
  {
    section: 'startup',
    text: 'from the command to the first acquisition',
    figure: 'first acquisition',
    rows: 'all',
    most: 400,
    unit: 'ms',
  },
  {
    section: 'litmus',
    text: 'store buffering, outcomes',
    figure: 'outcomes/s',
    rows: ['SB plain'],
    least: 30e6,
    unit: '/s',
  },
  {
    section: 'litmus',
    text: 'store buffering by plain accesses, weak outcomes',
    figure: 'share',
    rows: ['SB plain'],
    least: 0.02,
    unit: '%',
  },
  {
    section: 'litmus',
    text: 'store buffering by readOnce and writeOnce, weak outcomes',
    figure: 'share',
    rows: ['SB once'],
    least: 0.0001,
    unit: '%',
  },
  {
    section: 'litmus',
    text: 'store buffering by load and store, weak outcomes',
    figure: 'weak',
    rows: ['SB seqcst'],
    most: 0,
    unit: '',
  },
  {
    section: 'gated',
    text: 'executions of 110 accesses on 2 CPUs',
    figure: 'executions/s',
    rows: ['bare'],
    least: 120_000,
    unit: '/s',
  },
  {
    section: 'gated',
    text: 'the same with lock order and coverage',
    figure: 'executions/s',
    rows: ['lock order and coverage'],
    least: 80_000,
    unit: '/s',
  },
  {
    section: 'gated',
    text: 'the same with happens-before detection',
    figure: 'executions/s',
    rows: ['happens-before'],
    least: 30_000,
    unit: '/s',
  },
  {
    section: 'gated',
    text: 'executions on 3 CPUs, in each of two pinned processes',
    figure: 'executions/s',
    rows: ['3 CPUs, PCT of depth 2, pinned'],
    least: 15_000,
    unit: '/s',
  },
  {
    section: 'gated',
    text: 'executions on 3 CPUs, not pinned',
    figure: 'executions/s',
    rows: ['3 CPUs, PCT of depth 2, not pinned'],
    least: 1_000,
    unit: '/s',
  },
  {
    section: 'traced',
    text: 'uncontended ticket round with a ring, by untraced',
    figure: 'ratio',
    rows: ['ticket round: ring'],
    most: 2.2,
    unit: '×',
  },
  {
    section: 'traced',
    text: 'an access with a ring, more than untraced',
    figure: 'more',
    rows: ['access: ring'],
    most: 2.5,
    unit: 'ns',
  },
  {
    section: 'traced',
    text: 'races watched for free running, by untraced',
    figure: 'ratio',
    rows: [
      'access: races',
      'ticket round: races',
      'mutex round: races',
      'ticket contended: races',
      'mutex contended: races',
    ],
    most: 5,
    unit: '×',
  },
  {
    ...mm,
    text: 'anonymous fault, accesses, median',
    figure: 'accesses',
    rows: ['fault'],
    most: 80,
    unit: '',
  },
  {
    ...mm,
    text: 'anonymous fault, accesses, mean',
    figure: 'accesses, mean',
    rows: ['fault'],
    most: 80,
    unit: '',
  },
  { ...mm, text: 'anonymous fault, an access', figure: 'ns an access', rows: ['fault'], most: 6, unit: 'ns' },
  {
    ...mm,
    text: '2 CPUs in separate address spaces, by 1',
    figure: 'scale',
    rows: ['faults apart'],
    least: 1.8,
    unit: '×',
  },
  {
    ...mm,
    text: 'against a mapper, by alone',
    figure: 'slower',
    rows: ['faults against a mapper'],
    least: 1.1,
    unit: '×',
  },
  {
    ...mm,
    text: 'fast path, read-modify-writes to enter',
    figure: 'RMWs to enter',
    rows: FAST_PATHS,
    least: 1,
    most: 1,
    unit: '',
  },
  { ...mm, text: 'fast path, by get+lock', figure: 'by get+lock', rows: FAST_PATHS, most: 1, unit: '×' },
  {
    ...mm,
    text: 'fork and exit, time in rmap by pte_chain',
    figure: 'time in rmap by pte_chain',
    rows: ['rmap: anon_vma, i_mmap'],
    most: 0.8,
    unit: '×',
  },
  {
    ...mm,
    text: 'truncation, longest hold of i_mmap_lock, trunc3 by 7/6',
    figure: 'trunc3 by this',
    rows: ['truncate: 7/6', 'truncate: later'],
    least: 50,
    unit: '×',
  },
  {
    ...mm,
    text: 'the same in accesses',
    figure: 'trunc3 by this, accesses',
    rows: ['truncate: 7/6', 'truncate: later'],
    least: 50,
    unit: '×',
  },
  {
    ...mm,
    text: 'truncation, pages gone over by pages that go',
    figure: 'walked by zapped',
    rows: ['truncate: 7/6', 'truncate: later'],
    most: 1.1,
    unit: '×',
  },
  ...[2, 8].flatMap((cpus): Bar[] => [
    {
      ...mm,
      text: `faults a second beside mappers that hold mmap_sem for 10 us, ${cpus} CPUs, by classic`,
      figure: `${cpus} CPUs, 10 us, by classic`,
      rows: ['speculation: rcu'],
      least: 1.58,
      unit: '×',
    },
    {
      ...mm,
      text: `faults beside mappers that hold mmap_sem for 10 us, ${cpus} CPUs, served how much sooner than classic`,
      figure: `${cpus} CPUs, 10 us, served`,
      rows: ['speculation: rcu'],
      least: 1.58,
      unit: '×',
    },
    {
      ...mm,
      text: `the same, speculations that succeed, ${cpus} CPUs`,
      figure: `${cpus} CPUs, 10 us, success`,
      rows: ['speculation: rcu'],
      least: 0.95,
      unit: '%',
    },
  ]),
  {
    ...mm,
    text: 'one CPU and nobody maps, time of a fault by classic',
    figure: 'alone, by classic',
    rows: ['speculation: rcu'],
    most: 1.02,
    unit: '×',
  },
  {
    ...mm,
    text: 'faults of the zero page, 2 CPUs, RCU by mm_rb_lock and vm_ref_count',
    figure: 'reads, by rwlock',
    rows: ['speculation: rcu'],
    least: 1,
    unit: '×',
  },
  {
    ...mm,
    text: 'isolation of drivers’ pages, 2 scanners by 1',
    figure: 'scale',
    rows: ['isolation: blocks and balloons of their own'],
    least: 1.6,
    unit: '×',
  },
  {
    ...mm,
    text: 'pages that two scanners isolate at a time',
    figure: 'isolated twice',
    rows: [
      'isolation: blocks and balloons of their own',
      'isolation: one balloon',
      'isolation: the same blocks',
    ],
    most: 0,
    unit: '',
  },
  {
    section: 'selftest',
    text: 'share of broken locks caught by their oracle',
    figure: 'caught',
    rows: 'all',
    least: 1,
    unit: '',
  },
  {
    section: 'selftest',
    text: 'broken locks reported with every oracle off',
    figure: 'without oracles',
    rows: 'all',
    most: 0,
    unit: '',
  },
  {
    section: 'stat',
    text: 'a free lock with lock statistics, by the same without',
    figure: 'with / without',
    rows: ['tas free', 'ticket free', 'mcs free', 'mutex3 free', 'rwlock free'],
    most: 1.15,
    unit: '×',
  },
  {
    section: 'stat',
    text: '2 CPUs that contend, with lock statistics by without',
    figure: 'with / without',
    rows: ['tas contended', 'ticket contended', 'mcs contended', 'mutex3 contended', 'rwlock contended'],
    most: 1.03,
    unit: '×',
  },
  {
    section: 'stat',
    text: 'one record in a histogram in shared memory',
    figure: 'ns',
    rows: ['histogram record'],
    most: 5,
    unit: 'ns',
  },
  {
    section: 'stat',
    text: 'statistics beside what was planted',
    figure: 'off',
    rows: [
      'planted holds',
      'planted holds, not contended',
      'planted waits',
      'planted hot lock',
      'planted unfair lock',
    ],
    most: 0.05,
    unit: '',
  },
  {
    section: 'hunted',
    text: 'share that is found',
    figure: 'found',
    rows: ['classics', 'broken locks'],
    least: 1,
    unit: '',
  },
  {
    section: 'hunted',
    text: 'executions until found',
    figure: 'executions, median of the slowest',
    rows: ['classics'],
    most: 10_000,
    unit: '',
  },
  {
    section: 'hunted',
    text: 'seconds until found',
    figure: 'seconds, median of the slowest',
    rows: ['classics'],
    most: 1,
    unit: '',
  },
  {
    section: 'hunted',
    text: 'preemptions of a shrunk failure',
    figure: 'preemptions, median',
    rows: ['classics', 'broken locks'],
    most: 2,
    unit: '',
  },
  {
    section: 'hunted',
    text: 'accesses shown',
    figure: 'accesses shown, median',
    rows: ['classics', 'broken locks'],
    most: 15,
    unit: '',
  },
  {
    section: 'hunted',
    text: 'seconds to shrink',
    figure: 'seconds to shrink, median',
    rows: ['classics', 'broken locks'],
    most: 2,
    unit: '',
  },
  {
    section: 'hunted',
    text: 'characters of a token',
    figure: 'characters of a token, most',
    rows: ['classics', 'broken locks'],
    most: 256,
    unit: '',
  },
  {
    section: 'hunted',
    text: 'replays that are the run of the token',
    figure: 'replayed',
    rows: ['classics', 'broken locks'],
    least: 1,
    unit: '',
  },
];

function applies({ rows }: Bar, { name, judged, fifo }: Row): boolean {
  if (!judged) return false;
  return rows === 'all' || (rows === 'fifo' ? fifo : rows.includes(name));
}

const NATIVE = /pthread_mutex|\bC /;

/** Holds one bar against one row. @param noPeers why there are no native peers, if there are none */
export function hold(bar: Bar, row: Row, noPeers?: string): Outcome {
  const known = { bar, row: row.name };
  const figure = row.figures[bar.figure];
  if (row.problem !== undefined) return { ...known, verdict: 'MISS', why: row.problem };
  if (figure === undefined) {
    const native = NATIVE.test(bar.figure) ? noPeers : undefined;
    const why = native ?? row.missing?.[bar.figure] ?? `'${bar.figure}' was not measured`;
    return { ...known, verdict: 'skipped', why };
  }
  if (Number.isNaN(figure.value)) return { ...known, verdict: 'MISS', why: 'nothing happened in any block' };
  const { most = Number.POSITIVE_INFINITY, least = Number.NEGATIVE_INFINITY } = bar;
  const pass = figure.value >= least && figure.value <= most;
  const edge = bar.most ?? bar.least ?? Number.NaN;
  const exact = figure.low === figure.high;
  return {
    ...known,
    verdict: pass ? 'pass' : 'MISS',
    figure,
    close: !exact && !tells(figure, edge),
  };
}

/**
 * Holds all bars against the rows of the sections that were run; a bar about rows that were not asked for is
 * left out.
 */
export function holdAll(
  sections: Readonly<Record<string, readonly Row[]>>,
  noPeers?: string,
  table: readonly Bar[] = bars,
): Outcome[] {
  return table.flatMap((bar) =>
    (sections[bar.section] ?? []).filter((row) => applies(bar, row)).map((row) => hold(bar, row, noPeers)),
  );
}
