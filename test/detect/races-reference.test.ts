/**
 * The vector clocks find exactly the races that the definition of the happens-before order has, on random executions of every memory model. The seeds are
 * fixed, so that more samples are only more of the same; the long tests draw 6000.
 */
import * as assert from 'uvu/assert';
import { Races } from '../../harness/detect/races.ts';
import { OPERATIONS } from '../../harness/engines/trace.ts';
import { suite } from '../suite.ts';
import { closure, EDGES, kindOf, RCU, racesOf, type Sample, sample } from './reference.ts';

const SAMPLES = process.env.LOCKRIG_LONG === '1' ? 6000 : 2000;
const FIRST = 1;
// One pass for all of them: what an execution leaves behind must not reach the next.
const pass = new Races({ cpus: 4, bytes: 8192, rcu: (lock) => lock === RCU });

function found({ trace }: Sample): string[] {
  pass.scan(trace);
  return Array.from({ length: pass.count }, (_, index) => {
    const [first, second] = [pass.pairs[2 * index]!, pass.pairs[2 * index + 1]!];
    const kinds = [first, second].map((at) => kindOf(OPERATIONS[trace.op(at)]!));
    return `${trace.addr(second)}: ${kinds.join(', ')}`;
  });
}

const test = suite('races, against the definition');

test('the same words race in the same ways', () => {
  const drawn = { sc: 0, tso: 0, weak: 0 };
  let racing = 0;
  for (let seed = FIRST; seed < FIRST + SAMPLES; seed += 1) {
    const execution = sample(seed);
    drawn[execution.model] += 1;
    const expected = [...racesOf(execution)].sort();
    assert.equal(found(execution).sort(), expected, `seed ${seed}, ${execution.model}`);
    if (expected.length > 0) racing += 1;
  }
  for (const [model, count] of Object.entries(drawn)) assert.ok(count > SAMPLES / 8, `${count} of ${model}`);
  assert.ok(racing > SAMPLES / 4 && racing < SAMPLES, `${racing} of ${SAMPLES} race`);
});

test('the two accesses that are named are unordered, conflict, and are in order of the trace', () => {
  for (let seed = FIRST; seed < FIRST + SAMPLES / 6; seed += 1) {
    const execution = sample(seed);
    const { trace } = execution;
    const before = closure(execution);
    pass.scan(trace);
    for (let index = 0; index < pass.count; index += 1) {
      const [first, second] = [pass.pairs[2 * index]!, pass.pairs[2 * index + 1]!];
      assert.ok(first < second, `seed ${seed}`);
      assert.is(trace.addr(first), trace.addr(second), `seed ${seed}`);
      assert.is.not(trace.cpu(first), trace.cpu(second), `seed ${seed}`);
      assert.is(
        before[second]! & (1n << BigInt(first)),
        0n,
        `seed ${seed}: ${first} happens before ${second}`,
      );
    }
  }
});

for (const edge of EDGES) {
  test(`without the edge '${edge}' the definition has more races`, () => {
    let more = 0;
    for (let seed = FIRST; seed < FIRST + SAMPLES && more < 3; seed += 1) {
      const execution = sample(seed);
      if (racesOf(execution, edge).size > found(execution).length) more += 1;
    }
    assert.is(more, 3, 'executions in which only this edge orders two accesses');
  });
}

test.run();
