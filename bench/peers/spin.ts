/**
 * The busy loop of sections: arithmetic without a memory access, which ends in something that depends on every turn of it. native/sweep.c has the same.
 */

/** Goes round. @returns what the next loop begins with */
export function spin(loops: number, value: number): number {
  let now = value;
  for (let left = loops; left > 0; left -= 1) now = (Math.imul(now, 1664525) + 1013904223) | 0;
  return now;
}

const LOOPS = 20_000;
const TRIES = 200;

/** Nanoseconds of a turn: the least of many short tries, since what disturbs one makes it longer. */
export function loopNanoseconds(): number {
  let least = Number.POSITIVE_INFINITY;
  let value = 1;
  for (let left = TRIES; left > 0; left -= 1) {
    const began = performance.now();
    value = spin(LOOPS, value);
    const took = ((performance.now() - began) * 1e6) / LOOPS;
    if (took > 0) least = Math.min(least, took);
  }
  // So that the loops are not for nothing.
  return value === 0 ? least + Number.EPSILON : least;
}
