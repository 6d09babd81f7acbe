/**
 * Collapse: a pte page full of small pages goes, and something else stands in the pmd (collapse_huge_page, mm/huge_memory.c, Linux 2.6.38; mm/khugepaged.c).
 *
 *   1. the vma says that it is about to change (vm_write_begin)
 *   2. under page_table_lock the pmd is cleared, and the TLBs are flushed: each CPU that has the address space has had its interrupts on since
 *   3. under page_table_lock again the entries are taken out of the table, which nobody can walk to any more
 *   4. under page_table_lock once more the pmd gets what is to be there
 *   5. the table is freed
 *
 * Between 2 and 3 the table is detached, and still full: who has walked to it before, and has the lock, may find his entry there and replace it, and after 3 that is lost. So speculators look at the pmd with their
 * interrupts off: then either the clearing is seen, or step 2 waits for them (mm.md R3.8).
 *
 * The lock of the vma's anon_vma is held from 2 to 4: who goes by reverse mapping would find no table, and must not (entries of migration are brought back once, migrate/entries.ts).
 *
 * What is simulated: frames here have all one size, so there is no huge page. What comes to stand in the pmd is a new table with the same entries, in the place of the one mapping that Linux puts there; nothing is
 * copied. Locking, flush and the end of the old table are as there. What Linux also checks, that all pages are there, young and unshared, decides only whether to do it.
 *
 * mmap_sem is held for writing from beginning to end.
 */
import type { Addr } from '../arch/index.ts';
import { EINVAL, ENOMEM } from './errno.ts';
import type { Kernel } from './kernel.ts';
import { tableWalk } from './page-table.ts';
import { PAGE_SHIFT, pteNumber, ptePresent, TASK_SIZE } from './pte.ts';
import { PG, VM, Vma } from './structs.ts';

/** Tables are replaced as khugepaged does. */
export interface Collapse {
  /** Collapses the pte page of an address. @returns 0; -EINVAL: it has none, or not one anonymous vma has all of it; -ENOMEM */
  collapseHugePage(mm: Addr, address: number): number;
}

const NEVER = VM.SHARED | VM.RESERVED | VM.NONLINEAR | VM.GROWSDOWN;

/** How it goes about it. */
export interface CollapseRules {
  /** Whether who goes by reverse mapping waits while the table is detached. */
  readonly locksRmap: boolean;
}

/** The lock of the anon_vma is held. */
export const COLLAPSE_RULES: CollapseRules = { locksRmap: true };

/** Makes the module. @param rules what a race has wrong is put here */
export function collapse(k: Kernel, rules: CollapseRules = COLLAPSE_RULES): Collapse {
  const { isa, pages, pgtable, sections, tlb, vmaTree, rmap, spf, anonVma } = k;
  const walk = tableWalk(k);
  const { vm_start, vm_end, vm_flags, vm_file } = Vma;

  /** The entry of the pmd that leads to the table of an address; 0: there is no table. */
  function pmdOf(mm: Addr, address: number): Addr {
    const table = isa.loadAcquire(walk.pgdEntry(mm, address));
    const pmd = table === 0 ? 0 : walk.pmdEntry(table, address);
    return pmd === 0 || isa.loadAcquire(pmd) === 0 ? 0 : pmd;
  }

  function suits(vma: Addr, base: number): boolean {
    return (
      vma !== 0 &&
      isa.readOnce(vma + vm_start) <= base &&
      isa.read(vma + vm_end) >= base + walk.pmdSize &&
      isa.read(vma + vm_file) === 0 &&
      (isa.readOnce(vma + vm_flags) & NEVER) === 0
    );
  }

  /** Runs with the lock of the vma's tables, all levels. */
  function locked<T>(mm: Addr, vma: Addr, run: () => T): T {
    sections.enter('unmapRegion', { mm, vma });
    const result = run();
    sections.leave();
    return result;
  }

  function moveEntries(base: number, from: Addr, to: Addr): void {
    for (let address = base; address < base + walk.pmdSize; address += 1 << PAGE_SHIFT) {
      const [source, target] = [walk.pteEntry(from, address), walk.pteEntry(to, address)];
      const pte = pgtable.getAndClear(source);
      if (pte === 0) continue;
      if (ptePresent(pte)) {
        const page = pages.pageAt(pteNumber(pte));
        if (!pages.has(page, PG.reserved.mask)) rmap.moved(page, source, target, address);
      }
      pgtable.set(target, pte);
    }
  }

  function replace(mm: Addr, vma: Addr, base: number, pmd: Addr): number {
    const fresh = pgtable.tableAlloc(mm, base);
    if (fresh === 0) return -ENOMEM;
    spf.writers.begin(vma, 'collapse');
    const family = rules.locksRmap ? isa.read(vma + Vma.anon_vma) : 0;
    if (family !== 0) anonVma.lock(family);
    const old = locked(mm, vma, () => {
      const table = isa.readOnce(pmd);
      isa.writeOnce(pmd, 0);
      tlb.flushRange(mm, base, base + walk.pmdSize);
      return table;
    });
    locked(mm, vma, () => moveEntries(base, old, fresh));
    locked(mm, vma, () => {
      isa.wmb();
      isa.writeOnce(pmd, fresh);
    });
    if (family !== 0) anonVma.unlock(family);
    spf.writers.end(vma, 'collapse');
    pgtable.freeTable(pages.pageOfContent(old));
    return 0;
  }

  return {
    collapseHugePage(mm, address) {
      if (!Number.isInteger(address) || address < 0 || address >= TASK_SIZE) return -EINVAL;
      const base = address & -walk.pmdSize;
      sections.enter('syscall', { mm });
      const vma = vmaTree.findVma(mm, base);
      const pmd = pmdOf(mm, base);
      const result = pmd !== 0 && suits(vma, base) ? replace(mm, vma, base, pmd) : -EINVAL;
      sections.leave();
      return result;
    },
  };
}
