/**
 * Machines that are stuck are found, told from those that are slow, and explained: what kind, who waits for whom, where in the code.
 */
import * as assert from 'uvu/assert';
import { describeCpu } from '../../harness/cpus/graph.ts';
import { stateOf } from '../../harness/cpus/watchdog.ts';
import type { StallReport, TortureParams, TortureResult } from '../../harness/index.ts';
import { summarize, torture } from '../../harness/index.ts';
import { BLOCKED_SPIN, WaitRecord } from '../../src/arch/index.ts';
import { type AnyLock, lockByName } from '../../src/index.ts';
import { CpuArea, createMachine } from '../../src/memory/index.ts';
import { abba, asleep, deaf, elsewhere, kept, shut, url } from '../fixtures/torture/locks.ts';
import { suite } from '../suite.ts';

const test = suite('torture: watchdog');
const LONG = 3_600_000; // a stuck run does not end by itself

async function stuck(
  lock: unknown,
  params: Partial<TortureParams> = {},
): Promise<{ result: TortureResult; stall: StallReport; text: string }> {
  const result = await torture(lock as AnyLock, { seed: 5, duration: LONG, ...params }, { url });
  const text = summarize(result).join('\n');
  assert.is(result.verdict, 'stall', text);
  return { result, stall: result.stall as StallReport, text };
}

const NAME = /^(acquire|wait)$/;

/** Every CPU was met in the lock's own code, in the file that somebody wrote. */
function inside({ cpus }: StallReport, file = /fixtures\/torture\/locks\.ts$/): void {
  for (const { cpu, stack, note } of cpus) {
    const place = stack.find((frame) => file.test(frame.file));
    assert.ok(place, `CPU ${cpu}: ${note} ${JSON.stringify(stack)}`);
    assert.match(place?.functionName ?? '', NAME);
    assert.ok((place?.line ?? 0) > 1);
  }
}

test('two mutexes in two orders: a proven deadlock, with the circle and the owners', async () => {
  for (const waiting of ['spin', 'spin-then-park', 'park'] as const) {
    const { stall, result, text } = await stuck(abba, { waiting });
    assert.equal([stall.kind, stall.oracle, result.oracle], ['deadlock', 'progress', 'progress'], text);
    assert.equal([...(stall.cycle ?? [])].sort(), [0, 1]);
    const names = (lock: number): string => stall.names[lock] ?? '';
    for (const [cpu, wanted, owned] of [
      [0, 'abba.second', 'abba.first'],
      [1, 'abba.first', 'abba.second'],
    ] as const) {
      const edge = stall.edges.find(({ waiter }) => waiter === cpu);
      assert.equal([names(edge?.lock ?? 0), edge?.holders], [wanted, [1 - cpu]]);
      assert.equal(
        stall.cpus[cpu]?.held.map(({ lock, mode }) => [names(lock), mode]),
        [[owned, 'write']],
      );
      assert.match(text, `CPU ${cpu}: waits for ${wanted}, held by CPU ${1 - cpu}; holds ${owned}`);
    }
    assert.match(text, /CPU \d waits for CPU \d waits for CPU \d/);
    inside(stall);
  }
});

test('a notify that never comes: a proven deadlock of sleepers', async () => {
  const { stall, text } = await stuck(asleep);
  assert.equal([stall.kind, stall.oracle, stall.cycle], ['deadlock', 'wakeup', undefined], text);
  const sleeping = stall.cpus.filter(({ blocked }) => blocked === 'wait');
  assert.ok(sleeping.length > 0, text);
  for (const { cpu } of sleeping) {
    assert.equal(stall.edges.find(({ waiter }) => waiter === cpu)?.holders, [], 'the lock is free');
    assert.match(text, new RegExp(`CPU ${cpu}: waits for asleep, held by nobody; asleep in wait on asleep`));
  }
  inside({ ...stall, cpus: sleeping });
});

test('everybody in spinWhile: a proven deadlock, by every waiting policy', async () => {
  for (const waiting of ['spin', 'spin-then-park', 'park'] as const) {
    const { stall, text } = await stuck(kept, { waiting, cpus: 3 });
    assert.equal([stall.kind, stall.oracle, stall.cycle], ['deadlock', 'progress', undefined], text);
    assert.equal(
      stall.cpus.map(({ blocked, now, value }) => [blocked, now === value]),
      Array.from({ length: 3 }, () => ['spinWhile', true]),
    );
    inside(stall);
  }
});

test('a loop of its own, and a sleep of its own, are stalls once there is silence for long enough', async () => {
  for (const lock of [deaf, elsewhere]) {
    const { stall, text } = await stuck(lock, { stallAfter: 400 });
    assert.equal([stall.kind, stall.oracle], ['stall', 'progress'], text);
    assert.ok(stall.silentMs >= 400, `${stall.silentMs} ms`);
    const running = stall.cpus.filter(({ blocked }) => blocked === 'no');
    assert.ok(running.length > 0, text);
    inside({ ...stall, cpus: running });
  }
});

test('a stall is not called before its time', async () => {
  const silence = 3000;
  const { stall, result } = await stuck(deaf, { stallAfter: silence });
  assert.ok(stall.silentMs >= silence, `${stall.silentMs} ms`);
  assert.ok(result.seconds * 1000 > silence, `${result.seconds} s`);
});

test('CPUs that never get in are no deadlock as long as another gets on', async () => {
  // The reader reads until the run is over; then it waits for the writers, and only then nobody is left.
  const duration = 1500;
  const { result, stall } = await stuck(shut, { cpus: 3, readers: 1, writers: 2, duration });
  assert.ok(result.seconds * 1000 > duration, `${result.seconds} s`);
  assert.is(stall.kind, 'deadlock');
  assert.ok((result.cpus[0]?.reads ?? 0) > 100);
});

test('sixteen CPUs on a few cores are slow, not stuck', async () => {
  for (const name of ['ticket', 'mcs']) {
    const result = await torture(lockByName(name) as AnyLock, { cpus: 16, duration: 3000 });
    assert.is(result.verdict, 'success', summarize(result).join('\n'));
    for (const { cpu, writes } of result.cpus) assert.ok(writes > 0, `CPU ${cpu} of ${name} never got in`);
  }
});

test('what a watchdog is told to ignore it does not report, and the run ends all the same', async () => {
  const result = await torture(
    asleep as unknown as AnyLock,
    { duration: LONG, disabled: ['wakeup'] },
    { url, stacks: false },
  );
  assert.equal([result.verdict, result.oracle, result.stall], ['success', undefined, undefined]);
});

test('a word that a CPU spins on is told with what it holds now, where that has changed', () => {
  const machine = createMachine({ cpus: 1 });
  const [record, word] = [machine.areaOf(0) + CpuArea.waitRecord, machine.alloc(64)];
  for (const [field, value] of [
    [WaitRecord.blocked, BLOCKED_SPIN],
    [WaitRecord.addr, word],
    [WaitRecord.value, 1],
  ] as const)
    machine.boot.store(record + field, value);
  const told = (): string => describeCpu(stateOf(machine, 0), [], () => 'the word');
  assert.is(told(), 'CPU 0: in spinWhile on the word while it is 1 (now 0)');
  machine.boot.store(word, 1);
  assert.is(told(), 'CPU 0: in spinWhile on the word while it is 1');
});

test.run();
