/**
 * A store of small objects whose pages may be moved, shaped as zsmalloc with zram behind it (mm/zsmalloc.c, Linux 4.8, commit 48b4800a1c6a; Minchan Kim).
 *
 *   malloc       an object of a class; who asks gets a handle
 *   mapObject    pin -> where the object is -> its zspage, locked for reading: the object stays where it is until unmapObject
 *   free         pin, zspage for reading, class; the last object of a zspage takes its pages with it, if none of them is locked
 *   freeWork     zspages that were left empty: all their pages locked, then freed
 *
 * Locks: a user comes from the handle, migration from the page (zs-migrate.ts):
 *
 *   pin -> zspage, for reading -> class        migration: page lock -> zspage, for writing -> class, and then pins, which it only tries for (R4.11)
 *   class -> page locks, tried for             who isolates, moves or puts back has the page locked when he wants the class
 *
 * So an empty zspage cannot always be freed by who empties it: one page may be locked. It stays on the list of empty ones, and is freed by deferred work, which takes the page locks first. The VM has a page of
 * it: then putback or migration files it (R4.5).
 *
 * The pages of a zspage become movable when all of it is set up, under the lock of the class. Nobody has locked them: who finds them by number looks at their type first (R4.7).
 */
import type { Addr } from '../../arch/index.ts';
import type { MutexOps, RwOps } from '../../locking/kinds.ts';
import { rwlockReaderPreferring } from '../../locking/rwlock-reader-preferring.ts';
import { track } from '../../locking/track.ts';
import type { Kernel } from '../kernel.ts';
import type { DriverType, MovableDriver } from '../movable/driver.ts';
import { MmViolation } from '../oracles/violation.ts';
import { handlePins } from './pin.ts';
import { ZS_DESIGNS, type ZsRules } from './rules.ts';
import { SizeClass, ZS_CLASSES, ZsHandle, ZsPool, Zspage } from './structs.ts';
import { zsMovable } from './zs-migrate.ts';
import { locationOf, sealOf, type Zspages, zspages } from './zspage.ts';

/** What a user finds in an object. */
export interface ZsRead {
  readonly by: number;
  readonly version: number;
  /** Words that are of another write than the first two. */
  readonly torn: number;
}

/** An object that stays where it is. */
export interface ZsMapped {
  readonly handle: Addr;
  readonly zspage: Addr;
  /** Where its user's words lie. */
  readonly words: readonly Addr[];
}

/** Pools, and objects in them. */
export interface Zs extends MovableDriver {
  /** Where the bytes lie that its user has. */
  readonly userBytes: Addr;
  /** Makes a pool; 0: there are too many, or too many files. */
  createPool(): Addr;
  /** Gives a pool up. It has no objects, and nobody uses it or does its work. */
  destroyPool(pool: Addr): void;
  /** Allocates an object. @param sizeClass a number of ZS_CLASSES @returns its handle, 0: no memory */
  malloc(pool: Addr, sizeClass: number): Addr;
  /** Frees one; nobody uses it. */
  free(handle: Addr): void;
  /** Keeps an object where it is. */
  mapObject(handle: Addr): ZsMapped;
  /** Lets it go. */
  unmapObject(mapped: ZsMapped): void;
  /** Writes all words of an object: who, and which of his writes it is. */
  write(handle: Addr, by: number, version: number): void;
  /** Reads it. */
  read(handle: Addr): ZsRead;
  /** Frees what was left empty, if anything was. @returns how many zspages */
  freeWork(pool: Addr): number;
}

/** What the parts of the driver share. */
export interface ZsParts {
  readonly rules: ZsRules;
  readonly spaces: Zspages;
  readonly pins: Required<MutexOps>;
  readonly rwlock: Required<Pick<RwOps, 'acquireRead' | 'releaseRead' | 'acquireWrite' | 'releaseWrite'>>;
  /** Under the lock of a class. */
  inClass<T>(sizeClass: Addr, run: () => T): T;
  /** Drops a reference to a page. */
  put(page: Addr): void;
}

function zs(k: Kernel, userBytes: Addr, type: DriverType, rules: ZsRules): Zs {
  const { isa, cpu, locks, lists, lru, movable, pages, driverSlabs } = k;
  const { zsPools, sizeClasses, zspages: zspageSlab, zsHandles } = driverSlabs;
  const spaces = zspages(k);
  const pins = handlePins(isa, cpu);
  const rwlock = track('rwlock', cpu, rwlockReaderPreferring.create(isa, cpu)) as ZsParts['rwlock'];

  function inClass<T>(sizeClass: Addr, run: () => T): T {
    locks.spin.acquire(sizeClass + SizeClass.lock);
    const result = run();
    locks.spin.release(sizeClass + SizeClass.lock);
    return result;
  }

  function put(page: Addr): void {
    if (pages.putTestzero(page)) lru.release(page);
  }

  const classOf = (zspage: Addr): Addr => isa.read(zspage + Zspage.class);
  const mappingOf = (zspage: Addr): Addr => isa.read(isa.read(zspage + Zspage.pool) + ZsPool.mapping);

  /** Under the class's lock: all is set up, so its pages may be moved from now on. */
  function publish(zspage: Addr): void {
    for (const page of spaces.pagesOf(zspage)) {
      if (!locks.page.tryAcquire(page))
        throw new MmViolation('O-LOCKBAL', `page ${pages.pfnOf(page)} is new, and somebody has locked it`);
      movable.setMovable(page, mappingOf(zspage));
      locks.page.release(page);
    }
  }

  /** Frees an empty zspage that is on no list; all its pages are locked. */
  function freeZspage(zspage: Addr): void {
    for (const page of spaces.pagesOf(zspage)) {
      movable.clearMovable(page);
      spaces.disown(page);
      locks.page.release(page);
      put(page);
    }
    zspageSlab!.free(zspage);
  }

  /** Locks all pages of a zspage, or none. */
  function tryPages(zspage: Addr): boolean {
    const locked: Addr[] = [];
    for (const page of spaces.pagesOf(zspage)) {
      if (rules.empties === 'waits') locks.page.acquire(page);
      else if (!locks.page.tryAcquire(page)) {
        for (const each of locked) locks.page.release(each);
        return false;
      }
      locked.push(page);
    }
    return true;
  }

  /** Under the class's lock: the last object of it is gone. */
  function emptied(zspage: Addr): void {
    // Who has a page of it files it, when he puts that back.
    if (isa.read(zspage + Zspage.isolated) !== 0) return;
    if (tryPages(zspage)) {
      spaces.unfile(zspage);
      freeZspage(zspage);
    } else isa.writeOnce(isa.read(zspage + Zspage.pool) + ZsPool.free_work, 1);
  }

  function malloc(pool: Addr, which: number): Addr {
    const handle = zsHandles?.tryAlloc() ?? 0;
    if (handle === 0) return 0;
    isa.write(handle + ZsHandle.debug_by, 0);
    const sizeClass = isa.read(pool + ZsPool.size_class + 4 * which);
    const found = inClass(sizeClass, () => {
      const zspage = spaces.find(sizeClass);
      if (zspage === 0) return false;
      spaces.take(zspage, handle);
      spaces.file(zspage);
      return true;
    });
    if (found) return handle;
    const fresh = spaces.allocate(pool, sizeClass);
    if (fresh === 0) {
      zsHandles!.free(handle);
      return 0;
    }
    inClass(sizeClass, () => {
      spaces.take(fresh, handle);
      spaces.file(fresh);
      publish(fresh);
    });
    return handle;
  }

  function mapObject(handle: Addr): ZsMapped {
    pins.acquire(handle + ZsHandle.obj);
    const { pfn, index } = locationOf(isa.readOnce(handle + ZsHandle.obj));
    const page = pages.pageAt(pfn);
    const name = `its object ${index} is zs_handle#${zsHandles!.indexOf(handle)}'s, whose user has it pinned`;
    const zspage = spaces.zspageOf(page, name);
    rwlock.acquireRead(zspage + Zspage.lock);
    return { handle, zspage, words: spaces.wordsOf(zspage, index, page) };
  }

  function unmapObject({ handle, zspage }: ZsMapped): void {
    rwlock.releaseRead(zspage + Zspage.lock);
    pins.release(handle + ZsHandle.obj);
  }

  function free(handle: Addr): void {
    pins.acquire(handle + ZsHandle.obj);
    const { pfn, index } = locationOf(isa.readOnce(handle + ZsHandle.obj));
    const zspage = spaces.zspageOf(pages.pageAt(pfn), `zs_handle#${zsHandles!.indexOf(handle)} is freed`);
    rwlock.acquireRead(zspage + Zspage.lock);
    locks.spin.acquire(classOf(zspage) + SizeClass.lock);
    const sizeClass = classOf(zspage);
    spaces.give(zspage, index);
    spaces.file(zspage);
    const empty = isa.read(zspage + Zspage.inuse) === 0;
    rwlock.releaseRead(zspage + Zspage.lock);
    if (empty) emptied(zspage);
    locks.spin.release(sizeClass + SizeClass.lock);
    pins.release(handle + ZsHandle.obj);
    isa.writeOnce(handle + ZsHandle.obj, 0);
    zsHandles!.free(handle);
  }

  /** An empty zspage of a class that nobody else will free; 0: there is none. */
  const nextEmpty = (sizeClass: Addr): Addr =>
    inClass(sizeClass, () => {
      const entry = lists.first(sizeClass + SizeClass.empty);
      if (entry === 0) return 0;
      spaces.unfile(entry - Zspage.list);
      return entry - Zspage.list;
    });

  function freeWork(pool: Addr): number {
    if (isa.exchange(pool + ZsPool.free_work, 0) === 0) return 0;
    let freed = 0;
    for (let which = 0; which < ZS_CLASSES.length; which += 1) {
      const sizeClass = isa.read(pool + ZsPool.size_class + 4 * which);
      for (let zspage = nextEmpty(sizeClass); zspage !== 0; zspage = nextEmpty(sizeClass)) {
        for (const page of spaces.pagesOf(zspage)) locks.page.acquire(page);
        inClass(sizeClass, () => freeZspage(zspage));
        freed += 1;
      }
    }
    return freed;
  }

  /** Waits until the VM has no page of it. */
  function drain(pool: Addr): void {
    const word = pool + ZsPool.isolated_pages;
    for (let left = isa.loadAcquire(word); left !== 0; left = isa.loadAcquire(word))
      isa.spinWhile(word, left);
  }

  return {
    userBytes,
    ops: zsMovable(k, { rules, spaces, pins, rwlock, inClass, put }),
    createPool() {
      const pool = zsPools?.tryAlloc() ?? 0;
      if (pool === 0) return 0;
      const mapping = k.drivers.mapping(type);
      if (mapping === 0) {
        zsPools!.free(pool);
        return 0;
      }
      isa.write(pool + ZsPool.mapping, mapping);
      for (let which = 0; which < ZS_CLASSES.length; which += 1) {
        const sizeClass = sizeClasses!.alloc();
        isa.write(sizeClass + SizeClass.index, which);
        for (const list of [SizeClass.empty, SizeClass.partial, SizeClass.full]) lists.init(sizeClass + list);
        isa.write(pool + ZsPool.size_class + 4 * which, sizeClass);
      }
      return pool;
    },
    destroyPool(pool) {
      if (rules.drains) drain(pool);
      freeWork(pool);
      k.slabs.files.free(isa.read(pool + ZsPool.mapping));
      for (let which = 0; which < ZS_CLASSES.length; which += 1)
        sizeClasses!.free(isa.read(pool + ZsPool.size_class + 4 * which));
      zsPools!.free(pool);
    },
    malloc,
    free,
    mapObject,
    unmapObject,
    write(handle, by, version) {
      const mapped = mapObject(handle);
      for (const [word, at] of mapped.words.entries())
        isa.write(at, word === 0 ? by : word === 1 ? version : sealOf(by, version, word));
      isa.write(handle + ZsHandle.debug_by, by);
      isa.write(handle + ZsHandle.debug_version, version);
      unmapObject(mapped);
    },
    read(handle) {
      const mapped = mapObject(handle);
      const [by, version, ...seals] = mapped.words.map((at) => isa.read(at)) as [number, number];
      const torn = seals.filter((seal, at) => seal !== sealOf(by, version, at + 2)).length;
      unmapObject(mapped);
      return { by, version, torn };
    },
    freeWork,
  };
}

/** Number of the driver, in `address_space.a_ops`. */
const ZS_ID = 2;

/**
 * The driver.
 * @param rules a design of ZS_DESIGNS, or another
 * @param bytes that its user has in shared memory
 */
export function zsmalloc(rules: ZsRules = ZS_DESIGNS.later, bytes = 0): DriverType<Zs> {
  const type: DriverType<Zs> = {
    name: 'zsmalloc',
    id: ZS_ID,
    bytes,
    make: (k, at) => zs(k, at, type, rules),
  };
  return type;
}
