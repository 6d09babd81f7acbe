/**
 * swapoff: every entry that names the swap device gets its page back (try_to_unuse, unuse_process; mm/swapfile.c, Linux 2.6.5 to 2.6.12).
 *
 * Slot by slot: the page is read in and locked; then every address space is searched for entries with the slot, vma by vma along the list, under what the regime gives `unuse`. A slot is
 * done when only the swap cache uses it.
 *
 * The search goes round until that is so: an entry that a pass misses because vmas changed under it is found by the next. A search that trusts its first pass is a variant (mm.md, R0.3).
 *
 * It goes over the slots until none is used: a fault that saw an entry before its search was over counts the slot once more, and may put a page of its own into the cache when the search's is out of it.
 *
 * A regime whose `unuse` waits for mmap_sem does so with the page locked, against the order of faults, which hold mmap_sem and wait for pages (R0.6). The form here tries, and
 * gives the page lock up while it waits (Linux 2.6.12); what that cannot spoil is the page: its slot, the cache and this reference keep it from being swapped out again.
 */
import type { Addr } from '../arch/index.ts';
import { EBUSY, EINVAL, ENOMEM } from './errno.ts';
import type { Kernel } from './kernel.ts';
import { told } from './mlock/design.ts';
import { mkPte, pteNumber, pteSwap } from './pte.ts';
import { Globals, Mm, PG, Vma } from './structs.ts';

/** The swap device goes. */
export interface Swapoff {
  /** @returns 0; -EINVAL when the device is being taken away already, or is away; -ENOMEM; -EBUSY when entries were left after `passes` searches */
  swapoff(passes?: number): number;
  /** Entries are given out again. */
  swapon(): void;
  /** Searches an address space for a slot's entries and maps the page there; page lock held. @returns how many */
  unuseProcess(mm: Addr, slot: number, page: Addr): number;
}

/** How often the address spaces are searched for one slot before it is said. */
const PASSES = 100;

export function swapoff(k: Kernel): Swapoff {
  const { isa, world, locks, pages, pgtable, rmap, sections, swap, mms } = k;
  const { vm_start, vm_end, vm_next } = Vma;
  const mmlistLock = world.globals + Globals.mmlist_lock;
  const mmlist = world.globals + Globals.init_mmlist;

  function unuseVma(mm: Addr, vma: Addr, slot: number, page: Addr): number {
    let found = 0;
    pgtable.forEach(mm, isa.read(vma + vm_start), isa.read(vma + vm_end), (at, address) => {
      const pte = pgtable.read(at);
      if (!pteSwap(pte) || pteNumber(pte) !== slot) return;
      if (!rmap.addAnon(page, vma, address, at)) return;
      pages.get(page);
      isa.fetchAddRelaxed(mm + Mm.rss, 1);
      // One that could not be faulted in when it was locked; the page lock is held.
      if (told(isa.readOnce(vma + Vma.vm_flags))) k.mlock.mlockVmaPage(page);
      pgtable.set(at, mkPte(pages.pfnOf(page), 0));
      swap.free(slot);
      found += 1;
    });
    return found;
  }

  function unuseProcess(mm: Addr, slot: number, page: Addr): number {
    const waits = sections.wants('unuse').mmap_sem === 'R';
    if (waits && !sections.enter('faultFind', { mm }, true)) {
      locks.page.release(page);
      sections.enter('faultFind', { mm });
      locks.page.acquire(page);
    }
    let found = 0;
    sections.enter('unuse', { mm });
    for (let vma = isa.read(mm + Mm.mmap); vma !== 0; vma = isa.read(vma + vm_next)) {
      isa.consumed(vma);
      // Where each vma has a page_table_lock, this is where it is taken.
      sections.enter('unuse', { mm, vma });
      found += unuseVma(mm, vma, slot, page);
      sections.leave();
    }
    sections.leave();
    if (waits) sections.leave();
    return found;
  }

  /** One search of all address spaces for a slot. The one that was searched last is kept in use, and so on the list, until the next one is. */
  function everywhere(slot: number, page: Addr): void {
    let searched: Addr = 0;
    locks.spin.acquire(mmlistLock);
    for (let entry = isa.read(mmlist); entry !== mmlist; ) {
      const mm = entry - Mm.mmlist;
      if (mms.getUser(mm)) {
        locks.spin.release(mmlistLock);
        if (searched !== 0) mms.put(searched);
        searched = mm;
        unuseProcess(mm, slot, page);
        locks.spin.acquire(mmlistLock);
      }
      entry = isa.read(entry);
    }
    locks.spin.release(mmlistLock);
    if (searched !== 0) mms.put(searched);
  }

  function tryToUnuse(slot: number, passes: number): number {
    const page = swap.readSwapCache(slot);
    if (page === 0) return swap.count(slot) === 0 ? 0 : -ENOMEM;
    locks.page.acquire(page);
    let left = passes;
    while (swap.count(slot) > 1 && left > 0) {
      everywhere(slot, page);
      left -= 1;
    }
    const clean = swap.count(slot) <= 1;
    if (clean && pages.has(page, PG.swapcache.mask)) {
      pages.set(page, PG.dirty.mask);
      swap.deleteFromSwapCache(page);
    }
    locks.page.release(page);
    if (pages.putTestzero(page)) k.lru.release(page);
    return clean ? 0 : -EBUSY;
  }

  return {
    unuseProcess,
    swapon: () => swap.swapon(),
    swapoff(passes = PASSES) {
      // Whoever comes second has nothing to take away: the first may still be at it.
      if (!swap.swapoff()) return -EINVAL;
      for (let slot = swap.nextUsed(0); slot !== 0; slot = swap.nextUsed(slot) || swap.nextUsed(0)) {
        const error = tryToUnuse(slot, passes);
        if (error !== 0) {
          swap.swapon();
          return error;
        }
      }
      return 0;
    },
  };
}
