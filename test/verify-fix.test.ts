/**
 * A failure is gone when a campaign says so, and only then: a schedule that is clean says nothing, an unchanged subject reproduces, a fix that only makes the failure
 * rarer is no fix. The bounds are those of the textbook.
 */
import * as assert from 'uvu/assert';
import { cleanNeeded, confidence, lowerBound, RISK, upperBound } from '../harness/explore/confidence.ts';
import { Exploration } from '../harness/explore/exploration.ts';
import { hunt } from '../harness/explore/hunt.ts';
import { neighbours } from '../harness/explore/neighbours.ts';
import { decode, encode } from '../harness/explore/token.ts';
import { verifyFix } from '../harness/explore/verify.ts';
import type { Tortured } from '../harness/torture/setup.ts';
import { loadScenario } from '../src/catalog.ts';
import { lockByName } from '../src/locks.ts';
import { lost, marked, remembers, sampled, url } from './fixtures/hunt.ts';
import { inTurn, suite } from './suite.ts';

const test = suite('verify-fix');
const lock = (name: string): Tortured => lockByName(name) as Tortured;
const scenario = async (name: string): Promise<Tortured> => (await loadScenario(name)) as Tortured;

/** P(X >= failures) of a binomial distribution, from factorials that are exact. */
function tail(failures: number, executions: number, rate: number): number {
  let sum = 0;
  for (let count = failures; count <= executions; count += 1) {
    let ways = 1n;
    for (let at = 0n; at < BigInt(count); at += 1n) ways = (ways * (BigInt(executions) - at)) / (at + 1n);
    sum += Number(ways) * rate ** count * (1 - rate) ** (executions - count);
  }
  return sum;
}

test('the bounds are exact: by the binomial tail, by closed forms, and by tabulated values', () => {
  for (const [failures, executions] of [
    [1, 10],
    [3, 20],
    [9, 40],
    [40, 40],
    [25, 60],
  ] as const) {
    const low = lowerBound(failures, executions);
    assert.ok(
      Math.abs(tail(failures, executions, low) - RISK) < 1e-6,
      `${failures} of ${executions}: ${low}`,
    );
  }
  // One failure in n: 1 - 0.99^(1/n). All of n: 0.01^(1/n).
  assert.ok(Math.abs(lowerBound(1, 2000) - (1 - 0.99 ** (1 / 2000))) < 1e-12);
  assert.ok(Math.abs(lowerBound(7, 7) - 0.01 ** (1 / 7)) < 1e-9);
  assert.is(lowerBound(0, 100), 0);
  assert.is(cleanNeeded(1e-4), 46_050);
  assert.ok((1 - 1e-4) ** 46_050 <= 0.01 && (1 - 1e-4) ** 46_049 > 0.01);
  assert.ok(confidence(1e-4, 46_050) >= 0.99 && confidence(1e-4, 46_049) < 0.99);
  assert.ok(Math.abs((1 - upperBound(500)) ** 500 - 0.01) < 1e-12);
});

test('neighbours differ in one decision, and stay in the order in which a plan is read', () => {
  const switches = [
    { cpu: 0, accesses: 4, choice: 1 },
    { cpu: 0, accesses: 5, choice: 1 },
    { cpu: 1, accesses: 1, choice: 0 },
  ];
  const all = neighbours(switches, [8, 6], 'sc');
  const of = (kind: string) => all.filter((one) => one.kind === kind);
  assert.is(of('left out').length, 3);
  assert.is(of('moved').length, 6 + 6 + 4);
  assert.is(of('added').length, 8 + 6);
  for (const { kind, switches: near } of all) {
    assert.is(near.length, switches.length + { 'left out': -1, moved: 0, added: 1 }[kind]);
    for (const cpu of [0, 1]) {
      const own = near.filter((one) => one.cpu === cpu).map(({ accesses }) => accesses);
      assert.equal(
        own,
        [...own].sort((a, b) => a - b),
      );
    }
  }
});

/** A lock or scenario that is wrong, and its twin that is not. */
const TWINS: readonly (readonly [broken: string, fixed: string])[] = [
  ['busted/early-release', 'ticket'],
  ['busted/lost-update', 'lost-update'],
];

const some = inTurn(test, 2);
for (const [name, fixed] of TWINS)
  some(
    `${name}: unchanged it reproduces, in ${fixed} it is gone`,
    async () => {
      const of = name === 'busted/lost-update' ? scenario : async (each: string) => lock(each);
      const broken = { subject: await of(name) };
      const { failures } = await hunt(broken.subject, { executions: 5000, models: ['sc'], measure: 400 });
      const [failure] = failures;
      assert.ok(failure?.rate && failure.trace && failure.rate.failures > 0);
      const run = decode(failure.token);

      const same = await verifyFix(broken, run);
      assert.equal([same.verdict, same.unchanged, same.old?.text], ['not fixed', true, failure.text]);

      const gone = await verifyFix({ subject: await of(fixed) }, run, { old: broken });
      assert.equal([gone.verdict, gone.unchanged], ['gone', false]);
      assert.is(gone.old?.same, true);
      assert.ok(gone.schedule && gone.schedule.applied <= gone.schedule.switches);
      assert.match(gone.schedule?.diverged ?? '', /^access \d+: CPU \d .* then, CPU \d .* now$/);
      assert.is(gone.neighbourhood?.failed, 0);
      assert.is(gone.campaign?.rate.source, 'old code');
      assert.ok(gone.campaign && gone.campaign.executions >= gone.campaign.needed);
      assert.ok(gone.campaign.confidence >= 0.99);

      if (name !== 'busted/lost-update') return;
      // Without the old code: by what the hunt has measured, and the trace that it has kept.
      const held = await verifyFix({ subject: await of(fixed) }, run, { known: failure });
      assert.equal([held.verdict, held.campaign?.rate.source], ['gone', 'hunt']);
      assert.is(held.schedule?.diverged, gone.schedule?.diverged);
    },
    { deadline: 120_000 },
  );

test('a failure that is still there is shown with a token of its own', async () => {
  const old = { subject: lock('busted/early-release') };
  const [failure] = (await hunt(old.subject, { executions: 5000, models: ['sc'] })).failures;
  const changed = { subject: lock('busted/ticket-plain-draw') };
  const result = await verifyFix(changed, decode(failure!.token));
  assert.is(result.verdict, 'not fixed');
  assert.is(decode(result.failure?.token ?? '').subject, 'busted/ticket-plain-draw');
  const again = await verifyFix(changed, decode(result.failure?.token ?? ''));
  assert.equal([again.unchanged, again.old?.text], [true, result.failure?.text]);
});

test('what only a detector sees is verified with that detector', async () => {
  const of = (subject: unknown) => ({ subject: subject as Tortured, url });
  const [failure] = (
    await hunt(sampled as Tortured, { executions: 200, models: ['sc'], detect: ['races'], url })
  ).failures;
  assert.is(failure?.oracle, 'race');
  const run = decode(failure!.token);
  const same = await verifyFix(of(sampled), run);
  assert.equal([same.verdict, same.unchanged, same.old?.text], ['not fixed', true, failure!.text]);
  // The same code in place of another: not fixed, and the new token has the detector, too.
  const still = await verifyFix(of(sampled), { ...run, subject: 'another' });
  assert.equal([still.verdict, still.unchanged, still.failure?.oracle], ['not fixed', false, 'race']);
  assert.equal(decode(still.failure!.token).detect, ['races']);
  const gone = await verifyFix(of(marked), run, { old: of(sampled) });
  assert.equal(
    [gone.verdict, gone.old?.text, gone.campaign?.rate.source],
    ['gone', failure!.text, 'old code'],
  );
});

test('of what is no function of shared memory nothing is verified', async () => {
  const old = { subject: lock('busted/early-release') };
  const [failure] = (await hunt(old.subject, { executions: 5000, models: ['sc'] })).failures;
  const changed = { subject: remembers as Tortured, url };
  const result = await verifyFix(changed, decode(failure!.token));
  assert.equal([result.verdict, result.schedule?.deterministic], ['inconclusive', false]);
  assert.is(result.campaign, undefined);
});

test('an execution that fails in two ways counts for the rate of each', async () => {
  const { failures } = await hunt(lost as Tortured, {
    executions: 400,
    models: ['sc'],
    detect: ['races'],
    all: true,
    measure: 100,
    url,
  });
  const race = failures.find(({ oracle }) => oracle === 'race');
  assert.ok(failures.some(({ oracle }) => oracle === 'check'));
  // Nothing ever orders the two increments.
  assert.is(race?.rate?.failures, race?.rate?.executions);
});

test('what the schedule does not show the campaign does, and a small budget is inconclusive', async () => {
  const broken = { subject: lock('busted/early-release') };
  // A schedule of no switches: it fails nowhere, nor does any of its neighbours by chance alone.
  const schedule = { switches: [], seed: 3 };
  const exploration = await Exploration.open(broken.subject, { cpus: 2, steps: 2 });
  const { hash } = await exploration.execution(schedule).finally(() => exploration.close());
  const run = {
    subject: 'ticket',
    cpus: 2,
    steps: 2,
    model: 'sc',
    schedule,
    subjectHash: '',
    traceHash: hash,
  } as const;
  assert.equal(decode(encode(run)), run);
  const still = await verifyFix({ subject: lock('busted/ticket-trylock-draws') }, run, {
    executions: 20_000,
  });
  assert.equal([still.verdict, still.unchanged, still.schedule?.text], ['not fixed', false, undefined]);
  const short = await verifyFix({ subject: lock('mcs') }, run, { executions: 500 });
  assert.equal([short.verdict, short.campaign?.rate.source], ['inconclusive', 'assumed']);
  assert.ok((short.campaign?.confidence ?? 1) < 0.99);
  assert.is(short.campaign?.needed, 46_050);
});

test.run();
