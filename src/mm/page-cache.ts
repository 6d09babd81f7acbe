/**
 * The page cache: a file's pages in memory (mm/filemap.c), as an array of struct pages by index under tree_lock; 0: not there.
 *
 * A page in the cache has a reference for that, `mapping` and `index`. It is read in by whoever inserts it, with its page lock held until PG_uptodate is set; who finds it without waits for
 * the lock. The file's content lies on the disk, a slot of 64 bytes a page.
 *
 * Ordering: the page is complete but for its content before its address is stored in the tree, under tree_lock; a finder takes its reference under tree_lock, so a page
 * that it found is not freed before it has one.
 */
import type { Addr } from '../arch/index.ts';
import type { Kernel } from './kernel.ts';
import { AddressSpace, Page, PG } from './structs.ts';
import { FRAME_BYTES } from './world.ts';

/** A file's pages. */
export interface PageCache {
  /** Makes a file of a number of pages; 0: there are too many files. */
  create(pages: number): Addr;
  /** @returns the page with a reference, 0 */
  find(mapping: Addr, index: number): Addr;
  /** The page for a fault, read in if need be. @returns it with a reference; 0: no memory; -1: behind the end of the file */
  nopage(mapping: Addr, index: number): number;
  /** Takes a locked page out, and drops the cache's reference. */
  remove(page: Addr): void;
  /** Takes a locked, clean, unmapped page out if only the cache and the caller have it. @returns whether it is out */
  removeUnused(page: Addr): boolean;
  /** Where a page of a file lies on the disk. */
  diskOf(mapping: Addr, index: number): Addr;
  /** Writes a dirty, locked page to the disk. */
  writepage(page: Addr): void;
  /** The word of the tree that holds a page's address. */
  slotOf(mapping: Addr, index: number): Addr;
}

export function pageCache(
  k: Pick<Kernel, 'isa' | 'spec' | 'world' | 'locks' | 'lists' | 'slabs' | 'pages' | 'lru' | 'reclaim'>,
): PageCache {
  const { isa, spec, world, locks, lists, slabs, pages } = k;
  const { filePages } = spec;

  const number = (mapping: Addr, index: number): number => slabs.files.indexOf(mapping) * filePages + index;
  const slotOf = (mapping: Addr, index: number): Addr => world.pageTrees + 4 * number(mapping, index);
  const diskOf = (mapping: Addr, index: number): Addr =>
    world.fileDisk + FRAME_BYTES * number(mapping, index);

  function copy(to: Addr, from: Addr): void {
    for (let word = 0; word < FRAME_BYTES; word += 4) isa.write(to + word, isa.readOnce(from + word));
  }

  function zero(at: Addr): void {
    for (let word = 0; word < FRAME_BYTES; word += 4) isa.write(at + word, 0);
  }

  const put = (page: Addr): void => {
    if (pages.putTestzero(page)) k.lru.release(page);
  };

  function create(size: number): Addr {
    if (size > filePages) return 0;
    const mapping = slabs.files.tryAlloc();
    if (mapping === 0) return 0;
    isa.write(mapping + AddressSpace.host, slabs.files.indexOf(mapping));
    isa.writeOnce(mapping + AddressSpace.i_size, size);
    isa.write(mapping + AddressSpace.nrpages, 0);
    isa.writeOnce(mapping + AddressSpace.truncate_count, 1);
    isa.write(mapping + AddressSpace.i_mmap, 0);
    lists.init(mapping + AddressSpace.i_mmap_nonlinear);
    return mapping;
  }

  function find(mapping: Addr, index: number): Addr {
    locks.spin.acquire(mapping + AddressSpace.tree_lock);
    const page = isa.read(slotOf(mapping, index));
    if (page !== 0) pages.get(page);
    locks.spin.release(mapping + AddressSpace.tree_lock);
    return page;
  }

  /** Puts a locked page in. @returns what is there already, with a reference, or 0 */
  function insert(page: Addr, mapping: Addr, index: number): Addr {
    const { tree_lock, nrpages } = AddressSpace;
    locks.spin.acquire(mapping + tree_lock);
    const there = isa.read(slotOf(mapping, index));
    if (there !== 0) pages.get(there);
    else {
      pages.get(page);
      isa.writeOnce(page + Page.mapping, mapping);
      isa.writeOnce(page + Page.index, index);
      isa.write(slotOf(mapping, index), page);
      isa.write(mapping + nrpages, isa.read(mapping + nrpages) + 1);
    }
    locks.spin.release(mapping + tree_lock);
    return there;
  }

  function nopage(mapping: Addr, index: number): number {
    if (index >= isa.readOnce(mapping + AddressSpace.i_size)) return -1;
    let page = find(mapping, index);
    while (page === 0) {
      const fresh = k.reclaim.allocPage();
      if (fresh === 0) return 0;
      locks.page.acquire(fresh);
      page = insert(fresh, mapping, index);
      if (page === 0) {
        // The file may have become shorter since, and its pages dropped before this one was there: then nobody looks for it any more.
        if (index < isa.readOnce(mapping + AddressSpace.i_size))
          copy(pages.contentOf(fresh), diskOf(mapping, index));
        else zero(pages.contentOf(fresh));
        pages.set(fresh, PG.uptodate.mask);
        k.lru.cacheAdd(fresh);
        page = fresh;
      }
      locks.page.release(fresh);
      if (page !== fresh) put(fresh);
    }
    if (!pages.has(page, PG.uptodate.mask)) {
      // Whoever reads it holds the page lock.
      locks.page.acquire(page);
      locks.page.release(page);
    }
    return page;
  }

  /** Takes a page out on a condition, which nobody can change while tree_lock is held but by dropping references. */
  function removeIf(page: Addr, may: () => boolean): boolean {
    const mapping = pages.mappingOf(page);
    const { tree_lock, nrpages } = AddressSpace;
    locks.spin.acquire(mapping + tree_lock);
    const out = may();
    if (out) {
      isa.write(slotOf(mapping, pages.indexOf(page)), 0);
      isa.writeOnce(page + Page.mapping, 0);
      isa.write(mapping + nrpages, isa.read(mapping + nrpages) - 1);
    }
    locks.spin.release(mapping + tree_lock);
    if (out) put(page);
    return out;
  }

  function remove(page: Addr): void {
    removeIf(page, () => true);
  }

  function removeUnused(page: Addr): boolean {
    return removeIf(page, () => pages.count(page) === 2 && !pages.has(page, PG.dirty.mask));
  }

  function writepage(page: Addr): void {
    pages.clear(page, PG.dirty.mask);
    copy(diskOf(pages.mappingOf(page), pages.indexOf(page)), pages.contentOf(page));
  }

  return { create, find, nopage, remove, removeUnused, diskOf, writepage, slotOf };
}
