/**
 * Address spaces are made, copied and given up (kernel/fork.c, copy_page_range of mm/memory.c; Linux 2.6.5).
 *
 * fork copies every vma behind its parent's in the file's tree, and every entry. Private pages that may be written become read-only in both, so that the first write of either copies them.
 * The parent's mmap_sem is held for writing, so nobody faults meanwhile; its entries are read under its page_table_lock, as reclaim takes them away under that.
 *
 * The child is on no list and no CPU's until it is complete, but for its vmas, which the reverse mapping finds: reclaim may walk its page tables while they are copied. So the child's
 * page_table_lock is held, too, child before parent as in copy_page_range: nobody else takes two.
 */
import type { Addr } from '../arch/index.ts';
import type { Kernel } from './kernel.ts';
import {
  PAGE_SHIFT,
  PTE_ACCESSED,
  PTE_RW,
  pteMigration,
  pteNumber,
  ptePresent,
  pteSwap,
  pteWrite,
} from './pte.ts';
import { Globals, Mm, PG, VM, Vma } from './structs.ts';

/** Address spaces from beginning to end. */
export interface Mms {
  /** A new, empty one; 0: no memory. */
  create(): Addr;
  /** A copy of one; 0: no memory. */
  fork(parent: Addr): Addr;
  /** One user more, unless there is none any more. */
  getUser(mm: Addr): boolean;
  /** One user less; the last one unmaps everything (mmput). */
  put(mm: Addr): void;
  /** Keeps the struct itself (mm_count). */
  grab(mm: Addr): void;
  /** One reference less to the struct; the last frees it (mmdrop). */
  drop(mm: Addr): void;
}

export function mms(k: Kernel): Mms {
  const { isa, locks, lists, slabs, world, pages, pgtable, vmas, vmaTree, iMmap, rmap, sections, swap, tlb } =
    k;
  const { vm_next, vm_flags, vm_start, vm_end, vm_file, vm_pgoff } = Vma;
  const mmlistLock = world.globals + Globals.mmlist_lock;
  const mmlist = world.globals + Globals.init_mmlist;

  function born(parent: Addr): Addr {
    const mm = slabs.mms.tryAlloc();
    if (mm === 0) return 0;
    for (const word of [
      Mm.mmap,
      Mm.mm_rb,
      Mm.mmap_cache,
      Mm.map_count,
      Mm.total_vm,
      Mm.locked_vm,
      Mm.cpu_vm_mask,
    ])
      isa.writeOnce(mm + word, 0);
    for (const word of [Mm.start_brk, Mm.brk, Mm.start_stack])
      isa.write(mm + word, parent === 0 ? 0 : isa.read(parent + word));
    isa.write(mm + Mm.rss, 0);
    isa.write(mm + Mm.nr_ptes, 0);
    isa.writeOnce(mm + Mm.mm_users, 1);
    isa.writeOnce(mm + Mm.mm_count, 1);
    if (!pgtable.pgdAlloc(mm)) {
      slabs.mms.free(mm);
      return 0;
    }
    if (!rmap.mmBorn(mm, parent)) {
      pgtable.pgdFree(mm);
      slabs.mms.free(mm);
      return 0;
    }
    locks.spin.acquire(mmlistLock);
    lists.addTail(mm + Mm.mmlist, mmlist);
    locks.spin.release(mmlistLock);
    return mm;
  }

  function drop(mm: Addr): void {
    if (isa.fetchAdd(mm + Mm.mm_count, -1) !== 1) return;
    rmap.mmGone(mm);
    pgtable.pgdFree(mm);
    slabs.mms.free(mm);
  }

  function put(mm: Addr): void {
    if (isa.fetchAdd(mm + Mm.mm_users, -1) !== 1) return;
    k.maps.exitMmap(mm);
    // A CPU may still have it loaded, though nobody's code runs there: the struct may be another's soon.
    tlb.leave(mm);
    locks.spin.acquire(mmlistLock);
    lists.del(mm + Mm.mmlist);
    locks.spin.release(mmlistLock);
    drop(mm);
  }

  /** Copies one entry; both page_table_locks are held. @returns false: no memory */
  function copyPte(child: Addr, vma: Addr, from: Addr, to: Addr, address: number): boolean {
    let pte = pgtable.read(from);
    if (pte === 0) return true;
    if (!ptePresent(pte)) {
      if (pteSwap(pte)) swap.duplicate(pteNumber(pte));
      if (pteMigration(pte) && pteWrite(pte) && (isa.read(vma + vm_flags) & VM.SHARED) === 0) {
        // The page will be both's.
        pte &= ~PTE_RW;
        pgtable.set(from, pte);
      }
      pgtable.set(to, pte);
      return true;
    }
    const page = pages.pageAt(pteNumber(pte));
    const shared = (isa.read(vma + vm_flags) & VM.SHARED) !== 0;
    if (!shared && pteWrite(pte)) {
      pte = pgtable.getAndClear(from) & ~PTE_RW;
      pgtable.set(from, pte);
    }
    if (!pages.has(page, PG.reserved.mask)) {
      pages.get(page);
      if (!(pages.anon(page) ? rmap.addAnon(page, vma, address, to) : rmap.addFile(page, to))) {
        if (pages.putTestzero(page)) k.lru.release(page);
        return false;
      }
      isa.fetchAddRelaxed(child + Mm.rss, 1);
    }
    pgtable.set(to, pte & ~PTE_ACCESSED);
    return true;
  }

  /** Copies the entries of a vma. @returns false: no memory */
  function copyRange(child: Addr, parent: Addr, vma: Addr, original: Addr): boolean {
    let enough = true;
    sections.enter('pteChange', { mm: child, vma });
    sections.enter('pteChange', { mm: parent, vma: original });
    pgtable.forEach(parent, isa.read(original + vm_start), isa.read(original + vm_end), (from, address) => {
      if (!enough || pgtable.read(from) === 0) return;
      const to = pgtable.populate(child, address);
      enough = to !== 0 && copyPte(child, vma, from, to, address);
    });
    sections.leave();
    sections.leave();
    return enough;
  }

  /** Copies a vma and its entries. @returns false: no memory */
  function copyVma(child: Addr, parent: Addr, original: Addr): boolean {
    const flags = isa.read(original + vm_flags) & ~VM.LOCKED;
    const vma = vmas.make(child, {
      start: isa.read(original + vm_start),
      end: isa.read(original + vm_end),
      flags,
      file: isa.read(original + vm_file),
      pgoff: isa.read(original + vm_pgoff),
    });
    if (vma === 0) return false;
    if (!rmap.forked(vma, original)) {
      vmas.free(vma);
      return false;
    }
    isa.write(
      child + Mm.total_vm,
      isa.read(child + Mm.total_vm) + ((isa.read(vma + vm_end) - isa.read(vma + vm_start)) >>> PAGE_SHIFT),
    );
    const mapping = isa.read(vma + vm_file);
    sections.enter('vmaLink', { mm: child, vma, mapping, anon: 0 });
    vmaTree.vmaLink(child, vma);
    if (mapping !== 0) {
      if ((flags & VM.NONLINEAR) !== 0) iMmap.nonlinearAdd(vma);
      else iMmap.insertAfter(original, vma);
      k.truncate.stamps.forked(vma, original);
    }
    sections.leave();
    return copyRange(child, parent, vma, original);
  }

  function fork(parent: Addr): Addr {
    sections.enter('syscall', { mm: parent });
    const child = born(parent);
    let enough = child !== 0;
    if (enough) {
      // Nobody waits for the child's mmap_sem: it is not known to anyone who takes it.
      sections.enter('syscall', { mm: child });
      if (k.spf.on) vmaTree.forEach(parent, (vma) => k.spf.writers.begin(vma, 'fork'));
      for (let vma = isa.read(parent + Mm.mmap); enough && vma !== 0; vma = isa.read(vma + vm_next))
        enough = copyVma(child, parent, vma);
      sections.leave();
      // The parent's entries have lost the right to write.
      tlb.flushMm(parent);
      if (k.spf.on) vmaTree.forEach(parent, (vma) => k.spf.writers.end(vma, 'fork'));
    }
    sections.leave();
    if (enough) return child;
    if (child !== 0) put(child);
    return 0;
  }

  return {
    create: () => born(0),
    fork,
    getUser(mm) {
      let seen = isa.readOnce(mm + Mm.mm_users);
      while (seen !== 0) {
        const now = isa.compareExchange(mm + Mm.mm_users, seen, seen + 1);
        if (now === seen) return true;
        seen = now;
      }
      return false;
    },
    put,
    grab(mm) {
      isa.fetchAdd(mm + Mm.mm_count, 1);
    },
    drop,
  };
}
