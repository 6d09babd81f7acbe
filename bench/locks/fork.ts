/**
 * One fork: a process that is new, and measures locks in one setting, side by side.
 *
 * Each lock has a team of threads of its own. They take turns, one window each, round after round, so that what slows the machine down for a while slows all
 * of them. A lock that fails here is told of and left out; the others go on.
 */
import { threadsLeft } from '../../harness/cpus/threads.ts';
import type { Setting } from '../../harness/measure/schema.ts';
import { BenchFailure, type BenchSubject } from '../team.ts';
import type { SweepReport } from './cpu.ts';
import { SweepStall, SweepTeam } from './team.ts';
import { type Counted, together } from './times.ts';
import { Watched } from './watched.ts';

/** How long a fork measures. Times in milliseconds. */
export interface ForkBudget {
  readonly rounds: number;
  readonly warmup: number;
  /** A window of each kind. */
  readonly window: number;
  readonly stallAfter: number;
}

/** What one lock showed in one fork. */
export interface ForkFigures {
  /** Sections by the second, of all CPUs, by window. */
  readonly throughput: readonly number[];
  /** Sections of each CPU, over all windows. */
  readonly shares: readonly number[];
  readonly wait: Counted;
  readonly hold: Counted;
  readonly handoff: Counted;
  /** Hand-offs by who waited (row) and who gave it up (column). */
  readonly handoffs: readonly (readonly number[])[];
  /** One section in so many was timed for its wait, and as many for its length. */
  readonly every: number;
  /** Nanoseconds of a turn of work, and turns of a section and outside. */
  readonly turn: number;
  readonly turns: { readonly section: number; readonly outside: number };
}

/** Why there are no figures. */
export interface ForkProblem {
  readonly kind: 'stalled' | 'broken' | 'failed';
  readonly text: string;
}

/** What a fork says of one lock. */
export type ForkAnswer = { readonly figures: ForkFigures } | { readonly problem: ForkProblem };

/** What a fork is told; survives JSON. */
export interface ForkOrder {
  /** `stat`: the file that its lock statistics go to while it is measured; they are not kept unless given. */
  readonly subjects: readonly { readonly name: string; readonly url?: string; readonly stat?: string }[];
  readonly setting: Setting;
  readonly budget: ForkBudget;
  readonly pin: readonly number[];
}

/** Looks at the clock may take this share of a CPU's time. */
const CLOCK_SHARE = 0.05;
/** About what the looks of a timed section take, in nanoseconds. */
const LOOKS = 150;
const MOST_EVERY = 256;

interface Entry {
  readonly team: SweepTeam;
  readonly turn: number;
  readonly turns: { readonly section: number; readonly outside: number };
  every: number;
  readonly throughput: number[];
  shares: number[];
  readonly watched: Watched | undefined;
}

function problemOf(error: Error): ForkProblem {
  if (error instanceof SweepStall) return { kind: 'stalled', text: error.message };
  if (error instanceof BenchFailure && error.code === 'ECOUNTER')
    return { kind: 'broken', text: error.message };
  return { kind: 'failed', text: error.message.split('\n')[0]! };
}

async function enter(
  subject: BenchSubject,
  { setting, pin, budget }: ForkOrder,
  stat: string | undefined,
): Promise<Entry> {
  const team = await SweepTeam.start({
    ...{ subject, setting, pin, stallAfter: budget.stallAfter },
    stat: stat !== undefined,
  });
  try {
    const turn = await team.calibrate();
    const turns = {
      section: Math.round(setting.section / turn),
      outside: Math.round(setting.outside / turn),
    };
    team.lengths(turns.section, turns.outside, 1);
    const warm = await team.window('fast', budget.warmup, budget.window);
    const rounds = warm.shares.reduce((sum, each) => sum + each, 0);
    const each = (warm.milliseconds * 1e6 * setting.cpus) / Math.max(1, rounds);
    const every = Math.min(MOST_EVERY, Math.max(1, Math.ceil(LOOKS / (CLOCK_SHARE * each))));
    team.lengths(turns.section, turns.outside, every);
    await team.window('timed', budget.warmup / 4, budget.window / 2);
    await team.collect();
    const watched = stat === undefined ? undefined : new Watched(stat, subject.lock.name, setting, team);
    return { team, turn, turns, every, throughput: [], shares: warm.shares.map(() => 0), watched };
  } catch (error) {
    await team.end();
    throw error;
  }
}

async function round(entry: Entry, { budget }: ForkOrder): Promise<void> {
  const { team, throughput } = entry;
  const { milliseconds, shares } = await team.window('fast', budget.warmup / 8, budget.window);
  throughput.push((shares.reduce((sum, each) => sum + each, 0) * 1000) / milliseconds);
  entry.shares = entry.shares.map((share, cpu) => share + shares[cpu]!);
  await team.window('timed', 0, budget.window);
  entry.watched?.look();
}

function figuresOf(
  { throughput, shares, every, turn, turns }: Entry,
  reports: readonly SweepReport[],
): ForkFigures {
  return {
    throughput,
    shares,
    wait: together(reports.map(({ wait }) => wait)),
    hold: together(reports.map(({ hold }) => hold)),
    handoff: together(reports.map(({ handoff }) => handoff)),
    handoffs: reports.map(({ from }) => from),
    every: 2 * every,
    turn,
    turns,
  };
}

/**
 * Measures. `tell` hears of each lock, by its place in the order, as soon as it is known how it ended.
 * @returns whether all were measured or failed by themselves; not, where a thread could not be ended: what runs on beside it is not worth measuring
 */
export async function measureFork(
  order: ForkOrder,
  subjects: readonly BenchSubject[],
  tell: (at: number, answer: ForkAnswer) => void,
): Promise<boolean> {
  const entries = new Map<number, Entry>();
  const failed = async (at: number, error: Error): Promise<boolean> => {
    await entries.get(at)?.team.end();
    entries.delete(at);
    tell(at, { problem: problemOf(error) });
    return threadsLeft();
  };
  try {
    for (const [at, subject] of subjects.entries()) {
      try {
        entries.set(at, await enter(subject, order, order.subjects[at]!.stat));
      } catch (error) {
        if (await failed(at, error as Error)) return false;
      }
    }
    for (let each = 0; each < order.budget.rounds; each += 1) {
      for (const [at, entry] of [...entries]) {
        try {
          await round(entry, order);
        } catch (error) {
          if (await failed(at, error as Error)) return false;
        }
      }
    }
    for (const [at, entry] of entries) tell(at, { figures: figuresOf(entry, await entry.team.collect()) });
    return true;
  } finally {
    await Promise.all([...entries.values()].map(({ team }) => team.end()));
  }
}
