/** What the pass over lock events (lockorder.ts) is made for, and what it keeps of each CPU. */
import type { Addr } from '../../src/arch/index.ts';
import type { LockClass } from './finding.ts';

/** What the pass is made for. */
export interface LockOrderOptions {
  readonly cpus: number;
  /** The class of a lock; undefined: one of its own, as its events say. */
  readonly classOf?: ((lock: Addr) => LockClass | undefined) | undefined;
  /** Names a lock. */
  readonly name?: ((lock: Addr) => string) | undefined;
  /** The order that is declared. */
  readonly order?:
    | {
        readonly name: string;
        /** What kind of lock it is; undefined: none that the order is about. */
        readonly kindOf: (lock: Addr) => string | undefined;
        /** Whether one kind is to be taken before another. */
        readonly before: (kind: string, other: string) => boolean;
      }
    | undefined;
}

/** A lock that a CPU holds. */
export interface Held {
  readonly lock: Addr;
  readonly node: number;
  readonly mode: number;
  readonly at: number;
  /** Taken in an interrupt handler. */
  readonly handler: boolean;
}

/** What is known of a CPU in one execution. */
export interface Context {
  readonly cpu: number;
  readonly held: Held[];
  /** The lock it waits for; 0: none. */
  wants: Addr;
  /** What the interrupted code waits for. */
  wanted: Addr;
  handler: boolean;
  /** Where interrupts were switched off, as far as they were not switched on again. */
  readonly off: number[];
  /** How many of these are of the interrupted code. */
  outer: number;
}
