/**
 * Migration: the content of a page goes to another frame, and all who have the page have the new one (mm/migrate.c, Linux 4.8).
 *
 *   isolated -> new page -> old one locked, new one locked -> of the LRU: migration entries, replaced, entries of the new page      (migrate/entries.ts, migrate/replace.ts)
 *                                                          -> a driver's: its migratepage; one that it has given up meanwhile is done
 *            -> 0: the isolator's reference goes, and with it the old page
 *            -> -EAGAIN: it stays on the list for the next of ten passes; from the third on the page lock is waited for
 *            -> another error: back to where it came from
 *
 * Whether a page is the LRU's is seen by its type, which stays until it is freed. What its driver has given up since it was isolated has the type and no pointer: there is nothing to move (R4.4).
 *
 * The old page keeps its type until it is freed, for statistics and for putting it back; a page of a file has none, and loses its mapping (R4.2).
 *
 * Locks: page lock of the old page, then of the new one, which nobody knows. Then the driver's, or those of the reverse mapping and tree_lock.
 */
import type { Addr } from '../arch/index.ts';
import { EAGAIN, ENOMEM } from './errno.ts';
import type { Kernel } from './kernel.ts';
import { migrationEntries } from './migrate/entries.ts';
import { replacePage } from './migrate/replace.ts';
import { MIGRATE_DESIGNS, type MigrateRules } from './migrate/rules.ts';
import type { MigrateMode } from './movable/driver.ts';
import { MmViolation } from './oracles/violation.ts';
import { MAPPING_ANON, MAPPING_FLAGS, Page, PG } from './structs.ts';

/** Brings a page for an old one; 0: none. */
export type NewPage = (page: Addr) => Addr;

/** What came of a list of pages. */
export interface Migrated {
  readonly done: number;
  /** Put back, or left on the list. */
  readonly failed: number;
  /** How often one was tried once more. */
  readonly again: number;
}

/** Migration. */
export interface Migrate {
  /** move_to_new_page: both are locked; one of the LRU's is mapped nowhere. @returns 0, -EAGAIN, or another error negated */
  moveToNewPage(newpage: Addr, page: Addr, mode: MigrateMode): number;
  /** Migrates isolated pages. What stays on the list is the caller's to put back. @param list a list head, linked by page.lru */
  migratePages(list: Addr, newPage: NewPage, mode: MigrateMode): Migrated;
  /** Puts all pages of a list back, to their drivers or to the LRU (putback_movable_pages). */
  putbackMovablePages(list: Addr): void;
}

/** Passes after which a page lock is waited for. */
const PATIENT = 2;

/** Makes the module. @param rules how pages are migrated */
export function migrate(k: Kernel, rules: MigrateRules = MIGRATE_DESIGNS.merged): Migrate {
  const { isa, locks, lists, pages, lru, movable, mlockPages } = k;
  const entries = migrationEntries(k);
  const replace = replacePage(k);

  function put(page: Addr): void {
    if (pages.putTestzero(page)) lru.release(page);
  }

  const losesMapping = (mapping: number): boolean => {
    if (rules.clearsMapping === 'not anonymous') return (mapping & MAPPING_ANON) === 0;
    return ((mapping & MAPPING_FLAGS) === 0) === (rules.clearsMapping === 'no type');
  };

  /** A driver's page was isolated by who migrates it. */
  function judge(page: Addr): void {
    if (!movable.isolated(page))
      throw new MmViolation('O-ISO', `page ${pages.pfnOf(page)} is migrated, and is not isolated`);
  }

  /** A driver's. */
  function moveMovable(newpage: Addr, page: Addr, mode: MigrateMode): number {
    judge(page);
    if (movable.pageMovable(page)) {
      const ops = movable.opsFor(page, 'migratepage');
      const result = ops.migratepage(movable.mappingOf(page), newpage, page, mode);
      if (result !== 0) return result;
    }
    pages.clear(page, PG.isolated.mask);
    return 0;
  }

  /** One of the LRU's, or what is taken for one. */
  function moveLru(newpage: Addr, page: Addr, mode: MigrateMode): number {
    const mapping = movable.mappingOf(page);
    // The file system's migratepage: that of a driver is none.
    if (mapping !== 0 && k.drivers.opsOf(mapping) !== undefined)
      return movable.opsFor(page, 'migratepage').migratepage(mapping, newpage, page, mode);
    return replace(newpage, page);
  }

  function moveToNewPage(newpage: Addr, page: Addr, mode: MigrateMode): number {
    const result = movable.peek(page) ? moveMovable(newpage, page, mode) : moveLru(newpage, page, mode);
    if (result === 0 && losesMapping(isa.readOnce(page + Page.mapping)))
      isa.writeOnce(page + Page.mapping, 0);
    return result;
  }

  /** One of the LRU's, with its entries. */
  function moveMapped(newpage: Addr, page: Addr, mode: MigrateMode): number {
    const anonVma = entries.getAnonVma(page);
    const wasMapped = pages.mapped(page);
    // An anonymous page that nothing maps is about to go, unless it is cached.
    const goes = pages.anon(page) && anonVma === 0 && !pages.has(page, PG.swapcache.mask);
    let result = -EAGAIN;
    if (!goes && (!wasMapped || entries.unmap(page))) result = moveToNewPage(newpage, page, mode);
    if (wasMapped) entries.restore(page, result === 0 ? newpage : page, anonVma);
    entries.putAnonVma(anonVma);
    return result;
  }

  /** __unmap_and_move. */
  function move(newpage: Addr, page: Addr, wait: boolean, mode: MigrateMode): number {
    const isLru = !movable.peek(page);
    if (!locks.page.tryAcquire(page)) {
      if (!wait || mode === 'async') return -EAGAIN;
      locks.page.acquire(page);
    }
    let result = -EAGAIN;
    if (locks.page.tryAcquire(newpage)) {
      result = isLru ? moveMapped(newpage, page, mode) : moveToNewPage(newpage, page, mode);
      locks.page.release(newpage);
    }
    locks.page.release(page);
    mlockPages.settle();
    return result;
  }

  /** Puts a page back that is on no list. */
  function putback(page: Addr): void {
    if (movable.peek(page)) movable.putbackMovablePage(page);
    else lru.putback(page);
  }

  /** The isolator has done with a page that was migrated. */
  function finish(page: Addr): void {
    if (movable.peek(page)) put(page);
    else lru.discard(page);
  }

  /** The new page, with the reference that it was allocated with: its owner has his own. */
  function settle(newpage: Addr): void {
    const used = pages.mappingOf(newpage) !== 0 || pages.has(newpage, PG.swapcache.mask);
    if (used && !movable.peek(newpage)) lru.cacheAdd(newpage);
    put(newpage);
  }

  /** Everybody else has let go of a page: there is nothing to move. */
  function letGo(page: Addr): void {
    if (movable.peek(page)) {
      locks.page.acquire(page);
      judge(page);
      if (!movable.pageMovable(page)) pages.clear(page, PG.isolated.mask);
      locks.page.release(page);
    }
    lists.del(page + Page.lru);
    finish(page);
  }

  /** unmap_and_move: takes the page off its list unless it is to be tried again. */
  function unmapAndMove(page: Addr, newPage: NewPage, wait: boolean, mode: MigrateMode): number {
    if (pages.count(page) === 1) {
      letGo(page);
      return 0;
    }
    const newpage = newPage(page);
    if (newpage === 0) return -ENOMEM;
    const result = move(newpage, page, wait, mode);
    if (result === 0) {
      lists.del(page + Page.lru);
      finish(page);
      settle(newpage);
      return 0;
    }
    put(newpage);
    if (result === -EAGAIN) {
      if (rules.again === 'put back') putback(page);
      return result;
    }
    lists.del(page + Page.lru);
    putback(page);
    return result;
  }

  return {
    moveToNewPage,
    migratePages(list, newPage, mode) {
      let [done, again] = [0, 0];
      const all: Addr[] = [];
      lists.forEach(list, (entry) => all.push(entry - Page.lru));
      let left = all;
      for (let pass = 0; pass < rules.passes && left.length > 0; pass += 1) {
        if (pass > 0) again += left.length;
        const stay: Addr[] = [];
        for (const page of left) {
          const result = unmapAndMove(page, newPage, pass > PATIENT, mode);
          if (result === -ENOMEM) return { done, failed: all.length - done, again };
          if (result === 0) done += 1;
          else if (result === -EAGAIN || rules.fails !== 'put back') stay.push(page);
        }
        left = stay;
      }
      return { done, failed: all.length - done, again };
    },
    putbackMovablePages(list) {
      for (let entry = lists.first(list); entry !== 0; entry = lists.first(list)) {
        lists.del(entry);
        putback(entry - Page.lru);
      }
    },
  };
}
