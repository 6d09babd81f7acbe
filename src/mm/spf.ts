/**
 * Speculative page faults: a fault of a thread that does not take mmap_sem ("Speculative page faults", Peter Zijlstra, October 2014; Laurent Dufour, v3 to v11, 2017 and 2018).
 *
 *   find the vma, and keep it from being freed   by the design (spf/lookup.ts)
 *   vm_sequence                                  odd: somebody changes it. Else the number is kept, and what is needed of the vma copied
 *   interrupts off: walk, never allocating       who frees tables waits for every CPU to acknowledge, so they stay for so long
 *   the handler                                  allocates, clears, copies, reads from swap, holding nothing
 *   interrupts off; vma and pmd as they were?    then the pte lock is tried for, and with it held the vma looked at once more (spf/vmf.ts)
 *   the entry as it was?                         it is replaced
 *
 * Whatever is not as it was ends the speculation: the classic path, with mmap_sem, has the fault then. Speculators wait for no sequence; so vm_sequence can be taken at any place in the order of locks.
 *
 * Only private anonymous memory is served so: what asks a driver (vm_ops->fault) may do anything; a stack may have to grow; without an anon_vma neighbours would have to be asked; and mlocked pages are told
 * of under mmap_sem (mlock/pages.ts).
 *
 * Where the design is `off` nothing here accesses memory, and no other module does anything that it did not.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { VM_FAULT_RETRY } from './fault.ts';
import type { Kernel, MmLocks } from './kernel.ts';
import { type SpfCounters, spfCounting } from './spf/counters.ts';
import { type Speculate, speculation } from './spf/fault.ts';
import { type SpfVmas, spfVmas } from './spf/lookup.ts';
import { SPF_DESIGNS, type SpfRules } from './spf/rules.ts';
import { type Around, endingWrites, markedIsa, type SpfHooks, spfAround, spfHooks } from './spf/writers.ts';

/** Speculative page faults. */
export interface Spf {
  readonly rules: SpfRules;
  /** Whether faults of processors are tried without mmap_sem first. */
  readonly on: boolean;
  /**
   * Serves a fault without mmap_sem, if that can be.
   * @returns VM_FAULT_RETRY: it cannot, and nothing has changed; else as `handleMmFault`
   */
  handleSpeculativeFault(mm: Addr, address: number, write: boolean): number;
  /** What a processor's fault calls: speculation, and where that is given up, or off, `handleMmFault`. */
  handleUserFault(mm: Addr, address: number, write: boolean): number;
  /** What all CPUs have counted. */
  counters(): SpfCounters;
  /** What writers of vmas do for speculators. */
  readonly writers: SpfHooks;
  /** Lives of vmas. */
  readonly vmas: Pick<SpfVmas, 'born' | 'freed'>;
  /** The locks as other modules have them. */
  readonly locks: MmLocks;
  /** Makes of modules what others have for them. */
  readonly around: Around;
  /** By which modules that change vmas do so; undefined: as ever. */
  readonly marked: Isa | undefined;
}

/** Makes the module. @param rules a design of SPF_DESIGNS, or another */
export function spf(k: Kernel, rules: SpfRules = SPF_DESIGNS.off): Spf {
  const on = rules.lookup !== 'off';
  const counting = spfCounting(k);
  const writers = spfHooks(k, rules);
  const vmas = spfVmas(k, rules.lookup);
  // Of modules that are made behind this one: put together when the first fault comes.
  let speculate: Speculate | undefined;
  return {
    rules,
    on,
    handleSpeculativeFault(mm, address, write) {
      if (!on) return VM_FAULT_RETRY;
      speculate ??= speculation(k, rules, vmas, counting);
      return speculate(mm, address, write);
    },
    handleUserFault(mm, address, write) {
      const result = on ? k.spf.handleSpeculativeFault(mm, address, write) : VM_FAULT_RETRY;
      return result === VM_FAULT_RETRY ? k.faults.handleMmFault(mm, address, write) : result;
    },
    counters: counting.read,
    writers,
    vmas,
    locks: rules.lookup === 'vma lock' ? endingWrites(k) : k.locks,
    around: on ? spfAround(k, rules) : {},
    marked: on ? markedIsa(k.isa, rules) : undefined,
  };
}
