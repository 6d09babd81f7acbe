/**
 * mlock_page as Christoph Hellwig sketched it on 4 March 2004, with Rik van Riel's idea that the count lies in the words of the list: broken (mm.md R0.8).
 *
 *   if the page had no PG_mlocked before: take it off the LRU, if it is there
 *   in any case: count in the union
 *
 * It was found good, and nobody asked what the second comer does before the first is through. PG_mlocked is set before the page is off its list, so the second counts in a word that
 * is still `lru.prev`: the next to walk or unlink there follows a pointer that is off by one. And the count starts from whatever the list has left in the word.
 *
 * `fromZero` is what a kind reader takes the sketch to mean: who takes the page off starts the count. Then the first half of the race remains, and a new one comes: a count made before the start is lost.
 *
 * The sketch has no munlock; this one is its counterpart. A page that comes back from an isolator, or first comes from a batch, goes on no list while PG_mlocked is set.
 */
import type { Addr } from '../../arch/index.ts';
import { Page, PG, Zone } from '../structs.ts';
import { judgePages, type Mlock, type MlockKernel, vmas } from './design.ts';

function design(k: MlockKernel, start: (page: Addr) => void): Mlock {
  const { isa, pages, world } = k;
  const MLOCKED = PG.mlocked.mask;
  const nrMlock = world.zone + Zone.nr_mlock;

  function removeFromLruIfThere(page: Addr): void {
    k.lru.lock();
    k.lru.detach(page);
    k.lru.unlock();
    start(page);
  }

  function mlock(page: Addr): void {
    if (!pages.testAndSet(page, MLOCKED)) {
      isa.fetchAdd(nrMlock, 1);
      removeFromLruIfThere(page);
    }
    isa.fetchAdd(page + Page.mlock_count, 1);
  }

  function munlock(page: Addr): void {
    if (isa.fetchAdd(page + Page.mlock_count, -1) !== 1) return;
    pages.clear(page, MLOCKED);
    isa.fetchAdd(nrMlock, -1);
    k.lru.lock();
    if (!pages.has(page, PG.lru.mask)) k.lru.attach(page);
    k.lru.unlock();
  }

  return {
    underPageLock: false,
    mlockVmaPage: mlock,
    munlockVmaPage: munlock,
    unmapLocked: munlock,
    skips: (page) => pages.has(page, MLOCKED),
    foundLocked() {},
    adding: (page) => !pages.has(page, MLOCKED),
    freeing(page) {
      if (pages.testAndClear(page, MLOCKED)) isa.fetchAdd(nrMlock, -1);
    },
    validate: judgePages(k, (page, mappers, flags) => {
      if ((flags & MLOCKED) === 0) return mappers === 0 ? undefined : `no PG_mlocked with ${vmas(mappers)}`;
      const counted = isa.readOnce(page + Page.mlock_count);
      return counted === mappers ? undefined : `mlock_count is ${counted}, of ${vmas(mappers)}`;
    }),
  };
}

/** As posted: the count goes on from what the list has left in the word. */
export function hellwigSketch(k: MlockKernel): Mlock {
  return design(k, () => {});
}

/** As a kind reader takes it: who has taken the page off starts the count at zero. */
export function hellwigFromZero(k: MlockKernel): Mlock {
  return design(k, (page) => k.isa.writeOnce(page + Page.mlock_count, 0));
}
