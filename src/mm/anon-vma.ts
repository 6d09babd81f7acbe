/**
 * anon_vma: which vmas may map an anonymous page (Andrea Arcangeli, Linux 2.6.7; chains: Rik van Riel, 2.6.34; references and root: Peter Zijlstra, 2.6.36 to 3.0).
 *
 *   page.mapping ─> anon_vma.head ─> anon_vma_chain ─> vma          every vma that may map the page
 *   vma.anon_vma_chain ─> anon_vma_chain ─> anon_vma                every anon_vma that a page of the vma may belong to
 *   vma.anon_vma                                                    that of its new pages
 *
 * A vma has none until its first anonymous page (`prepare`). A part of it, or one that it is merged into, is put into all of its anon_vmas (`clone`). The child of a fork is, too, for it has
 * its parent's pages, and then gets one of its own below the same root, so that its new pages are not looked for in its parent (`fork`).
 *
 * Who may change what: `head` and `same_anon_vma` are guarded by the lock of the anon_vma, which in the merged forms is the root's; `same_vma` and `vma.anon_vma` by mmap_sem, held for
 * writing, or for reading with page_table_lock (`prepare`). A chain is freed by who has unlinked it.
 *
 * Unlinking a vma from an anon_vma whose list becomes empty drops the list's reference, after the lock: the last reference frees, and freeing takes the lock.
 */
import type { Addr } from '../arch/index.ts';
import type { AnonVmaForm, AnonVmaKernel, AnonVmaRefs, PageLock } from './anon-vma-form.ts';
import { anonVmaRefs } from './anon-vma-ref.ts';
import { AnonVma, AnonVmaChain, MAPPING_ANON, Mm, Vma } from './structs.ts';
import { pageMappedForm } from './variants/page-lock-anon-vma/page-mapped.ts';

export type { AnonVmaForm, AnonVmaKernel, AnonVmaLocking, AnonVmaRefs, PageLock } from './anon-vma-form.ts';
export { constructAnonVma } from './anon-vma-ref.ts';

/** The operations on anon_vmas. */
export interface AnonVmas extends PageLock, AnonVmaRefs {
  /**
   * Gives a vma an anon_vma before its first anonymous page (anon_vma_prepare). The caller holds mmap_sem.
   * @param shared one that a neighbour has and this one may have, too
   * @returns false: no memory
   */
  prepare(vma: Addr, shared?: Addr): boolean;
  /** Puts a vma into all anon_vmas of another (anon_vma_clone). @returns false: no memory, and `dst` is in none */
  clone(dst: Addr, src: Addr): boolean;
  /** Puts a fork's vma into all of its parent's, and gives it one of its own (anon_vma_fork). @returns false: no memory, and `child` is in none */
  fork(child: Addr, parent: Addr): boolean;
  /** Takes a vma out of all (unlink_anon_vmas). */
  unlink(vma: Addr): void;
  /** The lock that guards the list of an anon_vma. */
  lockOf(anonVma: Addr): Addr;
  /** Locks an anon_vma that stays: the caller has a vma of it, or a reference. */
  lock(anonVma: Addr): void;
  /** Unlocks it. */
  unlock(anonVma: Addr): void;
  /** Calls `fn` for each vma, oldest first, until it returns false. The caller holds the lock. */
  forEachVma(anonVma: Addr, fn: (vma: Addr) => unknown): void;
  /** `page.mapping` of a new page of a vma. */
  mappingFor(vma: Addr): number;
}

/** The operations of one CPU. @param form that of Linux 3.0, with its repairs, unless given */
export function anonVma(kernel: AnonVmaKernel, form: AnonVmaForm = pageMappedForm): AnonVmas {
  const { isa, locks, lists, slabs } = kernel;
  const { spin } = locks;
  const { chains } = slabs;
  const { same_vma, same_anon_vma } = AnonVmaChain;
  const locking = form.locking(kernel);
  const refs = anonVmaRefs(kernel, locking, form);
  const pageLock = form.pageLock(kernel, { ...locking, ...refs, lookUp: form.lookUp(kernel) });
  const { lockOf, acquire, release } = locking;

  /** Links a vma that nobody finds by another list yet; the lock is held. */
  function link(chain: Addr, vma: Addr, anonVma: Addr): void {
    isa.write(chain + AnonVmaChain.vma, vma);
    isa.write(chain + AnonVmaChain.anon_vma, anonVma);
    lists.addTail(chain + same_anon_vma, anonVma + AnonVma.head);
  }

  function lock(anonVma: Addr): void {
    acquire(lockOf(anonVma));
  }

  function unlock(anonVma: Addr): void {
    release(lockOf(anonVma));
  }

  function prepare(vma: Addr, shared: Addr = 0): boolean {
    if (isa.readOnce(vma + Vma.anon_vma) !== 0) return true;
    const chain = chains.tryAlloc();
    if (chain === 0) return false;
    const anonVma = shared !== 0 ? shared : refs.alloc();
    if (anonVma === 0) {
      chains.free(chain);
      return false;
    }
    const ptl = isa.read(vma + Vma.vm_mm) + Mm.page_table_lock;
    lock(anonVma);
    spin.acquire(ptl);
    // Another thread of the address space may have been faster: they all hold mmap_sem for reading.
    const first = isa.readOnce(vma + Vma.anon_vma) === 0;
    if (first) {
      isa.writeOnce(vma + Vma.anon_vma, anonVma);
      lists.add(chain + same_vma, vma + Vma.anon_vma_chain);
      link(chain, vma, anonVma);
    }
    spin.release(ptl);
    unlock(anonVma);
    if (first) return true;
    chains.free(chain);
    if (shared === 0) refs.put(anonVma);
    return true;
  }

  function clone(dst: Addr, src: Addr): boolean {
    let enough = true;
    lists.forEach(src + Vma.anon_vma_chain, (entry) => {
      const chain = chains.tryAlloc();
      enough = chain !== 0;
      if (!enough) return false;
      const anonVma = isa.read(entry - same_vma + AnonVmaChain.anon_vma);
      lists.addTail(chain + same_vma, dst + Vma.anon_vma_chain);
      lock(anonVma);
      link(chain, dst, anonVma);
      unlock(anonVma);
      return true;
    });
    if (!enough) unlink(dst);
    return enough;
  }

  function fork(child: Addr, parent: Addr): boolean {
    isa.writeOnce(child + Vma.anon_vma, 0);
    const parents = isa.read(parent + Vma.anon_vma);
    if (parents === 0) return true;
    if (!clone(child, parent)) return false;
    const anonVma = refs.alloc();
    const chain = anonVma === 0 ? 0 : chains.tryAlloc();
    if (chain === 0) {
      if (anonVma !== 0) refs.put(anonVma);
      unlink(child);
      return false;
    }
    const root = isa.read(parents + AnonVma.root);
    isa.writeOnce(anonVma + AnonVma.root, root);
    // The root stays as long as a child that is locked by it.
    refs.get(root);
    isa.writeOnce(child + Vma.anon_vma, anonVma);
    lists.add(chain + same_vma, child + Vma.anon_vma_chain);
    lock(anonVma);
    link(chain, child, anonVma);
    unlock(anonVma);
    return true;
  }

  function unlink(vma: Addr): void {
    lists.forEach(vma + Vma.anon_vma_chain, (entry) => {
      const chain = entry - same_vma;
      const anonVma = isa.read(chain + AnonVmaChain.anon_vma);
      lock(anonVma);
      lists.del(chain + same_anon_vma);
      const empty = lists.isEmpty(anonVma + AnonVma.head);
      unlock(anonVma);
      lists.del(entry);
      chains.free(chain);
      if (empty) refs.put(anonVma);
    });
    isa.writeOnce(vma + Vma.anon_vma, 0);
  }

  return {
    ...refs,
    ...pageLock,
    prepare,
    clone,
    fork,
    unlink,
    lockOf,
    lock,
    unlock,
    forEachVma(anonVma, fn) {
      lists.forEach(anonVma + AnonVma.head, (entry) =>
        fn(isa.read(entry - same_anon_vma + AnonVmaChain.vma)),
      );
    },
    mappingFor: (vma) => isa.read(vma + Vma.anon_vma) + MAPPING_ANON,
  };
}
