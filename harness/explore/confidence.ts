/**
 * How sure one can be that a failure is gone, from counts alone.
 *
 * The rate: of n executions s have failed. The lower bound of Clopper and Pearson (1934) is the rate p at which s failures or more would come out with a probability of
 * one per cent; the failure is at least that frequent, with 99 % confidence. It holds as well where the executions were ended by the s-th failure.
 *
 * The campaign: at a rate of p or more, n executions are all clean with a probability of at most (1 - p)^n. When that is one per cent or less, so is the
 * risk of calling a failure gone that has stayed as frequent as it was. That it has become rarer is another question: n clean executions bound
 * the rate that is left by 1 - 0.01^(1/n).
 */

/** The risk that both bounds take. */
export const RISK = 0.01;

/** The probability that fewer than `failures` of `executions` fail, at a rate. */
function fewer(failures: number, executions: number, rate: number): number {
  let term = executions * Math.log1p(-rate);
  let sum = 0;
  for (let count = 0; count < failures; count += 1) {
    sum += Math.exp(term);
    term += Math.log((executions - count) / (count + 1)) + Math.log(rate) - Math.log1p(-rate);
  }
  return Math.min(1, sum);
}

/**
 * The lower bound of a rate, with 99 % confidence.
 * @param failures executions that failed
 * @param executions all of them
 */
export function lowerBound(failures: number, executions: number): number {
  if (failures <= 0) return 0;
  let low = 0;
  let high = Math.min(1, failures / executions);
  for (let step = 0; step < 60; step += 1) {
    const middle = (low + high) / 2;
    if (fewer(failures, executions, middle) > 1 - RISK) low = middle;
    else high = middle;
  }
  return low;
}

/** Clean executions after which a failure of this rate is gone with 99 % confidence. */
export function cleanNeeded(rate: number): number {
  return Math.max(1, Math.ceil(Math.log(RISK) / Math.log1p(-rate)));
}

/** The confidence that a failure of this rate is gone after so many clean executions, from 0 to 1. */
export function confidence(rate: number, clean: number): number {
  return -Math.expm1(clean * Math.log1p(-rate));
}

/** The highest rate, with 99 % confidence, that so many clean executions leave. */
export function upperBound(clean: number): number {
  return clean === 0 ? 1 : -Math.expm1(Math.log(RISK) / clean);
}
