/**
 * One CPU of a model that several share; see together.ts.
 *
 *   apart     each faults in an address space of its own
 *   mapper    CPU 0 faults; CPU 1, where it takes part, maps and unmaps elsewhere in the same address space
 *   mix       all use one address space: they write to pages of their own block, map and unmap parts of it, and reclaim
 *
 * CPUs that wait for their turn serve interrupts: who works may have to flush their TLBs. So they meet by a word of the machine, not by the crew's barrier.
 */
import { attachHardware } from '../../harness/engines/hardware.ts';
import type { Addr, Isa } from '../../src/arch/index.ts';
import { createKernel } from '../../src/mm/create.ts';
import type { Kernel } from '../../src/mm/kernel.ts';
import { initModel } from '../../src/mm/model.ts';
import { PAGE_SHIFT, PAGE_SIZE } from '../../src/mm/pte.ts';
import { regimeByName } from '../../src/mm/regime.ts';
import type { MmSpec } from '../../src/mm/spec.ts';
import { VM } from '../../src/mm/structs.ts';
import type { Member } from '../crew.ts';

/** What CPUs do together. */
export type Together = 'apart' | 'mapper' | 'mix';

/** What every CPU is told. */
export interface TogetherOrders {
  readonly what: Together;
  readonly regime: string;
  readonly spec: MmSpec;
  readonly model: Addr;
  /** Two lines for meetings, then a word for each CPU: its address space. */
  readonly board: Addr;
  /** How many CPUs take part, in turn. */
  readonly turns: readonly number[];
  readonly rounds: number;
  readonly warmup: number;
  /** Milliseconds of a turn. */
  readonly window: number;
}

/** By turn and round: how many pieces of work in how many nanoseconds; of a CPU that had none to do, none. */
export type TogetherSamples = readonly (readonly { readonly pieces: number; readonly ns: number }[])[];

const RW = VM.READ | VM.WRITE;
const BASE = 0x400000;
/** Pages that a CPU faults in before it drops them. */
const FAULTS = 128;
/** Pages of a CPU's block in the mix. */
const BLOCK = 32;
/** Pages that the mapper, and the mix, map and unmap at once. */
const PART = 4;
const addressOf = (page: number): number => BASE + (page << PAGE_SHIFT);

/** Does some work. @returns pieces done, and the nanoseconds that they took */
type Work = () => { pieces: number; ns: number };

/** A meeting of all CPUs: who comes last lets the others go. */
export function meeting(isa: Isa, at: Addr, cpus: number): () => void {
  let phase = 0;
  return () => {
    phase += 1;
    if (isa.fetchAdd(at, 1) + 1 === phase * cpus) isa.storeWake(at + 64, phase);
    else isa.spinWhile(at + 64, phase - 1);
  };
}

function checked(result: number): void {
  if (result < 0) throw new Error(`a system call failed: ${result}`);
}

/** Faults in a mapping; the pages are dropped again, which is not timed. */
function faulting(k: Kernel, mm: Addr): Work {
  const { handleMmFault } = k.faults;
  return () => {
    const began = performance.now();
    for (let page = 0; page < FAULTS; page += 1) handleMmFault(mm, addressOf(page), true);
    const ns = (performance.now() - began) * 1e6;
    checked(k.maps.madviseDontneed(mm, BASE, FAULTS * PAGE_SIZE));
    return { pieces: FAULTS, ns };
  };
}

/** The same with the dropping timed: it is what two address spaces do beside each other. */
function faultingAndDropping(k: Kernel, mm: Addr): Work {
  const { handleMmFault } = k.faults;
  return () => {
    const began = performance.now();
    for (let page = 0; page < FAULTS; page += 1) handleMmFault(mm, addressOf(page), true);
    checked(k.maps.madviseDontneed(mm, BASE, FAULTS * PAGE_SIZE));
    return { pieces: FAULTS, ns: (performance.now() - began) * 1e6 };
  };
}

function mapping(k: Kernel, mm: Addr): Work {
  const address = addressOf(2 * FAULTS);
  const length = PART * PAGE_SIZE;
  return () => {
    checked(k.maps.mmap(mm, { address, length, flags: RW }));
    checked(k.maps.munmap(mm, address, length));
    return { pieces: 1, ns: 1 };
  };
}

function mixing(k: Kernel, mm: Addr, id: number): Work {
  const { cpu, maps, reclaim, user } = k;
  const first = id * 2 * BLOCK;
  return () => {
    const began = performance.now();
    for (let left = 20; left > 0; left -= 1) {
      const dice = cpu.below(20);
      const page = first + cpu.below(BLOCK - PART);
      if (dice < 17) user.userWrite(mm, addressOf(page), id + 1, left);
      else if (dice < 19) {
        // Refused when there is no memory; then what is left of the block is what others are about to free.
        maps.munmap(mm, addressOf(page), PART * PAGE_SIZE);
        maps.mmap(mm, { address: addressOf(page), length: PART * PAGE_SIZE, flags: RW });
      } else reclaim.balance(8);
    }
    return { pieces: 20, ns: (performance.now() - began) * 1e6 };
  };
}

/** CPU 0 makes the address spaces; the others find them on the board. */
function setUp(k: Kernel, what: Together, spaces: Addr, cpus: number): void {
  initModel(k, {}, cpus);
  const shared = what === 'apart' ? 0 : k.mms.create();
  for (let id = 0; id < cpus; id += 1) {
    const mm = shared || k.mms.create();
    if (mm === 0) throw new Error('no memory for an address space');
    const [page, pages] = what === 'mix' ? [id * 2 * BLOCK, BLOCK] : [0, FAULTS];
    if (what !== 'mapper' || id === 0)
      checked(k.maps.mmap(mm, { address: addressOf(page), length: pages * PAGE_SIZE, flags: RW }));
    k.isa.store(spaces + 4 * id, mm);
  }
}

/** Runs one CPU. */
export function togetherCpu({ id, cpus, machine, args }: Member<TogetherOrders>): TogetherSamples {
  const { what, regime, spec, model, board, turns, rounds, warmup, window } = args;
  // The CPU that waits is the one that has the handlers.
  const cpu = attachHardware(machine, id, { seed: 1 });
  const { isa } = cpu;
  const k = createKernel({ isa, cpu, at: model, spec, cpus, regime: regimeByName(regime)! });
  const meet = meeting(isa, board, cpus);
  const spaces = board + 128;
  if (id === 0) setUp(k, what, spaces, cpus);
  meet();
  const mm = isa.load(spaces + 4 * id);
  const work =
    what === 'mix'
      ? mixing(k, mm, id)
      : what === 'apart'
        ? faultingAndDropping(k, mm)
        : id === 0
          ? faulting(k, mm)
          : mapping(k, mm);
  const samples = turns.map((): { pieces: number; ns: number }[] => []);
  for (let round = -warmup; round < rounds; round += 1)
    for (const [at, active] of turns.entries()) {
      meet();
      if (id >= active) continue;
      const sum = { pieces: 0, ns: 0 };
      const began = performance.now();
      while (performance.now() - began < window) {
        const { pieces, ns } = work();
        sum.pieces += pieces;
        sum.ns += ns;
      }
      if (round >= 0) samples[at]!.push(sum);
    }
  meet();
  return samples;
}
