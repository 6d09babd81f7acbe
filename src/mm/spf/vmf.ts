/**
 * What a speculative fault knows of its vma and its entry (struct vm_fault), and how it comes to the pte lock (pte_map_lock, pte_spinlock; "Speculative page faults" v11, Laurent Dufour, 2018).
 *
 *   interrupts off
 *   the vma has changed?          its sequence is another, or it was taken out of the tree        R3.1, R3.6
 *   the pmd entry is another?     the table was collapsed: who does waits for this CPU's interrupts, so what is looked at here stays   R3.8
 *   the pte lock is tried for     its holder may wait for this CPU to acknowledge a shootdown       R3.7
 *   the vma has changed?          before the lock was got: from now on who wants to has to wait for it    R3.6
 *   interrupts on
 *
 * A lock that is not got is tried for again from the start, with interrupts on in between (v11), or ends the speculation (v10).
 *
 * With the vma's lock held for reading (6.4) nothing of this can happen, so the lock is waited for.
 *
 * Entries are mapped and unmapped as in kernels whose page tables lie in high memory (pte_map, pte_unmap): counted (O-KMAP).
 */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../kernel.ts';
import { Vma } from '../structs.ts';
import type { SpfCounting } from './counters.ts';
import type { SpfRules } from './rules.ts';
import { isDead } from './writers.ts';

/** A fault. */
export interface VmFault {
  readonly mm: Addr;
  readonly vma: Addr;
  readonly address: number;
  readonly write: boolean;
  /** `vm_sequence` when the copies were made. */
  readonly sequence: number;
  /** Copies. */
  readonly flags: number;
  readonly anonVma: Addr;
  /** The number of the page in its anon_vma. */
  readonly index: number;
  /** The entry of the pmd, and what it was. */
  readonly pmd: Addr;
  readonly origPmd: Addr;
  /** The entry, and what it was. */
  readonly pte: Addr;
  readonly origPte: number;
}

/** Ways to the entry. */
export interface PteLocks {
  /** Whether the vma is not what it was. */
  changed(vmf: Pick<VmFault, 'vma' | 'sequence'>): boolean;
  /** Locks the entry, which is mapped (pte_spinlock). @returns whether it has; else the speculation is over, and that is counted */
  spinlock(vmf: VmFault): boolean;
  /** Maps it, and locks it (pte_map_lock). @returns likewise */
  mapLock(vmf: VmFault): boolean;
  unlock(vmf: VmFault): void;
  /** Unlocks it, and unmaps it (pte_unmap_unlock). */
  unmapUnlock(vmf: VmFault): void;
  unmap(): void;
}

export function pteLocks(k: Kernel, rules: SpfRules, counting: SpfCounting): PteLocks {
  const { isa, cpu, locks, sections } = k;
  const { spin } = locks;
  const byVmaLock = rules.lookup === 'vma lock';
  const ptlOf = ({ mm, vma }: VmFault): Addr => sections.ptlOf(mm, vma);

  function changed({ vma, sequence }: Pick<VmFault, 'vma' | 'sequence'>): boolean {
    if (byVmaLock) return false;
    isa.rmb();
    const dead = isDead(isa, vma);
    const now = isa.readOnce(vma + Vma.vm_sequence);
    isa.rmb();
    return dead || now !== sequence;
  }

  /** Why it cannot go on; undefined: it can. Interrupts are off. */
  function before(vmf: VmFault): 'vma_changed' | 'pmd_changed' | undefined {
    if (rules.vmaBefore && changed(vmf)) return 'vma_changed';
    return rules.pmdBefore && isa.loadAcquire(vmf.pmd) !== vmf.origPmd ? 'pmd_changed' : undefined;
  }

  /** One attempt. @returns whether the lock is held; or why it never will be */
  function attempt(vmf: VmFault, ptl: Addr): boolean | 'vma_changed' | 'pmd_changed' {
    const why = before(vmf);
    if (why !== undefined) return why;
    if (!rules.tries) spin.acquire(ptl);
    else if (!spin.tryAcquire(ptl)) return false;
    if (!rules.vmaBehind || !changed(vmf)) return true;
    spin.release(ptl);
    return 'vma_changed';
  }

  function spinlock(vmf: VmFault): boolean {
    const ptl = ptlOf(vmf);
    if (byVmaLock) {
      spin.acquire(ptl);
      return true;
    }
    for (let tried = 0; ; tried += 1) {
      cpu.irqDisable();
      const got = attempt(vmf, ptl);
      cpu.irqEnable();
      if (got === true) return true;
      if (got !== false || tried >= rules.retries) {
        counting.count(got === false ? 'pte_lock' : got);
        return false;
      }
      counting.count('retry');
      isa.pause();
    }
  }

  return {
    changed,
    spinlock,
    mapLock(vmf) {
      if (!spinlock(vmf)) return false;
      counting.kmap(1);
      return true;
    },
    unlock: (vmf) => spin.release(ptlOf(vmf)),
    unmapUnlock(vmf) {
      counting.kmap(-1);
      spin.release(ptlOf(vmf));
    },
    unmap: () => counting.kmap(-1),
  };
}
