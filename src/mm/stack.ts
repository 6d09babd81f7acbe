/**
 * Growing a stack downwards (expand_stack, mm/mmap.c).
 *
 * It moves vm_start and vm_pgoff of a vma that others find at the same time, and it is called by faults, which hold mmap_sem for reading only: two threads of a process can grow one stack at
 * once. Both found the vma above their address; whoever comes second has to look again under the lock that keeps growers apart, or a negative growth moves vm_start up over
 * pages that are mapped (CVE-2005-0001, until Linux 2.6.10; mm.md, R0.11).
 */
import type { Addr } from '../arch/index.ts';
import { ENOMEM } from './errno.ts';
import type { Kernel } from './kernel.ts';
import { PAGE_MASK, PAGE_SHIFT } from './pte.ts';
import { Mm, VM, Vma } from './structs.ts';

/** Stacks. */
export interface Stack {
  /** Makes a vma begin at the page of an address below it. @returns 0, -ENOMEM when something else is in the way */
  expandStack(vma: Addr, address: number): number;
}

/** Grows as Linux 2.6.11 does: looks again under the lock that the regime gives growers. */
export function stack({ isa, sections, rmap }: Kernel): Stack {
  const { vm_mm, vm_start, vm_end, vm_prev, vm_flags, vm_pgoff } = Vma;
  return {
    expandStack(vma, address) {
      const mm = isa.read(vma + vm_mm);
      const to = address & PAGE_MASK;
      sections.enter('expandStack', { mm, vma, anon: rmap.lockOf(vma) });
      const from = isa.readOnce(vma + vm_start);
      let result = 0;
      if (to < from) {
        const below = isa.read(vma + vm_prev);
        const pages = (from - to) >>> PAGE_SHIFT;
        if (below !== 0 && isa.read(below + vm_end) > to) result = -ENOMEM;
        else {
          isa.writeOnce(vma + vm_start, to);
          isa.writeOnce(vma + vm_pgoff, isa.readOnce(vma + vm_pgoff) - pages);
          isa.write(mm + Mm.total_vm, isa.read(mm + Mm.total_vm) + pages);
          if ((isa.read(vma + vm_flags) & VM.LOCKED) !== 0)
            isa.write(mm + Mm.locked_vm, isa.read(mm + Mm.locked_vm) + pages);
        }
      }
      sections.leave();
      return result;
    },
  };
}
