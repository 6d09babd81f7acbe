/**
 * Log-linear histograms in shared memory: what HdrHistogram (Tene 2012) does, for one writer.
 *
 * A histogram is a run of 64-bit floats: a CPU adds to its own with plain stores, whoever reads adds those of all CPUs up. There is no lock and no
 * atomic: each number is one aligned word of 64 bits, so a reader may see a sample half recorded, and never half a number. Counts stay exact up to 2^53.
 *
 *   samples   how many were recorded
 *   sum       of the values by their weights
 *   min, max  of the samples; max + 1, so that zeroed memory is an empty histogram, and min likewise
 *   buckets   weights, a sample of one in n stands for n: one a nanosecond up to 64, then 32 an octave, so that a bucket is at most 3.2 % wide; the last one has
 *             all from 18 minutes
 *
 * Where a value lies among the buckets is the same for histograms that one thread keeps for itself (bench/locks/times.ts).
 */
import type { Times } from './schema.ts';

const SAMPLES = 0;
const SUM = 1;
const MIN = 2;
const MAX = 3;
const FIRST = 4;

const SUB_BITS = 5;
const SUB = 1 << SUB_BITS;
const OCTAVES = 40;
/** How many there are. */
export const BUCKETS = (OCTAVES - SUB_BITS + 1) * SUB;
/** Values that are told apart by whole numbers of 31 bits. */
const SHORT = 2 ** 31;

/** Numbers of a histogram. */
export const HISTOGRAM_NUMBERS = FIRST + BUCKETS;

function longBucket(value: number): number {
  const octave = Math.min(OCTAVES, Math.floor(Math.log2(value)));
  const step = Math.min(2 * SUB - 1, Math.floor(value / 2 ** (octave - SUB_BITS)));
  return Math.min(BUCKETS - 1, (octave - SUB_BITS) * SUB + step);
}

/** The bucket of a value. @param value not negative */
export function bucketOf(value: number): number {
  if (value >= SHORT) return longBucket(value);
  const whole = value | 0;
  if (whole < SUB) return whole;
  const shift = 26 - Math.clz32(whole);
  return (shift << SUB_BITS) + (whole >>> shift);
}

/** The least value of a bucket. */
export function bucketStart(bucket: number): number {
  if (bucket < 2 * SUB) return bucket;
  const shift = (bucket >>> SUB_BITS) - 1;
  return (SUB + (bucket & (SUB - 1))) * 2 ** shift;
}

/**
 * Records a value.
 * @param at where the histogram begins
 * @param value nanoseconds
 * @param weight for how many it stands
 */
export function record(
  numbers: Float64Array<SharedArrayBuffer>,
  at: number,
  value: number,
  weight: number,
): void {
  numbers[at + FIRST + bucketOf(value)]! += weight;
  numbers[at + SAMPLES]! += 1;
  numbers[at + SUM]! += value * weight;
  const past = value + 1;
  if (past > numbers[at + MAX]!) numbers[at + MAX] = past;
  const least = numbers[at + MIN]!;
  if (least === 0 || past < least) numbers[at + MIN] = past;
}

/** Histograms added up. */
export class Merged {
  private readonly sum = new Float64Array(HISTOGRAM_NUMBERS);

  /** Adds the histogram at `at`; its CPU may go on recording meanwhile. */
  add(numbers: Float64Array<SharedArrayBuffer>, at: number): void {
    const { sum } = this;
    for (const place of [SAMPLES, SUM]) sum[place]! += numbers[at + place]!;
    for (let bucket = FIRST; bucket < HISTOGRAM_NUMBERS; bucket += 1) sum[bucket]! += numbers[at + bucket]!;
    sum[MAX] = Math.max(sum[MAX]!, numbers[at + MAX]!);
    const least = numbers[at + MIN]!;
    if (least !== 0 && (sum[MIN] === 0 || least < sum[MIN]!)) sum[MIN] = least;
  }

  /** The value below which a share `q` lies: the middle of its bucket, within the least and the greatest sample. */
  private quantile(q: number, all: number): number {
    const { sum } = this;
    let left = q * all;
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      left -= sum[FIRST + bucket]!;
      if (left > 0 || sum[FIRST + bucket] === 0) continue;
      const middle = (bucketStart(bucket) + bucketStart(bucket + 1) - 1) / 2;
      return Math.min(sum[MAX]! - 1, Math.max(sum[MIN]! - 1, middle));
    }
    return Math.max(0, sum[MAX]! - 1);
  }

  /** In the form of results. @param of how many times there were */
  times(of: number): Times {
    const { sum } = this;
    const samples = sum[SAMPLES]!;
    if (samples === 0)
      return {
        ...{ samples: 0, every: 0, min: 0, max: 0, mean: 0 },
        ...{ p50: 0, p90: 0, p99: 0, p999: 0, total: 0, buckets: [] },
      };
    const all = sum.subarray(FIRST).reduce((total, each) => total + each, 0);
    const mean = sum[SUM]! / all;
    const buckets: [number, number, number][] = [];
    for (let bucket = 0; bucket < BUCKETS; bucket += 1) {
      const count = sum[FIRST + bucket]!;
      if (count > 0) buckets.push([bucketStart(bucket), bucketStart(bucket + 1), count]);
    }
    return {
      samples,
      every: of / samples,
      min: sum[MIN]! - 1,
      max: sum[MAX]! - 1,
      mean,
      p50: this.quantile(0.5, all),
      p90: this.quantile(0.9, all),
      p99: this.quantile(0.99, all),
      p999: this.quantile(0.999, all),
      total: mean * of,
      buckets,
    };
  }
}
