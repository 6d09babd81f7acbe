/** The torture is tested by what it must catch: every broken lock by the oracle that it names, and nothing once that oracle is off. */
import * as assert from 'uvu/assert';
import { passed } from '../../harness/cli/selftest.ts';
import type { TortureParams, TortureResult } from '../../harness/index.ts';
import { selfTest, summarize, torture } from '../../harness/index.ts';
import { ORACLES } from '../../harness/torture/oracles.ts';
import type { Tortured } from '../../harness/torture/setup.ts';
import { lockByName, mutants, type OracleName } from '../../src/index.ts';
import * as ours from '../fixtures/torture/locks.ts';
import { suite } from '../suite.ts';

const test = suite('torture: self-test');
const seed = Date.now() % 2 ** 32;

test(
  `every mutant is caught by its own oracle, and by nothing without oracles (seed ${seed})`,
  async () => {
    const result = await selfTest({ seed });
    const missed = result.outcomes.filter(({ fate }) => fate !== 'caught');
    assert.equal(
      missed.map(({ name, note, fate, by }) => `${name}: ${fate} by ${by}, not ${note.caughtBy}`),
      [],
    );
    assert.equal(
      result.outcomes.map(({ name }) => name),
      mutants.map(({ name }) => name),
    );
    assert.ok(result.outcomes.length >= 25 && result.caught === result.outcomes.length);
    assert.equal(result.withoutOracles, []);
    assert.ok(result.medianMs > 0);
    assert.ok(passed(result));
  },
  { deadline: 280_000 },
);

test('without its oracles the self-test fails', async () => {
  const blind = await selfTest({ seed, patience: 50, disabled: ORACLES, control: false });
  assert.is(blind.caught, 0);
  assert.ok(blind.outcomes.every(({ fate, by }) => fate === 'survived' && by === undefined));
  assert.not(passed(blind));
  assert.not(passed({ ...blind, outcomes: [] }), 'catching all of nothing is no success');
});

/** For each oracle something that only it can catch. */
const SPECIALITIES: Readonly<Record<OracleName, unknown>> = {
  exclusion: lockByName('busted/no-exclusion'),
  snapshot: lockByName('busted/seqlock-no-retry'),
  order: ours.claimsFifo,
  bypass: lockByName('busted/rwlock-starves-writers'),
  counts: ours.generous,
  wakeup: ours.asleep,
  progress: ours.kept,
  ownership: ours.shrugs,
  'at-rest': ours.refuses,
  exception: ours.throws,
  check: ours.neverRight,
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
    const let_through = await run(lock, { duration: 300, disabled: [oracle] });
    assert.equal(
      [let_through.verdict, let_through.oracle, let_through.violationCounts],
      ['success', undefined, {}],
      summarize(let_through).join('\n'),
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
