/**
 * What must not be done without mmap_sem: gives a vma its anon_vma (anon_vma_prepare with find_mergeable_anon_vma; mm.md R3.12).
 *
 * A neighbour's anon_vma is taken where the two could become one, so that they still can. The neighbours are found by vm_next and vm_prev, which only mmap_sem keeps: the neighbour may be unmapped, and freed, while it
 * is looked at, and its anon_vma with it. So a speculator leaves a vma that has none to the classic path.
 */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../kernel.ts';
import { Vma } from '../structs.ts';

/** Gives a vma an anon_vma, while nobody keeps its neighbours. @returns it; 0: no memory */
export function prepareBlindly(k: Kernel): (vma: Addr) => Addr {
  const { isa } = k;
  const { vm_next, vm_prev, vm_flags, vm_file, anon_vma } = Vma;

  function mergeable(vma: Addr, near: Addr): Addr {
    if (near === 0) return 0;
    isa.consumed(near);
    const alike =
      isa.readOnce(near + vm_flags) === isa.readOnce(vma + vm_flags) && isa.readOnce(near + vm_file) === 0;
    return alike ? isa.readOnce(near + anon_vma) : 0;
  }

  return (vma) => {
    const shared = mergeable(vma, isa.readOnce(vma + vm_next)) || mergeable(vma, isa.readOnce(vma + vm_prev));
    return k.anonVma.prepare(vma, shared) ? isa.readOnce(vma + anon_vma) : 0;
  };
}
