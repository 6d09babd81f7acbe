/**
 * O-BALLOON: a balloon has the pages that it counts (docs/mm.md, Oracles; drivers/balloon.ts).
 *
 *   its list         whole, of pages that say that they are its, and that the VM does not have
 *   isolated_pages   pages that say so, and that the VM has
 *   num_pages        both together
 */
import type { Addr } from '../../arch/index.ts';
import { Balloon } from '../drivers/structs.ts';
import { MAPPING_MOVABLE, Page, PG } from '../structs.ts';
import type { Census, Frame } from './census.ts';
import { walkChain } from './chains.ts';
import { first, type Oracle } from './oracle.ts';
import { readThings, type Thing } from './things.ts';

/** By hooks (movable/hooks.ts) flags say both. */
const hooked = ({ flags }: Frame): boolean => (flags & PG.balloon.mask) !== 0;
/** Whether the VM has it. */
const away = (frame: Frame): boolean =>
  (frame.flags & PG.isolated.mask) !== 0 || (hooked(frame) && (frame.flags & PG.private.mask) === 0);

function judge(census: Census, { at, name }: Thing): string | undefined {
  const { isa, read, frames, frameOf } = census;
  const pageOf = (entry: Addr) => frameOf(entry - Page.lru);
  const chain = walkChain(
    isa,
    () => `${name}.pages`,
    at + Balloon.pages,
    (entry) => pageOf(entry) !== undefined,
    (entry) => pageOf(entry)!.name,
  );
  if (chain.wrong !== undefined) return `${chain.name()}: ${chain.wrong}`;
  const mapping = read(at + Balloon.mapping) | MAPPING_MOVABLE;
  const its = frames.filter((frame) => frame.mapping === mapping || (hooked(frame) && frame.private === at));
  const stray = its.find((frame) => frame.private !== at);
  if (stray) return `${stray.name} belongs to ${name}, and does not say so`;
  for (const entry of chain.entries) {
    const page = pageOf(entry)!;
    if (!its.includes(page)) return `${page.name} is on ${chain.name()}, and is not the balloon's`;
    if (away(page)) return `${page.name} is on ${chain.name()}, and is isolated`;
  }
  const isolated = its.filter(away).length;
  const counted = read(at + Balloon.isolated_pages);
  if (counted !== isolated) return `${name}.isolated_pages is ${counted}, and ${isolated} are`;
  const all = chain.entries.length + isolated;
  if (its.length !== all)
    return `${its.length} pages belong to ${name}, and ${all} are on its list or isolated`;
  const has = read(at + Balloon.num_pages);
  return has === all ? undefined : `${name}.num_pages is ${has}, and it has ${all}`;
}

export const balloon: Oracle = {
  name: 'O-BALLOON',
  says: 'the pages of a balloon are on its list or isolated, and as many as it counts',
  check(census) {
    const slab = census.world.driverSlabs.balloons;
    if (slab === undefined) return undefined;
    return first(readThings(census.isa, slab, census.world.end, Balloon).live, (each) => judge(census, each));
  },
};
