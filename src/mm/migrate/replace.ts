/**
 * One page takes another's place (migrate_page_move_mapping, migrate_page_copy; mm/migrate.c, Linux 2.6.16 to 4.8).
 *
 *   in no cache          nobody has it but the caller: that is seen in the count, and nobody can come to it
 *   in the page cache    under tree_lock: count frozen, i.e. from what it has to be to 0, the place given to the new page, the old count without the cache's reference set again
 *   in the swap cache    likewise
 *
 * A count that is more than those who are known means that somebody holds the page, and may write to it: -EAGAIN. A count of 0 keeps away who would take a reference without a lock (getUnlessZero); who takes one
 * under tree_lock waits for it.
 *
 * The new page is locked and not PG_uptodate until the content is there: who finds it in a cache waits for its lock.
 */
import type { Addr } from '../../arch/index.ts';
import { EAGAIN } from '../errno.ts';
import type { Kernel } from '../kernel.ts';
import { AddressSpace, Page, PG, SwapInfo } from '../structs.ts';
import { FRAME_BYTES } from '../world.ts';

/** What goes with a page. */
const STATE = PG.referenced.mask | PG.uptodate.mask | PG.dirty.mask | PG.active.mask | PG.swapbacked.mask;
/** A page that mlock has to do with stays. */
const STAYS = PG.mlocked.mask | PG.unevictable.mask | PG.reserved.mask | PG.writeback.mask;

/** Puts a page in another's place. Both are locked, nothing maps them. @returns 0, -EAGAIN */
export type ReplacePage = (newpage: Addr, page: Addr) => number;

export function replacePage({ isa, locks, pages, pageCache, world }: Kernel): ReplacePage {
  const swapTree = world.swap + SwapInfo.tree_lock;

  /** The place of a page in its cache, and the lock of that; undefined: it is in none. */
  function placeOf(page: Addr): { readonly lock: Addr; readonly slot: Addr } | undefined {
    if (pages.has(page, PG.swapcache.mask)) {
      const entry = isa.read(page + Page.private);
      return { lock: swapTree, slot: world.swapCache + 4 * (entry - 1) };
    }
    const mapping = pages.anon(page) ? 0 : pages.mappingOf(page);
    if (mapping === 0) return undefined;
    return { lock: mapping + AddressSpace.tree_lock, slot: pageCache.slotOf(mapping, pages.indexOf(page)) };
  }

  function name(newpage: Addr, page: Addr): void {
    isa.writeOnce(newpage + Page.index, pages.indexOf(page));
    isa.writeOnce(newpage + Page.mapping, pages.mappingOf(page));
  }

  /** @returns whether the new page is there */
  function exchange(newpage: Addr, page: Addr, lock: Addr, slot: Addr): boolean {
    const expected = 2;
    locks.spin.acquire(lock);
    const ours =
      isa.read(slot) === page && isa.compareExchange(page + Page._refcount, expected, 0) === expected;
    if (ours) {
      name(newpage, page);
      pages.get(newpage);
      if (lock === swapTree) {
        isa.write(newpage + Page.private, isa.read(page + Page.private));
        pages.set(newpage, PG.swapcache.mask);
        isa.write(page + Page.private, 0);
        pages.clear(page, PG.swapcache.mask);
      }
      isa.write(slot, newpage);
      isa.storeWake(page + Page._refcount, expected - 1);
    }
    locks.spin.release(lock);
    return ours;
  }

  function copy(newpage: Addr, page: Addr): void {
    const [to, from] = [pages.contentOf(newpage), pages.contentOf(page)];
    for (let word = 0; word < FRAME_BYTES; word += 4) isa.write(to + word, isa.readOnce(from + word));
    pages.set(newpage, isa.readOnce(page + Page.flags) & STATE);
    pages.clear(page, PG.active.mask | PG.dirty.mask);
  }

  return (newpage, page) => {
    if (pages.has(page, STAYS)) return -EAGAIN;
    const place = placeOf(page);
    if (place === undefined) {
      if (pages.count(page) !== 1) return -EAGAIN;
      name(newpage, page);
    } else if (!exchange(newpage, page, place.lock, place.slot)) return -EAGAIN;
    copy(newpage, page);
    return 0;
  };
}
