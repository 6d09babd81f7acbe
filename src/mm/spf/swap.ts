/**
 * Faults on pages that are on the swap device, without mmap_sem (do_swap_page, pte_unmap_same; "Speculative page faults" v7 04/24 and the thread on it, February 2018; v8).
 *
 * The entry was read without a lock, so it may have been another since, and on machines with entries of two words it may never have been there at all (R3.4). So it is asked about before its slot is looked up. The
 * answer has three values, and most of the thread is about how to give it:
 *
 *   mainline       the entry is compared under the pte lock, at the pointer that the walk found: the table may be gone (R3.1)
 *   compiled out   v7: nothing is compared, and nothing unmapped. Nothing wrong comes of the slot: the entry is compared again before it is replaced (R3.2). The same goes for a `stub` that says "same"
 *   aux            Laurent Dufour's draft of 8 February: a second return value, set to "same" before it is known (R3.3)
 *   inverted       Matthew Wilcox's sketch: what is not NOTSAME leaves (R3.3)
 *   PTNOTSAME      0: same; VM_FAULT_PTNOTSAME: different, somebody else was faster, which is success; VM_FAULT_RETRY: the vma has changed
 *
 * Compared is only where an entry can be torn: one word is right or old, and an old one is seen later.
 *
 * Two that fault on one slot meet in the swap cache (swap.ts): the one that comes second waits for the page lock, and finds the entry replaced (R3.5).
 */
import type { Addr } from '../../arch/index.ts';
import { VM_FAULT_MAJOR, VM_FAULT_MINOR, VM_FAULT_OOM, VM_FAULT_RETRY } from '../fault.ts';
import type { Kernel } from '../kernel.ts';
import { pteNumber } from '../pte.ts';
import { PG } from '../structs.ts';
import { commits } from './commit.ts';
import type { SpfRules, UnmapSame } from './rules.ts';
import type { PteLocks, VmFault } from './vmf.ts';

/** pte_unmap_same: the entry has changed. Nobody outside of do_swap_page sees it. */
export const VM_FAULT_PTNOTSAME = 0x4000;

/** do_swap_page. @returns VM_FAULT_* */
export type DoSwapPage = (vmf: VmFault) => number;

export function swapFaults(k: Kernel, rules: SpfRules, ptes: PteLocks): DoSwapPage {
  const { spec, pages, pgtable, swap, lru, locks, sections } = k;
  const { addAnon, addRss, entryOf } = commits(k, rules);
  const torn = spec.pteWords === 2;

  const put = (page: Addr): void => {
    if (pages.putTestzero(page)) lru.release(page);
  };
  const same = ({ pte, origPte }: VmFault): boolean => pgtable.read(pte) === origPte;

  /** Compares under the pte lock, if it can be had. @returns 0, VM_FAULT_PTNOTSAME, VM_FAULT_RETRY */
  function compare(vmf: VmFault): number {
    if (!ptes.spinlock(vmf)) return VM_FAULT_RETRY;
    const status = same(vmf) ? 0 : VM_FAULT_PTNOTSAME;
    ptes.unlock(vmf);
    return status;
  }

  /** The same by the pointer that it has, whatever that points to by now. */
  function compareBlindly(vmf: VmFault): number {
    const ptl = sections.ptlOf(vmf.mm, vmf.vma);
    locks.spin.acquire(ptl);
    const status = same(vmf) ? 0 : VM_FAULT_PTNOTSAME;
    locks.spin.release(ptl);
    return status;
  }

  function unmapping(ask: (vmf: VmFault) => number): (vmf: VmFault) => number {
    return (vmf) => {
      const status = torn ? ask(vmf) : 0;
      ptes.unmap();
      return status;
    };
  }

  const asks: Readonly<Record<UnmapSame, (vmf: VmFault) => number>> = {
    mainline: unmapping(compareBlindly),
    'compiled out': () => 0,
    stub: () => 0,
    aux: unmapping((vmf) => (compare(vmf) === VM_FAULT_PTNOTSAME ? VM_FAULT_PTNOTSAME : 0)),
    inverted: unmapping(compare),
    PTNOTSAME: unmapping(compare),
  };
  const ask = asks[rules.same];
  const leaves =
    rules.same === 'inverted'
      ? (status: number): boolean => status !== VM_FAULT_PTNOTSAME
      : (status: number): boolean => status !== 0;

  /** Nothing was read in. No memory, unless somebody else has dealt with the entry. */
  function nothingRead(vmf: VmFault): number {
    if (!ptes.mapLock(vmf)) return VM_FAULT_RETRY;
    const there = same(vmf);
    ptes.unmapUnlock(vmf);
    return there ? VM_FAULT_OOM : VM_FAULT_MINOR;
  }

  /** The entry is locked, and so is the page. */
  function install(vmf: VmFault, page: Addr, slot: number): boolean {
    if (!addAnon(vmf, page, false)) return false;
    addRss(vmf, 1);
    swap.free(slot);
    const exclusive = vmf.write && swap.removeExclusive(page);
    pgtable.set(vmf.pte, entryOf(vmf, page, exclusive));
    if (exclusive) pages.set(page, PG.dirty.mask);
    return true;
  }

  return (vmf) => {
    const slot = pteNumber(vmf.origPte);
    let page = rules.readahead ? swap.lookupSwapCache(slot) : 0;
    const status = ask(vmf);
    if (leaves(status)) {
      if (page !== 0 && rules.puts) put(page);
      return status === VM_FAULT_PTNOTSAME && rules.hides ? VM_FAULT_MINOR : status;
    }
    let result = VM_FAULT_MINOR;
    if (page === 0) page = swap.lookupSwapCache(slot);
    if (page === 0) {
      page = swap.readSwapCache(slot);
      result = VM_FAULT_MAJOR;
    }
    if (page === 0) return nothingRead(vmf);
    lru.markPageAccessed(page);
    locks.page.acquire(page);
    const locked = ptes.mapLock(vmf);
    const loses = locked && rules.late && !same(vmf);
    const installed = locked && !loses && install(vmf, page, slot);
    locks.page.release(page);
    if (locked) ptes.unmapUnlock(vmf);
    if (installed) return result;
    if (rules.puts || !loses) put(page);
    if (!locked) return VM_FAULT_RETRY;
    return loses ? VM_FAULT_MINOR : VM_FAULT_OOM;
  };
}
