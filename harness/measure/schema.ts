/**
 * Results of measurements, as they are written and read: by `lockrig stat`, `lockrig bench locks`, `lockrig report`, and by whoever else reads JSON.
 *
 * Plain data. A time is in nanoseconds unless its name says otherwise, a rate is by the second, a share lies between 0 and 1. A folder of results holds any of
 *
 *   locks.json      a {@link SweepDocument}: what locks cost, by CPUs, section, readers, waiting and number of locks
 *   stat.json       a {@link LockStatDocument}: who waited for which lock, and for how long it was held
 *   timeline.json   a {@link TimelineDocument}: who wanted, had and gave up which lock, and when
 *   results.json    results of a torture; hunt.json and failures of a hunt; bench.json of the other benchmarks
 *
 * A reader refuses a `schemaVersion` that is greater than its own, and keeps what it does not know.
 */
import type { Environment } from '../torture/result.ts';

/** The version that is written. */
export const MEASURE_SCHEMA = 1;

/** Times of one thing, of which one in `every` was taken. */
export interface Times {
  readonly samples: number;
  readonly every: number;
  /** Of the samples; all are 0 where there are none. */
  readonly min: number;
  readonly max: number;
  readonly mean: number;
  readonly p50: number;
  readonly p90: number;
  readonly p99: number;
  readonly p999: number;
  /** Of all, by the mean of the samples. */
  readonly total: number;
  /** The histogram's buckets that are not empty, ascending: from, to (not included), how many; of lock_stat how many of all, as far as the samples tell. */
  readonly buckets: readonly (readonly [from: number, to: number, count: number])[];
}

/** How a lock is taken: a mutex always to write. */
export type LockMode = 'write' | 'read';

/** A row of lock_stat: a class of locks, taken in one mode. */
export interface LockClassStats {
  readonly name: string;
  readonly mode: LockMode;
  /** Counted one by one: acquisitions, those that had to wait, and of both those where another CPU had it last. */
  readonly acquisitions: number;
  readonly contentions: number;
  readonly acquisitionBounces: number;
  readonly contentionBounces: number;
  /** Attempts that did not wait and did not get it: no acquisitions, and no contentions. */
  readonly tryFailures?: number;
  /** Acquisitions of each CPU. */
  readonly byCpu?: readonly number[];
  readonly wait: Times;
  readonly hold: Times;
  /** Contentions by who waited (row) and who had it (column); a last column for those whose owner was not seen. */
  readonly matrix: readonly (readonly number[])[];
  /** Where CPUs waited, and where who held it had taken it; most frequent first. One in `every` contentions was looked at. */
  readonly points: {
    readonly every: number;
    readonly waiters: readonly ContentionPoint[];
    readonly holders: readonly ContentionPoint[];
  };
}

/** A place in the source. */
export interface ContentionPoint {
  /** The function that takes the lock, and where, and from where that was called: `take (src/mm/sections.ts:107) from munmap (src/mm/munmap.ts:42)`. */
  readonly place: string;
  readonly count: number;
}

/** What every document begins with. */
export interface DocumentHead {
  readonly schemaVersion: number;
  readonly command: string;
  /** Whether the run came to its end. */
  readonly complete: boolean;
  readonly environment: Environment;
}

/** `stat.json`. */
export interface LockStatDocument extends DocumentHead {
  readonly subject: string;
  readonly cpus: number;
  readonly seconds: number;
  readonly classes: readonly LockClassStats[];
}

/** A time in which a CPU waited for a lock, and had it; since the window began. */
export interface Span {
  readonly cpu: number;
  /** The class, and which lock of it. */
  readonly lock: string;
  readonly mode: LockMode;
  readonly wanted: number;
  readonly had: number;
  /** The end of the window, where it was not given up in it. */
  readonly gave: number;
}

/** `timeline.json`: a window in which every acquisition was timed. */
export interface TimelineDocument extends DocumentHead {
  readonly subject: string;
  readonly cpus: number;
  readonly nanoseconds: number;
  readonly spans: readonly Span[];
  /** Spans that did not fit. */
  readonly lost: number;
}

/** A figure of several forks, each in processes of its own. */
export interface Measured {
  readonly median: number;
  /** 10th and 90th percentile of the samples. */
  readonly low: number;
  readonly high: number;
  readonly samples: readonly number[];
  /** Median of each fork, in their order. */
  readonly forks?: readonly number[];
  /** Standard deviation by mean of the forks' medians. */
  readonly variation: number;
}

/** What a lock that is not lockrig's or the user's is. */
export interface Peer {
  readonly kind: 'native' | 'npm' | 'v8' | 'node';
  readonly version: string;
}

/** Where a sweep measured. */
export interface Setting {
  readonly cpus: number;
  /** How long the section is, and how long a CPU stays away. */
  readonly section: number;
  readonly outside: number;
  /** Share of sections that only read. */
  readonly reads: number;
  readonly waiting: 'spin' | 'spin-then-park' | 'park';
  /** How many locks of the class the CPUs choose from. */
  readonly locks: number;
}

/** One lock in one setting. */
export interface SweepPoint extends Setting {
  readonly lock: string;
  readonly peer?: Peer;
  /** Sections by the second, of all CPUs. */
  readonly throughput?: Measured;
  /** From wanting the lock to having it. */
  readonly latency?: Times;
  /** The 99th percentile of it, by fork: how far it may be relied on. */
  readonly p99?: Measured;
  /** From having the lock to giving it up. */
  readonly hold?: Times;
  /** From giving it up to the next CPU having it, where that waited. */
  readonly handoff?: Times;
  /** Sections of each CPU, and how evenly they were distributed: greatest by least, and Jain's index. */
  readonly fairness?: {
    readonly shares: readonly number[];
    readonly ratio: number;
    readonly jain: number;
    /** Jain's index, by fork. */
    readonly byFork?: Measured;
  };
  /** Who waited (row) for whom (column): hand-offs from CPU to CPU. */
  readonly handoffs?: readonly (readonly number[])[];
  /** How long the section and the time outside were, as calibrated; turns of the busy loop in a section, and what one takes. */
  readonly calibrated?: {
    readonly section: number;
    readonly outside: number;
    readonly turns?: number;
    readonly turn?: number;
  };
  /** Forks differ by more than a report may claim. */
  readonly noisy?: string;
  /** It did not come to an end here. */
  readonly stalled?: string;
  /** It was not measured, and why. */
  readonly skipped?: string;
  /** It was not measured because it let two CPUs in. */
  readonly violation?: boolean;
}

/** A sentence, and the figures that it rests on. */
export interface Advice {
  readonly text: string;
  readonly evidence: readonly string[];
}

/** A figure of this run by that of an earlier one. */
export interface Compared extends Setting {
  readonly lock: string;
  readonly figure: 'throughput' | 'p99';
  readonly now?: number;
  readonly before?: number;
  /** This run's by the earlier one's, as far as the ranges of both allow. */
  readonly ratio?: { readonly value: number; readonly low: number; readonly high: number };
  /** `unclear`: it differs by more than the threshold, and noise may be why. */
  readonly verdict: 'same' | 'better' | 'worse' | 'unclear';
  readonly why?: string;
  /** The runs are not comparable, and were compared all the same. */
  readonly forced?: true;
}

/** A run by an earlier one. */
export interface Comparison {
  readonly threshold: number;
  /** Why the runs are not comparable. */
  readonly forced: readonly string[];
  readonly rows: readonly Compared[];
  /** Points of the earlier run that this one has not, and the reverse. */
  readonly missing: { readonly now: number; readonly before: number };
  /** The earlier run did not come to its end. */
  readonly partial: boolean;
}

/** `locks.json`. */
export interface SweepDocument extends DocumentHead {
  /** As they were asked for; two runs may be compared where they are the same. */
  readonly options: Readonly<Record<string, unknown>>;
  readonly locks: readonly string[];
  readonly peers: readonly (Peer & { readonly name: string })[];
  readonly absent: readonly string[];
  readonly points: readonly SweepPoint[];
  readonly advice: readonly Advice[];
  /** How quiet the machine was. */
  readonly noise: string;
  /** Where every axis but the one that is walked stays. */
  readonly base?: Setting;
  readonly comparison?: Comparison;
}
