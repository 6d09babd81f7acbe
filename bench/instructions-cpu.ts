/**
 * The loops of the instruction benchmark, on one CPU and one engine.
 *
 * Each operation has a loop of its own: a loop that takes the operation as an argument would see many and
 * inline none. The address goes through the sixteen words of a line, so that no access can be moved out of
 * the loop; what the operations answer is added up and stored in shared memory, so that none can be dropped.
 * What the addressing and adding cost is the row `loop`.
 */
import { Bench } from 'tinybench';
import type { Addr, Isa } from '../src/arch/index.ts';
import type { Member } from './crew.ts';

export interface InstructionOrders {
  /** A line that nobody else uses. */
  readonly line: Addr;
  /** Index of the word that takes the sums. */
  readonly sink: number;
  /** Milliseconds of each operation. */
  readonly time: number;
}

/** What one operation costs, in nanoseconds. */
export interface InstructionCost {
  readonly operation: string;
  /** Median over the blocks. */
  readonly ns: number;
  /** Median absolute deviation. */
  readonly mad: number;
  readonly min: number;
  readonly blocks: number;
}

/** Operations a block. */
const BLOCK = 50_000;

type Loop = (isa: Isa, line: Addr, times: number) => number;

/** The word of the line that step i uses. */
const step = (line: Addr, i: number): Addr => line + ((i & 15) << 2);

const loops: Readonly<Record<string, Loop>> = {
  loop(_isa, line, times) {
    let sum = 0;
    for (let i = 0; i < times; i += 1) sum = (sum + step(line, i)) | 0;
    return sum;
  },
  read(isa, line, times) {
    let sum = 0;
    for (let i = 0; i < times; i += 1) sum = (sum + isa.read(step(line, i))) | 0;
    return sum;
  },
  write(isa, line, times) {
    for (let i = 0; i < times; i += 1) isa.write(step(line, i), i);
    return times;
  },
  readOnce(isa, line, times) {
    let sum = 0;
    for (let i = 0; i < times; i += 1) sum = (sum + isa.readOnce(step(line, i))) | 0;
    return sum;
  },
  writeOnce(isa, line, times) {
    for (let i = 0; i < times; i += 1) isa.writeOnce(step(line, i), i);
    return times;
  },
  load(isa, line, times) {
    let sum = 0;
    for (let i = 0; i < times; i += 1) sum = (sum + isa.load(step(line, i))) | 0;
    return sum;
  },
  store(isa, line, times) {
    for (let i = 0; i < times; i += 1) isa.store(step(line, i), i);
    return times;
  },
  fetchAdd(isa, line, times) {
    let sum = 0;
    for (let i = 0; i < times; i += 1) sum = (sum + isa.fetchAdd(step(line, i), 1)) | 0;
    return sum;
  },
  exchange(isa, line, times) {
    let sum = 0;
    for (let i = 0; i < times; i += 1) sum = (sum + isa.exchange(step(line, i), i)) | 0;
    return sum;
  },
  compareExchange(isa, line, times) {
    let last = isa.load(line);
    // Of one word, so that it succeeds: the next value depends on the last, as in a lock.
    for (let i = 0; i < times; i += 1) last = (isa.compareExchange(line, last, (last + 1) | 0) + 1) | 0;
    return last;
  },
  mb(isa, _line, times) {
    for (let i = 0; i < times; i += 1) isa.mb();
    return times;
  },
  wmb(isa, _line, times) {
    for (let i = 0; i < times; i += 1) isa.wmb();
    return times;
  },
  storeWake(isa, line, times) {
    for (let i = 0; i < times; i += 1) isa.storeWake(step(line, i), i);
    return times;
  },
  storeWakeOne(isa, line, times) {
    for (let i = 0; i < times; i += 1) isa.storeWakeOne(step(line, i), i);
    return times;
  },
  'wake of nobody'(isa, line, times) {
    for (let i = 0; i < times; i += 1) isa.wake(step(line, i), -1);
    return times;
  },
  'notify of nobody'(isa, line, times) {
    let sum = 0;
    for (let i = 0; i < times; i += 1) sum = (sum + isa.notify(step(line, i), -1)) | 0;
    return sum;
  },
  'spinWhile, changed'(isa, line, times) {
    let sum = 0;
    for (let i = 0; i < times; i += 1) sum = (sum + isa.spinWhile(step(line, i), -1)) | 0;
    return sum;
  },
  pause(isa, _line, times) {
    for (let i = 0; i < times; i += 1) isa.pause();
    return times;
  },
  queued(isa, line, times) {
    for (let i = 0; i < times; i += 1) isa.queued(step(line, i));
    return times;
  },
};

/** The operations that are measured, in this order. */
export const instructionNames: readonly string[] = Object.keys(loops);

/** The job of the one CPU. */
export async function instructionCpu({
  isa,
  words,
  args,
}: Member<InstructionOrders>): Promise<InstructionCost[]> {
  const { line, sink, time } = args;
  const bench = new Bench({ time, warmupTime: time / 4, iterations: 16, warmupIterations: 4, throws: true });
  for (const [operation, loop] of Object.entries(loops)) {
    const block = () => {
      for (let at = 0; at < 16; at += 1) words[(line >>> 2) + at] = at;
      const start = bench.now();
      const sum = loop(isa, line, BLOCK);
      const wall = bench.now() - start;
      words[sink] = sum;
      return { overriddenDuration: wall / BLOCK, overriddenIterationCost: wall };
    };
    bench.add(operation, block, { async: false });
  }
  await bench.run();
  return bench.tasks.map(({ name: operation, result }) => {
    if (result.state !== 'completed')
      throw new Error(`the benchmark of ${operation} is ${result.state}, not completed`);
    const { p50, mad, min, samplesCount } = result.latency;
    return { operation, ns: p50 * 1e6, mad: mad * 1e6, min: min * 1e6, blocks: samplesCount };
  });
}
