/**
 * What the linearizability checker is given: the operations that CPUs performed, and the sequential model that judges them.
 *
 * An operation is an interval from its call to its return. One precedes another when it returned before the other was called; all
 * others are concurrent, also those that merely touch (a return and a call with the same number), because equal numbers do not say which
 * came first. Numbers from one counter shared by all CPUs never tie and are the sharpest.
 *
 * An operation whose return is Infinity is pending: its CPU died, was stopped or is still in it. It may have taken effect at any time
 * after its call, or not at all, and its result is not looked at.
 */

import type { Operation, Outcome, Result } from '../../../src/model.ts';

export type { Operation, Outcome, Result, SequentialModel } from '../../../src/model.ts';

/** Outcomes as a list; undefined is none. */
export function outcomesOf<State>(
  applied: Outcome<State> | readonly Outcome<State>[] | undefined,
): readonly Outcome<State>[] {
  if (applied === undefined) return [];
  return isList(applied) ? applied : [applied];
}

const isList = <State>(
  applied: Outcome<State> | readonly Outcome<State>[],
): applied is readonly Outcome<State>[] => Array.isArray(applied);

/** Whether a result is the recorded one; NaN equals itself, and 0 equals -0. */
export const sameResult = (a: Result, b: Result): boolean => a === b || (Number.isNaN(a) && Number.isNaN(b));

/** A history that no checker could judge: says which operation is wrong and how. */
export class HistoryError extends RangeError {
  readonly code = 'EHISTORY';
  /** Position of the operation in the history. */
  readonly operation: number;
  constructor(operation: number, what: string) {
    super(`operation ${operation} of the history ${what}`);
    this.name = 'HistoryError';
    this.operation = operation;
  }
}

/**
 * Refuses times that say nothing.
 * @throws HistoryError for a call that is not a finite number, or a return before the call
 */
export function validateHistory(history: readonly Operation<unknown>[]): void {
  for (let i = 0; i < history.length; i += 1) {
    const { call, return: returned } = history[i]!;
    if (!Number.isFinite(call)) {
      throw new HistoryError(i, `was called at ${call}: a finite number is expected`);
    }
    if (!(returned >= call)) {
      throw new HistoryError(
        i,
        `returned at ${returned}, called at ${call}: a number from there on is expected, or Infinity for one that did not return`,
      );
    }
  }
}

/** A part of a history: positions of the operations of one object. */
export interface Part {
  /** What `partition` named it; undefined for an undivided history. */
  readonly name: string | number | undefined;
  readonly members: readonly number[];
}

/** Divides a history by object, in the order in which the objects first appear. */
export function divide<Op>(
  history: readonly Operation<Op>[],
  partition: ((op: Op) => string | number | undefined) | undefined,
): readonly Part[] {
  if (!partition) return [{ name: undefined, members: history.map((_, i) => i) }];
  const parts = new Map<string | number | undefined, number[]>();
  for (let i = 0; i < history.length; i += 1) {
    const name = partition(history[i]!.op);
    const members = parts.get(name);
    if (members) members.push(i);
    else parts.set(name, [i]);
  }
  return [...parts].map(([name, members]) => ({ name, members }));
}
