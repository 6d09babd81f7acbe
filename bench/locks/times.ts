/**
 * Histograms of times that a thread keeps for itself: log-linear, with the buckets of harness/measure/histogram.ts, so that a percentile is known to 3 %.
 *
 * A thread counts in memory of its own and hands over what is not empty; histograms of threads and of forks are added up. Percentiles are the middle of the
 * bucket in which they lie, but never beyond the least and the greatest that were seen.
 */
import { BUCKETS, bucketOf, bucketStart } from '../../harness/measure/histogram.ts';
import type { Times } from '../../harness/measure/schema.ts';

/** What was counted; survives structured clone and JSON. */
export interface Counted {
  /** Bucket, count, bucket, count, … */
  readonly buckets: readonly number[];
  readonly samples: number;
  readonly sum: number;
  readonly min: number;
  readonly max: number;
}

/** A histogram that one thread counts in. */
export class Histogram {
  private readonly counts = new Uint32Array(BUCKETS);
  private samples = 0;
  private sum = 0;
  private min = Number.POSITIVE_INFINITY;
  private max = 0;

  /** Counts a time; a negative one, of a clock that was corrected by too much, is 0. */
  add(nanoseconds: number): void {
    const time = Math.max(nanoseconds, 0);
    this.counts[bucketOf(time)]! += 1;
    this.samples += 1;
    this.sum += time;
    if (time < this.min) this.min = time;
    if (time > this.max) this.max = time;
  }

  /** Forgets everything. */
  clear(): void {
    this.counts.fill(0);
    this.samples = this.sum = this.max = 0;
    this.min = Number.POSITIVE_INFINITY;
  }

  /** What was counted. */
  counted(): Counted {
    const { samples, sum, min, max } = this;
    const buckets: number[] = [];
    this.counts.forEach((count, bucket) => {
      if (count > 0) buckets.push(bucket, count);
    });
    return { buckets, samples, sum, min: samples === 0 ? 0 : min, max };
  }
}

/** Adds histograms up. */
export function together(parts: readonly Counted[]): Counted {
  const counts = new Map<number, number>();
  for (const { buckets } of parts)
    for (let at = 0; at < buckets.length; at += 2)
      counts.set(buckets[at]!, (counts.get(buckets[at]!) ?? 0) + buckets[at + 1]!);
  const seen = parts.filter(({ samples }) => samples > 0);
  return {
    buckets: [...counts].sort(([a], [b]) => a - b).flat(),
    samples: seen.reduce((sum, each) => sum + each.samples, 0),
    sum: seen.reduce((sum, each) => sum + each.sum, 0),
    min: seen.length === 0 ? 0 : Math.min(...seen.map(({ min }) => min)),
    max: Math.max(0, ...seen.map(({ max }) => max)),
  };
}

/** The time below which a share of the samples lies. */
export function percentile({ buckets, samples, min, max }: Counted, share: number): number {
  const wanted = Math.max(1, Math.ceil(share * samples));
  let seen = 0;
  for (let at = 0; at < buckets.length; at += 2) {
    seen += buckets[at + 1]!;
    const bucket = buckets[at]!;
    if (seen >= wanted)
      return Math.min(max, Math.max(min, (bucketStart(bucket) + bucketStart(bucket + 1) - 1) / 2));
  }
  return 0;
}

/** As it is written. @param every one in so many was taken */
export function timesOf(counted: Counted, every: number): Times {
  const { buckets, samples, sum, min, max } = counted;
  const spans: [number, number, number][] = [];
  for (let at = 0; at < buckets.length; at += 2)
    spans.push([bucketStart(buckets[at]!), bucketStart(buckets[at]! + 1), buckets[at + 1]!]);
  return {
    samples,
    every,
    min,
    max,
    mean: samples === 0 ? 0 : sum / samples,
    p50: percentile(counted, 0.5),
    p90: percentile(counted, 0.9),
    p99: percentile(counted, 0.99),
    p999: percentile(counted, 0.999),
    total: sum * every,
    buckets: spans,
  };
}

/** Back from what was written, so that it can be added up: exact for buckets of these bounds, and to a bucket for others. */
export function countedOf({ buckets, samples, mean, min, max }: Times): Counted {
  return {
    buckets: buckets.flatMap(([from, , count]) => [bucketOf(from), count]),
    samples,
    sum: mean * samples,
    min,
    max,
  };
}
