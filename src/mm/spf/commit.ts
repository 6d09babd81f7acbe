/**
 * Puts an anonymous page under an entry that a speculator has locked (__page_add_new_anon_rmap; "Speculative page faults" v11, Laurent Dufour, 2018).
 *
 * What the page is told of its vma comes from the copies: where vmas change without page_table_lock (AM and later trees) the vma may be split or merged at this very moment, though its sequence was right when
 * the lock was got. Between the stores of vm_start and vm_pgoff the number of a page would be another's, and a vma that is merged into its neighbour has no anon_vma any more (mm.md R3.13).
 */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../kernel.ts';
import { mkPte, PAGE_MASK, PTE_ACCESSED, PTE_DIRTY, PTE_RW } from '../pte.ts';
import { AnonVma, MAPPING_ANON, Mm, Page, PG, VM } from '../structs.ts';
import type { SpfRules } from './rules.ts';
import type { VmFault } from './vmf.ts';

/** What is done with the pte lock held. */
export interface Commits {
  /** The entry of a page. @param writable it may be written through at once, if the vma allows it */
  entryOf(vmf: VmFault, page: Addr, writable: boolean): number;
  /** Lets reverse mapping find the page. @returns false: no memory */
  addAnon(vmf: VmFault, page: Addr, fresh: boolean): boolean;
  /** A new page: on the LRU, counted, mapped. */
  setAnon(vmf: VmFault, page: Addr): void;
  addRss(vmf: VmFault, by: number): void;
}

export function commits(k: Kernel, rules: SpfRules): Commits {
  const { isa, pages, pgtable, rmap, lru } = k;

  function entryOf({ flags }: VmFault, page: Addr, writable: boolean): number {
    const right = writable && (flags & VM.WRITE) !== 0 ? PTE_RW | PTE_DIRTY : 0;
    return mkPte(pages.pfnOf(page), PTE_ACCESSED | right);
  }

  function addRss({ mm }: VmFault, by: number): void {
    isa.fetchAddRelaxed(mm + Mm.rss, by);
  }

  return {
    entryOf,
    addRss,
    addAnon(vmf, page, fresh) {
      const { vma, address, pte, anonVma, index } = vmf;
      if (rules.index === 'copies' && pages.mappingOf(page) === 0) {
        const family = fresh ? anonVma : isa.read(anonVma + AnonVma.root);
        isa.writeOnce(page + Page.index, index);
        isa.writeOnce(page + Page.mapping, family | MAPPING_ANON);
      }
      const add = fresh ? rmap.addNewAnon : rmap.addAnon;
      return add(page, vma, address & PAGE_MASK, pte);
    },
    setAnon(vmf, page) {
      pages.set(page, PG.swapbacked.mask | PG.uptodate.mask);
      lru.cacheAdd(page);
      addRss(vmf, 1);
      pgtable.set(vmf.pte, entryOf(vmf, page, true));
    },
  };
}
