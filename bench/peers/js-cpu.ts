/**
 * A thread that goes round a lock of others: see js-child.ts, and native/sweep.c for the same in C.
 *
 * All locks are made before the first round, and one closure is the loop, so that V8 knows what it calls. The stop word is looked at after a few rounds: `Atomics.load` is a call, which lockrig's own loop has not.
 */
import { parentPort } from 'node:worker_threads';
import { currentThreadId } from '../pin.ts';
import { JS_LOCKS, type JsOps } from './js-locks.ts';
import { loopNanoseconds, spin } from './spin.ts';
import { type Recorded, Recorder } from './times.ts';

/** Where words lie: each on a pair of lines of its own. */
export const STRIDE = 32;
/** All threads are there; they are to stop; turns of a section, and of what lies outside; then data of each lock, then the rounds of each thread. */
export const WORDS = {
  ready: 0,
  stop: STRIDE,
  section: 2 * STRIDE,
  outside: 2 * STRIDE + 1,
  data: 3 * STRIDE,
};

/** What a thread is told. */
export interface JsOrders {
  readonly name: string;
  readonly module: string | undefined;
  readonly id: number;
  readonly cpus: number;
  readonly locks: number;
  /** Nanoseconds. */
  readonly section: number;
  readonly outside: number;
  readonly reads: number;
  readonly every: number;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly shared: readonly unknown[];
}

/** What a thread answers in the end. */
export interface JsReport {
  readonly rounds: number;
  readonly writes: number;
  readonly torn: number;
  readonly from: readonly number[];
  readonly latency: Recorded;
  /** Of a turn of the loop, where this thread has measured it. */
  readonly loopNs: number;
}

/** Rounds between two looks at the stop word. */
const BATCH = 4;

/** A thread's own random numbers, by xorshift. */
function draws(seed: number): (below: number) => number {
  let now = Math.imul(seed + 1, 0x9e3779b9) | 1;
  return (below) => {
    now ^= now << 13;
    now ^= now >>> 17;
    now ^= now << 5;
    return (now >>> 1) % below;
  };
}

/** The lengths of both loops: the first thread finds them, the others read them. */
function calibrate({ id, words, section, outside }: JsOrders): number {
  if (id !== 0) {
    Atomics.wait(words, WORDS.ready, 0);
    return 0;
  }
  const turn = loopNanoseconds();
  words[WORDS.section] = Math.round(section / turn);
  words[WORDS.outside] = Math.round(outside / turn);
  Atomics.store(words, WORDS.ready, 1);
  Atomics.notify(words, WORDS.ready);
  return turn;
}

/** Waits until all threads are there. */
function meet({ words, cpus }: JsOrders): void {
  for (let here = Atomics.add(words, WORDS.ready, 1) + 1; here < cpus + 1; ) {
    Atomics.wait(words, WORDS.ready, here, 100);
    here = Atomics.load(words, WORDS.ready);
  }
  Atomics.notify(words, WORDS.ready);
}

/** Makes the loop of a thread. */
export function rounds(
  orders: JsOrders,
  all: readonly JsOps[],
): { run(): void | Promise<void>; report(): Omit<JsReport, 'loopNs'> } {
  const { id, cpus, locks, reads, every, words } = orders;
  const below = draws(id);
  const recorder = new Recorder();
  const counts = WORDS.data + locks * STRIDE + id * STRIDE;
  const from = new Array<number>(cpus).fill(0);
  const [inside, outside] = [words[WORDS.section]!, words[WORDS.outside]!];
  const perMille = Math.round(reads * 1000);
  let [done, writes, torn, sink] = [0, 0, 0, id];
  let until = 1 + id;
  let wanted = 0;
  let data = WORDS.data;

  /** The lock of this round. */
  function choose(): JsOps {
    const at = locks === 1 ? 0 : below(locks);
    data = WORDS.data + at * STRIDE;
    until -= 1;
    wanted = until === 0 && every !== 0 ? performance.now() : 0;
    return all[at]!;
  }
  const reading = (): boolean => perMille !== 0 && below(1000) < perMille;

  function entered(): void {
    if (wanted === 0) return;
    recorder.record((performance.now() - wanted) * 1e6);
    until = 1 + below(2 * every - 1);
  }
  function write(): void {
    entered();
    const count = (words[data]! + 1) | 0;
    words[data] = count;
    from[words[data + 2]!]! += 1;
    words[data + 2] = id;
    sink = spin(inside, sink);
    // Somebody came in.
    if (words[data] !== count) torn += 1;
    words[data + 1] = count;
    writes += 1;
  }
  function read(): void {
    entered();
    const first = words[data]!;
    sink = spin(inside, sink ^ first);
    if (words[data + 1] !== first) torn += 1;
  }
  function leave(): void {
    sink = spin(outside, sink);
    done += 1;
    words[counts] = done;
  }
  const stopped = (): boolean => Atomics.load(words, WORDS.stop) !== 0;

  function pairs(): void {
    while (!stopped())
      for (let left = BATCH; left > 0; left -= 1) {
        const lock = choose() as Extract<JsOps, { form: 'pair' }>;
        if (reading()) {
          const { acquire, release } = lock.read ?? lock;
          acquire();
          read();
          release();
        } else {
          lock.acquire();
          write();
          lock.release();
        }
        leave();
      }
  }
  function calls(): void {
    while (!stopped())
      for (let left = BATCH; left > 0; left -= 1) {
        const lock = choose() as Extract<JsOps, { form: 'call' }>;
        lock.hold(reading() ? read : write);
        leave();
      }
  }
  async function asks(): Promise<void> {
    while (!stopped()) {
      const lock = choose() as Extract<JsOps, { form: 'async' }>;
      if (reading()) await (lock.read ?? lock.hold)(read);
      else await lock.hold(write);
      leave();
    }
  }

  const { form } = all[0]!;
  return {
    run: form === 'pair' ? pairs : form === 'call' ? calls : asks,
    report: () => ({
      rounds: done,
      // So that the loops are not for nothing.
      writes: sink === 0.5 ? 0 : writes,
      torn,
      from,
      latency: recorder.recorded(every),
    }),
  };
}

/** The thread. */
async function main(orders: JsOrders): Promise<JsReport> {
  const lock = JS_LOCKS[orders.name]!;
  const make = await lock.load(orders.module);
  const loopNs = calibrate(orders);
  const { run, report } = rounds(
    orders,
    orders.shared.map((shared, index) => make(shared, index)),
  );
  meet(orders);
  await run();
  return { ...report(), loopNs };
}

if (parentPort) {
  const port = parentPort;
  port.postMessage({ kind: 'thread', thread: currentThreadId() });
  // The port stays open: a request that is pending does not keep a thread alive.
  port.on('message', (orders: JsOrders) => {
    main(orders).then(
      (report) => port.postMessage({ kind: 'done', report }),
      (error: Error) => port.postMessage({ kind: 'failed', message: error.message }),
    );
  });
}
