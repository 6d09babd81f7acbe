/**
 * The oracles of the access itself (docs/mm.md, Oracles): asked by the code that is about to use a pointer, or in its place by the wrappers in observe.ts. Each throws an {@link MmViolation}.
 *
 *   O-UAF    an object is live, and the one that was meant: its generation is that of the time when the pointer was obtained under a guard
 *   O-TYPE   an address is that of an object of the kind, live or not; all that may be asked of a type-stable object before it is validated
 *   O-REF>=  a page that is used has a reference; one that is mapped or cached never loses its last one
 *   O-PT     a word lies in a page table, and in the one that was walked to
 *   O-AV     page_lock_anon_vma has returned an anon_vma that page.mapping named while it ran
 *   O-RSV1, O-MLOCK   reclaim takes no entry of a VM_RESERVED, or VM_LOCKED, vma
 *
 * What is checked may change between the check and the use: then another schedule has the change before the check. So checks hold no lock, and what they read is marked (`readOnce`): it is no
 * race of the code that is under test, and orders nothing that this code does not order. Each is an access or two more, so schedules with and without them are not the same.
 *
 * A stamp is the caller's to keep beside the pointer; nothing is kept here.
 */
import type { Addr } from '../../arch/index.ts';
import { SLAB_HEADER_BYTES, SlabHeader, tagOf } from '../../memory/objects.ts';
import type { Base } from '../kernel.ts';
import { nameOfWord } from '../names.ts';
import {
  AddressSpace,
  AnonMm,
  AnonVma,
  AnonVmaChain,
  MAPPING_ANON,
  MAPPING_FLAGS,
  Mm,
  PAGE_STRUCT_BYTES,
  Page,
  PG,
  PteChain,
  VM,
  Vma,
} from '../structs.ts';
import { FRAME_BYTES, type SlabSpecs } from '../world.ts';
import { MmViolation } from './violation.ts';

/** What page_lock_anon_vma could find when it was called. */
export interface AnonVmaLook {
  /** Of the page; 0: none that is an anon_vma. */
  readonly anonVma: Addr;
  readonly generation: number;
  readonly pageGeneration: number;
}

/** The checks of one CPU. */
export interface Accesses {
  /** What a pointer to an object of a slab is worth now: its generation. */
  stamp(object: Addr): number;
  /** @throws MmViolation O-UAF: the object is free, or not the one of the stamp any more */
  live(object: Addr, stamp?: number): void;
  /** @throws MmViolation O-TYPE: there is no object of that kind */
  kind(object: Addr, kind: keyof SlabSpecs): void;
  /** @throws MmViolation O-REF>=: nobody has a reference to the page */
  inUse(page: Addr): void;
  /** @throws MmViolation O-REF>=: the page has lost its last reference while something still leads to it */
  mayGo(page: Addr): void;
  /** What a pointer into a page table is worth now: the generation of its frame. */
  tableStamp(at: Addr): number;
  /** @throws MmViolation O-PT: the word lies in no page table, or not in the one of the stamp any more */
  table(at: Addr, stamp?: number): void;
  /** Before a call of page_lock_anon_vma. */
  looking(page: Addr): AnonVmaLook;
  /** @param found what it has returned @throws MmViolation O-AV, O-TYPE */
  found(page: Addr, found: Addr, look: AnonVmaLook): void;
  /**
   * Reclaim is about to take an entry of a vma away.
   * @param before `vm_flags` when it asked whether it may: a vma may be mlocked since, and its pages faulted in again (mm.md C0.a)
   * @throws MmViolation O-RSV1, O-MLOCK
   */
  unmapping(vma: Addr, page: Addr, before?: number): void;
}

const LAYOUTS: Readonly<Record<keyof SlabSpecs, object>> = {
  mms: Mm,
  vmas: Vma,
  anonVmas: AnonVma,
  chains: AnonVmaChain,
  anonMms: AnonMm,
  pteChains: PteChain,
  files: AddressSpace,
};

export function accesses({
  isa,
  spec,
  world,
  slabs,
}: Pick<Base, 'isa' | 'spec' | 'world' | 'slabs'>): Accesses {
  const kinds = Object.keys(LAYOUTS) as (keyof SlabSpecs)[];
  const { frames, memMap } = world;

  const called = (addr: Addr): string =>
    addr === 0
      ? 'NULL'
      : (nameOfWord(world, spec, addr)?.replace(/\..*$/, '') ?? `0x${(addr >>> 0).toString(16)}`);

  /** Where the header of an object is; 0: there is no object there. */
  function headerOf(object: Addr): Addr {
    for (const kind of kinds) {
      const slab = slabs[kind];
      const index = slab.indexOf(object);
      if (index >= 0) return slab.objectAt(index) === object ? object + slab.stride - SLAB_HEADER_BYTES : 0;
    }
    return 0;
  }

  function stamp(object: Addr): number {
    const header = headerOf(object);
    return header === 0 ? 0 : isa.readOnce(header + SlabHeader.state);
  }

  function live(object: Addr, then?: number): void {
    const now = stamp(object);
    if (now === 0) throw new MmViolation('O-UAF', `${called(object)} is used, which never was an object`);
    if ((now & 1) === 0)
      throw new MmViolation('O-UAF', `${called(object)} is used, and free since generation ${now}`);
    if (then !== undefined && now !== then)
      throw new MmViolation(
        'O-UAF',
        `${called(object)} is used by a pointer from its generation ${then}, and is in its generation ${now}`,
      );
  }

  function kind(object: Addr, wanted: keyof SlabSpecs): void {
    const slab = slabs[wanted];
    const index = slab.indexOf(object);
    const there = index >= 0 && slab.objectAt(index) === object;
    if (there) {
      const tag = isa.readOnce(object + slab.stride - SLAB_HEADER_BYTES + SlabHeader.kind);
      if (tag === (tagOf(LAYOUTS[wanted]) | 0)) return;
    }
    const what = there ? 'memory that is something else now' : 'no object of them';
    throw new MmViolation('O-TYPE', `${called(object)} is used as one of the ${wanted}, and is ${what}`);
  }

  const pageName = (page: Addr): string => `page[${(page - memMap) / PAGE_STRUCT_BYTES}]`;

  function inUse(page: Addr): void {
    const refs = isa.readOnce(page + Page._refcount);
    if (refs <= 0) throw new MmViolation('O-REF>=', `${pageName(page)} is used with _refcount ${refs}`);
  }

  function mayGo(page: Addr): void {
    const maps = isa.readOnce(page + Page._mapcount) + 1;
    if (maps > 0)
      throw new MmViolation('O-REF>=', `${pageName(page)} has lost its last reference, and is mapped`);
    if ((isa.readOnce(page + Page.flags) & PG.swapcache.mask) !== 0)
      throw new MmViolation(
        'O-REF>=',
        `${pageName(page)} has lost its last reference, and is in the swap cache`,
      );
  }

  const frameOf = (at: Addr): Addr => memMap + PAGE_STRUCT_BYTES * Math.floor((at - frames) / FRAME_BYTES);

  const tableStamp = (at: Addr): number => isa.readOnce(frameOf(at) + Page.debug_generation);

  function table(at: Addr, then?: number): void {
    if (at <= frames || at >= frames + FRAME_BYTES * (spec.frames + 1))
      throw new MmViolation('O-PT', `0x${(at >>> 0).toString(16)} is used as an entry, and lies in no frame`);
    const page = frameOf(at);
    const name = nameOfWord(world, spec, at);
    if ((isa.readOnce(page + Page.flags) & PG.table.mask) === 0)
      throw new MmViolation('O-PT', `${name} is used as an entry, and ${pageName(page)} is no page table`);
    const now = tableStamp(at);
    if (then !== undefined && now !== then)
      throw new MmViolation(
        'O-PT',
        `${name} is used as an entry, and ${pageName(page)} was freed since it was walked to`,
      );
  }

  function namedBy(page: Addr): Addr {
    const mapping = isa.readOnce(page + Page.mapping);
    if ((mapping & MAPPING_FLAGS) !== MAPPING_ANON) return 0;
    return slabs.anonVmas.indexOf(mapping - MAPPING_ANON) < 0 ? 0 : mapping - MAPPING_ANON;
  }

  const generationOf = (page: Addr): number => isa.readOnce(page + Page.debug_generation);

  function looking(page: Addr): AnonVmaLook {
    const pageGeneration = generationOf(page);
    const anonVma = namedBy(page);
    return { anonVma, generation: anonVma === 0 ? 0 : stamp(anonVma), pageGeneration };
  }

  function found(page: Addr, anonVma: Addr, look: AnonVmaLook): void {
    if (anonVma === 0) return;
    kind(anonVma, 'anonVmas');
    const generation = stamp(anonVma);
    if ((generation & 1) === 0)
      throw new MmViolation(
        'O-AV',
        `page_lock_anon_vma of ${pageName(page)} returns ${called(anonVma)}, which is free`,
      );
    if (anonVma === look.anonVma && generation === look.generation) return;
    // A page that is mapped names one that lives: what it names now it has come to name meanwhile.
    if (isa.readOnce(page + Page._mapcount) >= 0 && namedBy(page) === anonVma) return;
    // Freed and somebody else's since: what it named in between nobody knows any more.
    if (generationOf(page) - look.pageGeneration > 1) return;
    throw new MmViolation(
      'O-AV',
      `page_lock_anon_vma of ${pageName(page)} returns ${called(anonVma)} in its generation ${generation}, which the page never named: it named ${called(look.anonVma)} in its generation ${look.generation}`,
    );
  }

  function unmapping(vma: Addr, page: Addr, before = -1): void {
    const flags = isa.readOnce(vma + Vma.vm_flags) & before;
    if ((flags & VM.RESERVED) !== 0)
      throw new MmViolation('O-RSV1', `reclaim unmaps ${pageName(page)} from the VM_RESERVED ${called(vma)}`);
    if ((flags & VM.LOCKED) !== 0)
      throw new MmViolation('O-MLOCK', `reclaim unmaps ${pageName(page)} from the VM_LOCKED ${called(vma)}`);
  }

  return { stamp, live, kind, inUse, mayGo, tableStamp, table, looking, found, unmapping };
}
