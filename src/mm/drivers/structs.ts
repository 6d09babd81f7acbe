/**
 * What drivers whose pages are movable keep in shared memory: a compressed store shaped as zsmalloc (mm/zsmalloc.c), and a balloon shaped as virtio-balloon's (mm/balloon_compaction.c), both of Linux 4.8.
 *
 *   zs_pool -> size_class   one for each size of objects   -> zspages by fullness -> pages
 *   zs_handle -> page and number of an object, with the pin in bit 0
 *
 * Who protects what:
 *
 *   size_class.lock    its lists; of a zspage `inuse`, `freeobj`, `isolated`, `fullness`, `list`; the heads of objects
 *   zspage.lock        taken for reading by who uses an object, for writing by who moves a page: `pages`, and the content of objects
 *   the pin            `zs_handle.obj` stays as it is: object and page stay where they are
 *   pages_lock         of a balloon its list and `isolated_pages`; `page.lru` of its pages that are on the list
 *   balloon_lock       `num_pages`, one inflation, deflation or migration at a time
 *
 * `page.private` of a page says which zspage, or balloon, has it, `page.index` of a zspage's which page of it: they change with the page locked, and stay while one who uses an object has it pinned.
 */
import { i32, listHead, ptr, struct, u32 } from '../../memory/index.ts';

/** Pages of a zspage, at most. */
export const ZSPAGE_PAGES = 2;

/** How objects of one size lie in zspages. */
export interface SizeClassShape {
  /** Of an object, its head included. */
  readonly words: number;
  /** Of a zspage. */
  readonly pages: number;
}

/** The size classes of every pool: the objects of the second do not fit a page without rest, so that one of them lies in two pages. */
export const ZS_CLASSES: readonly SizeClassShape[] = [
  { words: 4, pages: 1 },
  { words: 5, pages: 2 },
];

/** A store of small objects (struct zs_pool). */
export const ZsPool = struct('zs_pool', {
  /** Says to whom its pages belong (the inode of zsmalloc's own file system). */
  mapping: ptr('address_space'),
  size_class: ptr('size_class', ZS_CLASSES.length),
  /** zspages were left empty that nobody has freed yet (free_work). */
  free_work: u32,
  /** zspages that the VM has pages of; who destroys the pool waits for them (5.3, commit 701d678599d0). */
  isolated_pages: i32,
});

/** Objects of one size (struct size_class). */
export const SizeClass = struct('size_class', {
  lock: u32.ownLine(),
  /** Its number in {@link ZS_CLASSES}. */
  index: u32,
  /** zspages by what is free in them: all, some, nothing. */
  empty: listHead,
  partial: listHead,
  full: listHead,
});

/** One page or two that objects of a class lie in, one behind the other (struct zspage). */
export const Zspage = struct('zspage', {
  /** Readers use objects, a writer moves a page (migrate_read_lock, migrate_write_lock). */
  lock: u32,
  pool: ptr('zs_pool'),
  class: ptr('size_class'),
  inuse: i32,
  /** The first free object, + 1; 0: there is none. */
  freeobj: u32,
  /** Pages that the VM has. */
  isolated: i32,
  pages: ptr('page', ZSPAGE_PAGES),
  /** In one of the lists of its class; of one that the VM has, or is being freed, empty. */
  list: listHead,
});

/** Where an object is: what its owner has in place of an address. */
export const ZsHandle = struct('zs_handle', {
  /** Number of the page, number of the object in its zspage, the pin; 0: it has no object yet. */
  obj: u32,
  /** What its user has written to it last, and been told that it is written. */
  debug_by: u32,
  debug_version: u32,
});

/** Number of the balloon's driver, in `address_space.a_ops`. */
export const BALLOON_ID = 3;

/** A balloon: pages that a guest has given up (struct balloon_dev_info, with what virtio-balloon has around it). */
export const Balloon = struct('balloon_dev_info', {
  mapping: ptr('address_space'),
  balloon_lock: u32.ownLine(),
  /** Pages that it has, isolated ones included. */
  num_pages: i32,
  pages_lock: u32.ownLine(),
  isolated_pages: i32,
  pages: listHead,
});
