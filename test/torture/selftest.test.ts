/** The torture is tested by what it must catch: every broken lock by the oracle that it names, and nothing once that oracle is off. */
import * as assert from 'uvu/assert';
import { passed } from '../../harness/cli/selftest.ts';
import type { MutantOutcome, TortureParams, TortureResult } from '../../harness/index.ts';
import { selfTest, summarize, torture } from '../../harness/index.ts';
import { ORACLES } from '../../harness/torture/oracles.ts';
import type { Tortured } from '../../harness/torture/setup.ts';
import { lockByName, mutants, type OracleName } from '../../src/index.ts';
import * as ours from '../fixtures/torture/locks.ts';
import { seed } from '../seed.ts';
import { haveTurn, suite } from '../suite.ts';

const test = suite('torture: self-test');

/** Once more with other seeds: on a busy machine a mutant may show in another way first, every time it is tried. */
async function caughtLater({ name, note }: MutantOutcome): Promise<boolean> {
  for (let more = 1; more <= 5; more += 1) {
    const { oracle } = await torture(
      lockByName(name) as Tortured,
      { cpus: note.cpus ?? 2, duration: 4000, seed: (seed + 100 * more) % 2 ** 32, failFast: true },
      { stacks: false },
    );
    if (oracle === note.caughtBy) return true;
  }
  return false;
}

test(
  `mutants, one in three in turn, are each caught by its own oracle, and by nothing without oracles (seed ${seed})`,
  async () => {
    const only = haveTurn(mutants, 3).map(({ name }) => name);
    const result = await selfTest({ seed, only });
    assert.equal(
      result.outcomes.map(({ name }) => name),
      only,
    );
    assert.ok(result.outcomes.length >= 15);
    assert.equal(result.withoutOracles, []);
    assert.ok(result.medianMs > 0);
    const missed = result.outcomes.filter(({ fate }) => fate !== 'caught');
    assert.is(result.caught, result.outcomes.length - missed.length);
    assert.is(passed(result), missed.length === 0);
    for (const outcome of missed) {
      const { name, note, fate, by } = outcome;
      assert.ok(await caughtLater(outcome), `${name}: ${fate} by ${by}, not ${note.caughtBy}`);
    }
    const [first] = result.outcomes as [MutantOutcome];
    assert.not(passed({ ...result, caught: result.outcomes.length - 1 }));
    assert.not(passed({ ...result, outcomes: [], caught: 0 }), 'catching all of nothing is no success');
    assert.not(passed({ ...result, caught: result.outcomes.length, withoutOracles: [first.name] }));
  },
  { deadline: 280_000 },
);

/** For each oracle something that only it can catch. */
const SPECIALITIES: Readonly<Partial<Record<OracleName, unknown>>> = {
  exclusion: lockByName('busted/no-exclusion'),
  snapshot: lockByName('busted/seqlock-no-retry'),
  order: ours.claimsFifo,
  bypass: lockByName('busted/rwlock-starves-writers'),
  counts: ours.allLead,
  'grace-period': lockByName('busted/rcu-skips-one'),
  wakeup: ours.asleep,
  progress: ours.kept,
  ownership: ours.shrugs,
  'at-rest': ours.refuses,
  exception: ours.throws,
  check: ours.neverRight,
  linearizability: ours.answersOne,
};

const isOurs = (lock: unknown): boolean => Object.values(ours).includes(lock as never);
const run = (lock: unknown, params: Partial<TortureParams>): Promise<TortureResult> =>
  torture(
    lock as Tortured,
    { seed, failFast: true, ...params },
    { stacks: false, ...(isOurs(lock) ? { url: ours.url } : {}) },
  );

test('there is something to catch for each oracle', () => {
  assert.equal(Object.keys(SPECIALITIES).sort(), [...ORACLES].sort());
});

for (const oracle of ORACLES) {
  test(`what ${oracle} catches passes when ${oracle} is off`, async () => {
    const lock = SPECIALITIES[oracle];
    const caught = await run(lock, { duration: 30_000 });
    assert.is(caught.oracle, oracle, summarize(caught).join('\n'));
    assert.ok(['failure', 'stall'].includes(caught.verdict));
    const silenced = await run(lock, { duration: 300, disabled: [oracle] });
    assert.equal(
      [silenced.verdict, silenced.oracle, silenced.violationCounts],
      ['success', undefined, {}],
      summarize(silenced).join('\n'),
    );
  });
}

test('a violation comes with its evidence', async () => {
  const { violations, violationCounts, oracle, detectedMs } = await run(SPECIALITIES.exclusion, {
    duration: 30_000,
    cpus: 2,
  });
  const [first] = violations;
  assert.is(oracle, 'exclusion');
  assert.is(first?.oracle, 'exclusion');
  assert.match(first?.text ?? '', /CPU [01] /);
  assert.ok(first !== undefined && first.round > 0 && first.afterMs === detectedMs);
  assert.ok((violationCounts.exclusion ?? 0) >= violations.length);
  assert.ok(violations.some(({ word }) => word.startsWith('protected.')));
});

test.run();
