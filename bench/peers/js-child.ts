/**
 * The process in which a lock of others is measured that is used from JavaScript: its own, because it may need another Node, or a flag.
 *
 *   node [flags] js-child.js '{"name":"node/locks","cpus":2, …}'
 *
 * Threads go round (js-cpu.ts); this one sleeps, and reads their counts before and after each window. Windows come in pairs, after a warm-up: one in which nobody looks at the clock, for the rate, and one in which
 * acquisitions are timed. One line of JSON.
 */
import { Worker } from 'node:worker_threads';
import type { Setting } from '../../harness/measure/schema.ts';
import type { PeerBudget } from '../locks/peer.ts';
import { together } from '../locks/times.ts';
import { pinThread } from '../pin.ts';
import { type JsOrders, type JsReport, MODE, STRIDE, WORDS } from './js-cpu.ts';
import { JS_LOCKS } from './js-locks.ts';
import type { Measurements, Protected } from './run.ts';

/** What the process is told. */
export interface JsTask
  extends Pick<Setting, 'cpus' | 'section' | 'outside' | 'reads' | 'locks'>,
    Omit<PeerBudget, 'signal'> {
  readonly name: string;
  readonly module?: string | undefined;
}

/** What it prints. */
export interface JsResult extends Measurements, Protected {}

type Message =
  | { readonly kind: 'thread'; readonly thread: number | undefined }
  | { readonly kind: 'done'; readonly report: JsReport }
  | { readonly kind: 'failed'; readonly message: string };

const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** A thread, pinned. @returns what tells it what to do, and what it reports */
async function start(id: number, pin: readonly number[]) {
  const worker = new Worker(new URL(`./js-cpu${extension}`, import.meta.url));
  const next = (kind: Message['kind']): Promise<Message> =>
    new Promise((resolve, reject) => {
      worker.once('error', reject);
      worker.once('exit', (code) => reject(new Error(`thread ${id} exited with ${code}`)));
      worker.on('message', (message: Message) => {
        if (message.kind === 'failed') reject(new Error(message.message));
        else if (message.kind === kind) resolve(message);
      });
    });
  const hello = (await next('thread')) as Extract<Message, { kind: 'thread' }>;
  const core = pin[id % pin.length];
  if (core !== undefined && !pinThread(hello.thread, core))
    throw new Error(`thread ${id} could not be bound to core ${core}`);
  const done = next('done').then((message) => (message as Extract<Message, { kind: 'done' }>).report);
  done.catch(() => {});
  return { done, go: (orders: JsOrders): void => worker.postMessage(orders) };
}

async function measure(task: JsTask): Promise<JsResult> {
  const { name, module, cpus, section, outside, reads, locks, every, warmup, window, rounds, pin } = task;
  const words = new Int32Array(new SharedArrayBuffer(4 * (WORDS.data + (locks + cpus) * STRIDE)));
  const counts = WORDS.data + locks * STRIDE;
  const threads = await Promise.all(Array.from({ length: cpus }, (_, id) => start(id, pin)));
  const shared = Array.from({ length: locks }, () => JS_LOCKS[name]!.share());
  for (const [id, { go }] of threads.entries())
    go({ name, module, id, cpus, locks, section, outside, reads, every, words, shared });
  const reports = Promise.all(threads.map(({ done }) => done));
  const failed = reports.then(() => {});
  failed.catch(() => {});
  const pause = (ms: number): Promise<void> => Promise.race([sleep(ms), failed]);
  const look = (): number[] => threads.map((_, id) => Atomics.load(words, counts + id * STRIDE));

  while (Atomics.load(words, WORDS.ready) < cpus + 1) await pause(1);
  await pause(warmup);
  const rates: number[] = [];
  const shares = threads.map(() => 0);
  for (let round = 0; round < rounds; round += 1) {
    Atomics.store(words, WORDS.mode, MODE.fast);
    await pause(warmup / 8);
    const before = look();
    const began = performance.now();
    await pause(window);
    const done = look().map((count, id) => (count - before[id]!) >>> 0);
    const took = performance.now() - began;
    for (const [id, each] of done.entries()) shares[id]! += each;
    rates.push((done.reduce((sum, each) => sum + each, 0) * 1000) / took);
    if (every === 0) continue;
    Atomics.store(words, WORDS.mode, MODE.timed);
    await pause(window);
  }
  Atomics.store(words, WORDS.mode, MODE.stopped);
  const told = await reports;
  const sum = (numbers: readonly number[]): number => numbers.reduce((all, each) => all + each, 0);
  return {
    rates,
    shares,
    from: told.map(({ from }) => from),
    wait: together(told.map((report) => report.wait)),
    section: words[WORDS.section]! * told[0]!.turn,
    writes: sum(told.map(({ writes }) => writes)),
    counted: sum(Array.from({ length: locks }, (_, at) => words[WORDS.data + at * STRIDE]! >>> 0)),
    torn: sum(told.map(({ torn }) => torn)),
  };
}

try {
  const result = await measure(JSON.parse(process.argv[2] ?? '') as JsTask);
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`, () => process.exit(4));
}
