/**
 * Batched freeing: pages that were unmapped are freed after the TLBs have forgotten them (struct mmu_gather, include/asm-generic/tlb.h of 2.6).
 *
 *   begin -> (tlbRemovePage | tlbRemoveTable)* -> finish
 *
 * The order is: entries are cleared, then the TLBs flushed, once for many, then the pages freed. A page that were freed before the flush could be somebody else's while
 * another CPU still writes to it through an old translation; a table page likewise, while a processor walks through it.
 *
 * A CPU gathers for one mm at a time, in words of its own (MmCpu.gather_*), so they are accessed plainly. When these are full it flushes and frees, and goes on. It must
 * not be with interrupts off, or hold a lock that others wait for with theirs off: the flush waits for the other CPUs. page_table_lock is none of these.
 *
 * What is gathered has lost its entry but not yet the entry's reference, which goes with the flush. `mm->rss` loses it all at `finish`, under page_table_lock.
 *
 * `fullmm`: the mm is torn down, and `finish` makes every CPU leave it that still has it loaded.
 */
import type { Addr } from '../arch/index.ts';
import type { Base } from './kernel.ts';
import type { PageTables } from './page-table.ts';
import type { Pages } from './pages.ts';
import { mmCpuOf } from './per-cpu.ts';
import { PAGE_MASK, PAGE_SIZE, TASK_SIZE } from './pte.ts';
import { GATHER_PAGES, Mm, MmCpu } from './structs.ts';
import type { Tlb } from './tlb.ts';

/** A CPU's gather, while it is one. */
export type Gather = Addr;

/** Marks a table page among the pages. */
const TABLE = 1;

/** Frees unmapped pages. */
export interface MmuGather {
  /**
   * Begins to gather for an mm, on this CPU.
   * @param fullmm it is torn down: no thread uses it
   * @throws Error when this CPU gathers already
   */
  begin(mm: Addr, fullmm?: boolean): Gather;
  /** This CPU's gather for the mm; 0 when it has none. */
  current(mm: Addr): Gather;
  /** A page whose entry for `address` was present, and has been cleared: its reference goes at the flush, and it counts in rss. */
  tlbRemovePage(g: Gather, page: Addr, address: number): void;
  /** An entry for `address` that was present and counted nowhere, the zero page's, has been cleared. */
  tlbRemoveEntry(g: Gather, address: number): void;
  /** A table page to which nothing points any more, for `size` bytes from `address`. */
  tlbRemoveTable(g: Gather, page: Addr, address: number, size: number): void;
  /** Flushes what is left, frees it, and takes it off `mm->rss`. The caller holds page_table_lock. */
  finish(g: Gather): void;
}

export function mmuGather(
  kernel: Base & {
    readonly pages: Pages;
    readonly tlb: Tlb;
    readonly pgtable: PageTables;
    readonly lru: { release(page: Addr): void };
  },
): MmuGather {
  const { isa, cpu, world, pages } = kernel;
  const { gather_mm, gather_start, gather_end, gather_fullmm, gather_freed, gather_nr, gather_pages } = MmCpu;
  const g = mmCpuOf(world, cpu.id);

  /** Flushes the TLBs, then frees (tlb_flush_mmu). */
  function flush(): void {
    const end = isa.read(g + gather_end);
    if (end === 0) return;
    kernel.tlb.flushRange(isa.read(g + gather_mm), isa.read(g + gather_start), end);
    const nr = isa.read(g + gather_nr);
    for (let at = 0; at < nr; at += 1) {
      const entry = isa.read(g + gather_pages + 4 * at);
      if ((entry & TABLE) !== 0) kernel.pgtable.freeTable(entry - TABLE);
      else if (pages.putTestzero(entry)) kernel.lru.release(entry);
    }
    forget();
  }

  function forget(): void {
    isa.write(g + gather_nr, 0);
    isa.write(g + gather_start, TASK_SIZE);
    isa.write(g + gather_end, 0);
  }

  function span(start: number, end: number): void {
    if (start < isa.read(g + gather_start)) isa.write(g + gather_start, start);
    if (end > isa.read(g + gather_end)) isa.write(g + gather_end, end);
  }

  function add(entry: number, start: number, end: number): void {
    span(start, end);
    const nr = isa.read(g + gather_nr);
    isa.write(g + gather_pages + 4 * nr, entry);
    isa.write(g + gather_nr, nr + 1);
    if (nr + 1 === GATHER_PAGES) flush();
  }

  return {
    begin(mm, fullmm = false) {
      if (isa.read(g + gather_mm) !== 0)
        throw new Error(`CPU ${cpu.id} begins to gather pages while it gathers already`);
      isa.write(g + gather_mm, mm);
      isa.write(g + gather_fullmm, fullmm ? 1 : 0);
      isa.write(g + gather_freed, 0);
      forget();
      return g;
    },
    current: (mm) => (isa.read(g + gather_mm) === mm ? g : 0),
    tlbRemovePage(_, page, address) {
      isa.write(g + gather_freed, isa.read(g + gather_freed) + 1);
      add(page, address & PAGE_MASK, (address & PAGE_MASK) + PAGE_SIZE);
    },
    tlbRemoveEntry: (_, address) => span(address & PAGE_MASK, (address & PAGE_MASK) + PAGE_SIZE),
    tlbRemoveTable(_, page, address, size) {
      add(page | TABLE, address, address + size);
    },
    finish() {
      const mm = isa.read(g + gather_mm);
      const freed = isa.read(g + gather_freed);
      if (freed !== 0) isa.fetchAddRelaxed(mm + Mm.rss, -freed);
      // Before pages and tables are freed, too: nobody walks through them on this mm's behalf any more.
      if (isa.read(g + gather_fullmm) !== 0) kernel.tlb.leave(mm);
      flush();
      isa.write(g + gather_mm, 0);
    },
  };
}
