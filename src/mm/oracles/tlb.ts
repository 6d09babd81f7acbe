/** O-TLB, at rest: what a CPU translates, the page table of that address space allows (docs/mm.md, Oracles). */

import { sizeOf } from '../../memory/index.ts';
import { PAGE_MASK, pteNumber, pteUsable, pteWrite } from '../pte.ts';
import { Mm, MmCpu, TLB_ENTRIES, TlbEntry } from '../structs.ts';
import type { Census } from './census.ts';
import { firstOf, type Oracle } from './oracle.ts';

function translation({ read, mms, entryAt, world }: Census, cpu: number, slot: number): string | undefined {
  const at = world.perCpu + cpu * world.perCpuStride + MmCpu.tlb + slot * sizeOf(TlbEntry);
  const page = read(at + TlbEntry.page);
  if (page === 0) return undefined;
  const address = page & PAGE_MASK;
  const pte = read(at + TlbEntry.pte);
  const mm = mms.at(read(at + TlbEntry.mm));
  const what = `CPU ${cpu} translates 0x${address.toString(16)} of ${mms.called(read(at + TlbEntry.mm))} to page[${pteNumber(pte)}]`;
  if (!mm?.live) return `${what}, and that is no address space`;
  if ((read(mm.at + Mm.cpu_vm_mask) & (1 << cpu)) === 0) return `${what}, and is not in its cpu_vm_mask`;
  const entry = entryAt(mm.at, address);
  const now = entry === 0 ? 0 : read(entry);
  if (!pteUsable(now)) return `${what}, and nothing that it may use is mapped there`;
  if (pteNumber(now) !== pteNumber(pte)) return `${what}, and page[${pteNumber(now)}] is mapped there`;
  return pteWrite(pte) && !pteWrite(now) ? `${what} for writing, and it may only be read` : undefined;
}

export const tlb: Oracle = {
  name: 'O-TLB',
  says: 'no CPU has a translation that the page tables do not allow',
  check: (census) =>
    firstOf(census.cpus * TLB_ENTRIES, (at) =>
      translation(census, Math.floor(at / TLB_ENTRIES), at % TLB_ENTRIES),
    ),
};
