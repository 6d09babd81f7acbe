/**
 * What the VM asks of a store of small objects whose page it wants to move (zs_page_isolate, zs_page_migrate, zs_page_putback; mm/zsmalloc.c, Linux 4.8). The page is locked.
 *
 *   isolate    the zspage leaves its list: no more objects are allocated of it; those that are can be used and freed
 *   migrate    users of the zspage are kept out, the class is locked, each object that begins in the page is pinned; then the content is copied, the handles get the new place, the new page takes the old one's
 *   putback    the zspage is filed again, when the VM has none of its pages any more; one that has become empty meanwhile is freed by deferred work, since its page is locked here
 *
 * An object that is pinned has a user: between the pin and the lock of the zspage he knows the old page, and waits for the zspage that migration has. So migration only tries for pins, and gives up with -EAGAIN
 * (R4.11). An object that lies in two pages is pinned with the first: while the second is moved, the lock of the zspage alone keeps its user out.
 *
 * An empty zspage is not moved: its pages are about to be freed.
 */
import type { Addr } from '../../arch/index.ts';
import { EAGAIN, EBUSY } from '../errno.ts';
import type { Kernel } from '../kernel.ts';
import type { MovableOps } from '../movable/driver.ts';
import { Page } from '../structs.ts';
import { FRAME_BYTES } from '../world.ts';
import { ZsHandle, ZsPool, Zspage } from './structs.ts';
import type { ZsParts } from './zs.ts';
import { locationTo, pinned } from './zspage.ts';

/** An object that migration has found in a page. */
interface Found {
  readonly index: number;
  readonly handle: Addr;
}

export function zsMovable(k: Kernel, { rules, spaces, pins, rwlock, inClass, put }: ZsParts): MovableOps {
  const { isa, lists, movable, pages } = k;
  const { class: sizeClassOf, inuse, isolated, list, lock, pool: poolOf } = Zspage;

  const zspageOf = (page: Addr): Addr => spaces.zspageOf(page, 'the VM has it locked');

  /** Under the class's lock: the VM has a page less. */
  function returned(zspage: Addr): void {
    const left = isa.read(zspage + isolated) - 1;
    isa.write(zspage + isolated, left);
    if (left !== 0) return;
    spaces.file(zspage);
    const pool = isa.read(zspage + poolOf);
    if (isa.read(zspage + inuse) === 0) isa.writeOnce(pool + ZsPool.free_work, 1);
    isa.fetchAdd(pool + ZsPool.isolated_pages, -1);
    isa.wake(pool + ZsPool.isolated_pages, -1);
  }

  /** Pins objects. @returns those that it has pinned; undefined: one is in use, and none is pinned */
  function pin(objects: readonly Found[]): readonly Found[] | undefined {
    if (rules.pins === 'no') return [];
    const done: Found[] = [];
    for (const object of objects) {
      const word = object.handle + ZsHandle.obj;
      if (rules.pins === 'wait') pins.acquire(word);
      else if (!pins.tryAcquire(word)) {
        unpin(done);
        return undefined;
      }
      done.push(object);
    }
    return done;
  }

  function unpin(objects: readonly Found[]): void {
    for (const { handle } of objects) pins.release(handle + ZsHandle.obj);
  }

  /** Under the lock of the class, with users kept out. */
  function move(zspage: Addr, mapping: Addr, newpage: Addr, page: Addr): number {
    if (isa.read(zspage + inuse) === 0) return -EBUSY;
    const objects = spaces.allocatedIn(zspage, page);
    const held = pin(objects);
    if (held === undefined) return -EAGAIN;
    const [to, from] = [pages.contentOf(newpage), pages.contentOf(page)];
    for (let word = 0; word < FRAME_BYTES; word += 4) isa.write(to + word, isa.read(from + word));
    const pfn = pages.pfnOf(newpage);
    for (const { index, handle } of objects) {
      const there = locationTo(pfn, index);
      isa.writeOnce(handle + ZsHandle.obj, held.length === 0 ? there : pinned(there));
    }
    const place = isa.readOnce(page + Page.index);
    spaces.own(zspage, newpage, place);
    movable.setMovable(newpage, mapping);
    pages.get(newpage);
    returned(zspage);
    movable.clearMovable(page);
    spaces.disown(page);
    unpin(held);
    return 0;
  }

  return {
    isolatePage(page) {
      const zspage = zspageOf(page);
      return inClass(isa.read(zspage + sizeClassOf), () => {
        if (isa.read(zspage + inuse) === 0) return false;
        const others = isa.read(zspage + isolated);
        // On no list, and the VM has none of it: somebody is about to free it.
        if (others === 0 && lists.isEmpty(zspage + list)) return false;
        if (others === 0) {
          spaces.unfile(zspage);
          isa.fetchAdd(isa.read(zspage + poolOf) + ZsPool.isolated_pages, 1);
        }
        isa.write(zspage + isolated, others + 1);
        return true;
      });
    },
    migratepage(mapping, newpage, page) {
      const zspage = zspageOf(page);
      if (rules.excludes) rwlock.acquireWrite(zspage + lock);
      const result = inClass(isa.read(zspage + sizeClassOf), () => move(zspage, mapping, newpage, page));
      if (rules.excludes) rwlock.releaseWrite(zspage + lock);
      if (result === 0) put(page);
      return result;
    },
    putbackPage(page) {
      const zspage = zspageOf(page);
      inClass(isa.read(zspage + sizeClassOf), () => returned(zspage));
    },
  };
}
