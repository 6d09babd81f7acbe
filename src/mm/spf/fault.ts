/**
 * handle_speculative_fault: from a vma to its entry, and to the handler ("Speculative page faults" v11, Laurent Dufour, 2018; the head of spf.ts has the whole).
 *
 * The rights are judged by the copies, and the sequence looked at behind: so SIGSEGV is said of a vma that was there with these rights when the fault was looked at.
 */
import type { Addr } from '../../arch/index.ts';
import { VM_FAULT_MINOR, VM_FAULT_RETRY, VM_FAULT_SIGSEGV } from '../fault.ts';
import type { Kernel } from '../kernel.ts';
import { tableWalk } from '../page-table.ts';
import { mmCpuOf } from '../per-cpu.ts';
import { PAGE_MASK, PAGE_SHIFT, ptePresent, pteSwap, pteWrite } from '../pte.ts';
import { MmCpu, VM, Vma } from '../structs.ts';
import { anonFaults } from './anon.ts';
import type { SpfAbort, SpfCounting } from './counters.ts';
import type { SpfVmas } from './lookup.ts';
import { prepareBlindly } from './prepare.ts';
import type { SpfRules } from './rules.ts';
import { swapFaults } from './swap.ts';
import { pteLocks, type VmFault } from './vmf.ts';

/** Serves a fault of an address space, or gives up. @returns VM_FAULT_* */
export type Speculate = (mm: Addr, address: number, write: boolean) => number;

/** What is left to the classic path: it may ask somebody, grow, or have to be told of. */
const NOT_SUPPORTED = VM.SHARED | VM.GROWSDOWN | VM.LOCKED | VM.IO | VM.RESERVED | VM.NONLINEAR;

/** What is copied of a vma. */
interface Copies {
  readonly flags: number;
  readonly start: number;
  readonly end: number;
  readonly pgoff: number;
  readonly file: Addr;
  readonly anonVma: Addr;
}

export function speculation(k: Kernel, rules: SpfRules, vmas: SpfVmas, counting: SpfCounting): Speculate {
  const { isa, cpu, world, pgtable, tlb } = k;
  const walk = tableWalk(k);
  const ptes = pteLocks(k, rules, counting);
  const { doAnonymousPage, doWpPage } = anonFaults(k, rules, ptes);
  const doSwapPage = swapFaults(k, rules, ptes);
  const prepare = prepareBlindly(k);
  const mine = mmCpuOf(world, cpu.id);
  const byVmaLock = rules.lookup === 'vma lock';
  // What reads from swap sleeps; of per-VMA locks it is that 6.4 has not come to it yet.
  const swaps = rules.lookup !== 'rcu' && !byVmaLock;

  function abort(why: SpfAbort): number {
    counting.count(why);
    return VM_FAULT_RETRY;
  }

  function copy(vma: Addr): Copies {
    return {
      flags: isa.readOnce(vma + Vma.vm_flags),
      start: isa.readOnce(vma + Vma.vm_start),
      end: isa.readOnce(vma + Vma.vm_end),
      pgoff: isa.readOnce(vma + Vma.vm_pgoff),
      file: isa.readOnce(vma + Vma.vm_file),
      anonVma: isa.readOnce(vma + Vma.anon_vma),
    };
  }

  /** What is said of rights that a vma does not give, if it is still the same. */
  function refused(vma: Addr, sequence: number): number {
    if (ptes.changed({ vma, sequence })) return abort('vma_changed');
    counting.count('access');
    return VM_FAULT_SIGSEGV;
  }

  /** Walks, with interrupts off. The entry stays mapped if there is one. */
  function find(vmf: Omit<VmFault, 'pmd' | 'origPmd' | 'pte' | 'origPte'>): VmFault | undefined {
    const { mm, address } = vmf;
    // It is this CPU's thread that has faulted, so tables are not freed before this CPU has acknowledged.
    if (isa.read(mine + MmCpu.active_mm) !== mm) tlb.load(mm);
    cpu.irqDisable();
    const table = isa.loadAcquire(walk.pgdEntry(mm, address));
    const pmd = table === 0 ? 0 : walk.pmdEntry(table, address);
    const origPmd = pmd === 0 ? 0 : isa.loadAcquire(pmd);
    const pte = origPmd === 0 ? 0 : walk.pteEntry(origPmd, address);
    const origPte = pte === 0 ? 0 : pgtable.read(pte);
    cpu.irqEnable();
    if (pte === 0) return undefined;
    if (origPte !== 0) counting.kmap(1);
    // Each by itself: V8 copies an object by a call of its runtime here, which takes ten times as long as the whole fault.
    return {
      mm,
      vma: vmf.vma,
      address,
      write: vmf.write,
      sequence: vmf.sequence,
      flags: vmf.flags,
      anonVma: vmf.anonVma,
      index: vmf.index,
      pmd,
      origPmd,
      pte,
      origPte,
    };
  }

  /** Makes the table that is missing: nobody says that the vma is still there. */
  function populate(vmf: Omit<VmFault, 'pmd' | 'origPmd' | 'pte' | 'origPte'>): VmFault | undefined {
    const ptl = k.sections.ptlOf(vmf.mm, vmf.vma);
    k.locks.spin.acquire(ptl);
    pgtable.populate(vmf.mm, vmf.address);
    k.locks.spin.release(ptl);
    return find(vmf);
  }

  function handlePteFault(vmf: VmFault): number {
    const { origPte, write } = vmf;
    if (origPte === 0) return doAnonymousPage(vmf);
    if (!ptePresent(origPte)) {
      // Whose page is being migrated waits for it, which the classic path does.
      if (swaps && pteSwap(origPte)) return doSwapPage(vmf);
      ptes.unmap();
      return abort('notsup');
    }
    if (!write || pteWrite(origPte)) {
      ptes.unmap();
      // The translation came while this CPU was on its way here.
      tlb.flushPage(vmf.mm, vmf.address & PAGE_MASK);
      return VM_FAULT_MINOR;
    }
    if (!ptes.spinlock(vmf)) {
      ptes.unmap();
      return VM_FAULT_RETRY;
    }
    if (pgtable.read(vmf.pte) === origPte) return doWpPage(vmf);
    ptes.unmapUnlock(vmf);
    return VM_FAULT_MINOR;
  }

  function serve(mm: Addr, vma: Addr, address: number, write: boolean): number {
    const early = rules.copies === 'before' ? copy(vma) : undefined;
    const sequence = isa.readOnce(vma + Vma.vm_sequence);
    isa.rmb();
    if ((sequence & 1) !== 0 && !byVmaLock) return abort('vma_changed');
    const { flags, start, end, pgoff, file, anonVma: there } = early ?? copy(vma);
    if (file !== 0 || (flags & NOT_SUPPORTED) !== 0) return abort('notsup');
    const anonVma = there === 0 && rules.noAnon === 'prepare' ? prepare(vma) : there;
    if (anonVma === 0) return abort('noanon');
    if (address < start || address >= end) return abort('vma_changed');
    const wanted = write ? VM.WRITE : VM.READ | VM.WRITE | VM.EXEC;
    if ((flags & wanted) === 0) return refused(vma, sequence);
    const index = pgoff + ((address - start) >>> PAGE_SHIFT);
    const known = { mm, vma, address, write, sequence, flags, anonVma, index };
    const found = find(known) ?? (rules.noTable === 'populate' ? populate(known) : undefined);
    if (found === undefined) return abort('pmd_changed');
    if (ptes.changed(found)) {
      if (found.origPte !== 0) ptes.unmap();
      return abort('vma_changed');
    }
    return handlePteFault(found);
  }

  return (mm, address, write) => {
    counting.count('attempt');
    const vma = vmas.get(mm, address);
    if (vma === 0) return abort('vma_changed');
    const result = serve(mm, vma, address, write);
    vmas.put(vma);
    if (result !== VM_FAULT_RETRY && (result & VM_FAULT_SIGSEGV) === 0) counting.count('success');
    return result;
  };
}
