/**
 * Every correct lock holds, on both engines, under every waiting policy, with locks inside locks and many trylocks; and the counters say what was done.
 *
 * Runs are counted in rounds: a round is the same number of steps on each CPU, so what each CPU must have counted is known exactly.
 *
 * Starting a CPU takes far longer than what it does here, so a crowd is 4 CPUs, more than the cores of a small machine; one lock of each kind meets 8, and
 * every lock does in the long tests.
 */
import * as assert from 'uvu/assert';
import type { CpuCounts, TortureParams, TortureResult } from '../../harness/index.ts';
import { summarize, torture } from '../../harness/index.ts';
import { COUNTED_QUOTA } from '../../harness/torture/rounds.ts';
import { type AnyLock, locks } from '../../src/index.ts';
import { counting, forget, Noted, notes, untried, url } from '../fixtures/torture/locks.ts';
import { seed } from '../seed.ts';
import { inTurn, longOnly, suite } from '../suite.ts';

const test = suite('torture: locks');
const long = longOnly(test);
const some = inTurn(test, 12);
const DEADLINE = 180_000;

const PAIR: readonly Partial<TortureParams>[] = [
  { cpus: 2, engine: 'wasm', waiting: 'spin', rounds: 4 },
  { cpus: 2, engine: 'atomics', waiting: 'park', rounds: 6 },
];
const crowd = (cpus: number): readonly Partial<TortureParams>[] => [
  { cpus, engine: 'wasm', waiting: 'park', rounds: 2 },
  { cpus, engine: 'atomics', waiting: 'spin-then-park', rounds: 2 },
];

/** Of these a step is more or less than one thing that is counted. */
const UNCOUNTED: readonly string[] = ['completion', 'queue'];

/** Steps of one CPU: each ends in an acquisition or in a trylock that failed; an upgrade is two acquisitions of one step. */
function stepsOf({ kind }: TortureResult, { writes, reads, tryFails, upgrades, retries }: CpuCounts): number {
  // An update that found all objects in use has waited for them instead.
  if (kind === 'rcu' || kind === 'hazard') return writes + reads + retries;
  return kind === 'rwlock' || kind === 'rwsem'
    ? writes + reads + tryFails - upgrades
    : writes + reads + tryFails;
}

function holds(result: TortureResult): void {
  assert.is(result.verdict, 'success', summarize(result).join('\n'));
}

async function run(lock: AnyLock, params: Partial<TortureParams>, from?: string): Promise<TortureResult> {
  const result = await torture(lock, { seed, ...params }, from === undefined ? {} : { url: from });
  holds(result);
  return result;
}

/** Tortures a lock in each setting, and compares what was counted with what was done. */
async function counted(lock: AnyLock, settings: readonly Partial<TortureParams>[]): Promise<void> {
  for (const setting of settings) {
    const result = await run(lock, { ...setting, nested: 4, try: 0.4 });
    const { cpus = 0, rounds = 0 } = setting;
    assert.is(result.rounds, rounds);
    assert.is(result.params.seed, seed);
    if (UNCOUNTED.includes(lock.kind)) assert.ok(result.acquisitions > 0, lock.name);
    else
      assert.equal(
        result.cpus.map((cpu) => stepsOf(result, cpu)),
        Array.from({ length: cpus }, () => rounds * COUNTED_QUOTA),
        `${lock.name} ${JSON.stringify(setting)}`,
      );
    const sum = result.cpus.reduce((total, { writes, reads }) => total + writes + reads, 0);
    assert.is(result.acquisitions, sum);
  }
}

for (const [at, lock] of locks.entries()) {
  const first = locks.findIndex(({ kind }) => kind === lock.kind) === at;
  const many = first ? 8 : 4;
  (first ? test : some)(
    `${lock.name} holds with 2 and with ${many} CPUs (seed ${seed})`,
    () => counted(lock, [...PAIR, ...crowd(many)]),
    { deadline: DEADLINE },
  );
  if (!first) long(`${lock.name} holds with 8 CPUs (seed ${seed})`, () => counted(lock, crowd(8)));
}

test('a lock that cannot be tried is not said to let others pass because it was looked at when at rest', async () => {
  for (const lock of untried) {
    const result = await run(lock as unknown as AnyLock, { cpus: 2, rounds: 40 }, url);
    assert.equal(result.violations, [], lock.name);
  }
});

test('what is counted is what the lock was used for', async () => {
  for (const engine of ['wasm', 'atomics'] as const) {
    forget();
    const rounds = 5;
    const result = await run(counting, { cpus: 3, rounds, engine, try: 0.5 }, url);
    for (const { cpu, writes, tries, tryFails } of result.cpus) {
      assert.is(writes + tryFails, rounds * COUNTED_QUOTA);
      assert.ok(tries > rounds * COUNTED_QUOTA * 0.3 && tryFails <= tries, `${tries} trylocks`);
      // The leader of a meeting looks whether the lock is free: an acquisition by it and for no count.
      assert.ok(notes(cpu, Noted.acquired) >= writes);
    }
    const done = (field: number): number => [0, 1, 2].reduce((sum, cpu) => sum + notes(cpu, field), 0);
    assert.is(done(Noted.acquired), result.acquisitions + rounds);
    assert.is(done(Noted.released), result.acquisitions + rounds);
  }
});

test('the same locks are not taken inside each other unless that is asked for', async () => {
  forget();
  const rounds = 4;
  const result = await run(counting, { cpus: 2, rounds, nested: 4, try: 0 }, url);
  const all = notes(0, Noted.acquired) + notes(1, Noted.acquired);
  const atRest = 5 * rounds;
  // Half of the four others each time.
  const inner = (all - atRest - result.acquisitions) / result.acquisitions;
  assert.ok(inner > 1.5 && inner < 2.5, `${inner} inner locks an acquisition`);
  assert.is(all, notes(0, Noted.released) + notes(1, Noted.released));
});

test('readers only read, writers only write, and a share of reads is a share', async () => {
  for (const lock of locks.filter(({ kind }) => kind === 'rwlock' || kind === 'rwsem' || kind === 'seq')) {
    const divided = await run(lock, { cpus: 3, rounds: 6, readers: 1, writers: 1, upgrade: 0 });
    const [reader, writer, both] = divided.cpus as [CpuCounts, CpuCounts, CpuCounts];
    assert.equal([reader.writes, writer.reads], [0, 0], lock.name);
    assert.ok(reader.reads > 0 && writer.writes > 0 && both.reads > 0 && both.writes > 0, lock.name);
    const all = await run(lock, { cpus: 2, rounds: 4, reads: 1, upgrade: 0 });
    assert.is(
      all.cpus.reduce((sum, { writes }) => sum + writes, 0),
      0,
      lock.name,
    );
  }
});

test.run();
