/**
 * How a CPU waits: one mechanism under every lock, on both hardware engines.
 *
 * spinWhile first spins inside the engine for a bounded number of loads, so that nothing else is paid when the wait is short. Then the
 * CPU says in its wait record what it waits for (the watchdog and interrupt senders read it) and goes on by its policy, serving
 * interrupts between rounds.
 *
 * Parking needs a waker, and must not lose one:
 *
 *   parker: parkers[hash(a)] += 1;  re-read a;  futex wait on a
 *   waker:  a = new value;          read parkers[hash(a)];  notify if it is not zero
 *
 * Both pairs are sequentially consistent, so either the parker re-reads the new value or the waker sees the count (Dekker); a change
 * between the re-read and the sleep is seen by the futex itself, which compares under its own lock. The park is timed all the same: the first
 * sleep ends after 1 ms, each following one of the same wait after twice that, up to 64 ms. A lock that never wakes is therefore slow and not
 * hung, and a sleep that ended by its timeout although the word had already changed is counted as overslept: for a lock that wakes, that
 * takes a waker that was preempted between its store and its notify.
 *
 * spinBriefly is the spin without the rest. wait is the plain futex: it has no timeout that its caller did not ask for, so a lost wake-up stays lost, and is found as such.
 *
 * An interrupt sender sets the pending word, then reads the wait record and notifies the word it names. A target that had checked just
 * before and sleeps just after misses that notify; the sender repeats it until the target has acknowledged.
 */
import { type Addr, WAIT_TIMED_OUT, WAIT_WOKEN, type WaitingPolicy, type WaitResult } from './isa.ts';
import type { WasmMemory } from './webassembly.ts';

/** Byte offset of the first parked counter, and the mask that leaves 256 counters of a line each. The wasm module has the same numbers. */
export const PARKERS = 4096;
const PARKER_MASK = 0x3fc0;
/** Bytes from the start of memory that belong to the engines. */
export const ENGINE_BYTES = PARKERS + PARKER_MASK + 64;

/** Byte offset of the parked counter of a word. */
export function parkersOf(addr: Addr): Addr {
  return PARKERS + ((addr ^ (addr << 4)) & PARKER_MASK);
}

/** The wait record: what its CPU is blocked on. Byte offsets from {@link IsaHost.record}; written by its CPU alone but for `irqPending`. */
export const WaitRecord = {
  /** {@link BLOCKED_NO}, {@link BLOCKED_SPIN} or {@link BLOCKED_WAIT}. */
  blocked: 0,
  addr: 4,
  value: 8,
  /** Counts the changes of `blocked`: equal before and after a look, nothing happened in between. */
  seq: 12,
  /** Interrupts are off while this is not 0. */
  irqOff: 16,
  parks: 20,
  woken: 24,
  overslept: 28,
  /** Whether the futex wait has no timeout. */
  endless: 32,
  /** Wake-ups that this CPU has sent to words that somebody was parked on. */
  wakes: 36,
  /** On a line of its own: others write it. One bit an interrupt vector. */
  irqPending: 64,
} as const;
/** Bytes of a wait record. */
export const WAIT_RECORD_BYTES = 128;
/** `blocked`: running. */
export const BLOCKED_NO = 0;
/** `blocked`: in `spinWhile`, until the word differs from the value. */
export const BLOCKED_SPIN = 1;
/** `blocked`: in `wait`, until somebody notifies the word. */
export const BLOCKED_WAIT = 2;

/** What an engine needs to know of the CPU it serves. */
export interface IsaHost {
  /** The machine's memory: a shared `WebAssembly.Memory`, or for the Atomics engine a bare `SharedArrayBuffer`. */
  memory: WasmMemory | SharedArrayBuffer;
  /** Byte offset of this CPU's {@link WaitRecord}. */
  record: Addr;
  /** How `spinWhile` waits; `spin-then-park` unless given. */
  waiting?: WaitingPolicy;
  /** Rounds of 2,000 loads before `spin-then-park` parks. */
  spinRounds?: number;
  /** Whether loads pass no loads and stores no stores on this processor (x86): `rmb` and `wmb` then need no fence. */
  strongOrder?: boolean;
  /** Runs the handlers of the pending interrupts. */
  serve?: () => void;
  /** Called by {@link Isa.queued}. */
  queued?: (lock: Addr) => void;
}

/** Loads of one spin before the CPU looks up. */
export const SPIN_LOADS = 2000;
const SPIN_ROUNDS = 8;
const FIRST_PARK = 1e6;
const LONGEST_PARK = 64e6;
const POLL_PARK = 1e5;
const NO_TIMEOUT = -1;

/** The primitives that differ between engines; addresses are byte offsets. */
export interface Primitives {
  load(addr: Addr): number;
  fetchAdd(addr: Addr, operand: number): number;
  spin(addr: Addr, value: number, loads: number): number;
  futexWait(addr: Addr, value: number, timeout: number): WaitResult;
}

const ignore = (): void => {};

/** The waiting loops over an engine's primitives. */
export class Waiting {
  readonly #memory: Int32Array<SharedArrayBuffer>;
  readonly #to: Primitives;
  readonly #record: number;
  readonly #policy: WaitingPolicy;
  readonly #rounds: number;
  readonly #serve: () => void;

  constructor(words: Int32Array<SharedArrayBuffer>, to: Primitives, host: IsaHost) {
    this.#memory = words;
    this.#to = to;
    this.#record = host.record >>> 2;
    this.#policy = host.waiting ?? 'spin-then-park';
    this.#rounds =
      this.#policy === 'spin'
        ? Number.POSITIVE_INFINITY
        : this.#policy === 'park'
          ? 0
          : (host.spinRounds ?? SPIN_ROUNDS);
    this.#serve = host.serve ?? ignore;
  }

  /** Loads of a spin that a sleep follows. */
  get briefLoads(): number {
    return this.#rounds > 1 ? SPIN_LOADS : 1;
  }

  #block(kind: number, addr: Addr, value: number, endless: number): void {
    const words = this.#memory;
    const record = this.#record;
    words[record + 1] = addr;
    words[record + 2] = value;
    words[record + 8] = endless;
    Atomics.store(words, record, kind);
    words[record + 3]! += 1;
  }

  #unblock(): void {
    const words = this.#memory;
    Atomics.store(words, this.#record, BLOCKED_NO);
    words[this.#record + 3]! += 1;
  }

  #pending(): boolean {
    const words = this.#memory;
    return Atomics.load(words, this.#record + 16) !== 0 && words[this.#record + 4] === 0;
  }

  /** Counts a wake-up that was sent. */
  sentWake(): void {
    this.#memory[this.#record + 9]! += 1;
  }

  /** Serves what is pending; says whether it did. */
  interrupts(): boolean {
    if (!this.#pending()) return false;
    this.#serve();
    return true;
  }

  /** The slow path of `spinWhile`: the first spin has failed. */
  spinWhile(addr: Addr, value: number): number {
    let timeout = FIRST_PARK;
    this.#block(BLOCKED_SPIN, addr, value, 0);
    for (let round = 1; ; round += 1) {
      if (this.#pending()) {
        this.#unblock();
        this.#serve();
        this.#block(BLOCKED_SPIN, addr, value, 0);
      }
      let now: number;
      if (round <= this.#rounds) {
        now = this.#to.spin(addr, value, SPIN_LOADS);
      } else {
        now = this.#park(addr, value, timeout);
        timeout = Math.min(2 * timeout, LONGEST_PARK);
      }
      if (now !== value) {
        this.#unblock();
        return now;
      }
    }
  }

  #park(addr: Addr, value: number, timeout: number): number {
    const words = this.#memory;
    const to = this.#to;
    const parkers = parkersOf(addr);
    to.fetchAdd(parkers, 1);
    // Also the re-read for interrupts: a sender that set the pending word before our count saw our wait record, or we see its word.
    let result = WAIT_WOKEN;
    if (to.load(addr) === value && !this.#pending()) {
      words[this.#record + 5]! += 1;
      result = to.futexWait(addr, value, timeout);
      if (result === WAIT_WOKEN) words[this.#record + 6]! += 1;
    }
    to.fetchAdd(parkers, -1);
    const now = to.load(addr);
    if (result === WAIT_TIMED_OUT && now !== value) words[this.#record + 7]! += 1;
    return now;
  }

  /** Waits until one word of `pairs` (addr, value, …) differs; the index of that pair. */
  spinWhileAny(pairs: readonly number[]): number {
    const to = this.#to;
    const changed = (): number => {
      for (let at = 0; at < pairs.length; at += 2) {
        if (to.load(pairs[at]!) !== (pairs[at + 1]! | 0)) return at >> 1;
      }
      return -1;
    };
    for (let spins = 0; spins < SPIN_LOADS; spins += 1) {
      const which = changed();
      if (which >= 0) return which;
    }
    const addr = pairs[0]!;
    const value = pairs[1]! | 0;
    this.#block(BLOCKED_SPIN, addr, value, 0);
    for (;;) {
      if (this.#pending()) {
        this.#unblock();
        this.#serve();
        this.#block(BLOCKED_SPIN, addr, value, 0);
      }
      const which = changed();
      if (which >= 0) {
        this.#unblock();
        return which;
      }
      if (this.#policy !== 'spin') this.#park(addr, value, POLL_PARK);
    }
  }

  /** Futex wait with the wait record kept; see {@link Isa.wait}. */
  wait(addr: Addr, value: number, timeout: number = NO_TIMEOUT): WaitResult {
    if (this.interrupts()) return WAIT_WOKEN;
    this.#block(BLOCKED_WAIT, addr, value, timeout < 0 ? 1 : 0);
    const result = this.#pending() ? WAIT_WOKEN : this.#to.futexWait(addr, value, timeout);
    this.#unblock();
    this.interrupts();
    return result;
  }
}
