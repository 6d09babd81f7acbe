/**
 * What may be said of a row of samples from a machine that others use, too.
 *
 * A sample is one block of many rounds. Contestants take their blocks in turn, so sample i of one and sample
 * i of another were taken side by side: a ratio is the median of the ratios of such pairs, and what slows the
 * machine down for a while cancels out. The ratios' own 10th and 90th percentile are its spread. A difference
 * inside the spread is none: `tells` says so, and nothing here is ever rounded in anybody's favour.
 */

/** Samples of one thing, summed up. */
export interface Series {
  /** `ns` a round, or rounds a second. */
  readonly unit: 'ns' | '/s' | 'ms';
  readonly samples: readonly number[];
  readonly median: number;
  readonly p10: number;
  readonly least: number;
  /** From the 10th to the 90th percentile, as a share of the median. */
  readonly spread: number;
}

/**
 * A figure with the range in which it was found; for one that was taken once, or counted, all three are the
 * same.
 */
export interface Figure {
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

/**
 * The value below which a share `q` of the samples lies, between two of them in proportion; NaN of none.
 * Infinite samples are samples.
 */
export function quantile(samples: readonly number[], q: number): number {
  const sorted = [...samples].sort((a, b) => a - b);
  const at = (sorted.length - 1) * q;
  const below = sorted[Math.floor(at)] ?? Number.NaN;
  const above = sorted[Math.ceil(at)] ?? Number.NaN;
  return below === above ? below : below + (above - below) * (at - Math.floor(at));
}

/** The middle value, or the mean of the two in the middle. */
export function median(samples: readonly number[]): number {
  return quantile(samples, 0.5);
}

/** Sums samples up. */
export function seriesOf(unit: Series['unit'], samples: readonly number[]): Series {
  const middle = median(samples);
  return {
    unit,
    samples,
    median: middle,
    p10: quantile(samples, 0.1),
    least: quantile(samples, 0),
    spread: (quantile(samples, 0.9) - quantile(samples, 0.1)) / middle,
  };
}

/** Nanoseconds a round as rounds a second; none in a block, which took for ever, is 0. */
export function ratesOf(nanoseconds: readonly number[]): number[] {
  return nanoseconds.map((each) => 1e9 / each);
}

/** A figure that was taken once. */
export function exactly(value: number): Figure {
  return { value, low: value, high: value };
}

/** Median of samples, with their 10th and 90th percentile. */
export function figureOf(samples: readonly number[]): Figure {
  return { value: median(samples), low: quantile(samples, 0.1), high: quantile(samples, 0.9) };
}

/**
 * Median of the ratios of the pairs (top[i], bottom[i]), with their 10th and 90th percentile. Samples without
 * a partner are left out, and so are pairs of two zeroes, which say nothing.
 */
export function ratioOf(top: readonly number[], bottom: readonly number[]): Figure {
  const pairs = Math.min(top.length, bottom.length);
  const ratios = Array.from({ length: pairs }, (_, at) => top[at]! / bottom[at]!).filter(
    (each) => !Number.isNaN(each),
  );
  return figureOf(ratios);
}

/** Whether a figure differs from `other` by more than its own spread. */
export function tells({ low, high }: Figure, other: number): boolean {
  return high < other || low > other;
}

/**
 * Jain's fairness index (1984) of what each got: 1 when all got the same, 1/n when one got all; NaN when
 * nobody got anything.
 */
export function jain(shares: readonly number[]): number {
  const sum = shares.reduce((total, each) => total + each, 0);
  const squares = shares.reduce((total, each) => total + each * each, 0);
  return (sum * sum) / (shares.length * squares);
}

/**
 * The longest time, in ms, that any of them did not get on: the longest from one look at which its count had
 * changed to the next. Known to within two intervals between looks; where everyone gets on between any two
 * looks it is one interval.
 * @param looks counts by who, at `times[i]`; the first look counts as progress, the last one ends the run
 */
export function longestSilence(times: readonly number[], looks: readonly (readonly number[])[]): number {
  const last = times.length - 1;
  let longest = 0;
  for (let who = 0; who < (looks[0]?.length ?? 0); who += 1) {
    let since = times[0]!;
    for (let at = 1; at <= last; at += 1) {
      if (looks[at]![who] === looks[at - 1]![who] && at < last) continue;
      longest = Math.max(longest, times[at]! - since);
      since = times[at]!;
    }
  }
  return longest;
}
