/**
 * mremap: a mapping shrinks, grows, or moves (mm/mremap.c, Linux 2.6.5).
 *
 * Moving makes a new vma (copy_vma), moves the entries from the old tables to the new ones, and unmaps the old range, in which nothing is left then. The entries of a page are moved under
 * page_table_lock; each is in exactly one place at every moment, so reclaim, which looks for the page under that lock, finds it at the one or the other address.
 *
 * Where pages are found by their address in an address space (anonmm), a moved page would not be found: such a page is given the new index if nobody else maps it, and is copied otherwise.
 */
import type { Addr } from '../arch/index.ts';
import { EFAULT, EINVAL, ENOMEM } from './errno.ts';
import { VM_FAULT_ERROR } from './fault.ts';
import type { Kernel } from './kernel.ts';
import {
  PAGE_SHIFT,
  PAGE_SIZE,
  pageAlign,
  pteMigration,
  pteNumber,
  ptePresent,
  pteSwap,
  TASK_SIZE,
  userRange,
} from './pte.ts';
import { Mm, Page, PG, VM, Vma } from './structs.ts';

/** mremap may choose another address. */
export const MREMAP_MAYMOVE = 1;

/** Mappings change size or place. */
export interface Mremap {
  /**
   * @param to where it is moved, whatever is there; 0: it stays if it can
   * @returns the address; -EINVAL, -EFAULT when it is not one mapping, -ENOMEM when there is no room where it may go
   */
  mremap(mm: Addr, from: number, oldLength: number, newLength: number, flags?: number, to?: number): number;
}

export function mremap(k: Kernel): Mremap {
  const { isa, locks, vmas, vmaTree, pages, pgtable, sections, swap, rmap, tlb, maps } = k;
  const { vm_start, vm_end, vm_next, vm_flags, vm_file, vm_pgoff } = Vma;

  /** Moves the entries of a range of one vma to another. @returns false: no memory for tables */
  function moveTables(mm: Addr, vma: Addr, into: Addr, from: number, to: number, length: number): boolean {
    for (let offset = 0; offset < length; offset += PAGE_SIZE) {
      sections.enter('populate', { mm, vma: into });
      const source = pgtable.lookup(mm, from + offset);
      const wanted = source !== 0 && pgtable.read(source) !== 0;
      const target = wanted ? pgtable.populate(mm, to + offset) : 0;
      sections.leave();
      if (!wanted) continue;
      if (target === 0) return false;
      // Both: where each vma has a lock of its own, reclaim comes to the one entry under this, to the other under that. Nobody else takes two in this address space.
      // Truncation must not be done with the one vma before entries come to it from the other, with which it is not.
      sections.enter('iMmapChange', { mm, vma: into, mapping: isa.read(vma + vm_file) });
      k.truncate.stamps.moved(vma, into);
      sections.enter('pteChange', { mm, vma });
      sections.enter('pteChange', { mm, vma: into });
      const page = migrating(source);
      if (page === 0) moveOne(mm, source, target, from + offset, to + offset);
      sections.leave();
      sections.leave();
      sections.leave();
      if (page === 0) continue;
      // Who brings its entries back goes from vma to vma, and must not miss it: it is moved when it is there again.
      locks.page.acquire(page);
      locks.page.release(page);
      if (pages.putTestzero(page)) k.lru.release(page);
      offset -= PAGE_SIZE;
    }
    return true;
  }

  /** The page of a migration entry, with a reference; 0: it is none. page_table_lock is held. */
  function migrating(at: Addr): Addr {
    const pte = pgtable.read(at);
    if (!pteMigration(pte)) return 0;
    const page = pages.pageAt(pteNumber(pte));
    // As in a fault.
    while (!pages.getUnlessZero(page)) isa.spinWhile(page + Page._refcount, 0);
    return page;
  }

  function moveOne(mm: Addr, source: Addr, target: Addr, from: number, to: number): void {
    const pte = pgtable.getAndClear(source);
    if (pte === 0) return;
    tlb.flushPage(mm, from);
    if (ptePresent(pte)) {
      const page = pages.pageAt(pteNumber(pte));
      if (!pages.has(page, PG.reserved.mask)) rmap.moved(page, source, target, to);
    }
    pgtable.set(target, pte);
  }

  /** Whether nobody else has, or has the swap entry of, what an entry stands for. */
  function exclusive(pte: number): boolean {
    if (pteSwap(pte)) return swap.count(pteNumber(pte)) === 1;
    if (!ptePresent(pte)) return true;
    const page = pages.pageAt(pteNumber(pte));
    if (!pages.anon(page) || pages.has(page, PG.reserved.mask)) return true;
    // The one count is the cache's. Who takes his entry's page counts as a mapping before the slot loses his count: looked at in this order, he is seen.
    const slot = pages.has(page, PG.swapcache.mask) ? isa.readOnce(page + Page.private) : 0;
    return (slot === 0 || swap.count(slot) <= 1) && pages.mapcount(page) === 1;
  }

  /** Whether the pages of a vma may be found elsewhere than at their index: an anonmm has no other way to find them. Those of others, too, are copied first, by faults that write. */
  function movable(mm: Addr, vma: Addr, from: number, length: number): boolean {
    if (sections.regime.anonRmap !== 'anonmm') return true;
    for (let offset = 0; offset < length; offset += PAGE_SIZE) {
      for (;;) {
        const at = pgtable.lookup(mm, from + offset);
        if (at === 0 || exclusive(pgtable.read(at))) break;
        if ((k.faults.handlePteFault(mm, vma, from + offset, true) & VM_FAULT_ERROR) !== 0) return false;
      }
    }
    return true;
  }

  function move(mm: Addr, vma: Addr, from: number, oldLength: number, newLength: number, to: number): number {
    const shift = (from - isa.read(vma + vm_start)) >>> PAGE_SHIFT;
    const part = vmas.make(mm, {
      start: to,
      end: to + newLength,
      flags: isa.read(vma + vm_flags),
      file: isa.read(vma + vm_file),
      pgoff: isa.read(vma + vm_pgoff) + shift,
    });
    if (part === 0) return -ENOMEM;
    if (!rmap.copied(part, vma) || !movable(mm, vma, from, oldLength)) {
      rmap.unlinked(part);
      vmas.free(part);
      return -ENOMEM;
    }
    // From before it can be found: else a fault fills what entries are about to be moved to.
    k.spf.writers.begin(vma, 'move');
    k.spf.writers.begin(part, 'move');
    const moved = Math.min(oldLength, newLength);
    const over = (): void => {
      k.spf.writers.end(part, 'move');
      k.spf.writers.end(vma, 'move');
    };
    vmas.link(part);
    isa.write(mm + Mm.total_vm, isa.read(mm + Mm.total_vm) + (newLength >>> PAGE_SHIFT));
    if ((isa.read(part + vm_flags) & VM.LOCKED) !== 0)
      isa.write(mm + Mm.locked_vm, isa.read(mm + Mm.locked_vm) + (newLength >>> PAGE_SHIFT));
    if (!moveTables(mm, vma, part, from, to, moved)) {
      // What has been moved goes back to where there are tables for it.
      moveTables(mm, part, vma, to, from, moved);
      over();
      maps.munmap(mm, to, newLength);
      return -ENOMEM;
    }
    over();
    maps.munmap(mm, from, oldLength);
    return to;
  }

  /** What a mapping that grows by can grow by where it is: the gap behind it. */
  function roomBehind(vma: Addr): number {
    const next = isa.read(vma + vm_next);
    return (next === 0 ? TASK_SIZE : isa.read(next + vm_start)) - isa.read(vma + vm_end);
  }

  function remap(
    mm: Addr,
    from: number,
    oldLength: number,
    newLength: number,
    flags: number,
    to: number,
  ): number {
    if (to === 0 && newLength <= oldLength) {
      if (newLength < oldLength) {
        const error = maps.munmap(mm, from + newLength, oldLength - newLength);
        if (error !== 0) return error;
      }
      return from;
    }
    const vma = vmaTree.findVma(mm, from);
    if (vma === 0 || isa.read(vma + vm_start) > from || isa.read(vma + vm_end) < from + oldLength)
      return -EFAULT;
    const spec = {
      start: from + oldLength,
      end: from + newLength,
      flags: isa.read(vma + vm_flags),
      file: isa.read(vma + vm_file),
      pgoff: isa.read(vma + vm_pgoff) + ((from + oldLength - isa.read(vma + vm_start)) >>> PAGE_SHIFT),
    };
    if (to === 0 && isa.read(vma + vm_end) === spec.start && roomBehind(vma) >= newLength - oldLength)
      return maps.mapAt(mm, spec) < 0 ? -ENOMEM : from;
    if (to === 0 && (flags & MREMAP_MAYMOVE) === 0) return -ENOMEM;
    if (to !== 0) {
      const error = maps.munmap(mm, to, newLength);
      if (error !== 0) return error;
    }
    const target = to === 0 ? maps.unmappedArea(mm, newLength) : to;
    if (target < 0) return target;
    // What was unmapped may have parted the vma.
    const now = vmaTree.findVma(mm, from);
    return move(mm, now, from, oldLength, newLength, target);
  }

  return {
    mremap(mm, from, oldLength, newLength, flags = 0, to = 0) {
      if (!userRange(from, oldLength) || !userRange(from, newLength) || !userRange(to, newLength))
        return -EINVAL;
      const [old, size] = [pageAlign(oldLength), pageAlign(newLength)];
      if (to !== 0 && to < from + old && from < to + size) return -EINVAL;
      sections.enter('syscall', { mm });
      const result = remap(mm, from, old, size, flags, to);
      sections.leave();
      return result;
    },
  };
}
