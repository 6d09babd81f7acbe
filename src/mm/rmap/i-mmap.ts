/**
 * Reverse mapping of files' pages by the vmas of their file (objrmap, Dave McCracken, 2.5.62; Linux 2.6.7).
 *
 * The tree has every vma that maps a range of the file in its order, so the page is at the address that its index gives in each that overlaps. A nonlinear vma has its pages anywhere: all its entries
 * are looked at. The file's i_mmap_lock is only tried for: reclaim comes with the page locked.
 */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SHIFT, pteNumber, ptePresent } from '../pte.ts';
import { AddressSpace, Page, Vma } from '../structs.ts';
import type { FileDesign, Visit } from './design.ts';
import { entryFor } from './entry.ts';

export function fileByIMmap(k: Kernel): FileDesign {
  const { isa, iMmap, locks, pages, pgtable, sections } = k;
  const { vm_mm, vm_start, vm_end, vm_pgoff } = Vma;
  const find = entryFor(k);

  /** @returns whether its lock was free, and whether to go on */
  function linear(vma: Addr, page: Addr, index: number, visit: Visit): [free: boolean, more: boolean] {
    const mm = isa.read(vma + vm_mm);
    const address = isa.readOnce(vma + vm_start) + ((index - isa.readOnce(vma + vm_pgoff)) << PAGE_SHIFT);
    if (!sections.enter('swapoutFile', { mm, vma })) return [false, true];
    const at = find(mm, address, page);
    const more = at === 0 || visit(at, mm, vma, address);
    sections.leave();
    return [true, more];
  }

  function nonlinear(vma: Addr, page: Addr, visit: Visit): [free: boolean, more: boolean] {
    const mm = isa.read(vma + vm_mm);
    if (!sections.enter('swapoutFile', { mm, vma })) return [false, true];
    let more = true;
    pgtable.forEach(mm, isa.read(vma + vm_start), isa.read(vma + vm_end), (at, address) => {
      const pte = pgtable.read(at);
      if (more && ptePresent(pte) && pages.pageAt(pteNumber(pte)) === page)
        more = visit(at, mm, vma, address);
    });
    sections.leave();
    return [true, more];
  }

  return {
    added: () => true,
    moved: () => {},
    removed: () => {},
    walk(page, visit) {
      const mapping = isa.readOnce(page + Page.mapping);
      const index = isa.readOnce(page + Page.index);
      if (mapping === 0) return true;
      const how = sections.wants('swapoutFile').i_mmap;
      const lock = mapping + AddressSpace.i_mmap_lock;
      if (how === 'try' && !locks.iMmap.tryAcquire(lock)) return false;
      if (how !== 'try') locks.iMmap.acquire(lock);
      let complete = true;
      let going = true;
      const step = ([free, more]: [boolean, boolean]): boolean => {
        complete &&= free;
        going = more;
        return more;
      };
      iMmap.forEach(mapping, index, index, (vma) => step(linear(vma, page, index, visit)));
      if (going) iMmap.nonlinearForEach(mapping, (vma) => step(nonlinear(vma, page, visit)));
      locks.iMmap.release(lock);
      return complete;
    },
  };
}
