/**
 * A kernel that looks before it leaps: its modules with the oracles of the access (access.ts) around them.
 *
 *   createKernel({ …, modules: observed })                                            all of them
 *   createKernel({ …, modules: { pages: observed.pages } })                           one
 *   createKernel({ …, modules: { vmaTree: (k) => observed.vmaTree(k, mine) } })       around one's own
 *
 *   pages        get, putTestzero: the page has a reference; the last one goes when nothing leads to it any more         O-REF>=
 *   pgtable      read, set, getAndClear, clearFlags: in a page table; what becomes present has a reference               O-PT, O-REF>=
 *   vmaTree      what a search returns is live                                                                           O-UAF
 *   anonVma      pageLockAnonVma returns what the page named while it ran                                                O-AV, O-TYPE
 *   spf          what a speculative fault returns is what its callers know                                                O-RC
 *   unmappable   reclaim may unmap nothing that is VM_RESERVED or VM_LOCKED                                              O-RSV1, O-MLOCK
 */
import type { Addr, Isa } from '../../arch/index.ts';
import type { KernelEnv } from '../create.ts';
import { VM_FAULT_ERROR, VM_FAULT_MAJOR, VM_FAULT_RETRY } from '../fault.ts';
import type { Kernel } from '../kernel.ts';
import { pteNumber, ptePresent } from '../pte.ts';
import { Vma } from '../structs.ts';
import { accesses } from './access.ts';
import { unobserved } from './observe-isa.ts';
import { MmViolation } from './violation.ts';

/** What faults return. */
const KNOWN = VM_FAULT_ERROR | VM_FAULT_MAJOR | VM_FAULT_RETRY;

/** Replacements of modules, as `createKernel` takes them. */
export type Replacements = NonNullable<KernelEnv['modules']>;
type Observed = {
  readonly [Name in 'pages' | 'pgtable' | 'vmaTree' | 'anonVma' | 'spf' | 'unmappable']: NonNullable<
    Replacements[Name]
  >;
};

/** The checks of a kernel's CPU. */
const checksOf = (k: Kernel) => accesses({ ...k, isa: unobserved<Isa>(k.isa) });

/** The modules that are observed. */
export const observed: Observed = {
  pages(k, original) {
    const ops = original(k);
    const check = checksOf(k);
    return {
      ...ops,
      get(page) {
        check.inUse(page);
        ops.get(page);
      },
      putTestzero(page) {
        check.inUse(page);
        const last = ops.putTestzero(page);
        if (last) check.mayGo(page);
        return last;
      },
    };
  },
  pgtable(k, original) {
    const ops = original(k);
    const check = checksOf(k);
    return {
      ...ops,
      read(at) {
        check.table(at);
        return ops.read(at);
      },
      set(at, pte) {
        check.table(at);
        // The zero page is nobody's.
        if (ptePresent(pte) && pteNumber(pte) !== 0) check.inUse(k.pages.pageAt(pteNumber(pte)));
        ops.set(at, pte);
      },
      getAndClear(at) {
        check.table(at);
        return ops.getAndClear(at);
      },
      clearFlags(at, flags) {
        check.table(at);
        return ops.clearFlags(at, flags);
      },
    };
  },
  vmaTree(k, original) {
    const ops = original(k);
    const check = checksOf(k);
    const found = (vma: Addr): Addr => {
      if (vma !== 0) check.live(vma);
      return vma;
    };
    return {
      ...ops,
      findVma: (mm, address) => found(ops.findVma(mm, address)),
      findVmaPrev(mm, address) {
        const { vma, prev } = ops.findVmaPrev(mm, address);
        return { vma: found(vma), prev: found(prev) };
      },
      findVmaIntersection: (mm, start, end) => found(ops.findVmaIntersection(mm, start, end)),
    };
  },
  anonVma(k, original) {
    const ops = original(k);
    const check = checksOf(k);
    return {
      ...ops,
      pageLockAnonVma(page) {
        const look = check.looking(page);
        const anonVma = ops.pageLockAnonVma(page);
        check.found(page, anonVma, look);
        return anonVma;
      },
    };
  },
  spf(k, original) {
    const ops = original(k);
    return {
      ...ops,
      handleSpeculativeFault(mm, address, write) {
        const result = ops.handleSpeculativeFault(mm, address, write);
        if ((result & ~KNOWN) !== 0)
          throw new MmViolation(
            'O-RC',
            `a speculative fault returns 0x${result.toString(16)}, of which its callers know nothing`,
          );
        return result;
      },
    };
  },
  unmappable(k, original) {
    const ops = original(k);
    const check = checksOf(k);
    const isa = unobserved<Isa>(k.isa);
    return {
      ...ops,
      allows(page, vma) {
        const before = isa.readOnce(vma + Vma.vm_flags);
        const allowed = ops.allows(page, vma);
        if (allowed) check.unmapping(vma, page, before);
        return allowed;
      },
    };
  },
};
