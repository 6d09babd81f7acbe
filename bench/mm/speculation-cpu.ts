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
  /** CPUs of the machine; all take part. */
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
  /** Two lines for meetings, then a word for the address space, one for the loops of a microsecond, and on another line one that ends a window. */
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

/** What one CPU did in a window. Times in nanoseconds, from a beginning that all CPUs have in common. */
export interface SpeculationSample {
  readonly faults: number;
  readonly from: number;
  readonly to: number;
  /** Of it in faults; and in drops, which are not counted. */
  readonly faultNs: number;
  readonly dropNs: number;
  /** Faults of all CPUs that were tried without mmap_sem, and those of them that were served so; told by the first. */
  readonly attempts: number;
  readonly successes: number;
}

type Window = Omit<SpeculationSample, 'attempts' | 'successes'>;

/** By case and round. */
export type SpeculationSamples = readonly (readonly SpeculationSample[])[];

/** Each thread's mapping has a page_table_lock of its own, as page tables have since Linux 2.6.15: threads are in each other's way by what faults take of the address space. */
const SPECULATION_REGIME = 'vma-ptl';
/** Of so many operations so many are writers. */
const OF = 20;
const WRITERS = 3;
/** Operations between two looks at the clock. */
const LOOK = 4;
/** Pages that all CPUs fault in before they drop them, and one of them at most: the fewer drops the better, for each interrupts all others. */
const PAGES = 2048;
const MOST = 512;
/** Pages behind them that its writers map in, and that keep its mapping and the next one's apart. */
const GAP = 16;
const AFTER = 4;
const PART = 4;
const BASE = 0x400000;
const RW = VM.READ | VM.WRITE;

/** What a CPU has of the address space. */
interface Place {
  /** Where its mapping begins. */
  readonly first: number;
  readonly pages: number;
  readonly length: number;
  /** Where it maps. */
  readonly elsewhere: number;
}

function placeOf(id: number, cpus: number): Place {
  const pages = Math.min(MOST, PAGES / cpus);
  const first = BASE + ((id * (pages + GAP)) << PAGE_SHIFT);
  return { first, pages, length: pages * PAGE_SIZE, elsewhere: first + ((pages + AFTER) << PAGE_SHIFT) };
}

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

/** What a CPU does in windows, which the first one ends for all. */
function working(k: Kernel, mm: Addr, place: Place, loops: number, stop: Addr) {
  const { isa, cpu, maps, sections, spf } = k;
  const { handleUserFault } = spf;
  const { first, pages, length, elsewhere } = place;
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
    checked(maps.madviseDontneed(mm, first, length));
    next = 0;
  }

  /** How long something takes. */
  function timed(run: () => void): number {
    const began = performance.now();
    run();
    return performance.now() - began;
  }

  return ({ hold, reads }: SpeculationCase, window: number): Window => {
    let [faults, writing, dropping] = [0, 0, 0];
    const began = performance.now();
    while (isa.readOnce(stop) === 0) {
      // Between two looks at the clock, and at the word of the first CPU.
      for (let left = LOOK; left > 0; left -= 1)
        if (hold !== undefined && cpu.below(OF) < WRITERS) writing += timed(() => write(hold));
        else {
          if (next === pages) dropping += timed(drop);
          served(handleUserFault(mm, first + (next << PAGE_SHIFT), reads !== true));
          next += 1;
          faults += 1;
        }
      if (cpu.id === 0 && performance.now() - began > window) isa.store(stop, 1);
    }
    const to = performance.now();
    const ns = (to - began - dropping - writing) * 1e6;
    // The next window may be of reads.
    drop();
    // So that the loops are not for nothing.
    return {
      faults,
      from: began * 1e6,
      to: to * 1e6,
      faultNs: sink === 1 ? ns + 1 : ns,
      dropNs: dropping * 1e6,
    };
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
    const { first, pages, length } = placeOf(id, cpus);
    checked(k.maps.mmap(mm, { address: first, length, flags: RW }));
    for (let page = 0; page < pages; page += 1)
      served(k.faults.handleMmFault(mm, first + (page << PAGE_SHIFT), true));
    checked(k.maps.madviseDontneed(mm, first, length));
  }
  return mm;
}

/** Runs one CPU. */
export function speculationCpu({ id, cpus, machine, args }: Member<SpeculationOrders>): SpeculationSamples {
  const { design, spec, model, board, cases, rounds, warmup, window, turn } = args;
  const { word, place, of } = turn;
  const cpu = attachHardware(machine, id, { seed: 1 });
  const { isa } = cpu;
  const k = createKernel({
    isa,
    cpu,
    at: model,
    spec,
    cpus,
    regime: regimeByName(SPECULATION_REGIME)!,
    spf: design,
  });
  const meet = meeting(isa, board, cpus);
  const [space, loops, stop] = [board + 128, board + 132, board + 192];
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
  const mm = isa.load(space);
  k.tlb.load(mm);
  const work = working(k, mm, placeOf(id, cpus), isa.load(loops), stop);
  const samples = cases.map((): SpeculationSample[] => []);
  let before = { attempts: 0, successes: 0 };
  for (let round = -warmup; round < rounds; round += 1)
    for (const [at, what] of cases.entries())
      inTurn(
        () => {
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
          isa.store(stop, 0);
        },
      );
  return samples;
}
