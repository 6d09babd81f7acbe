/**
 * The calls and returns of a part in the order of time, and a slot for each operation.
 *
 * At equal times calls come before returns, so that operations that touch are concurrent. Operations that are open at the same time have
 * different slots, and a slot is used again once its operation has returned: a set of open operations is then a short bitset, however long
 * the history is. Pending operations never give their slot back.
 */
import type { Operation } from './history.ts';

/** The events of a part; operations are numbered by their position in the part. */
export interface Timeline {
  /** Operation i was called: i. It returned: ~i. */
  readonly events: Int32Array;
  /** Slot of each operation. */
  readonly slots: Int32Array;
  /** Slots in use: the most operations that were open at once. */
  readonly width: number;
  /** Position of each operation in the order to try: by the guess, then by return. */
  readonly rank: Int32Array;
}

/** Positions sorted by time; equal times keep their order. Costs next to nothing if they are sorted already. */
export function sortedBy(times: Float64Array): Int32Array {
  const count = times.length;
  const positions = new Int32Array(count);
  let sorted = true;
  for (let i = 0; i < count; i += 1) {
    positions[i] = i;
    if (i > 0 && !(times[i - 1]! <= times[i]!)) sorted = false;
  }
  return sorted ? positions : positions.sort((a, b) => compare(times[a]!, times[b]!) || a - b);
}

/** Not a subtraction: Infinity minus Infinity is not a number. */
const compare = (a: number, b: number) => (a < b ? -1 : a > b ? 1 : 0);

function inverse(order: Int32Array): Int32Array {
  const position = new Int32Array(order.length);
  for (let i = 0; i < order.length; i += 1) position[order[i]!] = i;
  return position;
}

/**
 * Lays out a part.
 * @param part operations with valid times
 * @param guess a number for each operation, the smallest is tried first
 */
export function timeline(part: readonly Operation<unknown>[], guess?: ArrayLike<number>): Timeline {
  const count = part.length;
  const calls = new Float64Array(count);
  const returns = new Float64Array(count);
  let pending = 0;
  for (let i = 0; i < count; i += 1) {
    const operation = part[i]!;
    calls[i] = operation.call;
    returns[i] = operation.return;
    if (operation.return === Number.POSITIVE_INFINITY) pending += 1;
  }
  const byCall = sortedBy(calls);
  const byReturn = sortedBy(returns);
  const byReturnRank = inverse(byReturn);

  const events = new Int32Array(2 * count - pending);
  const slots = new Int32Array(count);
  const free: number[] = [];
  let width = 0;
  let called = 0;
  let returned = 0;
  for (let at = 0; at < events.length; at += 1) {
    const next = byCall[called];
    if (next !== undefined && calls[next]! <= returns[byReturn[returned]!]!) {
      const slot = free.pop();
      slots[next] = slot ?? width;
      if (slot === undefined) width += 1;
      events[at] = next;
      called += 1;
    } else {
      const done = byReturn[returned]!;
      free.push(slots[done]!);
      events[at] = ~done;
      returned += 1;
    }
  }
  if (!guess) return { events, slots, width, rank: byReturnRank };
  const wanted = Int32Array.from({ length: count }, (_, i) => i).sort(
    (a, b) => compare(guess[a]!, guess[b]!) || byReturnRank[a]! - byReturnRank[b]!,
  );
  return { events, slots, width, rank: inverse(wanted) };
}
