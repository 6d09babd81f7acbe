/**
 * What one operation of the instruction set costs on one CPU: nanoseconds a call from JavaScript, nobody else
 * touching the line. A CPU of its own, on a new thread, for each engine: an isolate that has seen two is
 * slower for good.
 *
 * The figures contain the loop around the operation, whose own cost is the row `loop`.
 */
import { createMachine } from '../src/memory/index.ts';
import { type EngineRef, runCrew } from './crew.ts';
import type { InstructionCost, InstructionOrders } from './instructions-cpu.ts';

/** What one operation costs on one engine. */
export interface InstructionRow extends InstructionCost {
  readonly engine: string;
}

/** What to measure. */
export interface InstructionOptions {
  /** `wasm` and `atomics` unless given; measured one after the other. */
  readonly engines?: readonly EngineRef[];
  /** Milliseconds for each operation, 1 to 60,000; 100 unless given. */
  readonly time?: number;
  /** Gives the measurement up. */
  readonly signal?: AbortSignal | undefined;
}

const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const job = {
  module: new URL(`./instructions-cpu${extension}`, import.meta.url).href,
  name: 'instructionCpu',
};

/**
 * Measures every operation on every engine.
 * @returns a row an operation and engine, in that order within each engine
 * @throws RangeError for a time that cannot be
 */
export async function benchInstructions(options: InstructionOptions = {}): Promise<InstructionRow[]> {
  const { engines = ['wasm', 'atomics'], time = 100, signal } = options;
  if (!(time >= 1 && time <= 60_000))
    throw new RangeError(`the time of an operation is 1 to 60000 milliseconds, not ${time}`);
  const rows: InstructionRow[] = [];
  for (const engine of engines) {
    const machine = createMachine({ cpus: 1 });
    const args: InstructionOrders = { line: machine.alloc(64), sink: machine.alloc(64) >>> 2, time };
    const name = typeof engine === 'string' ? engine : engine.factory;
    const deadline = 60_000 + 100 * time;
    const [costs] = await runCrew<InstructionOrders, InstructionCost[]>({
      machine,
      engine,
      job,
      args,
      deadline,
      signal,
    });
    for (const cost of costs!) rows.push({ engine: name, ...cost });
  }
  return rows;
}
