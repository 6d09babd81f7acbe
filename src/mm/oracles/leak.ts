/**
 * O-LEAK: every frame is free or somebody's, and every live object can be reached (docs/mm.md, Oracles).
 *
 *   frame              on a free list, with nothing left of its last use; or mapped, cached, on its way to the LRU, a table, a driver's
 *   vm_area_struct     in the list or the tree of its address space
 *   anon_vma           a vma on its list, or a child below it
 *   anon_vma_chain     on the list of a vma or of an anon_vma
 *   anonmm             its address space, or one of the family that it is the head of
 *   pte_chain          on the chain of a page
 *   mm_struct          mm_users or mm_count
 *
 * A page table that no entry leads to is O-PT's.
 */
import { AnonVma, Mm, MmCpu, Page, PG, PteChain, Vma, Zone } from '../structs.ts';
import { type Census, counts, freeListOf } from './census.ts';
import { type Asked, first, type Oracle, times } from './oracle.ts';
import { owedToAnonMm, owedToAnonVma, refsOwed } from './references.ts';
import type { Things } from './things.ts';
import { treeOf } from './tree.ts';

/** What other oracles say of a free page, if it has it. */
const OTHERS = PG.lru.mask | PG.swapcache.mask | PG.locked.mask | PG.table.mask | PG.reserved.mask;

function frames(census: Census, asked: Asked): string | undefined {
  const { frames, pageLists, read } = census;
  const { free } = pageLists;
  const unknown = free.some(({ wrong }) => wrong !== undefined) || read(free[0]!.head) === 0;
  return first(frames, (frame) => {
    const { name, refs, flags, mapping } = frame;
    if (frame.untouched || !counts(frame)) return undefined;
    const on = freeListOf(census, frame);
    if (on) {
      if (mapping !== 0 || (flags & ~OTHERS) !== 0)
        return `${name} is on ${on.name()}, and has flags 0x${(flags >>> 0).toString(16)} and mapping 0x${mapping.toString(16)}`;
      return undefined;
    }
    if ((flags & PG.table.mask) !== 0 || refsOwed(frame, asked) !== 0) return undefined;
    if (refs !== 0) return `${name} has ${times(refs, 'reference')}, and nobody has it`;
    return unknown ? undefined : `${name} is free, and on no free list`;
  });
}

function counters({ pageLists: { free }, read, world }: Census): string | undefined {
  const { zone, perCpu, perCpuStride } = world;
  return first(free, ({ name, entries, wrong }, at) => {
    const cpu = at - 1;
    const word = cpu < 0 ? zone + Zone.free_pages : perCpu + perCpuStride * cpu + MmCpu.pcp_count;
    const counted = read(word);
    if (wrong !== undefined || counted === entries.length) return undefined;
    return `${name()} has ${times(entries.length, 'page')}, and ${counted} are counted`;
  });
}

/** A mark for each object of a kind, by its number. */
const marks = (of: Things): Uint8Array => new Uint8Array((of.all.at(-1)?.index ?? -1) + 1);

/** Vmas that a live address space has, in its list or in its tree. */
function linkedVmas(census: Census): Uint8Array {
  const { mms, vmas, read } = census;
  const linked = marks(vmas);
  // By which walk it was met: a list that is a ring is gone round once.
  const walked = new Int32Array(linked.length);
  for (const [walk, { at }] of mms.live.entries()) {
    for (const { index } of treeOf(census, at + Mm.mm_rb, vmas, Vma.vm_rb).inOrder) linked[index] = 1;
    for (let vma = vmas.at(read(at + Mm.mmap)); vma && walked[vma.index] !== walk + 1; ) {
      walked[vma.index] = walk + 1;
      linked[vma.index] = 1;
      vma = vmas.at(read(vma.at + Vma.vm_next));
    }
  }
  return linked;
}

/** Objects that lists lead to. */
function listed({ otherLists }: Census, of: Things): Uint8Array {
  const found = marks(of);
  for (const { entries } of otherLists)
    for (const entry of entries) {
      const thing = of.holding(entry);
      if (thing) found[thing.index] = 1;
    }
  return found;
}

/** pte_chains that pages have. */
function chainedBy({ frames: all, pteChains, read }: Census): Uint8Array {
  const chained = marks(pteChains);
  if (pteChains.live.length === 0) return chained;
  for (const { at } of all) {
    let chain = pteChains.at(read(at + Page.chain));
    for (; chain && chained[chain.index] === 0; chain = pteChains.at(read(chain.at + PteChain.next)))
      chained[chain.index] = 1;
  }
  return chained;
}

function objects(census: Census, asked: Asked): string | undefined {
  const { mms, vmas, anonVmas, chains, anonMms, pteChains, otherLists, read } = census;
  const linked = linkedVmas(census);
  const onList = listed(census, chains);
  const chained = chainedBy(census);
  const lists = otherLists.every(({ wrong }) => wrong === undefined);
  return (
    first(mms.live, ({ at, name }) =>
      read(at + Mm.mm_users) <= 0 && read(at + Mm.mm_count) <= 0
        ? `${name} is live, and has no user`
        : undefined,
    ) ??
    first(vmas.live, ({ index, name }) =>
      linked[index] === 1 ? undefined : `${name} is live, and in no address space`,
    ) ??
    first(anonVmas.live, (anonVma) => {
      const owed = owedToAnonVma(census, anonVma, asked);
      if (owed?.refs !== 0) return undefined;
      return `${anonVma.name} is live with ${times(read(anonVma.at + AnonVma.ref), 'reference')}, and has no vma and no child`;
    }) ??
    first(lists ? chains.live : [], ({ index, name }) =>
      onList[index] === 1 ? undefined : `${name} is live, and on no list`,
    ) ??
    first(anonMms.live, (each) =>
      owedToAnonMm(census, each).refs === 0 ? `${each.name} is live, and no address space has it` : undefined,
    ) ??
    first(pteChains.live, ({ index, name }) =>
      chained[index] === 1 ? undefined : `${name} is live, and no page has it`,
    )
  );
}

export const leak: Oracle = {
  name: 'O-LEAK',
  says: 'every frame is free or somebody has it, and every live object can be reached',
  check: (census, asked) => frames(census, asked) ?? counters(census) ?? objects(census, asked),
};
