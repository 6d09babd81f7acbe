/**
 * Sequential models that scenarios can name, for `checkLinearizable`.
 *
 * An operation is a record with its `name`, its arguments, and `on`, which tells objects of one kind apart and may be left out where there is
 * only one. The results are those of the usual interface: `dequeue` and `pop` return undefined when there is nothing, `add` and `remove` of a
 * set tell whether they changed it, `compareExchange` returns the old value as `isa` does and `compareAndSet` whether it matched.
 *
 * A mutex is judged as an object too: `acquire` cannot happen while it is held, so two CPUs that both returned from it without a release in
 * between have no order.
 */

import type { ModelName } from '../../src/model.ts';
import { hashOf, mixed } from './linearizability/hash.ts';
import type { Operation, Outcome, Result, SequentialModel } from './linearizability/history.ts';
import { fifoQueue } from './linearizability/queue.ts';

export { type FifoQueueOp, fifoQueue, type QueueCell, type QueueState } from './linearizability/queue.ts';

/** What a container holds. */
export type Item = number | string | boolean;

const returns = <State>(state: State, result: Result): Outcome<State> => ({ state, result });

/** Tells values of different types apart. */
const exact = (value: Result): string | number =>
  typeof value === 'number' ? value : `${typeof value} ${value}`;

/** An operation of a register. */
export type RegisterOp = { name: 'read' } | { name: 'write'; value: Item };

/** A register: `read` returns the value, `write` sets it. */
export function register(start: Item = 0): SequentialModel<Item, RegisterOp> {
  return {
    init: () => start,
    apply: (state, op) => (op.name === 'read' ? returns(state, state) : returns(op.value, undefined)),
    key: exact,
  };
}

/** An operation of a register with compare-and-swap. */
export type CasRegisterOp =
  | RegisterOp
  | { name: 'compareExchange'; expected: Item; value: Item }
  | { name: 'compareAndSet'; expected: Item; value: Item };

/** A register that can also be set on condition: `compareExchange` returns the old value, `compareAndSet` whether it was set. */
export function casRegister(start: Item = 0): SequentialModel<Item, CasRegisterOp> {
  const plain = register(start);
  return {
    ...plain,
    apply(state, op, cpu) {
      if (op.name === 'read' || op.name === 'write') return plain.apply(state, op, cpu);
      const matches = state === op.expected;
      return returns(matches ? op.value : state, op.name === 'compareAndSet' ? matches : state);
    },
  };
}

/** An operation of a counter. */
export type CounterOp =
  | { name: 'read' }
  | { name: 'add'; value: number }
  | { name: 'fetchAdd'; value: number };

/** A counter: `read` returns the sum, `add` returns nothing, `fetchAdd` the sum before. It does not wrap. */
export function counter(start = 0): SequentialModel<number, CounterOp> {
  return {
    init: () => start,
    apply(state, op) {
      if (op.name === 'read') return returns(state, state);
      return returns(state + op.value, op.name === 'fetchAdd' ? state : undefined);
    },
    key: (state) => state,
  };
}

/** An operation of a stack. */
export type StackOp = { name: 'push'; value: Item } | { name: 'pop' };

/** A stack, from its top. */
export type StackState =
  | { readonly top: Item; readonly below: StackState; readonly size: number; readonly hash: number }
  | undefined;

function sameStack(a: StackState, b: StackState): boolean {
  let [one, other] = [a, b];
  while (one !== other) {
    if (!one || !other || one.size !== other.size || one.top !== other.top) return false;
    one = one.below;
    other = other.below;
  }
  return true;
}

/** A stack: `push` returns nothing, `pop` the value that was pushed last, or undefined. */
export function stack(): SequentialModel<StackState, StackOp> {
  return {
    init: () => undefined,
    apply(state, op) {
      if (op.name === 'pop') return state ? returns(state.below, state.top) : returns(state, undefined);
      const { value } = op;
      const hash = mixed((state?.hash ?? 0) + 1) ^ hashOf(value);
      return returns({ top: value, below: state, size: (state?.size ?? 0) + 1, hash }, undefined);
    },
    key: (state) => state?.hash ?? 0,
    equal: sameStack,
  };
}

/** An operation of a set. */
export type SetOp = { name: 'add' | 'remove' | 'has'; value: Item };

/** A set: `add` and `remove` tell whether they changed it, `has` whether the value is in. Divided by value. */
export function set(): SequentialModel<ReadonlySet<Item>, SetOp> {
  return {
    init: () => new Set(),
    apply(state, { name, value }) {
      const has = state.has(value);
      if (name === 'has') return returns(state, has);
      if (has === (name === 'add')) return returns(state, false);
      const changed = new Set(state);
      if (has) changed.delete(value);
      else changed.add(value);
      return returns(changed, true);
    },
    key(state) {
      let hash = 0;
      for (const value of state) hash = (hash + mixed(hashOf(value))) | 0;
      return hash;
    },
    equal: (a, b) => a.size === b.size && [...a].every((value) => b.has(value)),
    partition: ({ value }) => exact(value),
  };
}

/** An operation of a mutex. */
export type MutexOp = { name: 'acquire' | 'tryAcquire' | 'release' };

/** A mutex: `acquire` cannot happen while it is held, `tryAcquire` tells whether it succeeded, `release` is for the CPU that holds it. */
export function mutex(): SequentialModel<number | undefined, MutexOp> {
  return {
    init: () => undefined,
    apply(holder, { name }, cpu) {
      if (name === 'release') return holder === cpu ? returns(undefined, undefined) : undefined;
      if (name === 'tryAcquire') return holder === undefined ? returns(cpu, true) : returns(holder, false);
      return holder === undefined ? returns(cpu, undefined) : undefined;
    },
    key: (holder) => holder ?? 'free',
  };
}

/** An operation on one of many objects; those that do not say which are on the same one. */
export type On<Op> = Op & { readonly on?: string | number };

/** Many independent objects of one kind, told apart by `on`. Divided by object, and further if the kind is. */
export function many<State, Op>(
  kind: SequentialModel<State, Op>,
): SequentialModel<ReadonlyMap<string | number | undefined, State>, On<Op>> {
  type States = ReadonlyMap<string | number | undefined, State>;
  const same = (a: State, b: State) => kind.key(a) === kind.key(b) && (kind.equal?.(a, b) ?? true);
  return {
    init: () => new Map(),
    apply(states, op, cpu) {
      const before = states.has(op.on) ? (states.get(op.on) as State) : kind.init();
      const after = ({ state, result }: Outcome<State>): Outcome<States> =>
        returns(new Map(states).set(op.on, state), result);
      const applied = kind.apply(before, op, cpu);
      return applied && (Array.isArray(applied) ? applied.map(after) : after(applied as Outcome<State>));
    },
    key(states) {
      let hash = 0;
      for (const [on, state] of states)
        hash = (hash + mixed(mixed(hashOf(on)) + hashOf(kind.key(state)))) | 0;
      return hash;
    },
    equal: (a, b) =>
      a.size === b.size && [...a].every(([on, state]) => b.has(on) && same(state, b.get(on) as State)),
    partition(op) {
      const inner = kind.partition?.(op);
      if (inner === undefined) return op.on;
      return op.on === undefined ? inner : `${op.on}.${inner}`;
    },
    ...(kind.guess && { guess: (part: readonly Operation<On<Op>>[]) => kind.guess!(part) }),
    ...(kind.describe && { describe: (op: On<Op>) => kind.describe!(op) }),
  };
}

/** The operations of the ready-made models: another name is a mistake, and not an operation that returned the wrong thing. */
export const modelOperations: Readonly<Record<ModelName, readonly string[]>> = {
  register: ['read', 'write'],
  casRegister: ['read', 'write', 'compareExchange', 'compareAndSet'],
  counter: ['read', 'add', 'fetchAdd'],
  fifoQueue: ['enqueue', 'dequeue'],
  stack: ['push', 'pop'],
  set: ['add', 'remove', 'has'],
  mutex: ['acquire', 'tryAcquire', 'release'],
};

/** The ready-made models, by name. */
export const models = {
  /** `read`, `write`. */
  register,
  /** And `compareExchange`, `compareAndSet`. */
  casRegister,
  /** `read`, `add`, `fetchAdd`. */
  counter,
  /** `enqueue`, `dequeue`. */
  fifoQueue,
  /** `push`, `pop`. */
  stack,
  /** `add`, `remove`, `has`. */
  set,
  /** `acquire`, `tryAcquire`, `release`. */
  mutex,
} as const satisfies Record<ModelName, () => SequentialModel<unknown, unknown>>;
