/**
 * Linux 2.4: an mlocked page is no different from others, and is kept out of the way on the active list.
 *
 * Each time that a scan meets the page and finds the vma locked it marks the page as accessed: after two encounters the page is active, and reclaim, which works on inactive
 * ones, seldom comes by. Nothing has to be kept true; what it costs is that each scan looks up the vma again (Andrea Arcangeli, 3 March 2004, in "230-objrmap fixes
 * for 2.6.3-mjb2", who found it to work well, and doubts that more would pay).
 */
import { PG } from '../structs.ts';
import { judgePages, type Mlock, type MlockKernel } from './design.ts';

export function refile(k: MlockKernel): Mlock {
  const { pages } = k;
  const nothing = (): void => {};
  const MARKS = PG.mlocked.mask | PG.unevictable.mask;
  return {
    underPageLock: false,
    mlockVmaPage: nothing,
    munlockVmaPage: nothing,
    unmapLocked: nothing,
    skips: () => false,
    foundLocked(page) {
      // Isolated, it is on no list to be moved from: it goes back to the one that the flag names.
      if (pages.has(page, PG.lru.mask)) k.lru.markPageAccessed(page);
      else if (pages.testAndSet(page, PG.referenced.mask)) pages.set(page, PG.active.mask);
    },
    adding: () => true,
    freeing: nothing,
    validate: judgePages(k, (_page, _mappers, flags) =>
      (flags & MARKS) === 0 ? undefined : 'a page bears no mark of mlock in this design, and it does',
    ),
  };
}
