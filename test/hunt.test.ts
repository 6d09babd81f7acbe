/**
 * The hunt finds what is broken, says nothing about what holds, and what it prints is a run that comes back access by access. Subjects that are no function of
 * shared memory are named as such, and tokens of anything else are refused.
 */
import * as assert from 'uvu/assert';
import { Exploration } from '../harness/explore/exploration.ts';
import { hunt } from '../harness/explore/hunt.ts';
import { PORTFOLIO } from '../harness/explore/policies/index.ts';
import { replay } from '../harness/explore/replay.ts';
import { decode, encode, LONGEST_TOKEN, TokenError } from '../harness/explore/token.ts';
import type { Tortured } from '../harness/torture/setup.ts';
import { lockByName } from '../src/locks.ts';
import { crowded, embrace, fickle, lost, remembers, throws, url } from './fixtures/hunt.ts';
import { seed } from './seed.ts';
import { haveTurn, inTurn, suite } from './suite.ts';

const test = suite('hunt');
const lock = (name: string): Tortured => lockByName(name) as Tortured;
const own = (subject: unknown): Tortured => subject as Tortured;
const REPLAYS = 50;
const SILENT = ['ticket', 'mcs', 'mutex3', 'rwsem', 'seqlock', 'semaphore', 'rcu', 'mutex', 'rwlock'];
const some = inTurn(test, 5);

for (const [name, oracle] of [
  ['busted/no-exclusion', 'exclusion'],
  ['busted/mcs-unlinked', 'progress'],
  ['busted/ticket-trylock-draws', 'progress at-rest'],
  ['busted/rwsem-downgrade', 'exclusion'],
  ['busted/mutex3-blind-park', 'wakeup'],
  ['busted/ttas-forgets-wake', 'wakeup'],
  ['busted/seqlock-no-retry', 'snapshot'],
  ['busted/completion-not-taken', 'counts'],
  ['busted/rcu-no-wait', 'grace-period'],
] as const) {
  some(
    `${name} is found and shrunk, and its token replays ${REPLAYS} times (seed ${seed})`,
    async () => {
      const result = await hunt(lock(name), { seed, executions: 10_000 });
      assert.is(result.verdict, 'found');
      const [failure] = result.failures;
      assert.ok(oracle.split(' ').includes(failure?.oracle ?? ''), failure?.text);
      assert.ok(failure!.preemptions <= failure!.shrunk.from);
      assert.ok(failure!.shown <= 15);
      const again = await replay(lock(name), decode(failure!.token), { times: REPLAYS });
      assert.is(again.same, REPLAYS, again.difference);
      assert.is(again.failure?.key, failure!.key);
    },
    { deadline: 120_000 },
  );
}

test('a failure is not lost where a smaller size cannot be had', async () => {
  const { failures } = await hunt(own(crowded), { seed, cpus: 3, executions: 200, url });
  const [failure] = failures;
  assert.equal([failure?.oracle, failure?.cpus], ['exclusion', 3], `seed ${seed}`);
  assert.is((await replay(own(crowded), decode(failure!.token), { times: 3, url })).same, 3);
});

test(
  `locks that hold are silent (seed ${seed})`,
  async () => {
    for (const name of haveTurn(SILENT, 4)) {
      const result = await hunt(lock(name), { seed, executions: 600 });
      assert.is(result.verdict, 'clean', `${name}: ${result.failures[0]?.text}`);
      assert.ok(result.executions >= 600);
    }
  },
  { deadline: 240_000 },
);

test('a lost increment, a deadlock and an exception are each called what they are', async () => {
  const expected: [unknown, string, RegExp][] = [
    [lost, 'check', /an increment was lost/],
    [embrace, 'progress', /nobody can go on: CPU 0 waits for .*, CPU 1 waits for/],
    [throws, 'exception', /I am second/],
  ];
  for (const [subject, oracle, text] of expected) {
    const { failures } = await hunt(own(subject), { seed, executions: 2000, url });
    assert.is(failures[0]?.oracle, oracle);
    assert.match(failures[0]!.text, text);
  }
});

test('a subject that is no function of shared memory is named, with what differed', async () => {
  for (const subject of [fickle, remembers]) {
    const result = await hunt(own(subject), { seed, executions: 500, url });
    assert.is(result.verdict, 'not deterministic', subject.name);
    assert.match(result.difference ?? '', /access \d+: CPU \d/);
  }
});

test(`an execution is the same by seed and by its switches, and leaves no trace in memory (seed ${seed})`, async () => {
  for (const model of ['sc', 'tso', 'weak'] as const) {
    const exploration = await Exploration.open(lock('rwlock'), { cpus: 3 });
    try {
      await exploration.session({ executions: 1, base: seed, portfolio: PORTFOLIO });
      const image = exploration.machine.words.slice();
      for (let at = 0; at < 12; at += 1) {
        const { policy, parameter } = PORTFOLIO[at % PORTFOLIO.length]!;
        const schedule = { policy, parameter, length: 80, seed: (seed + at) | 0 };
        const first = await exploration.execution(schedule, { model });
        const { switches } = first;
        const again = await exploration.execution({ switches, seed: schedule.seed }, { model });
        assert.is(again.hash, first.hash, `${model} ${policy} ${at}`);
        assert.is(again.trace.length, first.trace.length);
      }
      await exploration.session({ executions: 200, base: seed, portfolio: PORTFOLIO, model });
      const { words } = exploration.machine;
      const differing = image.findIndex((word, at) => word !== words[at] && !exploration.counts(at));
      assert.is(differing, -1, `word ${differing} is ${words[differing]}, was ${image[differing]}`);
    } finally {
      await exploration.close();
    }
  }
});

test('a token that was cut or altered, or is of something else, is refused with the reason', async () => {
  const run = {
    subject: 'ticket',
    cpus: 2,
    steps: 2,
    model: 'sc',
    schedule: { switches: [{ cpu: 0, accesses: 12, choice: 1 }], seed: 7 },
    subjectHash: '',
    traceHash: -5,
  } as const;
  const token = encode(run);
  assert.ok(token.length <= LONGEST_TOKEN);
  assert.equal(decode(token), run);
  const refused = (text: string, why: RegExp): void =>
    assert.throws(
      () => decode(text),
      (error: unknown) => error instanceof TokenError && why.test(error.message),
      text,
    );
  for (let cut = 1; cut < token.length; cut += 7) refused(token.slice(0, -cut), /cut or altered|no token/);
  refused(token.replace('2x2', '3x2'), /cut or altered/);
  refused(token.replace('lr1', 'lr9'), /format lr9/);
  refused('nonsense', /no token/);
  const replayed = (subject: string, changed: object) => replay(lock(subject), { ...run, ...changed });
  for (const [subject, changed, why] of [
    ['mcs', {}, /of 'ticket', not of 'mcs'/],
    ['ticket', { subjectHash: 'abcd1234' }, /has changed/],
  ] as const) {
    const error = await replayed(subject, changed).then(
      () => undefined,
      (thrown: unknown) => thrown as Error,
    );
    assert.match(error?.message ?? '', why);
  }
});

test.run();
