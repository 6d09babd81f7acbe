/**
 * The first-in-first-out queue, and a guess of the order in which its items went in.
 *
 * A queue is a pair of lists (Hood and Melville 1981): the front from its head, the back from its tail, turned over when the front is used
 * up. Its hash is the polynomial of its items in an odd base modulo 2^32, which enqueue and dequeue update in a few multiplications.
 *
 * A wrong order of two enqueues shows only when the items come out, thousands of operations later, and taking back one operation at a time
 * would never get there. So the dequeues are asked first. Between two items the order is known where their enqueues do not overlap, and where
 * their dequeues do not; a topological order of both relations is an order of the enqueues that fits all that is known. Both are interval
 * orders, so an item is minimal in one if it begins no later than any remaining item ends, and stays so until it is taken: two sweeps
 * suffice. If no item is minimal in both, no order fits, and the search will find out.
 */
import { hashOf } from './hash.ts';
import type { Operation, SequentialModel } from './history.ts';
import { sortedBy } from './timeline.ts';

/** An operation of a queue. */
export type FifoQueueOp =
  | { readonly name: 'enqueue'; readonly value: number | string | boolean }
  | { readonly name: 'dequeue' };

/** An item of a queue, and those behind it. */
export interface QueueCell {
  readonly value: number | string | boolean;
  readonly next: QueueCell | undefined;
}

/** The items of a queue. */
export interface QueueState {
  readonly front: QueueCell | undefined;
  readonly back: QueueCell | undefined;
  readonly size: number;
  readonly hash: number;
  /** The base to the power of `size`. */
  readonly power: number;
}

const BASE = 0x01000193;
/** The number that undoes a multiplication with the base modulo 2^32; each round of Newton's method doubles the bits that are right. */
const INVERSE = [0, 1, 2, 3].reduce((x) => Math.imul(x, 2 - Math.imul(BASE, x)), BASE);
const EMPTY: QueueState = { front: undefined, back: undefined, size: 0, hash: 0, power: 1 };

function turned(list: QueueCell | undefined): QueueCell | undefined {
  let result: QueueCell | undefined;
  for (let cell = list; cell; cell = cell.next) result = { value: cell.value, next: result };
  return result;
}

function enqueue(state: QueueState, value: QueueCell['value']): QueueState {
  return {
    front: state.front,
    back: { value, next: state.back },
    size: state.size + 1,
    hash: (Math.imul(state.hash, BASE) + hashOf(value)) | 0,
    power: Math.imul(state.power, BASE),
  };
}

function items({ front, back }: QueueState): QueueCell['value'][] {
  const list: QueueCell['value'][] = [];
  for (let cell = front; cell; cell = cell.next) list.push(cell.value);
  for (let cell = turned(back); cell; cell = cell.next) list.push(cell.value);
  return list;
}

function sameItems(a: QueueState, b: QueueState): boolean {
  if (a.size !== b.size) return false;
  if (a.front === b.front && a.back === b.back) return true;
  const others = items(b);
  return items(a).every((value, i) => value === others[i]);
}

/** One of the two interval orders: tells which items have become minimal as others are taken. */
class Sweep {
  private readonly begins: Float64Array;
  private readonly ends: Float64Array;
  private readonly byBegin: Int32Array;
  private readonly byEnd: Int32Array;
  private nextBegin = 0;
  private firstEnd = 0;

  constructor(begins: Float64Array, ends: Float64Array) {
    this.begins = begins;
    this.ends = ends;
    this.byBegin = sortedBy(begins);
    this.byEnd = sortedBy(ends);
  }

  /** Calls back for each item that has become minimal. */
  minimal(taken: Uint8Array, visit: (item: number) => void): void {
    while (this.firstEnd < this.byEnd.length && taken[this.byEnd[this.firstEnd]!]) this.firstEnd += 1;
    if (this.firstEnd === this.byEnd.length) return;
    const end = this.ends[this.byEnd[this.firstEnd]!]!;
    while (this.nextBegin < this.byBegin.length && this.begins[this.byBegin[this.nextBegin]!]! <= end) {
      visit(this.byBegin[this.nextBegin]!);
      this.nextBegin += 1;
    }
  }
}

/**
 * A number for each operation: dequeues first, for waiting helps none, then enqueues in an order that suits the dequeues.
 * Equal items are matched in the order of their calls.
 */
export function guessQueueOrder(part: readonly Operation<FifoQueueOp>[]): Float64Array {
  const enqueues: number[] = [];
  const dequeues = new Map<unknown, number[]>();
  for (const [i, { op, result, return: returned }] of part.entries()) {
    if (op.name === 'enqueue') enqueues.push(i);
    else if (returned !== Number.POSITIVE_INFINITY) {
      const list = dequeues.get(result);
      if (list) list.push(i);
      else dequeues.set(result, [i]);
    }
  }
  const byCall = (a: number, b: number) => part[a]!.call - part[b]!.call;
  enqueues.sort(byCall);
  for (const list of dequeues.values()) list.sort(byCall).reverse();
  const matching = enqueues.map((i) => {
    const { op } = part[i]!;
    return op.name === 'enqueue' ? part[dequeues.get(op.value)?.pop() ?? -1] : undefined;
  });
  const never = Number.POSITIVE_INFINITY;
  const into = new Sweep(
    Float64Array.from(enqueues, (i) => part[i]!.call),
    Float64Array.from(enqueues, (i) => part[i]!.return),
  );
  const outOf = new Sweep(
    Float64Array.from(matching, (out) => out?.call ?? never),
    Float64Array.from(matching, (out) => out?.return ?? never),
  );

  const order = new Float64Array(part.length).fill(-1);
  const taken = new Uint8Array(enqueues.length);
  const minimalIn = new Uint8Array(enqueues.length);
  const ready: number[] = [];
  const visit = (item: number) => {
    minimalIn[item]! += 1;
    if (minimalIn[item] === 2 && !taken[item]) ready.push(item);
  };
  let rank = 0;
  let skipped = 0;
  while (rank < enqueues.length) {
    into.minimal(taken, visit);
    outOf.minimal(taken, visit);
    let item = ready.pop();
    if (item === undefined) {
      while (taken[skipped]) skipped += 1;
      item = skipped;
    }
    taken[item] = 1;
    order[enqueues[item]!] = rank;
    rank += 1;
  }
  return order;
}

/** An unbounded queue: `enqueue` returns nothing, `dequeue` the oldest value, or undefined if there is none. */
export function fifoQueue(): SequentialModel<QueueState, FifoQueueOp> {
  return {
    init: () => EMPTY,
    apply(state, op) {
      if (op.name === 'enqueue') return { state: enqueue(state, op.value), result: undefined };
      const front = state.front ?? turned(state.back);
      if (!front) return { state, result: undefined };
      const power = Math.imul(state.power, INVERSE);
      const rest: QueueState = {
        front: front.next,
        back: state.front ? state.back : undefined,
        size: state.size - 1,
        hash: (state.hash - Math.imul(hashOf(front.value), power)) | 0,
        power,
      };
      return { state: rest, result: front.value };
    },
    key: (state) => state.hash,
    equal: sameItems,
    guess: guessQueueOrder,
  };
}
