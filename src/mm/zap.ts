/**
 * Zapping: takes entries out of page tables and drops what they stood for (unmap_vmas, zap_pte_range; Linux 2.6.5 to 2.6.12).
 *
 *   present   entry -> none, out of the reverse mapping, the page to the gather: freed, and off rss, when no TLB knows it any more; a dirty page of a file leaves the TLBs at once
 *   swap      entry -> none, one use of the slot less
 *   file      entry -> none
 *   migration entry -> none: who migrates its page finds it no more
 *
 * The caller holds the page_table_lock of the vma's tables, and settles what the mlock design is to be asked when he has given it away (mlock/pages.ts).
 */
import type { Addr } from '../arch/index.ts';
import type { Kernel } from './kernel.ts';
import { told } from './mlock/design.ts';
import type { Gather } from './mmu-gather.ts';
import { filePte, pteDirty, pteMigration, pteNumber, ptePresent, pteSwap, pteYoung } from './pte.ts';
import { PG, VM, Vma } from './structs.ts';

/** What zapping leaves alone. */
export interface ZapDetails {
  /** Only pages of this file, not private copies of them. */
  readonly mapping?: Addr;
  /** Only pages of the file from here ... */
  readonly firstIndex?: number;
  /** ... to here. */
  readonly lastIndex?: number;
}

/** Takes entries out. */
export interface Zap {
  /** Zaps the entries of a vma in a range. @returns how many were present */
  range(gather: Gather, vma: Addr, start: number, end: number, details?: ZapDetails): number;
  /** Whether the page of an entry is one that counts: not the zero page, not a reserved one. */
  counted(page: Addr): boolean;
}

export function zap(k: Kernel): Zap {
  const { isa, pages, pgtable, gather: gathers, rmap, swap, mlockPages } = k;

  const counted = (page: Addr): boolean => !pages.has(page, PG.reserved.mask);

  function drop(gather: Gather, vma: Addr, at: Addr, address: number): boolean {
    const pte = pgtable.getAndClear(at);
    const page = pages.pageAt(pteNumber(pte));
    if (!counted(page)) {
      gathers.tlbRemoveEntry(gather, address);
      return false;
    }
    // A write that is already in the TLB of another CPU may still come: the page is not free before the flush.
    if (pteDirty(pte)) pages.set(page, PG.dirty.mask);
    if (pteYoung(pte) && !pages.anon(page)) k.lru.markPageAccessed(page);
    // Truncation comes without mmap_sem.
    if (told(isa.readOnce(vma + Vma.vm_flags))) mlockPages.unmapped(page);
    // As long as a CPU may write to it the page counts as mapped: who finds it unmapped cleans it and forgets it (Linux 3.15, commit 1cf35d47712d).
    if (pteDirty(pte) && !pages.anon(page)) k.tlb.flushPage(isa.read(vma + Vma.vm_mm), address);
    rmap.remove(page, at);
    gathers.tlbRemovePage(gather, page, address);
    return true;
  }

  function range(gather: Gather, vma: Addr, start: number, end: number, details: ZapDetails = {}): number {
    const mm = isa.read(vma + Vma.vm_mm);
    const { mapping, firstIndex = 0, lastIndex = 2 ** 31 } = details;
    const nonlinear = mapping !== undefined && (isa.readOnce(vma + Vma.vm_flags) & VM.NONLINEAR) !== 0;
    let present = 0;
    pgtable.forEach(mm, start, end, (at, address) => {
      const pte = pgtable.read(at);
      if (pte === 0) return;
      if (ptePresent(pte)) {
        if (mapping !== undefined) {
          const page = pages.pageAt(pteNumber(pte));
          const index = pages.indexOf(page);
          if (pages.mappingOf(page) !== mapping || index < firstIndex || index > lastIndex) return;
          // Of a nonlinear vma nothing else says which page belongs there.
          if (drop(gather, vma, at, address)) present += 1;
          if (nonlinear) pgtable.set(at, filePte(index));
          return;
        }
        if (drop(gather, vma, at, address)) present += 1;
        return;
      }
      if (pteMigration(pte)) {
        const page = pages.pageAt(pteNumber(pte));
        const index = pages.indexOf(page);
        // The old page's mapping may be gone; what it is its type says, and whose it is the vma.
        if (mapping !== undefined && (pages.anon(page) || index < firstIndex || index > lastIndex)) return;
        pgtable.set(at, nonlinear ? filePte(index) : 0);
        return;
      }
      if (mapping !== undefined) return;
      pgtable.set(at, 0);
      if (pteSwap(pte)) swap.freeSwapAndCache(pteNumber(pte));
    });
    return present;
  }

  return { range, counted };
}
