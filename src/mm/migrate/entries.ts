/**
 * Migration entries: what stands in page tables while a page is moved (remove_migration_ptes and try_to_unmap with TTU_MIGRATION; mm/migrate.c, mm/rmap.c, Linux 2.6.16 to 4.8; Christoph Lameter).
 *
 *   unmap     each entry that maps the locked page -> a migration entry with its frame; the page loses the entry's reference and mapping, the address space an rss
 *   restore   each migration entry with that frame -> an entry of the new page, or of the old one if it stays
 *
 * A fault that meets one waits for the lock of the page (fault.ts). fork copies it, read-only where the page is private; zap forgets it; mremap waits (mremap.ts).
 *
 * To unmap is to try, as for reclaim: the locks are taken against their order. To restore is not: the entries must not stay. It takes i_mmap_lock, or the anon_vma's lock, and page_table_lock inside of it, in their
 * order, with the page lock outside. A child is behind its parent in both (fork.ts), so an entry that is copied while the walk is under way is met.
 *
 * The anon_vma is referenced meanwhile: nothing maps the page, so nothing else keeps it.
 *
 * Only trees with anon_vma and i_mmap can find an entry that no page is behind; in others mapped pages stay where they are.
 */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../kernel.ts';
import { told } from '../mlock/design.ts';
import {
  migrationPte,
  mkPte,
  PAGE_SHIFT,
  PTE_RW,
  pteDirty,
  pteMigration,
  pteNumber,
  pteWrite,
} from '../pte.ts';
import { AddressSpace, MAPPING_FLAGS, Mm, Page, PG, VM, Vma } from '../structs.ts';

/** Takes entries away and brings them back. */
export interface MigrationEntries {
  /** The anon_vma of a mapped anonymous page, with a reference; 0: it has none. */
  getAnonVma(page: Addr): Addr;
  /** Drops that. */
  putAnonVma(anonVma: Addr): void;
  /** Replaces all entries of a locked page. @returns whether nothing maps it any more */
  unmap(page: Addr): boolean;
  /** Replaces the migration entries of `old` by entries of `page`; both are locked, and may be the same. @param anonVma of an anonymous page */
  restore(old: Addr, page: Addr, anonVma: Addr): void;
}

export function migrationEntries(k: Kernel): MigrationEntries {
  const { isa, pages, pgtable, tlb, rmap, anonVma, iMmap, locks, sections, unmappable, mlockPages } = k;
  const { vm_mm, vm_start, vm_end, vm_pgoff, vm_flags } = Vma;
  const { anonRmap, fileRmap } = sections.regime;

  function unmapOne(page: Addr, at: Addr, mm: Addr, vma: Addr, address: number): boolean {
    if (vma === 0 || !unmappable.allows(page, vma)) return false;
    const pte = pgtable.getAndClear(at);
    tlb.flushPage(mm, address);
    if (pteDirty(pte)) pages.set(page, PG.dirty.mask);
    pgtable.set(at, migrationPte(pages.pfnOf(page), pte));
    rmap.remove(page, at);
    isa.fetchAddRelaxed(mm + Mm.rss, -1);
    // Not the last: the caller has one.
    pages.putTestzero(page);
    return true;
  }

  /** An entry of a vma, under its page_table_lock. */
  function restoreOne(old: Addr, page: Addr, at: Addr, mm: Addr, vma: Addr, address: number): void {
    const entry = pgtable.read(at);
    if (!pteMigration(entry) || pages.pageAt(pteNumber(entry)) !== old) return;
    pages.get(page);
    // It has its mapping already: nothing has to be allocated.
    if (pages.anon(page)) rmap.addAnon(page, vma, address, at);
    else rmap.addFile(page, at);
    isa.fetchAddRelaxed(mm + Mm.rss, 1);
    const writable = pteWrite(entry) && (isa.readOnce(vma + vm_flags) & VM.WRITE) !== 0;
    // Where mlock has yet to come to the pages it tells of them itself.
    if (told(isa.readOnce(vma + vm_flags))) mlockPages.mapped(page, vma, address);
    pgtable.set(at, mkPte(pages.pfnOf(page), writable ? PTE_RW : 0));
  }

  function restoreAt(old: Addr, page: Addr, vma: Addr, address: number): void {
    const mm = isa.read(vma + vm_mm);
    sections.enter('truncateEntries', { mm, vma });
    const at = pgtable.lookup(mm, address);
    if (at !== 0) restoreOne(old, page, at, mm, vma, address);
    sections.leave();
  }

  /** In a vma, where the page's index says. */
  function restoreIn(old: Addr, page: Addr, vma: Addr, index: number): void {
    const start = isa.readOnce(vma + vm_start);
    const address = start + ((index - isa.readOnce(vma + vm_pgoff)) << PAGE_SHIFT);
    if (address >= start && address < isa.readOnce(vma + vm_end)) restoreAt(old, page, vma, address);
  }

  /** Anywhere in a vma that is nonlinear. */
  function restoreAnywhere(old: Addr, page: Addr, vma: Addr): void {
    const mm = isa.read(vma + vm_mm);
    sections.enter('truncateEntries', { mm, vma });
    pgtable.forEach(mm, isa.read(vma + vm_start), isa.read(vma + vm_end), (at, address) =>
      restoreOne(old, page, at, mm, vma, address),
    );
    sections.leave();
  }

  function restoreFile(old: Addr, page: Addr): void {
    const mapping = isa.readOnce(page + Page.mapping) & ~MAPPING_FLAGS;
    const index = pages.indexOf(page);
    const lock = mapping + AddressSpace.i_mmap_lock;
    locks.iMmap.acquire(lock);
    iMmap.forEach(mapping, index, index, (vma) => restoreIn(old, page, vma, index));
    iMmap.nonlinearForEach(mapping, (vma) => restoreAnywhere(old, page, vma));
    locks.iMmap.release(lock);
  }

  return {
    getAnonVma(page) {
      if (anonRmap !== 'anon_vma' || !pages.anon(page)) return 0;
      const family = anonVma.pageLockAnonVma(page);
      if (family === 0) return 0;
      anonVma.get(family);
      anonVma.pageUnlockAnonVma(family);
      return family;
    },
    putAnonVma(family) {
      if (family !== 0) anonVma.put(family);
    },
    unmap(page) {
      const found = pages.anon(page) ? anonRmap === 'anon_vma' : fileRmap === 'i_mmap';
      if (!found) return false;
      rmap.walk(page, (at, mm, vma, address) => unmapOne(page, at, mm, vma, address));
      return !pages.mapped(page);
    },
    restore(old, page, family) {
      if (!pages.anon(page)) {
        restoreFile(old, page);
        return;
      }
      if (family === 0) return;
      const index = pages.indexOf(page);
      anonVma.lock(family);
      anonVma.forEachVma(family, (vma) => restoreIn(old, page, vma, index));
      anonVma.unlock(family);
    },
  };
}
