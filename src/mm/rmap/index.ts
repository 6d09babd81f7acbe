/**
 * The reverse mapping of a kernel, put together of the designs that its regime names; try_to_unmap and page_referenced (mm/rmap.c, Linux 2.6.5 to 2.6.12).
 *
 * `_mapcount` and the design's own record change together, under the entry's page_table_lock.
 *
 *   try_to_unmap of one entry   its vma forbids it (mlock, reserved), or there is none: SWAP_FAIL. Used since the last look: SWAP_FAIL. Else entry -> swap entry (anonymous; the slot has one more user
 *                               before the entry shows it), file entry (nonlinear) or none
 *
 * A page of the swap cache that somebody holds besides the cache, the entries and the caller is not unmapped: he may write to it unseen (Linux 2.6.12).
 */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../kernel.ts';
import { filePte, PTE_ACCESSED, pteDirty, pteYoung, swpPte } from '../pte.ts';
import type { AnonRmap, FileRmap } from '../regime.ts';
import { Mm, Page, PG, VM, Vma } from '../structs.ts';
import { anonByAnonVma } from './anon-vma.ts';
import { anonByAnonMm } from './anonmm.ts';
import {
  type AnonDesign,
  type FileDesign,
  type Rmap,
  SWAP_AGAIN,
  SWAP_FAIL,
  SWAP_SUCCESS,
  type Visit,
} from './design.ts';
import { fileByIMmap } from './i-mmap.ts';
import { anonByPteChain, fileByPteChain } from './pte-chain.ts';

export type { Rmap } from './design.ts';
export { SWAP_AGAIN, SWAP_FAIL, SWAP_SUCCESS } from './design.ts';

const ANON: Readonly<Record<AnonRmap, (k: Kernel) => AnonDesign>> = {
  pte_chain: anonByPteChain,
  anon_vma: anonByAnonVma,
  anonmm: anonByAnonMm,
};
const FILE: Readonly<Record<FileRmap, (k: Kernel) => FileDesign>> = {
  pte_chain: fileByPteChain,
  i_mmap: fileByIMmap,
};

export function rmap(k: Kernel): Rmap {
  const { isa, pages, pgtable, tlb, swap, sections } = k;
  const { regime } = sections;
  const anon = ANON[regime.anonRmap](k);
  const file = FILE[regime.fileRmap](k);
  const { _mapcount } = Page;

  function walk(page: Addr, visit: Visit): boolean {
    return pages.anon(page) ? anon.walk(page, visit) : file.walk(page, visit);
  }

  function remove(page: Addr, at: Addr): void {
    if (pages.anon(page)) anon.removed(page, at);
    else file.removed(page, at);
    isa.fetchAdd(page + _mapcount, -1);
  }

  function addAnon(page: Addr, vma: Addr, address: number, at: Addr, fresh: boolean): boolean {
    if (!anon.added(page, vma, address, at, !pages.mapped(page), fresh)) return false;
    isa.fetchAdd(page + _mapcount, 1);
    return true;
  }

  /** What is left in the entry of a page that is unmapped. */
  function leftOver(page: Addr, vma: Addr): number {
    if (pages.anon(page)) {
      const slot = isa.read(page + Page.private);
      swap.duplicate(slot);
      return swpPte(slot);
    }
    return (isa.readOnce(vma + Vma.vm_flags) & VM.NONLINEAR) === 0 ? 0 : filePte(pages.indexOf(page));
  }

  function unmapOne(page: Addr, at: Addr, mm: Addr, vma: Addr, address: number): number {
    // While mremap moves entries a page can be outside of all vmas: nobody says that it may go.
    if (vma === 0 || !k.unmappable.allows(page, vma)) return SWAP_FAIL;
    const pte = pgtable.read(at);
    if (pteYoung(pte)) {
      pgtable.set(at, pgtable.getAndClear(at) & ~PTE_ACCESSED);
      tlb.flushPage(mm, address);
      return SWAP_FAIL;
    }
    if (pages.has(page, PG.swapcache.mask) && pages.count(page) !== pages.mapcount(page) + 2)
      return SWAP_FAIL;
    const left = leftOver(page, vma);
    const old = pgtable.getAndClear(at);
    tlb.flushPage(mm, address);
    if (pteDirty(old)) pages.set(page, PG.dirty.mask);
    pgtable.set(at, left);
    remove(page, at);
    isa.fetchAddRelaxed(mm + Mm.rss, -1);
    // Not the last: the caller has one.
    pages.putTestzero(page);
    return SWAP_SUCCESS;
  }

  return {
    ...anon,
    addAnon: (page, vma, address, at) => addAnon(page, vma, address, at, false),
    addNewAnon: (page, vma, address, at) => addAnon(page, vma, address, at, true),
    addFile(page, at) {
      if (!file.added(page, at)) return false;
      isa.fetchAdd(page + _mapcount, 1);
      return true;
    },
    remove,
    walk,
    referenced(page) {
      let used = pages.testAndClear(page, PG.referenced.mask) ? 1 : 0;
      walk(page, (at, mm, _vma, address) => {
        const pte = pgtable.read(at);
        if (pteYoung(pte)) {
          pgtable.set(at, pgtable.getAndClear(at) & ~PTE_ACCESSED);
          tlb.flushPage(mm, address);
          used += 1;
        }
        return true;
      });
      return used;
    },
    mappedLocked(page) {
      let found = false;
      walk(page, (_at, _mm, vma) => {
        found = vma !== 0 && (isa.readOnce(vma + Vma.vm_flags) & VM.LOCKED) !== 0;
        return !found;
      });
      return found;
    },
    tryToUnmap(page) {
      let result = SWAP_SUCCESS;
      const complete = walk(page, (at, mm, vma, address) => {
        const one = unmapOne(page, at, mm, vma, address);
        if (one !== SWAP_SUCCESS) result = one;
        return one !== SWAP_FAIL;
      });
      if (result === SWAP_FAIL) return SWAP_FAIL;
      if (!complete || pages.mapped(page)) return SWAP_AGAIN;
      return result;
    },
  };
}
