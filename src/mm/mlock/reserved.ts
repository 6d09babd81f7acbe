/**
 * PG_reserved for mlocked pages: what Andrea Arcangeli set aside on 3 March 2004, since it changes what copy-on-write and freeing do.
 *
 * As a mark it serves: reclaim leaves a reserved page alone, and no such page is on a list. As in the bit design whoever munlocks asks the reverse mapping for another locked vma, under the
 * page lock. What is too much is what others make of the bit. In Linux 2.6 the entries of a reserved page are not counted: fork takes no reference for its copy, unmapping drops none, and copy-on-write
 * copies whatever the count. So an entry that was made before mlock() and goes after it leaves its reference behind, and one that was made meanwhile takes a reference along that
 * nobody took (`counted` says which rule holds now).
 */
import type { Addr } from '../../arch/index.ts';
import { PG } from '../structs.ts';
import { judgePages, type Mlock, type MlockKernel, vmas } from './design.ts';

const RESERVED = PG.reserved.mask;

/** Whether entries that map a page hold references to it (PageReserved in zap_pte_range and copy_page_range, Linux 2.6.5). */
export function counted({ pages }: Pick<MlockKernel, 'pages'>, page: Addr): boolean {
  return !pages.has(page, RESERVED);
}

export function pgReserved(k: MlockKernel): Mlock {
  const { pages } = k;

  function adding(page: Addr): boolean {
    if (pages.has(page, RESERVED)) {
      pages.clear(page, PG.active.mask);
      pages.set(page, PG.unevictable.mask);
    } else pages.clear(page, PG.unevictable.mask);
    return true;
  }

  function mark(page: Addr, locked: boolean): void {
    k.lru.lock();
    const was = locked ? pages.testAndSet(page, RESERVED) : pages.testAndClear(page, RESERVED);
    // Isolated, or on its way: whoever has it puts it where the bit says.
    if (was !== locked && k.lru.detach(page)) {
      adding(page);
      k.lru.attach(page);
    }
    k.lru.unlock();
  }
  const munlock = (page: Addr): void => {
    if (!k.rmap.mappedLocked(page)) mark(page, false);
  };

  return {
    underPageLock: true,
    mlockVmaPage: (page) => mark(page, true),
    munlockVmaPage: munlock,
    unmapLocked: munlock,
    skips: (page) => pages.has(page, RESERVED),
    foundLocked: (page) => mark(page, true),
    adding,
    freeing: (page) => pages.clear(page, RESERVED),
    validate: judgePages(k, (_page, mappers, flags) => {
      if (((flags & RESERVED) === 0) !== (mappers === 0))
        return `PG_reserved is ${flags & RESERVED ? 'set' : 'clear'} with ${vmas(mappers)}`;
      if ((flags & PG.lru.mask) !== 0 && ((flags & PG.unevictable.mask) === 0) !== (mappers === 0))
        return `it is ${flags & PG.unevictable.mask ? 'off' : 'on'} the lists with ${vmas(mappers)}`;
      return undefined;
    }),
  };
}
