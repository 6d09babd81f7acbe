/**
 * Changes of vmas: made, split, merged, freed (mm/mmap.c, Linux 2.6.5), each under what the regime says its path takes.
 *
 * A vma is linked in three places: the list and the tree of its address space (vma-tree.ts) and the tree of its file (i-mmap.ts). Its bounds are read by whoever finds
 * it in any of them, so `split` and `merge` change bounds and links in one section of the path's locks.
 *
 *   merge    prev + new, prev + new + next, new + next; `next` is freed in the second case
 *   split    the vma keeps one half, a new one gets the other; nothing is unmapped
 *
 * The caller holds mmap_sem for writing.
 */
import type { Addr } from '../arch/index.ts';
import { ENOMEM } from './errno.ts';
import type { Kernel } from './kernel.ts';
import { PAGE_SHIFT } from './pte.ts';
import { Mm, VM, Vma } from './structs.ts';

/** What a new vma is to be. */
export interface VmaSpec {
  readonly start: number;
  readonly end: number;
  readonly flags: number;
  /** An address_space; 0: anonymous. */
  readonly file: Addr;
  readonly pgoff: number;
}

/** Changes of vmas. */
export interface Vmas {
  /** Allocates a vma that is linked nowhere; 0: none is left. */
  make(mm: Addr, spec: VmaSpec): Addr;
  /** Frees a vma that is linked nowhere. */
  free(vma: Addr): void;
  /** Links a vma everywhere. */
  link(vma: Addr): void;
  /** Lets a neighbour take the range over. @returns the vma that has it now; 0: there is none that could */
  merge(mm: Addr, prev: Addr, spec: VmaSpec): Addr;
  /** Parts a vma at an address inside. @param newBelow the new vma gets what is below @returns 0 or -ENOMEM */
  split(vma: Addr, address: number, newBelow: boolean): number;
  /** Takes a vma out of its file's tree. */
  unlinkFile(vma: Addr): void;
  /** Marks a vma of a file as one whose pages may be anywhere: from its tree to its list. */
  makeNonlinear(vma: Addr): void;
  /**
   * Runs with the vma of an address and its page tables to itself, as a fault has them: mmap_sem for reading, page_table_lock.
   * @param run gets the vma: 0 when nothing is mapped there
   */
  withEntries<T>(mm: Addr, address: number, run: (vma: Addr) => T): T;
}

/** Flags that keep vmas apart. */
const SPECIAL = VM.RESERVED | VM.NONLINEAR;

export function vmas(k: Kernel): Vmas {
  const { isa, slabs, vmaTree, iMmap, rmap, sections, spf } = k;
  const { begin, end: over } = spf.writers;
  const { vm_mm, vm_start, vm_end, vm_next, vm_flags, vm_pgoff, vm_file, anon_vma, anon_vma_chain } = Vma;

  const pages = (from: number, to: number): number => (to - from) >>> PAGE_SHIFT;

  function make(mm: Addr, { start, end, flags, file, pgoff }: VmaSpec): Addr {
    const vma = slabs.vmas.tryAlloc();
    if (vma === 0) return 0;
    isa.write(vma + vm_mm, mm);
    isa.write(vma + vm_start, start);
    isa.write(vma + vm_end, end);
    isa.write(vma + vm_next, 0);
    isa.write(vma + vm_flags, flags);
    isa.write(vma + vm_pgoff, pgoff);
    isa.write(vma + vm_file, file);
    isa.write(vma + anon_vma, 0);
    isa.write(vma + Vma.vm_truncate_count, 0);
    isa.write(vma + Vma.vm_private_data, 0);
    k.lists.init(vma + anon_vma_chain);
    spf.vmas.born(vma);
    return vma;
  }

  function free(vma: Addr): void {
    spf.vmas.freed(vma, slabs.vmas.free);
  }

  function linkFile(vma: Addr): void {
    if (isa.read(vma + vm_file) === 0) return;
    if ((isa.read(vma + vm_flags) & VM.NONLINEAR) !== 0) iMmap.nonlinearAdd(vma);
    else iMmap.insert(vma);
  }

  function dropFile(vma: Addr): void {
    if (isa.read(vma + vm_file) === 0) return;
    if ((isa.read(vma + vm_flags) & VM.NONLINEAR) !== 0) iMmap.nonlinearRemove(vma);
    else iMmap.remove(vma);
  }

  function link(vma: Addr): void {
    const mm = isa.read(vma + vm_mm);
    sections.enter('vmaLink', { mm, vma, mapping: isa.read(vma + vm_file), anon: rmap.lockOf(vma) });
    vmaTree.vmaLink(mm, vma);
    linkFile(vma);
    k.truncate.stamps.linked(vma);
    sections.leave();
  }

  /** New bounds; a file's tree goes by them. */
  function rebound(vma: Addr, start: number, end: number, pgoff: number): void {
    dropFile(vma);
    isa.write(vma + vm_start, start);
    isa.write(vma + vm_end, end);
    isa.write(vma + vm_pgoff, pgoff);
    linkFile(vma);
  }

  /** Whether a vma could go on into a range, or a range into it. */
  function alike(vma: Addr, { flags, file }: VmaSpec): boolean {
    return (
      vma !== 0 &&
      (flags & SPECIAL) === 0 &&
      isa.read(vma + vm_flags) === flags &&
      isa.read(vma + vm_file) === file
    );
  }

  /** Whether `pgoff` goes on where a vma ends; anonymous ones go on by address, which their pgoff follows. */
  const goesOn = (vma: Addr, pgoff: number): boolean =>
    isa.read(vma + vm_pgoff) + pages(isa.read(vma + vm_start), isa.read(vma + vm_end)) === pgoff;

  function merge(mm: Addr, prev: Addr, spec: VmaSpec): Addr {
    const { start, end, file, pgoff } = spec;
    const next = prev === 0 ? isa.read(mm + Mm.mmap) : isa.read(prev + vm_next);
    const atPrev = alike(prev, spec) && isa.read(prev + vm_end) === start && goesOn(prev, pgoff);
    const atNext =
      alike(next, spec) &&
      isa.read(next + vm_start) === end &&
      isa.read(next + vm_pgoff) === pgoff + pages(start, end);
    if (!atPrev && !atNext) return 0;
    const all = atPrev && atNext && rmap.mergeable(prev, next);
    if (all && !rmap.merging(prev, next)) return 0;
    const vma = atPrev ? prev : next;
    begin(vma, 'adjust');
    if (all) begin(next, 'adjust');
    sections.enter('vmaMerge', { mm, vma, mapping: file, anon: rmap.lockOf(vma) });
    if (all) {
      const to = isa.read(next + vm_end);
      dropFile(next);
      k.truncate.stamps.merged(prev, next);
      rebound(prev, isa.read(prev + vm_start), to, isa.read(prev + vm_pgoff));
      vmaTree.vmaUnlink(mm, next);
    } else if (atPrev) rebound(prev, isa.read(prev + vm_start), end, isa.read(prev + vm_pgoff));
    else rebound(next, start, isa.read(next + vm_end), pgoff);
    sections.leave();
    over(vma, 'adjust');
    if (all) {
      over(next, 'adjust');
      rmap.unlinked(next);
      free(next);
    }
    return vma;
  }

  function split(vma: Addr, address: number, newBelow: boolean): number {
    const mm = isa.read(vma + vm_mm);
    const [start, end] = [isa.read(vma + vm_start), isa.read(vma + vm_end)];
    const [pgoff, file] = [isa.read(vma + vm_pgoff), isa.read(vma + vm_file)];
    const at = pgoff + pages(start, address);
    const part = make(mm, {
      start: newBelow ? start : address,
      end: newBelow ? address : end,
      flags: isa.read(vma + vm_flags),
      file,
      pgoff: newBelow ? pgoff : at,
    });
    if (part === 0) return -ENOMEM;
    if (!rmap.copied(part, vma)) {
      free(part);
      return -ENOMEM;
    }
    k.truncate.stamps.splitting(vma, part);
    begin(vma, 'adjust');
    sections.enter('splitVma', { mm, vma, mapping: file, anon: rmap.lockOf(vma) });
    if (newBelow) rebound(vma, address, end, at);
    else rebound(vma, start, address, pgoff);
    k.truncate.stamps.split(vma, part);
    vmaTree.vmaLink(mm, part);
    linkFile(part);
    sections.leave();
    over(vma, 'adjust');
    return 0;
  }

  function unlinkFile(vma: Addr): void {
    const mapping = isa.read(vma + vm_file);
    if (mapping === 0) return;
    sections.enter('iMmapChange', { mm: isa.read(vma + vm_mm), vma, mapping });
    dropFile(vma);
    sections.leave();
  }

  function makeNonlinear(vma: Addr): void {
    const flags = isa.read(vma + vm_flags);
    if ((flags & VM.NONLINEAR) !== 0) return;
    const mm = isa.read(vma + vm_mm);
    sections.enter('iMmapChange', { mm, vma, mapping: isa.read(vma + vm_file) });
    sections.enter('flagsChange', { mm, vma });
    dropFile(vma);
    isa.writeOnce(vma + vm_flags, flags | VM.NONLINEAR);
    linkFile(vma);
    sections.leave();
    sections.leave();
  }

  function withEntries<T>(mm: Addr, address: number, run: (vma: Addr) => T): T {
    sections.enter('faultFind', { mm });
    const found = vmaTree.findVma(mm, address);
    const vma = found !== 0 && isa.readOnce(found + vm_start) <= address ? found : 0;
    sections.enter('pteChange', { mm, vma });
    const result = run(vma);
    sections.leave();
    sections.leave();
    return result;
  }

  return { make, free, link, merge, split, unlinkFile, makeNonlinear, withEntries };
}
