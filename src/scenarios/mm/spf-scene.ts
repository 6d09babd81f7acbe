/**
 * What the races of speculative page faults have in common: an address space, vmas with an anon_vma and nothing present, pages on the swap device (mm.md R3.*; "Speculative page faults", Laurent Dufour, 2017 and 2018).
 *
 * Two vmas of a page each lie below one table, V and N. V is the one that is faulted on; it has had a page, so it has an anon_vma, and it has none now, so who unmaps it has nothing to flush. A CPU loads the address
 * space when it walks its tables: from there on its interrupts matter.
 *
 * A fault is that of a processor: without mmap_sem if that can be, else with it.
 */

import { observed } from '../../mm/oracles/observe.ts';
import { pteHistory } from '../../mm/oracles/pte-history.ts';
import { PAGE_SIZE } from '../../mm/pte.ts';
import { SPF_DESIGNS, type SpfName, type SpfRules, type SpfWriters } from '../../mm/spf/rules.ts';
import { type Act, map, mmAt, populate, RW, tree } from './objrmap-scene.ts';

/** Of most races here. */
export const SPF = '"Speculative page faults", Laurent Dufour, linux-mm, 2017 and 2018';

/** A machine for a few vmas of one address space. */
export const ANON = {
  frames: 12,
  mms: 1,
  vmas: 4,
  anonVmas: 3,
  chains: 8,
  pteChains: 1,
  files: 1,
  filePages: 1,
  swapPages: 4,
};

/** The same with entries that can be torn. */
export const WIDE = { ...ANON, frames: 14, pteWords: 2 } as const;

/** Vmas are under mmap_sem alone, entries under page_table_lock, and pages are found by their anon_vma. */
export const REGIME = tree('AM');

/** Where vmas lie. */
export const [V, N, AWAY] = [0x10000, 0x12000, 0x14000] as const;

/** A design, with other rules put in. */
export const rules = (
  others: Partial<Omit<SpfRules, 'writers'>> & { readonly writers?: Partial<SpfWriters> } = {},
  name: SpfName = 'v11',
): SpfRules => ({
  ...SPF_DESIGNS[name],
  ...others,
  writers: { ...SPF_DESIGNS[name].writers, ...others.writers },
});

/** A processor faults. */
export const fault =
  (address: number, write = true): Act =>
  ({ k }) =>
    void k.spf.handleUserFault(mmAt(k), address, write);

/** Its fault is tried without mmap_sem, and no more than that. */
export const speculate =
  (address: number, write = true): Act =>
  ({ k }) =>
    void k.spf.handleSpeculativeFault(mmAt(k), address, write);

/** What an address has is dropped. */
export const dontneed =
  (address: number): Act =>
  ({ k }) =>
    void k.maps.madviseDontneed(mmAt(k), address, PAGE_SIZE);

/** No write to an address any more. */
export const readOnly =
  (address: number): Act =>
  ({ k }) =>
    void k.maps.mprotect(mmAt(k), address, PAGE_SIZE, 1);

/** `init`: V, empty, with an anon_vma, and N, with a page. */
export const empty: Act = ({ k }) => {
  k.mms.create();
  for (const address of [V, N]) {
    map(k, address);
    populate(k, address);
  }
  k.maps.madviseDontneed(mmAt(k), V, PAGE_SIZE);
};

/** `init`: so many pages from V on, one vma, none of them present. */
export const long =
  (pages: number): Act =>
  ({ k }) => {
    k.mms.create();
    map(k, V, RW, 0, pages * PAGE_SIZE);
    populate(k, V);
    k.maps.madviseDontneed(mmAt(k), V, PAGE_SIZE);
  };

/** `init`: V and its page, which is on the swap device; N is there if it is said. */
export const swapped =
  (others: readonly number[] = []): Act =>
  ({ k }) => {
    k.mms.create();
    map(k, V);
    populate(k, V);
    k.reclaim.shrinkInactive(1);
    for (const address of others) {
      map(k, address);
      populate(k, address);
    }
  };

/** Modules that note what entries of page tables have held. */
export const history = (note: number): ReturnType<typeof pteHistory> => pteHistory(note + 16);
/** Modules with the oracles of the access around them. */
export const asked = { spf: observed.spf, pgtable: observed.pgtable };
