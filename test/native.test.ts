/** The native peers count correctly with every lock, show that the check can fail, and are optional in every way; pinning likewise. */
import { spawnSync } from 'node:child_process';
import {
  chmodSync,
  mkdirSync,
  mkdtempSync,
  readdirSync,
  readFileSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Worker } from 'node:worker_threads';
import * as assert from 'uvu/assert';
import {
  type NativeFailure,
  NativePeerError,
  type NativePeers,
  type NativeRun,
  nativePeers,
} from '../bench/native.ts';
import { cores, currentThreadId, pinThread } from '../bench/pin.ts';
import { suite } from './suite.ts';

type Available = Extract<NativePeers, { available: true }>;

const scratch = mkdtempSync(join(tmpdir(), 'lockrig-native-test-'));
process.on('exit', () => rmSync(scratch, { recursive: true, force: true }));

/** A folder with a peers.c of our own. */
function sourcesOf(name: string, program: string): string {
  const folder = join(scratch, name);
  mkdirSync(folder, { recursive: true });
  writeFileSync(join(folder, 'peers.c'), program);
  for (const header of ['locks.h', 'threads.h']) writeFileSync(join(folder, header), '');
  return folder;
}

const printing = (list: string) =>
  `#include <pthread.h>\n#include <stdio.h>\nint main(void) { puts("[\\"${list}\\"]"); return 0; }\n`;

const test = suite('native peers');

const compiler = nativePeers({
  sources: sourcesOf('plain', printing('plain')),
  cache: join(scratch, 'plain'),
});

/** A test that needs a C compiler: skipped only where a few lines of plain C cannot be built either. */
function native(name: string, body: (peers: Available) => Promise<void>): void {
  if (compiler.available) {
    test(name, async () => {
      const peers = nativePeers();
      if (peers.available) await body(peers);
      else assert.unreachable(peers.reason);
    });
  } else test.skip(name, compiler.reason);
}

native('says what calls take here', async ({ calls }) => {
  const { direct, indirect } = calls() ?? { direct: 0, indirect: 0 };
  assert.ok(direct > 0 && indirect > 0 && direct < 1e4 && indirect < 1e4, `${direct} and ${indirect} ns`);
});

const sum = (numbers: readonly number[]) => numbers.reduce((a, b) => a + b, 0);

async function countsAddUp({ run }: Available, options: NativeRun): Promise<void> {
  const result = await run(options);
  const what = `${options.lock}, ${options.threads} threads`;
  assert.is(result.counter, result.total % 2 ** 32, `${what}: the counter is the number of rounds`);
  assert.is(result.blocks.length, options.blocks, `${what}: one figure a block`);
  assert.is(result.perThread.length, options.threads, `${what}: one count a thread`);
  assert.ok(result.total > 0 && sum(result.perThread) <= result.total, `${what}: blocks are part of the run`);
  for (const [thread, count] of result.perThread.entries()) {
    assert.is(
      sum(result.perBlock.map((block) => block[thread] ?? Number.NaN)),
      count,
      `${what}: thread ${thread}'s blocks`,
    );
  }
}

async function failure(run: Promise<unknown>): Promise<NativePeerError> {
  const error = await run.then(
    () => undefined,
    (reason: unknown) => reason,
  );
  assert.instance(error, NativePeerError);
  return error as NativePeerError;
}

function reasonOf(result: NativePeers): string {
  assert.is(result.available, false);
  return result.available ? '' : result.reason;
}

native('every lock keeps two threads apart', async (peers) => {
  for (const lock of ['pthread_mutex', 'tas', 'ttas', 'ticket', 'mcs'])
    assert.ok(peers.locks.includes(lock), lock);
  for (const lock of peers.locks.filter((name) => name !== 'none')) {
    await countsAddUp(peers, { lock, threads: 2, ms: 40, blocks: 4 });
  }
});

native('every lock keeps four threads apart, also where they outnumber the cores', async (peers) => {
  // One round a look at the stop word: a FIFO spin lock may need a scheduler quantum for each.
  for (const lock of peers.locks.filter((name) => name !== 'none')) {
    await countsAddUp(peers, { lock, threads: 4, ms: 40, blocks: 2, batch: 1 });
  }
});

native('the twin order and the pause instruction keep them apart too', async (peers) => {
  for (const lock of ['tas', 'ttas', 'ticket', 'mcs']) {
    await countsAddUp(peers, { lock, threads: 2, ms: 20, blocks: 2, order: 'seqcst' });
  }
  if (process.arch !== 'x64' && process.arch !== 'arm64') return;
  for (const lock of ['tas', 'ttas', 'ticket', 'mcs']) {
    await countsAddUp(peers, { lock, threads: 2, ms: 20, blocks: 2, pause: true });
  }
});

const [one, other] = cores();
if (one === undefined || other === undefined) {
  test.skip('without a lock the counter is found to be wrong', 'one core loses increments too rarely');
} else {
  native('without a lock the counter is found to be wrong', async ({ run }) => {
    const pin = process.platform === 'linux' ? [one, other] : [];
    const error = await failure(run({ lock: 'none', threads: 2, ms: 100, blocks: 4, pin }));
    assert.is(error.code, 'counter-mismatch');
    assert.match(error.message, /none let two threads in: \d+ increments left the counter at \d+/);
  });
}

native('one thread alone gives nanoseconds a round for each block', async (peers) => {
  for (const lock of peers.locks) {
    const result = await peers.run({ lock, uncontended: true, ms: 20, blocks: 5 });
    assert.is(result.mode, 'uncontended');
    assert.is(result.unit, 'ns/op');
    assert.is(result.blocks.length, 5);
    assert.ok(result.blocks.every((ns) => Number.isFinite(ns) && ns > 0));
    assert.is(result.counter, result.total % 2 ** 32);
  }
});

native('bad options are refused in a sentence that names them', async (peers) => {
  const cases: [NativeRun, NativeFailure, RegExp][] = [
    [{ lock: 'wooden' }, 'bad-options', /--lock: no lock 'wooden'/],
    [{ lock: 'tas', threads: 0 }, 'bad-options', /--threads needs a whole number from 1 to 256, got '0'/],
    [{ lock: 'tas', ms: 1.5 }, 'bad-options', /--ms .* got '1.5'/],
    [{ lock: 'tas', pin: [99_999] }, 'bad-options', /--pin/],
    [{ lock: 'tas', timeoutMs: 0.5 }, 'bad-options', /timeoutMs .* got '0.5'/],
    [{ lock: 'tas', ms: 60_000, timeoutMs: 100 }, 'timeout', /tas did not end within 100 ms/],
  ];
  for (const [options, code, message] of cases) {
    const error = await failure(peers.run(options));
    assert.is(error.code, code);
    assert.match(error.message, message);
  }
});

native('a built program is used again, and not after a change of its sources', async () => {
  const cache = join(scratch, 'cache');
  const locks = (program: string) => {
    const found = nativePeers({ sources: sourcesOf('changing', program), cache });
    return found.available ? found.locks : found.reason;
  };
  assert.equal(locks(printing('first')), ['first']);
  const built = statSync(cache).mtimeMs;
  assert.equal(locks(printing('first')), ['first']);
  assert.is(statSync(cache).mtimeMs, built, 'nothing was built into the folder');
  assert.equal(locks(printing('second')), ['second']);
});

native('sources that do not compile are a reason, not an exception', async () => {
  const sources = sourcesOf('broken', 'int main(void) { return nothing_of_that_name; }\n');
  const cache = join(scratch, 'cache-broken');
  assert.match(
    reasonOf(nativePeers({ sources, cache })),
    /could not compile the native peers: .*nothing_of_that_name/,
  );
  assert.equal(readdirSync(cache), [], 'no half-built program stays behind');
});

native('a program that was built but does not run is a reason too', async () => {
  const sources = sourcesOf('crashing', 'int main(void) { return 3; }\n');
  assert.match(
    reasonOf(nativePeers({ sources, cache: join(scratch, 'cache-crashing') })),
    /does not run here/,
  );
});

test('a compiler that is missing or no compiler, missing sources, a folder open to others: reasons, not exceptions', () => {
  const cache = join(scratch, 'cache-none');
  assert.match(
    reasonOf(nativePeers({ cache, compiler: 'lockrig-has-no-such-cc' })),
    /'lockrig-has-no-such-cc' was not found/,
  );
  assert.match(
    reasonOf(nativePeers({ cache, compiler: process.execPath })),
    /could not compile the native peers/,
  );
  assert.type(reasonOf(nativePeers({ cache, sources: join(scratch, 'nowhere') })), 'string');
  if (process.getuid === undefined) return;
  const open = join(scratch, 'open');
  mkdirSync(open);
  chmodSync(open, 0o777);
  // Node stands in for the compiler: it has a version, which is all that is asked of it before the folder is looked at.
  assert.match(
    reasonOf(nativePeers({ cache: open, compiler: process.execPath })),
    /not a folder that only this user can write to/,
  );
});

test.run();

const pinning = suite('pinning');

const ASK = `
  const { parentPort, workerData } = require('node:worker_threads');
  const { readFileSync } = require('node:fs');
  import(workerData).then(({ currentThreadId }) => {
    parentPort.postMessage(currentThreadId());
    parentPort.on('message', () => {
      parentPort.postMessage(readFileSync('/proc/thread-self/status', 'utf8').match(/^Cpus_allowed_list:\\s*(.*)$/m)[1]);
    });
  });
`;

if (currentThreadId() === undefined || spawnSync('taskset', ['--version']).error !== undefined) {
  pinning.skip('a pinned worker stays on its core', 'no /proc/thread-self or no taskset');
} else {
  pinning('a pinned worker stays on its core and the main thread keeps all of them', async () => {
    const module = new URL(
      import.meta.url.endsWith('.ts') ? '../bench/pin.ts' : '../bench/pin.js',
      import.meta.url,
    );
    const worker = new Worker(ASK, { eval: true, workerData: module.href });
    const answer = <T>() => new Promise<T>((resolve) => worker.once('message', resolve));
    try {
      const before = cores();
      const core = before.at(-1) ?? 0;
      const tid = await answer<number | undefined>();
      assert.is.not(tid, currentThreadId(), 'the worker has a kernel id of its own');
      assert.ok(pinThread(tid, core));
      const allowed = answer<string>();
      worker.postMessage('allowed?');
      assert.is(await allowed, String(core));
      assert.equal(cores(), before);
      assert.not.ok(pinThread(tid, 1_000_000), 'a core that does not exist');
    } finally {
      await worker.terminate();
    }
  });
}

pinning('what cannot be pinned is not', () => {
  assert.is(pinThread(undefined, 0), false);
  assert.is(pinThread(0, 0), false);
  assert.is(pinThread(currentThreadId(), -1), false);
  assert.ok(cores().length > 0);
});

if (process.platform !== 'linux') pinning.skip('cores are those that the kernel allows', 'no /proc');
else {
  pinning('cores are those that the kernel allows', () => {
    // The kernel gives the same set as a list, which is what is parsed, and as a mask.
    const mask = /^Cpus_allowed:\s*([\da-f,]+)$/m.exec(readFileSync('/proc/self/status', 'utf8'))?.[1] ?? '';
    const bits = BigInt(`0x${mask.replaceAll(',', '')}`).toString(2);
    const allowed = [...bits].reverse().flatMap((bit, core) => (bit === '1' ? [core] : []));
    assert.equal(cores(), allowed);
  });
}

pinning.run();
