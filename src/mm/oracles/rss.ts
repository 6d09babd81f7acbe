/** O-RSS: what an address space counts is what it has: present entries, table pages, pages of its vmas (docs/mm.md, Oracles). */
import { PAGE_SHIFT } from '../pte.ts';
import { Mm, VM, Vma } from '../structs.ts';
import { type Census, counts } from './census.ts';
import { first, type Oracle } from './oracle.ts';
import type { Thing } from './things.ts';

const COUNTED = ['rss', 'nr_ptes', 'total_vm', 'locked_vm'] as const;

/** Present entries of each address space. */
function presentIn({ entries }: Census): ReadonlyMap<Thing, number> {
  const present = new Map<Thing, number>();
  for (const { mm, page } of entries) if (page && counts(page)) present.set(mm, (present.get(mm) ?? 0) + 1);
  return present;
}

/** Lowest tables of each address space: one that is reached twice is one. */
function lowestIn({ tables }: Census): ReadonlyMap<Thing, ReadonlySet<number>> {
  const lowest = new Map<Thing, Set<number>>();
  for (const table of tables) {
    if (!table.lowest) continue;
    const own = lowest.get(table.mm) ?? new Set();
    lowest.set(table.mm, own.add(table.pfn));
  }
  return lowest;
}

export const rss: Oracle = {
  name: 'O-RSS',
  says: 'rss, nr_ptes, total_vm and locked_vm of an address space are what it has',
  check(census) {
    const { mms, vmasOf, read } = census;
    const present = presentIn(census);
    const lowest = lowestIn(census);
    return first(mms.live, (mm) => {
      let [total, locked] = [0, 0];
      for (const { at } of vmasOf(mm.at)) {
        const pages = (read(at + Vma.vm_end) - read(at + Vma.vm_start)) >>> PAGE_SHIFT;
        total += pages;
        if ((read(at + Vma.vm_flags) & VM.LOCKED) !== 0) locked += pages;
      }
      const should = [present.get(mm) ?? 0, lowest.get(mm)?.size ?? 0, total, locked];
      return first(COUNTED, (name, at) => {
        const [counted, right] = [read(mm.at + Mm[name]), should[at]];
        return counted === right ? undefined : `${mm.name}.${name} is ${counted}, and ${right} is right`;
      });
    });
  },
};
