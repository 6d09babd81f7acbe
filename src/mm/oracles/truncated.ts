/**
 * O-TRUNC: nobody has a page of a file behind its end, or one that the file has given up. O-STAMP: a stamp says no more than can be (docs/mm.md, Oracles; truncate/stamps.ts).
 *
 *   page of the file       the page that its cache has, or has had: with `mapping` gone it was dropped while somebody mapped it
 *   private copy           by its place in the vma
 *   swap entry             likewise
 *
 * Private copies go with what they were copied from, for vmtruncate asks for them, too. A stamp is the number of a call that there has been, or an address in the vma; a reserved page is its driver's.
 */
import { PAGE_SHIFT } from '../pte.ts';
import { AddressSpace, VM, Vma } from '../structs.ts';
import { isRestart } from '../truncate/stamps.ts';
import { type Census, counts, type Entry } from './census.ts';
import { first, type Oracle } from './oracle.ts';
import { isAnon } from './rmap.ts';

function judge({ read, files }: Census, entry: Entry): string | undefined {
  const { vma, page, swap, address } = entry;
  const mapping = vma ? read(vma.at + Vma.vm_file) : 0;
  if (!vma || mapping === 0) return undefined;
  const file = files.at(mapping);
  if (!file) return `${entry.name()} lies in a vma of 0x${mapping.toString(16)}, which is no file`;
  const size = read(mapping + AddressSpace.i_size);
  if (page && !isAnon(page)) {
    if (!counts(page)) return undefined;
    if (page.mapping !== mapping)
      return `${entry.name()} maps ${page.name}, which ${file.name} does not have any more`;
    return page.index < size
      ? undefined
      : `${entry.name()} maps page ${page.index} of ${file.name}, which ends at ${size}`;
  }
  if (!page && swap === 0) return undefined;
  const index = read(vma.at + Vma.vm_pgoff) + ((address - read(vma.at + Vma.vm_start)) >>> PAGE_SHIFT);
  return index < size
    ? undefined
    : `${entry.name()} has a private copy of page ${index} of ${file.name}, which ends at ${size}`;
}

export const truncated: Oracle = {
  name: 'O-TRUNC',
  says: 'nobody maps a page behind the end of its file, or one that the file has given up',
  check: (census) => first(census.entries, (entry) => judge(census, entry)),
};

export const stamped: Oracle = {
  name: 'O-STAMP',
  says: 'a vma is stamped with a truncation that there has been, or with an address in it: of designs that count',
  optional: true,
  check: ({ vmas, files, read }) =>
    first(vmas.live, ({ at, name }) => {
      const mapping = read(at + Vma.vm_file);
      const stamp = read(at + Vma.vm_truncate_count);
      if (stamp === 0 || !files.at(mapping)) return undefined;
      if (isRestart(stamp)) {
        const inside = stamp > read(at + Vma.vm_start) && stamp < read(at + Vma.vm_end);
        const anywhere = (read(at + Vma.vm_flags) & VM.NONLINEAR) !== 0;
        return inside || anywhere
          ? undefined
          : `${name} goes on at 0x${stamp.toString(16)}, which is not in it`;
      }
      const count = read(mapping + AddressSpace.truncate_count);
      return stamp <= count ? undefined : `${name} is stamped ${stamp}, and there have been ${count}`;
    }),
};
