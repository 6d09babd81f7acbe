/**
 * Each detector finds a real bug by way of the hunt, which goes well by any other oracle or goes wrong rarely; the fixed twin is silent under all of them; the
 * token of what was found shows it again; what is suppressed is no failure.
 */
import * as assert from 'uvu/assert';
import { DETECTORS } from '../../harness/detect/index.ts';
import { Exploration } from '../../harness/explore/exploration.ts';
import { hunt } from '../../harness/explore/hunt.ts';
import { PORTFOLIO } from '../../harness/explore/policies/index.ts';
import { replay } from '../../harness/explore/replay.ts';
import { SuppressionError, suppressions } from '../../harness/explore/suppress.ts';
import { decode, encode, LONGEST_TOKEN } from '../../harness/explore/token.ts';
import type { Tortured } from '../../harness/torture/setup.ts';
import { classics } from '../../src/scenarios/index.ts';
import {
  greedy,
  hoardsNothing,
  hoardsSilently,
  marked,
  mayBeAllowed,
  sampled,
  tidies,
  undecided,
  unguarded,
  url,
} from '../fixtures/hunt.ts';
import { seed } from '../seed.ts';
import { suite } from '../suite.ts';

const test = suite('detectors in the hunt');
const ALL = DETECTORS.map(({ name }) => name);
const own = (subject: unknown): Tortured => subject as Tortured;
const classic = (name: string) => classics.find((each) => each.name === name)!;

/** Of the broken form, executions at most, and whether to go on after a failure: a deadlock may come before the order that leads to it is complete. */
for (const [name, detector, oracle, executions, all, said] of [
  ['unlocked-read', 'races', 'race', 100, false, /nothing orders .*write.*read|nothing orders .*read.*write/],
  [
    'lock-cycle',
    'lockorder',
    'lock-order',
    60,
    true,
    /circular locking dependency detected: .* -> .* -> .* -> /,
  ],
  [
    'lookup-then-get',
    'lifetime',
    'lifetime',
    2000,
    false,
    /CPU 1 accesses object\.(refs|key).*CPU 0 has freed/,
  ],
  [
    'sleep-under-spinlock',
    'lockorder',
    'lock-order',
    20,
    false,
    /io_mutex, which may sleep, while it holds .*queue_lock/,
  ],
  [
    'loser-leaks',
    'lifetime',
    'lifetime',
    2000,
    false,
    /object, allocated by CPU [01], is left when all is over/,
  ],
  [
    'barging-queue',
    'starvation',
    'starvation',
    2000,
    false,
    /CPU [01] had queued for .* first come, first served/,
  ],
] as const) {
  test(
    `${name} is found by ${detector}, its token shows it again, its twin is silent (seed ${seed})`,
    async () => {
      const { broken, fixed } = classic(name);
      const options = { seed, models: ['sc'] } as const;
      const { failures } = await hunt(broken, { ...options, executions, all, detect: [detector] });
      const failure = failures.find((each) => each.oracle === oracle);
      assert.ok(failure, `${failures.map(({ text }) => text).join('; ')}`);
      assert.match(failure.text, said);
      assert.ok(
        failure.details.some((line) => /src[/\\]scenarios[/\\]\w+\.ts:\d+/.test(line)),
        failure.details.join('\n'),
      );
      assert.ok(failure.token.length <= LONGEST_TOKEN);
      const run = decode(failure.token);
      assert.equal(run.detect, [detector]);
      const again = await replay(broken, run, { times: 3 });
      assert.is(again.same, 3, again.difference);
      assert.ok(again.failures.some(({ key }) => key === failure.key));
      const without = await hunt(broken, { ...options, executions: 40, detect: [] });
      assert.not(
        without.failures.some((each) => each.oracle === oracle),
        'nothing else finds that',
      );
      const silent = await hunt(fixed, { ...options, executions: 100, detect: ALL });
      assert.is(silent.verdict, 'clean', silent.failures[0]?.text);
    },
    { deadline: 120_000 },
  );
}

test('a race is suppressed by its word, its function and its file, and by nothing else', async () => {
  const { broken } = classic('unlocked-read');
  for (const [pattern, hides] of [
    ['two_locks.value', true],
    ['races.ts', true],
    ['other-races.ts', false],
  ] as const) {
    const { verdict, unused } = await hunt(broken, {
      seed,
      executions: 60,
      models: ['sc'],
      detect: ['races'],
      suppress: suppressions(`# a comment\n\nrace:${pattern}  # known`),
    });
    assert.is(verdict, hides ? 'clean' : 'found', pattern);
    assert.equal(
      unused.map(({ line }) => line),
      hides ? [] : [3],
    );
  }
});

test('a line that is no suppression is named by its number', () => {
  for (const bad of ['two_locks.value', 'lock:x', 'race:', 'race: two words'])
    assert.throws(
      () => suppressions(`# first\n${bad}\n`),
      (error: unknown) => error instanceof SuppressionError && error.message.startsWith('line 2: '),
      bad,
    );
});

test('a function is suppressed by its name, and what is marked as a race is none', async () => {
  const options = { seed, executions: 60, models: ['sc'], detect: ['races'], url } as const;
  const found = await hunt(own(sampled), options);
  assert.is(found.failures[0]?.oracle, 'race');
  assert.match(
    found.failures[0]!.details.join('\n'),
    /CPU [01].*sampleHits.*CPU [01].*sampleHits.*value changed/s,
  );
  const hidden = await hunt(own(sampled), { ...options, suppress: suppressions('race:sampleHits') });
  assert.is(hidden.verdict, 'clean');
  assert.ok(hidden.executions >= 60, 'it goes on after what it hides');
  assert.is((await hunt(own(marked), options)).verdict, 'clean');
});

test('an order of locks that no single execution shows is found all the same', async () => {
  const { failures, executions } = await hunt(own(undecided), {
    seed,
    executions: 2000,
    models: ['sc'],
    url,
  });
  const [failure] = failures;
  assert.is(failure?.oracle, 'lock-order', `${executions} executions (seed ${seed})`);
  assert.match(failure!.text, /undecided\.(first -> undecided\.second|second -> undecided\.first)/);
  assert.match(failure!.details.join('\n'), /no single execution shows all of it/);
});

test('what says nothing of itself, or allows it, is not accused', async () => {
  for (const each of [mayBeAllowed, hoardsSilently, tidies, greedy]) {
    const { verdict, failures } = await hunt(own(each), {
      seed,
      executions: 100,
      detect: ALL.filter((name) => name !== 'races'),
      url,
    });
    assert.is(verdict, 'clean', failures[0]?.text);
  }
});

test('an object that may not be left is left by every schedule', async () => {
  const { failures } = await hunt(own(hoardsNothing), { seed, executions: 5, url });
  assert.match(failures[0]?.text ?? '', /left_item, allocated by CPU 0, is left when all is over/);
});

test('an access without its guard is a lead and no failure', async () => {
  const { verdict, leads } = await hunt(own(unguarded), {
    seed,
    executions: 60,
    models: ['sc'],
    detect: ['guard'],
    url,
  });
  assert.is(verdict, 'clean');
  assert.is(leads.length, 1);
  assert.match(leads[0]!, /CPU 1 makes a writeOnce of guarded_value\.value/);
});

test('executions that are too long for detectors are counted, not called free of races', async () => {
  const { broken } = classic('unlocked-read');
  const session = { executions: 20, base: seed, portfolio: PORTFOLIO };
  for (const [trace, unwatched] of [
    [1 << 12, 0],
    [8, 20],
  ] as const) {
    const exploration = await Exploration.open(broken, { detect: ['races'], trace });
    const made = await exploration.session(session).finally(() => exploration.close());
    assert.equal([made.unwatched, made.failed > 0], [unwatched, unwatched === 0], `seed ${seed}`);
  }
});

test('a token says which detectors it takes, and one without is of those on by default', () => {
  const run = {
    subject: 'ticket',
    cpus: 2,
    steps: 2,
    model: 'sc',
    schedule: { switches: [], seed: 7 },
    subjectHash: '',
    traceHash: 5,
  } as const;
  assert.equal(decode(encode(run)), run);
  for (const detect of [[], ['races'], ALL])
    assert.equal(decode(encode({ ...run, detect })), { ...run, detect });
});

test.run();
