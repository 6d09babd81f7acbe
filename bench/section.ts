/**
 * What the sections of the benchmark have in common: where and for how long they measure, and the rows that
 * they answer.
 */
import type { NativePeers, NativeResult, NativeRun } from './native.ts';
import type { Form } from './rounds.ts';
import { caseName, formsOf } from './rounds.ts';
import { type Figure, jain, type Series } from './stats.ts';
import type { BenchSubject } from './team.ts';
import { type Contestant, takeTurns } from './turns.ts';

/** How much time the sections may take. Times in milliseconds. */
export interface Budget {
  /** A contestant has a block of `block` in each of `rounds` rounds, after `warmup`. */
  readonly uncontended: { readonly rounds: number; readonly warmup: number; readonly block: number };
  /** Each block is preceded by as long a warm-up. */
  readonly contended: { readonly rounds: number; readonly warmup: number; readonly block: number };
  /** `many` is the window of all CPUs, `two` that of two. `cpus`: by the cores unless given. */
  readonly oversubscribed: {
    readonly rounds: number;
    readonly warmup: number;
    readonly many: number;
    readonly two: number;
    readonly cpus?: number;
  };
  readonly startup: { readonly runs: number };
  /** Instances where weak outcomes are looked for, and where there must be none. */
  readonly litmus: { readonly instances: number; readonly ordered: number };
  readonly instructions: { readonly time: number };
  readonly padding: { readonly time: number };
  /** Blocks of each engine. */
  readonly traced: { readonly rounds: number };
  /** Teams of each lock, one after the other, blocks of each with statistics and without, milliseconds of those where two CPUs contend, and of what is planted. */
  readonly stat: {
    readonly teams: number;
    readonly rounds: number;
    readonly window: number;
    readonly planted: number;
  };
  /** Blocks of each mode, and executions of a block. */
  readonly gated: { readonly executions: number; readonly blocks: number };
  /** Seeds of a classic, replays of a token, and whether broken locks are hunted, too. */
  readonly hunted: { readonly seeds: number; readonly replays: number; readonly mutants: boolean };
  /**
   * Blocks of each task; windows of CPUs that run together, in ms; how often each regime is measured, and with
   * how many CPUs; percentages of pages that are mlocked.
   */
  readonly mm: {
    readonly rounds: number;
    readonly warmup: number;
    readonly window: number;
    readonly sweeps: number;
    readonly cpus: readonly number[];
    readonly shares: readonly number[];
    /** Vmas of a file that is truncated, and its pages; how often. */
    readonly truncated: { readonly vmas: number; readonly pages: number; readonly times: number };
    /** Threads of one address space that fault and map; microseconds for which mappers keep mmap_sem. */
    readonly speculation: {
      readonly cpus: readonly number[];
      readonly holds: readonly number[];
      readonly rounds: number;
      readonly warmup: number;
      readonly window: number;
    };
    /** Frames of a memory in which high-order allocations are tried, how often it is filled anew, and their orders. */
    readonly compacted: {
      readonly frames: number;
      readonly orders: readonly number[];
      readonly times: number;
    };
  };
  /** Whether the self-test also runs with every oracle off. */
  readonly selftest: { readonly control: boolean };
}

/** Published locks that one of lockrig's own is measured beside. */
export interface PublishedLocks {
  readonly mutex: BenchSubject | undefined;
  readonly published: readonly (BenchSubject & { readonly version: string })[];
  /** What is not there, and why. */
  readonly absent: readonly string[];
}

/** What a section measures with. */
export interface Surroundings {
  readonly budget: Budget;
  readonly peers: NativePeers;
  /** Cores to pin to, in turn; none: nothing is pinned. */
  readonly pin: readonly number[];
  /** Cores that this process may use. */
  readonly cores: number;
  /** Locks that every other one is held against. */
  readonly against: readonly BenchSubject[];
  readonly packages: PublishedLocks;
  readonly signal?: AbortSignal;
  /** Says what is being measured. */
  readonly progress: (text: string) => void;
}

/** One contestant of a row. */
export interface Party extends Series {
  /** Rounds of each CPU, where there are several. */
  readonly shares?: readonly number[];
  /** Least share by greatest. */
  readonly evenness?: number;
  readonly jain?: number;
  /** The longest time, in ms, that one CPU went without a round. */
  readonly silence?: number;
}

/** What was found out about one lock in one form. */
export interface Row {
  /** The lock, with the form where it has several: `rwlock read`. */
  readonly name: string;
  /** Whether the bars apply: one of lockrig's own locks. */
  readonly judged: boolean;
  /** Whether the lock promises first come, first served. */
  readonly fifo: boolean;
  /** By contestant. */
  readonly parties: Readonly<Record<string, Party>>;
  /** By what is compared: `wasm / pthread_mutex`. */
  readonly figures: Readonly<Record<string, Figure>>;
  /** Why a figure that bars are about is not among them. */
  readonly missing?: Readonly<Record<string, string>>;
  /** Why there are no figures. */
  readonly problem?: string;
}

/** A lock in a form. */
export interface Case {
  readonly subject: BenchSubject;
  readonly form: Form;
  readonly name: string;
}

/** The cases of locks, alone or together. */
export function casesOf(subjects: readonly BenchSubject[], where: 'alone' | 'together'): Case[] {
  return subjects.flatMap((subject) =>
    formsOf(subject.lock.kind, where).map((form) => ({ subject, form, name: caseName(subject.lock, form) })),
  );
}

/** The case of another lock that resembles a form most: the same, or else the one that excludes. */
export function caseLike(subject: BenchSubject, form: Form, where: 'alone' | 'together'): Case {
  const cases = casesOf([subject], where);
  return cases.find((each) => each.form === form) ?? cases.at(-1)!;
}

/** The locks to hold a case against, but for itself. */
export function rivals(
  { against }: Surroundings,
  { subject, form }: Case,
  where: 'alone' | 'together',
): Case[] {
  return against
    .filter(({ lock, url }) => lock.name !== subject.lock.name || url !== subject.url)
    .map((rival) => caseLike(rival, form, where));
}

/** What is found out about a row from its samples. */
export type Judged = Pick<Row, 'parties' | 'figures' | 'missing'>;

/** Something that was started for a row and must be ended. */
export interface Ends {
  end(): Promise<void>;
}

/**
 * Measures one row: `cast` starts what it needs and names the contestants, they take turns, `judge` makes the
 * row. A failure becomes the row's problem; an abort is thrown.
 */
export async function measureRow(
  { name, subject }: Case,
  { signal }: Surroundings,
  rounds: number,
  cast: (started: Ends[]) => Promise<Contestant[]>,
  judge: (samples: Map<string, number[]>) => Judged,
): Promise<Row> {
  const fifo = subject.lock.promises.fifo === true;
  const judged = subject.url === undefined && subject.lock.mutant === undefined;
  const known = { name, judged, fifo };
  const started: Ends[] = [];
  try {
    signal?.throwIfAborted();
    const contestants = await cast(started);
    return { ...known, ...judge(await takeTurns(contestants, rounds, signal)) };
  } catch (error) {
    if (signal?.aborted) throw error;
    return { ...known, parties: {}, figures: {}, problem: (error as Error).message };
  } finally {
    await Promise.all(started.map((each) => each.end()));
  }
}

/** How evenly shares were distributed. */
export function fairnessOf(shares: readonly number[]): Pick<Party, 'shares' | 'evenness' | 'jain'> {
  return { shares, evenness: Math.min(...shares) / Math.max(...shares), jain: jain(shares) };
}

/**
 * The names of C's locks that stand beside a lock: its own twin, if it has one, and the C library's mutex.
 */
export function peersOf(
  { peers }: Surroundings,
  { lock, url }: BenchSubject,
): { own: string[]; library: string[] } {
  if (!peers.available) return { own: [], library: [] };
  const library = peers.locks.filter((name) => name === 'pthread_mutex');
  return { own: peers.locks.filter((name) => url === undefined && name === lock.name), library };
}

/** Runs a native peer. @throws TypeError when there are none: ask {@link peersOf} first */
export function runPeer({ peers, pin }: Surroundings, run: NativeRun): Promise<NativeResult> {
  if (!peers.available) throw new TypeError(`there are no native peers: ${peers.reason}`);
  return peers.run({ ...run, ...(pin.length > 0 ? { pin } : {}) });
}
