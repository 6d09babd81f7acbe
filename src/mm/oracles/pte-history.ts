/**
 * O-PTEHIST: a fault looks up no slot of the swap device that no entry has ever named (mm.md R3.2, R3.4).
 *
 * An entry of two words that is read without a lock may be half of one and half of another. Its number then is that of a frame, where the flags say "swap", or of another slot. So every swap entry that is stored in
 * a page table is noted, a bit a slot, and every slot that is looked up is looked for there. One that is stale was there once, and is in the history: that is no violation (R3.2).
 *
 *   createKernel({ …, modules: pteHistory(at) })      `at` a word of shared memory, 0 at first; for swap devices of 31 slots at most
 */
import type { Addr } from '../../arch/index.ts';
import type { KernelEnv } from '../create.ts';
import { pteNumber, pteSwap } from '../pte.ts';
import { MmViolation } from './violation.ts';

/** Modules that note, and ask. */
export function pteHistory(at: Addr): Required<Pick<NonNullable<KernelEnv['modules']>, 'pgtable' | 'swap'>> {
  return {
    pgtable(k, original) {
      const made = original(k);
      return {
        ...made,
        set(entry, pte) {
          if (pteSwap(pte)) k.isa.fetchOr(at, 1 << (pteNumber(pte) & 31));
          made.set(entry, pte);
        },
      };
    },
    swap(k, original) {
      const made = original(k);
      return {
        ...made,
        lookupSwapCache(slot) {
          if (slot > k.spec.swapPages || (k.isa.readOnce(at) & (1 << (slot & 31))) === 0)
            throw new MmViolation(
              'O-PTEHIST',
              `swap entry ${slot} is looked up, which no page table ever had`,
            );
          return made.lookupSwapCache(slot);
        },
      };
    },
  };
}
