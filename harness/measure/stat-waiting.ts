/**
 * How a CPU's waiting is heard: its waiting operations say that it waits, and since when, before they do what they do.
 *
 * An acquisition that has called none of them has not waited. One that has may have waited briefly: `spinWhile` is first tried as a short spin, which is what it
 * begins with by itself. Of those that the short spin ends one in a few is timed, chosen before; of the others all are: they take their time. What the failed
 * short spin took is known from those that were timed from their begin.
 *
 * Waiting serves interrupts, whose handlers may take locks of their own: what is known of the wait is put aside meanwhile.
 */
import type { Addr, Isa } from '../../src/arch/index.ts';
import { clock } from './clock.ts';

/** What is known of the wait of this CPU. */
export interface Waiting {
  /** Whether it has waited for what it wants. */
  waited: boolean;
  /** Who must have had a lock last if nothing is to be looked up: this CPU, and nobody once it has waited. */
  expected: number;
  /** When that began, in ns; 0: it is not timed. */
  since: number;
  /** Whether it has outlasted the short spin. */
  long: boolean;
  /** Where it was called from; -1: nobody has looked. */
  place: number;
}

/** What hearing a CPU wait needs. */
export interface Hearing {
  /** How many waits to let pass before the next one is timed, when so many took so long, in ns. */
  readonly rare: (elapsed: number, count: number) => number;
  /** Looks where this wait was called from. */
  readonly look: () => number;
}

/** A CPU's waiting, as it is heard. */
export interface Heard {
  readonly state: Waiting;
  /** How often it has waited so far. */
  readonly waits: number;
  /** Forgets the wait. */
  clear(): void;
  /** Puts the wait aside, and takes it up again. */
  push(): void;
  pop(): void;
}

const NOBODY = -1;
/** What `slowly` does: notes that a wait begins; waits in one of these ways. */
const BEGINS = 0;
const SPINS = 1;
const SPINS_FOR_ANY = 2;
const SLEEPS = 3;
const PAUSES = 4;
const NO_PAIRS: readonly number[] = [];
/** Nanoseconds between two looks at where is waited, and how many times as long as one has taken; the first few come at once. */
const LOOK_PERIOD = 2e6;
const LOOK_SHARE = 2000;
const FIRST_LOOKS = 16;

/** Lets a CPU's waiting be heard; before its operations are made, and once. */
export function hearWaiting(isa: Isa, me: number, { rare, look }: Hearing): Heard {
  const { spinWhile, spinWhileAny, spinBriefly, wait, pause } = isa;
  const state: Waiting = { waited: false, expected: me, since: 0, long: false, place: -1 };
  const aside: Waiting[] = [];
  /** Short waits until the next one that is timed, how many that were, and when the last one was. */
  let left = 1;
  let passed = 1;
  let timedAt = 0;
  let briefCost = 0;
  let waits = 0;
  let looks = 0;
  let nextLook = 0;

  function clear(): void {
    state.waited = false;
    state.expected = me;
    state.since = 0;
    state.long = false;
    state.place = -1;
  }

  function push(): void {
    aside.push({ ...state });
    clear();
  }

  function pop(): void {
    const before = aside.pop();
    if (before) Object.assign(state, before);
  }

  /**
   * All that is seldom, or done while it waits anyway. In one function, too large for V8 to put it into every place where a lock is taken: of smaller ones it would, and then find no room there for
   * what a hand-off waits for.
   */
  function slowly(
    what: number,
    addr: Addr,
    value: number,
    pairs: readonly number[],
    timeout?: number,
  ): number {
    if (what === BEGINS) {
      waits += 1;
      state.waited = true;
      state.expected = NOBODY;
      left -= 1;
      if (left > 0) return 0;
      const now = clock();
      state.since = now;
      passed = rare(now - timedAt, passed);
      left = passed;
      timedAt = now;
      if (looks >= FIRST_LOOKS && now < nextLook) return 0;
      looks += 1;
      state.place = look();
      const after = clock();
      nextLook = after + Math.max(LOOK_PERIOD, LOOK_SHARE * (after - now));
      return 0;
    }
    // It will take a while.
    if ((what === SPINS || what === SLEEPS) && !state.long) {
      state.long = true;
      const now = clock();
      if (state.since === 0) state.since = now - briefCost;
      else briefCost += (now - state.since - briefCost) / (briefCost === 0 ? 1 : 8);
    }
    push();
    try {
      switch (what) {
        case SPINS:
          return spinWhile.call(isa, addr, value);
        case SPINS_FOR_ANY:
          return spinWhileAny.call(isa, pairs);
        case SLEEPS:
          return wait.call(isa, addr, value, timeout);
        default:
          pause.call(isa);
          return 0;
      }
    } finally {
      pop();
    }
  }

  Object.assign(isa, {
    spinWhile(addr: Addr, value: number): number {
      if (!state.waited) slowly(BEGINS, addr, value, NO_PAIRS);
      if (!state.long) {
        const now = spinBriefly.call(isa, addr, value);
        if (now !== (value | 0)) return now;
      }
      return slowly(SPINS, addr, value, NO_PAIRS);
    },
    spinWhileAny(pairs: readonly number[]): number {
      if (!state.waited) slowly(BEGINS, 0, 0, NO_PAIRS);
      return slowly(SPINS_FOR_ANY, 0, 0, pairs);
    },
    spinBriefly(addr: Addr, value: number): number {
      if (!state.waited) slowly(BEGINS, addr, value, NO_PAIRS);
      return spinBriefly.call(isa, addr, value);
    },
    wait(addr: Addr, value: number, timeout?: number): number {
      if (!state.waited) slowly(BEGINS, addr, value, NO_PAIRS);
      return slowly(SLEEPS, addr, value, NO_PAIRS, timeout);
    },
    pause(): void {
      if (!state.waited) slowly(BEGINS, 0, 0, NO_PAIRS);
      slowly(PAUSES, 0, 0, NO_PAIRS);
    },
  });

  return {
    state,
    get waits() {
      return waits;
    },
    ...{ clear, push, pop },
  };
}
