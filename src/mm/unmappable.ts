/**
 * What reclaim may unmap (the test in try_to_unmap_one).
 *
 * A page in a VM_LOCKED vma stays. So does one in a VM_RESERVED vma: a region of a device whose pages its driver gives out as they are touched; they are written by the device, by their frame
 * numbers, and must not move (Andrea Arcangeli's second fix of 3 March 2004; mm.md, R0.4). Unlike VM_LOCKED the user cannot take VM_RESERVED away.
 *
 * The mlock design hears of a page that it did not know to be locked, but not for a vma to whose pages mlock() has yet to come: it tells of them itself (mlock/design.ts).
 */
import type { Addr } from '../arch/index.ts';
import type { Kernel } from './kernel.ts';
import { told } from './mlock/design.ts';
import { VM, Vma } from './structs.ts';

/** What reclaim may unmap. */
export interface Unmappable {
  /** Whether a page may lose the entry that this vma gives it. */
  allows(page: Addr, vma: Addr): boolean;
}

/** @param marks flags of vmas for whose sake a page is marked that reclaim has met */
export function unmappable(
  { isa, mlock }: Pick<Kernel, 'isa' | 'mlock'>,
  marks: (flags: number) => boolean = told,
): Unmappable {
  return {
    allows(page, vma) {
      const flags = isa.readOnce(vma + Vma.vm_flags);
      if (marks(flags)) mlock.foundLocked(page);
      return (flags & (VM.LOCKED | VM.RESERVED)) === 0;
    },
  };
}
