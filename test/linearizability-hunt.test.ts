/**
 * Scenarios that record their operations: what no order explains is found by the hunt and by the torture, with what could not be placed, and comes back; what is
 * linearizable is silent under every memory model; what is too much to be judged is called unknown, and neither.
 *
 * A judge that takes the call of an operation for its beginning would find `late` linearizable; one that takes the return of a buffered store for its end
 * would blame `buffered`.
 */
import * as assert from 'uvu/assert';
import { HistoryLog, logWords } from '../harness/detect/history-log.ts';
import { historyJudge } from '../harness/detect/judge-history.ts';
import { modelOperations } from '../harness/detect/models.ts';
import { Exploration } from '../harness/explore/exploration.ts';
import { PORTFOLIO } from '../harness/explore/policies/index.ts';
import { describeHunt, hunt, prove, replay, torture } from '../harness/index.ts';
import type { Tortured } from '../harness/torture/setup.ts';
import { defineLock, defineScenario, ScenarioDefinitionError } from '../src/index.ts';
import type { RecordedOp, Result } from '../src/model.ts';
import { scenarioByName } from '../src/scenarios/index.ts';
import { buffered, endless, late, liar, own, unjudged, url } from './fixtures/recorded.ts';
import { seed } from './seed.ts';
import { suite } from './suite.ts';

const test = suite('recorded operations');
const scenario = (name: string): Tortured => scenarioByName(name)!;
const ours = (given: unknown): Tortured => given as Tortured;

for (const name of ['treiber-aba', 'queue-lagging-tail', 'hash-insert-lost'])
  test(`busted/${name} is found, explained and replayed; ${name} is silent (seed ${seed})`, async () => {
    const broken = await hunt(scenario(`busted/${name}`), { executions: 10_000, seed, models: ['sc'] });
    const [failure] = broken.failures;
    assert.is(failure?.oracle, 'linearizability', describeHunt(broken));
    assert.match(failure!.text, /not linearizable: no order explains the \d+ operations[\s\S]*\n> #\d+ /);
    const again = await replay(scenario(`busted/${name}`), failure!.token, { times: 20 });
    assert.equal([again.same, again.failure?.text], [20, failure!.text], again.difference);
    const fixed = await hunt(scenario(name), { executions: 300, seed, models: ['sc', 'tso', 'weak'] });
    assert.equal([fixed.verdict, fixed.undecided], ['clean', 0], describeHunt(fixed));
  });

test('recording changes no execution, and is forgotten between two', async () => {
  const schedule = { policy: 'random', parameter: 4, length: 60, seed: seed | 0 };
  const hashes: number[] = [];
  for (const subject of [own, unjudged]) {
    const exploration = await Exploration.open(ours(subject), { url });
    try {
      const { hash } = await exploration.execution(schedule);
      const session = await exploration.session({ executions: 200, base: seed, portfolio: PORTFOLIO });
      hashes.push((await exploration.execution(schedule)).hash, hash, session.accesses);
    } finally {
      await exploration.close();
    }
  }
  assert.equal(hashes.slice(0, 3), hashes.slice(3));
  assert.is(hashes[0], hashes[1]);
});

test('an operation begins with its first access: a read that comes after a write sees it', async () => {
  const { failures } = await hunt(ours(late), { executions: 2000, seed, url, models: ['sc'] });
  assert.is(failures[0]?.oracle, 'linearizability');
});

test('an operation ends when its stores have reached memory', async () => {
  for (const model of ['tso', 'weak'] as const) {
    const result = await hunt(ours(buffered), { executions: 800, seed, url, models: [model] });
    assert.is(result.verdict, 'clean', describeHunt(result));
  }
});

test('a model of its own judges; free-running CPUs are judged at the end of a round', async () => {
  const { failures } = await hunt(ours(own), { executions: 2000, seed, url });
  assert.is(failures[0]?.oracle, 'linearizability');
  assert.match(failures[0]!.text, /tick\(\)/);
  const result = await torture(ours(liar), { rounds: 2, seed }, { url, stacks: false });
  assert.is(result.oracle, 'linearizability');
  assert.match(result.outcomes?.failures.join() ?? '', /not linearizable/);
  const fixed = await torture(scenario('treiber-aba'), { rounds: 4, seed }, { stacks: false });
  assert.equal([fixed.verdict, fixed.outcomes?.undecided], ['success', 0]);
});

test('what is too much to be recorded is unknown: no failure, no success, no proof', async () => {
  const result = await hunt(ours(endless), { executions: 20, seed, url, models: ['sc'] });
  assert.equal([result.verdict, result.undecided], ['clean', result.executions]);
  const { verdict, failures, gaps } = await prove(
    { subject: ours(endless), url, hash: '', file: '' },
    { bound: 0, executions: 10 },
  );
  assert.equal([verdict, failures], ['not proved', []]);
  assert.match(gaps.join(), /could not be judged/);
});

test('the log gives back what was put in, whatever results are', () => {
  const words = new Int32Array(new SharedArrayBuffer(4 * logWords(2, 512)));
  let clock = 0;
  const log = new HistoryLog(words, 0, 2, 512, () => (clock += 1));
  const results: Result[] = [1, -7, true, false, undefined, 'äpfel €', '', 2.5, Number.NaN, 2 ** 40];
  const ops: RecordedOp[] = results.map((_, at) => ({ name: `o${at}`, value: at % 2 ? 'ß' : at }));
  results.forEach((result, at) => {
    const record = log.call(at % 2, ops[at]!);
    log.began(record);
    log.returned(at % 2, record, result, true);
  });
  log.began(log.call(1, { name: 'pending' }));
  const { history, full } = log.read([{ op: { name: 'last' }, result: 3 }]);
  assert.not(full);
  for (const [at, op] of ops.entries())
    assert.equal(history.find((each) => each.op.name === op.name)?.result, results[at], op.name);
  assert.is(history.find(({ op }) => op.name === 'pending')?.return, Number.POSITIVE_INFINITY);
  assert.is(history.at(-1)?.op.name, 'last');
  assert.ok(history.slice(0, -1).every(({ call }) => call < history.at(-1)!.call));
  while (log.call(0, { name: 'more' }) >= 0);
  assert.ok(log.read().full);
});

test('a model that is none is refused', () => {
  for (const model of ['heap', {}, 7]) {
    const define = () => defineScenario({ name: 'x', state: 4, actors: () => {}, model: model as never });
    assert.throws(
      define,
      (error: unknown) => error instanceof ScenarioDefinitionError && /for a model/.test(error.message),
    );
  }
});

test('a name that is no line, or an async callback, is refused with what is wrong', () => {
  const parts = { name: 'x', state: 4, actors: () => {}, check: () => {} };
  for (const [wrong, sentence] of [
    [{ name: 'two\nlines' }, /"two\\nlines" has control characters/],
    [{ name: 'x'.repeat(101) }, /has 101 characters: at most 100/],
    [{ actors: async () => {} }, /async function for actors/],
    [{ actors: [() => {}, async () => {}] }, /async function for actors/],
    [{ check: async () => {} }, /async function for check/],
  ] as const)
    assert.throws(
      () => defineScenario({ ...parts, ...wrong } as Parameters<typeof defineScenario>[0]),
      (error: unknown) => error instanceof ScenarioDefinitionError && sentence.test(error.message),
    );
  assert.is(defineScenario({ ...parts, name: 'x'.repeat(100) }).name.length, 100);
  const lock = {
    name: 'x',
    kind: 'mutex',
    size: 4,
    create: () => ({ acquire: async () => {}, release() {} }),
  };
  assert.throws(() => defineLock({ ...lock, name: 'a\u001b[31m' } as never), /control characters/);
  assert.throws(() => defineLock(lock as never).create({} as never, {} as never), /has an async acquire/);
});

test('an operation that the named model does not have is an exception, and no wrong answer', () => {
  const of = (name: string) => ({
    history: [{ cpu: 0, op: { name }, call: 1, return: 2, result: undefined }],
    full: false,
  });
  const judge = historyJudge('stack');
  assert.is(judge(of('pop')).verdict, 'linearizable');
  assert.throws(() => judge(of('pap')), /the model 'stack' has no operation 'pap': one of push, pop/);
  for (const [model, names] of Object.entries(modelOperations))
    for (const name of names) historyJudge(model as 'stack')(of(name));
});

test.run();
