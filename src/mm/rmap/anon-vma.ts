/**
 * Reverse mapping of anonymous pages by anon_vma (Andrea Arcangeli, March 2004; with chains and root as of Linux 2.6.34, Rik van Riel).
 *
 *   page.mapping = anon_vma | 1, page.index = number of the virtual page     set by the first entry that maps it, and kept until the page is freed
 *
 * A new page belongs to its vma's own anon_vma. One that comes from swap may be in the tables of parents and siblings, too, which know nothing of that: it belongs to the root (Linux 2.6.34, commit
 * ea90002b0fa7; whoever maps it first would decide otherwise, and the others would not be found).
 *
 * The walk takes the anon_vma's lock by page_lock_anon_vma (variants/page-lock-anon-vma) and goes over its vmas; a page may be anywhere in them where its index says, or nowhere. No look-up in a vma
 * tree is needed: a vma that is on the anon_vma's list is not freed while the lock is held, since whoever frees it takes it off under that lock first. Bounds may move meanwhile, so what the entry says
 * under page_table_lock is what counts.
 */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SHIFT } from '../pte.ts';
import { AnonVma, MAPPING_ANON, Page, Vma } from '../structs.ts';
import type { AnonDesign } from './design.ts';
import { entryFor } from './entry.ts';

export function anonByAnonVma(k: Kernel): AnonDesign {
  const { isa, anonVma, sections } = k;
  const { anon_vma, vm_mm, vm_start, vm_end, vm_pgoff } = Vma;
  const find = entryFor(k);

  /** Lets a vma have the pages of another. */
  function join(vma: Addr, other: Addr): boolean {
    if (!anonVma.clone(vma, other)) return false;
    isa.writeOnce(vma + anon_vma, isa.readOnce(other + anon_vma));
    return true;
  }

  return {
    prepare: (vma) => anonVma.prepare(vma),
    lockOf(vma) {
      const family = isa.readOnce(vma + anon_vma);
      return family === 0 ? 0 : isa.read(family + AnonVma.root) + AnonVma.lock;
    },
    copied: join,
    forked: (child, parent) => anonVma.fork(child, parent),
    unlinked: (vma) => anonVma.unlink(vma),
    mergeable(vma, other) {
      const [one, two] = [isa.read(vma + anon_vma), isa.read(other + anon_vma)];
      return one === two || one === 0 || two === 0;
    },
    // One that has none gets those of the other.
    merging: (into, gone) => isa.read(into + anon_vma) !== 0 || join(into, gone),
    mmBorn: () => true,
    mmGone: () => {},
    added(page, vma, address, _at, _first, fresh) {
      if (isa.readOnce(page + Page.mapping) !== 0) return true;
      const own = isa.read(vma + anon_vma);
      const family = fresh ? own : isa.read(own + AnonVma.root);
      isa.writeOnce(
        page + Page.index,
        isa.read(vma + vm_pgoff) + ((address - isa.read(vma + vm_start)) >>> PAGE_SHIFT),
      );
      isa.writeOnce(page + Page.mapping, family | MAPPING_ANON);
      return true;
    },
    moved: () => {},
    removed: () => {},
    walk(page, visit) {
      const family = anonVma.pageLockAnonVma(page);
      if (family === 0) return true;
      const index = isa.readOnce(page + Page.index);
      let complete = true;
      anonVma.forEachVma(family, (vma) => {
        const start = isa.readOnce(vma + vm_start);
        const address = start + ((index - isa.readOnce(vma + vm_pgoff)) << PAGE_SHIFT);
        if (address < start || address >= isa.readOnce(vma + vm_end)) return true;
        const mm = isa.read(vma + vm_mm);
        if (!sections.enter('swapoutAnon', { mm, vma })) {
          complete = false;
          return true;
        }
        const at = find(mm, address, page);
        const more = at === 0 || visit(at, mm, vma, address);
        sections.leave();
        return more;
      });
      anonVma.pageUnlockAnonVma(family);
      return complete;
    },
  };
}
