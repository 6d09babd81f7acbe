/** What faults do with the contents of pages, and when a private page need not be copied (mm/memory.c, Linux 2.6.5). */
import type { Addr } from '../arch/index.ts';
import type { Kernel } from './kernel.ts';
import { PG } from './structs.ts';

/** Contents of pages. */
export interface Cow {
  copyContent(to: Addr, from: Addr): void;
  clearContent(page: Addr): void;
  /** Whether nobody but the one entry that the caller has locked has an anonymous page. */
  canReuse(page: Addr): boolean;
}

export function cow(k: Kernel): Cow {
  const { isa, pages, swap } = k;
  return {
    copyContent(to, from) {
      const [target, source] = [pages.contentOf(to), pages.contentOf(from)];
      for (let word = 0; word < 64; word += 4) isa.write(target + word, isa.readOnce(source + word));
    },
    clearContent(page) {
      const content = pages.contentOf(page);
      for (let word = 0; word < 64; word += 4) isa.write(content + word, 0);
    },
    canReuse(page) {
      if (!pages.anon(page) || pages.mapcount(page) !== 1) return false;
      if (!k.locks.page.tryAcquire(page)) return false;
      const alone = pages.has(page, PG.swapcache.mask) ? swap.removeExclusive(page) : pages.count(page) === 1;
      k.locks.page.release(page);
      return alone;
    },
  };
}
