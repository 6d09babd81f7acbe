/**
 * The linearizability checker. What it answers is compared with an enumerator that tries every permutation, for every ready-made model and with
 * times that tie, operations that do not return and results that are wrong; every witness is checked for itself. A checker that forgets real
 * time or pending operations would be noticed: such ones are built here and are.
 */
import * as assert from 'uvu/assert';
import { Configurations } from '../harness/detect/linearizability/cache.ts';
import { search } from '../harness/detect/linearizability/search.ts';
import {
  checkLinearizable,
  explainFailure,
  HistoryError,
  type Operation,
  type Result,
  type SequentialModel,
} from '../harness/detect/linearizability.ts';
import { many, models } from '../harness/detect/models.ts';
import { bruteForce, isWitness, makeHistory, randomFrom, withResult, written } from './histories.ts';
import { suite } from './suite.ts';

type AnyOp = { name: string; value?: number; expected?: number };
type AnyModel = SequentialModel<unknown, AnyOp>;
type History = Operation<AnyOp>[];

/** A lock whose tryAcquire may fail for no reason: a specification that leaves a choice. */
const weakMutex: AnyModel = {
  init: () => false,
  apply(held, { name }) {
    if (name === 'release') return held ? { state: false, result: undefined } : undefined;
    const refused = { state: held, result: false };
    return held ? refused : [refused, { state: true, result: true }];
  },
  key: (held) => Number(held),
};

const as = <State, Op>(model: SequentialModel<State, Op>) => model as unknown as AnyModel;
const NAMES: readonly (readonly [name: string, model: AnyModel, names: readonly string[]])[] = [
  ['register', as(models.register()), ['read', 'write']],
  ['casRegister', as(models.casRegister()), ['read', 'write', 'compareExchange', 'compareAndSet']],
  ['counter', as(models.counter()), ['read', 'add', 'fetchAdd']],
  ['fifoQueue', as(models.fifoQueue()), ['enqueue', 'dequeue']],
  ['stack', as(models.stack()), ['push', 'pop']],
  ['set', as(models.set()), ['add', 'remove', 'has']],
  ['mutex', as(models.mutex()), ['acquire', 'tryAcquire', 'release']],
  ['weakMutex', weakMutex, ['tryAcquire', 'release']],
];
const SEEDS = 500;

/** A small history of a model, every other one with results that were changed; times tie, some operations do not return. */
function smallHistory(model: AnyModel, names: readonly string[], seed: number, extra = 0): History {
  const random = randomFrom(seed);
  const below = (n: number) => Math.floor(random() * n);
  const op = () => ({ name: names[below(names.length)]!, value: 1 + below(2), expected: below(3) });
  const operations = 2 + below(4) + extra;
  let history = makeHistory(model, {
    cpus: 2 + below(2) + Math.sign(extra),
    operations,
    random,
    op,
    rest: random(),
    whole: random() < 0.5,
    pending: 0.15,
  });
  for (let changes = below(3); changes > 0; changes -= 1) {
    const donor: Result = history[below(operations)]!.result;
    history = withResult(history, below(operations), random() < 0.5 ? donor : below(4));
  }
  return history;
}

const show = (history: History) => history.map((operation) => JSON.stringify(operation)).join('\n');

type Register = typeof read | ReturnType<typeof write>;
type Queue = typeof dequeue | ReturnType<typeof enqueue>;
const enqueue = (value: number) => ({ name: 'enqueue', value }) as const;
const dequeue = { name: 'dequeue' } as const;
const write = (value: number) => ({ name: 'write', value }) as const;
const read = { name: 'read' } as const;
const NEVER = Number.POSITIVE_INFINITY;

const test = suite('linearizability');

for (const [name, model, names] of NAMES) {
  test(`agrees with all permutations: ${name}`, () => {
    const counts = { linearizable: 0, 'not linearizable': 0, unknown: 0 };
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const history = smallHistory(model, names, seed);
      const found = checkLinearizable(history, model);
      const expected = bruteForce(history, model) ? 'linearizable' : 'not linearizable';
      assert.is(found.verdict, expected, `seed ${seed}:\n${show(history)}`);
      counts[found.verdict] += 1;
      if (found.verdict === 'linearizable') {
        assert.ok(isWitness(history, model, found.order), `seed ${seed}: ${found.order} is no witness`);
      }
    }
    assert.ok(counts.linearizable >= SEEDS / 5, `only ${counts.linearizable} linearizable histories`);
    assert.ok(counts['not linearizable'] >= SEEDS / 5, `only ${counts['not linearizable']} others`);
  });
}

test('a checker that ignores real time or pending operations is noticed', () => {
  const noticed = { timeless: 0, strict: 0, dropped: 0 };
  for (const [, model, names] of NAMES) {
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const history = smallHistory(model, names, seed);
      const truth = bruteForce(history, model) ? 'linearizable' : 'not linearizable';
      const broken = {
        timeless: history.map((o) => ({ ...o, call: 0, return: o.return === NEVER ? NEVER : 0 })),
        strict: history.map((o) => ({ ...o, return: o.return === NEVER ? 1e9 : o.return })),
        dropped: history.filter((o) => o.return !== NEVER),
      };
      for (const kind of ['timeless', 'strict', 'dropped'] as const) {
        if (checkLinearizable(broken[kind], model).verdict !== truth) noticed[kind] += 1;
      }
    }
  }
  for (const [kind, times] of Object.entries(noticed)) assert.ok(times >= 20, `${kind}: ${times} times`);
});

test('the verdict does not hang on hashes: they may all be equal', () => {
  const limits = { maxConfigurations: 10_000, interrupted: undefined };
  for (const [name, model, names] of NAMES) {
    const { guess: _, ...unguided } = model; // a guess would spare it the wrong orders that have to be told apart
    const alike = model.equal ? { ...unguided, key: () => 0 } : unguided;
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const history = smallHistory(model, names, seed, 5);
      const found = search(history, alike, new Configurations(alike, () => 0), limits);
      assert.is(found.verdict, checkLinearizable(history, model).verdict, `${name}, seed ${seed}`);
    }
  }
});

test('a bound on memory gives unknown or the truth', () => {
  let unknown = 0;
  let decided = 0;
  for (const [name, model, names] of NAMES) {
    for (let seed = 1; seed <= SEEDS; seed += 1) {
      const history = smallHistory(model, names, seed);
      const { verdict: truth, configurations } = checkLinearizable(history, model);
      for (const maxConfigurations of [1, 2, 3, 5, 8, configurations, configurations + 1]) {
        const { verdict } = checkLinearizable(history, model, { maxConfigurations });
        if (verdict === 'unknown') unknown += 1;
        else {
          decided += 1;
          assert.is(verdict, truth, `${name}, seed ${seed}, bound ${maxConfigurations}`);
        }
      }
      assert.is(checkLinearizable(history, model, { maxConfigurations: configurations + 1 }).verdict, truth);
    }
  }
  assert.ok(unknown > 1000 && decided > 1000, `unknown ${unknown}, decided ${decided}`);
});

test('one wrong object decides, though another is beyond the bound', () => {
  const hard = Array.from({ length: 12 }, (_, i) => ({ on: 'a', ...enqueue(i) }));
  const history = [
    ...hard.map((op, cpu) => ({ cpu, op, call: 0, return: 10, result: undefined })),
    { cpu: 0, op: { on: 'a', ...dequeue }, call: 20, return: 21, result: 99 },
    { cpu: 0, op: { on: 'b', ...dequeue }, call: 0, return: 1, result: 7 },
  ];
  const model = many(models.fifoQueue());
  const options = { maxConfigurations: 100 };
  assert.is(checkLinearizable(history, model, options).verdict, 'not linearizable');
  const left = checkLinearizable(history.slice(0, -1), model, options);
  assert.equal(left.verdict === 'unknown' && [left.reason, left.undecided], ['memory', ['a']]);
  assert.ok(left.configurations <= 100);
});

test('an interrupted check is unknown', () => {
  const history = written<Register>([0, write(1), 0, 1], [0, read, 2, 3, 1]);
  const found = checkLinearizable(history, models.register(), { interrupted: () => true });
  assert.is(found.verdict === 'unknown' && found.reason, 'interrupted');
  const going = checkLinearizable(history, models.register(), { interrupted: () => false });
  assert.is(going.verdict, 'linearizable');
});

test('the queues of Herlihy and Wing 1990, after figure 1', () => {
  const [x, y, z] = [1, 2, 3];
  const verdict = (...rows: Parameters<typeof written<Queue>>) =>
    checkLinearizable(written(...rows), models.fifoQueue()).verdict;
  const accepted = [
    verdict(
      [0, enqueue(x), 0, 3],
      [1, enqueue(y), 2, 5],
      [1, dequeue, 6, 8, x],
      [0, dequeue, 7, 9, y],
      [0, enqueue(z), 10, 11],
    ),
    verdict([0, enqueue(x), 0, NEVER], [1, dequeue, 1, 2, x]),
  ];
  const refused = [
    verdict([0, enqueue(x), 0, 1], [1, enqueue(y), 2, 3], [0, dequeue, 4, 5, y]),
    verdict([0, enqueue(x), 0, 3], [1, enqueue(y), 1, 4], [0, dequeue, 5, 8, y], [1, dequeue, 6, 7, y]),
  ];
  assert.equal(accepted, ['linearizable', 'linearizable']);
  assert.equal(refused, ['not linearizable', 'not linearizable']);
});

test('a write that did not return may take effect at any time or never, but not twice', () => {
  const verdict = (...results: number[]) =>
    checkLinearizable(
      [
        ...written<Register>([0, write(1), 0, NEVER]),
        ...results.map((result, i) => ({ cpu: 1, op: read, call: 2 * i + 1, return: 2 * i + 2, result })),
      ],
      models.register(),
    ).verdict;
  assert.equal([verdict(0, 0), verdict(0, 1), verdict(1, 1)], Array(3).fill('linearizable'));
  assert.equal([verdict(1, 0), verdict(0, 1, 0), verdict(2)], Array(3).fill('not linearizable'));
});

test('with and without partitions the verdict is the same', () => {
  const counts = { linearizable: 0, 'not linearizable': 0, unknown: 0 };
  for (const [name, kind, names] of NAMES) {
    const divided = many(kind);
    const { partition: _, ...whole } = divided;
    for (let seed = 1; seed <= 100; seed += 1) {
      const random = randomFrom(seed);
      const below = (n: number) => Math.floor(random() * n);
      const op = () => ({
        on: below(3),
        name: names[below(names.length)]!,
        value: 1 + below(2),
        expected: below(3),
      });
      let history = makeHistory(divided, {
        cpus: 3,
        operations: 12,
        random,
        op,
        pending: 0.1,
        whole: seed % 2 === 0,
      });
      if (seed % 3 > 0) history = withResult(history, below(12), history[below(12)]!.result);
      const found = checkLinearizable(history, divided);
      assert.is(checkLinearizable(history, whole).verdict, found.verdict, `${name}, seed ${seed}`);
      counts[found.verdict] += 1;
      if (found.verdict === 'linearizable')
        assert.ok(isWitness(history, whole, found.order), `${name}, seed ${seed}`);
    }
  }
  assert.ok(counts.linearizable > 200 && counts['not linearizable'] > 100, JSON.stringify(counts));
});

test('a failure names what was placed, what could not be, and what the model says', () => {
  const history = written<Register>(
    [0, write(1), 1, 4],
    [1, read, 2, 3, 1],
    [1, read, 6, 8, 0],
    [0, write(2), 7, 9],
  );
  const found = checkLinearizable(history, models.register());
  if (found.verdict !== 'not linearizable') throw new Error(found.verdict);
  const { placed, obstacle, unplaced } = found.failure;
  assert.equal([obstacle, unplaced.includes(2), placed.slice(0, 2)], [2, true, [0, 1]]);
  const text = explainFailure(found.failure, history, models.register());
  const line = (start: string) => text.find((candidate) => candidate.startsWith(start)) ?? '';
  assert.match(text[0]!, /no order explains the 4 operations/);
  assert.match(line('  #0'), /CPU 0 +write\(1\) +called 1 +returned 4 +result undefined +placed 1\./);
  assert.match(line('> #2'), /CPU 1 +read\(\) +called 6 +returned 8 +result 0 +would return [12] here/);
});

test('times that make no sense are refused', () => {
  for (const [call, returned] of [
    [2, 1],
    [Number.NaN, 1],
    [1, Number.NaN],
    [NEVER, NEVER],
    [-NEVER, 0],
  ] as const) {
    const history = written([0, read, 0, 1, 0], [0, read, call, returned, 0]);
    assert.throws(
      () => checkLinearizable(history, models.register()),
      (error: unknown) => error instanceof HistoryError && error.operation === 1,
    );
  }
  assert.throws(
    () => checkLinearizable([], models.register(), { maxConfigurations: 0 }),
    /maxConfigurations/,
  );
  assert.is(checkLinearizable([], models.register(), { maxConfigurations: 1 }).verdict, 'linearizable');
});

test.run();
