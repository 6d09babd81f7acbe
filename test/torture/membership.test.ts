/** CPUs that leave and come back, pauses, long holds, and the ways of readers and writers into each other: they happen, and correct locks bear it. */
import * as assert from 'uvu/assert';
import type { TortureParams, TortureResult } from '../../harness/index.ts';
import { ParameterError, summarize, torture } from '../../harness/index.ts';
import { type AnyLock, barrier, lockByName, locks, mutex3, ticket } from '../../src/index.ts';
import {
  counting,
  forget,
  Noted,
  notes,
  upgradable,
  upgradesBlindly,
  url,
} from '../fixtures/torture/locks.ts';
import { haveTurn, longOnly, suite } from '../suite.ts';

const test = suite('torture: membership');

async function run(lock: AnyLock, params: Partial<TortureParams>, from?: string): Promise<TortureResult> {
  const result = await torture(lock, { seed: 11, ...params }, from === undefined ? {} : { url: from });
  assert.is(result.verdict, 'success', summarize(result).join('\n'));
  return result;
}

const any = (lock: unknown): AnyLock => lock as AnyLock;
const sum = (result: TortureResult, field: 'downgrades' | 'upgrades' | 'longHolds'): number =>
  result.cpus.reduce((total, cpu) => total + cpu[field], 0);

test('CPUs really leave and come back', async () => {
  forget();
  const result = await run(any(counting), { cpus: 3, duration: 2500, hotplug: 40 }, url);
  const cpus = [0, 1, 2];
  const boots = cpus.map((cpu) => notes(cpu, Noted.boots));
  // A thread that takes up its CPU again finds the generation that it left, and adds one.
  assert.equal(
    cpus.map((cpu) => notes(cpu, Noted.generation)),
    boots,
  );
  assert.ok(boots.reduce((total, count) => total + count, 0) >= 3 + 3, `boots ${boots}`);
  assert.ok(boots.filter((count) => count > 1).length >= 2, `not only one CPU comes and goes: ${boots}`);
  for (const { cpu, writes } of result.cpus) assert.ok(writes > 0, `CPU ${cpu} did nothing`);
  const done = cpus.reduce((total, cpu) => total + notes(cpu, Noted.acquired), 0);
  assert.ok(done > result.acquisitions, 'the counters of a CPU outlive its absence');
  assert.ok(done <= result.acquisitions + result.rounds, `${done} acquired, ${result.acquisitions} counted`);
});

test('without hotplug nobody leaves', async () => {
  forget();
  await run(any(counting), { cpus: 2, duration: 300 }, url);
  assert.equal([notes(0, Noted.boots), notes(1, Noted.boots)], [1, 1]);
});

longOnly(test)('a run has a round, however late its CPUs meet', async () => {
  for (let again = 0; again < 2; again += 1) {
    const { rounds, acquisitions } = await run(any(mutex3), { cpus: 24, duration: 1 });
    assert.ok(rounds > 0 && acquisitions > 0, `${acquisitions} acquisitions in ${rounds} rounds`);
  }
});

test('locks bear CPUs that come and go', async () => {
  for (const lock of haveTurn(
    locks.filter(({ kind }) => kind !== 'barrier'),
    6,
  ))
    await run(lock, { cpus: 3, duration: 400, hotplug: 30, nested: 2 });
});

test('a barrier refuses CPUs that come and go, in a sentence', async () => {
  const refused = await torture(any(barrier), { hotplug: 100 }).then(
    () => undefined,
    (error: Error) => error,
  );
  assert.instance(refused, ParameterError);
  assert.match(refused?.message ?? '', /hotplug does not go with barriers/);
});

test('a run pauses and goes on, however many CPUs there are', async () => {
  const rounds: number[] = [];
  const result = await torture(
    any(ticket),
    { cpus: 8, duration: 3600, stutter: 600 },
    { onProgress: (progress) => rounds.push(progress.rounds) },
  );
  assert.is(result.verdict, 'success', summarize(result).join('\n'));
  const paused = rounds.findIndex((now, look) => now === rounds[look + 1]);
  assert.ok(paused >= 0, `no pause in ${rounds}`);
  // A pause is the whole machine's: if every CPU that leads a round made its own, there would be a round between two of them.
  assert.ok(result.rounds - (rounds[paused] ?? 0) > 12, `hardly a round after the first pause: ${rounds}`);
});

test('long holds happen from the start, and are no stall', async () => {
  const { cpus } = await run(any(mutex3), { cpus: 2, duration: 2600, longHold: 2500, stallAfter: 1000 });
  assert.is(
    cpus.reduce((total, { longHolds }) => total + longHolds, 0),
    1,
  );
});

test('long holds happen again and again, to all kinds', async () => {
  for (const name of ['tas', 'semaphore', 'rwlock', 'rwsem', 'seqlock']) {
    const result = await run(any(lockByName(name)), { cpus: 2, duration: 500, longHold: 10 });
    assert.ok(sum(result, 'longHolds') >= 2, `${name}: ${sum(result, 'longHolds')}`);
  }
});

test('writers downgrade and readers upgrade where the lock lets them, and only as often as asked for', async () => {
  for (const [lock, from] of [
    [lockByName('rwsem'), undefined],
    [lockByName('rwsem-reader-preferring'), undefined],
    [upgradable, url],
  ] as const) {
    const often = await run(any(lock), { cpus: 2, rounds: 10, downgrade: 0.5, upgrade: 0.5 }, from);
    const never = await run(any(lock), { cpus: 2, rounds: 4, downgrade: 0, upgrade: 0 }, from);
    assert.ok(sum(often, 'downgrades') > 100, `${often.lock}: ${sum(often, 'downgrades')} downgrades`);
    assert.is(
      sum(often, 'upgrades') > 100,
      from !== undefined,
      `${often.lock}: ${sum(often, 'upgrades')} upgrades`,
    );
    assert.equal([sum(never, 'downgrades'), sum(never, 'upgrades')], [0, 0], often.lock);
  }
});

test('an upgrade beside other readers is caught', async () => {
  const { oracle } = await torture(
    any(upgradesBlindly),
    { cpus: 4, duration: 20_000, upgrade: 0.5, failFast: true },
    { url },
  );
  assert.is(oracle, 'exclusion');
});

test.run();
