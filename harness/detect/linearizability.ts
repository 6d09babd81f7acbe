/**
 * Linearizability of recorded histories (Herlihy and Wing 1990): is there an order of the operations that keeps every operation that returned
 * before another was called in front of it, and in which a sequential model returns what was recorded?
 *
 * The history is divided by object where the model says how (P-compositionality: Horn and Kroening 2015), each part is searched for itself
 * (linearizability/search.ts), and the orders of the parts are merged into one.
 *
 * The merge: in the order of a part, give each operation the latest call of those up to it as its time. That is not after its own return,
 * for whatever was placed before it was called before it returned. So if a returned before b was called, a's time is smaller than b's,
 * whatever their parts, and the order of these times keeps both the order of each part and that of the whole.
 *
 * The answer is never a guess. One part without an order makes the history not linearizable, even if other parts ran out of memory; to
 * be linearizable all parts need an order; otherwise the verdict is 'unknown' and says why. Deciding is NP-complete (Gibbons and Korach 1997):
 * the configurations grow with the number of operations that are open together, and with wrong orders that show late.
 */
import { Configurations } from './linearizability/cache.ts';
import type { Failure } from './linearizability/explain.ts';
import {
  divide,
  type Operation,
  type Part,
  type SequentialModel,
  validateHistory,
} from './linearizability/history.ts';
import { type Found, search } from './linearizability/search.ts';
import { sortedBy } from './linearizability/timeline.ts';

export { describeOp, explainFailure, type Failure } from './linearizability/explain.ts';
export {
  HistoryError,
  type Operation,
  type Outcome,
  type Result,
  type SequentialModel,
} from './linearizability/history.ts';

/** Limits of a check. */
export interface LinearizabilityOptions {
  /** Configurations remembered at a time, about 100 bytes each and what the state needs; 1,048,576 unless given. */
  readonly maxConfigurations?: number;
  /** Asked about every 1,024 steps, for the check occupies its thread; true ends it with 'unknown'. */
  readonly interrupted?: () => boolean;
}

/** How much work a check was. */
export interface LinearizabilityWork {
  /** Parts that the history was divided into. */
  readonly partitions: number;
  /** Configurations that were looked at, in all parts. */
  readonly configurations: number;
}

/** What a check found; operations are positions in the history. */
export type Linearizability<State> = LinearizabilityWork &
  (
    | {
        readonly verdict: 'linearizable';
        /** A witness: the operations that took effect, in their order. Pending ones may be missing. */
        readonly order: readonly number[];
      }
    | { readonly verdict: 'not linearizable'; readonly failure: Failure<State> }
    | {
        readonly verdict: 'unknown';
        readonly reason: 'memory' | 'interrupted';
        /** The parts that are undecided, as the model names them. */
        readonly undecided: readonly (string | number | undefined)[];
      }
  );

const MAX_CONFIGURATIONS = 1 << 20;

/** Positions in the history for positions in the part. */
const inHistory = (part: Part, order: Int32Array) => Array.from(order, (i) => part.members[i]!);

function failureOf<State, Op>(
  history: readonly Operation<Op>[],
  part: Part,
  found: Found<State>,
): Failure<State> {
  const placed = inHistory(part, found.order);
  const obstacle = part.members[found.obstacle]!;
  const done = new Set(placed);
  const limit = history[obstacle]!.return;
  const unplaced = part.members
    .filter((i) => !done.has(i) && history[i]!.call <= limit)
    .sort((a, b) => history[a]!.call - history[b]!.call);
  return {
    partition: part.name,
    operations: part.members.length,
    placed,
    obstacle,
    unplaced,
    state: found.state,
  };
}

function merge(history: readonly Operation<unknown>[], orders: readonly (readonly number[])[]): number[] {
  if (orders.length <= 1) return [...(orders[0] ?? [])];
  const after = new Map<number, number[]>(); // by the operation whose call is the time
  for (const order of orders) {
    let time = Number.NEGATIVE_INFINITY;
    let same: number[] = [];
    for (const i of order) {
      const { call } = history[i]!;
      if (call > time) {
        time = call;
        same = [];
        after.set(i, same);
      }
      same.push(i);
    }
  }
  const merged: number[] = [];
  for (const i of sortedBy(Float64Array.from(history, ({ call }) => call))) {
    const same = after.get(i);
    if (same) merged.push(...same);
  }
  return merged;
}

/**
 * Checks a history against a model.
 * @param history operations in any order
 * @param model the sequential object
 * @param options limits; without them a check may remember 2^20 configurations a part
 * @returns the verdict with a witness, or with what could not be placed (`explainFailure` writes it out), or why it is unknown
 * @throws HistoryError when the times of an operation make no sense
 * @throws RangeError for a bound that is not a whole number from 1
 */
export function checkLinearizable<State, Op>(
  history: readonly Operation<Op>[],
  model: SequentialModel<State, Op>,
  options: LinearizabilityOptions = {},
): Linearizability<State> {
  const { maxConfigurations = MAX_CONFIGURATIONS, interrupted } = options;
  if (!Number.isSafeInteger(maxConfigurations) || maxConfigurations < 1) {
    throw new RangeError(`maxConfigurations is ${maxConfigurations}: a whole number from 1 is expected`);
  }
  validateHistory(history);
  const parts = divide(history, model.partition && ((op) => model.partition!(op)));
  const cache = new Configurations<State>(model);
  const orders: number[][] = [];
  const undecided: (string | number | undefined)[] = [];
  let reason: 'memory' | 'interrupted' = 'memory';
  let configurations = 0;
  for (const [i, part] of parts.entries()) {
    const operations = part.members.map((member) => history[member]!);
    const found = search(operations, model, cache, { maxConfigurations, interrupted });
    configurations += found.configurations;
    if (found.verdict === 'not linearizable') {
      const failure = failureOf(history, part, found);
      return { verdict: found.verdict, failure, partitions: parts.length, configurations };
    }
    if (found.verdict === 'linearizable') {
      orders.push(inHistory(part, found.order));
    } else if (found.verdict === 'memory') {
      undecided.push(part.name);
    } else {
      reason = found.verdict;
      undecided.push(...parts.slice(i).map(({ name }) => name));
      break;
    }
  }
  const work = { partitions: parts.length, configurations };
  if (undecided.length > 0) return { verdict: 'unknown', reason, undecided, ...work };
  return { verdict: 'linearizable', order: merge(history, orders), ...work };
}
