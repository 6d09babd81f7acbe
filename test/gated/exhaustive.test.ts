/**
 * Exhaustive search: it runs every schedule within its bound and none twice, ends where the reference interpreter does, finds a failure with the fewest
 * preemptions, and does not call a proof what is none.
 */
import * as assert from 'uvu/assert';
import { SPURIOUS } from '../../harness/engines/gated/policy.ts';
import { Exploration, type ExplorationOptions } from '../../harness/explore/exploration.ts';
import { proveSubject } from '../../harness/explore/proof.ts';
import { type Proof, type ProveOptions, prove } from '../../harness/explore/prove.ts';
import { ParameterError } from '../../harness/torture/params.ts';
import type { Tortured } from '../../harness/torture/setup.ts';
import { loadLock } from '../../src/catalog.ts';
import { classics } from '../../src/scenarios/index.ts';
import * as episodes from '../fixtures/gated/episodes.ts';
import { exhaust, MODELS, openProgram, searched, sorted } from '../fixtures/gated/judge.ts';
import { LITMUS, TINY } from '../fixtures/gated/programs.ts';
import { lengthsOf, outcomes, schedules } from '../fixtures/gated/reference.ts';
import { SEARCH_MUTANTS } from '../fixtures/gated/scenarios.ts';
import { inTurn, longOnly, suite } from '../suite.ts';

const test = suite('gated: exhaustive search');
const long = longOnly(test);
const some = inTurn(test, 8);
const LONG = { deadline: 240_000 };
const FULL: ProveOptions = { bound: 255, from: 255, executions: 500_000 };

async function proof(
  subject: Tortured,
  options: ProveOptions,
  open: ExplorationOptions = {},
): Promise<{ proof: Proof; outcomes: string[] }> {
  const exploration = await Exploration.open(subject, open);
  try {
    const result = await prove(exploration, options);
    const counts = await exploration.outcomes();
    if (result.failure) {
      const { failure } = result;
      const again = await exploration.execution(failure.schedule, { model: options.model ?? 'sc' });
      assert.is(again.hash, failure.hash, 'the counterexample replays');
      assert.is(again.steps, failure.steps);
      assert.ok(again.failed);
    }
    return { proof: result, outcomes: sorted(counts.keys()) };
  } finally {
    await exploration.close();
  }
}

const lock = async (name: string): Promise<Tortured> => (await loadLock(name))!;
const episode = (name: string): Tortured =>
  Object.values(episodes).find((one) => (one as { name?: string }).name === name) as Tortured;
const ofEpisode = (name: string, options: ProveOptions) =>
  proof(episode(name), options, { url: episodes.url });

/** Tens of thousands of executions under the weak model. */
const HEAVY = ['two updates each', 'store buffering with a third word'];

for (const one of TINY) {
  const heavy = HEAVY.includes(one.name);
  const name = `${one.name}: all outcomes of the reference, and no other`;
  some(
    `${name}, under ${heavy ? 'sc and tso' : 'every model'}`,
    () => exhaust(one, heavy ? ['sc', 'tso'] : MODELS),
    LONG,
  );
  if (heavy) long(`${name}, under weak`, () => exhaust(one, ['weak']));
}

for (const { name, shows, model } of SEARCH_MUTANTS)
  test(
    `a search is found out: ${name}`,
    async () => {
      const all = sorted(outcomes([...TINY, ...LITMUS].find((one) => one.name === shows)!, model));
      const exploration = await openProgram(name);
      try {
        const { proof: result, found } = await searched(exploration, model, 0);
        for (const outcome of found) assert.ok(all.includes(outcome), `${outcome} is none of the model's`);
        assert.ok(found.length < all.length, `${shows} under ${model}: ${JSON.stringify(result)}`);
      } finally {
        await exploration.close();
      }
    },
    LONG,
  );

test(
  'each bound runs as many executions as there are schedules',
  async () => {
    for (const name of ['lost update', 'two updates each', 'adds', 'one wins', 'three stores']) {
      const one = TINY.find((tiny) => tiny.name === name)!;
      const exploration = await openProgram(name);
      try {
        const { perBound, exhausted } = await prove(exploration, { ...FULL, from: 0 });
        assert.ok(exhausted);
        assert.equal(
          perBound,
          perBound.map((_, bound) => schedules(lengthsOf(one), bound)),
          name,
        );
        assert.is(perBound.at(-1), schedules(lengthsOf(one), 255));
      } finally {
        await exploration.close();
      }
    }
  },
  LONG,
);

test('a failure is found with the fewest preemptions', async () => {
  const lost = await ofEpisode('lost-update', {});
  assert.is(lost.proof.failure?.preemptions, 1);
  assert.is(lost.proof.bound, 0, 'without a preemption nothing fails');
  assert.not.ok(lost.proof.proved);
  const deadlock = await ofEpisode('ab-ba', {});
  assert.is(deadlock.proof.failure?.reason, 'deadlock');
  assert.is(deadlock.proof.failure?.preemptions, 1);
});

test(
  'locks are proved, and broken ones found',
  async () => {
    const open = { steps: 1, params: { seed: 1, try: 0 } };
    for (const name of ['ticket', 'tas', 'mcs', 'mutex3']) {
      const { proof: result } = await proof(await lock(name), {}, open);
      assert.ok(result.proved, `${name}: ${JSON.stringify(result)}`);
      assert.is(result.bound, 2);
    }
    for (const name of ['busted/ticket-plain-draw', 'busted/test-then-set', 'busted/mutex3-dropped-wakeup']) {
      const { proof: result } = await proof(await lock(name), { bound: 4 }, { ...open, steps: 2 });
      assert.ok(result.failure, `${name}: ${JSON.stringify(result)}`);
    }
  },
  LONG,
);

test(
  'a lock is proved for every way of acquiring that its client draws',
  async () => {
    const rw = await proveSubject(await lock('rwlock'), { bound: 1 });
    assert.is(rw.verdict, 'proved', JSON.stringify(rw));
    assert.is(rw.bound, 1);
    assert.ok(rw.seeds.length >= 4, `readers and writers meet: ${rw.seeds}`);
    assert.is(rw.perBound.length, 2);
    const broken = await proveSubject(await lock('busted/test-then-set'));
    assert.is(broken.verdict, 'found');
    assert.is(broken.failures[0]?.oracle, 'exclusion');
    assert.is(broken.failures[0]?.preemptions, 2, 'and with fewer it cannot fail');
    const tso = await proveSubject(await lock('tas'), { model: 'tso' });
    assert.is(
      tso.verdict,
      'proved',
      `an episode that has an end does not hold the others back: ${JSON.stringify(tso)}`,
    );
    const cut = await proveSubject(await lock('ticket'), { executions: 100 });
    assert.is(cut.verdict, 'not proved');
    assert.match(cut.gaps.join(), 'budget');
  },
  LONG,
);

test('what depends on the engine is not called a proof', async () => {
  const spins = await ofEpisode('interrupts', { bound: 1 });
  assert.ok(spins.proof.bound === 1 && !spins.proof.proved);
  assert.match(spins.proof.gaps.join(), 'yielded');
  const timed = await ofEpisode('timed', {});
  assert.match(timed.proof.gaps.join(), 'timeout');
  const changing = await ofEpisode('remembers', {});
  assert.match(changing.proof.gaps.join(), 'not a function of its schedule');
  const endless = await ofEpisode('endless', { stepBound: 500 });
  assert.match(endless.proof.gaps.join(), 'had not ended');
  assert.is(endless.proof.failure, undefined, 'nobody was let go on who could have ended it');
  const asks = await ofEpisode('asks-the-time', {});
  assert.match(asks.proof.gaps.join(), 'clock');
  for (const { proof: result } of [spins, timed, changing, endless, asks]) assert.not.ok(result.proved);
  const sleeps = await ofEpisode('counts-sleeping', {});
  assert.ok(sleeps.proof.proved, JSON.stringify(sleeps.proof));
  assert.equal(sleeps.proof.assumes, ['no futex wait ends spuriously']);
});

test('futex waits end spuriously as often as the search is told', async () => {
  const { broken, fixed } = classics.find(({ name }) => name === 'futex-wait-if')!;
  const opened = await Promise.all(
    [broken, fixed].map((each) => Exploration.open(each as unknown as Tortured)),
  );
  const [wrong, right] = opened as [Exploration, Exploration];
  try {
    for (const model of MODELS) {
      const without = await prove(wrong, { model });
      assert.ok(without.proved, `${model}: nobody notifies too early`);
      const { failure } = await prove(wrong, { model, spurious: 1 });
      assert.ok(failure, model);
      const choices = failure.schedule.switches.filter(({ choice }) => choice >>> 16 === SPURIOUS);
      assert.is(choices.length, 1, model);
      const twin = await prove(right, { model, spurious: 2 });
      assert.ok(twin.proved, `${model}: ${JSON.stringify(twin)}`);
      assert.ok(twin.executions > without.executions, model);
      assert.equal(twin.assumes, ['at most 2 futex waits of an execution end spuriously']);
    }
  } finally {
    for (const each of opened) await each.close();
  }
});

test('what reaches memory in time for a sleeper that wakes by itself is varied, too', async () => {
  const options = { model: 'tso', spurious: 1 } as const;
  const lightly = await ofEpisode('sleeps-lightly', { ...options, bound: 3 });
  assert.ok(lightly.outcomes.includes('11.1'), `${lightly.outcomes}`);
  const undisturbed = await ofEpisode('sleeps-lightly', { ...options, bound: 0 });
  assert.not.ok(undisturbed.outcomes.includes('11.1'), 'it takes the turn from one who could go on');
});

test('a search that was cut short proves what it has completed, and no more', async () => {
  const whole = await ofEpisode('counts-sleeping', {});
  const [none, one] = whole.proof.perBound;
  const { proof: cut } = await ofEpisode('counts-sleeping', { executions: none! + one! + 1 });
  assert.is(cut.bound, 1);
  assert.ok(cut.proved);
  const { proof: early } = await ofEpisode('counts-sleeping', { executions: 1 });
  assert.is(early.bound, -1);
  assert.not.ok(early.proved);
});

test('an interrupt is delivered before every access', async () => {
  for (const model of ['sc', 'tso'] as const) {
    const all = await ofEpisode('interrupts', { bound: 1, model });
    assert.equal(all.outcomes, ['1', '2', '3', '4'], model);
    const masked = await ofEpisode('interrupts-off', { bound: 1, model });
    assert.equal(masked.outcomes, ['1', '4'], model);
  }
  const crossing = await ofEpisode('interrupts-cross', { bound: 1 });
  assert.is(crossing.proof.failure, undefined);
});

test('a bound that makes no sense is refused', async () => {
  for (const options of [{ bound: -1 }, { bound: 1.5 }, { bound: 256 }, { from: 3, bound: 2 }]) {
    const refused = await prove(undefined as unknown as Exploration, options).then(
      () => undefined,
      (error: Error) => error,
    );
    assert.instance(refused, ParameterError);
  }
});

test.run();
