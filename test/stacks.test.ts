/** The stack of a thread can be taken wherever the thread is stuck, names the line that somebody wrote, and does no harm. */
import { execFile } from 'node:child_process';
import { mkdtempSync, realpathSync, rmSync, writeFileSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { fileURLToPath, pathToFileURL } from 'node:url';
import { promisify } from 'node:util';
import { Worker } from 'node:worker_threads';
import { transform } from 'esbuild';
import { Piscina } from 'piscina';
import * as assert from 'uvu/assert';
import wabt from 'wabt';
import { formatStack, mapFrames, type StackFrame } from '../harness/cpus/source-map.ts';
import { type NoStack, takeStacks } from '../harness/cpus/stacks.ts';
import { webAssembly } from '../src/arch/webassembly.ts';
import { COUNT, GATE, type Order, READY, TOO_EARLY } from './fixtures/stacks/stuck.ts';
import { read, root } from './project.ts';
import { suite } from './suite.ts';

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const fixture = (name: string) => new URL(`./fixtures/stacks/${name}.${extension}`, import.meta.url);
const SOURCE = 'test/fixtures/stacks/stuck.ts';

const test = suite('stacks of busy threads');
const folder = realpathSync(mkdtempSync(join(tmpdir(), 'lockrig-stacks-')));
const threads = new Set<Worker>();

test.after.each(async () => {
  await Promise.all([...threads].map((thread) => thread.terminate()));
  threads.clear();
});
test.after(() => rmSync(folder, { recursive: true, force: true }));

function markedLine(mark: string): number {
  const index = read(SOURCE)
    .split('\n')
    .findIndex((line) => line.endsWith(`// marked: ${mark}`));
  assert.ok(index >= 0, `no line of ${SOURCE} is marked ${mark}`);
  return index + 1;
}

async function until(what: string, holds: () => boolean | Promise<boolean>): Promise<void> {
  for (let tries = 0; !(await holds()); tries++) {
    assert.ok(tries < 2_000, `it never happened: ${what}`);
    await sleep(10);
  }
}

async function start(
  how: Order['how'],
  rest: Partial<Order> = {},
): Promise<{ thread: Worker; id: number; words: Order['words'] }> {
  const words = rest.words ?? new Int32Array(new SharedArrayBuffer(64));
  const thread = new Worker(fixture('thread'), { workerData: { how, words, ...rest } });
  threads.add(thread);
  const { threadId: id } = thread;
  await until(`${how} is ready`, () => Atomics.load(words, READY) === 1);
  return { thread, id, words };
}

const message = (thread: Worker) => new Promise<unknown>((resolve) => thread.once('message', resolve));

function framesOf(found: StackFrame[] | NoStack | undefined): StackFrame[] {
  assert.ok(Array.isArray(found), `no frames but ${JSON.stringify(found)}`);
  return found as StackFrame[];
}

function reasonOf(found: StackFrame[] | NoStack | undefined): string {
  assert.ok(found && !Array.isArray(found), `no reason but ${JSON.stringify(found)}`);
  return (found as NoStack).reason;
}

async function stackOf(threadId: number): Promise<StackFrame[]> {
  return framesOf((await takeStacks({ threadIds: [threadId], deadline: 20_000 })).get(threadId));
}

/** The stack of a thread that is on its way to a marked line, once it is there. */
async function stackAt(mark: string, threadId: number): Promise<StackFrame[]> {
  const line = markedLine(mark);
  let frames: StackFrame[] = [];
  await until(`the thread is at line ${line}, not ${JSON.stringify(frames[0])}`, async () => {
    frames = await stackOf(threadId);
    return frames.some((frame) => frame.file === join(root, SOURCE) && frame.line === line);
  });
  return frames;
}

test('in for (;;) it names the function, its caller and the TypeScript line', async () => {
  const { id } = await start('spin');
  const [top, caller] = await stackAt('spin', id);
  assert.is(top?.functionName, 'spinForEver');
  assert.is(top?.line, markedLine('spin'));
  assert.is(caller?.functionName, 'getStuck');
  assert.not.ok(top?.internal);
});

test('in Atomics.wait it is taken and the wait goes on until a notify', async () => {
  const { thread, id, words } = await start('wait');
  const [top] = await stackAt('wait', id);
  assert.is(top?.functionName, 'waitForEver');
  const result = message(thread);
  await until('somebody waits to be woken', () => Atomics.notify(words, GATE, 1) === 1);
  assert.is(await result, 'ok');
});

test('in Atomics.wait with a timeout it is taken and the timeout still comes', async () => {
  const { thread, id } = await start('wait a while');
  const result = message(thread);
  const [top] = await stackAt('wait a while', id);
  assert.is(top?.functionName, 'waitAWhile');
  assert.is(await result, 'timed-out');
});

for (const run of ['spin', 'park']) {
  test(`in a loop of wasm that can only ${run} it shows the wasm and who called it`, async () => {
    const text = `(module (import "host" "memory" (memory 1 1 shared))
      (func $spin (export "spin") (loop $again (br $again)))
      (func $park (export "park")
        (loop $again
          (drop (memory.atomic.wait32 (i32.const ${4 * GATE}) (i32.const 0) (i64.const -1)))
          (br $again))))`;
    const parsed = (await wabt()).parseWat('stuck.wat', text, { threads: true });
    const bytes = new Uint8Array(parsed.toBinary({ write_debug_names: true }).buffer);
    parsed.destroy();
    const memory = new webAssembly!.Memory({ initial: 1, maximum: 1, shared: true });
    const words = new Int32Array(memory.buffer);
    const { id } = await start('wasm', { words, wasm: { bytes, memory, run } });

    const frames = await stackAt('wasm', id);
    const [top, caller] = frames;
    assert.match(top?.functionName ?? '', new RegExp(`^\\$?${run}$`));
    assert.match(top?.file ?? '', /^wasm:/);
    assert.is(top?.internal, true);
    assert.ok((top?.column ?? 0) > 0 && (top?.column ?? 0) < bytes.length, `offset ${top?.column}`);
    assert.is(caller?.functionName, 'runWasm');
    assert.is(caller?.line, markedLine('wasm'));
    assert.match(formatStack(frames)[0] ?? '', /^at \$?\w+ \(wasm:\S+:0x[0-9a-f]+\)$/);
  });
}

test('a healthy thread goes on counting, however often it is looked at', async () => {
  const { id, words } = await start('count');
  for (let round = 0; round < 5; round++) {
    const [top] = await stackAt('count', id);
    assert.is(top?.functionName, 'countForEver');
    const before = Atomics.load(words, COUNT);
    await until('it counts', () => Atomics.load(words, COUNT) !== before);
  }
  assert.is(Atomics.load(words, TOO_EARLY), 0, 'a microtask ran inside of a function');
});

test('a thread in its event loop is called idle and goes on answering', async () => {
  const { thread, id } = await start('listen');
  for (let round = 0; round < 3; round++) {
    let found: StackFrame[] | NoStack | undefined;
    await until('it is back in its event loop', async () => {
      found = (await takeStacks({ threadIds: [id], deadline: 20_000 })).get(id);
      return !Array.isArray(found);
    });
    assert.match(reasonOf(found), /event loop/);
    const answer = message(thread);
    thread.postMessage(round);
    assert.is(await answer, round);
  }
});

test('a thread in native code is given up at the deadline and comes back unharmed', async () => {
  const { thread, id } = await start('native');
  const answer = message(thread);
  let found: StackFrame[] | NoStack | undefined;
  await until('it has left JavaScript', async () => {
    found = (await takeStacks({ threadIds: [id], deadline: 300 })).get(id);
    return !Array.isArray(found);
  });
  assert.match(reasonOf(found), /within 300 ms/);
  assert.is(await answer, 'back');
});

test('a dead thread yields a reason and costs the living ones nothing', async () => {
  const dead = await start('count');
  const alive = await start('spin');
  await dead.thread.terminate();
  const stacks = await takeStacks({ threadIds: [dead.id, alive.id, 4_000_000], deadline: 20_000 });
  assert.equal([...stacks.keys()], [dead.id, alive.id, 4_000_000]);
  assert.match(reasonOf(stacks.get(dead.id)), /not running/);
  assert.match(reasonOf(stacks.get(4_000_000)), /not running/);
  assert.is(framesOf(stacks.get(alive.id))[0]?.functionName, 'spinForEver');
});

test('a thread that leaves meanwhile yields its last stack or a reason, and is gone', async () => {
  const { thread, id } = await start('listen');
  const left = new Promise((resolve) => thread.once('exit', resolve));
  const taking = takeStacks({ threadIds: [id], deadline: 20_000 });
  thread.postMessage('leave');
  const found = (await taking).get(id);
  assert.ok(Array.isArray(found) || found?.reason);
  assert.is(await left, 0);
  assert.match(reasonOf((await takeStacks({ threadIds: [id] })).get(id)), /not running/);
});

test('two may look at once', async () => {
  const one = await start('spin');
  const other = await start('count');
  const threadIds = [one.id, other.id];
  const both = await Promise.all([takeStacks({ threadIds }), takeStacks({ threadIds })]);
  for (const stacks of both) {
    assert.is(framesOf(stacks.get(one.id))[0]?.functionName, 'spinForEver');
    assert.is(framesOf(stacks.get(other.id))[0]?.functionName, 'countForEver');
  }
  const before = Atomics.load(other.words, COUNT);
  await until('it counts', () => Atomics.load(other.words, COUNT) !== before);
});

test('threads of a pool are told apart by their ids', async () => {
  const pool = new Piscina({
    filename: fixture('stuck').href,
    name: 'getStuck',
    minThreads: 2,
    maxThreads: 2,
    atomics: 'disabled',
  });
  try {
    const orders: Order[] = (['spin', 'wait'] as const).map((how) => ({
      how,
      words: new Int32Array(new SharedArrayBuffer(64)),
    }));
    for (const order of orders) pool.run(order).catch(() => {}); // rejected when the pool is destroyed
    await until('both run', () => orders.every(({ words }) => Atomics.load(words, READY) === 1));
    const threadIds = pool.threads.map(({ threadId }) => threadId);
    const stacks = await takeStacks({ threadIds, deadline: 20_000 });
    const tops = threadIds.map((id) => framesOf(stacks.get(id))[0]);
    assert.equal(tops.map((top) => top?.functionName).sort(), ['spinForEver', 'waitForEver']);
    for (const top of tops) assert.is(top?.file, join(root, SOURCE));
  } finally {
    await pool.destroy();
  }
});

const run = promisify(execFile);

test('a process can end while a stack is being taken', async () => {
  const end = await run(process.execPath, [fileURLToPath(fixture('leaves'))], { timeout: 20_000 }).catch(
    (error: { code: number; killed: boolean }) => error,
  );
  assert.is((end as { killed?: boolean }).killed, false, 'it had to be killed');
  assert.is((end as { code?: number }).code, 7);
});

test('where inspection is refused there is a reason', async () => {
  const flags = process.allowedNodeEnvironmentFlags;
  const permission = flags.has('--permission') ? '--permission' : '--experimental-permission';
  const args = [permission, '--allow-fs-read=*', '--allow-worker', fileURLToPath(fixture('refused'))];
  const { stdout } = await run(process.execPath, args, { timeout: 20_000 });
  assert.match(reasonOf(JSON.parse(stdout)), /^cannot be inspected here: ./);
});

test('a deadline that is none is refused', async () => {
  for (const deadline of [0, -1, Number.NaN, Number.POSITIVE_INFINITY]) {
    const error = await takeStacks({ threadIds: [], deadline }).catch((thrown: unknown) => thrown);
    assert.instance(error, RangeError);
  }
  assert.is((await takeStacks({ threadIds: [] })).size, 0);
});

test('a bundle with its map inside leads to the file that was bundled', async () => {
  const typescript = `interface Erased {
  gone: true;
}

export function inner(): never {
  for (;;);
}
inner();
`;
  const { code } = await transform(typescript, {
    loader: 'ts',
    format: 'esm',
    sourcemap: 'inline',
    sourcefile: 'user.ts',
  });
  writeFileSync(join(folder, 'bundle.mjs'), code);
  const thread = new Worker(pathToFileURL(join(folder, 'bundle.mjs')));
  threads.add(thread);
  let frames: StackFrame[] = [];
  await until('the bundle runs', async () => {
    const found = (await takeStacks({ threadIds: [thread.threadId] })).get(thread.threadId);
    frames = Array.isArray(found) ? found : [];
    return frames[0]?.functionName === 'inner';
  });
  assert.is(frames[0]?.file, join(folder, 'user.ts'));
  assert.is(frames[0]?.line, 1 + typescript.split('\n').indexOf('  for (;;);'));
});

test('without a map, or with a damaged one, a frame stays as it is', () => {
  const place = { functionName: 'f', line: 1, column: 3 };
  const files = {
    'plain.js': 'f();\n',
    'lost.js': 'f();\n//# sourceMappingURL=nowhere.js.map\n',
    'broken.js': 'f();\n//# sourceMappingURL=data:application/json,{"version":3\n',
    'damaged.js':
      'f();\n//# sourceMappingURL=data:application/json,{"version":3,"sources":["a.ts"],"mappings":"!"}\n',
  };
  const frames = Object.entries(files).map(([name, text]) => {
    writeFileSync(join(folder, name), text);
    return { ...place, file: join(folder, name) };
  });
  frames.push({ ...place, file: join(folder, 'missing.js') }, { ...place, file: '' });
  assert.equal(mapFrames(frames), frames);
});

test('the last comment counts, and mapping twice changes nothing', () => {
  const map = (source: string) =>
    `//# sourceMappingURL=data:application/json,${encodeURIComponent(
      JSON.stringify({ version: 3, names: [], sources: [source], mappings: ';;AAEA' }),
    )}\n`;
  writeFileSync(join(folder, 'two.js'), `${map('wrong.ts')}\n  f();\n${map('src/right.ts')}`);
  const frame = { functionName: 'f', file: join(folder, 'two.js'), line: 3, column: 3 };
  const once = mapFrames([frame]);
  assert.equal(once, [{ functionName: 'f', file: join(folder, 'src/right.ts'), line: 3, column: 1 }]);
  assert.equal(mapFrames(once), once);
});

test('a stack is written with short paths, and says how much it leaves out', () => {
  const frame = (functionName: string, file: string): StackFrame => ({
    functionName,
    file,
    line: 7,
    column: 9,
  });
  const here = process.cwd();
  const frames = mapFrames([
    frame('acquire', join(here, 'src', 'ticket.ts')),
    frame('', join(here, '..', 'elsewhere.ts')),
    frame('evaluated', ''),
    frame('inside', 'node:internal/main'),
    frame('', join(here, 'main.ts')),
  ]);
  assert.equal(
    frames.map(({ internal }) => internal ?? false),
    [false, false, false, true, false],
  );
  assert.equal(formatStack(frames, { limit: 4 }), [
    `at acquire (${join('src', 'ticket.ts')}:7:9)`,
    `at ${join(here, '..', 'elsewhere.ts')}:7:9`,
    'at evaluated (<anonymous>:7:9)',
    'at inside (node:internal/main:7:9)',
    '... 1 more frame',
  ]);
  assert.is(formatStack(frames).length, 5);
});

test.run();
