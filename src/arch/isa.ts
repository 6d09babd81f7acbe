/**
 * The instruction set: the one door to shared memory.
 *
 * Locks, RCU, the mm model and users' designs touch memory that CPUs share through an `Isa` and in no other way, so the same source
 * runs on every engine. The names follow the Linux kernel memory model (tools/memory-model), in camelCase:
 *
 *   read / write                  plain C access: the compiler may reorder, fuse or hoist it
 *   readOnce / writeOnce          READ_ONCE / WRITE_ONCE: performed exactly once, in program order for the compiler, relaxed for the machine
 *   loadAcquire / storeRelease    smp_load_acquire / smp_store_release
 *   load / store                  sequentially consistent access
 *   fetchAdd ... compareExchange  read-modify-write, fully ordered; the suffixes Acquire, Release and Relaxed state what a design
 *                                 needs, an engine may give more
 *   mb / rmb / wmb                smp_mb, smp_rmb, smp_wmb
 *
 * Addresses are byte offsets, multiples of 4, below 1 GiB; 0 is NULL. Words have 32 bits and read as signed numbers; `ult` compares
 * them unsigned.
 *
 * Blocking is explicit: only `spinWhile`, `spinWhileAny` and `wait` block. A store that ends somebody's `spinWhile` is sequentially
 * consistent and followed by `wake` on the same word, or is a `storeWake`; without it the waiter finds out only when its timed park ends.
 */

/** Byte offset into the shared memory; a multiple of 4, below 1 GiB; 0 is NULL. */
export type Addr = number;

/** `wait` was ended by a `notify`, or spuriously. */
export const WAIT_WOKEN = 0;
/** `wait` did not sleep: the word differed from the expected value. */
export const WAIT_NOT_EQUAL = 1;
/** `wait` ended by its timeout. */
export const WAIT_TIMED_OUT = 2;
/** What `wait` answers: {@link WAIT_WOKEN}, {@link WAIT_NOT_EQUAL} or {@link WAIT_TIMED_OUT}. */
export type WaitResult = number;

/** How a CPU waits in `spinWhile`: never sleep; spin for a bounded time, then sleep; sleep at once. */
export type WaitingPolicy = 'spin' | 'spin-then-park' | 'park';

/** Reads a word. */
export type Load = (addr: Addr) => number;
/** Writes a word. */
export type Store = (addr: Addr, value: number) => void;
/** Changes a word by an operand; returns the old value. */
export type Rmw = (addr: Addr, operand: number) => number;
/** Writes a word that has the expected value; returns the old value. */
export type Cas = (addr: Addr, expected: number, value: number) => number;

/** What a plain read answers of a word that is not there. */
export function outside(addr: Addr): never {
  throw new RangeError(`address ${addr} is outside the memory`);
}

/** The instruction set of one CPU. Every operation takes byte addresses and 32-bit values; see the head of `isa.ts` for the ordering of each. */
export interface Isa {
  /** The engine's name: `wasm` or `atomics`. */
  readonly engine: string;

  /** Plain read. @throws RangeError outside the memory */
  read(addr: Addr): number;
  /** Plain write. Outside the memory it is lost, as in any typed array: a check would be the dearer part of it. */
  write(addr: Addr, value: number): void;
  /** READ_ONCE: relaxed, never hoisted or fused. */
  readonly readOnce: Load;
  /** WRITE_ONCE: relaxed, never dropped or fused. */
  readonly writeOnce: Store;
  /** Acquire load: nothing later in program order passes it. */
  readonly loadAcquire: Load;
  /** Release store: nothing earlier in program order passes it. */
  readonly storeRelease: Store;
  /** Sequentially consistent load. */
  readonly load: Load;
  /** Sequentially consistent store. */
  readonly store: Store;

  /** Adds, returns the old value. */
  readonly fetchAdd: Rmw;
  readonly fetchAddAcquire: Rmw;
  readonly fetchAddRelease: Rmw;
  readonly fetchAddRelaxed: Rmw;
  /** Ands, returns the old value. */
  readonly fetchAnd: Rmw;
  readonly fetchAndAcquire: Rmw;
  readonly fetchAndRelease: Rmw;
  readonly fetchAndRelaxed: Rmw;
  /** Ors, returns the old value. */
  readonly fetchOr: Rmw;
  readonly fetchOrAcquire: Rmw;
  readonly fetchOrRelease: Rmw;
  readonly fetchOrRelaxed: Rmw;
  /** Xors, returns the old value. */
  readonly fetchXor: Rmw;
  readonly fetchXorAcquire: Rmw;
  readonly fetchXorRelease: Rmw;
  readonly fetchXorRelaxed: Rmw;
  /** Stores, returns the old value. */
  readonly exchange: Rmw;
  readonly exchangeAcquire: Rmw;
  readonly exchangeRelease: Rmw;
  readonly exchangeRelaxed: Rmw;
  /** Stores `value` where the word equals `expected`; returns the old value. */
  readonly compareExchange: Cas;
  readonly compareExchangeAcquire: Cas;
  readonly compareExchangeRelease: Cas;
  readonly compareExchangeRelaxed: Cas;

  /** Full barrier (smp_mb). */
  readonly mb: () => void;
  /** Orders reads before it against reads after it (smp_rmb). */
  readonly rmb: () => void;
  /** Orders writes before it against writes after it (smp_wmb). */
  readonly wmb: () => void;

  /**
   * Blocks while the word equals `value`, by this CPU's waiting policy; interrupts are served meanwhile.
   * @returns the value that ended it, read with acquire ordering
   */
  spinWhile(addr: Addr, value: number): number;
  /**
   * Blocks while every word equals its value. Parks, if it does, on the first pair's word and looks at the others every 100 us.
   * @param pairs addr, value, addr, value, …
   * @returns the index of the first pair whose word differs
   */
  spinWhileAny(pairs: readonly number[]): number;
  /**
   * Spins while the word equals `value`, but no longer than a sleep and its wake-up would take; one look where the waiting policy is `park`
   * or there are more CPUs than cores. For locks that sleep: they spin before they `wait` (optimistic spinning).
   * @returns the value that it saw last, read with acquire ordering
   */
  spinBriefly(addr: Addr, value: number): number;
  /**
   * Futex wait: sleeps if the word equals `value`, until `notify` on it, the timeout, or spuriously.
   * @param timeout nanoseconds; without it the wait has no end of its own
   */
  wait(addr: Addr, value: number, timeout?: number): WaitResult;
  /** Ends the `wait` of up to `count` waiters on the word, first come first. @returns how many */
  readonly notify: (addr: Addr, count: number) => number;
  /** Ends the park of up to `count` CPUs that are in `spinWhile` on the word; costs one load where nobody is parked. */
  wake(addr: Addr, count: number): void;
  /** Sequentially consistent store, then `wake` of everybody. */
  storeWake(addr: Addr, value: number): void;
  /** Sequentially consistent store, then `wake` of one: for words that admit one of their waiters, whoever it is. */
  storeWakeOne(addr: Addr, value: number): void;
  /** Tells the processor that this is a busy loop (cpu_relax); serves interrupts. Only yields, never blocks. */
  pause(): void;

  /** Annotation: this CPU has passed the doorway of `lock`; promises about order count from here. */
  readonly queued: (lock: Addr) => void;
  /** Annotation: the object at `addr` is now reachable for others. */
  readonly published: (addr: Addr) => void;
  /** Annotation: a pointer to the object at `addr` was obtained. */
  readonly consumed: (addr: Addr) => void;
  /** Annotation: grace period `id` has ended. */
  readonly gracePeriod: (id: number) => void;
  /** Runs `fn`, whose data races are known and benign. */
  dataRace<T>(fn: () => T): T;
}

/** Unsigned 32-bit `a < b`. */
export function ult(a: number, b: number): boolean {
  return a >>> 0 < b >>> 0;
}
