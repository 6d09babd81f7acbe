/**
 * PG_mlocked, a bit: some VM_LOCKED vma maps the page (agreed to by Andrea Arcangeli, 3 March 2004; as try_to_munlock has it since Linux 2.6.28).
 *
 * The page stays on its list, and reclaim passes over it before it looks up a vma. A bit cannot tell how many vmas there are, so whoever munlocks clears it and asks the reverse mapping
 * for another locked one. That is the price, and Arcangeli was not sure that it pays.
 *
 * clear, look, set again: the page lock keeps two munlocks apart. Otherwise one might see the other's vma still locked, and set the bit after the other has cleared it and seen nobody: then
 * nobody clears it. mlock takes the lock as in 2.6.28, though here a bit that is set at any time does no harm: whoever has just looked sets it, or nobody clears it any more.
 */
import type { Addr } from '../../arch/index.ts';
import { PG, Zone } from '../structs.ts';
import { judgePages, type Mlock, type MlockKernel, vmas } from './design.ts';

export function pgMlocked(k: MlockKernel): Mlock {
  const { isa, pages, world } = k;
  const MLOCKED = PG.mlocked.mask;
  const nrMlock = world.zone + Zone.nr_mlock;

  function set(page: Addr): void {
    if (!pages.testAndSet(page, MLOCKED)) isa.fetchAdd(nrMlock, 1);
  }
  function clear(page: Addr): void {
    if (pages.testAndClear(page, MLOCKED)) isa.fetchAdd(nrMlock, -1);
  }
  function munlock(page: Addr): void {
    clear(page);
    if (k.rmap.mappedLocked(page)) set(page);
  }

  return {
    underPageLock: true,
    mlockVmaPage: set,
    munlockVmaPage: munlock,
    unmapLocked: munlock,
    skips: (page) => pages.has(page, MLOCKED),
    foundLocked: set,
    adding: () => true,
    freeing: clear,
    validate: judgePages(k, (_page, mappers, flags) =>
      ((flags & MLOCKED) === 0) === (mappers === 0)
        ? undefined
        : `PG_mlocked is ${flags & MLOCKED ? 'set' : 'clear'} with ${vmas(mappers)}`,
    ),
  };
}
