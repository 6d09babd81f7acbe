/**
 * PG_locked, set for as long as a VM_LOCKED vma maps the page: broken (mm.md R0.7).
 *
 * Dave McCracken's slip of 3 March 2004: he meant a new flag and named one that there was. Reclaim does pass over a page whose lock it cannot have. But the bit says that somebody works on the page
 * and will be done with it: who waits for that (wait_on_page, lock_page: a fault, a truncation, swapoff) waits for ever, as Andrea Arcangeli answered.
 *
 * Clearing the bit wakes nobody, for it was set by nobody who locked; and the first of several vmas to be munlocked clears it for all.
 */
import { PG } from '../structs.ts';
import { judgePages, type Mlock, type MlockKernel, vmas } from './design.ts';

export function pgLocked(k: MlockKernel): Mlock {
  const { pages } = k;
  const LOCKED = PG.locked.mask;
  return {
    underPageLock: false,
    mlockVmaPage: (page) => pages.set(page, LOCKED),
    munlockVmaPage: (page) => pages.clear(page, LOCKED),
    unmapLocked: (page) => pages.clear(page, LOCKED),
    skips: (page) => pages.has(page, LOCKED),
    foundLocked: (page) => pages.set(page, LOCKED),
    adding: () => true,
    freeing: (page) => pages.clear(page, LOCKED),
    validate: judgePages(k, (_page, mappers, flags) =>
      ((flags & LOCKED) === 0) === (mappers === 0)
        ? undefined
        : `PG_locked is ${flags & LOCKED ? 'set' : 'clear'} with ${vmas(mappers)}`,
    ),
  };
}
