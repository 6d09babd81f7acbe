/** Histories for the tests of the linearizability checker: made up with real concurrency, judged by trying every permutation. */
import type { Operation, Outcome, Result, SequentialModel } from '../harness/detect/linearizability.ts';

/** Numbers from 0 to below 1 (xorshift32, Marsaglia 2003). */
export function randomFrom(seed: number): () => number {
  let x = Math.imul(seed + 1, 0x9e3779b1) || 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) / 2 ** 32;
  };
}

/** What a made-up history is to be like. */
export interface HistoryShape<Op> {
  readonly cpus: number;
  readonly operations: number;
  readonly random: () => number;
  readonly op: (index: number) => Op;
  /** Time from a return to the next call, in mean durations of an operation. */
  readonly rest?: number;
  /** Times are rounded outwards to whole numbers, so that many are equal. */
  readonly whole?: boolean;
  /** The share of operations that do not return. */
  readonly pending?: number;
}

const listed = <State>(applied: Outcome<State> | readonly Outcome<State>[] | undefined) =>
  applied === undefined ? [] : ([applied].flat() as Outcome<State>[]);

/**
 * A history that is linearizable by construction: every operation takes effect at a moment between its call and its return. One that cannot
 * take effect at that moment stays pending, as do some others.
 */
export function makeHistory<State, Op>(
  model: SequentialModel<State, Op>,
  { cpus, operations, random, op, rest = 0.5, whole = false, pending = 0 }: HistoryShape<Op>,
): Operation<Op>[] {
  const clocks = Array.from({ length: cpus }, () => random());
  const drafts = Array.from({ length: operations }, (_, i) => {
    const cpu = clocks.indexOf(Math.min(...clocks));
    const called = clocks[cpu]! + rest * 2 * random();
    const returned = called + 2 * random();
    clocks[cpu] = returned;
    return { index: i, cpu, op: op(i), called, returned, effect: called + (returned - called) * random() };
  });
  const history: Operation<Op>[] = new Array(operations);
  const states = new Map<unknown, State>(); // of each object
  for (const draft of [...drafts].sort((a, b) => a.effect - b.effect)) {
    const { cpu, op: what, called, returned } = draft;
    const lost = random() < pending;
    const object = model.partition?.(what);
    const state = states.has(object) ? (states.get(object) as State) : model.init();
    const outcomes = lost && random() < 0.5 ? [] : listed(model.apply(state, what, cpu));
    const outcome = outcomes[Math.floor(random() * outcomes.length)];
    if (outcome) states.set(object, outcome.state);
    history[draft.index] = {
      cpu,
      op: what,
      call: whole ? Math.floor(called) : called,
      return: lost || !outcome ? Number.POSITIVE_INFINITY : whole ? Math.ceil(returned) : returned,
      result: outcome?.result,
    };
  }
  return history;
}

/** Operations from lines of CPU, operation, call, return, result. */
export const written = <Op>(
  ...rows: [cpu: number, op: Op, call: number, returned: number, result?: Result][]
) =>
  rows.map(([cpu, op, call, returned, result]): Operation<Op> => {
    return { cpu, op, call, return: returned, result };
  });

/** The history with another result at one place. */
export function withResult<Op>(
  history: readonly Operation<Op>[],
  at: number,
  result: Result,
): Operation<Op>[] {
  return history.map((operation, i) => (i === at ? { ...operation, result } : operation));
}

function* permutations(list: readonly number[]): Generator<readonly number[]> {
  if (list.length === 0) yield [];
  for (const [i, first] of list.entries()) {
    for (const others of permutations([...list.slice(0, i), ...list.slice(i + 1)])) yield [first, ...others];
  }
}

function* subsets(list: readonly number[]): Generator<readonly number[]> {
  for (let bits = 0; bits < 1 << list.length; bits += 1) yield list.filter((_, i) => bits & (1 << i));
}

/** Whether an order of operations keeps to real time, holds all that returned, and is explained by the model. */
export function isWitness<State, Op>(
  history: readonly Operation<Op>[],
  model: SequentialModel<State, Op>,
  order: readonly number[],
  realTime = true,
): boolean {
  const placed = new Set(order);
  if (placed.size !== order.length) return false;
  if (history.some((operation, i) => operation.return < Number.POSITIVE_INFINITY && !placed.has(i)))
    return false;
  let latestCall = Number.NEGATIVE_INFINITY;
  let states = [model.init()];
  for (const i of order) {
    const { op, cpu, call, return: returned, result } = history[i]!;
    if (realTime && returned < latestCall) return false;
    latestCall = Math.max(latestCall, call);
    states = states
      .flatMap((state) => listed(model.apply(state, op, cpu)))
      .filter((outcome) => returned === Number.POSITIVE_INFINITY || outcome.result === result)
      .map(({ state }) => state);
    if (states.length === 0) return false;
  }
  return true;
}

/** Tries every permutation of every choice of pending operations. */
export function bruteForce<State, Op>(
  history: readonly Operation<Op>[],
  model: SequentialModel<State, Op>,
  realTime = true,
): boolean {
  const all = history.map((_, i) => i);
  const returned = all.filter((i) => history[i]!.return < Number.POSITIVE_INFINITY);
  for (const effective of subsets(all.filter((i) => !returned.includes(i)))) {
    for (const order of permutations([...returned, ...effective])) {
      if (isWitness(history, model, order, realTime)) return true;
    }
  }
  return false;
}
