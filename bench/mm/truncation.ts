/**
 * How long truncation holds i_mmap_lock ("vmtrunc", Hugh Dickins, October 2004, which gave no figures): a file that many vmas map, all of its pages present in each, becomes empty, while somebody wants the lock
 * from beginning to end.
 *
 * He is a number in the word in which those are counted who wait, so the figure is that of truncation alone: how long it keeps the lock where it could give it away, not how fast the next one takes it. Counted are
 * holds, pages that are gone over, and pages that go; what is gone over twice shows in the quotient.
 *
 * Under `7/6` and its descendants a hold ends behind a block of eight pages, or a vma; what is left in it is the way back to there, past the vmas that are done.
 */
import { Rings, traceMemory } from '../../harness/engines/traced/ring.ts';
import type { Addr, Isa, WasmIsa } from '../../src/arch/index.ts';
import { tas } from '../../src/locking/tas.ts';
import { type Cpu, createMachine } from '../../src/memory/index.ts';
import type { Kernel } from '../../src/mm/kernel.ts';
import { modelBytes, placeModel, useModel } from '../../src/mm/model.ts';
import { PAGE_SHIFT, PAGE_SIZE } from '../../src/mm/pte.ts';
import { regimeByName } from '../../src/mm/regime.ts';
import { type MmSpec, mmSpec } from '../../src/mm/spec.ts';
import { AddressSpace, VM } from '../../src/mm/structs.ts';
import { TRUNCATE_DESIGNS, type TruncateName } from '../../src/mm/truncate/rules.ts';
import { truncate } from '../../src/mm/truncate.ts';
import { CountedIsa } from './counted.ts';

/** What is truncated. */
export interface Truncated {
  readonly vmas: number;
  /** Pages of the file, and of each vma. */
  readonly pages: number;
}

/** By what holds are measured: nanoseconds, which others on the machine take part of, or accesses, which are the same in every run. */
export type HoldUnit = 'ns' | 'accesses';

/** What it took. */
export interface Holds {
  /** Of i_mmap_lock, shortest first. */
  readonly holds: readonly number[];
  readonly walked: number;
  readonly zapped: number;
}

/** Address spaces have room for so many pages of mappings. */
const ROOM = 3584;
const BASE = 0x10000;
/** Bytes of the machine that are not the model's. */
const SPARE = 2 ** 20;

/** A spinlock that says how long it was held. */
function timed(isa: Isa, cpu: Cpu, now: () => number, holds: number[]): Kernel['locks']['iMmap'] {
  const lock = tas.create(isa, cpu) as Kernel['locks']['iMmap'];
  let since = 0;
  return {
    acquire(at) {
      lock.acquire(at);
      since = now();
    },
    tryAcquire(at) {
      const got = lock.tryAcquire(at);
      if (got) since = now();
      return got;
    },
    release(at) {
      holds.push(now() - since);
      lock.release(at);
    },
  };
}

/** A model for it, and for one more address space that maps the file. */
export function truncatedSpec({ vmas, pages }: Truncated): MmSpec {
  const each = Math.floor(ROOM / pages);
  const mms = Math.ceil(vmas / each) + 1;
  const tables = mms * (20 + each * (Math.ceil(pages / 16) + 1));
  return mmSpec({
    frames: pages + tables + 64,
    mms,
    vmas: vmas + 2,
    files: 1,
    filePages: pages,
    anonVmas: 1,
    chains: 1,
    pteChains: 1,
    swapPages: 1,
  });
}

/** Maps a file of as many pages, and has each page present in each vma. @returns the file */
export function mapWhole(k: Kernel, { vmas, pages }: Truncated): Addr {
  const each = Math.floor(ROOM / pages);
  const file = k.pageCache.create(pages);
  for (let made = 0, mm = 0; made < vmas; made += 1) {
    if (made % each === 0) mm = k.mms.create();
    // Neighbours begin at the same page of the file, so they stay apart.
    const address = BASE + (made % each) * pages * PAGE_SIZE;
    if (k.maps.mmap(mm, { address, length: pages * PAGE_SIZE, flags: VM.READ | VM.SHARED, file }) !== address)
      throw new Error(`vma ${made} of ${vmas} could not be mapped`);
    for (let page = 0; page < pages; page += 1)
      if (k.faults.handleMmFault(mm, address + page * PAGE_SIZE, false) >= 8)
        throw new Error(`page ${page} of vma ${made} could not be touched`);
  }
  return file;
}

/** Truncates once. @param unit by what holds are measured @throws Error when the model does not do what it is asked for */
export function truncateHolds(
  design: TruncateName,
  { vmas, pages }: Truncated,
  unit: HoldUnit = 'ns',
): Holds {
  const spec = truncatedSpec({ vmas, pages });
  const machine = createMachine({ cpus: 1, bytes: modelBytes(spec, 1) + SPARE });
  const placed = placeModel(machine, spec);
  const cpu = machine.attach(0);
  const counted =
    unit === 'ns'
      ? undefined
      : new CountedIsa({
          to: cpu.isa as WasmIsa,
          words: machine.words,
          rings: new Rings(traceMemory(1, false)),
          cpu: 0,
        });
  const isa = counted ?? cpu.isa;
  const now = counted
    ? (): number => counted.counts().accesses
    : (): number => Number(process.hrtime.bigint() - began);
  const began = process.hrtime.bigint();
  const holds: number[] = [];
  let [walked, zapped] = [0, 0];
  const k = useModel({ isa, cpu }, placed, {
    regime: regimeByName('AM')!,
    locks: { iMmap: timed(isa, cpu, now, holds) },
    modules: {
      truncate: (kernel) => truncate(kernel, TRUNCATE_DESIGNS[design]),
      zap(kernel, original) {
        const made = original(kernel);
        return {
          ...made,
          range(gather, vma, start, end, details) {
            const present = made.range(gather, vma, start, end, details);
            walked += (end - start) >>> PAGE_SHIFT;
            zapped += present;
            return present;
          },
        };
      },
    },
  });
  const file = mapWhole(k, { vmas, pages });
  cpu.isa.writeOnce(file + AddressSpace.i_mmap_waiters, 1);
  holds.length = 0;
  [walked, zapped] = [0, 0];
  k.truncate.vmtruncate(file, 0);
  cpu.isa.writeOnce(file + AddressSpace.i_mmap_waiters, 0);
  if (zapped !== vmas * pages) throw new Error(`${zapped} of ${vmas * pages} pages have gone`);
  return { holds: holds.toSorted((one, other) => one - other), walked, zapped };
}
