/**
 * Vmas of one page each, for scenarios about pages: who maps a page, who has it locked in memory, and reclaim that comes by.
 *
 * Each has a page_table_lock of its own, flags and one entry. What the kernel finds by the reverse mapping is found here by looking at all of them. Everything else is the model's: struct pages,
 * the LRU, the design for mlocked pages.
 */
import type { Addr, Isa } from '../../arch/index.ts';
import { type Cpu, fieldAt, ptr, sizeOf, struct, u32 } from '../../memory/index.ts';
import { type Base, createBase, type MmLocks } from '../../mm/kernel.ts';
import { type Lru, type LruKernel, lru } from '../../mm/lru.ts';
import type { Mlock, MlockKernel } from '../../mm/mlock/index.ts';
import { mmNames } from '../../mm/names.ts';
import { type Pages, pages } from '../../mm/pages.ts';
import { DEFAULT_SPEC, type MmSpec } from '../../mm/spec.ts';
import { Page, VM } from '../../mm/structs.ts';
import { planWorld, type World } from '../../mm/world.ts';

const Mapping = struct('mapping', {
  page_table_lock: u32.ownLine(),
  vm_flags: u32,
  pte: ptr('page'),
  /** The page that belongs there, mapped or not. */
  home: ptr('page'),
});
const MAPPING_BYTES = sizeOf(Mapping);

/** As small as a model can be. */
const SPEC: MmSpec = {
  ...DEFAULT_SPEC,
  frames: 4,
  mms: 1,
  vmas: 1,
  anonVmas: 1,
  chains: 1,
  pteChains: 1,
  files: 1,
  filePages: 1,
  swapPages: 1,
};
/** Pages that there are. */
export const PAGES = SPEC.frames;
/** Vmas that there are. */
export const VMAS = 3;

/** Where the parts of the model lie. */
export const mappedWorld = (cpus: number, at: Addr): World => planWorld(SPEC, cpus, at);

/** Bytes of a model with mappings, for `cpus` CPUs. */
export const mappedBytes = (cpus: number): number => mappedWorld(cpus, 0).end + VMAS * MAPPING_BYTES;

const inModel = mmNames(SPEC);

/** `names` of a scenario. */
export function mappedNames(addr: Addr, state: Addr, cpus: number): string | undefined {
  const offset = addr - mappedWorld(cpus, state).end;
  if (offset < 0) return inModel(addr, state, cpus);
  const vma = Math.floor(offset / MAPPING_BYTES);
  return vma < VMAS ? `mapping#${vma}.${fieldAt(Mapping, offset % MAPPING_BYTES)}` : undefined;
}

/** What vmas do with their page, and reclaim with pages. */
export interface Mappings {
  /** Vma number 0 to {@link VMAS} - 1 maps a page. */
  map(vma: number, page: Addr): void;
  /** Sets VM_LOCKED and maps the page if it is not. */
  mlock(vma: number): void;
  munlock(vma: number): void;
  munmap(vma: number): void;
  /** The page that a vma maps; 0: none. */
  mapped(vma: number): Addr;
  locked(vma: number): boolean;
  /** VM_LOCKED vmas that map a page, at rest. */
  lockedMappers(page: Addr): number;
  /** Whether a VM_LOCKED vma maps a page. */
  mappedLocked(page: Addr): boolean;
  /** Tries to unmap pages from the end of the inactive list. @param heed whether it heeds VM_LOCKED */
  shrink(most: number, heed?: boolean): void;
}

/** A kernel with as much as pages need. */
export interface MappedKernel extends Base {
  readonly pages: Pages;
  readonly lru: Lru;
  readonly mlock: Mlock;
  readonly mappings: Mappings;
}

type Parts = Base & { readonly pages: Pages; readonly lru: Lru; readonly mlock: Mlock };

function mappings(k: Parts): Mappings {
  const { isa, world, locks, pages: pg } = k;
  const at = (vma: number): Addr => world.end + vma * MAPPING_BYTES;
  const lock = (vma: number): void => locks.spin.acquire(at(vma) + Mapping.page_table_lock);
  const unlock = (vma: number): void => locks.spin.release(at(vma) + Mapping.page_table_lock);
  const isLocked = (vma: number): boolean => (isa.read(at(vma) + Mapping.vm_flags) & VM.LOCKED) !== 0;

  /** Under page_table_lock. */
  function install(vma: number, page: Addr): void {
    isa.write(at(vma) + Mapping.pte, page);
    pg.get(page);
    isa.fetchAdd(page + Page._mapcount, 1);
  }

  /** Changes VM_LOCKED and tells the design, under page_table_lock or, if it must, under the page lock. */
  function setLocked(vma: number, flags: number, tell: (page: Addr) => void): void {
    lock(vma);
    isa.write(at(vma) + Mapping.vm_flags, flags);
    if (flags !== 0 && isa.read(at(vma) + Mapping.pte) === 0) install(vma, isa.read(at(vma) + Mapping.home));
    const page = isa.read(at(vma) + Mapping.pte);
    const outside = page !== 0 && k.mlock.underPageLock;
    if (outside) pg.get(page);
    else if (page !== 0) tell(page);
    unlock(vma);
    if (!outside) return;
    locks.page.acquire(page);
    tell(page);
    locks.page.release(page);
    if (pg.putTestzero(page)) k.lru.release(page);
  }

  /** Under page_table_lock. */
  function clear(vma: number, page: Addr): void {
    isa.write(at(vma) + Mapping.pte, 0);
    isa.fetchAdd(page + Page._mapcount, -1);
    if (pg.putTestzero(page)) k.lru.release(page);
  }

  function munmap(vma: number): void {
    if (isLocked(vma)) setLocked(vma, 0, (page) => k.mlock.unmapLocked(page));
    lock(vma);
    const page = isa.read(at(vma) + Mapping.pte);
    if (page !== 0) clear(vma, page);
    unlock(vma);
  }

  /** Page lock held. */
  function tryToUnmap(page: Addr, heed: boolean): void {
    for (let vma = 0; vma < VMAS; vma += 1) {
      lock(vma);
      if (isa.read(at(vma) + Mapping.pte) === page) {
        if (heed && isLocked(vma)) k.mlock.foundLocked(page);
        else clear(vma, page);
      }
      unlock(vma);
    }
  }

  return {
    map(vma, page) {
      lock(vma);
      isa.write(at(vma) + Mapping.home, page);
      install(vma, page);
      unlock(vma);
    },
    mlock: (vma) => setLocked(vma, VM.LOCKED, (page) => k.mlock.mlockVmaPage(page)),
    munlock: (vma) => setLocked(vma, 0, (page) => k.mlock.munlockVmaPage(page)),
    munmap,
    mapped: (vma) => isa.read(at(vma) + Mapping.pte),
    locked: isLocked,
    lockedMappers(page) {
      let mappers = 0;
      for (let vma = 0; vma < VMAS; vma += 1)
        if (isLocked(vma) && isa.read(at(vma) + Mapping.pte) === page) mappers += 1;
      return mappers;
    },
    mappedLocked(page) {
      for (let vma = 0; vma < VMAS; vma += 1) {
        lock(vma);
        const found = isLocked(vma) && isa.read(at(vma) + Mapping.pte) === page;
        unlock(vma);
        if (found) return true;
      }
      return false;
    },
    shrink(most, heed = true) {
      for (const page of k.lru.isolateTail(false, most)) {
        if (!k.mlock.skips(page) && locks.page.tryAcquire(page)) {
          tryToUnmap(page, heed);
          locks.page.release(page);
        }
        k.lru.putback(page);
      }
    },
  };
}

/**
 * For `create`: a kernel with mappings, and a design for mlocked pages. No page is freed: each has a reference that nobody drops.
 * @param locks of other classes
 */
export const mappedKernel =
  (design: (k: MlockKernel) => Mlock, locks: Partial<MmLocks> = {}) =>
  (isa: Isa, cpu: Cpu, at: Addr): MappedKernel => {
    const base = createBase({ isa, cpu, at, spec: SPEC, locks });
    const k = { ...base, pages: pages(base), pageAlloc: { freePage() {} } } as unknown as Parts &
      LruKernel &
      MlockKernel;
    const made = mappings(k);
    return Object.assign(k, {
      lru: lru(k),
      mlock: design(k),
      mappings: made,
      rmap: { mappedLocked: made.mappedLocked },
    });
  };

/**
 * For `init`: pages 1 to `count` on the inactive list, page 1 the next to be reclaimed, and page 1 mapped by so many vmas.
 * @param count up to {@link PAGES}
 */
export function populate(
  { isa, pages: pg, lru: lists, mappings: of }: MappedKernel,
  count: number,
  vmas: number,
): void {
  lists.init();
  for (let pfn = 1; pfn <= PAGES; pfn += 1) isa.write(pg.pageAt(pfn) + Page._mapcount, -1);
  for (let pfn = 1; pfn <= count; pfn += 1) {
    const page = pg.pageAt(pfn);
    isa.write(page + Page._refcount, 1);
    lists.cacheAdd(page);
  }
  lists.drain();
  for (let vma = 0; vma < vmas; vma += 1) of.map(vma, pg.pageAt(1));
}
