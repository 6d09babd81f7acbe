/** Who goes on in an explored execution. */

/** Every choice that an execution leaves open. */
export interface Schedule {
  /** One of the CPUs that can run. */
  readonly pick: (runnable: readonly number[]) => number;
  /** Whether who runs is interrupted before its next access. */
  readonly preempt: () => boolean;
  /** Whether a buffered store reaches memory now. */
  readonly drain: () => boolean;
  /** One of `n`. */
  readonly choose: (n: number) => number;
}

/** CPUs run in this order, each as far as it can. */
export function inOrder(order: readonly number[]): Schedule {
  return {
    pick: (runnable) => order.find((cpu) => runnable.includes(cpu)) ?? 0,
    preempt: () => false,
    drain: () => false,
    choose: (n) => n - 1,
  };
}

/** A random schedule; how eager it is to switch and to drain is drawn from the seed, too. */
export function randomly(seed: number): Schedule {
  let x = Math.imul(seed + 1, 0x9e3779b9) | 1;
  const next = (): number => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
  for (let warm = 0; warm < 8; warm += 1) next();
  const switching = [0.5, 0.25, 0.1, 0.03][Math.floor(next() * 4)]!;
  const draining = [0.5, 0.1, 0.01][Math.floor(next() * 3)]!;
  return {
    pick: (runnable) => runnable[Math.floor(next() * runnable.length)]!,
    preempt: () => next() < switching,
    drain: () => next() < draining,
    choose: (n) => Math.floor(next() * n),
  };
}
