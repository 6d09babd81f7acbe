/** The loops of the tracing benchmark, on one CPU and one engine; see traced.ts. */

import { type Tracing, tracer } from '../harness/engines/traced/cpu.ts';
import type { Addr } from '../src/arch/index.ts';
import { AtomicsIsa, type Isa, isWasmMemory, WasmIsa } from '../src/arch/index.ts';
import type { MutexOps } from '../src/locking/kinds.ts';
import { ticket } from '../src/locking/ticket.ts';
import { type AttachOptions, Cpu, type Machine } from '../src/memory/index.ts';
import type { Member } from './crew.ts';

/** What every CPU is told. */
export interface TracedOrders {
  /** Memory of the first CPU: a line to access, and 1 KiB on a ticket lock; then that of the next. */
  readonly first: Addr;
  readonly stride: number;
  readonly rounds: number;
}

/** The loops. */
export const LOOPS = ['access', 'ticket round'] as const;
/** Nanoseconds by loop and round. */
export type TracedSamples = Record<(typeof LOOPS)[number], number[]>;

/** Accesses in a pass of the first loop. */
const ACCESSES = 8;
const PASSES = 6000;
const ROUNDS = 10_000;
const WARMUP = 12;

/** Makes the engine of a CPU. */
export function tracedEngine(machine: Machine, cpu: number, _options: AttachOptions, args: unknown): Isa {
  const { memory } = machine.handle;
  const host = { memory, record: machine.areaOf(cpu) };
  const to = isWasmMemory(memory) ? new WasmIsa({ ...host, strongOrder: true }) : new AtomicsIsa(host);
  return tracer(args as Tracing, cpu).wrap(to, machine.words);
}

function accesses(isa: Isa, line: Addr, passes: number): number {
  let sum = 0;
  for (let at = 0; at < passes; at += 1) {
    const word = line + ((at & 7) << 3);
    isa.write(word, at);
    sum = (sum + isa.read(word)) | 0;
    isa.writeOnce(word, sum);
    sum = (sum + isa.readOnce(word)) | 0;
    isa.store(word, sum);
    sum = (sum + isa.loadAcquire(word)) | 0;
    sum = (sum + isa.fetchAdd(word, 1)) | 0;
    sum = (sum + isa.compareExchange(word, 0, 1)) | 0;
  }
  return sum;
}

function rounds(isa: Isa, { acquire, release }: MutexOps, lock: Addr, counter: Addr, n: number): void {
  for (let left = n; left > 0; left -= 1) {
    acquire(lock);
    isa.write(counter, isa.read(counter) + 1);
    release(lock);
  }
}

/** One CPU: a block of each loop when it is its turn. */
export function tracedCpu({ isa, id, cpus, machine, barrier, args }: Member<TracedOrders>): TracedSamples {
  const line = args.first + id * args.stride;
  const lock = line + 1024;
  const counter = line + 2048;
  const cpu = new Cpu(isa, id, cpus, machine.words, 1);
  const ops = ticket.create(isa, cpu, { area: 0, areaOf: () => 0, shared: undefined } as never) as MutexOps;
  const samples: TracedSamples = { access: [], 'ticket round': [] };
  let sum = 0;
  for (let round = -WARMUP; round < args.rounds; round += 1) {
    for (let turn = 0; turn < cpus; turn += 1) {
      barrier();
      if (turn !== id) continue;
      let began = performance.now();
      sum += accesses(isa, line, PASSES);
      const access = ((performance.now() - began) * 1e6) / (PASSES * ACCESSES);
      began = performance.now();
      rounds(isa, ops, lock, counter, ROUNDS);
      const pair = ((performance.now() - began) * 1e6) / ROUNDS;
      if (round < 0) continue;
      samples.access.push(access);
      samples['ticket round'].push(pair);
    }
  }
  barrier();
  isa.write(line, sum | 0);
  return samples;
}
