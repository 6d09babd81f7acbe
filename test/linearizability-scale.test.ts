/**
 * How far the linearizability checker reaches: what it looks at, counted in configurations, for long histories. A search that forgets where it
 * has been, or that has no idea in which order the items of a queue went in, exceeds the counts by orders of magnitude.
 */
import * as assert from 'uvu/assert';
import { checkLinearizable } from '../harness/detect/linearizability.ts';
import { many, models, type RegisterOp } from '../harness/detect/models.ts';
import { isWitness, makeHistory, randomFrom, withResult } from './histories.ts';
import { suite } from './suite.ts';

const test = suite('linearizability of long histories');

test('what was explored is remembered: subsets of writes, not their permutations', () => {
  const history = Array.from({ length: 10 }, (_, cpu) => ({
    cpu,
    op: { name: 'write', value: cpu } as const,
    call: 0,
    return: 1,
    result: undefined,
  }));
  const impossible = { cpu: 0, op: { name: 'read' } as const, call: 2, return: 3, result: -1 };
  const found = checkLinearizable<unknown, RegisterOp>([...history, impossible], models.register(), {
    maxConfigurations: 10 * 2 ** 10 + 2,
  });
  assert.is(found.verdict, 'not linearizable');
});

test('100,000 operations on 1,000 queues: a configuration each, and one wrong result is found', () => {
  const random = randomFrom(7);
  const model = many(models.fifoQueue());
  const op = (i: number) => ({
    on: Math.floor(random() * 1000),
    ...(random() < 0.5 ? ({ name: 'enqueue', value: i } as const) : ({ name: 'dequeue' } as const)),
  });
  const history = makeHistory(model, { cpus: 8, operations: 100_000, random, op });
  const found = checkLinearizable(history, model);
  assert.is(found.verdict, 'linearizable');
  assert.is(found.partitions, 1000);
  assert.ok(found.configurations < 200_000, `${found.configurations} configurations`);
  const at = history.findIndex(({ result }, i) => i > 50_000 && result !== undefined);
  const lost = checkLinearizable(withResult(history, at, -1), model);
  assert.is(lost.verdict === 'not linearizable' && lost.failure.obstacle, at);
});

test('100,000 operations of 4 CPUs on one queue: about a configuration each', () => {
  const random = randomFrom(8);
  const op = (i: number) =>
    random() < 0.5 ? ({ name: 'enqueue', value: i } as const) : ({ name: 'dequeue' } as const);
  const history = makeHistory(models.fifoQueue(), { cpus: 4, operations: 100_000, random, op, rest: 2 });
  const found = checkLinearizable(history, models.fifoQueue());
  assert.ok(found.verdict === 'linearizable' && isWitness(history, models.fifoQueue(), found.order));
  assert.ok(found.configurations < 150_000, `${found.configurations} configurations`);
});

test.run();
