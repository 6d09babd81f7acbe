/**
 * What false sharing costs on this machine: threads that count, each in a word of its own, where only the distance between the words differs.
 *
 *   4 bytes     all words on one line: every write takes the line away from the others
 *   64 bytes    a line each: what lockrig lays out for words of different writers
 *   128 bytes   a pair of lines each: some processors fetch lines in pairs, then 64 bytes are not enough
 *
 * `atomic` is one fetchAdd; `relaxed` a readOnce and a writeOnce; both are calls into the engine, which the figures include. `plain` is a read and a
 * write that the JIT inlines: in a loop as tight as this the store buffer gathers several writes before it needs the line, and hides most of
 * what the same writes cost amid other work.
 *
 * In a sample all threads begin together and end when the first is through, so that nobody counts alone. Afterwards each word must hold what
 * its thread says it has counted.
 */
import { once } from 'node:events';
import { isMainThread, parentPort, Worker, workerData } from 'node:worker_threads';
import Table from 'cli-table3';
import { Bench } from 'tinybench';
import type { Addr, Isa, WaitingPolicy } from '../src/arch/index.ts';
import { createMachine, Machine, type MachineHandle } from '../src/memory/index.ts';
import { cores, currentThreadId, pinThread } from './pin.ts';

/** What to measure. */
export interface PaddingOptions {
  /** 2 to 16; 2 unless given. */
  readonly threads?: number;
  /** Milliseconds for each row; 500 unless given. A quarter of it is spent on warming up, in addition. */
  readonly ms?: number;
  /** Bytes from one word to the next; 4, 64 and 128 unless given. */
  readonly distances?: readonly number[];
  /** A core for each thread, where the system lets us; true unless given. */
  readonly pin?: boolean;
}

/** What one way to count at one distance cost. */
export interface PaddingRow {
  readonly operation: 'atomic' | 'relaxed' | 'plain';
  /** Bytes between the words. */
  readonly distance: number;
  readonly threads: number;
  /** Of one increment on one thread: the median of the samples. */
  readonly nsPerOp: number;
  /** Median distance of the samples from that. */
  readonly spread: number;
  readonly fastest: number;
  readonly slowest: number;
  readonly samples: number;
  /** How much slower than the same operation at the greatest distance. */
  readonly ratio: number;
  /** Cores that the threads could run on. */
  readonly cores: number;
  /** Whether every thread was bound to a core of its own. */
  readonly pinned: boolean;
}

const OPERATIONS = ['atomic', 'relaxed', 'plain'] as const;
const DISTANCES = [4, 64, 128];
const MOST_THREADS = 16;
/** Long enough for a sample to take some tenths of a millisecond. */
const SAMPLE_INCREMENTS = { atomic: 30_000, relaxed: 30_000, plain: 200_000 };
const BATCH = 500;

interface ThreadData {
  readonly paddingProbe: MachineHandle;
  readonly cpu: number;
  readonly waiting: WaitingPolicy;
}

/** One sample, as each thread is told of it. */
interface Episode {
  readonly operation: PaddingRow['operation'];
  readonly word: Addr;
  /** Counts the threads that are ready, up to `ready`. */
  readonly gate: Addr;
  readonly ready: number;
  /** Not `running` any more: a thread is through. */
  readonly stop: Addr;
  readonly running: number;
}

interface Counted {
  readonly increments: number;
  readonly ms: number;
}

function count(isa: Isa, { operation, word, gate, ready, stop, running }: Episode): Counted {
  let here = isa.fetchAdd(gate, 1) + 1;
  isa.wake(gate, -1);
  while (here < ready) here = isa.spinWhile(gate, here);
  const start = performance.now();
  let increments = 0;
  do {
    if (operation === 'atomic') for (let left = BATCH; left > 0; left -= 1) isa.fetchAdd(word, 1);
    else if (operation === 'relaxed')
      for (let left = BATCH; left > 0; left -= 1) isa.writeOnce(word, isa.readOnce(word) + 1);
    else for (let left = BATCH; left > 0; left -= 1) isa.write(word, isa.read(word) + 1);
    increments += BATCH;
  } while (increments < SAMPLE_INCREMENTS[operation] && isa.readOnce(stop) === running);
  const ms = performance.now() - start;
  isa.store(stop, running + 1);
  return { increments, ms };
}

if (!isMainThread && (workerData as ThreadData | null)?.paddingProbe) {
  const { paddingProbe, cpu, waiting } = workerData as ThreadData;
  const { isa } = new Machine(paddingProbe).attach(cpu, { waiting });
  parentPort!.on('message', (episode: Episode) => parentPort!.postMessage(count(isa, episode)));
  parentPort!.postMessage(currentThreadId());
}

function checked({
  threads = 2,
  ms = 500,
  distances = DISTANCES,
  pin = true,
}: PaddingOptions): Required<PaddingOptions> {
  if (!Number.isInteger(threads) || threads < 2 || threads > MOST_THREADS)
    throw new RangeError(`threads is 2 to ${MOST_THREADS}, not ${threads}`);
  if (!(ms >= 10 && ms <= 60_000)) throw new RangeError(`ms is 10 to 60000, not ${ms}`);
  const bad = distances.find((each) => !Number.isInteger(each) || each < 4 || each > 4096 || each % 4 !== 0);
  if (bad !== undefined || distances.length === 0)
    throw new RangeError(`distances are multiples of 4 from 4 to 4096 bytes, not ${bad ?? 'none'}`);
  return { threads, ms, distances, pin };
}

/**
 * Measures counting at several distances.
 * @returns a row for each operation and distance; takes about 6 s unless told otherwise
 * @throws RangeError for options that make no sense
 */
export async function paddingProbe(options: PaddingOptions = {}): Promise<PaddingRow[]> {
  const { threads, ms, distances, pin } = checked(options);
  const machine = createMachine({ cpus: threads });
  const gate = machine.alloc(64);
  const stop = machine.alloc(64);
  const widest = Math.max(...distances);
  // A spare page on either side: nothing else that is written lies in the words' neighbourhood.
  const block = machine.alloc(threads * widest + 8192);
  const first = (block + 8191) & ~4095;
  const usable = cores();
  // A thread that slept at the gate would begin late.
  const waiting = usable.length >= threads ? 'spin' : 'spin-then-park';
  const workers = Array.from({ length: threads }, (_, cpu) => {
    const data: ThreadData = { paddingProbe: machine.handle, cpu, waiting };
    return new Worker(new URL(import.meta.url), { workerData: data });
  });
  try {
    const tids = await Promise.all(
      workers.map(async (worker) => ((await once(worker, 'message')) as [number | undefined])[0]),
    );
    const pinned =
      pin && usable.length >= threads && tids.map((tid, at) => pinThread(tid, usable[at]!)).every(Boolean);

    let episode = 0;
    const counted = new Array<number>(threads).fill(0);
    const sample = async (operation: PaddingRow['operation'], distance: number) => {
      episode += 1;
      const begun = performance.now();
      const results = await Promise.all(
        workers.map(async (worker, at) => {
          const message: Episode = {
            operation,
            word: first + at * distance,
            gate,
            ready: threads * episode,
            stop,
            running: machine.boot.load(stop),
          };
          worker.postMessage(message);
          const [result] = (await once(worker, 'message')) as [Counted];
          counted[at]! += result.increments;
          return result.ms / result.increments;
        }),
      );
      return {
        overriddenDuration: results.reduce((sum, each) => sum + each, 0) / threads,
        overriddenIterationCost: performance.now() - begun,
      };
    };

    const bench = new Bench({
      time: ms,
      warmupTime: ms / 4,
      iterations: 5,
      warmupIterations: 2,
      throws: true,
    });
    const tasks = OPERATIONS.flatMap((operation) =>
      distances.map((distance) => ({ operation, distance, name: `${operation} ${distance}` })),
    );
    for (const { operation, distance, name } of tasks) {
      const clear = (): void => {
        machine.words.fill(0, first / 4, (first + threads * widest) / 4);
        counted.fill(0);
      };
      const verify = (): void => {
        for (const [at, increments] of counted.entries()) {
          const found = machine.boot.load(first + at * distance);
          if (found !== increments)
            throw new Error(`${name}: thread ${at} counted ${increments}, its word holds ${found}`);
        }
      };
      bench.add(name, () => sample(operation, distance), { async: true, beforeAll: clear, afterAll: verify });
    }
    await bench.run();
    const measured = tasks.map((task) => {
      const result = bench.getTask(task.name)!.result;
      if (result.state !== 'completed') throw new Error(`${task.name} was not measured: ${result.state}`);
      return { ...task, latency: result.latency };
    });
    return measured.map(({ operation, distance, latency }) => {
      const base = measured.find((each) => each.operation === operation && each.distance === widest)!.latency
        .p50;
      return {
        operation,
        distance,
        threads,
        nsPerOp: latency.p50 * 1e6,
        spread: latency.mad * 1e6,
        fastest: latency.min * 1e6,
        slowest: latency.max * 1e6,
        samples: latency.samplesCount,
        ratio: latency.p50 / base,
        cores: usable.length,
        pinned,
      };
    });
  } finally {
    await Promise.all(workers.map((worker) => worker.terminate()));
  }
}

/** The rows as a table, with a line that says what was counted how. */
export function printPadding(rows: readonly PaddingRow[]): string {
  const table = new Table({
    head: ['operation', 'words apart', 'ns/op', 'spread', 'fastest', 'slowest', 'times as slow'],
    colAligns: ['left', 'right', 'right', 'right', 'right', 'right', 'right'],
    style: { head: [], border: [] },
  });
  for (const row of rows) {
    const figures = [row.nsPerOp, row.spread, row.fastest, row.slowest].map((ns) => ns.toFixed(2));
    table.push([row.operation, `${row.distance} bytes`, ...figures, `${row.ratio.toFixed(2)} x`]);
  }
  const row = rows[0];
  if (!row) return '';
  const { threads, cores: usable, pinned } = row;
  const where = pinned ? 'each on a core of its own' : 'not bound to cores';
  const lines = [`${threads} threads, each counting in its own word, ${where}`, table.toString()];
  if (threads > usable) {
    lines.push(
      `There are ${usable} cores for ${threads} threads: they take turns, and the figures say little about sharing a line.`,
    );
  }
  return lines.join('\n');
}
