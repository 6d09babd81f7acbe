/**
 * From a page to the entries that map it, as each design of reverse mapping finds them: what O-MAP holds page tables against.
 *
 *   anon_vma    page.mapping -> anon_vma -> its vmas; the address follows from page.index      a superset: entries that may map it
 *   anonmm      page.mapping -> anonmm -> the address spaces of its family; page.index is the address
 *   i_mmap      page.mapping -> file -> its vmas, those of the nonlinear list at every address
 *   pte_chain   page.chain -> the entries themselves                                           exact
 *
 * A scenario with a design of its own brings a function of its own.
 */
import type { Addr } from '../../arch/index.ts';
import { PAGE_SHIFT, PAGE_SIZE, TASK_SIZE } from '../pte.ts';
import {
  AddressSpace,
  AnonMm,
  MAPPING_ANON,
  MAPPING_FLAGS,
  Page,
  PTES_PER_CHAIN,
  PteChain,
  RbNode,
  Vma,
} from '../structs.ts';
import type { Census, Frame } from './census.ts';
import { once } from './oracle.ts';
import type { Thing } from './things.ts';

/** What a design finds of a page. */
export interface Mappers {
  /** Addresses of entries; 0 means nothing. */
  readonly entries: readonly Addr[];
  /** Whether each of them maps the page, or may. */
  readonly exact: boolean;
}

/** A design: from a struct page to the entries that map it. */
export type RmapOf = (page: Addr, census: Census) => Mappers;

/** Which designs a kernel has. */
export interface RmapDesigns {
  readonly anonRmap: 'pte_chain' | 'anon_vma' | 'anonmm';
  readonly fileRmap: 'pte_chain' | 'i_mmap';
}

/** What `page.mapping` points to. */
export const pointerOf = (mapping: number): Addr => mapping & ~MAPPING_FLAGS;
export const isAnon = ({ mapping }: Frame): boolean => (mapping & MAPPING_FLAGS) === MAPPING_ANON;

const treesOf = once(() => new Map<Addr, readonly Thing[]>());

/** Vmas in the tree of a file, in no order; a node that is none, or was met before, is not followed. */
function vmasInTree(census: Census, mapping: Addr): readonly Thing[] {
  const known = treesOf(census).get(mapping);
  if (known) return known;
  const found = walkFile(census, mapping);
  treesOf(census).set(mapping, found);
  return found;
}

function walkFile({ read, vmas }: Census, mapping: Addr): readonly Thing[] {
  const found = new Set<Thing>();
  const below = (node: Addr): void => {
    const vma = node === 0 ? undefined : vmas.at(node - Vma.shared);
    if (!vma || found.has(vma)) return;
    found.add(vma);
    below(read(node + RbNode.rb_left));
    below(read(node + RbNode.rb_right));
  };
  below(read(mapping + AddressSpace.i_mmap));
  return [...found];
}

/** The entry at which a vma maps a page of its mapping; 0: none. */
function entryIn({ read, entryAt }: Census, vma: Thing, index: number): Addr {
  const start = read(vma.at + Vma.vm_start);
  const address = start + ((index - read(vma.at + Vma.vm_pgoff)) << PAGE_SHIFT);
  const inside = address >= start && address < read(vma.at + Vma.vm_end);
  return inside ? entryAt(read(vma.at + Vma.vm_mm), address) : 0;
}

function byAnonVma(census: Census, { mapping, index }: Frame): Addr[] {
  const found: Addr[] = [];
  for (const vma of census.familyOf(pointerOf(mapping))) {
    const at = entryIn(census, vma, index);
    if (at !== 0) found.push(at);
  }
  return found;
}

function byAnonMm({ read, anonMms, entryAt }: Census, { mapping, index }: Frame): Addr[] {
  const own = anonMms.at(pointerOf(mapping));
  if (!own) return [];
  const head = read(own.at + AnonMm.head);
  return anonMms.live
    .filter(({ at }) => at === own.at || at === head || read(at + AnonMm.head) === head)
    .map(({ at }) => entryAt(read(at + AnonMm.mm), index << PAGE_SHIFT));
}

function byFile(census: Census, { mapping, index }: Frame): Addr[] {
  const { read, vmas, listAt, entryAt } = census;
  const linear = vmasInTree(census, mapping).map((vma) => entryIn(census, vma, index));
  const list = listAt(mapping + AddressSpace.i_mmap_nonlinear)?.entries ?? [];
  const nonlinear = list.flatMap((entry) => {
    const vma = vmas.at(entry - Vma.nonlinear);
    if (!vma) return [];
    const [start, end] = [read(vma.at + Vma.vm_start), read(vma.at + Vma.vm_end)];
    const length = Math.min((end - start) >>> PAGE_SHIFT, TASK_SIZE / PAGE_SIZE);
    const pages = Array.from({ length }, (_, at) => start + at * PAGE_SIZE);
    return pages.map((address) => entryAt(read(vma.at + Vma.vm_mm), address));
  });
  return [...linear, ...nonlinear];
}

function byChain({ read, pteChains }: Census, { at }: Frame): Addr[] {
  const found: Addr[] = [];
  const seen = new Set<Addr>();
  let chain = read(at + Page.chain);
  for (; pteChains.at(chain) && !seen.has(chain); chain = read(chain + PteChain.next)) {
    seen.add(chain);
    for (let pte = 0; pte < PTES_PER_CHAIN; pte += 1) found.push(read(chain + PteChain.ptes + 4 * pte));
  }
  return found;
}

const superset = (entries: Addr[]): Mappers => ({ entries, exact: false });
const exactly = (entries: Addr[]): Mappers => ({ entries, exact: true });

/** How a kernel with these designs finds them. */
export function rmapOfDesigns({ anonRmap, fileRmap }: RmapDesigns): RmapOf {
  return (page, census) => {
    const frame = census.frameOf(page)!;
    if (isAnon(frame)) {
      if (anonRmap === 'pte_chain') return exactly(byChain(census, frame));
      return superset(anonRmap === 'anonmm' ? byAnonMm(census, frame) : byAnonVma(census, frame));
    }
    if (fileRmap === 'pte_chain') return exactly(byChain(census, frame));
    return superset(census.files.at(frame.mapping) ? byFile(census, frame) : []);
  };
}

/** For who does not say: each page by what it points to. */
export const anyRmap: RmapOf = (page, census) => {
  const frame = census.frameOf(page)!;
  const anonRmap = census.anonMms.at(pointerOf(frame.mapping)) ? 'anonmm' : 'anon_vma';
  const chained = census.read(page + Page.chain) !== 0;
  return chained
    ? exactly(byChain(census, frame))
    : rmapOfDesigns({ anonRmap, fileRmap: 'i_mmap' })(page, census);
};
