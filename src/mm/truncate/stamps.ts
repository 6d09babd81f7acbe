/**
 * Stamps: how far unmap_mapping_range has come with a vma (`vm_truncate_count`; "vmtrunc" 5/6 and 7/6, October 2004; merged in Linux 2.6.12).
 *
 *   as mapping.truncate_count      the call of this number is done with it
 *   a multiple of the page size    it was broken off there, and goes on there; 0: it is to be looked at from the start (7/6)
 *   anything else                  some call of before was done with it
 *
 * The count leaps over multiples of the page size, so a number is never taken for an address. Both words are protected by i_mmap_lock, which callers hold.
 *
 * Vmas change while the lock is given away, and a stamp must never say more than is true of the entries:
 *
 *   linked    a new mapping has no pages of those that go, and nopage looks at i_size and truncate_count: done
 *   split     both parts are where the whole was. One that was broken off is looked at anew, both parts: an address would lie in one of them only
 *   merged    as the one that takes the other in only if both are alike
 *   moved     entries come to another vma, and what was not zapped yet with them: to be looked at, whatever it was (Hugh Dickins, 29 December 2010)
 *   forked    the child has no more than its parent has, and comes behind it in the tree (i-mmap.ts)
 */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SIZE } from '../pte.ts';
import { AddressSpace, Vma } from '../structs.ts';
import type { TruncateRules } from './rules.ts';

/** What vmas do with their stamps; callers hold the i_mmap_lock of the file, if there is one. */
export interface Stamps {
  /** A vma is linked that has no entries. */
  linked(vma: Addr): void;
  /** A part has been made for a vma that is to be split; i_mmap_lock is not held yet. */
  splitting(vma: Addr, part: Addr): void;
  /** A vma has been split. */
  split(vma: Addr, part: Addr): void;
  /** A vma takes another one in. */
  merged(into: Addr, from: Addr): void;
  /** Entries are moved to another vma. */
  moved(from: Addr, into: Addr): void;
  /** A copy is put behind its original. */
  forked(child: Addr, parent: Addr): void;
}

const { vm_truncate_count, vm_file } = Vma;

/** Whether a stamp is an address at which to go on. */
export const isRestart = (stamp: number): boolean => stamp !== 0 && (stamp & (PAGE_SIZE - 1)) === 0;

export function stamps({ isa }: Pick<Kernel, 'isa'>, { vmas }: Pick<TruncateRules, 'vmas'>): Stamps {
  const stampOf = (vma: Addr): number => isa.read(vma + vm_truncate_count);
  const stamp = (vma: Addr, as: number): void => isa.write(vma + vm_truncate_count, as);

  return {
    linked(vma) {
      const mapping = isa.read(vma + vm_file);
      if (vmas.linked === 'stamped' && mapping !== 0)
        stamp(vma, isa.readOnce(mapping + AddressSpace.truncate_count));
    },
    splitting(vma, part) {
      if (vmas.split === 'copied before') stamp(part, isa.readOnce(vma + vm_truncate_count));
    },
    split(vma, part) {
      if (vmas.split === 'unstamped' || vmas.split === 'copied before') return;
      if (vmas.split === 'over' && isRestart(stampOf(vma))) stamp(vma, 0);
      stamp(part, stampOf(vma));
    },
    merged(into, from) {
      if (vmas.merged === 'if alike' && stampOf(into) !== stampOf(from)) stamp(into, 0);
    },
    moved(from, into) {
      const differs = stampOf(into) !== stampOf(from);
      if (vmas.moved === 'unstamped' || (vmas.moved === 'if alike' && differs)) stamp(into, 0);
    },
    forked(child, parent) {
      if (vmas.forked === 'copied') stamp(child, stampOf(parent));
    },
  };
}
