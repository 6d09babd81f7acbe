/**
 * Growing a stack as all trees of 2004 did (expand_stack up to Linux 2.6.10, and 2.4; CVE-2005-0001, Paul Starzetz; mm.md R0.11).
 *
 * The fault has found the vma above its address before expand_stack takes a lock, and what it has found is taken for granted: who comes second counts from where the stack begins by then. Where that is below
 * his own address the growth is negative. The stack begins higher again, and what was mapped below lies in no vma.
 *
 * No lock of a regime helps against that: it is not held from the look-up on.
 */
import type { Addr } from '../../../arch/index.ts';
import { ENOMEM } from '../../errno.ts';
import type { Kernel } from '../../kernel.ts';
import { PAGE_MASK, PAGE_SHIFT } from '../../pte.ts';
import type { Stack } from '../../stack.ts';
import { Mm, VM, Vma } from '../../structs.ts';

/** Grows without a second look. */
export function uncheckedStack({ isa, sections, rmap }: Kernel): Stack {
  const { vm_mm, vm_start, vm_end, vm_prev, vm_flags, vm_pgoff } = Vma;
  return {
    expandStack(vma, address) {
      const mm = isa.read(vma + vm_mm);
      const to = address & PAGE_MASK;
      sections.enter('expandStack', { mm, vma, anon: rmap.lockOf(vma) });
      const below: Addr = isa.read(vma + vm_prev);
      const enough = below === 0 || isa.read(below + vm_end) <= to;
      if (enough) {
        // Negative if another has grown it further.
        const pages = (isa.readOnce(vma + vm_start) - to) >> PAGE_SHIFT;
        isa.writeOnce(vma + vm_start, to);
        isa.writeOnce(vma + vm_pgoff, isa.readOnce(vma + vm_pgoff) - pages);
        isa.write(mm + Mm.total_vm, isa.read(mm + Mm.total_vm) + pages);
        if ((isa.read(vma + vm_flags) & VM.LOCKED) !== 0)
          isa.write(mm + Mm.locked_vm, isa.read(mm + Mm.locked_vm) + pages);
      }
      sections.leave();
      return enough ? 0 : -ENOMEM;
    },
  };
}
