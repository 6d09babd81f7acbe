/**
 * The benchmark: its sections in order, on one machine, in one run, with the native peers beside wherever C
 * has the same lock.
 *
 * A section that cannot be finished (no C compiler, a lock that throws) says so and the rest goes on. An
 * interrupted run reports the sections that were complete.
 */
import { type Bar, bars, holdAll, type Outcome } from './bars.ts';
import { contended } from './contended.ts';
import { instructions, litmus, padding, selftest } from './extras.ts';
import { gated } from './gated.ts';
import { huntedSection } from './hunted.ts';
import { type BenchMachine, describeMachine } from './machine.ts';
import { mm } from './mm/index.ts';
import { type NativePeers, nativePeers } from './native.ts';
import { crowding, oversubscribed } from './oversubscribed.ts';
import { packages } from './packages.ts';
import type { Budget, PublishedLocks, Row, Surroundings } from './section.ts';
import { startup } from './startup.ts';
import { statSection } from './stat.ts';
import { contendedTable, noise, oversubscribedTable, startupTable, uncontendedTable } from './table.ts';
import type { BenchSubject } from './team.ts';
import { traced } from './traced.ts';
import { uncontended } from './uncontended.ts';

/**
 * The sections, in the order in which they run. The last three take longer than a quick run should: they
 * are not part of one unless asked for.
 */
export const SECTIONS = [
  'uncontended',
  'contended',
  'oversubscribed',
  'packages',
  'startup',
  'litmus',
  'instructions',
  'padding',
  'traced',
  'stat',
  'gated',
  'mm',
  'selftest',
  'hunted',
] as const;
/** The name of a section. */
export type SectionName = (typeof SECTIONS)[number];

/** About forty minutes with every lock. */
export const FULL: Budget = {
  uncontended: { rounds: 15, warmup: 250, block: 12 },
  contended: { rounds: 12, warmup: 300, block: 50 },
  oversubscribed: { rounds: 3, warmup: 300, many: 1500, two: 300 },
  startup: { runs: 9 },
  litmus: { instances: 20_000_000, ordered: 100_000_000 },
  instructions: { time: 60 },
  padding: { time: 400 },
  traced: { rounds: 60 },
  stat: { teams: 5, rounds: 9, window: 50, planted: 3000 },
  gated: { executions: 20_000, blocks: 20 },
  mm: {
    rounds: 24,
    warmup: 40,
    window: 40,
    sweeps: 2,
    cpus: [1, 2, 4, 8],
    shares: [0, 30, 60, 90],
    truncated: { vmas: 1000, pages: 100, times: 7 },
    speculation: { cpus: [1, 2, 4, 8, 16], holds: [0, 1, 10], rounds: 12, warmup: 4, window: 40 },
    compacted: { frames: 1024, orders: [1, 2, 3, 4], times: 9 },
  },
  selftest: { control: true },
  hunted: { seeds: 20, replays: 1000, mutants: true },
};

/** Under a minute: enough to see what is badly wrong. */
export const QUICK: Budget = {
  uncontended: { rounds: 5, warmup: 60, block: 5 },
  contended: { rounds: 5, warmup: 80, block: 15 },
  oversubscribed: { rounds: 1, warmup: 60, many: 400, two: 150 },
  startup: { runs: 3 },
  litmus: { instances: 2_000_000, ordered: 2_000_000 },
  instructions: { time: 10 },
  padding: { time: 60 },
  traced: { rounds: 10 },
  stat: { teams: 1, rounds: 5, window: 40, planted: 1500 },
  gated: { executions: 4_000, blocks: 5 },
  mm: {
    rounds: 5,
    warmup: 20,
    window: 20,
    sweeps: 1,
    cpus: [1, 2, 4, 8],
    shares: [0, 30, 60, 90],
    truncated: { vmas: 200, pages: 50, times: 3 },
    speculation: { cpus: [2, 8], holds: [0, 1, 10], rounds: 5, warmup: 3, window: 20 },
    compacted: { frames: 512, orders: [1, 2, 3, 4], times: 3 },
  },
  selftest: { control: false },
  hunted: { seeds: 1, replays: 20, mutants: false },
};

/** What to measure. */
export interface BenchOptions {
  readonly sections: readonly SectionName[];
  readonly subjects: readonly BenchSubject[];
  /** Locks that every other one is held against. */
  readonly against?: readonly BenchSubject[];
  /** Published locks, for the section `packages`. */
  readonly packages?: PublishedLocks;
  readonly budget: Budget;
  /** Found on this machine unless given. */
  readonly peers?: NativePeers;
  readonly bars?: readonly Bar[];
  readonly signal?: AbortSignal;
  /** Told of the machine, before anything is measured. */
  readonly onMachine?: (machine: BenchMachine) => void;
  /** Told of what is being measured. */
  readonly onProgress?: (text: string) => void;
  /** Told of each section when it is complete. */
  readonly onSection?: (name: SectionName, text: string) => void;
}

/** What came out; plain data that survives JSON. */
export interface BenchReport {
  readonly schemaVersion: 1;
  readonly command: 'bench';
  readonly complete: boolean;
  readonly machine: BenchMachine;
  readonly budget: Budget;
  /** Rows of each section that was run. */
  readonly sections: Readonly<Partial<Record<SectionName, readonly Row[]>>>;
  readonly noise: string;
  readonly outcomes: readonly Outcome[];
  /** What else needs to be said. */
  readonly notes: readonly string[];
}

interface Finished {
  readonly rows: readonly Row[];
  readonly text: string;
}

type Section = (subjects: readonly BenchSubject[], around: Surroundings) => Promise<Finished>;

const RUN: Readonly<Record<SectionName, Section>> = {
  async uncontended(subjects, around) {
    const rows = await uncontended(subjects, around);
    return { rows, text: uncontendedTable(rows) };
  },
  async contended(subjects, around) {
    const rows = await contended(subjects, around);
    return { rows, text: contendedTable(rows) };
  },
  async oversubscribed(subjects, around) {
    const rows = await oversubscribed(subjects, around);
    return { rows, text: oversubscribedTable(rows, crowding(around)) };
  },
  packages: (_subjects, around) => packages(around),
  async startup(_subjects, around) {
    const rows = await startup(around);
    return { rows, text: startupTable(rows) };
  },
  litmus: (_subjects, around) => litmus(around),
  instructions: (_subjects, around) => instructions(around),
  padding: (_subjects, around) => padding(around),
  traced: (_subjects, around) => traced(around),
  stat: (_subjects, around) => statSection(around),
  gated: (_subjects, around) => gated(around),
  mm: (_subjects, around) => mm(around),
  selftest: (_subjects, around) => selftest(around),
  hunted: (_subjects, around) => huntedSection(around),
};

/** Runs the sections. */
export async function bench(options: BenchOptions): Promise<BenchReport> {
  const { sections: names, subjects, against = [], budget, signal } = options;
  const peers = options.peers ?? nativePeers();
  const machine = describeMachine(peers);
  options.onMachine?.(machine);
  const around: Surroundings = {
    budget,
    peers,
    pin: machine.pinning === true ? machine.usable : [],
    cores: machine.usable.length,
    against,
    packages: options.packages ?? { mutex: undefined, published: [], absent: [] },
    ...(signal ? { signal } : {}),
    progress: options.onProgress ?? (() => {}),
  };
  const sections: Partial<Record<SectionName, readonly Row[]>> = {};
  const unfinished: SectionName[] = [];
  for (const name of SECTIONS.filter((each) => names.includes(each))) {
    try {
      signal?.throwIfAborted();
      const { rows, text } = await RUN[name](subjects, around);
      sections[name] = rows;
      options.onSection?.(name, text);
    } catch (error) {
      if (!signal?.aborted) throw error;
      unfinished.push(name);
    }
  }
  const noPeers = peers.available ? undefined : `no native peers: ${peers.reason}`;
  return {
    schemaVersion: 1,
    command: 'bench',
    complete: unfinished.length === 0,
    machine,
    budget,
    sections,
    noise: noise(sections as Record<string, readonly Row[]>),
    outcomes: holdAll(sections as Record<string, readonly Row[]>, noPeers, options.bars ?? bars),
    notes: [
      ...(noPeers === undefined ? [] : [`figures of C were skipped: ${noPeers}`]),
      ...(unfinished.length === 0 ? [] : [`interrupted: ${unfinished.join(', ')} did not end`]),
    ],
  };
}
