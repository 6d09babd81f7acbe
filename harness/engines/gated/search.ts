/**
 * The memory of an exhaustive search: the decisions of the execution at hand, as a stack.
 *
 * An entry is one decision that had more than one option: which was taken, of how many. The options themselves are not kept, since an execution that decides
 * alike so far is offered the same ones again; their hash and the number of accesses before them are, to notice if it was not. The stack outlives the
 * execution. Before the next one the last entry that has an option left takes it and those above go (depth-first search), so the next execution
 * decides as the last one did up to there.
 *
 * Bounds (iterative context bounding, Musuvathi and Qadeer, PLDI 2007): all executions within one bound come before the first of the next one. The search
 * is over when the last bound is done, or when a bound was done and has turned nothing away.
 */
import { DECISION_WORDS, type GateArea, Head } from './layout.ts';

const STARTED = 0;
const SIZE = 1;
const BOUND = 2;
const TURNED_AWAY = 3;
const ENDED = 4;
const DEPTH = 5;
const SPENT = 6;
const COMPLETED = 7;
const UNSTEADY = 8;
const OVERFLOWED = 9;
const OBLIGED = 10;
const EXECUTIONS = 11;
const MAX_BOUNDS = 29;

/** Words of {@link Head.search}. */
export const SEARCH_WORDS = EXECUTIONS + MAX_BOUNDS;

const CHOSEN = 0xffff;
const OPTIONS_SHIFT = 16;
/** The first option of this decision is that the CPU goes on. */
const GOES_ON = 1 << 30;
const STEPS = GOES_ON - 1;

/** How far a search came. */
export interface Searched {
  /** Executions of each bound, the first one being that of 0 or where it began. */
  readonly executions: readonly number[];
  /** The highest bound within which every execution was run; -1: none. */
  readonly completed: number;
  /** There are no executions beyond that bound. */
  readonly exhausted: boolean;
  /** An execution that decided as another one was offered other options: the subject is not a function of its schedule. */
  readonly unsteady: boolean;
  /** An execution had more decisions than are kept; the further ones were not varied. */
  readonly overflowed: boolean;
}

/** The stack and the bound. */
export class Search {
  private readonly w: Int32Array;
  private readonly at: number;
  private readonly stack: number;
  private readonly max: number;

  constructor(w: Int32Array, area: GateArea) {
    this.w = w;
    this.at = (area.head + Head.search) >>> 2;
    this.stack = area.decisions >>> 2;
    this.max = area.maxDecisions;
  }

  private get(word: number): number {
    return this.w[this.at + word]!;
  }

  private set(word: number, value: number): void {
    this.w[this.at + word] = value;
  }

  /** Preemptions that an execution may have now. */
  get bound(): number {
    return this.get(BOUND);
  }

  /** Preemptions that this one has had. */
  get spent(): number {
    return this.get(SPENT);
  }

  /** This execution has one more. */
  spend(): void {
    this.set(SPENT, this.get(SPENT) + 1);
  }

  /** The CPUs, as bits, one of which makes the next step after a drain; 0: any. */
  get obliged(): number {
    return this.get(OBLIGED);
  }

  oblige(cpus: number): void {
    this.set(OBLIGED, cpus);
  }

  /** The bound has turned an option away. */
  turnAway(): void {
    this.set(TURNED_AWAY, 1);
  }

  /**
   * Goes on to the next execution.
   * @param first the bound to begin with
   * @param last the bound to end with
   * @returns whether there is one
   */
  advance(first: number, last: number): boolean {
    if (this.get(ENDED) !== 0) return false;
    if (this.get(STARTED) === 0) {
      this.set(STARTED, 1);
      this.set(BOUND, first);
    } else if (this.get(DEPTH) < this.get(SIZE)) {
      // It has ended before it came to what was planned.
      this.unsteady();
      return false;
    } else if (!this.backtrack()) {
      this.set(COMPLETED, this.bound + 1);
      if (this.get(TURNED_AWAY) === 0 || this.bound >= last) {
        this.set(ENDED, 1);
        return false;
      }
      this.set(TURNED_AWAY, 0);
      this.set(BOUND, this.bound + 1);
    }
    this.set(DEPTH, 0);
    this.set(SPENT, 0);
    this.set(OBLIGED, 0);
    const count = EXECUTIONS + Math.min(this.bound, MAX_BOUNDS - 1);
    this.set(count, this.get(count) + 1);
    return true;
  }

  private unsteady(): void {
    this.set(UNSTEADY, 1);
    this.set(ENDED, 1);
  }

  private backtrack(): boolean {
    const { w, stack } = this;
    for (let size = this.get(SIZE); size > 0; size -= 1) {
      const entry = stack + (size - 1) * DECISION_WORDS;
      const word = w[entry]!;
      if ((word & CHOSEN) + 1 >= word >>> OPTIONS_SHIFT) continue;
      w[entry] = word + 1;
      this.set(SIZE, size);
      return true;
    }
    this.set(SIZE, 0);
    return false;
  }

  /**
   * Takes the next decision.
   * @param options how many there are, at least two
   * @param hash what they are
   * @param goesOn whether the first is that the CPU goes on
   * @returns which to take
   */
  pick(options: number, hash: number, steps: number, goesOn: boolean): number {
    const { w } = this;
    const depth = this.get(DEPTH);
    const entry = this.stack + depth * DECISION_WORDS;
    if (depth >= this.max) {
      this.set(OVERFLOWED, 1);
      return 0;
    }
    this.set(DEPTH, depth + 1);
    const moment = steps | (goesOn ? GOES_ON : 0);
    if (depth < this.get(SIZE)) {
      const word = w[entry]!;
      if (word >>> OPTIONS_SHIFT === options && w[entry + 1] === hash && w[entry + 2] === moment)
        return word & CHOSEN;
      // What was planned means nothing now, and what was done proves nothing.
      this.unsteady();
    }
    w[entry] = options << OPTIONS_SHIFT;
    w[entry + 1] = hash;
    w[entry + 2] = moment;
    this.set(SIZE, depth + 1);
    return 0;
  }

  /** Passes over the decisions in which the CPU just goes on, as the last execution did. @returns accesses until the next other one, 0 if unknown */
  ahead(steps: number): number {
    const { w, stack } = this;
    const size = this.get(SIZE);
    let depth = this.get(DEPTH);
    if (depth >= size) return 0;
    // The last one never is: it has just taken another option.
    while (depth < size - 1) {
      const entry = stack + depth * DECISION_WORDS;
      if ((w[entry]! & CHOSEN) !== 0 || (w[entry + 2]! & GOES_ON) === 0) break;
      depth += 1;
    }
    this.set(DEPTH, depth);
    return Math.max(1, (w[stack + depth * DECISION_WORDS + 2]! & STEPS) - steps);
  }

  /** How far it came. */
  result(): Searched {
    const completed = this.get(COMPLETED) - 1;
    const executions = Array.from({ length: Math.min(this.bound + 1, MAX_BOUNDS) }, (_, bound) =>
      this.get(EXECUTIONS + bound),
    );
    return {
      executions,
      completed,
      exhausted: this.get(ENDED) !== 0 && this.get(TURNED_AWAY) + this.get(UNSTEADY) === 0,
      unsteady: this.get(UNSTEADY) !== 0,
      overflowed: this.get(OVERFLOWED) !== 0,
    };
  }
}
