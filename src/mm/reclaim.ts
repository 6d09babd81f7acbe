/**
 * Reclaim: pages that were not used lately lose their entries and are freed (shrink_list, refill_inactive_zone; mm/vmscan.c, Linux 2.6.5).
 *
 *   from the end of the inactive list: isolated -> locked -> used lately? back, active
 *                                                -> anonymous and not in the swap cache: put there
 *                                                -> unmapped from all entries          (try_to_unmap; rmap/index.ts)
 *                                                -> dirty: written
 *                                                -> out of its cache, if nobody else has it -> freed
 *
 * A page that stands in the way of any step goes back to its list, and so does one that has left its cache: it goes when the last one lets go of it. The isolator's reference keeps the page; the page lock keeps others from its cache and its state. Only trylocks are taken from here on:
 * reclaim may be called by a fault, which holds mmap_sem.
 *
 * mlock designs decide what is put back where (mlock/).
 */
import type { Addr } from '../arch/index.ts';
import type { Kernel } from './kernel.ts';
import { SWAP_SUCCESS } from './rmap/index.ts';
import { PG } from './structs.ts';

/** Reclaim. */
export interface Reclaim {
  /** Looks at pages from the end of the inactive list. @returns how many were freed */
  shrinkInactive(most: number): number;
  /** Moves pages from the end of the active list that were not used to the inactive list. */
  shrinkActive(most: number): void;
  /** One round of kswapd. @returns how many pages were freed */
  balance(most: number): number;
  /** Reclaims one isolated page; gives the isolator's reference up either way. @returns whether it was freed */
  reclaimPage(page: Addr): boolean;
  /** A page, after reclaim if need be; 0: there is none. */
  allocPage(): Addr;
}

const BATCH = 8;

export function reclaim(k: Kernel): Reclaim {
  const { locks, lru, mlock, pages, pageAlloc, pageCache, rmap, swap } = k;

  /** A page is not freed. */
  function keep(page: Addr, active: boolean): boolean {
    if (active) pages.set(page, PG.active.mask);
    locks.page.release(page);
    lru.putback(page);
    return false;
  }

  function reclaimPage(page: Addr): boolean {
    if (mlock.skips(page) || !locks.page.tryAcquire(page)) {
      lru.putback(page);
      return false;
    }
    if (rmap.referenced(page) > 0 && pages.mapped(page)) return keep(page, true);
    // What has been read in from swap is no anonymous page before somebody maps it.
    const anon = pages.anon(page) || pages.has(page, PG.swapcache.mask);
    if (!anon && pages.mappingOf(page) === 0) return keep(page, false);
    if (anon && !pages.has(page, PG.swapcache.mask) && !swap.addToSwap(page)) return keep(page, true);
    if (pages.mapped(page) && rmap.tryToUnmap(page) !== SWAP_SUCCESS) return keep(page, pages.mapped(page));
    if (pages.has(page, PG.dirty.mask)) {
      if (anon) swap.writepage(page);
      else pageCache.writepage(page);
    }
    if (!(anon ? swap.removeUnused(page) : pageCache.removeUnused(page))) return keep(page, false);
    locks.page.release(page);
    lru.discard(page);
    return true;
  }

  function shrinkInactive(most: number): number {
    let freed = 0;
    for (const page of lru.isolateTail(false, most)) if (reclaimPage(page)) freed += 1;
    return freed;
  }

  function shrinkActive(most: number): void {
    for (const page of lru.isolateTail(true, most)) {
      if (locks.page.tryAcquire(page)) {
        if (!pages.mapped(page) || rmap.referenced(page) === 0) pages.clear(page, PG.active.mask);
        locks.page.release(page);
      }
      lru.putback(page);
    }
  }

  function balance(most: number): number {
    lru.drain();
    shrinkActive(most);
    return shrinkInactive(most);
  }

  return {
    shrinkInactive,
    shrinkActive,
    balance,
    reclaimPage,
    allocPage() {
      const page = pageAlloc.allocPage();
      if (page !== 0) return page;
      // Twice: what is used lately is found unused the second time.
      for (let round = 0; round < 2; round += 1) if (balance(BATCH) > 0) break;
      return pageAlloc.allocPage();
    },
  };
}
