/**
 * What writers of vmas do for speculators.
 */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../kernel.ts';
import type { SpfRules, SpfWriters } from './rules.ts';

/** Who writes. */
export type SpfWriter = Exclude<keyof SpfWriters, 'atomic'>;

/** Calls around changes of vmas; where speculation is off they do nothing. */
export interface SpfHooks {
  /** A vma, or what its entries hold, is about to change (vm_write_begin). */
  begin(vma: Addr, by: SpfWriter): void;
  /** It has (vm_write_end). */
  end(vma: Addr, by: SpfWriter): void;
}

const nothing = (): void => {};

export function spfHooks(_k: Kernel, _rules: SpfRules): SpfHooks {
  return { begin: nothing, end: nothing };
}
