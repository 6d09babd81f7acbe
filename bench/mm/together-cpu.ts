/**
 * One CPU of a model that several share; see together.ts.
 *
 *   apart     each faults in an address space of its own
 *   mapper    CPU 0 faults; CPU 1, where it takes part, maps and unmaps elsewhere in the same address space
 *   scan      of the pages of balloons, half of them each, every CPU isolates some, and puts them back, which is not timed: those of its half, of its own balloon or of the only one; or all of them
 *   mix       all use one address space: they write to pages of their own block, map and unmap parts of it, and reclaim
 *
 * CPUs that wait for their turn serve interrupts: who works may have to flush their TLBs. So they meet by a word of the machine, not by the crew's barrier.
 */
import { attachHardware } from '../../harness/engines/hardware.ts';
import type { Addr, Isa } from '../../src/arch/index.ts';
import { createKernel } from '../../src/mm/create.ts';
import { virtioBalloon } from '../../src/mm/drivers/balloon.ts';
import type { Kernel } from '../../src/mm/kernel.ts';
import { initModel } from '../../src/mm/model.ts';
import { PAGE_SHIFT, PAGE_SIZE } from '../../src/mm/pte.ts';
import { regimeByName } from '../../src/mm/regime.ts';
import type { MmSpec } from '../../src/mm/spec.ts';
import { Page, VM } from '../../src/mm/structs.ts';
import type { Member } from '../crew.ts';

/** What CPUs do together. */
export type Together = 'apart' | 'mapper' | 'mix' | ScanName;

/** How CPUs scan: whether each has a balloon, and blocks, of its own. */
export const SCANS = {
  'scan apart': { balloons: 2, blocks: 'own' },
  'scan one balloon': { balloons: 1, blocks: 'own' },
  'scan everywhere': { balloons: 2, blocks: 'all' },
} as const;
/** A way to scan. */
export type ScanName = keyof typeof SCANS;

/** What every CPU is told. */
export interface TogetherOrders {
  readonly what: Together;
  readonly regime: string;
  readonly spec: MmSpec;
  readonly model: Addr;
  /** Two lines for meetings, then a word for each CPU: its address space; then one for each frame: how many have isolated it. */
  readonly board: Addr;
  /** How many CPUs take part, in turn. */
  readonly turns: readonly number[];
  readonly rounds: number;
  readonly warmup: number;
  /** Milliseconds of a turn. */
  readonly window: number;
}

/** By turn and round: how many pieces of work in how many nanoseconds; of a CPU that had none to do, none. */
export type TogetherSamples = readonly (readonly {
  readonly pieces: number;
  readonly ns: number;
  /** Pieces that somebody else had, too. */
  readonly twice?: number;
}[])[];

const RW = VM.READ | VM.WRITE;
const BASE = 0x400000;
/** Pages that a CPU faults in before it drops them. */
const FAULTS = 128;
/** Pages of a CPU's block in the mix. */
const BLOCK = 32;
/** Pages that the mapper, and the mix, map and unmap at once. */
const PART = 4;
/** Frames of a pageblock. */
const PAGEBLOCK = 32;
const BALLOON = virtioBalloon();
const addressOf = (page: number): number => BASE + (page << PAGE_SHIFT);

/** Does some work. @returns pieces done, and the nanoseconds that they took */
type Work = () => { pieces: number; ns: number; twice?: number };

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

/** Isolates the pages of blocks, one block after the other, and puts them back. @param marks a word for each frame */
function scanning(k: Kernel, name: ScanName, marks: Addr): Work {
  const { compaction, cpu, isa, lists, migrate, pages, spec } = k;
  const all = SCANS[name].blocks === 'all';
  const half = spec.frames >> 1;
  const [first, blocks] = all ? [1, spec.frames / PAGEBLOCK] : [1 + cpu.id * half, half / PAGEBLOCK];
  let next = cpu.id;
  return () => {
    const start = first + PAGEBLOCK * (next % blocks);
    next += 1;
    lists.init(compaction.list);
    const began = performance.now();
    const { isolated } = compaction.isolateMigratepagesBlock(
      start,
      start + PAGEBLOCK,
      compaction.list,
      'async',
    );
    const ns = (performance.now() - began) * 1e6;
    let twice = 0;
    const markOf = (entry: Addr): Addr => marks + 4 * pages.pfnOf(entry - Page.lru);
    lists.forEach(compaction.list, (entry) => {
      if (isa.fetchAdd(markOf(entry), 1) !== 0) twice += 1;
    });
    lists.forEach(compaction.list, (entry) => void isa.fetchAdd(markOf(entry), -1));
    migrate.putbackMovablePages(compaction.list);
    return { pieces: isolated, ns, twice };
  };
}

/** The pages of all frames go to balloons, those of one half to each. */
function inflate(k: Kernel, name: ScanName): void {
  const balloon = k.drivers.of(BALLOON);
  const { balloons } = SCANS[name];
  const devices = Array.from({ length: balloons }, () => balloon.create());
  for (let pfn = 1; pfn <= k.spec.frames; pfn += 1) {
    const device = devices[pfn <= k.spec.frames >> 1 ? 0 : balloons - 1]!;
    if (!balloon.inflate(device)) throw new Error(`no page ${pfn} for a balloon`);
  }
}

/** CPU 0 makes the address spaces; the others find them on the board. */
function setUp(k: Kernel, what: Together, spaces: Addr, cpus: number): void {
  initModel(k, {}, cpus);
  if (what in SCANS) {
    inflate(k, what as ScanName);
    return;
  }
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
  const drivers = what in SCANS ? { drivers: [BALLOON] } : {};
  const k = createKernel({ isa, cpu, at: model, spec, cpus, regime: regimeByName(regime)!, ...drivers });
  const meet = meeting(isa, board, cpus);
  const spaces = board + 128;
  if (id === 0) setUp(k, what, spaces, cpus);
  meet();
  const mm = isa.load(spaces + 4 * id);
  const work =
    what in SCANS
      ? scanning(k, what as ScanName, spaces + 4 * cpus)
      : what === 'mix'
        ? mixing(k, mm, id)
        : what === 'apart'
          ? faultingAndDropping(k, mm)
          : id === 0
            ? faulting(k, mm)
            : mapping(k, mm);
  const samples = turns.map((): { pieces: number; ns: number; twice: number }[] => []);
  for (let round = -warmup; round < rounds; round += 1)
    for (const [at, active] of turns.entries()) {
      meet();
      if (id >= active) continue;
      const sum = { pieces: 0, ns: 0, twice: 0 };
      const began = performance.now();
      while (performance.now() - began < window) {
        const { pieces, ns, twice = 0 } = work();
        sum.pieces += pieces;
        sum.ns += ns;
        sum.twice += twice;
      }
      if (round >= 0) samples[at]!.push(sum);
    }
  meet();
  return samples;
}
