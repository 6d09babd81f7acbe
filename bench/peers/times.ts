/**
 * Times in log-linear buckets: exact below 16 ns, from there on sixteen for each power of two, so that a bucket is at most 6 % wide. native/sweep.c has the same.
 */
import type { Times } from '../../harness/measure/schema.ts';

const HALF = 16;
/** Up to 2^40 ns, 18 minutes. */
const BUCKETS = HALF * 38;

/** What was recorded; plain data. */
export interface Recorded {
  readonly samples: number;
  readonly every: number;
  readonly min: number;
  readonly max: number;
  readonly sum: number;
  readonly buckets: Times['buckets'];
}

/** The bucket of a time. */
function bucketOf(ns: number): number {
  const whole = Math.max(0, Math.floor(ns));
  if (whole < HALF) return whole;
  const power = Math.floor(Math.log2(whole));
  const at = (power - 3) * HALF + Math.floor(whole / 2 ** (power - 4)) - HALF;
  return Math.min(BUCKETS - 1, at);
}

const bucketFrom = (at: number): number =>
  at < HALF ? at : (HALF + (at % HALF)) * 2 ** (Math.floor(at / HALF) - 1);

/** Times of one CPU. */
export class Recorder {
  private readonly counts = new Uint32Array(BUCKETS);
  private samples = 0;
  private min = Number.POSITIVE_INFINITY;
  private max = 0;
  private sum = 0;

  record(ns: number): void {
    this.counts[bucketOf(ns)]! += 1;
    this.samples += 1;
    this.sum += ns;
    if (ns < this.min) this.min = ns;
    if (ns > this.max) this.max = ns;
  }

  recorded(every: number): Recorded {
    const buckets = [...this.counts].flatMap((count, at) =>
      count === 0 ? [] : [[bucketFrom(at), bucketFrom(at + 1), count] as const],
    );
    const { samples, max, sum } = this;
    return { samples, every, min: samples === 0 ? 0 : this.min, max, sum, buckets };
  }
}

/** Times of several CPUs as one. */
export function together(all: readonly Recorded[]): Recorded {
  const counts = new Map<number, readonly [number, number, number]>();
  for (const { buckets } of all)
    for (const [from, to, count] of buckets)
      counts.set(from, [from, to, count + (counts.get(from)?.[2] ?? 0)]);
  const some = all.filter(({ samples }) => samples > 0);
  return {
    samples: all.reduce((sum, each) => sum + each.samples, 0),
    every: all[0]?.every ?? 0,
    min: some.length === 0 ? 0 : Math.min(...some.map(({ min }) => min)),
    max: Math.max(0, ...some.map(({ max }) => max)),
    sum: all.reduce((sum, each) => sum + each.sum, 0),
    buckets: [...counts.values()].sort(([a], [b]) => a - b),
  };
}

/** The time below which a share of the samples lies: within its bucket in proportion. */
function percentile({ samples, min, max, buckets }: Recorded, share: number): number {
  let left = samples * share;
  for (const [from, to, count] of buckets) {
    if (left <= count) return Math.min(max, Math.max(min, from + ((to - from) * left) / count));
    left -= count;
  }
  return max;
}

/** Sums up what was recorded. @param count of how many things: those that were not timed, too */
export function timesOf(recorded: Recorded, count: number): Times {
  const { samples, every, min, max, sum, buckets } = recorded;
  const mean = samples === 0 ? 0 : sum / samples;
  const at = (share: number): number => (samples === 0 ? 0 : percentile(recorded, share));
  return {
    samples,
    every,
    min,
    max,
    mean,
    p50: at(0.5),
    p90: at(0.9),
    p99: at(0.99),
    p999: at(0.999),
    total: mean * count,
    buckets,
  };
}
