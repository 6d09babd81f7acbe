/**
 * Page tables: pgd -> pmd -> pte page, each the content of a frame with PG_table (mm/memory.c and include/asm-i386/pgtable-{2,3}level.h of 2.6.5; free_pgtables of 2.6.12).
 *
 *   words   pgd            pmd            pte page
 *   1       bits 20 to 23  bits 16 to 19  bits 12 to 15, entries of one word
 *   2       bits 19 to 22  bits 15 to 18  bits 12 to 14, entries of two; bit 23 chooses between two pgds, which a root as small as that of PAE holds from the start
 *
 * An upper entry holds the address of the next table, 0 where there is none. It is write-once: set when the first address below it is needed, cleared when no vma can
 * need it any more, by `freePgtables`. Who installs one holds mm->page_table_lock, the same for all vmas of an mm, since neighbours share tables: with a lock for each vma
 * two CPUs find the same entry empty, and the second table hides the first (mm.md R0.10). `populateByCas` needs no lock. Memory is taken with the lock held: it does
 * not sleep.
 *
 * Who looks up holds mmap_sem or page_table_lock, or is a processor (tlb.ts): one of them keeps tables from being freed. A table is zeroed before its address is
 * stored (wmb), and the address read with acquire: the kernel relies on the data dependency there, and on Alpha has a barrier (Nick Piggin, 2008, commit 362a61ad6119).
 *
 * The lowest entries change under page_table_lock, by software; processors set ACCESSED and DIRTY in a present one at any time. So a present entry is
 * taken away by exchange, its flags are cleared by `clearFlags`, and `set` writes only where nothing is present.
 *
 * An entry of two words is set second word first and cleared first word first, so it is never present with a second word that was not there yet. A processor
 * reads it as one; that is what the number in the first word is for. Software reads one word after the other: the flags of the first with the number of the second. Without
 * the lock these may come from different stores (mm.md R3.4).
 *
 * Freed tables go through the CPU's mmu_gather, with the pages: a processor that is walking through one has not acknowledged the flush yet.
 */
import type { Addr, Isa } from '../arch/index.ts';
import type { Base } from './kernel.ts';
import type { MmuGather } from './mmu-gather.ts';
import type { PageAlloc } from './page-alloc.ts';
import type { Pages } from './pages.ts';
import { PAGE_MASK, PAGE_SHIFT, PAGE_SIZE, PTE_SHIFT } from './pte.ts';
import { Mm, Page, PG } from './structs.ts';
import { FRAME_BYTES } from './world.ts';

/** Entries of an upper table. */
const UPPER = 16;
const UPPER_BITS = 4;
/** Flags of an entry, below its number. */
const FLAGS = (1 << PTE_SHIFT) - 1;

/** The way from an mm to an entry. */
export interface TableWalk {
  /** What an entry of the pmd spans: a pte page. */
  readonly pmdSize: number;
  /** What an entry of the pgd spans: a pmd. */
  readonly pgdSize: number;
  /** Bytes of a lowest entry. */
  readonly entryBytes: number;
  /** The entry of the pgd for an address. */
  pgdEntry(mm: Addr, address: number): Addr;
  /** The entry of a pmd. */
  pmdEntry(pmd: Addr, address: number): Addr;
  /** The entry of a pte page. */
  pteEntry(table: Addr, address: number): Addr;
  /** All the way; 0 where a table is missing. */
  entry(mm: Addr, address: number): Addr;
}

/** The walk for tables of this form: of software, and of processors. */
export function tableWalk({ isa, spec: { pteWords } }: Pick<Base, 'isa' | 'spec'>): TableWalk {
  const { pgd } = Mm;
  const entryShift = pteWords === 1 ? 2 : 3;
  const entries = FRAME_BYTES >> entryShift;
  const pmdShift = PAGE_SHIFT + Math.log2(entries);
  const pgdShift = pmdShift + UPPER_BITS;
  const rootShift = pgdShift + UPPER_BITS;
  const upper = (table: Addr, address: number, shift: number): Addr =>
    table + 4 * ((address >>> shift) & (UPPER - 1));

  const pgdEntry =
    pteWords === 1
      ? (mm: Addr, address: number): Addr => upper(isa.read(mm + pgd), address, pgdShift)
      : (mm: Addr, address: number): Addr =>
          upper(isa.read(upper(isa.read(mm + pgd), address, rootShift)), address, pgdShift);
  const pmdEntry = (pmd: Addr, address: number): Addr => upper(pmd, address, pmdShift);
  const pteEntry = (table: Addr, address: number): Addr =>
    table + (((address >>> PAGE_SHIFT) & (entries - 1)) << entryShift);
  return {
    pmdSize: 1 << pmdShift,
    pgdSize: 1 << pgdShift,
    entryBytes: 1 << entryShift,
    pgdEntry,
    pmdEntry,
    pteEntry,
    entry(mm, address) {
      const pmd = isa.loadAcquire(pgdEntry(mm, address));
      if (pmd === 0) return 0;
      const table = isa.loadAcquire(pmdEntry(pmd, address));
      return table === 0 ? 0 : pteEntry(table, address);
    },
  };
}

/** Which table is told to a visitor. */
export type TableLevel = 'root' | 'pgd' | 'pmd' | 'pte';

/** The page tables of address spaces. */
export interface PageTables {
  /** Gives an mm its pgd. @returns false when there is no memory */
  pgdAlloc(mm: Addr): boolean;
  /** Takes the pgd of an mm that no CPU has loaded and whose tables are freed. */
  pgdFree(mm: Addr): void;
  /** The entry for an address; 0 where there is no table for it. The caller holds mmap_sem or page_table_lock. */
  lookup(mm: Addr, address: number): Addr;
  /** The same, with the tables made that are missing; 0 when there is no memory. The caller holds page_table_lock of the mm. */
  populate(mm: Addr, address: number): Addr;
  /** An entry as software reads it: of two words possibly torn, unless the caller holds page_table_lock. */
  read(at: Addr): number;
  /** Writes an entry that is not present, after what its frame holds. The caller holds page_table_lock. */
  set(at: Addr, pte: number): void;
  /** Takes an entry away. The caller holds page_table_lock. @returns what it was, with what a processor has set last */
  getAndClear(at: Addr): number;
  /** Clears flags of an entry, atomically with respect to processors. @returns what it was */
  clearFlags(at: Addr, flags: number): number;
  /** Whether the words of an entry come from different stores; at rest never. */
  torn(at: Addr): boolean;
  /** Visits the entries from `start` to before `end` for which there are tables, empty ones too, until `fn` returns false. */
  forEach(mm: Addr, start: number, end: number, fn: (at: Addr, address: number) => unknown): void;
  /** Visits every table of an mm, with the first address that it is for. For oracles, at rest. */
  forEachTable(mm: Addr, fn: (table: Addr, level: TableLevel, address: number) => unknown): void;
  /**
   * Frees the tables for addresses from `start` to before `end` that lie between `floor` and `ceiling`, where no vma is left: tables that are shared with what is below or
   * above stay. The vmas are out of the tree and out of reverse mapping, or the caller holds page_table_lock. The tables go when the CPU's gather for this mm ends; where
   * it has none, at once.
   * @param floor end of the vma below, 0 if none
   * @param ceiling start of the vma above, 0 if none
   */
  freePgtables(mm: Addr, start: number, end: number, floor: number, ceiling: number): void;
  /** A lowest table to which nothing points yet, all of it empty. @returns its content; 0 when there is no memory */
  tableAlloc(mm: Addr, address: number): Addr;
  /** Gives back the page of a table that nothing points to. */
  freeTable(page: Addr): void;
}

/** What page tables are made of; `gather` is called when tables are freed. */
export type PageTablesKernel = Base & {
  readonly pages: Pages;
  readonly pageAlloc: PageAlloc;
  readonly gather: MmuGather;
};

/** Puts a table into an upper entry that was found empty. @returns the table that is there now */
type Install = (isa: Isa, entry: Addr, table: Addr) => Addr;

const underTheLock: Install = (isa, entry, table) => {
  isa.wmb();
  isa.writeOnce(entry, table);
  return table;
};
/** The first one stays. */
const byCompareExchange: Install = (isa, entry, table) => isa.compareExchange(entry, 0, table) || table;

/** Page tables whose upper entries are installed under mm->page_table_lock (2.4 to 2.6.14, and for upper levels later). */
export const pageTables = (kernel: PageTablesKernel): PageTables => tablesWith(kernel, underTheLock);

/** Page tables whose upper entries are installed by compare-exchange, without a lock (mm.md R0.10: "pretty much write-once", Dave McCracken, March 2004). */
export const populateByCas = (kernel: PageTablesKernel): PageTables => tablesWith(kernel, byCompareExchange);

function tablesWith(kernel: PageTablesKernel, install: Install): PageTables {
  const { isa, spec, pages, pageAlloc } = kernel;
  const { pgd, nr_ptes } = Mm;
  const walk = tableWalk(kernel);
  const { pmdSize, pgdSize, entryBytes, pgdEntry, pmdEntry, pteEntry } = walk;
  const twoWords = spec.pteWords === 2;
  /** Tables that the root of an mm points to. */
  const pgds = twoWords ? 2 : 0;

  /** @param address the first that it is for: with the mm it leads from an entry back to what it maps (pte_chain; Linux 2.5) */
  function newTable(mm: Addr, address: number): Addr {
    const page = pageAlloc.allocPage();
    if (page === 0) return 0;
    const table = pages.contentOf(page);
    for (let word = 0; word < FRAME_BYTES; word += 4) isa.write(table + word, 0);
    isa.writeOnce(page + Page.mapping, mm);
    isa.writeOnce(page + Page.index, address);
    pages.set(page, PG.table.mask);
    return table;
  }

  function freeTable(page: Addr): void {
    pages.clear(page, PG.table.mask);
    isa.writeOnce(page + Page.mapping, 0);
    isa.writeOnce(page + Page.index, 0);
    if (pages.putTestzero(page)) pageAlloc.freePage(page);
  }

  /** Makes the table below an entry that was found empty. @param counter counts the tables that are installed, if not 0 */
  function grow(mm: Addr, address: number, entry: Addr, counter: Addr): Addr {
    const table = newTable(mm, address);
    if (table === 0) return 0;
    const installed = install(isa, entry, table);
    if (installed !== table) freeTable(pages.pageOfContent(table));
    else if (counter !== 0) isa.fetchAdd(counter, 1);
    return installed;
  }

  function pgdFree(mm: Addr): void {
    const root = isa.read(mm + pgd);
    isa.write(mm + pgd, 0);
    for (let at = 0; at < pgds; at += 1) {
      const table = isa.read(root + 4 * at);
      if (table !== 0) freeTable(pages.pageOfContent(table));
    }
    freeTable(pages.pageOfContent(root));
  }

  function pgdAlloc(mm: Addr): boolean {
    const root = newTable(mm, 0);
    if (root === 0) return false;
    isa.write(mm + pgd, root);
    for (let at = 0; at < pgds; at += 1) {
      const table = newTable(mm, at * UPPER * pgdSize);
      if (table === 0) {
        pgdFree(mm);
        return false;
      }
      isa.write(root + 4 * at, table);
    }
    return true;
  }

  function populate(mm: Addr, address: number): Addr {
    const above = pgdEntry(mm, address);
    const pmd = isa.loadAcquire(above) || grow(mm, address & -pgdSize, above, 0);
    if (pmd === 0) return 0;
    const below = pmdEntry(pmd, address);
    const table = isa.loadAcquire(below) || grow(mm, address & -pmdSize, below, mm + nr_ptes);
    return table === 0 ? 0 : pteEntry(table, address);
  }

  function forEach(mm: Addr, start: number, end: number, fn: (at: Addr, address: number) => unknown): void {
    let address = start & PAGE_MASK;
    while (address < end) {
      const next = Math.min((address & -pmdSize) + pmdSize, end);
      let at = walk.entry(mm, address);
      for (; at !== 0 && address < next; address += PAGE_SIZE, at += entryBytes)
        if (fn(at, address) === false) return;
      address = next;
    }
  }

  function forEachTable(mm: Addr, fn: (table: Addr, level: TableLevel, address: number) => unknown): void {
    const visit = (table: Addr, level: TableLevel, address: number, size: number): void => {
      fn(table, level, address);
      if (level === 'pte') return;
      const below: TableLevel = level === 'root' ? 'pgd' : level === 'pgd' ? 'pmd' : 'pte';
      for (let at = 0; at < UPPER; at += 1) {
        const next = isa.readOnce(table + 4 * at);
        if (next !== 0) visit(next, below, address + at * size, size / UPPER);
      }
    };
    const top = isa.readOnce(mm + pgd);
    if (top !== 0) visit(top, twoWords ? 'root' : 'pgd', 0, twoWords ? UPPER * pgdSize : pgdSize);
  }

  function freePgtables(mm: Addr, start: number, end: number, floor: number, ceiling: number): void {
    const { gather } = kernel;
    const under = gather.current(mm);
    const g = under || gather.begin(mm);
    const free = (first: number, size: number): boolean =>
      first >= floor && (ceiling === 0 || first + size <= ceiling);

    function detach(entry: Addr, table: Addr, address: number, size: number): void {
      isa.writeOnce(entry, 0);
      gather.tlbRemoveTable(g, pages.pageOfContent(table), address, size);
    }

    for (let first = start & -pgdSize; first < end; first += pgdSize) {
      const above = pgdEntry(mm, first);
      const pmd = isa.read(above);
      if (pmd === 0) continue;
      const stop = Math.min(first + pgdSize, end);
      for (let address = Math.max(first, start & -pmdSize); address < stop; address += pmdSize) {
        const below = pmdEntry(pmd, address);
        const table = free(address, pmdSize) ? isa.read(below) : 0;
        if (table === 0) continue;
        detach(below, table, address, pmdSize);
        isa.fetchAdd(mm + nr_ptes, -1);
      }
      if (free(first, pgdSize)) detach(above, pmd, first, pgdSize);
    }
    if (under === 0) gather.finish(g);
  }

  const oneWord = {
    read: (at: Addr): number => isa.readOnce(at),
    set(at: Addr, pte: number): void {
      isa.wmb();
      isa.writeOnce(at, pte);
    },
    getAndClear: (at: Addr): number => isa.exchange(at, 0),
    torn: (): boolean => false,
  };
  const inTwo = {
    read(at: Addr): number {
      const low = isa.readOnce(at);
      return (low & FLAGS) | (isa.readOnce(at + 4) << PTE_SHIFT);
    },
    set(at: Addr, pte: number): void {
      isa.writeOnce(at + 4, pte >>> PTE_SHIFT);
      isa.wmb();
      isa.writeOnce(at, pte);
    },
    getAndClear(at: Addr): number {
      const low = isa.exchange(at, 0);
      isa.writeOnce(at + 4, 0);
      return low;
    },
    torn: (at: Addr): boolean => isa.readOnce(at) >>> PTE_SHIFT !== isa.readOnce(at + 4),
  };

  return {
    pgdAlloc,
    pgdFree,
    lookup: walk.entry,
    populate,
    ...(twoWords ? inTwo : oneWord),
    clearFlags: (at, flags) => isa.fetchAnd(at, ~flags),
    forEach,
    forEachTable,
    freePgtables,
    tableAlloc: newTable,
    freeTable,
  };
}
