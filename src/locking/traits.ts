/**
 * What a lock is, in one number: its kind and what it promises, as far as whoever watches its use has to know.
 *
 * Tracking sees operations and addresses, and no definition. So `defineLock` notes here what the operations that it makes belong to, `track` looks it up, and
 * the number goes with each acquisition into the records of the engines that keep any. Operations of unknown origin have the traits of their kind and promise
 * nothing: nobody judges them by more.
 *
 *   bits 0 to 7   the flags below
 *   from bit 8    one more than the acquisitions of others that may come before a queued CPU; 0: not promised
 */
import type { Kind, Promises } from './kinds.ts';

/** Who holds it must not sleep: those who wait for it spin. */
export const SPINS = 1;
/** Acquiring it may sleep. */
export const SLEEPS = 2;
/** It stands for read sections of RCU: readers never wait. */
export const RCU = 4;
/** Who holds it may acquire it again. */
export const RECURSIVE = 8;
/** Nobody holds it: anybody may release it. */
export const UNOWNED = 16;
/** CPUs get in in the order in which they were queued. */
export const FIFO = 32;

const BOUND_SHIFT = 8;
const MOST_BYPASSES = 2 ** 20;

/** Acquisitions of others that may come before a queued CPU; -1: any number. */
export const bypassOf = (traits: number): number => (traits >>> BOUND_SHIFT) - 1;

const known = new WeakMap<object, number>();

/** The traits that a kind has by itself. */
export function kindTraits(kind: Kind): number {
  if (kind === 'rcu') return RCU | RECURSIVE;
  return kind === 'semaphore' || kind === 'condition' ? UNOWNED : 0;
}

/** The traits of a lock. @param cpus on which its bound depends */
export function traitsOf(kind: Kind, promises: Promises, cpus: number): number {
  const { spins, sleeps, recursive, fifo, bypass } = promises;
  const bound = typeof bypass === 'function' ? bypass(cpus) : bypass;
  return (
    kindTraits(kind) |
    (spins ? SPINS : 0) |
    // A condition sleeps without the mutex that its caller holds when it begins to wait: its futex says where.
    (sleeps && kind !== 'condition' ? SLEEPS : 0) |
    (recursive ? RECURSIVE : 0) |
    (fifo ? FIFO : 0) |
    (bound !== undefined && bound >= 0 ? (Math.min(bound, MOST_BYPASSES) + 1) << BOUND_SHIFT : 0)
  );
}

/** Notes what operations belong to. */
export function declareTraits(ops: object, traits: number): void {
  known.set(ops, traits);
}

/** What operations of this kind belong to. */
export function traitsOfOps(ops: object, kind: Kind): number {
  return known.get(ops) ?? kindTraits(kind);
}
