/** What it takes to look at the clock, which is taken off what is measured with it. */

const LOOKS = 2000;
const WARM_LOOKS = 20_000;

/** The process's clock in nanoseconds. */
export const clock = (): number => performance.now() * 1e6;

/**
 * What two looks are apart by themselves on this thread, once V8 has optimised them (before, they take several times as long): a low percentile of many pairs,
 * because what is taken off must never be too much.
 * @returns nanoseconds
 */
export function clockCost(): number {
  const looks: number[] = [];
  for (let left = WARM_LOOKS; left > 0; left -= 1) {
    const first = clock();
    const took = clock() - first;
    if (left <= LOOKS) looks.push(took);
  }
  return looks.sort((a, b) => a - b)[LOOKS >>> 2]!;
}
