/**
 * A balloon: pages that a guest gives up to its host, and may be moved meanwhile (drivers/virtio/virtio_balloon.c, mm/balloon_compaction.c, Linux 4.8; Rafael Aquini, Minchan Kim).
 *
 *   inflate    a page is allocated, locked, made movable and put on the list
 *   deflate    the first page of the list that is not locked leaves it, and is freed
 *   release    a certain page, wherever it is: on the list, or isolated; in the design with hooks from the list only
 *   isolate    off the list, counted; putback: on the list again; migrate: the new page on the list, the old one given up
 *
 *   num_pages = length of the list + isolated_pages
 *
 * `lru` of a page is the list's, under pages_lock, until the driver has isolated it; then it is the VM's. Who takes a page away that is isolated leaves `lru` alone (R4.8).
 *
 * Locks: page lock -> pages_lock. Who comes from the list has pages_lock, and only tries for the page; who finds none that he can lock has none this time. pages_lock is inside of nothing but page locks: who has
 * lru_lock does not wait for it, since who has pages_lock may come to drop the last reference of a page of the LRU (R4.13).
 */
import type { Addr } from '../../arch/index.ts';
import { EAGAIN } from '../errno.ts';
import type { Kernel } from '../kernel.ts';
import type { DriverType, MovableDriver } from '../movable/driver.ts';
import { MmViolation } from '../oracles/violation.ts';
import { Page } from '../structs.ts';
import { BALLOON_DESIGNS, type BalloonRules } from './rules.ts';
import { BALLOON_ID, Balloon as Device } from './structs.ts';

/** Balloons. */
export interface Balloon extends MovableDriver {
  /** Makes a balloon without a page; 0: there are too many, or too many files. */
  create(): Addr;
  /** Takes a page. @returns whether there was one */
  inflate(balloon: Addr): boolean;
  /** Gives a page back. @returns whether there was one that nobody had locked */
  deflate(balloon: Addr): boolean;
  /** Gives a certain page back, if the balloon has it. @returns whether it had */
  release(balloon: Addr, page: Addr): boolean;
  /** Pages that it has. */
  pagesOf(balloon: Addr): number;
}

const { balloon_lock, isolated_pages, mapping: mappingOf, num_pages, pages_lock } = Device;

function balloon(k: Kernel, type: DriverType, rules: BalloonRules): Balloon {
  const { isa, lists, locks, lru, movable, pages, reclaim, driverSlabs } = k;
  const slab = driverSlabs.balloons;
  const count = (word: Addr, by: number): void => isa.write(word, isa.read(word) + by);

  function put(page: Addr): void {
    if (pages.putTestzero(page)) lru.release(page);
  }

  function listed<T>(device: Addr, run: () => T): T {
    locks.spin.acquire(device + pages_lock);
    const result = run();
    locks.spin.release(device + pages_lock);
    return result;
  }

  /** Under pages_lock; the page is locked (balloon_page_insert). */
  function insert(device: Addr, page: Addr): void {
    isa.writeOnce(page + Page.private, device);
    movable.setMovable(page, isa.read(device + mappingOf));
    lists.add(page + Page.lru, device + Device.pages);
  }

  /** Under pages_lock; the page is locked (balloon_page_delete). */
  function remove(page: Addr): void {
    if (rules.deletes === 'always' || !movable.isolated(page)) lists.del(page + Page.lru);
    movable.clearMovable(page);
    isa.writeOnce(page + Page.private, 0);
  }

  /** A page that nobody else knows. */
  function lockNew(page: Addr): void {
    if (!locks.page.tryAcquire(page))
      throw new MmViolation('O-LOCKBAL', `page ${pages.pfnOf(page)} is new, and somebody has locked it`);
  }

  /** balloon_page_enqueue. */
  function enqueue(device: Addr): boolean {
    let page = rules.allocates === 'before' ? reclaim.allocPage() : 0;
    if (page === 0 && rules.allocates === 'before') return false;
    if (page !== 0) lockNew(page);
    listed(device, () => {
      if (page === 0) {
        page = reclaim.allocPage();
        if (page !== 0) lockNew(page);
      }
      if (page !== 0) insert(device, page);
    });
    if (page !== 0) locks.page.release(page);
    return page !== 0;
  }

  /** A page of the list that could be locked, and is off the list now; 0: none. */
  function take(device: Addr, off: (page: Addr) => void): Addr {
    let taken: Addr = 0;
    lists.forEach(device + Device.pages, (entry) => {
      const page = entry - Page.lru;
      if (rules.locks === 'waits') locks.page.acquire(page);
      else if (!locks.page.tryAcquire(page)) return true;
      if (movable.isolated(page)) {
        locks.page.release(page);
        return true;
      }
      off(page);
      taken = page;
      return false;
    });
    return taken;
  }

  /** balloon_page_dequeue. */
  function dequeue(device: Addr): Addr {
    const page =
      rules.walks === 'locked'
        ? listed(device, () => take(device, remove))
        : take(device, (each) => listed(device, () => remove(each)));
    if (page !== 0) locks.page.release(page);
    return page;
  }

  function alone<T>(device: Addr, run: () => T): T {
    locks.mutex.acquire(device + balloon_lock);
    const result = run();
    locks.mutex.release(device + balloon_lock);
    return result;
  }

  /** Whether the balloon had a page that the caller has locked; it has it no more. */
  function give(device: Addr, page: Addr): boolean {
    if (!movable.pageMovable(page) || isa.readOnce(page + Page.private) !== device) return false;
    if (rules.gives === 'listed' && movable.isolated(page)) return false;
    listed(device, () => {
      if (movable.isolated(page)) count(device + isolated_pages, -1);
      remove(page);
    });
    return true;
  }

  return {
    ops: {
      isolatePage(page) {
        const device = isa.readOnce(page + Page.private);
        listed(device, () => {
          lists.del(page + Page.lru);
          count(device + isolated_pages, 1);
        });
        return true;
      },
      migratepage(_mapping, newpage, page) {
        const device = isa.readOnce(page + Page.private);
        // Who inflates or deflates may wait for this page.
        if (!locks.mutex.tryAcquire(device + balloon_lock)) return -EAGAIN;
        pages.get(newpage);
        listed(device, () => {
          insert(device, newpage);
          count(device + isolated_pages, -1);
          remove(page);
        });
        locks.mutex.release(device + balloon_lock);
        put(page);
        return 0;
      },
      putbackPage(page) {
        const device = isa.readOnce(page + Page.private);
        listed(device, () => {
          lists.add(page + Page.lru, device + Device.pages);
          count(device + isolated_pages, -1);
        });
      },
    },
    create() {
      const device = slab?.tryAlloc() ?? 0;
      if (device === 0) return 0;
      const mapping = k.drivers.mapping(type);
      if (mapping === 0) {
        slab!.free(device);
        return 0;
      }
      isa.write(device + mappingOf, mapping);
      lists.init(device + Device.pages);
      return device;
    },
    inflate: (device) =>
      alone(device, () => {
        const inflated = enqueue(device);
        if (inflated) count(device + num_pages, 1);
        return inflated;
      }),
    deflate: (device) =>
      alone(device, () => {
        const page = dequeue(device);
        if (page === 0) return false;
        count(device + num_pages, -1);
        put(page);
        return true;
      }),
    release: (device, page) =>
      alone(device, () => {
        // It may be anybody's by now.
        if (!pages.getUnlessZero(page)) return false;
        let had = false;
        if (movable.peek(page)) {
          locks.page.acquire(page);
          had = give(device, page);
          locks.page.release(page);
        }
        if (had) {
          count(device + num_pages, -1);
          put(page);
        }
        put(page);
        return had;
      }),
    pagesOf: (device) => alone(device, () => isa.read(device + num_pages)),
  };
}

/** The driver. @param rules a design of BALLOON_DESIGNS, or another */
export function virtioBalloon(rules: BalloonRules = BALLOON_DESIGNS['4.8']): DriverType<Balloon> {
  const type: DriverType<Balloon> = {
    name: 'virtio-balloon',
    id: BALLOON_ID,
    make: (k) => balloon(k, type, rules),
  };
  return type;
}
