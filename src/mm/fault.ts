/**
 * Page faults (handle_mm_fault and below, mm/memory.c; Linux 2.6.5).
 *
 *   none, anonymous   read: the zero page, read-only; write: a page of its own
 *   none, file        the page of the file; a private write gets a copy of it at once
 *   file              as none, for the page that the entry names (nonlinear)
 *   swap              the page of the swap cache, read in if it is not there
 *   migration         waits until its page is where it is going, and tries again
 *   write to a read-only entry     a private page that nobody else has is made writable; else it is copied
 *
 * mmap_sem is held for reading, so vmas stay. Entries are looked at and changed under page_table_lock. Whoever has to allocate, read or wait for a page gives page_table_lock away
 * meanwhile, and looks afterwards whether the entry is still the one that it saw: if not, somebody else has dealt with the fault, and it drops what it has prepared.
 *
 * A page is on the LRU and in the reverse mapping before page_table_lock is released: reclaim must find the entry that it will see.
 */
import type { Addr } from '../arch/index.ts';
import { cow } from './cow.ts';
import type { Kernel } from './kernel.ts';
import {
  mkPte,
  PAGE_MASK,
  PAGE_SHIFT,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_RW,
  pteFile,
  pteMigration,
  pteNumber,
  ptePresent,
  pteWrite,
} from './pte.ts';
import { AddressSpace, Mm, Page, PG, VM, Vma } from './structs.ts';

/** handle_mm_fault: done, without input or output. */
export const VM_FAULT_MINOR = 0;
/** No memory. */
export const VM_FAULT_OOM = 1;
/** No such page in the file. */
export const VM_FAULT_SIGBUS = 2;
/** Done, with input or output. */
export const VM_FAULT_MAJOR = 4;
/** No such mapping, or not for this. */
export const VM_FAULT_SIGSEGV = 0x40;
/** Not done; the processor tries again. */
export const VM_FAULT_RETRY = 0x400;
/** The fault was not served, and will not be. */
export const VM_FAULT_ERROR = VM_FAULT_OOM | VM_FAULT_SIGBUS | VM_FAULT_SIGSEGV;

/** Page faults. */
export interface Faults {
  /**
   * Serves a fault of an address space.
   * @param write whether it was a write
   * @returns {@link VM_FAULT_MINOR} or another; with a bit of {@link VM_FAULT_ERROR} it was not served
   */
  handleMmFault(mm: Addr, address: number, write: boolean): number;
  /** The same, in a section that holds mmap_sem, with the vma found. */
  handlePteFault(mm: Addr, vma: Addr, address: number, write: boolean): number;
}

const ZERO_PFN = 0;

/** How a fault keeps clear of a truncation of its file; what R2.10 has wrong is put here. */
export interface NopageRules {
  /** When truncate_count is read: before the file is asked for the page, or behind. */
  readonly counts: 'before' | 'behind';
  /** Between that and the reading of i_size. */
  readonly barrier: boolean;
  /** Under page_table_lock. */
  readonly looksAgain: boolean;
}

/** Reads the count first, and looks again. */
export const NOPAGE_RULES: NopageRules = { counts: 'before', barrier: true, looksAgain: true };

/** Makes the module. @param rules how faults keep clear of truncation */
export function faults(k: Kernel, rules: NopageRules = NOPAGE_RULES): Faults {
  const { isa, pages, pgtable, vmaTree, rmap, lru, swap, tlb, sections, pageCache, mlockPages } = k;
  const { vm_start, vm_flags, vm_file, vm_pgoff } = Vma;
  const { copyContent, clearContent, canReuse } = cow(k);

  const put = (page: Addr): void => {
    if (pages.putTestzero(page)) lru.release(page);
  };

  /** The entry of a mapping. */
  function entryOf(vma: Addr, page: Addr, write: boolean): number {
    const writable = (isa.read(vma + vm_flags) & VM.WRITE) !== 0;
    return mkPte(pages.pfnOf(page), PTE_ACCESSED | (write && writable ? PTE_RW | PTE_DIRTY : 0));
  }

  function addRss(mm: Addr, by: number): void {
    isa.fetchAddRelaxed(mm + Mm.rss, by);
  }

  /** Maps a new anonymous page at an entry that is none; page_table_lock is held. @returns false: no memory for the reverse mapping */
  function mapAnon(mm: Addr, vma: Addr, address: number, at: Addr, page: Addr, pte: number): boolean {
    if (!rmap.addNewAnon(page, vma, address & PAGE_MASK, at)) return false;
    setAnon(mm, vma, address, at, page, pte);
    return true;
  }

  /** The rest of it, which cannot fail. */
  function setAnon(mm: Addr, vma: Addr, address: number, at: Addr, page: Addr, pte: number): void {
    pages.set(page, PG.swapbacked.mask | PG.uptodate.mask);
    lru.cacheAdd(page);
    if ((isa.read(vma + vm_flags) & VM.LOCKED) !== 0) mlockPages.mapped(page, vma, address & PAGE_MASK);
    addRss(mm, 1);
    pgtable.set(at, pte);
  }

  /** Waits for nothing any more: the section of the entry ends, with what the caller had in hand. */
  function done(result: number, ...unused: Addr[]): number {
    sections.leave();
    mlockPages.settle();
    for (const page of unused) if (page !== 0) put(page);
    return result;
  }

  /** Whether an entry is still what it was when page_table_lock was given away. */
  const same = (at: Addr, pte: number): boolean => pgtable.read(at) === pte;

  function doAnonymousPage(mm: Addr, vma: Addr, address: number, at: Addr, write: boolean): number {
    if (!write) {
      pgtable.set(at, mkPte(ZERO_PFN, PTE_ACCESSED));
      return done(VM_FAULT_MINOR);
    }
    sections.leave();
    const page = rmap.prepare(vma) ? k.reclaim.allocPage() : 0;
    if (page === 0) return VM_FAULT_OOM;
    clearContent(page);
    sections.enter('pteChange', { mm, vma });
    if (!same(at, 0)) return done(VM_FAULT_MINOR, page);
    return mapAnon(mm, vma, address, at, page, entryOf(vma, page, true))
      ? done(VM_FAULT_MINOR)
      : done(VM_FAULT_OOM, page);
  }

  /** A page of a file, for an entry that has none or names one. */
  function doNoPage(
    mm: Addr,
    vma: Addr,
    address: number,
    at: Addr,
    pte: number,
    index: number,
    write: boolean,
  ): number {
    const mapping = isa.read(vma + vm_file);
    const flags = isa.read(vma + vm_flags);
    sections.leave();
    const count = (): number => isa.readOnce(mapping + AddressSpace.truncate_count);
    const before = count();
    // The count is read before i_size is (mm.md, R2.10).
    if (rules.barrier) isa.rmb();
    const found = pageCache.nopage(mapping, index);
    const sequence = rules.counts === 'before' ? before : count();
    if (found <= 0) return found === 0 ? VM_FAULT_OOM : VM_FAULT_SIGBUS;
    const own = write && (flags & VM.SHARED) === 0;
    let page = found;
    if (own) {
      page = rmap.prepare(vma) ? k.reclaim.allocPage() : 0;
      if (page !== 0) copyContent(page, found);
      put(found);
      if (page === 0) return VM_FAULT_OOM;
    }
    sections.enter('pteChange', { mm, vma });
    if (!same(at, pte)) return done(VM_FAULT_MINOR, page);
    if (rules.looksAgain && isa.readOnce(mapping + AddressSpace.truncate_count) !== sequence)
      return done(VM_FAULT_RETRY, page);
    const entry = entryOf(vma, page, write);
    if (own)
      return mapAnon(mm, vma, address, at, page, entry) ? done(VM_FAULT_MINOR) : done(VM_FAULT_OOM, page);
    if (!pages.has(page, PG.reserved.mask)) {
      if (!rmap.addFile(page, at)) return done(VM_FAULT_OOM, page);
      if ((flags & VM.LOCKED) !== 0) mlockPages.mapped(page, vma, address & PAGE_MASK);
      addRss(mm, 1);
    }
    pgtable.set(at, entry);
    return done(VM_FAULT_MINOR);
  }

  function doSwapPage(mm: Addr, vma: Addr, address: number, at: Addr, pte: number, write: boolean): number {
    const slot = pteNumber(pte);
    sections.leave();
    let result = VM_FAULT_MINOR;
    let page = swap.lookupSwapCache(slot);
    if (page === 0) {
      page = swap.readSwapCache(slot);
      result = VM_FAULT_MAJOR;
      if (page === 0) {
        // No memory, unless somebody else has dealt with the entry.
        sections.enter('pteChange', { mm, vma });
        return done(same(at, pte) ? VM_FAULT_OOM : VM_FAULT_MINOR);
      }
    }
    lru.markPageAccessed(page);
    k.locks.page.acquire(page);
    sections.enter('pteChange', { mm, vma });
    if (!same(at, pte) || !rmap.addAnon(page, vma, address & PAGE_MASK, at)) {
      k.locks.page.release(page);
      return done(same(at, pte) ? VM_FAULT_OOM : VM_FAULT_MINOR, page);
    }
    addRss(mm, 1);
    // The page lock is held already.
    if ((isa.read(vma + vm_flags) & VM.LOCKED) !== 0) k.mlock.mlockVmaPage(page);
    swap.free(slot);
    // Writable at once if nobody else can have it: this reference, the entry's slot gone, the cache given up.
    const exclusive = write && swap.removeExclusive(page);
    pgtable.set(at, entryOf(vma, page, exclusive));
    if (exclusive) pages.set(page, PG.dirty.mask);
    k.locks.page.release(page);
    return done(result);
  }

  /** migration_entry_wait: the page is locked while it is migrated. */
  function awaitMigration(pte: number): number {
    const page = pages.pageAt(pteNumber(pte));
    // Its count is frozen for a moment; it is not freed while page_table_lock keeps the entry.
    while (!pages.getUnlessZero(page)) isa.spinWhile(page + Page._refcount, 0);
    sections.leave();
    k.locks.page.acquire(page);
    k.locks.page.release(page);
    put(page);
    return VM_FAULT_RETRY;
  }

  function doWpPage(mm: Addr, vma: Addr, address: number, at: Addr, pte: number): number {
    const old = pages.pageAt(pteNumber(pte));
    const counted = !pages.has(old, PG.reserved.mask);
    const shared = (isa.read(vma + vm_flags) & VM.SHARED) !== 0;
    if (counted && (shared || canReuse(old))) {
      // Only rights are added: a stale translation faults once more and finds them.
      // A copy may be forced where nobody may write.
      const right = (isa.read(vma + vm_flags) & VM.WRITE) === 0 ? 0 : PTE_RW | PTE_DIRTY;
      pgtable.set(at, pgtable.getAndClear(at) | right | PTE_ACCESSED);
      tlb.flushPage(mm, address & PAGE_MASK);
      return done(VM_FAULT_MINOR);
    }
    if (counted) pages.get(old);
    sections.leave();
    const page = rmap.prepare(vma) ? k.reclaim.allocPage() : 0;
    if (page === 0) {
      if (counted) put(old);
      return VM_FAULT_OOM;
    }
    if (counted) copyContent(page, old);
    else clearContent(page);
    sections.enter('pteChange', { mm, vma });
    if (!same(at, pte)) return done(VM_FAULT_MINOR, page, counted ? old : 0);
    // What can fail comes first: until then the old page is mapped, and nobody comes to the new one.
    if (!rmap.addNewAnon(page, vma, address & PAGE_MASK, at))
      return done(VM_FAULT_OOM, page, counted ? old : 0);
    // The old entry has to be gone from every TLB before the new one can be written through.
    pgtable.getAndClear(at);
    tlb.flushPage(mm, address & PAGE_MASK);
    if (counted) {
      if ((isa.read(vma + vm_flags) & VM.LOCKED) !== 0) mlockPages.unmapped(old);
      rmap.remove(old, at);
      addRss(mm, -1);
    }
    setAnon(mm, vma, address, at, page, entryOf(vma, page, true));
    // Twice: the reference of the entry, and the one that kept it while it was copied.
    return done(VM_FAULT_MINOR, counted ? old : 0, counted ? old : 0);
  }

  function handlePteFault(mm: Addr, vma: Addr, address: number, write: boolean): number {
    sections.enter('populate', { mm, vma });
    const at = pgtable.populate(mm, address);
    if (at === 0) return done(VM_FAULT_OOM);
    sections.turn('populate', 'pteChange', { mm, vma });
    const pte = pgtable.read(at);
    if (ptePresent(pte)) {
      if (write && !pteWrite(pte)) return doWpPage(mm, vma, address, at, pte);
      // The translation came while this CPU was on its way here.
      tlb.flushPage(mm, address & PAGE_MASK);
      return done(VM_FAULT_MINOR);
    }
    if (pteMigration(pte)) return awaitMigration(pte);
    if (pteFile(pte)) return doNoPage(mm, vma, address, at, pte, pteNumber(pte), write);
    if (pte !== 0) return doSwapPage(mm, vma, address, at, pte, write);
    if (isa.read(vma + vm_file) === 0) return doAnonymousPage(mm, vma, address, at, write);
    const index = isa.read(vma + vm_pgoff) + ((address - isa.read(vma + vm_start)) >>> PAGE_SHIFT);
    return doNoPage(mm, vma, address, at, 0, index, write);
  }

  function handleMmFault(mm: Addr, address: number, write: boolean): number {
    sections.enter('faultFind', { mm });
    const vma = vmaTree.findVma(mm, address);
    const result = serve(mm, vma, address, write);
    sections.leave();
    return result;
  }

  function serve(mm: Addr, vma: Addr, address: number, write: boolean): number {
    if (vma === 0) return VM_FAULT_SIGSEGV;
    const flags = isa.read(vma + vm_flags);
    // Another fault may be growing it.
    if (isa.readOnce(vma + vm_start) > address) {
      if ((flags & VM.GROWSDOWN) === 0 || k.stack.expandStack(vma, address) !== 0) return VM_FAULT_SIGSEGV;
    }
    const wanted = write ? VM.WRITE : VM.READ | VM.WRITE | VM.EXEC;
    if ((flags & wanted) === 0) return VM_FAULT_SIGSEGV;
    return handlePteFault(mm, vma, address, write);
  }

  return { handleMmFault, handlePteFault };
}
