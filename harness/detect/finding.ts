/**
 * What detectors have in common: a detector makes a pass for one subject, and the pass reads one trace after another.
 *
 * A finding names what broke and where in the trace. Its key is made of what is the same whenever the same mistake shows: names of classes, words and
 * operations, never positions; two findings with one key are one bug. A pass returns what this execution shows, so a replay shows
 * it again; only what hangs on several executions (an order of locks) is told once.
 */
import type { Addr } from '../../src/arch/index.ts';
import type { Trace } from '../engines/trace.ts';
import type { LockOrder } from './lock-graph.ts';

/** A record that matters, and whose it is. */
export interface Place {
  /** Place in the trace; -1 where the CPU stands now. */
  readonly at: number;
  readonly cpu: number;
}

/** What a detector has found. */
export interface Finding {
  /** The detector's name. */
  readonly detector: string;
  /** Equal for what is the same mistake. */
  readonly key: string;
  /** One sentence. */
  readonly text: string;
  /** Further lines, if there is more to say. */
  readonly details: readonly string[];
  readonly at: readonly Place[];
  readonly addresses: readonly Addr[];
}

/** Reads executions, one after another. */
export interface Pass {
  /** @returns what this execution shows; the array is the caller's */
  run(trace: Trace): readonly Finding[];
  /** The orders in which locks were taken so far, where the pass keeps them. */
  orders?(): readonly LockOrder[];
}

/** What a lock is, as far as the detectors care. Locks of one class are used alike. */
export interface LockClass {
  readonly name: string;
  /** Acquiring it may sleep. */
  readonly sleeps?: boolean;
  /** Who holds it must not sleep; of RCU, who is in a read section. */
  readonly spin?: boolean;
  /** It stands for read sections of RCU: readers never wait. */
  readonly rcu?: boolean;
  /** Interrupt handlers take it. */
  readonly irq?: boolean;
  /** A reader passes writers that wait, so one that reads already may read again. */
  readonly readersPass?: boolean;
  /** Who holds it may acquire it again. */
  readonly recursive?: boolean;
  /** Several of the class may be held at once, in an order of their own. */
  readonly nests?: boolean;
  /** Anybody may release it, as a semaphore; nobody holds it. */
  readonly unowned?: boolean;
}

/** What a finding calls an address unless it is told a name. */
export const hex = (addr: Addr): string => `0x${(addr >>> 0).toString(16)}`;

/** Nothing found: shared, so that a clean execution allocates nothing. */
export const NOTHING: readonly Finding[] = Object.freeze([]);
