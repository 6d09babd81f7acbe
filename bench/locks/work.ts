/**
 * A section of a length: a loop of so many turns that touches no memory, and what a turn takes.
 *
 * A turn is one step of a linear congruential generator (Knuth), a chain that no processor can shorten: multiply, add, some 4 cycles. What that is in
 * nanoseconds is measured, never assumed: on the thread of a CPU, in the process that measures, after V8 has optimised it. The least of many blocks counts,
 * which is the one that nobody disturbed.
 */

/** Does `turns` turns. @returns what must be given to the next call, so that none is for nothing */
export function work(seed: number, turns: number): number {
  let x = seed;
  for (let left = turns; left > 0; left -= 1) x = (Math.imul(x, 1664525) + 1013904223) | 0;
  return x;
}

const BLOCK = 20_000;
const BLOCKS = 60;
/** Milliseconds until V8 has optimised it, with patience. */
const WARM = 10;

/** Measures a turn on this thread. @returns nanoseconds */
export function calibrate(): { turn: number; sink: number } {
  let x = 1;
  for (const began = performance.now(); performance.now() - began < WARM; ) x = work(x, BLOCK);
  let least = Number.POSITIVE_INFINITY;
  for (let block = 0; block < BLOCKS; block += 1) {
    const began = performance.now();
    x = work(x, BLOCK);
    least = Math.min(least, performance.now() - began);
  }
  return { turn: (least * 1e6) / BLOCK, sink: x };
}
