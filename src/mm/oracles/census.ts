/**
 * A census: what a model consists of while all its CPUs are at rest, counted once for all oracles.
 *
 * It reads memory and nothing else, by plain reads, so any thread can take one, on the machine or on a copy of its memory, with no more than a plan and a way to read. It trusts nothing that
 * it reads: a pointer is followed only where it can lead to what it should, a list to where it is damaged, a page table once.
 *
 * What it finds is as it stands there, not as it should be; what should be is what the oracles say, one a file.
 */
import type { Addr, Isa } from '../../arch/index.ts';
import type { Base } from '../kernel.ts';
import { cpusOf, nameOfWord } from '../names.ts';
import { PAGE_SHIFT, pteNumber, ptePresent, pteSwap, TASK_SIZE } from '../pte.ts';
import {
  AddressSpace,
  AnonMm,
  AnonVma,
  AnonVmaChain,
  Globals,
  Mm,
  MmCpu,
  PAGE_STRUCT_BYTES,
  PAGEVEC,
  Page,
  PG,
  PteChain,
  Vma,
  Zone,
} from '../structs.ts';
import { FRAME_BYTES, type SlabSpecs } from '../world.ts';
import { type Chain, walkChain } from './chains.ts';
import { unobserved } from './observe-isa.ts';
import { entryBytes, type RawEntry, spanOf, type Table, walkTables } from './tables.ts';
import { labels, readThings, type Thing, type Things } from './things.ts';

/** What a census is taken of: a kernel, or what a thread that is no CPU has in its place. */
export interface Observed extends Pick<Base, 'spec' | 'world'> {
  readonly isa: Pick<Isa, 'read'>;
}

/** A page frame. Number 0 is the zero page. */
export interface Frame {
  readonly pfn: number;
  /** Its struct page. */
  readonly at: Addr;
  readonly name: string;
  readonly flags: number;
  readonly refs: number;
  /** `_mapcount`, as a number of entries. */
  readonly maps: number;
  readonly mapping: number;
  readonly index: number;
  readonly private: number;
  /** Present entries that map it. */
  readonly entries: readonly Entry[];
  /** Lists of pages that it is on. */
  readonly lists: readonly Chain[];
  /** Where caches have it. */
  readonly caches: readonly Cached[];
  /** References of batches on their way to the LRU. */
  readonly batched: number;
  /** A walk of page tables has come through it. */
  readonly walked: boolean;
  /** Nobody has ever set it up: a model need not have an allocator. */
  readonly untouched: boolean;
}

/** A place of a cache that has a page. */
export interface Cached {
  /** As in `page 3 of address_space#0`, `swap entry 2`. */
  readonly name: string;
  /** The file; undefined: it is the swap cache. */
  readonly file: Thing | undefined;
  /** In the file; in the swap cache the entry. */
  readonly index: number;
}

/** An entry of a page table that is not none. */
export interface Entry extends RawEntry {
  readonly mm: Thing;
  /** As in `0x3000 of mm_struct#0`. */
  name(): string;
  /** The vma that has the address; undefined when none does. */
  readonly vma: Thing | undefined;
  /** Of a present entry its page; undefined when that is no page. */
  readonly page: Frame | undefined;
  readonly present: boolean;
  /** Of a swap entry the entry, slot + 1; 0: it is none. */
  readonly swap: number;
}

/** A table, and the address space that it was reached from. */
export interface Reached extends Table {
  readonly mm: Thing;
}

/** What is there. */
export interface Census extends Observed {
  readonly cpus: number;
  /** Reads a word. */
  read(addr: Addr): number;
  /** An address in words. */
  called(addr: Addr): string;
  /** By number. */
  readonly frames: readonly Frame[];
  /** The frame of a struct page. */
  frameOf(page: Addr): Frame | undefined;
  /** The frame whose content an address lies in. */
  frameOfContent(addr: Addr): Frame | undefined;
  readonly mms: Things;
  readonly vmas: Things;
  readonly anonVmas: Things;
  readonly chains: Things;
  readonly anonMms: Things;
  readonly pteChains: Things;
  readonly files: Things;
  /** Live vmas that say they are an address space's, by address. */
  vmasOf(mm: Addr): readonly Thing[];
  readonly entries: readonly Entry[];
  /** How many live anon_vmas have this one for a root. */
  childrenOf(anonVma: Addr): number;
  /** Vmas on the list of an anon_vma, up to where it is damaged. */
  familyOf(anonVma: Addr): readonly Thing[];
  /** The word of the entry for an address; 0 where there is no table for it. */
  entryAt(mm: Addr, address: number): Addr;
  /** Tables in the order in which they were reached; one that was reached twice is there twice. */
  readonly tables: readonly Reached[];
  /** Upper entries that lead nowhere. */
  readonly wild: readonly string[];
  /** Lists of pages: free ones, those of each CPU, active and inactive ones, those of drivers, those that CPUs have isolated to migrate them. */
  readonly pageLists: {
    readonly free: readonly Chain[];
    readonly active: Chain;
    readonly inactive: Chain;
    readonly drivers: readonly Chain[];
    readonly isolated: readonly Chain[];
  };
  /** All other lists. */
  readonly otherLists: readonly Chain[];
  /** The list of an anon_vma: its `head`; of a vma: its `anon_vma_chain`; of a file: `i_mmap_nonlinear`. */
  listAt(head: Addr): Chain | undefined;
  readonly mmlist: Chain;
}

/** A frame while it is counted. */
type Counted = { -readonly [Key in keyof Frame]: Frame[Key] };

const NONE: readonly never[] = [];

/** An entry that was found: there are many, and few are ever named. */
class Found implements Entry {
  readonly at: Addr;
  readonly address: number;
  readonly pte: number;
  readonly torn: boolean;
  readonly mm: Thing;
  readonly vma: Thing | undefined;
  readonly page: Frame | undefined;
  readonly present: boolean;
  readonly swap: number;

  constructor(
    at: Addr,
    address: number,
    pte: number,
    torn: boolean,
    mm: Thing,
    vma: Thing | undefined,
    page: Frame | undefined,
    present: boolean,
    swap: number,
  ) {
    this.at = at;
    this.address = address;
    this.pte = pte;
    this.torn = torn;
    this.mm = mm;
    this.vma = vma;
    this.page = page;
    this.present = present;
    this.swap = swap;
  }

  get name(): () => string {
    return () => `0x${this.address.toString(16)} of ${this.mm.name}`;
  }
}

/** With one more; most of them are empty, and have no array of their own. */
function more<T>(all: readonly T[], one: T): readonly T[] {
  if (all.length === 0) return [one];
  (all as T[]).push(one);
  return all;
}

/** Takes one. */
export function takeCensus({ isa: given, spec, world }: Observed): Census {
  const isa = unobserved(given);
  const read = (addr: Addr): number => isa.read(addr);
  const cpus = cpusOf(world);
  const things = (name: keyof SlabSpecs, layout: object): Things =>
    readThings(isa, world.slabs[name], world.end, layout);
  const mms = things('mms', Mm);
  const vmas = things('vmas', Vma);
  const anonVmas = things('anonVmas', AnonVma);
  const chains = things('chains', AnonVmaChain);
  const anonMms = things('anonMms', AnonMm);
  const pteChains = things('pteChains', PteChain);
  const files = things('files', AddressSpace);
  const called = (addr: Addr): string => nameOfWord(world, spec, addr) ?? `0x${(addr >>> 0).toString(16)}`;

  const names = labels('page[', spec.frames + 1, ']');
  const frames: Counted[] = [];
  for (let pfn = 0; pfn <= spec.frames; pfn += 1) {
    const at = world.memMap + PAGE_STRUCT_BYTES * pfn;
    const flags = read(at + Page.flags);
    const refs = read(at + Page._refcount);
    const maps = read(at + Page._mapcount);
    const mapping = read(at + Page.mapping);
    frames.push({
      pfn,
      at,
      name: names[pfn]!,
      flags,
      refs,
      maps: maps + 1,
      mapping,
      index: read(at + Page.index),
      private: read(at + Page.private),
      entries: NONE,
      lists: NONE,
      caches: NONE,
      batched: 0,
      walked: false,
      untouched: (flags | refs | maps | mapping | read(at + Page.lru)) === 0,
    });
  }
  const frameOf = (page: Addr): Counted | undefined => {
    const pfn = (page - world.memMap) / PAGE_STRUCT_BYTES;
    return pfn >= 0 && pfn <= spec.frames && (pfn | 0) === pfn ? frames[pfn] : undefined;
  };
  const frameOfContent = (addr: Addr): Frame | undefined =>
    frameOf(world.memMap + PAGE_STRUCT_BYTES * Math.floor((addr - world.frames) / FRAME_BYTES));

  const byMm = new Map<Addr, Thing[]>();
  for (const vma of vmas.live) {
    const mm = read(vma.at + Vma.vm_mm);
    const list = byMm.get(mm);
    if (list) list.push(vma);
    else byMm.set(mm, [vma]);
  }
  const startOf = ({ at }: Thing): number => read(at + Vma.vm_start);
  for (const list of byMm.values()) list.sort((one, other) => startOf(one) - startOf(other));
  const vmasOf = (mm: Addr): readonly Thing[] => byMm.get(mm) ?? [];

  // Page tables.
  const entries: Entry[] = [];
  const tables: Reached[] = [];
  const wild: string[] = [];
  const seen = new Set<Addr>();
  const span = spanOf(spec);
  const stride = entryBytes(spec);
  // Of each address space its lowest tables, by what they are for.
  const lowest = new Map<Thing, Int32Array>();
  for (const mm of mms.live) {
    const own = vmasOf(mm.at);
    const lowestOf = new Int32Array(Math.ceil(TASK_SIZE / span));
    lowest.set(mm, lowestOf);
    let at = 0;
    walkTables(isa, spec, world, read(mm.at + Mm.pgd), seen, {
      table(table) {
        const { pfn, address, lowest: isLowest } = table;
        tables.push({ at: table.at, pfn, address, lowest: isLowest, mm });
        frames[pfn]!.walked = true;
        if (isLowest) lowestOf[Math.floor(address / span)] = table.at;
        at = 0;
      },
      entry(word, address, pte, torn) {
        // Entries come by address, and so do vmas.
        while (at < own.length && read(own[at]!.at + Vma.vm_end) <= address) at += 1;
        const vma = own[at] && startOf(own[at]!) <= address ? own[at] : undefined;
        const present = ptePresent(pte);
        const page = present ? frames[pteNumber(pte)] : undefined;
        const swap = pteSwap(pte) ? pteNumber(pte) : 0;
        const entry = new Found(word, address, pte, torn, mm, vma, page, present, swap);
        entries.push(entry);
        if (page) page.entries = more(page.entries, entry);
      },
      wild(where, points) {
        const from = where === 0 ? `${mm.name}.pgd` : called(where);
        wild.push(`${from} is 0x${(points >>> 0).toString(16)}, which is no table`);
      },
    });
  }

  // Caches.
  const swapNames = labels('swap entry ', spec.swapPages + 1).slice(1);
  for (let slot = 0; slot < spec.swapPages; slot += 1) {
    const page = read(world.swapCache + 4 * slot);
    const frame = page === 0 ? undefined : frameOf(page);
    if (frame)
      frame.caches = more(frame.caches, { name: swapNames[slot]!, file: undefined, index: slot + 1 });
  }
  for (const file of files.all)
    for (let index = 0; index < spec.filePages; index += 1) {
      const page = read(world.pageTrees + 4 * (file.index * spec.filePages + index));
      const frame = page === 0 ? undefined : frameOf(page);
      if (frame) frame.caches = more(frame.caches, { name: `page ${index} of ${file.name}`, file, index });
    }

  // Lists.
  const inPage = (entry: Addr): boolean => frameOf(entry - Page.lru) !== undefined;
  const pageCalled = (entry: Addr): string => frameOf(entry - Page.lru)!.name;
  const pageList = (name: () => string, head: Addr): Chain => {
    const chain = walkChain(isa, name, head, inPage, pageCalled);
    for (const entry of chain.entries) {
      const frame = frameOf(entry - Page.lru)!;
      frame.lists = more(frame.lists, chain);
    }
    return chain;
  };
  const byHead = new Map<Addr, Chain>();
  const families = new Map<Addr, readonly Thing[]>();
  const children = new Map<Addr, number>();
  for (const { at } of anonVmas.live) {
    const root = read(at + AnonVma.root);
    if (root !== at) children.set(root, (children.get(root) ?? 0) + 1);
  }
  const listOf = (name: () => string, head: Addr, of: Things, link: Addr): Chain => {
    const within = (entry: Addr): boolean => of.at(entry - link) !== undefined;
    const chain = walkChain(isa, name, head, within, (entry) => of.called(entry - link));
    byHead.set(head, chain);
    return chain;
  };
  const { zone, globals, perCpu, perCpuStride } = world;
  const free = [pageList(() => 'zone.free_list', zone + Zone.free_list)];
  const migrating: Chain[] = [];
  for (let cpu = 0; cpu < cpus; cpu += 1) {
    const mine = perCpu + perCpuStride * cpu;
    free.push(pageList(() => `mm_cpu[${cpu}].pcp`, mine + MmCpu.pcp));
    // Set up by the first compaction.
    if (read(mine + MmCpu.migratepages) !== 0)
      migrating.push(pageList(() => `mm_cpu[${cpu}].migratepages`, mine + MmCpu.migratepages));
    const batched = Math.min(read(mine + MmCpu.lru_add_count), PAGEVEC);
    for (let at = 0; at < batched; at += 1) {
      const frame = frameOf(read(mine + MmCpu.lru_add + 4 * at));
      if (frame) frame.batched += 1;
    }
  }
  const pageLists = {
    free,
    active: pageList(() => 'zone.active_list', zone + Zone.active_list),
    inactive: pageList(() => 'zone.inactive_list', zone + Zone.inactive_list),
    drivers: files.live
      .filter(({ at }) => read(at + AddressSpace.a_ops) !== 0)
      .map(({ name, at }) => pageList(() => `${name}.private_list`, at + AddressSpace.private_list)),
    isolated: migrating,
  };
  const mmlist = listOf(() => 'init_mmlist', globals + Globals.init_mmlist, mms, Mm.mmlist);
  const otherLists = [
    mmlist,
    ...anonVmas.live.map(({ name, at }) =>
      listOf(() => `${name}.head`, at + AnonVma.head, chains, AnonVmaChain.same_anon_vma),
    ),
    ...vmas.live.map(({ name, at }) =>
      listOf(() => `${name}.anon_vma_chain`, at + Vma.anon_vma_chain, chains, AnonVmaChain.same_vma),
    ),
    ...anonMms.live
      .filter(({ at }) => read(at + AnonMm.head) === at)
      .map(({ name, at }) => listOf(() => `${name}.list`, at + AnonMm.list, anonMms, AnonMm.list)),
    ...files.live.map(({ name, at }) =>
      listOf(() => `${name}.i_mmap_nonlinear`, at + AddressSpace.i_mmap_nonlinear, vmas, Vma.nonlinear),
    ),
  ];

  return {
    isa,
    spec,
    world,
    cpus,
    read,
    called,
    frames,
    frameOf,
    frameOfContent,
    mms,
    vmas,
    anonVmas,
    chains,
    anonMms,
    pteChains,
    files,
    vmasOf,
    entries,
    entryAt(mm, address) {
      const thing = mms.at(mm);
      const table = (thing && lowest.get(thing)?.[Math.floor(address / span)]) ?? 0;
      return table === 0 ? 0 : table + ((address % span) >>> PAGE_SHIFT) * stride;
    },
    tables,
    wild,
    pageLists,
    otherLists,
    listAt: (head) => byHead.get(head),
    childrenOf: (anonVma) => children.get(anonVma) ?? 0,
    familyOf(anonVma) {
      const known = families.get(anonVma);
      if (known) return known;
      const family: Thing[] = [];
      for (const entry of byHead.get(anonVma + AnonVma.head)?.entries ?? []) {
        const vma = vmas.at(read(entry - AnonVmaChain.same_anon_vma + AnonVmaChain.vma));
        if (vma) family.push(vma);
      }
      families.set(anonVma, family);
      return family;
    },
    mmlist,
  };
}

/** The free list that a page is on. */
export function freeListOf({ pageLists: { free } }: Census, { lists }: Frame): Chain | undefined {
  for (const each of lists) if (free.includes(each)) return each;
  return undefined;
}

/** Whether entries that map a page count: not those of the zero page, not those of a reserved one. */
export const counts = ({ pfn, flags }: Frame): boolean => pfn !== 0 && (flags & PG.reserved.mask) === 0;
