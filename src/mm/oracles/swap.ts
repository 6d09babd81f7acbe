/**
 * O-SWAPCNT: `swap_map` counts the entries of page tables that hold a swap entry, and one more for the cache (docs/mm.md, Oracles).
 *
 * While the device is not given out (SWP_WRITEOK off) nothing may be left of it at all: that is O-SWAPOFF's.
 */
import { PG, SWP_WRITEOK, SwapInfo } from '../structs.ts';
import type { Census } from './census.ts';
import { first, firstOf, type Oracle } from './oracle.ts';

/** Whether slots of the device are given out. */
export const isOn = ({ read, world }: Census): boolean =>
  (read(world.swap + SwapInfo.flags) & SWP_WRITEOK) !== 0;

export const swap: Oracle = {
  name: 'O-SWAPCNT',
  says: 'a swap count is the number of entries that hold the slot, and one for the cache',
  check(census) {
    if (!isOn(census)) return undefined;
    const { entries, frames, frameOf, read, world, spec } = census;
    const holders = new Array<number>(spec.swapPages + 1).fill(0);
    const beyond = entries.find(({ swap: entry }) => entry > spec.swapPages);
    if (beyond) return `${beyond.name()} holds swap entry ${beyond.swap}, and there is no such slot`;
    for (const { swap: entry } of entries) if (entry > 0) holders[entry]! += 1;
    let inUse = 0;
    let cached = 0;
    const slot = (at: number): string | undefined => {
      const page = read(world.swapCache + 4 * at);
      const counted = read(world.swapMap + 4 * at);
      if (counted !== 0) inUse += 1;
      if (page !== 0) cached += 1;
      const should = holders[at + 1]! + (page === 0 ? 0 : 1);
      if (counted !== should)
        return `swap_map[${at}] is ${counted}, and ${should} is right: ${holders[at + 1]} ptes, ${page === 0 ? 'no' : '1'} cache`;
      const frame = frameOf(page);
      return page !== 0 && ((frame?.flags ?? 0) & PG.swapcache.mask) === 0
        ? `swap_cache[${at}] is ${frame?.name ?? 'no page'}, without PG_swapcache`
        : undefined;
    };
    const swapped = (count: number, name: string, right: number): string | undefined =>
      count === right ? undefined : `swap_info_struct.${name} is ${count}, and ${right} is right`;
    return (
      firstOf(spec.swapPages, slot) ??
      first(frames, ({ name, flags, caches, private: entry }) => {
        if ((flags & PG.swapcache.mask) === 0) return undefined;
        const place = caches.find(({ file }) => file === undefined);
        // With another page there it is O-DUP's.
        if (!place) {
          const there = entry > 0 && entry <= spec.swapPages ? read(world.swapCache + 4 * (entry - 1)) : 0;
          return there === 0 ? `${name} has PG_swapcache, and the cache does not have it` : undefined;
        }
        return place.index === entry ? undefined : `${name} is ${place.name} in the cache, and says ${entry}`;
      }) ??
      swapped(read(world.swap + SwapInfo.inuse_pages), 'inuse_pages', inUse) ??
      swapped(read(world.swap + SwapInfo.nrpages), 'nrpages', cached)
    );
  },
};
