/**
 * Reverse mapping of anonymous pages by anonmm (anobjrmap, Hugh Dickins, March 2003 and 2004).
 *
 *   anonmm { mm, head, list, count }        one an address space; `head` is that of the exec that all on the list were forked from
 *   page.mapping = anonmm | 1, page.index = number of the virtual page
 *
 * fork leaves addresses as they are, so a page can be at its index in any address space of the list and nowhere else. (What mremap moves is moved with a copy where it is shared; the
 * model does the same.) The walk looks the vma up by address in each of them, under page_table_lock alone: this design stands and falls with writers of vmas that hold it.
 *
 * `lock` of the head protects the list. `count` of an anonmm is one for its address space and, of a head, one for each member: pages point to the head, so a head outlives all of them.
 */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SHIFT } from '../pte.ts';
import { AnonMm, MAPPING_ANON, MAPPING_FLAGS, Mm, Page, Vma } from '../structs.ts';
import type { AnonDesign } from './design.ts';
import { entryFor } from './entry.ts';

export function anonByAnonMm(k: Kernel): AnonDesign {
  const { isa, lists, locks, slabs, sections, vmaTree } = k;
  const { mm: owner, head, lock, count, list } = AnonMm;
  const find = entryFor(k);

  function put(anonmm: Addr): void {
    if (isa.fetchAdd(anonmm + count, -1) === 1) slabs.anonMms.free(anonmm);
  }

  return {
    prepare: () => true,
    lockOf: () => 0,
    copied: () => true,
    forked: () => true,
    unlinked: () => {},
    mergeable: () => true,
    merging: () => true,
    mmBorn(mm, parent) {
      const anonmm = slabs.anonMms.tryAlloc();
      if (anonmm === 0) return false;
      isa.write(anonmm + owner, mm);
      isa.writeOnce(anonmm + count, 1);
      isa.write(mm + Mm.anonmm, anonmm);
      if (parent === 0) {
        isa.write(anonmm + head, anonmm);
        lists.init(anonmm + list);
        return true;
      }
      const first = isa.read(isa.read(parent + Mm.anonmm) + head);
      isa.write(anonmm + head, first);
      isa.fetchAdd(first + count, 1);
      locks.anon.acquire(first + lock);
      lists.addTail(anonmm + list, first + list);
      locks.anon.release(first + lock);
      return true;
    },
    mmGone(mm) {
      const anonmm = isa.read(mm + Mm.anonmm);
      const first = isa.read(anonmm + head);
      locks.anon.acquire(first + lock);
      isa.write(anonmm + owner, 0);
      if (first !== anonmm) lists.del(anonmm + list);
      locks.anon.release(first + lock);
      put(anonmm);
      if (first !== anonmm) put(first);
    },
    added(page, vma, address, _at, first) {
      if (!first) return true;
      const anonmm = isa.read(isa.read(vma + Vma.vm_mm) + Mm.anonmm);
      isa.writeOnce(page + Page.index, address >>> PAGE_SHIFT);
      isa.writeOnce(page + Page.mapping, isa.read(anonmm + head) | MAPPING_ANON);
      return true;
    },
    moved(page, _from, _to, address) {
      isa.writeOnce(page + Page.index, address >>> PAGE_SHIFT);
    },
    removed: () => {},
    walk(page, visit) {
      const first = isa.readOnce(page + Page.mapping) & ~MAPPING_FLAGS;
      const address = isa.readOnce(page + Page.index) << PAGE_SHIFT;
      if (first === 0) return true;
      let complete = true;
      const look = (anonmm: Addr): boolean => {
        const mm = isa.read(anonmm + owner);
        if (mm === 0) return true;
        if (!sections.enter('swapoutAnon', { mm })) {
          complete = false;
          return true;
        }
        const vma = vmaTree.findVma(mm, address);
        const at = find(mm, address, page);
        const more = at === 0 || visit(at, mm, vma, address);
        sections.leave();
        return more;
      };
      locks.anon.acquire(first + lock);
      if (look(first)) lists.forEach(first + list, (entry) => look(entry - list));
      locks.anon.release(first + lock);
      return complete;
    },
  };
}
