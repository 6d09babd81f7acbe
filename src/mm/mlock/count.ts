/**
 * A word in each struct page that counts the VM_LOCKED vmas that map it (Dave McCracken, 3 March 2004).
 *
 * The page stays on its list. Reclaim reads the word and passes on before it looks up a vma, which is what McCracken wanted; the scan still meets the page. The word is an atomic
 * of its own, one word more in each struct page (Christoph Hellwig), so no state of the page disturbs it, and it is exact.
 *
 * What reclaim reads may be old by the time it unmaps. That is harmless, for the unmapping looks at VM_LOCKED under page_table_lock.
 */
import type { Addr } from '../../arch/index.ts';
import { MmViolation } from '../oracles/violation.ts';
import { Page } from '../structs.ts';
import { judgePages, type Mlock, type MlockKernel, vmas } from './design.ts';

export function pageCount(k: MlockKernel): Mlock {
  const { isa, pages } = k;
  const munlock = (page: Addr): void => {
    const before = isa.fetchAdd(page + Page.mlocked, -1);
    if (before <= 0)
      throw new MmViolation(
        'O-MLOCK',
        `page ${pages.pfnOf(page)} is munlocked once more than it was mlocked`,
      );
  };
  return {
    underPageLock: false,
    mlockVmaPage(page) {
      isa.fetchAdd(page + Page.mlocked, 1);
    },
    munlockVmaPage: munlock,
    unmapLocked: munlock,
    skips: (page) => isa.readOnce(page + Page.mlocked) !== 0,
    foundLocked() {},
    adding: () => true,
    freeing(page) {
      const left = isa.readOnce(page + Page.mlocked);
      if (left !== 0)
        throw new MmViolation('O-MLOCK', `page ${pages.pfnOf(page)} is freed with ${left} mlocks counted`);
    },
    validate: judgePages(k, (page, mappers) => {
      const counted = isa.readOnce(page + Page.mlocked);
      return counted === mappers ? undefined : `${counted} mlocks are counted, of ${vmas(mappers)}`;
    }),
  };
}
