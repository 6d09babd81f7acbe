/**
 * The parts of an anon_vma that its forms differ in: who locks it, how a page leads to it, what happens before it is freed, and page_lock_anon_vma over all of these.
 *
 * A form is a choice of such parts (variants/page-lock-anon-vma/). The parts are made in this order, each over the ones before:
 *
 *   locking    which lock guards the list of an anon_vma, and its operations
 *   refs       references, and the way back to the slab, on which the form's `retire` keeps those up who might still use it (anon-vma-ref.ts)
 *   lookUp     from a page to the anon_vma that its mapping names, inside an RCU read section
 *   pageLock   page_lock_anon_vma: from a page to an anon_vma that is locked and stays
 */
import type { Addr, Isa } from '../arch/index.ts';
import type { Base } from './kernel.ts';
import type { Pages } from './pages.ts';

/** What anon_vmas are made over. */
export type AnonVmaKernel = Pick<Base, 'isa' | 'world' | 'locks' | 'lists' | 'slabs'> & {
  readonly pages: Pick<Pages, 'mapped'>;
};

/** How anon_vmas are locked. */
export interface AnonVmaLocking {
  /** The lock that guards an anon_vma's list. */
  lockOf(anonVma: Addr): Addr;
  /** Takes the lock. */
  acquire(lock: Addr): void;
  /** Takes it if it is free. @returns whether it did */
  tryAcquire(lock: Addr): boolean;
  /** Gives it back. */
  release(lock: Addr): void;
  /** Whether somebody seems to hold it (mutex_is_locked): a relaxed look. */
  isLocked(lock: Addr): boolean;
}

/** References, and what they keep. */
export interface AnonVmaRefs {
  /** An anon_vma with one reference and an empty list, its own root; 0: none is left. */
  alloc(): Addr;
  /** Takes a reference; the caller has one, or a vma of it. */
  get(anonVma: Addr): void;
  /** Takes a reference unless the last one has gone. */
  getUnlessZero(anonVma: Addr): boolean;
  /** Drops a reference, and frees with the last one: not under its lock, and not in an RCU read section, for freeing takes the lock. */
  put(anonVma: Addr): void;
  /** Drops a reference. @returns whether it was the last: the caller then calls {@link AnonVmaRefs.destroy} */
  putTestzero(anonVma: Addr): boolean;
  /** Frees an anon_vma that has no reference, and drops that on its root (__put_anon_vma). */
  destroy(anonVma: Addr): void;
}

/** page_lock_anon_vma and its counterpart. */
export interface PageLock {
  /**
   * Locks the anon_vma of a page that the caller holds a reference to.
   * @returns it: all vmas that map the page are on its list. 0: the page is not anonymous, or nothing maps it any more
   */
  pageLockAnonVma(page: Addr): Addr;
  /** Unlocks what `pageLockAnonVma` has returned. */
  pageUnlockAnonVma(anonVma: Addr): void;
}

/** What `retire` may use. */
export interface Retiring extends AnonVmaLocking {
  /** Gives it back to the slab: whoever allocates next gets it. */
  free(anonVma: Addr): void;
}

/** From a page to the anon_vma that its mapping names: 0 unless the page is anonymous and mapped. The caller is in an RCU read section. */
export type LookUp = (kernel: AnonVmaKernel) => (page: Addr) => Addr;

/** A form of anon_vmas. */
export interface AnonVmaForm {
  /** Which lock, of which class. */
  readonly locking: (kernel: AnonVmaKernel) => AnonVmaLocking;
  /** Gives an anon_vma without references back (anon_vma_free). */
  readonly retire: (kernel: AnonVmaKernel, parts: Retiring) => (anonVma: Addr) => void;
  readonly lookUp: LookUp;
  /** page_lock_anon_vma and its counterpart. */
  readonly pageLock: (
    kernel: AnonVmaKernel,
    parts: AnonVmaLocking & AnonVmaRefs & { readonly lookUp: (page: Addr) => Addr },
  ) => PageLock;
  /** What an allocation writes besides references and root; nothing unless given, for the slab's constructor has done it. */
  readonly renew?: (isa: Isa, anonVma: Addr) => void;
}
