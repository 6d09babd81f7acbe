/** O-RSS: what an address space counts is what it has: present entries, table pages, pages of its vmas (mm.md C.4). */
import { PAGE_SHIFT } from '../pte.ts';
import { Mm, VM, Vma } from '../structs.ts';
import { counts } from './census.ts';
import { first, type Oracle } from './oracle.ts';
import type { Thing } from './things.ts';

export const rss: Oracle = {
  name: 'O-RSS',
  says: 'rss, nr_ptes, total_vm and locked_vm of an address space are what it has',
  check({ mms, vmasOf, entries, tables, read }) {
    const present = new Map<Thing, number>();
    for (const { mm, page } of entries) if (page && counts(page)) present.set(mm, (present.get(mm) ?? 0) + 1);
    return first(mms.live, (mm) => {
      let [total, locked] = [0, 0];
      for (const { at } of vmasOf(mm.at)) {
        const pages = (read(at + Vma.vm_end) - read(at + Vma.vm_start)) >>> PAGE_SHIFT;
        total += pages;
        if ((read(at + Vma.vm_flags) & VM.LOCKED) !== 0) locked += pages;
      }
      const lowest = new Set<number>();
      // One that is reached twice is one.
      for (const table of tables) if (table.mm === mm && table.lowest) lowest.add(table.pfn);
      const should = { rss: present.get(mm) ?? 0, nr_ptes: lowest.size, total_vm: total, locked_vm: locked };
      return first(Object.entries(should), ([name, right]) => {
        const counted = read(mm.at + Mm[name as keyof typeof should]);
        return counted === right ? undefined : `${mm.name}.${name} is ${counted}, and ${right} is right`;
      });
    });
  },
};
