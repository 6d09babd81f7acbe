/**
 * Faults on anonymous memory that is not there yet, and writes to what may only be read, without mmap_sem (do_anonymous_page, do_wp_page; "Speculative page faults" v11, Laurent Dufour, 2018).
 *
 * As in fault.ts; but vmas are asked by the copies of them, and the pte lock is got as a speculator gets it (vmf.ts): he may come back without it, and then lets go of what he has made.
 */
import type { Addr } from '../../arch/index.ts';
import { cow } from '../cow.ts';
import { VM_FAULT_MINOR, VM_FAULT_OOM, VM_FAULT_RETRY } from '../fault.ts';
import type { Kernel } from '../kernel.ts';
import { mkPte, PAGE_MASK, PTE_ACCESSED, PTE_DIRTY, PTE_RW, pteNumber } from '../pte.ts';
import { PG, VM } from '../structs.ts';
import { commits } from './commit.ts';
import type { SpfRules } from './rules.ts';
import type { PteLocks, VmFault } from './vmf.ts';

/** The handlers. */
export interface AnonFaults {
  /** The entry was none. @returns VM_FAULT_* */
  doAnonymousPage(vmf: VmFault): number;
  /** The entry was one that may not be written through; it is locked, mapped, and the same. @returns VM_FAULT_* */
  doWpPage(vmf: VmFault): number;
}

const ZERO_PFN = 0;

export function anonFaults(k: Kernel, rules: SpfRules, ptes: PteLocks): AnonFaults {
  const { pages, pgtable, rmap, lru, tlb } = k;
  const { copyContent, clearContent, canReuse } = cow(k);
  const { addAnon, setAnon, addRss } = commits(k, rules);

  const drop = (page: Addr): void => {
    if (page !== 0 && pages.putTestzero(page)) lru.release(page);
  };
  const same = ({ pte, origPte }: VmFault): boolean => !rules.late || pgtable.read(pte) === origPte;

  /** The entry is given back, with what was in hand. */
  function done(vmf: VmFault, result: number, ...unused: Addr[]): number {
    ptes.unmapUnlock(vmf);
    for (const page of unused) drop(page);
    return result;
  }

  function doAnonymousPage(vmf: VmFault): number {
    if (!vmf.write) {
      if (!ptes.mapLock(vmf)) return VM_FAULT_RETRY;
      if (same(vmf)) pgtable.set(vmf.pte, mkPte(ZERO_PFN, PTE_ACCESSED));
      return done(vmf, VM_FAULT_MINOR);
    }
    const page = k.reclaim.allocPage();
    if (page === 0) return VM_FAULT_OOM;
    clearContent(page);
    if (!ptes.mapLock(vmf)) {
      drop(page);
      return VM_FAULT_RETRY;
    }
    if (!same(vmf)) return done(vmf, VM_FAULT_MINOR, page);
    if (!addAnon(vmf, page, true)) return done(vmf, VM_FAULT_OOM, page);
    setAnon(vmf, page);
    return done(vmf, VM_FAULT_MINOR);
  }

  function doWpPage(vmf: VmFault): number {
    const { mm, address, pte, origPte, flags } = vmf;
    const old = pages.pageAt(pteNumber(origPte));
    const counted = !pages.has(old, PG.reserved.mask);
    if (counted && canReuse(old)) {
      const right = (flags & VM.WRITE) === 0 ? 0 : PTE_RW | PTE_DIRTY;
      pgtable.set(pte, pgtable.getAndClear(pte) | right | PTE_ACCESSED);
      tlb.flushPage(mm, address & PAGE_MASK);
      return done(vmf, VM_FAULT_MINOR);
    }
    const kept = counted ? old : 0;
    if (counted) pages.get(old);
    ptes.unmapUnlock(vmf);
    const page = k.reclaim.allocPage();
    if (page === 0) {
      drop(kept);
      return VM_FAULT_OOM;
    }
    if (counted) copyContent(page, old);
    else clearContent(page);
    if (!ptes.mapLock(vmf)) {
      drop(page);
      drop(kept);
      return VM_FAULT_RETRY;
    }
    if (!same(vmf)) return done(vmf, VM_FAULT_MINOR, page, kept);
    if (!addAnon(vmf, page, true)) return done(vmf, VM_FAULT_OOM, page, kept);
    // The old entry has to be gone from every TLB before the new one can be written through.
    pgtable.getAndClear(pte);
    tlb.flushPage(mm, address & PAGE_MASK);
    if (counted) {
      rmap.remove(old, pte);
      addRss(vmf, -1);
    }
    setAnon(vmf, page);
    // Twice: the reference of the entry, and the one that kept it while it was copied.
    return done(vmf, VM_FAULT_MINOR, kept, kept);
  }

  return { doAnonymousPage, doWpPage };
}
