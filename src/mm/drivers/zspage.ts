/**
 * zspages: one page or two of which small objects are made, one behind the other, and the lists of their class (mm/zsmalloc.c, Linux 4.8).
 *
 *   object    head | words of its user      head of an allocated one: its handle, with bit 0; of a free one: the number of the next free one + 1, above bit 0
 *   handle    number of the page in which the object begins | number of the object | pin
 *
 * So from a page the handles of its objects are found, which migration needs, and from a handle the page, its zspage (`page.private`), and the class.
 *
 *   empty, partial, full     on that list of its class
 *   isolated                 the VM has a page of it: on no list, so that nobody is given an object of it
 *
 * All of it is under the lock of the class, but for finding objects from handles: that needs the pin.
 */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../kernel.ts';
import { MmViolation } from '../oracles/violation.ts';
import { Page } from '../structs.ts';
import { HANDLE_PIN } from './pin.ts';
import { SizeClass, type SizeClassShape, ZS_CLASSES, ZsHandle, Zspage } from './structs.ts';

/** Words of a page. */
const PAGE_WORDS = 16;
/** `zs_handle.obj`: where the numbers begin. */
const INDEX_SHIFT = 1;
const PFN_SHIFT = 8;
const INDEX_MASK = (1 << (PFN_SHIFT - INDEX_SHIFT)) - 1;
/** The head of an object that is allocated. */
const OBJ_ALLOCATED = 1;

/** What stands in a word of an object behind the first two, who and which write. */
export const sealOf = (by: number, version: number, word: number): number =>
  (by << 20) ^ (version << 4) ^ word;

/** Objects of a zspage. */
export const objectsOf = ({ words, pages }: SizeClassShape): number =>
  Math.floor((pages * PAGE_WORDS) / words);

/** Where an object of a zspage begins: in which of its pages, at which word. */
export function startOf({ words }: SizeClassShape, index: number): { page: number; word: number } {
  const word = words * index;
  return { page: Math.floor(word / PAGE_WORDS), word: word % PAGE_WORDS };
}

/** Number of the page, and of the object, that a handle's word says. */
export const locationOf = (obj: number): { pfn: number; index: number } => ({
  pfn: obj >>> PFN_SHIFT,
  index: (obj >>> INDEX_SHIFT) & INDEX_MASK,
});

/** The word of a handle whose object is there, not pinned. */
export const locationTo = (pfn: number, index: number): number => (pfn << PFN_SHIFT) | (index << INDEX_SHIFT);

/** zspages and what lies in them. */
export interface Zspages {
  /** The shape of the class that a zspage is of. */
  shapeOf(zspage: Addr): SizeClassShape;
  /** Where a word of an object lies, 0 its head. */
  wordAt(zspage: Addr, index: number, word: number): Addr;
  /** Where the words of an object's user lie. @param page in which it begins */
  wordsOf(zspage: Addr, index: number, page: Addr): Addr[];
  /** The zspage that a page is of. @param asked what for, in words @throws MmViolation where it is of none any more */
  zspageOf(page: Addr, asked: string): Addr;
  /** A zspage with pages and free objects, on no list; 0: no memory. Nobody knows of its pages yet. */
  allocate(pool: Addr, sizeClass: Addr): Addr;
  /** Gives its pages a zspage: once, and for each page that takes another's place. */
  own(zspage: Addr, page: Addr, place: number): void;
  /** Takes what `own` gave. */
  disown(page: Addr): void;
  /** Pages of it. */
  pagesOf(zspage: Addr): Addr[];
  /** One with a free object, or 0. */
  find(sizeClass: Addr): Addr;
  /** On the list that it belongs on, unless the VM has a page of it. */
  file(zspage: Addr): void;
  /** On no list. */
  unfile(zspage: Addr): void;
  /** Allocates an object. */
  take(zspage: Addr, handle: Addr): void;
  /** Frees one. */
  give(zspage: Addr, index: number): void;
  /** Numbers of objects that begin in one of its pages, and the handles of those that are allocated. */
  allocatedIn(zspage: Addr, page: Addr): { index: number; handle: Addr }[];
}

export function zspages(k: Kernel): Zspages {
  const { isa, lists, pages, reclaim, driverSlabs } = k;
  const slab = driverSlabs.zspages;
  const { class: sizeClassOf, freeobj, inuse, isolated, list } = Zspage;

  const pageOf = (zspage: Addr, place: number): Addr => isa.read(zspage + Zspage.pages + 4 * place);
  const shapeOf = (zspage: Addr): SizeClassShape =>
    ZS_CLASSES[isa.read(isa.read(zspage + sizeClassOf) + SizeClass.index)]!;

  function wordAt(zspage: Addr, index: number, word: number): Addr {
    const at = shapeOf(zspage).words * index + word;
    return pages.contentOf(pageOf(zspage, Math.floor(at / PAGE_WORDS))) + 4 * (at % PAGE_WORDS);
  }

  function own(zspage: Addr, page: Addr, place: number): void {
    isa.write(zspage + Zspage.pages + 4 * place, page);
    isa.writeOnce(page + Page.private, zspage);
    isa.writeOnce(page + Page.index, place);
  }

  function allocate(pool: Addr, sizeClass: Addr): Addr {
    const zspage = slab?.tryAlloc() ?? 0;
    if (zspage === 0) return 0;
    const shape = ZS_CLASSES[isa.read(sizeClass + SizeClass.index)]!;
    for (let place = 0; place < shape.pages; place += 1) {
      const page = reclaim.allocPage();
      if (page === 0) {
        while (place > 0) {
          place -= 1;
          const last = pageOf(zspage, place);
          disown(last);
          if (pages.putTestzero(last)) k.lru.release(last);
        }
        slab!.free(zspage);
        return 0;
      }
      own(zspage, page, place);
    }
    isa.write(zspage + Zspage.pool, pool);
    isa.write(zspage + sizeClassOf, sizeClass);
    isa.write(zspage + inuse, 0);
    isa.write(zspage + isolated, 0);
    isa.write(zspage + freeobj, 1);
    lists.init(zspage + list);
    const last = objectsOf(shape);
    for (let index = 0; index < last; index += 1)
      isa.write(wordAt(zspage, index, 0), index + 1 < last ? (index + 2) << 1 : 0);
    return zspage;
  }

  function disown(page: Addr): void {
    isa.writeOnce(page + Page.private, 0);
    isa.writeOnce(page + Page.index, 0);
  }

  function headOf(zspage: Addr): Addr {
    const sizeClass = isa.read(zspage + sizeClassOf);
    const used = isa.read(zspage + inuse);
    if (used === 0) return sizeClass + SizeClass.empty;
    return sizeClass + (used === objectsOf(shapeOf(zspage)) ? SizeClass.full : SizeClass.partial);
  }

  function unfile(zspage: Addr): void {
    lists.del(zspage + list);
    lists.init(zspage + list);
  }

  return {
    shapeOf,
    wordAt,
    wordsOf(zspage, index, first) {
      const shape = shapeOf(zspage);
      const start = startOf(shape, index).page;
      return Array.from({ length: shape.words - 1 }, (_, word) => {
        const at = shape.words * index + word + 1;
        const place = Math.floor(at / PAGE_WORDS);
        return pages.contentOf(place === start ? first : pageOf(zspage, place)) + 4 * (at % PAGE_WORDS);
      });
    },
    zspageOf(page, asked) {
      const zspage = isa.readOnce(page + Page.private);
      if (zspage === 0 || slab?.indexOf(zspage) === -1)
        throw new MmViolation('O-UAF', `page ${pages.pfnOf(page)} is of no zspage: ${asked}`);
      return zspage;
    },
    allocate,
    own,
    disown,
    pagesOf: (zspage) => Array.from({ length: shapeOf(zspage).pages }, (_, place) => pageOf(zspage, place)),
    find(sizeClass) {
      const entry = lists.first(sizeClass + SizeClass.partial) || lists.first(sizeClass + SizeClass.empty);
      return entry === 0 ? 0 : entry - list;
    },
    file(zspage) {
      if (isa.read(zspage + isolated) !== 0) return;
      const head = headOf(zspage);
      if (lists.isEmpty(zspage + list)) lists.add(zspage + list, head);
      else lists.move(zspage + list, head);
    },
    unfile,
    take(zspage, handle) {
      const index = isa.read(zspage + freeobj) - 1;
      const head = wordAt(zspage, index, 0);
      isa.write(zspage + freeobj, isa.read(head) >>> 1);
      isa.write(head, handle | OBJ_ALLOCATED);
      isa.write(zspage + inuse, isa.read(zspage + inuse) + 1);
      const { page } = startOf(shapeOf(zspage), index);
      isa.writeOnce(handle + ZsHandle.obj, locationTo(pages.pfnOf(pageOf(zspage, page)), index));
    },
    give(zspage, index) {
      isa.write(wordAt(zspage, index, 0), isa.read(zspage + freeobj) << 1);
      isa.write(zspage + freeobj, index + 1);
      isa.write(zspage + inuse, isa.read(zspage + inuse) - 1);
    },
    allocatedIn(zspage, page) {
      const shape = shapeOf(zspage);
      const found: { index: number; handle: Addr }[] = [];
      for (let index = 0; index < objectsOf(shape); index += 1) {
        if (pageOf(zspage, startOf(shape, index).page) !== page) continue;
        const head = isa.read(wordAt(zspage, index, 0));
        if ((head & OBJ_ALLOCATED) !== 0) found.push({ index, handle: head & ~OBJ_ALLOCATED });
      }
      return found;
    },
  };
}

/** A handle's word, pinned. */
export const pinned = (obj: number): number => obj | HANDLE_PIN;
