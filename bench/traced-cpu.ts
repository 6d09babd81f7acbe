/** The loops of the tracing benchmark, on one CPU and one engine; see traced.ts. */

import { type Tracing, tracer } from '../harness/engines/traced/cpu.ts';
import { watcher } from '../harness/engines/traced/hb.ts';
import type { HbHandle } from '../harness/engines/traced/hb-layout.ts';
import type { Addr } from '../src/arch/index.ts';
import { AtomicsIsa, type Isa, isWasmMemory, WasmIsa } from '../src/arch/index.ts';
import type { MutexOps } from '../src/locking/kinds.ts';
import { mutex3 } from '../src/locking/mutex3.ts';
import { ticket } from '../src/locking/ticket.ts';
import { type AttachOptions, Cpu, type Machine } from '../src/memory/index.ts';
import type { Member } from './crew.ts';

/** What every CPU is told. */
export interface TracedOrders {
  /** Memory of the first CPU: a line to access, at 1 KiB a ticket lock, at 3 KiB a mutex; then that of the next. */
  readonly first: Addr;
  readonly stride: number;
  readonly rounds: number;
}

/** The loops. */
export const LOOPS = ['access', 'ticket round', 'mutex round'] as const;
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

/** Makes the engine of a CPU that is watched for races. */
export function watchedEngine(machine: Machine, cpu: number, _options: AttachOptions, args: unknown): Isa {
  const { handle, id } = args as { handle: HbHandle; id: number };
  const { memory } = machine.handle;
  const record = machine.areaOf(cpu);
  const host = { memory, record, spinRounds: 8, strongOrder: true };
  const watch = watcher(machine, handle, id);
  const isa = watch.wrap(new WasmIsa(host), machine.words);
  watch.begin();
  return isa;
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

/** {@link rounds} of another lock: a loop that has seen two is slower for good. */
function mutexRounds(isa: Isa, { acquire, release }: MutexOps, lock: Addr, counter: Addr, n: number): void {
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
  const mutex = mutex3.create(isa, cpu) as MutexOps;
  const samples: TracedSamples = { access: [], 'ticket round': [], 'mutex round': [] };
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
      const ticketRound = ((performance.now() - began) * 1e6) / ROUNDS;
      began = performance.now();
      mutexRounds(isa, mutex, line + 3072, counter, ROUNDS);
      const mutexRound = ((performance.now() - began) * 1e6) / ROUNDS;
      if (round < 0) continue;
      samples.access.push(access);
      samples['ticket round'].push(ticketRound);
      samples['mutex round'].push(mutexRound);
    }
  }
  barrier();
  isa.write(line, sum | 0);
  return samples;
}

/** What the CPUs of two pairs are told. */
export interface ContendedOrders {
  /** Memory of the first pair: a ticket lock, at 1 KiB a mutex, at 2 KiB what they protect; then that of the other. */
  readonly first: Addr;
  readonly stride: number;
  readonly rounds: number;
}

/** Rounds of a block: many, since it takes the two a while to meet. */
const LONG = 80_000;
const LONG_WARMUP = 3;

/** The loops of a pair. */
export const CONTENDED = ['ticket contended', 'mutex contended'] as const;
/** Nanoseconds a round, by loop and block. */
export type ContendedSamples = Record<(typeof CONTENDED)[number], number[]>;

/** One CPU of a pair: a block of each loop beside the other one, when it is the turn of the pair. */
export function contendedCpu({
  isa,
  id,
  cpus,
  machine,
  barrier,
  args,
}: Member<ContendedOrders>): ContendedSamples {
  const pair = id >> 1;
  const first = args.first + pair * args.stride;
  const cpu = new Cpu(isa, id, cpus, machine.words, 1);
  const fair = ticket.create(isa, cpu, { area: 0, areaOf: () => 0, shared: undefined } as never) as MutexOps;
  const mutex = mutex3.create(isa, cpu) as MutexOps;
  const samples: ContendedSamples = { 'ticket contended': [], 'mutex contended': [] };
  for (let round = -LONG_WARMUP; round < args.rounds; round += 1) {
    for (let turn = 0; turn < 4; turn += 1) {
      barrier();
      if (turn >> 1 !== pair) continue;
      const began = performance.now();
      if ((turn & 1) === 0) rounds(isa, fair, first, first + 2048, LONG);
      else mutexRounds(isa, mutex, first + 1024, first + 2048, LONG);
      const ns = ((performance.now() - began) * 1e6) / LONG;
      if (round >= 0) samples[CONTENDED[turn & 1]!].push(ns);
    }
  }
  barrier();
  return samples;
}
