/**
 * Address-space system calls: mmap, munmap, mprotect, brk, mlock, madvise, the end of an address space (mm/mmap.c, mprotect.c, mlock.c, madvise.c; Linux 2.6.5).
 *
 *   munmap    split at both ends; detach the vmas from list and tree; unmap_region: zap the entries, free the tables; free the vmas
 *
 * detach and unmap_region are each under what the regime says: where `detach` takes no page_table_lock, a reader that holds only that may be inside the tree
 * meanwhile (mm.md, R0.1). A path's section stays around what comes after it where the next one needs the same lock, so that it is not given away in between.
 *
 * All of them hold mmap_sem for writing from beginning to end, but for madvise, which reads. They return 0 or an address, or an error number negated. After -EINVAL nothing
 * has changed. Where memory runs out half-way, or a hole is met, it is as in Linux: vmas that were split stay so, mlock has locked what it came to, madvise has dropped what it came to, and
 * a mapping with a fixed address has unmapped what was there.
 */
import type { Addr } from '../arch/index.ts';
import { EINVAL, ENOMEM } from './errno.ts';
import { VM_FAULT_ERROR } from './fault.ts';
import type { Kernel } from './kernel.ts';
import {
  PAGE_SHIFT,
  PAGE_SIZE,
  PTE_PRESENT,
  PTE_PROTNONE,
  PTE_RW,
  pageAlign,
  pteNumber,
  ptePresent,
  TASK_SIZE,
  userRange,
} from './pte.ts';
import { Mm, VM, Vma } from './structs.ts';
import type { VmaSpec } from './vma.ts';

/** Where mmap looks for room when it is not told. */
export const TASK_UNMAPPED_BASE = TASK_SIZE / 4;

/** All flags that a vma can be made with. */
const ANY_FLAG = Object.values(VM).reduce((all: number, flag) => all | flag, 0) & ~VM.IO;
/** Pages of the largest file. */
const MOST_PGOFF = 2 ** 31;

/** What mmap maps. */
export interface MapArgs {
  /** 0: wherever there is room. Else what is there is unmapped first (MAP_FIXED). */
  readonly address?: number;
  readonly length: number;
  /** VM.READ and so on. */
  readonly flags: number;
  /** An address_space; left out: anonymous memory. */
  readonly file?: Addr;
  /** In pages. */
  readonly pgoff?: number;
}

/** System calls on address spaces. Addresses and lengths in bytes. */
export interface Maps {
  /** @returns the address, or -EINVAL, -ENOMEM */
  mmap(mm: Addr, args: MapArgs): number;
  /** @returns 0, -EINVAL, -ENOMEM */
  munmap(mm: Addr, start: number, length: number): number;
  /** @param prot VM.READ | VM.WRITE | VM.EXEC @returns 0, -EINVAL, -ENOMEM */
  mprotect(mm: Addr, start: number, length: number, prot: number): number;
  /** Moves the end of the heap. @returns the new end, or the old one if that cannot be */
  brk(mm: Addr, end: number): number;
  /** @returns 0, -EINVAL, -ENOMEM */
  mlock(mm: Addr, start: number, length: number): number;
  /** Ends it. @returns 0, -EINVAL, -ENOMEM */
  munlock(mm: Addr, start: number, length: number): number;
  /** Drops the pages of a range; they are zeroes, or the file's, when touched again. @returns 0, -EINVAL, -ENOMEM */
  madviseDontneed(mm: Addr, start: number, length: number): number;
  /** Where there is room for a mapping; the caller holds mmap_sem. @returns the address, -ENOMEM */
  unmappedArea(mm: Addr, length: number): number;
  /** Maps a range in which nothing is mapped; the caller holds mmap_sem for writing. @returns the address, -ENOMEM */
  mapAt(mm: Addr, spec: VmaSpec): number;
  /** Unmaps everything, at the end of an address space that nobody uses any more. */
  exitMmap(mm: Addr): void;
}

export function maps(k: Kernel): Maps {
  const { isa, vmas, vmaTree, sections, gather: gathers, zap, pgtable, rmap, mlockPages } = k;
  const { vm_start, vm_end, vm_next, vm_flags } = Vma;
  const startOf = (vma: Addr): number => isa.read(vma + vm_start);
  const endOf = (vma: Addr): number => isa.read(vma + vm_end);

  /** Whether mmap can map that: a page of a file has a number, and a stack is nobody's file. */
  function mappable(flags: number, file: Addr, pgoff: number, pages: number): boolean {
    if (!Number.isInteger(flags) || flags < 0 || (flags & ~ANY_FLAG) !== 0) return false;
    if (!Number.isInteger(pgoff) || pgoff < 0 || pgoff + pages > MOST_PGOFF) return false;
    if (file === 0) return true;
    const index = k.slabs.files.indexOf(file);
    return index >= 0 && k.slabs.files.objectAt(index) === file && (flags & VM.GROWSDOWN) === 0;
  }

  /** Runs a system call that changes vmas. */
  function writing<T>(mm: Addr, run: () => T): T {
    sections.enter('syscall', { mm });
    const result = run();
    sections.leave();
    return result;
  }

  /** Parts what an address lies inside of. */
  function splitAt(mm: Addr, address: number, newBelow: boolean): number {
    const vma = vmaTree.findVma(mm, address);
    if (vma === 0 || startOf(vma) >= address || endOf(vma) <= address) return 0;
    return vmas.split(vma, address, newBelow);
  }

  /** Zaps and frees tables between the neighbours of a cut list; the caller holds page_table_lock of `vma`. */
  function unmapVma(mm: Addr, vma: Addr, floor: number, ceiling: number): void {
    const [start, end] = [startOf(vma), endOf(vma)];
    k.spf.writers.begin(vma, 'zap');
    sections.enter('unmapRegion', { mm, vma });
    const gather = gathers.begin(mm);
    zap.range(gather, vma, start, end);
    pgtable.freePgtables(mm, start, end, floor, ceiling);
    gathers.finish(gather);
    sections.leave();
    k.spf.writers.end(vma, 'zap');
  }

  /** Frees vmas of a cut list. */
  function removeVmas(mm: Addr, first: Addr): void {
    for (let vma = first; vma !== 0; ) {
      const next = isa.read(vma + vm_next);
      const pages = (endOf(vma) - startOf(vma)) >>> PAGE_SHIFT;
      isa.write(mm + Mm.total_vm, isa.read(mm + Mm.total_vm) - pages);
      if ((isa.read(vma + vm_flags) & VM.LOCKED) !== 0)
        isa.write(mm + Mm.locked_vm, isa.read(mm + Mm.locked_vm) - pages);
      vmas.unlinkFile(vma);
      rmap.unlinked(vma);
      vmas.free(vma);
      vma = next;
    }
  }

  /** Unmaps a range whose ends are page bounds. */
  function unmapRange(mm: Addr, start: number, end: number): number {
    const first = vmaTree.findVma(mm, start);
    if (first === 0 || startOf(first) >= end) return 0;
    for (const address of [start, end]) {
      const error = splitAt(mm, address, address === end);
      if (error !== 0) return error;
    }
    const { prev } = vmaTree.findVmaPrev(mm, start);
    const from = prev === 0 ? isa.read(mm + Mm.mmap) : isa.read(prev + vm_next);
    if (k.spf.on)
      for (let vma = from; vma !== 0 && startOf(vma) < end; vma = isa.read(vma + vm_next))
        k.spf.writers.detaching(vma);
    sections.enter('detach', { mm, vma: from });
    const cut = vmaTree.detachVmas(mm, from, end);
    const next = prev === 0 ? isa.read(mm + Mm.mmap) : isa.read(prev + vm_next);
    const floor = prev === 0 ? 0 : endOf(prev);
    const ceiling = next === 0 ? 0 : startOf(next);
    for (let vma = cut; vma !== 0; vma = isa.read(vma + vm_next)) {
      // Tables that reach over to a vma of the list that is still to be zapped go with the last one.
      const after = isa.read(vma + vm_next);
      unmapVma(mm, vma, floor, after === 0 ? ceiling : startOf(after));
    }
    sections.leave();
    mlockPages.settle();
    removeVmas(mm, cut);
    return 0;
  }

  /** The lowest gap from TASK_UNMAPPED_BASE; -ENOMEM: there is none. */
  function unmappedArea(mm: Addr, length: number): number {
    let at = TASK_UNMAPPED_BASE;
    for (
      let vma = vmaTree.findVma(mm, at);
      vma !== 0 && startOf(vma) < at + length;
      vma = isa.read(vma + vm_next)
    )
      at = endOf(vma);
    return at + length <= TASK_SIZE ? at : -ENOMEM;
  }

  function mapAt(mm: Addr, spec: VmaSpec): number {
    const { start, end, flags } = spec;
    if (vmas.merge(mm, vmaTree.findVmaPrev(mm, start).prev, spec) === 0) {
      const vma = vmas.make(mm, spec);
      if (vma === 0) return -ENOMEM;
      vmas.link(vma);
    }
    const pages = (end - start) >>> PAGE_SHIFT;
    isa.write(mm + Mm.total_vm, isa.read(mm + Mm.total_vm) + pages);
    if ((flags & VM.LOCKED) !== 0) isa.write(mm + Mm.locked_vm, isa.read(mm + Mm.locked_vm) + pages);
    return start;
  }

  function mmap(mm: Addr, args: MapArgs): number {
    const { address = 0, length, flags, file = 0, pgoff = 0 } = args;
    if (!userRange(address, length)) return -EINVAL;
    const size = pageAlign(length);
    if (!mappable(flags, file, pgoff, size >>> PAGE_SHIFT)) return -EINVAL;
    return writing(mm, () => {
      const start = address === 0 ? unmappedArea(mm, size) : address;
      if (start < 0) return start;
      if (address !== 0) {
        const error = unmapRange(mm, start, start + size);
        if (error !== 0) return error;
      }
      const first = file === 0 ? start >>> PAGE_SHIFT : pgoff;
      return mapAt(mm, { start, end: start + size, flags, file, pgoff: first });
    });
  }

  function munmap(mm: Addr, start: number, length: number): number {
    if (!userRange(start, length)) return -EINVAL;
    return writing(mm, () => unmapRange(mm, start, start + pageAlign(length)));
  }

  /** Gives every vma of a range other flags; it has to be mapped from end to end. @param change stores them, and does what else is to be done */
  function changeFlags(
    mm: Addr,
    start: number,
    length: number,
    flagsOf: (vma: Addr) => number,
    change: (vma: Addr, flags: number) => void,
  ): number {
    if (!userRange(start, length)) return -EINVAL;
    const end = start + pageAlign(length);
    return writing(mm, () => {
      for (let at = start; at < end; ) {
        const vma = vmaTree.findVma(mm, at);
        if (vma === 0 || startOf(vma) > at) return -ENOMEM;
        at = endOf(vma);
      }
      for (let at = start; at < end; ) {
        for (const address of [at, end]) {
          const error = splitAt(mm, address, address === end);
          if (error !== 0) return error;
        }
        const vma = vmaTree.findVma(mm, at);
        at = endOf(vma);
        const flags = flagsOf(vma);
        if (flags === isa.read(vma + vm_flags)) continue;
        k.spf.writers.begin(vma, 'flags');
        sections.enter('flagsChange', { mm, vma });
        change(vma, flags);
        sections.leave();
        k.spf.writers.end(vma, 'flags');
        mlockPages.settle();
      }
      return 0;
    });
  }

  /** Marked: where the regime has no page_table_lock for it, reclaim reads the flags meanwhile (mm.md, C0.a). */
  const setFlags = (vma: Addr, flags: number): void => isa.writeOnce(vma + vm_flags, flags);

  /** Takes the right to write out of the entries of a vma; it comes back by faults, so that shared pages are copied first. */
  function protect(vma: Addr, flags: number): void {
    const mm = isa.read(vma + Vma.vm_mm);
    setFlags(vma, flags);
    sections.enter('pteChange', { mm, vma });
    pgtable.forEach(mm, startOf(vma), endOf(vma), (at) => {
      const pte = pgtable.read(at);
      if (!ptePresent(pte)) return;
      // By exchange: the processor may set ACCESSED and DIRTY meanwhile.
      const old = pgtable.getAndClear(at);
      const readable = (flags & (VM.READ | VM.WRITE | VM.EXEC)) !== 0;
      const bare = old & ~(PTE_RW | PTE_PRESENT | PTE_PROTNONE);
      pgtable.set(at, bare | (readable ? PTE_PRESENT : PTE_PROTNONE));
    });
    k.tlb.flushRange(mm, startOf(vma), endOf(vma));
    sections.leave();
  }

  function mprotect(mm: Addr, start: number, length: number, prot: number): number {
    const rights = VM.READ | VM.WRITE | VM.EXEC;
    if ((prot & ~rights) !== 0) return -EINVAL;
    return changeFlags(mm, start, length, (vma) => (isa.read(vma + vm_flags) & ~rights) | prot, protect);
  }

  function brk(mm: Addr, end: number): number {
    return writing(mm, () => {
      const [from, now] = [isa.read(mm + Mm.start_brk), isa.read(mm + Mm.brk)];
      const [top, old] = [pageAlign(end), pageAlign(now)];
      if (!Number.isInteger(end) || end < from || end > TASK_SIZE) return now;
      if (top < old && unmapRange(mm, top, old) !== 0) return now;
      if (top > old) {
        const above = vmaTree.findVma(mm, old);
        if (above !== 0 && startOf(above) < top) return now;
        if (
          top > old &&
          mapAt(mm, { start: old, end: top, flags: VM.READ | VM.WRITE, file: 0, pgoff: old >>> PAGE_SHIFT }) <
            0
        )
          return now;
      }
      isa.write(mm + Mm.brk, end);
      return end;
    });
  }

  /** Gives a vma its flags and tells the mlock design of every page of it. Under one page_table_lock, so whoever comes to an entry knows from the flags whether its page has been told of. */
  function eachPage(vma: Addr, flags: number, tell: (page: Addr, vma: Addr, address: number) => void): void {
    const mm = isa.read(vma + Vma.vm_mm);
    sections.enter('pteChange', { mm, vma });
    setFlags(vma, flags);
    pgtable.forEach(mm, startOf(vma), endOf(vma), (at, address) => {
      const pte = pgtable.read(at);
      if (!ptePresent(pte)) return;
      const page = k.pages.pageAt(pteNumber(pte));
      if (zap.counted(page)) tell(page, vma, address);
    });
    sections.leave();
  }

  function addLocked(vma: Addr, sign: number): void {
    const locked = isa.read(vma + Vma.vm_mm) + Mm.locked_vm;
    isa.write(locked, isa.read(locked) + sign * ((endOf(vma) - startOf(vma)) >>> PAGE_SHIFT));
  }

  /** Reclaim keeps off at once, and tells nobody of pages that are still to be told of (VM_IO; mlock_vma_pages_range, Linux 5.18). */
  function lockPages(vma: Addr, flags: number): void {
    addLocked(vma, 1);
    setFlags(vma, flags | VM.IO);
    eachPage(vma, flags, mlockPages.mapped);
  }

  function unlockPages(vma: Addr, flags: number): void {
    addLocked(vma, -1);
    eachPage(vma, flags, mlockPages.munlocked);
  }

  function mlock(mm: Addr, start: number, length: number): number {
    const flagsOf = (vma: Addr): number => isa.read(vma + vm_flags) | VM.LOCKED;
    if (!userRange(start, length)) return -EINVAL;
    // All of it with mmap_sem for writing, as in 2.6.5 (2.6.38 gives it up first): these faults run beside no others.
    return writing(mm, () => {
      const error = changeFlags(mm, start, length, flagsOf, lockPages);
      if (error !== 0) return error;
      // make_pages_present: what is not there comes by faults, which find the vma locked.
      for (let at = start; at < start + pageAlign(length); at += PAGE_SIZE) {
        const vma = vmaTree.findVma(mm, at);
        const write = vma !== 0 && (isa.read(vma + vm_flags) & VM.WRITE) !== 0;
        if ((k.faults.handleMmFault(mm, at, write) & VM_FAULT_ERROR) !== 0) return -ENOMEM;
      }
      return 0;
    });
  }

  function munlock(mm: Addr, start: number, length: number): number {
    const flagsOf = (vma: Addr): number => isa.read(vma + vm_flags) & ~VM.LOCKED;
    return changeFlags(mm, start, length, flagsOf, unlockPages);
  }

  function madviseDontneed(mm: Addr, start: number, length: number): number {
    if (!userRange(start, length)) return -EINVAL;
    const end = start + pageAlign(length);
    sections.enter('faultFind', { mm });
    let result = 0;
    let at = start;
    for (
      let vma = vmaTree.findVma(mm, start);
      vma !== 0 && startOf(vma) < end;
      vma = isa.read(vma + vm_next)
    ) {
      if (startOf(vma) > at) result = -ENOMEM;
      at = endOf(vma);
      if ((isa.read(vma + vm_flags) & (VM.LOCKED | VM.RESERVED)) !== 0) {
        result = -EINVAL;
        break;
      }
      // Others that hold mmap_sem for reading may be at it, too.
      k.spf.writers.begin(vma, 'zap');
      sections.enter('pteChange', { mm, vma });
      const gather = gathers.begin(mm);
      zap.range(gather, vma, Math.max(start, startOf(vma)), Math.min(end, endOf(vma)));
      gathers.finish(gather);
      sections.leave();
      k.spf.writers.end(vma, 'zap');
    }
    if (result === 0 && at < end) result = -ENOMEM;
    sections.leave();
    return result;
  }

  function exitMmap(mm: Addr): void {
    writing(mm, () => unmapRange(mm, 0, TASK_SIZE));
  }

  return { mmap, munmap, mprotect, brk, mlock, munlock, madviseDontneed, unmappedArea, mapAt, exitMmap };
}
