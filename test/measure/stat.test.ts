/** Lock statistics count one by one what CPUs did, whatever the kind of lock, and time what was planted. */
import * as assert from 'uvu/assert';
import { torture } from '../../harness/index.ts';
import {
  BUCKETS,
  bucketOf,
  bucketStart,
  HISTOGRAM_NUMBERS,
  Merged,
  record,
} from '../../harness/measure/histogram.ts';
import type { LockClassStats, LockMode } from '../../harness/measure/schema.ts';
import { readStat, statCpu, statMemory } from '../../harness/measure/stat.ts';
import { LAST_SEEN, OWNER, PASSED_ON, SEEN, StatArea } from '../../harness/measure/stat-area.ts';
import { isBounce } from '../../harness/measure/stat-contended.ts';
import { classFromName } from '../../harness/measure/stat-names.ts';
import { loadLock } from '../../src/catalog.ts';
import type { AnyLock } from '../../src/locking/define.ts';
import { rwsem } from '../../src/locking/rwsem.ts';
import { tas } from '../../src/locking/tas.ts';
import { track } from '../../src/locking/track.ts';
import { createMachine, MAX_CPUS } from '../../src/memory/index.ts';
import { seed } from '../seed.ts';
import { haveTurn, suite } from '../suite.ts';

const test = suite('lock statistics');

test('a value is in the bucket that begins at or below it, and no bucket is wider than a 32nd of its values', () => {
  for (let value = 0; value < 2 ** 40; value = Math.max(value + 1, Math.floor(value * 1.01))) {
    const bucket = bucketOf(value);
    const [from, to] = [bucketStart(bucket), bucketStart(bucket + 1)];
    assert.ok(from <= value && value < to, `${value} is not in ${from} to ${to}`);
    assert.ok(to - from <= Math.max(1, from / 32), `${from} to ${to} is too wide`);
  }
  for (const value of [2 ** 40 - 1, 2 ** 40, 1e300]) assert.is(bucketOf(value), BUCKETS - 1);
});

test('percentiles, mean and total are those of what was recorded, by the weights', () => {
  const numbers = new Float64Array(new SharedArrayBuffer(16 * HISTOGRAM_NUMBERS));
  const values = Array.from({ length: 1000 }, (_, at) => 100 + at);
  for (const value of values) record(numbers, 0, value, 1);
  // The other half of the recordings stand for two each.
  for (const value of values) record(numbers, HISTOGRAM_NUMBERS, 10_000 + value, 2);
  const both = new Merged();
  both.add(numbers, 0);
  both.add(numbers, HISTOGRAM_NUMBERS);
  const { samples, every, min, max, mean, total, p50, p90, p999, buckets } = both.times(3000);
  assert.equal([samples, every, min, max], [2000, 1.5, 100, 11_099]);
  assert.is(mean, (599.5 + 2 * 10_599.5) / 3);
  assert.is(total, 3000 * mean);
  const near = (got: number, wanted: number): void =>
    assert.ok(Math.abs(got - wanted) <= wanted / 32, `${got} is not ${wanted}`);
  near(p50, 10_250);
  near(p90, 10_850);
  near(p999, 11_098);
  assert.is(
    buckets.reduce((sum, [, , count]) => sum + count, 0),
    3000,
  );
  assert.equal(new Merged().times(0).buckets, []);
});

/** Two CPUs on this thread, which take turns as the test says. */
function twoCpus<Ops>(lock: AnyLock) {
  const machine = createMachine({ cpus: 2 });
  const addr = machine.alloc(lock.size(2));
  lock.init(machine.boot, addr, 2, 1);
  const handle = statMemory({ cpus: 2, bytes: machine.words.byteLength });
  const cpus = [0, 1].map((id) => {
    const cpu = machine.attach(id);
    statCpu(handle, cpu, { classOf: (each) => (each === addr ? 'it' : 'another') });
    return { cpu, ops: track(lock.kind, cpu, lock.create(cpu.isa, cpu) as never) as Ops };
  });
  return { machine, addr, handle, cpus };
}

function rowOf(rows: readonly LockClassStats[], name: string, mode: LockMode): LockClassStats {
  const found = rows.find((each) => each.name === name && each.mode === mode);
  assert.ok(found, `there is no row ${name} ${mode}`);
  return found;
}

test('acquisitions, bounces and failed attempts of a mutex are counted one by one', () => {
  const { addr, handle, cpus } = twoCpus<ReturnType<typeof tas.create>>(tas);
  const [first, second] = [cpus[0]!.ops, cpus[1]!.ops];
  const pair = (ops: typeof first): void => {
    ops.acquire(addr);
    ops.release(addr);
  };
  for (let round = 0; round < 1000; round += 1) pair(first);
  for (let round = 0; round < 10; round += 1) {
    pair(second);
    pair(first);
  }
  first.acquire(addr);
  for (let round = 0; round < 7; round += 1) assert.is(second.tryAcquire!(addr), false);
  first.release(addr);
  assert.is(second.tryAcquire!(addr), true);
  second.release(addr);
  const rows = readStat(handle);
  assert.is(rows.length, 1);
  const it = rowOf(rows, 'it', 'write');
  assert.equal(it.byCpu, [1011, 11]);
  assert.is(it.acquisitions, 1022);
  // To the second and back ten times, and to the second once more.
  assert.is(it.acquisitionBounces, 21);
  assert.is(it.tryFailures, 7);
  assert.equal([it.contentions, it.contentionBounces], [0, 0]);
  assert.equal(it.matrix, [
    [0, 0, 0],
    [0, 0, 0],
  ]);
  assert.ok(it.hold.samples > 0 && it.wait.samples === 0);
});

test('reads and writes are told apart, a writer that becomes a reader counts as both', () => {
  const { addr, handle, cpus } = twoCpus<ReturnType<typeof rwsem.create>>(rwsem);
  const [first, second] = [cpus[0]!.ops, cpus[1]!.ops];
  for (let round = 0; round < 5; round += 1) {
    first.acquireRead(addr);
    second.acquireRead(addr);
    assert.is(second.tryWrite!(addr), false);
    first.releaseRead(addr);
    second.releaseRead(addr);
  }
  first.acquireWrite(addr);
  assert.is(second.tryRead!(addr), false);
  first.downgrade!(addr);
  second.acquireRead(addr);
  second.releaseRead(addr);
  first.releaseRead(addr);
  const rows = readStat(handle);
  const [read, write] = [rowOf(rows, 'it', 'read'), rowOf(rows, 'it', 'write')];
  assert.equal(
    [read.byCpu, write.byCpu],
    [
      [6, 6],
      [1, 0],
    ],
  );
  assert.equal([read.tryFailures, write.tryFailures], [1, 5]);
  // The second reads what the first has written.
  assert.equal([read.acquisitionBounces, write.acquisitionBounces], [1, 0]);
});

/** Two CPUs on this thread: the second waits whenever it takes the lock, three times, for words that have changed by then. */
function oneWaits() {
  const machine = createMachine({ cpus: 2 });
  const [lock, word] = [machine.alloc(64), machine.alloc(64)];
  const handle = statMemory({ cpus: 2, bytes: machine.words.byteLength });
  const cpus = [0, 1].map((id) => {
    const cpu = machine.attach(id);
    statCpu(handle, cpu, { classOf: () => 'waits' });
    const { isa } = cpu;
    const acquire = (): void => {
      if (id === 0) return;
      for (const value of [1, 2, 3]) isa.spinWhile(word, value);
      isa.pause();
    };
    return { isa, ops: track('mutex', cpu, { acquire, release: () => {} }) };
  });
  const [holder, waiter] = cpus;
  const pair = ({ ops }: (typeof cpus)[number]): void => {
    ops.acquire(lock);
    ops.release(lock);
  };
  return { holder: holder!, waiter: waiter!, lock, word, pair, row: () => readStat(handle)[0]! };
}

test('a CPU that waits is a contention, however often it looks; waiting for something else is none', () => {
  const { holder, waiter, word, pair, row: read } = oneWaits();
  pair(holder);
  for (let round = 0; round < 40; round += 1) {
    waiter.isa.spinWhile(word, 1);
    pair(waiter);
  }
  holder.isa.spinWhile(word, 1);
  pair(holder);
  const row = read();
  assert.is(row.contentions, 40);
  assert.is(row.contentionBounces, 1);
  assert.is(row.acquisitionBounces, 2);
  // After the first one it had had it last itself.
  assert.equal(row.matrix, [
    [0, 0, 0],
    [1, 0, 39],
  ]);
  assert.ok(row.wait.samples > 0);
  const { waiters } = row.points;
  assert.ok(
    waiters.length > 0 && waiters.every(({ place }) => place.includes('stat.test')),
    JSON.stringify(waiters),
  );
});

test('a lock that is passed on: every acquisition is a bounce, one by one, until a CPU has it to itself', () => {
  const { holder, waiter, pair, row } = oneWaits();
  pair(holder);
  for (let round = 1; round <= 500; round += 1) {
    pair(waiter);
    // Before it is put where the rest is counted.
    assert.equal([row().contentions, row().contentionBounces], [round, round]);
    pair(holder);
    assert.is(row().acquisitionBounces, 2 * round);
    assert.equal(row().matrix, [
      [0, 0, 0],
      [round, 0, 0],
    ]);
  }
  for (let alone = 0; alone < 50; alone += 1) pair(holder);
  const more = row().acquisitionBounces - 1000;
  assert.ok(more >= 0 && more <= 1, `${more} bounces of a lock that one CPU has to itself`);
  pair(waiter);
  pair(holder);
  pair(holder);
  assert.is(row().acquisitionBounces, 1000 + more + 2);
  assert.equal(row().byCpu, [553, 501]);
});

/** What a torture run counts of its own, by mode. */
const OWN: Readonly<Record<string, Partial<Record<LockMode, 'writes' | 'reads'>>>> = {
  mutex: { write: 'writes' },
  semaphore: { read: 'writes' },
  rwlock: { write: 'writes', read: 'reads' },
  rwsem: { write: 'writes', read: 'reads' },
};

const LOCKS = [
  'tas',
  'ticket',
  'mcs',
  'mutex3',
  'mutex',
  'semaphore',
  'rwlock',
  'brlock',
  'rwsem',
  'percpu-rwsem',
];

test('what real CPUs did is counted to the last acquisition, for every kind of lock', async () => {
  console.log(`seed ${seed}`);
  for (const name of haveTurn(LOCKS, 2)) {
    const lock = (await loadLock(name))!;
    const result = await torture(
      lock,
      { rounds: 4, cpus: 2, seed, downgrade: 0, upgrade: 0, try: 0.2 },
      { stat: {} },
    );
    assert.is(result.verdict, 'success', name);
    for (const [mode, counted] of Object.entries(OWN[lock.kind]!)) {
      const row = rowOf(result.lockStat!, name, mode as LockMode);
      assert.equal(
        row.byCpu,
        result.cpus.map((cpu) => cpu[counted]),
        `${name} ${mode}`,
      );
      const waited = row.matrix.flat().reduce((sum, each) => sum + each, 0);
      assert.is(waited, row.contentions, `${name} ${mode}: its contentions by owner`);
    }
    const failed = result.lockStat!.reduce((sum, row) => sum + (row.tryFailures ?? 0), 0);
    assert.is(
      failed,
      result.cpus.reduce((sum, cpu) => sum + cpu.tryFails, 0),
      `${name}: failed attempts`,
    );
  }
});

test('locks of a class are those of one word of a struct, whatever object it is in', () => {
  for (const [name, expected] of [
    ['mm_struct#3.mmap_sem.count', 'mmap_sem'],
    ['mm_struct#0.page_table_lock', 'page_table_lock'],
    ['anon_vma#12.lock', 'anon_vma.lock'],
    ['page[7].flags', 'PG_locked'],
    ['rcu.completed', 'rcu'],
    ['0x8380', 'mine (unnamed)'],
    ['lonely', 'lonely'],
  ] as const)
    assert.is(classFromName(name, 'mine'), expected);
});

test('the name of every CPU is told from those that pass a lock on', () => {
  for (const owner of [1, 2, MAX_CPUS])
    assert.equal([isBounce(owner, owner), isBounce(owner, 3)], [false, true]);
  assert.is(isBounce(0, 3), false);
  assert.equal(
    [isBounce(SEEN + 3, 3), isBounce(SEEN + LAST_SEEN, 3), isBounce(PASSED_ON, 3)],
    [false, true, true],
  );
});

test('of three CPUs in turn it is known after whom each waited, or not at all', () => {
  const machine = createMachine({ cpus: 3 });
  const [lock, word] = [machine.alloc(64), machine.alloc(64)];
  const handle = statMemory({ cpus: 3, bytes: machine.words.byteLength });
  const all = [0, 1, 2].map((id) => {
    const cpu = machine.attach(id);
    statCpu(handle, cpu, { classOf: () => 'waits' });
    const acquire = (): void => void cpu.isa.spinWhile(word, 1);
    return track('mutex', cpu, { acquire, release: () => {} });
  });
  const rounds = 20_000;
  for (let round = 0; round < rounds; round += 1)
    for (const ops of all) {
      ops.acquire(lock);
      ops.release(lock);
    }
  const { matrix, contentions, contentionBounces } = readStat(handle)[0]!;
  // Nobody writes the name of each that has it, in its turn.
  const seen = new StatArea(handle).locks[lock >>> 2]! & OWNER;
  assert.ok(seen >= SEEN, `${seen}`);
  // Nobody had it before the first.
  assert.equal([contentions, contentionBounces], [3 * rounds, 3 * rounds - 1]);
  for (const [waiter, before] of [
    [0, 2],
    [1, 0],
    [2, 1],
  ] as const) {
    const row = matrix[waiter]!;
    // All but those since a name was seen last.
    assert.ok(row[before]! > rounds / 2, JSON.stringify(matrix));
    assert.is(row[before]! + row[3]!, rounds, JSON.stringify(matrix));
  }
});

test("locks that were passed on are one CPU's again, each for itself", () => {
  const { holder, waiter, lock, row } = oneWaits();
  const locks = [lock, lock + 32];
  const take = ({ ops }: typeof holder): void => {
    for (const each of locks) ops.acquire(each);
    for (const each of locks) ops.release(each);
  };
  const bounces = (): number => row().acquisitionBounces;
  for (const each of locks)
    for (let round = 0; round < 100; round += 1)
      for (const { ops } of [waiter, holder]) {
        ops.acquire(each);
        ops.release(each);
      }
  assert.is(row().contentions, 200);
  const before = bounces();
  for (let alone = 0; alone < 1000; alone += 1) take(holder);
  assert.ok(bounces() - before <= 2, `${bounces() - before} bounces of two locks that one CPU has to itself`);
});

test('barriers and completions are waited for, one by one, and nobody holds them', async () => {
  for (const name of ['barrier', 'completion']) {
    const result = await torture((await loadLock(name))!, { rounds: 20, cpus: 2, seed }, { stat: {} });
    assert.is(result.verdict, 'success', `${name} ${seed}`);
    const row = rowOf(result.lockStat!, name, 'write');
    assert.ok(row.contentions > 0 && row.contentions <= row.acquisitions, `${name}: ${JSON.stringify(row)}`);
    assert.ok(row.wait.samples > 0 && row.hold.samples === 0, name);
  }
});

test('a mutex that is had again after waiting for a condition is counted for itself', async () => {
  const condition = (await loadLock('condition'))!;
  const result = await torture(condition, { rounds: 3, cpus: 2, seed }, { stat: {} });
  assert.is(result.verdict, 'success');
  const awaited = rowOf(result.lockStat!, 'condition', 'write');
  const mutex = rowOf(result.lockStat!, 'condition (its mutex)', 'write');
  assert.ok(awaited.acquisitions > 0 && awaited.contentions <= awaited.acquisitions);
  assert.is(awaited.hold.samples, 0);
  assert.ok(mutex.acquisitions > awaited.acquisitions);
});

test.run();
