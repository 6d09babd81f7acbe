/**
 * Log-linear histograms in shared memory: what HdrHistogram (Tene 2012) does, for one writer.
 *
 * A histogram is a run of 64-bit floats: a CPU adds to its own with plain stores, whoever reads adds those of all CPUs up. There is no lock and no
 * atomic: each number is one aligned word of 64 bits, so a reader may see a sample half recorded, and never half a number. Counts stay exact up to 2^53.
 *
 *   samples   how many were recorded
 *   weight    for how many they stand: a sample of one in n stands for n
 *   sum       of the values by their weights
 *   min, max  of the samples; max + 1, so that zeroed memory is an empty histogram, and min likewise
 *   buckets   weights: one a nanosecond up to 64, then 32 an octave, so that a bucket is at most 3.2 % wide; the last one has all from 2.1 s
 */
import type { Times } from './schema.ts';

const SAMPLES = 0;
const WEIGHT = 1;
const SUM = 2;
const MIN = 3;
const MAX = 4;
const FIRST = 8;

const SUB_BITS = 5;
const SUB = 1 << SUB_BITS;
/** Values from here on are in the last bucket. */
const MOST = 2 ** 31 - 1;
const BUCKETS = (30 - SUB_BITS) * SUB + 2 * SUB;

/** Numbers of a histogram. */
export const HISTOGRAM_NUMBERS = FIRST + BUCKETS;

/** The bucket of a value. @param value a whole number, 0 to 2^31 - 1 */
export function bucketOf(value: number): number {
  if (value < SUB) return value;
  const shift = 26 - Math.clz32(value);
  return (shift << SUB_BITS) + (value >>> shift);
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
  const whole = value < MOST ? value | 0 : MOST;
  numbers[at + FIRST + bucketOf(whole)]! += weight;
  numbers[at + SAMPLES]! += 1;
  numbers[at + WEIGHT]! += weight;
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
    for (const place of [SAMPLES, WEIGHT, SUM]) sum[place]! += numbers[at + place]!;
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
    const weight = sum[WEIGHT]!;
    if (samples === 0)
      return {
        ...{ samples: 0, every: 0, min: 0, max: 0, mean: 0 },
        ...{ p50: 0, p90: 0, p99: 0, p999: 0, total: 0, buckets: [] },
      };
    const all = sum.subarray(FIRST).reduce((total, each) => total + each, 0);
    const mean = sum[SUM]! / weight;
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
