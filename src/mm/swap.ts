/**
 * The swap cache: the page of an entry, while there is one (mm/swap_state.c, page_io.c, Linux 2.6.5).
 *
 *   cached       PG_swapcache, private = entry, a reference and a count of the entry that are the cache's
 *   being read   cached, PG_locked, no PG_uptodate: who finds it waits for the page lock
 *   dirty        memory differs from the device; writepage, under the page lock, writes it out
 *
 * The cache is where they meet who want the same entry: whoever finds no page brings one along, already locked, and enters it if there is still none; the one that comes second finds the first one's
 * and drops his own. So there is one page an entry at a time, however many page tables hold it (mm.md R3.5).
 *
 * The cache, PG_swapcache and `private` change under tree_lock and the page lock. A page that is looked up gets its reference under tree_lock, where the cache's own still holds it. A reference does not keep it in
 * the cache: who has looked it up locks it, and looks again whether it is PG_swapcache with his entry.
 *
 * Locks: page lock, then swap_lock and tree_lock, here never both at once.
 */
import type { Addr } from '../arch/index.ts';
import type { Base } from './kernel.ts';
import type { Lru } from './lru.ts';
import type { Pages } from './pages.ts';
import { Page, PG, SwapInfo } from './structs.ts';
import { type SwapMap, swapMap } from './swap-map.ts';
import { FRAME_BYTES } from './world.ts';

/** Operations on the swap cache and the device, with those on its slots. */
export interface Swap extends SwapMap {
  /** Gives a page that is in no cache an entry, and the cache the page. Page lock held. @returns false when there is no slot */
  addToSwap(page: Addr): boolean;
  /** The page of an entry, with a reference for the caller; 0: none is cached. */
  lookupSwapCache(entry: number): Addr;
  /** The page of an entry, read in if none is cached, with a reference for the caller; 0: nobody counts the entry any more, or there is no memory. It may still be locked by who reads it. */
  readSwapCache(entry: number): Addr;
  /** Takes a page out of the cache, which gives up its count and reference. Page lock held. The caller has a reference, too. */
  deleteFromSwapCache(page: Addr): void;
  /** Takes the page out if no page table holds its entry any more (try_to_free_swap, 2.6.29). Page lock held. @returns whether it did */
  tryToFreeSwap(page: Addr): boolean;
  /** The same, but only if besides the cache nobody but the caller refers to the page (remove_exclusive_swap_page, 2.6.5). Page lock held. @returns whether it did */
  removeExclusive(page: Addr): boolean;
  /** Takes a clean page out that nobody but the caller refers to, whoever holds its entry: reclaim is about to free it. Page lock held. @returns whether it did */
  removeUnused(page: Addr): boolean;
  /** Counts an entry once less, for a page table, and takes its page out of the cache if that was the last and nobody uses the page (free_swap_and_cache). */
  freeSwapAndCache(entry: number): void;
  /** Writes a page to its slot and clears PG_dirty. Page lock held, and held afterwards. */
  writepage(page: Addr): void;
  /**
   * What is wrong when all CPUs are at rest, O-SWAPCNT; undefined: nothing.
   * @param ptes page-table entries that hold an entry
   */
  validate(ptes: (entry: number) => number): string | undefined;
}

/** What it is made of. */
export type SwapKernel = Base & {
  readonly pages: Pages;
  readonly reclaim: { allocPage(): Addr };
  readonly lru: Pick<Lru, 'cacheAdd' | 'release'>;
};

export function swap(k: SwapKernel): Swap {
  const { isa, spec, world, locks, pages } = k;
  const { nrpages } = SwapInfo;
  const slots = swapMap(k);
  const treeLock = world.swap + SwapInfo.tree_lock;
  const cached = (entry: number): Addr => world.swapCache + 4 * (entry - 1);
  const diskOf = (entry: number): Addr => world.swapDisk + FRAME_BYTES * (entry - 1);

  function put(page: Addr): void {
    if (pages.putTestzero(page)) k.lru.release(page);
  }

  function copy(from: Addr, to: Addr): void {
    for (let word = 0; word < FRAME_BYTES; word += 4) isa.write(to + word, isa.read(from + word));
  }

  /** Enters a locked page; the entry has been counted for the cache. @returns false when another page is there */
  function insert(page: Addr, entry: number): boolean {
    locks.spin.acquire(treeLock);
    const none = isa.read(cached(entry)) === 0;
    if (none) {
      pages.get(page);
      isa.write(cached(entry), page);
      isa.write(page + Page.private, entry);
      pages.set(page, PG.swapcache.mask);
      isa.write(world.swap + nrpages, isa.read(world.swap + nrpages) + 1);
    }
    locks.spin.release(treeLock);
    return none;
  }

  /** Takes a page out if, with nobody able to look it up, it may; the page lock is held. @returns whether it did */
  function removeIf(page: Addr, may: (entry: number) => boolean): boolean {
    if (!pages.has(page, PG.swapcache.mask)) return false;
    locks.spin.acquire(treeLock);
    const entry = isa.read(page + Page.private);
    const out = may(entry);
    if (out) {
      isa.write(cached(entry), 0);
      isa.write(page + Page.private, 0);
      pages.clear(page, PG.swapcache.mask);
      isa.write(world.swap + nrpages, isa.read(world.swap + nrpages) - 1);
    }
    locks.spin.release(treeLock);
    if (!out) return false;
    slots.free(entry);
    put(page);
    return true;
  }

  function addToSwap(page: Addr): boolean {
    for (;;) {
      const entry = slots.getSwapPage();
      if (entry === 0) return false;
      if (insert(page, entry)) {
        pages.set(page, PG.dirty.mask | PG.uptodate.mask);
        return true;
      }
      // Somebody with an entry from before the slot was last free has counted it again just now, and reads it in vain.
      slots.free(entry);
    }
  }

  function lookupSwapCache(entry: number): Addr {
    locks.spin.acquire(treeLock);
    const page = isa.read(cached(entry));
    if (page !== 0) pages.get(page);
    locks.spin.release(treeLock);
    return page;
  }

  function drop(fresh: Addr): void {
    if (fresh === 0) return;
    locks.page.release(fresh);
    put(fresh);
  }

  /** A page of its own, locked before anybody can find it; 0: no memory. */
  function allocLocked(): Addr {
    const page = k.reclaim.allocPage();
    if (page !== 0) locks.page.acquire(page);
    return page;
  }

  function readSwapCache(entry: number): Addr {
    let fresh = 0;
    for (;;) {
      const found = lookupSwapCache(entry);
      if (found !== 0) {
        drop(fresh);
        return found;
      }
      if (fresh === 0) fresh = allocLocked();
      if (fresh === 0) return 0;
      if (!slots.duplicate(entry)) {
        drop(fresh);
        return 0;
      }
      if (insert(fresh, entry)) break;
      slots.free(entry);
    }
    pages.set(fresh, PG.active.mask);
    k.lru.cacheAdd(fresh);
    copy(diskOf(entry), pages.contentOf(fresh));
    pages.set(fresh, PG.uptodate.mask);
    locks.page.release(fresh);
    return fresh;
  }

  const entryOf = (page: Addr): number => isa.read(page + Page.private);
  /** Besides the cache and the caller nobody refers to it. */
  const alone = (page: Addr): boolean => pages.count(page) === 2;

  /** Memory has it now, and memory alone. */
  function dirtied(page: Addr, out: boolean): boolean {
    if (out) pages.set(page, PG.dirty.mask);
    return out;
  }

  const removeExclusive = (page: Addr): boolean =>
    dirtied(
      page,
      removeIf(page, (entry) => slots.count(entry) === 1 && alone(page)),
    );

  function freeSwapAndCache(entry: number): void {
    if (slots.free(entry) !== 1) return;
    const page = lookupSwapCache(entry);
    if (page === 0) return;
    if (locks.page.tryAcquire(page)) {
      if (entryOf(page) === entry) removeExclusive(page);
      locks.page.release(page);
    }
    put(page);
  }

  function judge(ptes: (entry: number) => number): string | undefined {
    let used = 0;
    let held = 0;
    for (let entry = 1; entry <= spec.swapPages; entry += 1) {
      const page = isa.read(cached(entry));
      const counted = slots.count(entry);
      const should = ptes(entry) + (page === 0 ? 0 : 1);
      if (counted !== should)
        return `entry ${entry} is counted ${counted} times, ${should - (page === 0 ? 0 : 1)} ptes hold it and the cache ${page === 0 ? 'does not' : 'does'}`;
      if (counted > 0) used += 1;
      if (page === 0) continue;
      held += 1;
      if (!pages.has(page, PG.swapcache.mask) || isa.read(page + Page.private) !== entry)
        return `the page of entry ${entry} in the cache says that it is another's`;
      if (pages.count(page) < 1) return `the page of entry ${entry} in the cache has no reference`;
    }
    for (let pfn = 1; pfn <= spec.frames; pfn += 1)
      if (pages.has(pages.pageAt(pfn), PG.swapcache.mask)) held -= 1;
    if (held !== 0) return `${-held} pages more than the cache holds have PG_swapcache`;
    const inuse = isa.read(world.swap + SwapInfo.inuse_pages);
    return inuse === used ? undefined : `inuse_pages is ${inuse}, and ${used} slots are`;
  }

  return {
    ...slots,
    init() {
      slots.init();
      for (let entry = 1; entry <= spec.swapPages; entry += 1) isa.write(cached(entry), 0);
      isa.write(world.swap + nrpages, 0);
    },
    addToSwap,
    lookupSwapCache,
    readSwapCache,
    deleteFromSwapCache(page) {
      removeIf(page, () => true);
    },
    tryToFreeSwap: (page) =>
      dirtied(
        page,
        removeIf(page, (entry) => slots.count(entry) === 1),
      ),
    removeExclusive,
    removeUnused: (page) => removeIf(page, () => alone(page) && !pages.has(page, PG.dirty.mask)),
    freeSwapAndCache,
    writepage(page) {
      pages.clear(page, PG.dirty.mask);
      pages.set(page, PG.writeback.mask);
      copy(pages.contentOf(page), diskOf(entryOf(page)));
      pages.clear(page, PG.writeback.mask);
    },
    validate(ptes) {
      const wrong = judge(ptes);
      return wrong && `O-SWAPCNT: ${wrong}`;
    },
  };
}
