/**
 * The process in which a lock of others is measured that is used from JavaScript: its own, because it may need another Node, or a flag.
 *
 *   node [flags] js-child.js '{"name":"node/locks","cpus":2, …}'
 *
 * Threads go round (js-cpu.ts); this one sleeps and reads their counts at the end of each window, after a warm-up. One line of JSON.
 */
import { Worker } from 'node:worker_threads';
import type { Setting } from '../../harness/measure/schema.ts';
import { pinThread } from '../pin.ts';
import { type JsOrders, type JsReport, STRIDE, WORDS } from './js-cpu.ts';
import { JS_LOCKS } from './js-locks.ts';
import type { PeerBudget } from './peer.ts';
import { type Recorded, together } from './times.ts';

/** What the process is told. */
export interface JsTask
  extends Pick<Setting, 'cpus' | 'section' | 'outside' | 'reads' | 'locks'>,
    Omit<PeerBudget, 'signal' | 'patience'> {
  readonly name: string;
  readonly module?: string | undefined;
}

/** What it prints. */
export interface JsResult {
  readonly rates: readonly number[];
  readonly shares: readonly number[];
  readonly from: readonly (readonly number[])[];
  readonly latency: Recorded;
  readonly section: number;
  readonly rounds: number;
  readonly writes: number;
  /** The two counts of all locks, and how often a section saw that another one wrote. */
  readonly first: number;
  readonly second: number;
  readonly torn: number;
}

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
  const { name, module, cpus, section, outside, reads, locks, every, warmup, window, blocks, pin } = task;
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

  while (Atomics.load(words, WORDS.ready) < cpus + 1) await pause(1);
  await pause(warmup);
  const look = (): { at: number; by: number[] } => ({
    at: performance.now(),
    by: threads.map((_, id) => Atomics.load(words, counts + id * STRIDE)),
  });
  const looks = [look()];
  for (let block = 1; block <= blocks; block += 1) {
    await pause(looks[0]!.at + (block * window) / blocks - performance.now());
    looks.push(look());
  }
  Atomics.store(words, WORDS.stop, 1);
  const told = await reports;

  const sum = (each: (report: JsReport) => number): number =>
    told.reduce((all, report) => all + each(report), 0);
  const counted = (which: 0 | 1): number =>
    Array.from({ length: locks }, (_, at) => words[WORDS.data + at * STRIDE + which]!).reduce(
      (a, b) => a + b,
      0,
    );
  return {
    rates: looks.slice(1).map(({ at, by }, block) => {
      const before = looks[block]!;
      const done = by.reduce((all, count, id) => all + ((count - before.by[id]!) >>> 0), 0);
      return (done * 1000) / (at - before.at);
    }),
    shares: looks.at(-1)!.by.map((count, id) => (count - looks[0]!.by[id]!) >>> 0),
    from: told.map(({ from }) => from),
    latency: together(told.map(({ latency }) => latency)),
    section: words[WORDS.section]! * told[0]!.loopNs,
    rounds: sum((report) => report.rounds),
    writes: sum((report) => report.writes),
    first: counted(0),
    second: counted(1),
    torn: sum((report) => report.torn),
  };
}

try {
  const result = await measure(JSON.parse(process.argv[2] ?? '') as JsTask);
  process.stdout.write(`${JSON.stringify(result)}\n`, () => process.exit(0));
} catch (error) {
  process.stderr.write(`${(error as Error).message}\n`, () => process.exit(4));
}
