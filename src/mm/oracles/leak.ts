/**
 * O-LEAK: every frame is free or somebody's, and every live object can be reached (mm.md C.5).
 *
 *   frame              on a free list, with nothing left of its last use; or mapped, cached, on its way to the LRU, a table
 *   vm_area_struct     in the list or the tree of its address space
 *   anon_vma           a vma on its list, or a child below it
 *   anon_vma_chain     on the list of a vma or of an anon_vma
 *   anonmm             its address space, or one of the family that it is the head of
 *   pte_chain          on the chain of a page
 *   mm_struct          mm_users or mm_count
 *
 * A page table that no entry leads to is O-PT's.
 */
import type { Addr } from '../../arch/index.ts';
import { AnonVma, AnonVmaChain, Mm, MmCpu, Page, PG, PteChain, Vma, Zone } from '../structs.ts';
import { type Census, counts } from './census.ts';
import { type Asked, first, type Oracle, times } from './oracle.ts';
import { owedTo, owedToAnonMm, owedToAnonVma } from './references.ts';
import { walkTree } from './tree.ts';

/** What other oracles say of a free page, if it has it. */
const OTHERS = PG.lru.mask | PG.swapcache.mask | PG.locked.mask | PG.table.mask | PG.reserved.mask;

function frames({ frames, pageLists: { free }, read }: Census, asked: Asked): string | undefined {
  const unknown = free.some(({ wrong }) => wrong !== undefined) || read(free[0]!.head) === 0;
  return first(frames, (frame) => {
    const { name, refs, flags, mapping, lists } = frame;
    if (frame.untouched || !counts(frame)) return undefined;
    const on = lists.find((each) => free.includes(each));
    if (on) {
      if (mapping !== 0 || (flags & ~OTHERS) !== 0)
        return `${name} is on ${on.name()}, and has flags 0x${(flags >>> 0).toString(16)} and mapping 0x${mapping.toString(16)}`;
      return undefined;
    }
    if ((flags & PG.table.mask) !== 0 || owedTo(frame, asked).refs !== 0) return undefined;
    if (refs !== 0) return `${name} has ${times(refs, 'reference')}, and nobody has it`;
    return unknown ? undefined : `${name} is free, and on no free list`;
  });
}

function counters({ pageLists: { free }, read, world }: Census): string | undefined {
  const { zone, perCpu, perCpuStride } = world;
  return first(free, ({ name, entries, wrong }) => {
    const cpu = free.findIndex((each) => each.name === name) - 1;
    const word = cpu < 0 ? zone + Zone.free_pages : perCpu + perCpuStride * cpu + MmCpu.pcp_count;
    const counted = read(word);
    if (wrong !== undefined || counted === entries.length) return undefined;
    return `${name()} has ${times(entries.length, 'page')}, and ${counted} are counted`;
  });
}

/** Live vmas that their address space has, in its list or in its tree. */
function linkedVmas({ mms, vmas, read }: Census): Set<Addr> {
  const linked = new Set<Addr>();
  for (const { at } of mms.live) {
    for (const vma of walkTree(read, at + Mm.mm_rb, vmas, Vma.vm_rb).inOrder) linked.add(vma.at);
    const walked = new Set<Addr>();
    for (let vma = read(at + Mm.mmap); vmas.at(vma) && !walked.has(vma); vma = read(vma + Vma.vm_next)) {
      walked.add(vma);
      linked.add(vma);
    }
  }
  return linked;
}

function objects(census: Census, asked: Asked): string | undefined {
  const { mms, vmas, anonVmas, chains, anonMms, pteChains, otherLists, frames: all, read } = census;
  const linked = linkedVmas(census);
  const onList = new Set(otherLists.flatMap(({ entries }) => entries));
  const chained = new Set<Addr>();
  for (const { at } of all) {
    let chain = read(at + Page.chain);
    for (; pteChains.at(chain) && !chained.has(chain); chain = read(chain + PteChain.next))
      chained.add(chain);
  }
  const lists = otherLists.every(({ wrong }) => wrong === undefined);
  return (
    first(mms.live, ({ at, name }) =>
      read(at + Mm.mm_users) <= 0 && read(at + Mm.mm_count) <= 0
        ? `${name} is live, and has no user`
        : undefined,
    ) ??
    first(vmas.live, ({ at, name }) =>
      linked.has(at) ? undefined : `${name} is live, and in no address space`,
    ) ??
    first(anonVmas.live, (anonVma) => {
      const owed = owedToAnonVma(census, anonVma, asked);
      if (owed?.refs !== 0) return undefined;
      return `${anonVma.name} is live with ${times(read(anonVma.at + AnonVma.ref), 'reference')}, and has no vma and no child`;
    }) ??
    first(lists ? chains.live : [], ({ at, name }) =>
      onList.has(at + AnonVmaChain.same_vma) || onList.has(at + AnonVmaChain.same_anon_vma)
        ? undefined
        : `${name} is live, and on no list`,
    ) ??
    first(anonMms.live, (each) =>
      owedToAnonMm(census, each).refs === 0 ? `${each.name} is live, and no address space has it` : undefined,
    ) ??
    first(pteChains.live, ({ at, name }) =>
      chained.has(at) ? undefined : `${name} is live, and no page has it`,
    )
  );
}

export const leak: Oracle = {
  name: 'O-LEAK',
  says: 'every frame is free or somebody has it, and every live object can be reached',
  check: (census, asked) => frames(census, asked) ?? counters(census) ?? objects(census, asked),
};
