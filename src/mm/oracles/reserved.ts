/**
 * O-RSV1: the pages of a VM_RESERVED vma are a driver's, so reclaim takes none of its entries: a swap entry there is one that it has taken (mm.md R0.4). One that it has taken
 * and left none in its place is seen when it does: `unmapping` in access.ts.
 *
 * O-RSV2: where the fault keeps such pages off the LRU (fix C), none is on it.
 */
import { PG, VM, Vma } from '../structs.ts';
import type { Census, Entry } from './census.ts';
import { first, type Oracle } from './oracle.ts';

const reserved = ({ read }: Census, { vma }: Entry): boolean =>
  vma !== undefined && (read(vma.at + Vma.vm_flags) & VM.RESERVED) !== 0;

export const reserved1: Oracle = {
  name: 'O-RSV1',
  says: 'no entry of a VM_RESERVED vma has been swapped out',
  check: (census) =>
    first(census.entries, (entry) =>
      entry.swap !== 0 && reserved(census, entry)
        ? `${entry.name()}, of the VM_RESERVED ${entry.vma!.name}, holds swap entry ${entry.swap}`
        : undefined,
    ),
};

export const reserved2: Oracle = {
  name: 'O-RSV2',
  says: 'no page of a VM_RESERVED vma is on the LRU: where faults keep them off',
  optional: true,
  check: (census) =>
    first(census.entries, (entry) =>
      entry.page && (entry.page.flags & PG.lru.mask) !== 0 && reserved(census, entry)
        ? `${entry.page.name}, at ${entry.name()} of the VM_RESERVED ${entry.vma!.name}, has PG_lru`
        : undefined,
    ),
};
