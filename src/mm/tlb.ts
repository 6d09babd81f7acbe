/**
 * TLBs: the translations that a CPU keeps, the processor's walk that fills them, and the shootdown that empties those of others
 * (arch/i386/kernel/smp.c and include/asm-i386/mmu_context.h of 2.6.5; x86's rules for ACCESSED and DIRTY).
 *
 *   active_mm 0      no address space, no translations
 *   active_mm = mm   this CPU's bit is set in mm->cpu_vm_mask; translations of mm only
 *   tlb_lazy         the same, but nobody's code runs there (a kernel thread): the next flush makes the CPU leave
 *
 * An instruction that uses memory translates and accesses with interrupts off. So a CPU that has acknowledged a shootdown is in no instruction, and has no translation,
 * that is older: that is all that O-TLB says. Whoever changes an entry so that it allows less (1) changes it in memory, (2) flushes, and (3) only then lets go of the
 * page; page_table_lock held meanwhile keeps a fault from putting the old page back.
 *
 * No CPU is forgotten: one that loads an mm sets its bit before it walks, and both are full read-modify-writes; the flusher has a full barrier between the entry and its look
 * at the mask. Either it sees the bit, or the walk sees the entry. A CPU clears its bit, and drops what it has, without using it in between.
 *
 * The walk sets ACCESSED, and on a write DIRTY, by compare-exchange in the entry that it has read: if that has changed it looks again, so no bit lands in an entry that has
 * become another. A write needs a translation that is dirty already. Of entries of two words the processor uses the first, which says it all (page-table.ts).
 *
 * A call has two words of argument: the mm, and first page | first page behind << 16; or that it is left.
 *
 * For oracles each translation has the generation of its frame beside it: `outlived` is O-TLB at the use, for two reads. `validate` is O-TLB at rest.
 */
import type { Addr } from '../arch/index.ts';
import { sizeOf } from '../memory/index.ts';
import type { Base } from './kernel.ts';
import { tableWalk } from './page-table.ts';
import type { Pages } from './pages.ts';
import { cpusOf, mmCpuOf } from './per-cpu.ts';
import {
  PAGE_MASK,
  PAGE_SHIFT,
  PTE_ACCESSED,
  PTE_DIRTY,
  pteNumber,
  pteUsable,
  pteWrite,
  TASK_SIZE,
} from './pte.ts';
import { MmSpecError } from './spec.ts';
import { Mm, MmCpu, Page, TLB_ENTRIES, TlbEntry } from './structs.ts';

/** `tlb_entry.page`: the entry is one. */
export const TLB_VALID = 1;
/** The interrupt by which a CPU is told to forget. */
export const TLB_VECTOR = 31;
/** CPUs that a mask has bits for. */
export const MASK_BITS = 32;
const ENTRY_BYTES = sizeOf(TlbEntry);
const PAGES = TASK_SIZE >>> PAGE_SHIFT;
const BEHIND = 16;
/** Instead of a range: forget everything, and the mm. */
const LEAVE = -1;

/** Translations of the CPUs. */
export interface Tlb {
  /** Makes an address space this CPU's; 0: that of nobody, and what is there stays until it is in the way. */
  load(mm: Addr): void;
  /**
   * What the processor does for an access: a translation from the TLB, or a walk. The caller has interrupts off until it has made the access.
   * @returns an entry that allows the access; 0: a page fault
   */
  translate(mm: Addr, address: number, write: boolean): number;
  /** Makes all CPUs forget one page. Interrupts are on. */
  flushPage(mm: Addr, address: number): void;
  /** Makes all CPUs forget the pages from `start` to before `end`. */
  flushRange(mm: Addr, start: number, end: number): void;
  /** Makes all CPUs forget an address space. */
  flushMm(mm: Addr): void;
  /** Makes all CPUs, this one too, leave an address space that nobody uses any more: none has it loaded then. */
  leave(mm: Addr): void;
  /** For oracles: whether this CPU's translation of an address leads to a frame that was freed since. @returns a sentence, or undefined */
  outlived(address: number): string | undefined;
  /** For oracles, at rest: whether a CPU has a translation that the tables do not allow. @returns a sentence, or undefined */
  validate(): string | undefined;
}

export function tlb(kernel: Base & { readonly pages: Pages }): Tlb {
  const { isa, cpu, world, pages } = kernel;
  const { active_mm, tlb_lazy, tlb: entries, debug_tlb } = MmCpu;
  const { cpu_vm_mask } = Mm;
  const cpus = cpusOf(world);
  if (cpus > MASK_BITS)
    throw new MmSpecError(
      `cpu_vm_mask has ${MASK_BITS} bits: a model has ${MASK_BITS} CPUs at most, not ${cpus}`,
    );
  const walk = tableWalk(kernel);
  const mine = mmCpuOf(world, cpu.id);
  const first = mine + entries;
  const bit = 1 << cpu.id;

  const slotOf = (address: number): number => (address >>> PAGE_SHIFT) % TLB_ENTRIES;

  function forget(start: number, end: number): void {
    for (let at = first; at < first + TLB_ENTRIES * ENTRY_BYTES; at += ENTRY_BYTES) {
      const page = isa.read(at + TlbEntry.page);
      if (page !== 0 && page >= start && page < end) isa.write(at + TlbEntry.page, 0);
    }
  }

  function load(mm: Addr): void {
    cpu.irqDisable();
    const prev = isa.read(mine + active_mm);
    if (mm !== 0 && prev !== mm) {
      if (prev !== 0) isa.fetchAnd(prev + cpu_vm_mask, ~bit);
      forget(0, TASK_SIZE);
      isa.write(mine + active_mm, mm);
      isa.fetchOr(mm + cpu_vm_mask, bit);
    }
    isa.write(mine + tlb_lazy, mm === 0 ? 1 : 0);
    cpu.irqEnable();
  }

  /** What is asked of this CPU by a flush, its own or another's. */
  function obey(mm: Addr, range: number): void {
    if (isa.read(mine + active_mm) !== mm) return;
    if (range !== LEAVE && isa.read(mine + tlb_lazy) === 0) {
      forget((range & (PAGES - 1)) << PAGE_SHIFT, (range >>> BEHIND) << PAGE_SHIFT);
      return;
    }
    isa.fetchAnd(mm + cpu_vm_mask, ~bit);
    forget(0, TASK_SIZE);
    isa.write(mine + active_mm, 0);
  }

  function shootdown(mm: Addr, range: number): void {
    obey(mm, range);
    isa.mb();
    const others = isa.load(mm + cpu_vm_mask) & ~bit;
    if (others === 0) return;
    const targets: number[] = [];
    for (let each = 0; each < cpus; each += 1) if ((others & (1 << each)) !== 0) targets.push(each);
    cpu.call(targets, TLB_VECTOR, mm, range);
  }

  cpu.onInterrupt(TLB_VECTOR, obey);

  /** The processor's walk. @returns the entry as it is in memory now, or 0 */
  function walkTables(mm: Addr, address: number, write: boolean): number {
    const at = walk.entry(mm, address);
    if (at === 0) return 0;
    const sets = write ? PTE_ACCESSED | PTE_DIRTY : PTE_ACCESSED;
    let pte = isa.loadAcquire(at);
    for (;;) {
      if (!pteUsable(pte) || (write && !pteWrite(pte))) return 0;
      if ((pte & sets) === sets) return pte;
      const seen = isa.compareExchange(at, pte, pte | sets);
      if (seen === pte) return pte | sets;
      pte = seen;
    }
  }

  function install(slot: number, page: number, mm: Addr, pte: number): void {
    const at = first + slot * ENTRY_BYTES;
    isa.write(at + TlbEntry.page, page);
    isa.write(at + TlbEntry.mm, mm);
    isa.write(at + TlbEntry.pte, pte);
    isa.write(mine + debug_tlb + 4 * slot, generationOf(pte));
  }

  const generationOf = (pte: number): number =>
    isa.readOnce(pages.pageAt(pteNumber(pte)) + Page.debug_generation);

  function range(start: number, end: number): number {
    return (start >>> PAGE_SHIFT) | (((end + ~PAGE_MASK) >>> PAGE_SHIFT) << BEHIND);
  }

  function wrongEntry(owner: number, at: Addr): string | undefined {
    const page = isa.readOnce(at + TlbEntry.page);
    if (page === 0) return undefined;
    const address = page & PAGE_MASK;
    const mm = isa.readOnce(at + TlbEntry.mm);
    const pte = isa.readOnce(at + TlbEntry.pte);
    const what = `CPU ${owner} translates 0x${address.toString(16)} of the mm at 0x${mm.toString(16)} to frame ${pteNumber(pte)}`;
    if ((isa.readOnce(mm + cpu_vm_mask) & (1 << owner)) === 0) return `${what}, and is not in cpu_vm_mask`;
    const now = walk.entry(mm, address);
    const there = now === 0 ? 0 : isa.readOnce(now);
    if (!pteUsable(there)) return `${what}, which is not mapped there`;
    if (pteNumber(there) !== pteNumber(pte)) return `${what}, but frame ${pteNumber(there)} is mapped there`;
    if (pteWrite(pte) && !pteWrite(there)) return `${what} for writing, which is mapped for reading only`;
    return undefined;
  }

  return {
    load,
    translate(mm, address, write) {
      if (address >>> 0 >= TASK_SIZE) return 0;
      if (isa.read(mine + active_mm) !== mm) load(mm);
      const page = (address & PAGE_MASK) | TLB_VALID;
      const slot = slotOf(address);
      const at = first + slot * ENTRY_BYTES;
      if (isa.read(at + TlbEntry.page) === page) {
        const known = isa.read(at + TlbEntry.pte);
        if (!write || (pteWrite(known) && (known & PTE_DIRTY) !== 0)) return known;
      }
      const pte = walkTables(mm, address, write);
      if (pte !== 0) install(slot, page, mm, pte);
      return pte;
    },
    flushPage: (mm, address) => shootdown(mm, range(address & PAGE_MASK, (address & PAGE_MASK) + 1)),
    flushRange: (mm, start, end) => shootdown(mm, range(start, end)),
    flushMm: (mm) => shootdown(mm, range(0, TASK_SIZE)),
    leave: (mm) => shootdown(mm, LEAVE),
    outlived(address) {
      const slot = slotOf(address);
      const pte = isa.readOnce(first + slot * ENTRY_BYTES + TlbEntry.pte);
      const then = isa.readOnce(mine + debug_tlb + 4 * slot);
      const now = generationOf(pte);
      if (then === now) return undefined;
      return `CPU ${cpu.id} uses a translation of 0x${address.toString(16)} to frame ${pteNumber(pte)}, which was freed since it was read: its generation was ${then} and is ${now}`;
    },
    validate() {
      for (let each = 0; each < cpus; each += 1)
        for (let slot = 0; slot < TLB_ENTRIES; slot += 1) {
          const wrong = wrongEntry(each, mmCpuOf(world, each) + entries + slot * ENTRY_BYTES);
          if (wrong !== undefined) return wrong;
        }
      return undefined;
    },
  };
}
