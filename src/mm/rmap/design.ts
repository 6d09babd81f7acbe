/**
 * Reverse mapping, from a page to the entries that map it: what its designs have in common. A regime says which is used for anonymous pages and which for those of files.
 *
 *   pte_chain   a chain of entries at the page                                 (Linux 2.5, Rik van Riel)
 *   i_mmap      the page's file knows its vmas                                 (objrmap, Dave McCracken 2003)
 *   anon_vma    what forked vmas share knows them                              (Andrea Arcangeli, March 2004; Linux 2.6.7)
 *   anonmm      what forked address spaces share knows them                    (anobjrmap, Hugh Dickins, March 2003)
 *
 * Entries are added and removed with their page_table_lock held. A walk comes from the page to the entries, against the order in which faults come, so it may only try for
 * page_table_lock (mm.md, R0.5); its caller has locked the page.
 */
import type { Addr } from '../../arch/index.ts';

/** try_to_unmap: no entry maps the page any more. */
export const SWAP_SUCCESS = 0;
/** try_to_unmap: a lock was not free; try again later. */
export const SWAP_AGAIN = 1;
/** try_to_unmap: the page may not be unmapped. */
export const SWAP_FAIL = 2;

/** What a walk calls for each entry, with its page_table_lock held. @returns false to end the walk */
export type Visit = (at: Addr, mm: Addr, vma: Addr, address: number) => boolean;

/** How entries of anonymous pages are found. */
export interface AnonDesign {
  /** Makes a vma ready for its first anonymous page (anon_vma_prepare). @returns false: no memory */
  prepare(vma: Addr): boolean;
  /** The word of the lock that changes of a vma take for it; 0: none. */
  lockOf(vma: Addr): Addr;
  /** A part of a vma becomes a vma of its own. @returns false: no memory */
  copied(part: Addr, vma: Addr): boolean;
  /** A vma is about to get copies of its parent's entries. @returns false: no memory */
  forked(child: Addr, parent: Addr): boolean;
  /** A vma is about to be freed. */
  unlinked(vma: Addr): void;
  /** Whether two neighbours may become one. */
  mergeable(vma: Addr, other: Addr): boolean;
  /** `into` is about to take over the range of `gone`, which is unlinked then. @returns false: no memory */
  merging(into: Addr, gone: Addr): boolean;
  /** An address space begins, its own or as a fork of `parent`. @returns false: no memory */
  mmBorn(mm: Addr, parent: Addr): boolean;
  /** An address space ends. */
  mmGone(mm: Addr): void;
  /**
   * An entry maps the page.
   * @param first no other does
   * @param fresh nobody but this vma has ever had it
   * @returns false: no memory
   */
  added(page: Addr, vma: Addr, address: number, at: Addr, first: boolean, fresh: boolean): boolean;
  /** An entry of the page is another one from now on, of the same address space: for `address`. It fails never, so nothing has to be undone. Where a page is found by its index and its vma, it still has to be: who moves it moves the vma, or gives it one that fits. */
  moved(page: Addr, from: Addr, to: Addr, address: number): void;
  /** An entry does not map the page any more. */
  removed(page: Addr, at: Addr): void;
  /** Calls for each entry. @returns false when a lock was not free somewhere */
  walk(page: Addr, visit: Visit): boolean;
}

/** How entries of files' pages are found. */
export interface FileDesign {
  /** @returns false: no memory */
  added(page: Addr, at: Addr): boolean;
  /** An entry of the page is another one from now on. */
  moved(page: Addr, from: Addr, to: Addr): void;
  removed(page: Addr, at: Addr): void;
  /** Calls for each entry. @returns false when a lock was not free somewhere */
  walk(page: Addr, visit: Visit): boolean;
}

/** Reverse mapping as the rest of the model uses it. */
export interface Rmap
  extends Pick<
    AnonDesign,
    'prepare' | 'lockOf' | 'copied' | 'forked' | 'unlinked' | 'mergeable' | 'merging' | 'mmBorn' | 'mmGone'
  > {
  /** An entry maps an anonymous page (page_add_anon_rmap). @returns false: no memory */
  addAnon(page: Addr, vma: Addr, address: number, at: Addr): boolean;
  /** The first entry of a new page maps it (page_add_new_anon_rmap). @returns false: no memory */
  addNewAnon(page: Addr, vma: Addr, address: number, at: Addr): boolean;
  /** An entry maps a page of a file (page_add_file_rmap). @returns false: no memory */
  addFile(page: Addr, at: Addr): boolean;
  /** An entry does not map the page any more (page_remove_rmap). */
  remove(page: Addr, at: Addr): void;
  /** An entry that maps the page becomes another one, for `address` in the same address space; both page_table_locks are held. */
  moved(page: Addr, from: Addr, to: Addr, address: number): void;
  /** Every entry that maps the page, with page_table_lock held; of a locked page. @returns false when a lock was not free somewhere */
  walk(page: Addr, visit: Visit): boolean;
  /** Clears the accessed bits of a locked page's entries. @returns how many were set */
  referenced(page: Addr): number;
  /** Whether a vma with VM_LOCKED maps a locked page (try_to_munlock). */
  mappedLocked(page: Addr): boolean;
  /** Unmaps a locked page from all entries. @returns {@link SWAP_SUCCESS}, {@link SWAP_AGAIN} or {@link SWAP_FAIL} */
  tryToUnmap(page: Addr): number;
}
