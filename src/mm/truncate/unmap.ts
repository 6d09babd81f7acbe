/**
 * unmap_mapping_range: takes pages of a file out of all page tables that map them ("vmtrunc" 4/6 and 7/6, Hugh Dickins, October 2004; mm/memory.c, Linux 2.6.12).
 *
 *   i_mmap_lock      keeps the tree and the list of the file's vmas, their bounds, the vmas themselves and with them their page tables: who unmaps or exits takes a vma out under it, and frees it after
 *   page_table_lock  inside of it, for a block of pages at a time
 *
 * Held from end to end i_mmap_lock is held for as long as it takes to go over every page of every mapping, and mmap, munmap and fork of the file wait (R2.1). So it is given away when somebody waits
 * for it, behind a block or a vma. After that the walk starts over, for the place in the tree is worth nothing any more (R2.2); it comes on because vmas that are done are stamped (R2.3), and
 * one that was broken off goes on where it was (R2.4).
 *
 * The tree comes before the list: a vma may go from the tree to the list meanwhile, never back (R2.8).
 *
 * page_table_lock is given away behind each block, whoever waits for it: this costs no walk, since the vma cannot go while i_mmap_lock is held (R2.12).
 *
 * A fault that has asked the file before i_size was changed sees under page_table_lock that truncate_count is another, and asks again. It has read the count before it asked; here i_size comes first, then the
 * count, then the zapping. So either it installs its entry before page_table_lock is taken here, and the entry goes, or it sees the count (R2.10).
 *
 * One call at a time for a file (`unmap_mutex`): two would overwrite each other's places in the vmas (R2.13).
 */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SHIFT, PAGE_SIZE } from '../pte.ts';
import { AddressSpace, Mm, MmCpu, VM, Vma } from '../structs.ts';
import type { ZapDetails } from '../zap.ts';
import type { TruncateRules } from './rules.ts';
import { isRestart } from './stamps.ts';

/** Pages of a file that are to go from page tables. */
export interface Unmapping {
  readonly mapping: Addr;
  /** Pages of the file. */
  readonly first: number;
  readonly last: number;
  /** Private copies, too. */
  readonly evenCows: boolean;
}

/** A call: what it is about, its number, and where 4/6 has it go on. */
interface Call extends Unmapping {
  count: number;
  brokeVma: Addr;
  brokePgoff: number;
  brokeAt: number;
}

/** Unmaps pages of a file. */
export type UnmapMapping = (unmapping: Unmapping) => void;

export function unmapMapping(k: Kernel, rules: TruncateRules): UnmapMapping {
  const { isa, iMmap, sections, spf, zap, gather: gathers, mlockPages, locks } = k;
  const { truncate_count, i_mmap_waiters, unmap_mutex } = AddressSpace;
  const { vm_mm, vm_start, vm_end, vm_pgoff, vm_flags, vm_truncate_count } = Vma;
  const mask = rules.width === 32 ? -1 : (1 << rules.width) - 1;
  const byVma = rules.resumes === 'by vma';

  const indexOf = (vma: Addr, address: number): number =>
    isa.read(vma + vm_pgoff) + ((address - isa.read(vma + vm_start)) >> PAGE_SHIFT);
  const wanted = (mapping: Addr): boolean => isa.readOnce(mapping + i_mmap_waiters) !== 0;

  function enter(mapping: Addr): void {
    sections.enter('truncate', { mm: 0, mapping });
  }

  /** i_mmap_lock is nobody's for a moment. Pages that wait to be told of are: that sleeps. */
  function giveWay(mapping: Addr): void {
    sections.leave();
    mlockPages.settle();
    enter(mapping);
  }

  /** All vmas of a file are to be looked at. */
  function reset(mapping: Addr): void {
    const unstamp = (vma: Addr): void => isa.write(vma + vm_truncate_count, 0);
    iMmap.forEach(mapping, 0, 2 ** 31 - 1, unstamp);
    iMmap.nonlinearForEach(mapping, unstamp);
  }

  /** The number of a call: one that no address is, and never 0. */
  function nextCount(mapping: Addr): number {
    const next = (now: number): number => (now + 1) & mask;
    let count = next(isa.readOnce(mapping + truncate_count));
    if (count === 0 && rules.wrap !== 'no reset') reset(mapping);
    while ((count === 0 && rules.wrap !== 'stays 0') || (byVma && isRestart(count))) count = next(count);
    if (rules.barriers) isa.wmb();
    isa.writeOnce(mapping + truncate_count, count);
    if (rules.barriers) isa.mb();
    return count;
  }

  /** Zaps a block of a vma. @returns where it ended */
  function zapBlock(call: Call, vma: Addr, start: number, end: number): number {
    const { mapping, first, last, evenCows } = call;
    const mm = isa.read(vma + vm_mm);
    const to = Math.min(end, start + rules.block * PAGE_SIZE);
    const nonlinear = (isa.readOnce(vma + vm_flags) & VM.NONLINEAR) !== 0;
    let details: ZapDetails = {};
    if (nonlinear) details = { mapping, firstIndex: first, lastIndex: last };
    else if (!evenCows) details = { mapping };
    spf.writers.begin(vma, 'zap');
    sections.enter('truncateEntries', { mm, vma });
    const gather = gathers.begin(mm);
    zap.range(gather, vma, start, to, details);
    gathers.finish(gather);
    // The end of the gather that the block had, once more.
    if (!rules.regathers && to < end)
      isa.fetchAddRelaxed(mm + Mm.rss, -isa.read(gather + MmCpu.gather_freed));
    sections.leave();
    spf.writers.end(vma, 'zap');
    return to;
  }

  /** Where a vma goes on; at its end or behind it: there is nothing left. */
  function resume(call: Call, vma: Addr, start: number, end: number): number {
    if (byVma) {
      const stamp = isa.read(vma + vm_truncate_count);
      return isRestart(stamp) ? Math.max(start, stamp) : start;
    }
    if (rules.resumes === 'at the start' || vma !== call.brokeVma || start >= call.brokeAt) return start;
    const same = rules.resumes === 'by address' || indexOf(vma, call.brokeAt) === call.brokePgoff;
    return same ? call.brokeAt : end;
  }

  /** Unmaps a range of a vma. @returns whether i_mmap_lock has been held all the while */
  function unmapVma(call: Call, vma: Addr, start: number, end: number): boolean {
    const { mapping, count } = call;
    let at = resume(call, vma, start, end);
    for (;;) {
      if (at < end) at = zapBlock(call, vma, at, end);
      const done = at >= end;
      if (done && rules.stamps) isa.write(vma + vm_truncate_count, count);
      const give = rules.gives === 'wanted' ? wanted(mapping) : rules.gives === 'always' && !done;
      if (done && (!give || !rules.behind)) return true;
      if (!give) continue;
      if (!done) {
        if (byVma) isa.write(vma + vm_truncate_count, at);
        else Object.assign(call, { brokeVma: vma, brokeAt: at, brokePgoff: indexOf(vma, at) });
      }
      giveWay(mapping);
      return false;
    }
  }

  const isDone = ({ count }: Call, vma: Addr): boolean =>
    rules.stamps && isa.read(vma + vm_truncate_count) === count;

  /** Goes over the tree. @returns whether to the end */
  function walkTree(call: Call): boolean {
    const { mapping, first, last } = call;
    for (let vma = iMmap.iterFirst(mapping, first, last); vma !== 0; ) {
      if (!isDone(call, vma)) {
        const [start, bound] = [isa.read(vma + vm_start), isa.read(vma + vm_end)];
        const from = isa.read(vma + vm_pgoff);
        const end = Math.min(bound, start + (last - from + 1) * PAGE_SIZE);
        const held = unmapVma(call, vma, start + Math.max(first - from, 0) * PAGE_SIZE, end);
        if (!held && rules.walk === 'over') return false;
      }
      vma = iMmap.iterNext(vma, first, last);
    }
    return true;
  }

  /** Goes over the list: these may have any page anywhere. @returns whether to the end */
  function walkList(call: Call): boolean {
    let held = true;
    iMmap.nonlinearForEach(call.mapping, (vma) => {
      if (!isDone(call, vma)) held = unmapVma(call, vma, isa.read(vma + vm_start), isa.read(vma + vm_end));
      return held || rules.walk === 'on';
    });
    return held || rules.walk === 'on';
  }

  return (unmapping) => {
    const { mapping } = unmapping;
    if (rules.alone) locks.mutex.acquire(mapping + unmap_mutex);
    enter(mapping);
    const call = { ...unmapping, count: nextCount(mapping), brokeVma: 0, brokePgoff: 0, brokeAt: 0 };
    const walks = [walkTree, walkList];
    for (const walk of rules.first === 'tree' ? walks : walks.reverse()) while (!walk(call));
    sections.leave();
    mlockPages.settle();
    if (rules.alone) locks.mutex.release(mapping + unmap_mutex);
  };
}
