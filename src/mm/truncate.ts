/**
 * Truncation: a file becomes shorter, and nobody has a page of it any more that lies behind its end (vmtruncate, truncate_inode_pages; mm/memory.c, mm/truncate.c, Linux 2.6.9 to 2.6.12).
 *
 *   i_size -> unmap_mapping_range -> truncate_inode_pages     under i_sem
 *
 * Faults look at i_size, so from the first step on there are no new ones; those that were under way are caught by truncate_count (truncate/unmap.ts). A page that is taken out of the cache is mapped
 * nowhere then: "vmtrunc" 6/6 has a BUG_ON for that, and so has the model (O-TRUNC).
 *
 * The disk has zeroes behind the end, for who makes the file longer again. A fault may have found the page absent before, and put one into the cache after it was emptied: it reads the disk with the page
 * locked, looks at i_size once more, and takes zeroes then (page-cache.ts).
 *
 * i_sem is outermost, and never held with mmap_sem for writing.
 */
import type { Addr } from '../arch/index.ts';
import { EINVAL } from './errno.ts';
import type { Kernel } from './kernel.ts';
import { MmViolation } from './oracles/violation.ts';
import { AddressSpace, PG } from './structs.ts';
import { TRUNCATE_DESIGNS, type TruncateRules } from './truncate/rules.ts';
import { type Stamps, stamps } from './truncate/stamps.ts';
import { unmapMapping } from './truncate/unmap.ts';
import { FRAME_BYTES } from './world.ts';

/** Files become shorter and longer. Pages are pages of the file. */
export interface Truncate {
  /** Sets the length of a file. @returns 0, -EINVAL */
  vmtruncate(mapping: Addr, pages: number): number;
  /**
   * Takes pages out of all page tables; who touches them gets them again.
   * @param pages how many; 0: to the end
   * @param evenCows private copies, too
   */
  unmapMappingRange(mapping: Addr, first: number, pages: number, evenCows: boolean): void;
  /** What vmas do with their stamps. */
  readonly stamps: Stamps;
}

const LAST = 2 ** 31 - 1;

/** Makes the module. @param rules how pages are unmapped: a design of TRUNCATE_DESIGNS, or another */
export function truncate(k: Kernel, rules: TruncateRules = TRUNCATE_DESIGNS.later): Truncate {
  const { isa, locks, pages, pageCache, slabs, spec } = k;
  const { i_sem, i_size } = AddressSpace;
  const unmap = unmapMapping(k, rules);

  function isFile(mapping: Addr): boolean {
    const index = slabs.files.indexOf(mapping);
    return index >= 0 && slabs.files.objectAt(index) === mapping;
  }

  /** Drops the pages from one on, and what the disk has of them (truncate_inode_pages). */
  function dropPages(mapping: Addr, from: number, to: number): void {
    for (let index = from; index < to; index += 1) {
      const page = pageCache.find(mapping, index);
      if (page !== 0) {
        locks.page.acquire(page);
        if (pages.mappingOf(page) === mapping) {
          if (pages.mapped(page))
            throw new MmViolation(
              'O-TRUNC',
              `page ${pages.pfnOf(page)} is page ${index} of a file that ends at ${from}, and is mapped ${pages.mapcount(page)} times after unmap_mapping_range`,
            );
          pages.clear(page, PG.dirty.mask);
          pageCache.remove(page);
        }
        locks.page.release(page);
        if (pages.putTestzero(page)) k.lru.release(page);
      }
      const disk = pageCache.diskOf(mapping, index);
      for (let word = 0; word < FRAME_BYTES; word += 4) isa.writeOnce(disk + word, 0);
    }
  }

  function unmapMappingRange(mapping: Addr, first: number, length: number, evenCows: boolean): void {
    unmap({ mapping, first, last: length === 0 ? LAST : first + length - 1, evenCows });
  }

  return {
    vmtruncate(mapping, size) {
      if (!isFile(mapping) || !Number.isInteger(size) || size < 0 || size > spec.filePages) return -EINVAL;
      locks.mutex.acquire(mapping + i_sem);
      const before = isa.readOnce(mapping + i_size);
      isa.writeOnce(mapping + i_size, size);
      if (size < before) {
        unmapMappingRange(mapping, size, 0, true);
        dropPages(mapping, size, before);
      }
      locks.mutex.release(mapping + i_sem);
      return 0;
    },
    unmapMappingRange,
    stamps: stamps(k, rules),
  };
}
