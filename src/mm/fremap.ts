/**
 * remap_file_pages: a mapping shows pages of its file in another order (mm/fremap.c, Linux 2.6.5 to 2.6.12).
 *
 * From the first time on the vma is VM_NONLINEAR: it goes from the file's tree to its list, and never back, since any of its pages may be anywhere. Each entry of the range says which page it is for (a
 * file entry), and the fault finds it there.
 *
 * mmap_sem is held for writing. Tree, list and VM_NONLINEAR change under i_mmap_lock together, so whoever walks the file meets the vma in one of the two.
 */
import type { Addr } from '../arch/index.ts';
import { EINVAL, ENOMEM } from './errno.ts';
import type { Kernel } from './kernel.ts';
import { filePte, PAGE_SHIFT, PAGE_SIZE, pageAlign, userRange } from './pte.ts';
import { VM, Vma } from './structs.ts';

/** Mappings show pages in another order. */
export interface Fremap {
  /** @param pgoff the page of the file that is at `start` @returns 0; -EINVAL when the range is not in one shared mapping of a file; -ENOMEM, and the mapping is VM_NONLINEAR by then */
  remapFilePages(mm: Addr, start: number, length: number, pgoff: number): number;
}

export function fremap(k: Kernel): Fremap {
  const { isa, vmas, vmaTree, sections, pgtable, gather: gathers, zap, spec } = k;
  const { vm_start, vm_end, vm_flags, vm_file } = Vma;

  function point(mm: Addr, vma: Addr, start: number, end: number, pgoff: number): number {
    sections.enter('populate', { mm, vma });
    let enough = true;
    for (let address = start; address < end; address += PAGE_SIZE)
      enough = enough && pgtable.populate(mm, address) !== 0;
    sections.leave();
    if (!enough) return -ENOMEM;
    sections.enter('pteChange', { mm, vma });
    const gather = gathers.begin(mm);
    zap.range(gather, vma, start, end);
    gathers.finish(gather);
    pgtable.forEach(mm, start, end, (at, address) =>
      pgtable.set(at, filePte(pgoff + ((address - start) >>> PAGE_SHIFT))),
    );
    sections.leave();
    return 0;
  }

  return {
    remapFilePages(mm, start, length, pgoff) {
      if (!userRange(start, length) || !Number.isInteger(pgoff) || pgoff < 0) return -EINVAL;
      const end = start + pageAlign(length);
      if (pgoff + ((end - start) >>> PAGE_SHIFT) > spec.filePages) return -EINVAL;
      sections.enter('syscall', { mm });
      const vma = vmaTree.findVma(mm, start);
      const inside = vma !== 0 && isa.read(vma + vm_start) <= start && isa.read(vma + vm_end) >= end;
      const shared = inside && (isa.read(vma + vm_flags) & VM.SHARED) !== 0 && isa.read(vma + vm_file) !== 0;
      if (shared) vmas.makeNonlinear(vma);
      const result = shared ? point(mm, vma, start, end, pgoff) : -EINVAL;
      sections.leave();
      k.mlockPages.settle();
      return result;
    },
  };
}
