/**
 * Compound pages, as far as a scanner of struct pages meets them (prep_compound_page, page_dup_rmap; mm/page_alloc.c, mm/huge_memory.c, Linux 4.5 and later).
 *
 *   head   PG_head, the references of all
 *   tail   PG_tail, `index` = head (the kernel's first_page, later compound_head); `mapping` is compound_mapcount, from -1 on
 *
 * So `mapping` of a tail looks like a type: with compound_mapcount 2, three huge entries, like that of a driver's page (mm.md R4.3).
 *
 * Simulated: two frames that lie together and that the caller has allocated one by one; there are no huge entries, only their count, and no allocator of higher orders. The kernel has the pointer to the head in a word that
 * shares its place with lru.next, told by the lowest bit; here a flag tells, for that word is read without a lock.
 */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_STRUCT_BYTES, Page, PG } from '../structs.ts';

/** Compound pages of two. */
export interface Compound {
  /** Makes one of a page and the one behind it; the caller has both, and nobody else. */
  make(head: Addr): void;
  /** One huge entry more maps it, or one less. */
  map(head: Addr, by: number): void;
  /** Makes two pages of it again, of which the caller has both. */
  split(head: Addr): void;
}

/** @param tails whether tails have references of their own, as up to Linux 4.4; since then none, so that nobody takes one */
export function compound({ isa, pages }: Kernel, tails: 'counted' | 'none' = 'none'): Compound {
  const tailOf = (head: Addr): Addr => head + PAGE_STRUCT_BYTES;
  return {
    make(head) {
      const tail = tailOf(head);
      if (tails === 'none') pages.putTestzero(tail);
      isa.writeOnce(tail + Page.index, head);
      isa.writeOnce(tail + Page.mapping, -1);
      pages.set(tail, PG.tail.mask);
      pages.set(head, PG.head.mask);
    },
    map(head, by) {
      isa.fetchAdd(tailOf(head) + Page.mapping, by);
    },
    split(head) {
      const tail = tailOf(head);
      pages.clear(head, PG.head.mask);
      pages.clear(tail, PG.tail.mask);
      isa.writeOnce(tail + Page.mapping, 0);
      isa.writeOnce(tail + Page.index, 0);
      if (tails === 'none') pages.get(tail);
    },
  };
}
