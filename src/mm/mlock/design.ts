/**
 * What a design for mlocked pages decides, and when it is asked.
 *
 * A page that a VM_LOCKED vma maps must keep its entry; so much is settled by whoever unmaps, who looks at the vma. What is left open is whether reclaim finds that out
 * each time anew, by way of the vma, or beforehand from the page. For the latter somebody has to keep the page's state true at every mlock() and every unmapping
 * of a locked vma, which kept people from trying (Dave McCracken, 3 March 2004, in the thread "230-objrmap fixes for 2.6.3-mjb2"). The designs of that thread, and the one that was
 * merged in 2022, are the other files here, one a file.
 *
 * | asked                    | by                                                        | what is held                                    |
 * |--------------------------|-----------------------------------------------------------|-------------------------------------------------|
 * | mlockVmaPage             | mlock() for each page present, each fault in a locked vma | page_table_lock; page lock if `underPageLock`   |
 * | munlockVmaPage           | munlock() for each page present                           | the same                                        |
 * | unmapLocked              | munmap, exit, truncation: before the entry's reference    | the same                                        |
 * | skips                    | reclaim, before it looks up a vma                         | the page is isolated                            |
 * | foundLocked              | reclaim, which met a VM_LOCKED vma when it unmapped       | page lock, page_table_lock; it is isolated      |
 * | adding                   | lru: a page is about to go on a list                      | zone.lru_lock                                   |
 * | freeing                  | lru: the last reference has gone                          | nothing; nobody else knows the page             |
 *
 * An exact design knows at quiescence how many VM_LOCKED vmas map a page. An advisory one may have lost count while somebody had the page isolated: then its count is too
 * small, never too large, and reclaim that meets the vma sets it right.
 *
 * The page lock sleeps and page_table_lock spins, so who asks a design with `underPageLock` takes a reference to the page under page_table_lock and asks outside.
 * Where flags change without page_table_lock, VM_LOCKED comes before mlock() has come to the vma's pages. Until then the vma has VM_IO, too (as in Linux 5.18): reclaim leaves its pages where
 * they are, and nobody tells the design of them (`told`) but mlock() itself, for a page that is told of twice is munlocked once. VM_IO goes in the section in which mlock() tells of all the pages,
 * VM_LOCKED in that in which munlock() does, so that an entry that somebody else makes or takes meanwhile is told of by one of the two, and by one only.
 */
import type { Addr } from '../../arch/index.ts';
import type { Base } from '../kernel.ts';
import type { Lru } from '../lru.ts';
import type { Pages } from '../pages.ts';
import { Page, PG, VM, Zone } from '../structs.ts';

/** A design for mlocked pages. */
export interface Mlock {
  /** Whether mlockVmaPage and munlockVmaPage are called under the page lock. */
  readonly underPageLock: boolean;
  /** A vma with VM_LOCKED maps the page. */
  mlockVmaPage(page: Addr): void;
  /** A vma that maps the page has no VM_LOCKED any more. */
  munlockVmaPage(page: Addr): void;
  /** A vma with VM_LOCKED is about to map the page no more. */
  unmapLocked(page: Addr): void;
  /** Whether reclaim leaves the page alone without a look at its vmas. */
  skips(page: Addr): boolean;
  /** Reclaim met a VM_LOCKED vma at the page, which it puts back next. */
  foundLocked(page: Addr): void;
  /** The page is about to go on a list: sets its flags by which. @returns false when it belongs on none */
  adding(page: Addr): boolean;
  /** The page is about to be freed: its next owner must not find anything. */
  freeing(page: Addr): void;
  /**
   * What is wrong when all CPUs are at rest, O-MLOCK; undefined: nothing.
   * @param lockedMappers VM_LOCKED vmas that map a page
   */
  validate(lockedMappers: (page: Addr) => number): string | undefined;
}

/** Whether the design is told of pages that a vma with these flags maps: it is locked, and mlock() has come to its pages. */
export const told = (flags: number): boolean => (flags & (VM.LOCKED | VM.IO)) === VM.LOCKED;

/** What designs are made of. */
export type MlockKernel = Base & {
  readonly pages: Pages;
  readonly lru: Pick<Lru, 'lock' | 'unlock' | 'detach' | 'attach' | 'markPageAccessed'>;
  /** Designs with a single bit ask whether another vma with VM_LOCKED maps the page (try_to_munlock, 2.6.28). */
  readonly rmap: {
    /** Whether a VM_LOCKED vma maps it; of a locked page. */
    mappedLocked(page: Addr): boolean;
  };
};

/** What is wrong with one page; undefined: nothing. */
export type PageLaw = (page: Addr, mappers: number, flags: number) => string | undefined;

/** Judges every page that somebody has, and that nr_mlock is the number of pages with PG_mlocked. */
export function judgePages(
  { isa, spec, world, pages }: Pick<MlockKernel, 'isa' | 'spec' | 'world' | 'pages'>,
  law: PageLaw,
): Mlock['validate'] {
  return (lockedMappers) => {
    let mlocked = 0;
    for (let pfn = 1; pfn <= spec.frames; pfn += 1) {
      const page = pages.pageAt(pfn);
      const flags = isa.readOnce(page + Page.flags);
      if ((flags & PG.mlocked.mask) !== 0) mlocked += 1;
      if (pages.count(page) === 0) continue;
      const wrong = law(page, lockedMappers(page), flags);
      if (wrong !== undefined) return `O-MLOCK: page ${pfn}: ${wrong}`;
    }
    const counted = isa.readOnce(world.zone + Zone.nr_mlock);
    return counted === mlocked
      ? undefined
      : `O-MLOCK: nr_mlock is ${counted}, and ${mlocked} pages have PG_mlocked`;
  };
}

/** For sentences. */
export const vmas = (mappers: number): string => `${mappers} VM_LOCKED vma${mappers === 1 ? '' : 's'}`;
