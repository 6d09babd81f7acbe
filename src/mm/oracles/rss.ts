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
      const pages = (flag: number): number =>
        vmasOf(mm.at)
          .filter(({ at }) => flag === 0 || (read(at + Vma.vm_flags) & flag) !== 0)
          .reduce(
            (all, { at }) => all + ((read(at + Vma.vm_end) - read(at + Vma.vm_start)) >>> PAGE_SHIFT),
            0,
          );
      const should = {
        rss: present.get(mm) ?? 0,
        // One that is reached twice is one.
        nr_ptes: new Set(tables.flatMap((each) => (each.mm === mm && each.lowest ? each.pfn : []))).size,
        total_vm: pages(0),
        locked_vm: pages(VM.LOCKED),
      };
      return first(Object.entries(should), ([name, right]) => {
        const counted = read(mm.at + Mm[name as keyof typeof should]);
        return counted === right ? undefined : `${mm.name}.${name} is ${counted}, and ${right} is right`;
      });
    });
  },
};
