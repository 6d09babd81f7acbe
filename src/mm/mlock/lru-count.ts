/**
 * Rik van Riel's idea of 4 March 2004 as it was merged in 2022: off the lists while mlocked, with the count in the words of the list (Hugh Dickins, "mm/munlock" 06/13, Linux 5.18; mm.md 0.2, R0.8, R0.9).
 *
 *   on a list            mlock: PG_mlocked; taken off, PG_unevictable, count 1
 *   unevictable          mlock: count + 1         munlock: count - 1, and at 0 PG_mlocked clear, back to the inactive list
 *   not PG_lru           mlock: PG_mlocked        munlock: PG_mlocked clear        the words are an isolator's: no count
 *   comes on a list      PG_mlocked: unevictable, count 1; else evictable
 *
 * What repairs the sketch: all of it is under lru_lock, and nobody looks at the count before he has found PG_lru set, so that its words are the zone's and not an isolator's; and the count
 * is started when the page becomes unevictable. It lies in the second word: the kernel's first one overlays compound_head and has to stay even.
 *
 * What it gives up is being exact. Isolating the page loses the count, and the page comes back with 1 however many VM_LOCKED vmas there are. So the count may be too small: PG_mlocked is then cleared
 * while a locked vma still maps the page, reclaim meets that vma when it unmaps, and marks the page again (`foundLocked`). It must not become too large, for then the page is unevictable for ever:
 * nothing is counted where it might have been lost, and reclaim does not mark the page for a vma whose own mlock() has yet to come to it (VM_IO; design.ts).
 */
import type { Addr } from '../../arch/index.ts';
import { Page, PG, Zone } from '../structs.ts';
import { judgePages, type Mlock, type MlockKernel, vmas } from './design.ts';

/** How a count goes on; what R0.9 has wrong is put here. */
export interface CountRules {
  /** The count of a page with PG_mlocked that comes on a list. */
  readonly returning: number;
  /** What a munlock makes of a count. */
  less(count: number): number;
}

/** Who comes back mlocked is counted once; a count that is lost is not counted down. */
export const COUNT_RULES: CountRules = { returning: 1, less: (count) => Math.max(count - 1, 0) };

export function lruCount(k: MlockKernel, rules: CountRules = COUNT_RULES): Mlock {
  const { isa, pages, world } = k;
  const { flags: word, mlock_count } = Page;
  const LRU = PG.lru.mask;
  const MLOCKED = PG.mlocked.mask;
  const UNEVICTABLE = PG.unevictable.mask;
  const nrMlock = world.zone + Zone.nr_mlock;

  function setMlocked(page: Addr): void {
    if (!pages.testAndSet(page, MLOCKED)) isa.fetchAdd(nrMlock, 1);
  }
  function clearMlocked(page: Addr): void {
    if (pages.testAndClear(page, MLOCKED)) isa.fetchAdd(nrMlock, -1);
  }

  /** Under lru_lock, off the lists: makes it unevictable with this count. */
  function cull(page: Addr, count: number): void {
    pages.clear(page, PG.active.mask);
    pages.set(page, UNEVICTABLE);
    isa.write(page + mlock_count, count);
  }

  function mlock(page: Addr): void {
    k.lru.lock();
    setMlocked(page);
    const flags = isa.readOnce(page + word);
    if ((flags & LRU) !== 0) {
      if ((flags & UNEVICTABLE) !== 0) isa.write(page + mlock_count, isa.read(page + mlock_count) + 1);
      else if (k.lru.detach(page)) {
        cull(page, 1);
        k.lru.attach(page);
      }
    }
    k.lru.unlock();
  }

  /** Under lru_lock, of a page with PG_lru. @returns whether others still hold it */
  function countDown(page: Addr, flags: number): boolean {
    if ((flags & UNEVICTABLE) === 0) return false;
    const left = rules.less(isa.read(page + mlock_count));
    isa.write(page + mlock_count, left);
    return left !== 0;
  }

  function munlock(page: Addr): void {
    k.lru.lock();
    const flags = isa.readOnce(page + word);
    if ((flags & LRU) === 0) clearMlocked(page);
    else if (!countDown(page, flags)) {
      clearMlocked(page);
      if ((flags & UNEVICTABLE) !== 0 && k.lru.detach(page)) {
        pages.clear(page, UNEVICTABLE);
        k.lru.attach(page);
      }
    }
    k.lru.unlock();
  }

  return {
    underPageLock: false,
    mlockVmaPage: mlock,
    munlockVmaPage: munlock,
    unmapLocked: munlock,
    skips: (page) => pages.has(page, MLOCKED),
    foundLocked: setMlocked,
    adding(page) {
      if (pages.has(page, MLOCKED)) cull(page, rules.returning);
      else pages.clear(page, UNEVICTABLE);
      return true;
    },
    freeing: clearMlocked,
    validate: judgePages(k, (page, mappers, flags) => {
      if ((flags & MLOCKED) !== 0 && mappers === 0) return 'PG_mlocked is set with no VM_LOCKED vma';
      if ((flags & LRU) === 0) return undefined;
      if (((flags & UNEVICTABLE) === 0) !== ((flags & MLOCKED) === 0))
        return `it is ${flags & UNEVICTABLE ? 'off' : 'on'} the lists, PG_mlocked ${flags & MLOCKED ? 'set' : 'clear'}`;
      if ((flags & UNEVICTABLE) === 0) return undefined;
      const counted = isa.read(page + mlock_count);
      return counted >= 1 && counted <= mappers
        ? undefined
        : `mlock_count is ${counted}, of ${vmas(mappers)}`;
    }),
  };
}
