/**
 * What a policy is asked: which of the things that can happen next shall happen.
 *
 * A transition is one number: what happens, on which CPU, and with which of its stores or values.
 *
 *   RUN       the CPU makes its next accesses
 *   DRAIN     a store leaves its buffer and reaches memory
 *   INTERRUPT the CPU runs its pending interrupt handlers, and goes on
 *   TIMEOUT   its futex wait ends, by its timeout
 *   SPURIOUS  its futex wait ends though nobody has ended it, and the CPU goes on; so many times an execution (`spurious`)
 *   STALE     its relaxed load returns an older value (how much older is the index)
 *
 * The policy runs on the CPU that holds the turn and keeps everything in shared memory, in {@link PolicyView}: which CPU that is must not matter. It
 * draws from the execution's stream and from nothing else.
 */

export const RUN = 0;
export const DRAIN = 1;
export const INTERRUPT = 2;
export const TIMEOUT = 3;
/** A relaxed load returns an older value; not a choice among transitions, but recorded as one. */
export const STALE = 4;
export const SPURIOUS = 5;

/** A transition. */
export function transition(kind: number, cpu: number, index = 0): number {
  return (kind << 16) | (index << 8) | cpu;
}

/** What it is: RUN, DRAIN, INTERRUPT, TIMEOUT or SPURIOUS. */
export const kindOf = (choice: number): number => choice >>> 16;
/** The CPU it is about. */
export const cpuOf = (choice: number): number => choice & 0xff;
/** Which store of its buffer. */
export const indexOf = (choice: number): number => (choice >>> 8) & 0xff;

/** What a policy sees and keeps. */
export interface PolicyView {
  readonly cpus: number;
  /** The CPU that had the turn, or {@link NOBODY} at the start of an execution. */
  readonly current: number;
  /** Accesses made so far. */
  readonly steps: number;
  /** Parameter of the policy: depth, one in how many. */
  readonly parameter: number;
  /** Accesses that an execution is expected to have. */
  readonly length: number;
  /** The next number of the execution's stream, 0 to 2^32 - 1. */
  random(): number;
  /** Words that the policy keeps through an execution. */
  kept(at: number): number;
  keep(at: number, value: number): void;
  /** Rank of a CPU, and of the stores in its buffer. */
  priority(cpu: number): number;
  setPriority(cpu: number, value: number): void;
  drainPriority(cpu: number): number;
  setDrainPriority(cpu: number, value: number): void;
  /** What a CPU is about to do: operation and address. */
  nextOp(cpu: number): number;
  nextAddr(cpu: number): number;
  /** Whether a word is one of those that the session is about. */
  focused(addr: number): boolean;
  /** Accesses that a CPU has made. */
  accesses(cpu: number): number;
  /** Whether its actor has returned. */
  done(cpu: number): boolean;
  /** Stores in its buffer. */
  buffered(cpu: number): number;
}

/** No CPU had the turn. */
export const NOBODY = 0xff;

/** A policy. */
export interface Policy {
  readonly name: string;
  /** Whether there is another execution to run; there always is, unless the policy says otherwise. */
  more?(view: PolicyView): boolean;
  /** An execution begins. */
  begin(view: PolicyView): void;
  /**
   * Chooses among what can happen.
   * @param enabled transitions, the RUNs first, by CPU
   * @param count how many there are; at least one
   * @param usual what happens if nobody intervenes: the current CPU goes on, or else the first that can
   */
  choose(view: PolicyView, enabled: Int32Array, count: number, usual: number): number;
  /** How many accesses the CPU may make before it asks again; at least 1. */
  quota(view: PolicyView, cpu: number): number;
  /** Futex waits of this execution that may end spuriously; one, in one of four executions by seed, unless the policy says otherwise. */
  spurious?(view: PolicyView): number;
  /**
   * How far back a relaxed load of the current CPU looks; at random unless the policy says otherwise.
   * @param older values that it may see, besides the latest
   * @returns 0 for the latest, up to `older`
   */
  stale?(view: PolicyView, older: number): number;
}
