/** O-PT, at rest: every page table is one, exactly one entry leads to it, and every entry of it leads to a frame (docs/mm.md, Oracles). */
import { PG } from '../structs.ts';
import type { Reached } from './census.ts';
import { first, type Oracle } from './oracle.ts';

export const pageTable: Oracle = {
  name: 'O-PT',
  says: 'every page table is reached from one entry, and entries lead to frames',
  check({ wild, tables, frames, entries, called }) {
    const reached = new Map<number, Reached>();
    const where = ({ address, mm }: Reached): string => `0x${address.toString(16)} of ${mm.name}`;
    return (
      wild[0] ??
      first(tables, (table) => {
        const { pfn } = table;
        const before = reached.get(pfn);
        if (before) return `page[${pfn}] is the table for ${where(before)} and for ${where(table)}`;
        reached.set(pfn, table);
        return (frames[pfn]!.flags & PG.table.mask) === 0
          ? `page[${pfn}] is used as the table for ${where(table)}, and is none`
          : undefined;
      }) ??
      first(frames, ({ pfn, name, flags }) =>
        (flags & PG.table.mask) !== 0 && !reached.has(pfn)
          ? `${name} is a page table, and no entry leads to it`
          : undefined,
      ) ??
      first(entries, (entry) => {
        const { at, pte, torn, present, page } = entry;
        if (torn) return `the entry for ${entry.name()}, ${called(at)}, has words from different stores`;
        if (present && !page)
          return `the entry for ${entry.name()} is 0x${pte.toString(16)}, which leads to no frame`;
        return page && (page.flags & PG.table.mask) !== 0
          ? `${entry.name()} maps ${page.name}, a page table`
          : undefined;
      })
    );
  },
};
