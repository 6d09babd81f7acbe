/**
 * The search for a linearization of one part (Wing and Gong 1993), with memory of where it has been (Lowe 2017).
 *
 * Operations are placed one after the other. The search stands before the first return whose operation is not placed; what may come next is
 * any open operation: called before that return and not placed. It is placed if the model, in the state so far, answers what was
 * recorded; if none can be, the last one placed is taken back. Placing the operation of the return itself moves the search on, over calls and
 * over returns of placed operations, to the next return of one that is not. At the end of the events everything that returned is placed.
 *
 * Why place, mask and state say everything about a configuration: an operation that returned before the place is placed, one called after it
 * is not, and the mask tells which of those open at the place are. Hence the configuration is as small as the concurrency, not as the history.
 *
 * Wing, Gong and Lowe lift placed operations out of a linked list of events and put them back. Here the place moves over an array, and the
 * slots, filled by calls and emptied by returns, are the list's head; moving back undoes the same steps. A mask bit of a free slot is 0.
 */
import type { Configurations } from './cache.ts';
import { type Operation, type Outcome, outcomesOf, type SequentialModel, sameResult } from './history.ts';
import { type Timeline, timeline } from './timeline.ts';

/** What limits a search. */
export interface SearchLimits {
  /** Configurations that may be remembered. */
  readonly maxConfigurations: number;
  /** Asked now and then; true ends the search. */
  readonly interrupted: (() => boolean) | undefined;
}

/** What a search found; operations are positions in the part. */
export interface Found<State> {
  readonly verdict: 'linearizable' | 'not linearizable' | 'memory' | 'interrupted';
  /** All that were placed, in order; the attempt that came farthest if the verdict is not 'linearizable'. */
  readonly order: Int32Array;
  /** The operation whose return that attempt could not pass; -1 if there is none. */
  readonly obstacle: number;
  /** The state after `order`. */
  readonly state: State;
  readonly configurations: number;
}

const POLL = 1024;

/** Where the search stands in the events, and what is open there. */
class Cursor {
  place = 0;
  readonly mask: Int32Array;
  private readonly line: Timeline;
  /** The operation in each slot, -1 if it is free. */
  private readonly open: Int32Array;

  constructor(line: Timeline) {
    this.line = line;
    this.open = new Int32Array(line.width).fill(-1);
    this.mask = new Int32Array(Math.max(1, Math.ceil(line.width / 32)));
    this.forward();
  }

  /** The open operation that is not placed and has the lowest rank from `rank` on, or -1. */
  next(rank: number): number {
    const { line, open, mask } = this;
    let best = -1;
    let lowest = 0x7fffffff;
    for (let slot = 0; slot < open.length; slot += 1) {
      const operation = open[slot]!;
      if (operation < 0 || (mask[slot >>> 5]! & (1 << (slot & 31))) !== 0) continue;
      const own = line.rank[operation]!;
      if (own >= rank && own < lowest) {
        lowest = own;
        best = operation;
      }
    }
    return best;
  }

  /** Places an operation and moves on as far as that allows. */
  put(operation: number): void {
    this.flip(operation);
    if (this.line.events[this.place] === ~operation) this.forward();
  }

  /** Takes an operation back that was placed at `place`, with nothing placed since. */
  takeBack(operation: number, place: number): void {
    const { line, open } = this;
    while (this.place > place) {
      this.place -= 1;
      const event = line.events[this.place]!;
      if (event >= 0) {
        open[line.slots[event]!] = -1;
      } else {
        open[line.slots[~event]!] = ~event;
        this.flip(~event);
      }
    }
    this.flip(operation);
  }

  private forward(): void {
    const { line, open, mask } = this;
    for (; this.place < line.events.length; this.place += 1) {
      const event = line.events[this.place]!;
      if (event >= 0) {
        open[line.slots[event]!] = event;
        continue;
      }
      const slot = line.slots[~event]!;
      if ((mask[slot >>> 5]! & (1 << (slot & 31))) === 0) return;
      open[slot] = -1;
      this.flip(~event);
    }
  }

  private flip(operation: number): void {
    const slot = this.line.slots[operation]!;
    this.mask[slot >>> 5]! ^= 1 << (slot & 31);
  }
}

/** The attempt that came farthest. Copies only what changed since it was last kept, so that keeping costs no more than searching. */
class Farthest<State> {
  place = -1;
  depth = 0;
  state: State;
  readonly order: Int32Array;
  /** So many operations of the current attempt are also the first of this one. */
  private shared = 0;

  constructor(state: State, count: number) {
    this.state = state;
    this.order = new Int32Array(count);
  }

  keep(attempt: Int32Array, depth: number, place: number, state: State): void {
    if (place < this.place || (place === this.place && depth <= this.depth)) return;
    this.order.set(attempt.subarray(this.shared, depth), this.shared);
    this.place = place;
    this.depth = depth;
    this.state = state;
    this.shared = depth;
  }

  shortened(depth: number): void {
    if (depth < this.shared) this.shared = depth;
  }
}

/**
 * Searches one part.
 * @param cache emptied and used; one cache can serve many parts
 */
export function search<State, Op>(
  part: readonly Operation<Op>[],
  model: SequentialModel<State, Op>,
  cache: Configurations<State>,
  { maxConfigurations, interrupted }: SearchLimits,
): Found<State> {
  const line = timeline(part, model.guess?.(part));
  const end = line.events.length;
  const cursor = new Cursor(line);
  cache.reset(cursor.mask.length);

  const attempt = new Int32Array(part.length);
  const places = new Int32Array(part.length);
  const states: State[] = [];
  /** Outcomes of the operation at each depth that are still to be tried, where the model left a choice. */
  const choices = new Map<number, readonly Outcome<State>[]>();
  let state = model.init();
  let depth = 0;
  let rank = 0;
  /** Nothing was placed after the attempt as it is. */
  let leaf = true;
  let steps = 0;
  const farthest = new Farthest(state, part.length);

  const found = (verdict: Found<State>['verdict']): Found<State> => {
    if (verdict === 'linearizable') {
      return { verdict, order: attempt.slice(0, depth), obstacle: -1, state, configurations: cache.size };
    }
    farthest.keep(attempt, depth, cursor.place, state);
    const { order, depth: length, place, state: last } = farthest;
    const obstacle = place < end ? ~line.events[place]! : -1;
    return { verdict, order: order.slice(0, length), obstacle, state: last, configurations: cache.size };
  };

  /** Places an operation with the first of the outcomes that fits and leads somewhere new. */
  function enter(operation: number, outcomes: readonly Outcome<State>[]): void {
    const { result, return: returned } = part[operation]!;
    const place = cursor.place;
    for (let i = 0; i < outcomes.length; i += 1) {
      const outcome = outcomes[i]!;
      if (returned !== Number.POSITIVE_INFINITY && !sameResult(outcome.result, result)) continue;
      cursor.put(operation);
      if (!cache.add(cursor.place, cursor.mask, outcome.state)) {
        cursor.takeBack(operation, place);
        continue;
      }
      attempt[depth] = operation;
      places[depth] = place;
      states[depth] = state;
      if (i + 1 < outcomes.length) choices.set(depth, outcomes.slice(i + 1));
      depth += 1;
      state = outcome.state;
      rank = 0;
      leaf = true;
      return;
    }
  }

  cache.add(cursor.place, cursor.mask, state);
  while (cursor.place < end) {
    if (cache.size >= maxConfigurations) return found('memory');
    if (steps % POLL === 0 && interrupted?.()) return found('interrupted');
    steps += 1;
    const operation = cursor.next(rank);
    if (operation >= 0) {
      const { op, cpu } = part[operation]!;
      rank = line.rank[operation]! + 1;
      enter(operation, outcomesOf(model.apply(state, op, cpu)));
      continue;
    }
    if (leaf) farthest.keep(attempt, depth, cursor.place, state);
    if (depth === 0) return found('not linearizable');
    depth -= 1;
    farthest.shortened(depth);
    const last = attempt[depth]!;
    cursor.takeBack(last, places[depth]!);
    state = states[depth]!;
    rank = line.rank[last]! + 1;
    leaf = false;
    const rest = choices.get(depth);
    choices.delete(depth);
    if (rest) enter(last, rest);
  }
  return found('linearizable');
}
