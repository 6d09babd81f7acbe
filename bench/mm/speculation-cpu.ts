/**
 * One CPU of an address space whose threads fault while some of them map: see speculation.ts.
 *
 *   fault    a page of this CPU's own mapping that is not there yet; when all are, they are dropped, which is not timed
 *   writer   maps or unmaps a few pages elsewhere, which nobody touches, and keeps mmap_sem for writing for a while
 *
 * A CPU draws the one or the other. Each design has a machine, and CPUs, of its own; they take turns by a word that all machines share, so that rounds of all designs lie beside each other. Within a machine CPUs meet
 * by a word of it, where they serve interrupts.
 */
import { attachHardware } from '../../harness/engines/hardware.ts';
import type { Addr } from '../../src/arch/index.ts';
import { createKernel } from '../../src/mm/create.ts';
import { VM_FAULT_ERROR } from '../../src/mm/fault.ts';
import type { Kernel } from '../../src/mm/kernel.ts';
import { initModel } from '../../src/mm/model.ts';
import { PAGE_SHIFT, PAGE_SIZE } from '../../src/mm/pte.ts';
import { regimeByName } from '../../src/mm/regime.ts';
import type { MmSpec } from '../../src/mm/spec.ts';
import type { SpfName } from '../../src/mm/spf/rules.ts';
import { VM } from '../../src/mm/structs.ts';
import type { Member } from '../crew.ts';
import { meeting } from './together-cpu.ts';

/** What CPUs do in a window. */
export interface SpeculationCase {
  /** CPUs that take part. */
  readonly cpus: number;
  /** Microseconds for which a writer keeps mmap_sem; left out: nobody writes. */
  readonly hold?: number;
  /** Faults are reads, of the zero page. */
  readonly reads?: true;
}

/** What every CPU is told. */
export interface SpeculationOrders {
  readonly design: SpfName;
  readonly spec: MmSpec;
  readonly model: Addr;
  /** Two lines for meetings, then a word for the address space, and one for the loops of a microsecond. */
  readonly board: Addr;
  readonly cases: readonly SpeculationCase[];
  readonly rounds: number;
  readonly warmup: number;
  /** Milliseconds of a window. */
  readonly window: number;
  /** Whose turn it is: a word that counts windows, of all machines; this one has every `of`th, from `place` on. */
  readonly turn: {
    readonly word: Int32Array<SharedArrayBuffer>;
    readonly place: number;
    readonly of: number;
  };
}

/** What one CPU did in a window. Times in nanoseconds; without what is not timed. */
export interface SpeculationSample {
  readonly faults: number;
  readonly ns: number;
  /** Of it in faults. */
  readonly faultNs: number;
  /** Faults of all CPUs that were tried without mmap_sem, and those of them that were served so; told by the first. */
  readonly attempts: number;
  readonly successes: number;
}

type Window = Omit<SpeculationSample, 'attempts' | 'successes'>;

/** By case and round. */
export type SpeculationSamples = readonly (readonly SpeculationSample[])[];

/** Of so many operations so many are writers. */
const OF = 20;
const WRITERS = 3;
/** Pages that a CPU faults in before it drops them. */
const FAULTS = 64;
/** Pages from one CPU's mapping to the next; writers map behind the first of them. */
const STRIDE = 128;
const ELSEWHERE = 96;
const PART = 4;
const BASE = 0x400000;
const RW = VM.READ | VM.WRITE;
const LENGTH = FAULTS * PAGE_SIZE;

const addressOf = (id: number, page = 0): number => BASE + ((id * STRIDE + page) << PAGE_SHIFT);

/** Time that is spent without a memory access. @returns something that depends on every loop */
function spin(loops: number): number {
  let value = loops;
  for (let left = loops; left > 0; left -= 1) value = (Math.imul(value, 1664525) + 1013904223) | 0;
  return value;
}

/** Loops of a microsecond: the most of many short tries, since what disturbs one makes it less. */
function loopsOfMicrosecond(): number {
  const loops = 20_000;
  let most = 0;
  for (let tries = 0; tries < 200; tries += 1) {
    const began = performance.now();
    const value = spin(loops + (most & 1));
    const us = (performance.now() - began) * 1000;
    if (us > 0 && value !== 0) most = Math.max(most, loops / us);
  }
  return Math.round(most);
}

function served(result: number): void {
  if ((result & VM_FAULT_ERROR) !== 0) throw new Error(`a fault was not served: ${result}`);
}

function checked(result: number): void {
  if (result < 0) throw new Error(`a system call failed: ${result}`);
}

/** What a CPU does in a window: its operations, by turns of {@link OF}. */
function working(k: Kernel, mm: Addr, id: number, loops: number) {
  const { cpu, maps, sections, spf, tlb } = k;
  const { handleUserFault } = spf;
  const [first, elsewhere] = [addressOf(id), addressOf(id, ELSEWHERE)];
  let next = 0;
  let mapped = false;
  let sink = 0;

  function write(hold: number): void {
    sections.enter('syscall', { mm });
    if (mapped) checked(maps.munmap(mm, elsewhere, PART * PAGE_SIZE));
    else checked(maps.mmap(mm, { address: elsewhere, length: PART * PAGE_SIZE, flags: RW }));
    mapped = !mapped;
    sink ^= spin(Math.round(hold * loops));
    sections.leave();
  }

  function drop(): void {
    checked(maps.madviseDontneed(mm, first, LENGTH));
    next = 0;
  }

  function some({ hold, reads }: SpeculationCase): { faults: number; ns: number; faultNs: number } {
    const began = performance.now();
    let [done, writing, dropping] = [0, 0, 0];
    for (let left = OF; left > 0; left -= 1) {
      if (hold !== undefined && cpu.below(OF) < WRITERS) {
        const before = performance.now();
        write(hold);
        writing += performance.now() - before;
        continue;
      }
      if (next === FAULTS) {
        const before = performance.now();
        drop();
        dropping += performance.now() - before;
      }
      served(handleUserFault(mm, first + (next << PAGE_SHIFT), reads !== true));
      next += 1;
      done += 1;
    }
    const all = performance.now() - began - dropping;
    return { faults: done, ns: all * 1e6, faultNs: (all - writing) * 1e6 };
  }

  /** A window. What is left of it is dropped, for the next one may be of reads. */
  return (what: SpeculationCase, window: number): Window => {
    const sum = { faults: 0, ns: 0, faultNs: 0 };
    tlb.load(mm);
    const began = performance.now();
    do {
      const { faults: done, ns, faultNs } = some(what);
      sum.faults += done;
      sum.ns += ns;
      sum.faultNs += faultNs;
    } while (performance.now() - began < window);
    drop();
    // No thread of it any more: it is not interrupted while others are at work.
    tlb.load(0);
    // So that the loops are not for nothing.
    if (sink === 1) sum.ns += 1;
    return sum;
  };
}

/** Makes the address space, with the tables of all mappings. */
function setUp(k: Kernel, cpus: number): Addr {
  initModel(k, {}, cpus);
  const mm = k.mms.create();
  if (mm === 0) throw new Error('no memory for an address space');
  for (let id = 0; id < cpus; id += 1) {
    // A thread more.
    if (id > 0) k.mms.getUser(mm);
    checked(k.maps.mmap(mm, { address: addressOf(id), length: LENGTH, flags: RW }));
    for (let page = 0; page < FAULTS; page += 1)
      served(k.faults.handleMmFault(mm, addressOf(id, page), true));
    checked(k.maps.madviseDontneed(mm, addressOf(id), LENGTH));
  }
  return mm;
}

/** Runs one CPU. */
export function speculationCpu({ id, cpus, machine, args }: Member<SpeculationOrders>): SpeculationSamples {
  const { design, spec, model, board, cases, rounds, warmup, window, turn } = args;
  const { word, place, of } = turn;
  const cpu = attachHardware(machine, id, { seed: 1 });
  const { isa } = cpu;
  const k = createKernel({ isa, cpu, at: model, spec, cpus, regime: regimeByName('AM')!, spf: design });
  const meet = meeting(isa, board, cpus);
  const [space, loops] = [board + 128, board + 132];
  let step = place;

  /** Runs something of all CPUs of this machine when it is its turn, then something of the first when they are done, and gives the turn away. */
  function inTurn(run: () => void, after: () => void = () => {}): void {
    for (let now = Atomics.load(word, 0); now < step; now = Atomics.load(word, 0)) Atomics.wait(word, 0, now);
    meet();
    run();
    meet();
    step += of;
    if (id !== 0) return;
    after();
    Atomics.store(word, 0, step - of + 1);
    Atomics.notify(word, 0);
  }

  inTurn(() => {
    if (id !== 0) return;
    isa.store(space, setUp(k, cpus));
    isa.store(loops, loopsOfMicrosecond());
  });
  const work = working(k, isa.load(space), id, isa.load(loops));
  const samples = cases.map((): SpeculationSample[] => []);
  let before = { attempts: 0, successes: 0 };
  for (let round = -warmup; round < rounds; round += 1)
    for (const [at, what] of cases.entries())
      inTurn(
        () => {
          if (id >= what.cpus) return;
          const sample = { ...work(what, window), attempts: 0, successes: 0 };
          if (round >= 0) samples[at]!.push(sample);
        },
        () => {
          const { attempts, successes } = k.spf.counters();
          if (round >= 0)
            Object.assign(samples[at]!.at(-1)!, {
              attempts: attempts - before.attempts,
              successes: successes - before.successes,
            });
          before = { attempts, successes };
        },
      );
  return samples;
}
