/**
 * Sequential models: what an object does as if one CPU used it alone, and the operations that CPUs performed on it.
 *
 * A scenario names a model and records its operations (see scenario.ts); whether their history is linearizable is for lockrig/harness to find out.
 *
 * An operation is an interval from its call to its return. One whose return is Infinity is pending: it may have taken effect at any time after its
 * call, or not at all, and its result is not looked at.
 */

/** What an operation may return. */
export type Result = number | string | boolean | undefined;

/** One recorded operation. */
export interface Operation<Op> {
  /** The CPU that performed it. */
  readonly cpu: number;
  /** What was asked for, as the model understands it. */
  readonly op: Op;
  /** When it was called: any finite number that grows with time. */
  readonly call: number;
  /** When it returned, not before its call; Infinity if it did not. */
  readonly return: number;
  /** What it returned. */
  readonly result: Result;
}

/** What an operation does to a state: the state after it, and what it returns. */
export interface Outcome<State> {
  readonly state: State;
  readonly result: Result;
}

/**
 * The object as if one CPU used it alone. States are values: `apply` never changes the one it is given. What it answers depends on its
 * arguments only.
 */
export interface SequentialModel<State, Op> {
  /** The state before the first operation. */
  init(): State;
  /**
   * Performs an operation.
   * @returns what it does; several outcomes where the specification leaves a choice; undefined if it cannot take effect in this state
   * (acquiring a mutex that is held)
   */
  apply(state: State, op: Op, cpu: number): Outcome<State> | readonly Outcome<State>[] | undefined;
  /** Identifies a state: states with different keys are different; with equal keys they are the same, unless `equal` denies it. */
  key(state: State): string | number;
  /** For states whose exact key would be long: makes `key` a mere hash. */
  equal?(a: State, b: State): boolean;
  /**
   * Names the independent object that an operation is about. A history is linearizable if and only if the part of each object is
   * (Herlihy and Wing 1990, theorem 1), so each part is searched for itself, from `init`.
   * Two objects of one name are searched together, which is slower but not wrong.
   */
  partition?(op: Op): string | number | undefined;
  /**
   * Guesses the order of a part: a number for each operation, the smallest is tried first. A good guess saves time where a wrong order shows
   * only much later; a bad one costs time and never changes a verdict.
   */
  guess?(part: readonly Operation<Op>[]): ArrayLike<number>;
  /** Writes an operation for people; name and arguments unless given. */
  describe?(op: Op): string;
}

/** The ready-made models: see `models` of lockrig/harness. */
export type ModelName = 'register' | 'casRegister' | 'counter' | 'fifoQueue' | 'stack' | 'set' | 'mutex';

/** The model of a scenario: a ready-made one by its name, or its own. */
export type ScenarioModel = ModelName | SequentialModel<unknown, unknown>;

/** An operation as a scenario records it: a name, arguments, and `on` where there are several objects of one kind. */
export interface RecordedOp {
  readonly name: string;
  readonly [argument: string]: Result;
}
