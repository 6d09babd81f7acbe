/**
 * Off both lists while mlocked, counted in a word of its own (Martin Bligh, 3 March 2004; Rik van Riel, 4 March, who would have shared the list's words instead).
 *
 *   word 0 -> 1   on a list: taken off, PG_unevictable, PG_active clear; else its flags are set when it comes back
 *   word 1 -> 0   taken off by mlock: back to the inactive list; else nothing, the isolator or the batch puts it on
 *
 * Scans do not meet the page at all. The word changes under lru_lock, so that it and the page's place are of one mind; it is not in the words of the list, so isolating the page
 * does not disturb it: exact. The bookkeeping is that of a bit, as Andrea Arcangeli remarked, and each mlock of a page takes the one lock that all of reclaim contends for.
 */
import type { Addr } from '../../arch/index.ts';
import { MmViolation } from '../oracles/violation.ts';
import { Page, PG } from '../structs.ts';
import { judgePages, type Mlock, type MlockKernel, vmas } from './design.ts';

export function offLru(k: MlockKernel): Mlock {
  const { isa, pages } = k;
  const UNEVICTABLE = PG.unevictable.mask;

  function adding(page: Addr): boolean {
    if (isa.readOnce(page + Page.mlocked) === 0) pages.clear(page, UNEVICTABLE);
    else {
      pages.clear(page, PG.active.mask);
      pages.set(page, UNEVICTABLE);
    }
    return true;
  }

  /** Under lru_lock: from the lists to none, or back. */
  function move(page: Addr): void {
    if (!k.lru.detach(page)) return;
    adding(page);
    k.lru.attach(page);
  }

  function mlock(page: Addr): void {
    k.lru.lock();
    const before = isa.readOnce(page + Page.mlocked);
    isa.writeOnce(page + Page.mlocked, before + 1);
    if (before === 0) move(page);
    k.lru.unlock();
  }

  function munlock(page: Addr): void {
    k.lru.lock();
    const before = isa.readOnce(page + Page.mlocked);
    if (before > 0) isa.writeOnce(page + Page.mlocked, before - 1);
    if (before === 1) move(page);
    k.lru.unlock();
    if (before <= 0)
      throw new MmViolation(
        'O-MLOCK',
        `page ${pages.pfnOf(page)} is munlocked once more than it was mlocked`,
      );
  }

  return {
    underPageLock: false,
    mlockVmaPage: mlock,
    munlockVmaPage: munlock,
    unmapLocked: munlock,
    skips: (page) => isa.readOnce(page + Page.mlocked) !== 0,
    foundLocked() {},
    adding,
    freeing(page) {
      const left = isa.readOnce(page + Page.mlocked);
      if (left !== 0)
        throw new MmViolation('O-MLOCK', `page ${pages.pfnOf(page)} is freed with ${left} mlocks counted`);
    },
    validate: judgePages(k, (page, mappers, flags) => {
      const counted = isa.readOnce(page + Page.mlocked);
      if (counted !== mappers) return `${counted} mlocks are counted, of ${vmas(mappers)}`;
      if ((flags & PG.lru.mask) !== 0 && ((flags & UNEVICTABLE) === 0) !== (mappers === 0))
        return `it is ${flags & UNEVICTABLE ? 'off' : 'on'} the lists with ${vmas(mappers)}`;
      return undefined;
    }),
  };
}
