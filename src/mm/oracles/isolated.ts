/**
 * O-ISO: at rest nothing is isolated, and nothing is being migrated. O-TYPE: pages are what their type says, and a driver's list has its pages (docs/mm.md, Oracles; movable.ts).
 *
 *   MOVABLE with a pointer       a driver's: not free, on no LRU, no entry maps it, in no cache
 *   MOVABLE alone                given up while it was isolated, and nobody's: if it is not freed it is O-LEAK's
 *   on a driver's private_list   a page whose mapping is that driver's address_space
 *   PG_balloon                   a driver's by hooks (movable/hooks.ts): isolated where PG_private is missing; `mapping` says nothing
 *
 * A compound page's tail has a counter where others have their mapping.
 */

import { pteMigration } from '../pte.ts';
import { AddressSpace, MAPPING_FLAGS, MAPPING_MOVABLE, PG } from '../structs.ts';
import type { Census, Frame } from './census.ts';
import { freeListOf } from './census.ts';
import { first, type Oracle, times } from './oracle.ts';
import { driversPage } from './references.ts';

const hex = (word: number): string => `0x${(word >>> 0).toString(16)}`;

const BY_HOOKS = PG.balloon.mask | PG.private.mask;

export const isolated: Oracle = {
  name: 'O-ISO',
  says: 'no page is isolated, and none is being migrated',
  check: ({ frames, entries, pageLists }) =>
    first(frames, ({ name, flags }) =>
      (flags & PG.isolated.mask) === 0 ? undefined : `${name} has PG_isolated`,
    ) ??
    first(frames, ({ name, flags }) =>
      (flags & BY_HOOKS) === 0 || (flags & BY_HOOKS) === BY_HOOKS
        ? undefined
        : `${name} has one of PG_balloon and PG_private`,
    ) ??
    first(pageLists.isolated, (chain) =>
      chain.entries.length === 0 ? undefined : `${chain.name()} has ${times(chain.entries.length, 'page')}`,
    ) ??
    first(entries, (entry) => (pteMigration(entry.pte) ? `${entry.name()} is a migration entry` : undefined)),
};

function judgeFrame(census: Census, frame: Frame): string | undefined {
  if (!driversPage(frame)) return undefined;
  const { name, mapping, flags } = frame;
  const file = census.files.at(mapping & ~MAPPING_FLAGS);
  const hooked = (flags & PG.balloon.mask) !== 0;
  if (hooked && mapping !== 0) return `${name} is a balloon's by hooks, and has the mapping ${hex(mapping)}`;
  if (hooked) return misplaced(census, frame);
  if (!file || census.read(file.at + AddressSpace.a_ops) === 0)
    return `${name} is a driver's, and its mapping ${hex(mapping)} is none's`;
  return misplaced(census, frame);
}

/** Where a driver's page is not to be. */
function misplaced(census: Census, frame: Frame): string | undefined {
  const { name, flags, entries, caches } = frame;
  if (freeListOf(census, frame)) return `${name} is free, and a driver's`;
  if ((flags & PG.lru.mask) !== 0) return `${name} is a driver's, and has PG_lru`;
  if (entries.length > 0) return `${name} is a driver's, and mapped at ${entries[0]!.name()}`;
  return caches.length > 0 ? `${name} is a driver's, and ${caches[0]!.name}` : undefined;
}

export const typed: Oracle = {
  name: 'O-TYPE',
  says: "a page with the type of a driver is a driver's and nobody else's, and drivers' lists have their pages",
  check: (census) =>
    first(census.frames, (frame) => judgeFrame(census, frame)) ??
    first(census.frames, ({ name, mapping, lists }) => {
      const on = lists.find((each) => census.pageLists.drivers.includes(each));
      if (!on) return undefined;
      const owner = on.head - AddressSpace.private_list;
      return mapping === (owner | MAPPING_MOVABLE)
        ? undefined
        : `${name} is on ${on.name()}, and its mapping is ${hex(mapping)}`;
    }),
};
