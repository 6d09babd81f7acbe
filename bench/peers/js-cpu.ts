/**
 * A thread that goes round a lock of others: see js-child.ts, bench/locks/loops.ts for lockrig's own, and native/sweep.c for the same in C.
 *
 * All locks are made before the first round, and one closure is the loop, so that V8 knows what it calls. Words of the memory that threads share are read and written plainly, as they are there.
 */
import { availableParallelism } from 'node:os';
import { parentPort } from 'node:worker_threads';
import { clockCost } from '../../harness/measure/clock.ts';
import { type Counted, Histogram } from '../locks/times.ts';
import { calibrate, work } from '../locks/work.ts';
import { currentThreadId } from '../pin.ts';
import { JS_LOCKS, type JsOps } from './js-locks.ts';

/** Where words lie: each on a pair of lines of its own. */
export const STRIDE = 32;
/** Threads that are there; what they are to do; turns of a section, and of what lies outside; then data of each lock, then the rounds of each thread. */
export const WORDS = {
  ready: 0,
  mode: STRIDE,
  section: 2 * STRIDE,
  outside: 2 * STRIDE + 1,
  data: 3 * STRIDE,
};
/** What threads are to do: go round, go round and look at the clock, end. */
export const MODE = { fast: 0, timed: 1, stopped: 2 } as const;
/** What a lock protects: a counter, and who had it last. */
const DATA = { value: 0, last: 1 } as const;

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
  readonly writes: number;
  readonly torn: number;
  readonly from: readonly number[];
  readonly wait: Counted;
  /** Nanoseconds of a turn of work, where this thread has measured it. */
  readonly turn: number;
}

/** Rounds between two looks at the mode: short ones, and where a section is long or there may be more CPUs than cores. */
const BATCH = { short: 64, long: 4 } as const;
/** Nanoseconds from which on a section is long. */
const LONG = 2000;

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
function agree({ id, words, section, outside }: JsOrders): number {
  if (id !== 0) {
    Atomics.wait(words, WORDS.ready, 0);
    return 0;
  }
  const { turn, sink } = calibrate();
  // So that the work is not for nothing.
  words[WORDS.mode] = sink === 0 ? 0 : MODE.fast;
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
): { run(): void | Promise<void>; report(): Omit<JsReport, 'turn'> } {
  const { id, cpus, locks, reads, every, words } = orders;
  const below = draws(id);
  const clock = clockCost();
  const wait = new Histogram();
  const counts = WORDS.data + locks * STRIDE + id * STRIDE;
  const from = new Array<number>(cpus).fill(0);
  const [inside, outside] = [words[WORDS.section]!, words[WORDS.outside]!];
  const batch = orders.section >= LONG || cpus > availableParallelism() ? BATCH.long : BATCH.short;
  const perMille = Math.round(reads * 1000);
  let [done, writes, torn, x] = [0, 0, 0, id];
  let until = 1 + id;
  let wanted = 0;
  let timed = false;
  let data = WORDS.data;

  /** What to do now. @returns whether to go on */
  function going(): boolean {
    const mode = Atomics.load(words, WORDS.mode);
    timed = mode === MODE.timed;
    return mode !== MODE.stopped;
  }
  /** The lock of this round. */
  function choose(): JsOps {
    const at = locks === 1 ? 0 : below(locks);
    data = WORDS.data + at * STRIDE;
    if (timed) {
      until -= 1;
      wanted = until === 0 ? performance.now() : 0;
    }
    return all[at]!;
  }
  const reading = (): boolean => perMille !== 0 && below(1000) < perMille;

  function entered(): void {
    if (wanted === 0) return;
    wait.add((performance.now() - wanted) * 1e6 - clock);
    wanted = 0;
    until = 1 + below(2 * every - 1);
  }
  function write(): void {
    if (timed) entered();
    const value = words[data + DATA.value]!;
    x = work(x, inside);
    words[data + DATA.value] = value + 1;
    if (timed) {
      from[words[data + DATA.last]!]! += 1;
      words[data + DATA.last] = id;
    }
    writes += 1;
  }
  function read(): void {
    if (timed) entered();
    const value = words[data + DATA.value]!;
    x = work(x, inside);
    if (words[data + DATA.value] !== value) torn += 1;
  }
  function leave(): void {
    x = work(x, outside);
    done += 1;
    words[counts] = done;
  }

  function pairs(): void {
    while (going())
      for (let left = batch; left > 0; left -= 1) {
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
    while (going())
      for (let left = batch; left > 0; left -= 1) {
        const lock = choose() as Extract<JsOps, { form: 'call' }>;
        lock.hold(reading() ? read : write);
        leave();
      }
  }
  async function asks(): Promise<void> {
    while (going())
      for (let left = BATCH.long; left > 0; left -= 1) {
        const lock = choose() as Extract<JsOps, { form: 'async' }>;
        if (reading()) await (lock.read ?? lock.hold)(read);
        else await lock.hold(write);
        leave();
      }
  }

  const { form } = all[0]!;
  return {
    run: form === 'pair' ? pairs : form === 'call' ? calls : asks,
    report() {
      // So that the work is not for nothing.
      words[counts + 1] = x;
      return { writes, torn, from, wait: wait.counted() };
    },
  };
}

/** The thread. */
async function main(orders: JsOrders): Promise<JsReport> {
  const lock = JS_LOCKS[orders.name]!;
  const make = await lock.load(orders.module);
  const turn = agree(orders);
  const { run, report } = rounds(
    orders,
    orders.shared.map((shared, index) => make(shared, index)),
  );
  meet(orders);
  await run();
  return { ...report(), turn };
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
