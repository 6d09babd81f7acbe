/**
 * What can go wrong, as data: every violation that a CPU reports is one of these details, and belongs to one oracle.
 *
 * A CPU that has caught a lock may be about to hang in it, so it cannot be asked for a text afterwards: it writes numbers into shared memory, and
 * the main thread makes the sentence.
 */
import type { OracleName } from '../../src/locking/define.ts';

/** One thing that can go wrong. */
export interface Detail {
  readonly oracle: OracleName;
  /** The sentence; `{cpu}`, `{other}`, `{word}`, `{expected}`, `{got}` are filled in. */
  readonly text: string;
}

/** All details; a record names one by its index here. */
export const DETAILS = {
  twoHolders: { oracle: 'exclusion', text: 'CPU {cpu} entered while CPU {other} was inside' },
  ownerChanged: { oracle: 'exclusion', text: 'CPU {other} entered while CPU {cpu} was inside' },
  ownerGone: { oracle: 'exclusion', text: 'another CPU entered and left while CPU {cpu} was inside' },
  lostIncrement: {
    oracle: 'exclusion',
    text: 'CPU {cpu} was alone inside and still saw {word} at {got} instead of {expected}',
  },
  lostAtRest: {
    oracle: 'exclusion',
    text: 'all CPUs are outside and {word} stands at {got} instead of {expected}',
  },
  writerInside: { oracle: 'exclusion', text: 'CPU {cpu} read while CPU {other} was inside to write' },
  readerInside: { oracle: 'exclusion', text: 'CPU {cpu} wrote while CPU {other} was inside to read' },
  changedUnderReader: {
    oracle: 'exclusion',
    text: '{word} changed from {expected} to {got} while CPU {cpu} held it for reading',
  },
  tornUnderReader: {
    oracle: 'exclusion',
    text: 'CPU {cpu} held it for reading and saw half a write: {word} is {got}, the others {expected}',
  },
  writerBetween: {
    oracle: 'exclusion',
    text: 'CPU {cpu} downgraded and found that another writer had been in: {word} is {got} instead of {expected}',
  },
  upgradeNotAlone: {
    oracle: 'exclusion',
    text: 'CPU {cpu} upgraded and found {word} changed from {expected} to {got}',
  },
  tornSnapshot: {
    oracle: 'snapshot',
    text: 'CPU {cpu} was told that its snapshot is good, and it is not: {word} is {got}, the first word {expected}',
  },
  staleSnapshot: {
    oracle: 'snapshot',
    text: 'CPU {cpu} read version {got} after it had read version {expected}',
  },
  overtaken: {
    oracle: 'order',
    text: 'CPU {cpu} overtook CPU {other}, which had been queued before it came',
  },
  bypassed: {
    oracle: 'bypass',
    text: 'CPU {other} was queued and had to let {got} others pass, the last of them CPU {cpu}; {expected} are promised',
  },
  tooMany: {
    oracle: 'counts',
    text: '{got} permits were out when CPU {cpu} got its own; there are {expected}',
  },
  permitsAtRest: { oracle: 'counts', text: 'all CPUs are outside and {got} permits are still out' },
  ringOverrun: { oracle: 'counts', text: 'CPU {cpu} found {got} items in a buffer of {expected}' },
  itemLost: {
    oracle: 'counts',
    text: 'CPU {cpu} took item {got} out of the buffer where item {expected} had been put',
  },
  tooOld: {
    oracle: 'grace-period',
    text: 'CPU {cpu} reads {word} at age {got}: at age {expected} it had been taken away, and what a reader can still see must not have been given back since',
  },
  usedAnew: {
    oracle: 'grace-period',
    text: '{word} went from {expected} to {got} under CPU {cpu}: the object was used anew while it was being read',
  },
  callbacksLost: {
    oracle: 'counts',
    text: '{expected} objects were handed over and {got} have come back, with all CPUs outside and after a barrier',
  },
  lapped: {
    oracle: 'counts',
    text: 'CPU {cpu} passed the barrier into phase {expected} and found CPU {other} in phase {got}',
  },
  itemOrder: {
    oracle: 'order',
    text: 'CPU {cpu} took item {got} of CPU {other} where item {expected} or a later one was due',
  },
  itemsLost: { oracle: 'counts', text: 'the queue is empty and {got} more items were put than taken' },
  itemsChanged: {
    oracle: 'counts',
    text: 'as many items were taken as were put, and not the same: their sums differ by {got}',
  },
  tooSoon: {
    oracle: 'counts',
    text: 'CPU {cpu} was let through as number {got} where {expected} had been completed',
  },
  leaders: { oracle: 'counts', text: '{got} CPUs were told to be the leader of {expected} phases' },
  notFree: { oracle: 'at-rest', text: 'all CPUs are outside and the lock cannot be acquired' },
  foreignRelease: {
    oracle: 'ownership',
    text: 'CPU {cpu} released it while CPU {other} held it, and was not refused',
  },
  checkFailed: { oracle: 'check', text: 'the check failed' },
  forbiddenOutcome: { oracle: 'check', text: 'a forbidden outcome was seen' },
  notLinearizable: {
    oracle: 'linearizability',
    text: 'no order of the recorded operations explains what they returned',
  },
  unwoken: {
    oracle: 'wakeup',
    text: 'CPU {expected} was let go on at {word} by a store of CPU {other} that was followed by no wake: had it been asleep, it would have slept on',
  },
  notHeld: { oracle: 'ownership', text: 'CPU {cpu} was refused its own release' },
} as const satisfies Record<string, Detail>;

/** The name of a detail. */
export type DetailName = keyof typeof DETAILS;

const NAMES = Object.keys(DETAILS) as DetailName[];
/** Index of each detail, as records have it. */
export const DETAIL: Readonly<Record<DetailName, number>> = Object.freeze(
  Object.fromEntries(NAMES.map((name, at) => [name, at])) as Record<DetailName, number>,
);

/** The detail behind an index. */
export function detailAt(index: number): { name: DetailName } & Detail {
  const name = NAMES[index] ?? 'twoHolders';
  return { name, ...DETAILS[name] };
}

/** All oracles, in the order of `Control.byOracle`. */
export const ORACLES: readonly OracleName[] = [
  'exclusion',
  'snapshot',
  'order',
  'bypass',
  'counts',
  'grace-period',
  'wakeup',
  'progress',
  'ownership',
  'at-rest',
  'exception',
  'check',
  'linearizability',
];
