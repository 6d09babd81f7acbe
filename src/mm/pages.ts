/**
 * Page frames and their descriptors: numbers, addresses, reference counts, flags (include/linux/mm.h, page-flags.h).
 *
 *   number n (1 and up)   struct page at mem_map + 64 n, content at frames + 64 n
 *
 * References: `_refcount` counts everybody who may still look at the page (docs/mm.md has the rules); the one who takes it from 1 to 0 frees the page, and nobody
 * may count it up from 0 again (`getUnlessZero`). `_mapcount` starts at -1, so that an unmapped page is told by its sign.
 *
 * Ordering: counts and flags change by full read-modify-writes. Who drops the last reference is after everybody else's accesses, and frees before the next owner's.
 */
import type { Addr } from '../arch/index.ts';
import type { Base } from './kernel.ts';
import { MAPPING_ANON, PAGE_STRUCT_BYTES, Page } from './structs.ts';
import { FRAME_BYTES } from './world.ts';

/** Operations on struct pages. */
export interface Pages {
  /** Struct page of a frame's number. */
  pageAt(pfn: number): Addr;
  /** The number of a page's frame. */
  pfnOf(page: Addr): number;
  /** Where a page's 64 bytes lie. */
  contentOf(page: Addr): Addr;
  /** The page whose content an address lies in. */
  pageOfContent(at: Addr): Addr;
  /** Whether it is the address of a struct page of this model. */
  isPage(addr: Addr): boolean;
  /** References. */
  count(page: Addr): number;
  /** Takes a reference; the caller has one, or a lock that keeps one. */
  get(page: Addr): void;
  /** Takes a reference unless the page is being freed. */
  getUnlessZero(page: Addr): boolean;
  /** Drops a reference. @returns whether it was the last: the caller frees the page */
  putTestzero(page: Addr): boolean;
  /** Whose it is: an anon_vma or anonmm with {@link MAPPING_ANON}, an address_space, or 0. */
  mappingOf(page: Addr): Addr;
  /** Its place in the file, or the number of its virtual page. */
  indexOf(page: Addr): number;
  /** Whether it is (or was last) anonymous. */
  anon(page: Addr): boolean;
  /** Whether an entry maps it. */
  mapped(page: Addr): boolean;
  /** Entries that map it. */
  mapcount(page: Addr): number;
  /** Whether a flag, or one of several, is set. */
  has(page: Addr, flag: number): boolean;
  /** Sets flags. */
  set(page: Addr, flag: number): void;
  /** Clears flags. */
  clear(page: Addr, flag: number): void;
  /** Sets a flag. @returns whether it was set before */
  testAndSet(page: Addr, flag: number): boolean;
  /** Clears a flag. @returns whether it was set before */
  testAndClear(page: Addr, flag: number): boolean;
}

export function pages({ isa, spec, world }: Pick<Base, 'isa' | 'spec' | 'world'>): Pages {
  const { flags, _refcount, _mapcount, mapping, index } = Page;
  const { memMap, frames } = world;
  const end = memMap + PAGE_STRUCT_BYTES * (spec.frames + 1);
  const pfnOf = (page: Addr): number => (page - memMap) / PAGE_STRUCT_BYTES;
  const pageAt = (pfn: number): Addr => memMap + PAGE_STRUCT_BYTES * pfn;
  return {
    pageAt,
    pfnOf,
    contentOf: (page) => frames + FRAME_BYTES * pfnOf(page),
    pageOfContent: (at) => pageAt(Math.floor((at - frames) / FRAME_BYTES)),
    isPage: (addr) => addr > memMap && addr < end && (addr - memMap) % PAGE_STRUCT_BYTES === 0,
    count: (page) => isa.readOnce(page + _refcount),
    get(page) {
      isa.fetchAdd(page + _refcount, 1);
    },
    getUnlessZero(page) {
      let seen = isa.readOnce(page + _refcount);
      while (seen !== 0) {
        const now = isa.compareExchange(page + _refcount, seen, seen + 1);
        if (now === seen) return true;
        seen = now;
      }
      return false;
    },
    putTestzero: (page) => isa.fetchAdd(page + _refcount, -1) === 1,
    mappingOf: (page) => isa.readOnce(page + mapping),
    indexOf: (page) => isa.readOnce(page + index),
    anon: (page) => (isa.readOnce(page + mapping) & MAPPING_ANON) !== 0,
    mapped: (page) => isa.readOnce(page + _mapcount) >= 0,
    mapcount: (page) => isa.readOnce(page + _mapcount) + 1,
    has: (page, flag) => (isa.readOnce(page + flags) & flag) !== 0,
    set(page, flag) {
      isa.fetchOr(page + flags, flag);
    },
    clear(page, flag) {
      isa.fetchAnd(page + flags, ~flag);
    },
    testAndSet: (page, flag) => (isa.fetchOr(page + flags, flag) & flag) !== 0,
    testAndClear: (page, flag) => (isa.fetchAnd(page + flags, ~flag) & flag) !== 0,
  };
}
