/**
 * O-AV, at rest: the anon_vma that a mapped anonymous page names leads to a vma that maps it, and vmas and anon_vmas are linked both ways (docs/mm.md, Oracles).
 *
 * An anon_vma may lead to more vmas than map the page, and name one of an older, wider family: who comes that way looks at the entry again. A page that nothing maps any more may
 * name one that is long gone. The form for a call of page_lock_anon_vma is in access.ts.
 */
import type { Addr } from '../../arch/index.ts';
import { AnonVma, AnonVmaChain, Vma } from '../structs.ts';
import { type Census, counts, type Frame } from './census.ts';
import { isLost } from './map.ts';
import { first, type Oracle } from './oracle.ts';
import { isAnon, pointerOf, type RmapOf } from './rmap.ts';
import type { Thing } from './things.ts';

function page(census: Census, frame: Frame, rmapOf: RmapOf): string | undefined {
  const { anonVmas, listAt } = census;
  const { at, name, mapping, entries } = frame;
  if (entries.length === 0 || !counts(frame) || !isAnon(frame)) return undefined;
  if (!isLost(census, frame) || rmapOf(at, census).exact) return undefined;
  const pointer = pointerOf(mapping);
  const anonVma = anonVmas.at(pointer);
  if (!anonVma) return `${name}.mapping names ${anonVmas.called(pointer)}, which is no anon_vma`;
  if (!anonVma.live) return `${name}.mapping names ${anonVma.name}, which is free`;
  if (listAt(anonVma.at + AnonVma.head)?.wrong !== undefined) return undefined;
  return `${name} is mapped at ${entries[0]!.name()}, and ${anonVma.name}, which it names, has no vma that maps it`;
}

/** One side of the links, from what has the list. */
function links(
  { listAt, chains, read, called }: Census,
  owner: Thing,
  head: Addr,
  own: Addr,
  link: Addr,
): string | undefined {
  const list = listAt(owner.at + head);
  if (!list || list.wrong !== undefined) return undefined;
  return first(list.entries, (entry) => {
    const chain = chains.at(entry - link)!;
    if (!chain.live) return `${owner.name} is linked by ${chain.name}, which is free`;
    return read(chain.at + own) === owner.at
      ? undefined
      : `${owner.name} is linked by ${chain.name}, which is ${called(read(chain.at + own))}'s`;
  });
}

/** Both ends of a chain are on the lists of those that it links. */
function chainLinks({ listAt, vmas, anonVmas, read }: Census, { at, name }: Thing): string | undefined {
  const vma = vmas.at(read(at + AnonVmaChain.vma));
  const anonVma = anonVmas.at(read(at + AnonVmaChain.anon_vma));
  const ofVma = vma?.live ? listAt(vma.at + Vma.anon_vma_chain) : undefined;
  const ofAnonVma = anonVma?.live ? listAt(anonVma.at + AnonVma.head) : undefined;
  const vmaHas = ofVma?.entries.includes(at + AnonVmaChain.same_vma) ?? false;
  const anonVmaHas = ofAnonVma?.entries.includes(at + AnonVmaChain.same_anon_vma) ?? false;
  // On neither it is a leak, and with a damaged list nothing is known.
  if (vmaHas === anonVmaHas || ofVma?.wrong !== undefined || ofAnonVma?.wrong !== undefined) return undefined;
  const missing = vmaHas ? anonVma : vma;
  return `${name} links ${missing?.name ?? 'nothing'}, which does not have it on its list`;
}

export const anon: Oracle = {
  name: 'O-AV',
  says: 'the anon_vma of a mapped page leads to a vma that maps it, and is linked with its vmas both ways',
  check(census, { rmapOf }) {
    const { frames, anonVmas, vmas, chains, read } = census;
    return (
      first(frames, (frame) => page(census, frame, rmapOf)) ??
      first(anonVmas.live, (each) =>
        links(census, each, AnonVma.head, AnonVmaChain.anon_vma, AnonVmaChain.same_anon_vma),
      ) ??
      first(vmas.live, (each) =>
        links(census, each, Vma.anon_vma_chain, AnonVmaChain.vma, AnonVmaChain.same_vma),
      ) ??
      first(chains.live, (each) => chainLinks(census, each)) ??
      first(vmas.live, ({ at, name }) => {
        const own = read(at + Vma.anon_vma);
        return own === 0 || anonVmas.at(own)?.live
          ? undefined
          : `${name}.anon_vma is ${anonVmas.called(own)}, which is no live anon_vma`;
      })
    );
  },
};
