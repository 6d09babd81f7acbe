/** CPUs that leave and come back, pauses, long holds, and the ways of readers and writers into each other: they happen, and correct locks bear it. */
import * as assert from 'uvu/assert';
import type { TortureParams, TortureResult } from '../../harness/index.ts';
import { ParameterError, summarize, torture } from '../../harness/index.ts';
import { type AnyLock, barrier, lockByName, locks, mutex3, ticket } from '../../src/index.ts';
import { counting, forget, Noted, notes, url } from '../fixtures/torture/locks.ts';
import { suite } from '../suite.ts';

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

test('every lock bears CPUs that come and go', async () => {
  for (const lock of locks.filter(({ kind }) => kind !== 'barrier'))
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

test('a run pauses for as long as it runs, however many CPUs there are', async () => {
  // Pauses are the machine's, not each CPU's: with eight CPUs that each paused, next to nothing would be done.
  const plain = await run(any(ticket), { cpus: 8, duration: 1500 });
  const paused = await run(any(ticket), { cpus: 8, duration: 1500, stutter: 250 });
  assert.ok(
    paused.rounds * 4 < plain.rounds * 4,
    `${paused.rounds} rounds with pauses, ${plain.rounds} without`,
  );
  assert.ok(paused.rounds * 8 > plain.rounds, `${paused.rounds} rounds with pauses, ${plain.rounds} without`);
});

test('long holds happen from the start, and are no stall', async () => {
  const { cpus } = await run(any(mutex3), { cpus: 2, duration: 900, longHold: 600, stallAfter: 300 });
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
  const able = locks.filter(({ kind }) => kind === 'rwlock' || kind === 'rwsem');
  let upgraded = 0;
  for (const lock of able) {
    const often = await run(lock, { cpus: 2, rounds: 10, downgrade: 0.5, upgrade: 0.5, reads: 0.6 });
    const never = await run(lock, { cpus: 2, rounds: 4, downgrade: 0, upgrade: 0 });
    assert.ok(sum(often, 'downgrades') > 0, `${lock.name} never downgraded`);
    assert.equal([sum(never, 'downgrades'), sum(never, 'upgrades')], [0, 0], lock.name);
    upgraded += sum(often, 'upgrades');
  }
  assert.ok(able.length >= 3 && upgraded > 0, `${upgraded} upgrades by ${able.length} locks`);
});

test.run();
