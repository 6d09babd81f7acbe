/**
 * A pool of pages as the driver of a graphics processor keeps one: it gives out single pages by handles, and takes them back; any of them may be moved (the least of drivers; "mm: migrate: support non-lru movable
 * page migration", Minchan Kim, May 2016).
 *
 *   address_space.private_list   its pages but for those that are isolated, linked by page.lru, under private_lock
 *   handle                       the number of a page for its user, from 1 on; a table says which page that is now. `index` of the page is the handle
 *
 * Whoever has a handle, and wants the page to stay, looks it up, locks it, and looks again: it may have been moved in between. It is moved, isolated, put back, and given up under the page lock.
 *
 * A page that is isolated is on no list of the pool. Who frees one finds PG_isolated, under the page lock, and leaves `lru` alone; the isolator finds that the pool has given the page up.
 *
 * Locks: page lock, then private_lock. Who comes from the list has private_lock, and only tries for the page lock.
 */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../kernel.ts';
import { MmViolation } from '../oracles/violation.ts';
import { AddressSpace, Page, PG } from '../structs.ts';
import { FRAME_BYTES } from '../world.ts';
import type { DriverType, MovableDriver } from './driver.ts';

/** A pool of pages, by its address_space; all pools share the handles. */
export interface Pool extends MovableDriver {
  /** Makes a pool without a page; 0: there are too many files. */
  create(): Addr;
  /** Gives a page out. @returns its handle; 0: no memory, or no handle */
  alloc(mapping: Addr): number;
  /** Locks the page of a handle that the caller has; until it is unlocked it is not moved. @returns the page */
  lock(handle: number): Addr;
  /** Takes the page of a handle back, and frees it when nobody isolates it. */
  free(handle: number): void;
  /** Takes the page back that came first, unless somebody has it locked. @returns whether it did */
  freeFirst(mapping: Addr): boolean;
}

const { private_lock, private_list } = AddressSpace;
/** Pages that all pools have together. */
const HANDLES = 64;

/** A pool of pages. */
export const pool: DriverType<Pool> = {
  name: 'pool',
  id: 1,
  bytes: 4 * HANDLES,
  make(k: Kernel, at: Addr): Pool {
    const { isa, locks, lists, pages, lru, movable } = k;
    const spin = locks.spin;
    const pageOf = (handle: number): Addr => at + 4 * (handle - 1);

    function listed(mapping: Addr, what: () => void): void {
      spin.acquire(mapping + private_lock);
      what();
      spin.release(mapping + private_lock);
    }
    const enlist = (mapping: Addr, page: Addr): void =>
      listed(mapping, () => lists.addTail(page + Page.lru, mapping + private_list));
    const delist = (mapping: Addr, page: Addr): void => listed(mapping, () => lists.del(page + Page.lru));

    function put(page: Addr): void {
      if (pages.putTestzero(page)) lru.release(page);
    }

    /** A handle for a page; 0: there is none. */
    function handleFor(page: Addr): number {
      for (let handle = 1; handle <= HANDLES; handle += 1)
        if (isa.compareExchange(pageOf(handle), 0, page) === 0) return handle;
      return 0;
    }

    /** The page is locked; the pool has it no more. */
    function giveUp(page: Addr): void {
      isa.writeOnce(pageOf(pages.indexOf(page)), 0);
      movable.clearMovable(page);
      locks.page.release(page);
      put(page);
    }

    function lock(handle: number): Addr {
      for (;;) {
        const page = isa.readOnce(pageOf(handle));
        if (pages.getUnlessZero(page)) {
          locks.page.acquire(page);
          const same = isa.readOnce(pageOf(handle)) === page;
          if (!same) locks.page.release(page);
          // Not the last, if it is the page: the pool has one.
          put(page);
          if (same) return page;
        }
      }
    }

    return {
      create: () => k.drivers.mapping(pool),
      alloc(mapping) {
        const page = k.reclaim.allocPage();
        if (page === 0) return 0;
        const content = pages.contentOf(page);
        for (let word = 0; word < FRAME_BYTES; word += 4) isa.write(content + word, 0);
        // Nobody else knows it.
        if (!locks.page.tryAcquire(page))
          throw new MmViolation('O-LOCKBAL', `page ${pages.pfnOf(page)} is new, and somebody has locked it`);
        const handle = handleFor(page);
        if (handle !== 0) {
          isa.writeOnce(page + Page.index, handle);
          movable.setMovable(page, mapping);
          enlist(mapping, page);
        }
        locks.page.release(page);
        if (handle === 0) put(page);
        return handle;
      },
      lock,
      free(handle) {
        const page = lock(handle);
        if (!pages.has(page, PG.isolated.mask)) delist(movable.mappingOf(page), page);
        giveUp(page);
      },
      freeFirst(mapping) {
        let page: Addr = 0;
        listed(mapping, () => {
          const entry = lists.first(mapping + private_list);
          if (entry === 0 || !locks.page.tryAcquire(entry - Page.lru)) return;
          page = entry - Page.lru;
          lists.del(entry);
        });
        if (page !== 0) giveUp(page);
        return page !== 0;
      },
      ops: {
        isolatePage(page) {
          delist(movable.mappingOf(page), page);
          return true;
        },
        migratepage(mapping, newpage, page) {
          const [to, from] = [pages.contentOf(newpage), pages.contentOf(page)];
          for (let word = 0; word < FRAME_BYTES; word += 4) isa.write(to + word, isa.readOnce(from + word));
          const handle = pages.indexOf(page);
          isa.writeOnce(newpage + Page.index, handle);
          movable.setMovable(newpage, mapping);
          pages.get(newpage);
          enlist(mapping, newpage);
          isa.writeOnce(pageOf(handle), newpage);
          movable.clearMovable(page);
          // Not the last: the isolator has one.
          put(page);
          return 0;
        },
        putbackPage(page) {
          enlist(movable.mappingOf(page), page);
        },
      },
    };
  },
};
