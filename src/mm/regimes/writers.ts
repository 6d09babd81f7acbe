/**
 * The writers of the table: who changes a vma or the tables below it. Each is one operation of the model (place.ts has the pages).
 *
 *   vma_link       mmap of a page in front of all vmas                     row 4
 *   vma_merge      mmap between two vmas, which become one; one is freed   row 5
 *   split_vma      mprotect of the upper half                              row 6
 *   unmap_region   munmap: detach, zap, free                               rows 7 and 8
 *   expand_stack   a fault below a stack, which grows it                   row 11
 *   vm_flags       mlock                                                   row 14
 *   populate       a fault in the neighbour, below the same tables         row 15
 *
 * Rows are those of docs/regimes.md. Row 13, truncate, is missing: truncation looks at no vma of an address space, and has races of its own (mm/truncate).
 */
import { VM_FAULT_ERROR } from '../fault.ts';
import { ptePresent } from '../pte.ts';
import type { MmContext } from '../scenario.ts';
import { VM } from '../structs.ts';
import {
  ANONYMOUS,
  at,
  BEHIND,
  BELOW,
  BESIDE,
  Cell,
  FIRST,
  HOLE,
  type Mapping,
  mapPages,
  OTHER_STACK,
  STACK,
  type Target,
  VICTIM,
  WRITER_GROWS_TO,
} from './place.ts';

/** A writer. */
export interface Writer {
  readonly name: string;
  /** What it is, in a line. */
  readonly title: string;
  /** The kind of vma that it needs. */
  readonly target: Target;
  /** What is not mapped, or mapped anew, when it has run. */
  readonly unmaps: 'nothing' | 'hole' | 'victim';
  /** Where it has to meet the reader: at a vma, or at a page table. */
  readonly meets: 'vma' | 'table';
  /** Maps the vmas. The order makes the tree: where an insertion or an erasure is to turn it, the victim is not its root. */
  map(context: MmContext, victim: Mapping): void;
  /** @returns what `check` is to know of it */
  act(context: MmContext): number;
  /** @returns what is wrong with what it did, if anything */
  check(context: MmContext, result: number): string | undefined;
}

/** Flags with which no neighbour is merged. */
const OTHER: Mapping = { flags: VM.READ | VM.WRITE | VM.EXEC, file: 0 };

const victimAlone = (context: MmContext, victim: Mapping): void => {
  mapPages(context, VICTIM, VICTIM + 2, victim);
};

/** The vma behind is the root, and the victim its only child. */
function victimBelow(context: MmContext, victim: Mapping): void {
  mapPages(context, BEHIND, BEHIND + 1, OTHER);
  victimAlone(context, victim);
}

/** What the victim is mapped with, while it may be changing. */
const victimOf = ({ k, note }: MmContext): Mapping => ({
  flags: k.isa.read(note + Cell.flags),
  file: k.isa.read(note + Cell.file),
});

const fault = ({ k, mm }: MmContext, page: number): number => k.faults.handleMmFault(mm, at(page), true);

const returned = (_context: MmContext, result: number): string | undefined =>
  result >= 0 ? undefined : `the writer's system call returned ${result}`;

const served = (_context: MmContext, result: number): string | undefined =>
  (result & VM_FAULT_ERROR) === 0 ? undefined : `the writer's fault was answered with ${result}`;

const vmaLink: Writer = {
  name: 'vma_link',
  title: 'mmap of a page in front of all vmas',
  target: 'any',
  unmaps: 'nothing',
  meets: 'vma',
  map: victimBelow,
  act: (context) => mapPages(context, FIRST, FIRST + 1, ANONYMOUS),
  check: returned,
};

const vmaMerge: Writer = {
  name: 'vma_merge',
  title: 'mmap between two vmas: all become one, the upper one is freed',
  target: 'any',
  unmaps: 'hole',
  meets: 'vma',
  map(context, victim) {
    mapPages(context, BELOW, HOLE, victim);
    victimAlone(context, victim);
  },
  act: (context) => mapPages(context, HOLE, VICTIM, victimOf(context)),
  check: returned,
};

const splitVma: Writer = {
  name: 'split_vma',
  title: 'mprotect of the upper half',
  target: 'any',
  unmaps: 'nothing',
  meets: 'vma',
  map: victimBelow,
  act: ({ k, mm }) => k.maps.mprotect(mm, at(VICTIM + 1), at(1), VM.READ | VM.WRITE | VM.EXEC),
  check: returned,
};

const unmapRegion: Writer = {
  name: 'unmap_region',
  title: 'munmap: detach_vmas_to_be_unmapped, unmap_region, free',
  target: 'any',
  unmaps: 'victim',
  meets: 'vma',
  map: victimBelow,
  act: ({ k, mm }) => k.maps.munmap(mm, at(VICTIM), at(2)),
  check: returned,
};

const expandStack: Writer = {
  name: 'expand_stack',
  title: 'a fault below a stack, which grows it',
  target: 'stack',
  unmaps: 'nothing',
  meets: 'vma',
  map(context, victim) {
    victimBelow(context, victim);
    // A file is no stack: it gets one of its own.
    if (victim.file !== 0) mapPages(context, OTHER_STACK, OTHER_STACK + 1, STACK);
  },
  act: (context) =>
    fault(context, context.k.isa.read(context.note + Cell.file) === 0 ? WRITER_GROWS_TO : OTHER_STACK - 1),
  check: served,
};

const vmFlags: Writer = {
  name: 'vm_flags',
  title: 'mlock: VM_LOCKED is set, and all pages are made present',
  target: 'any',
  unmaps: 'nothing',
  meets: 'vma',
  map: victimBelow,
  act: ({ k, mm }) => k.maps.mlock(mm, at(VICTIM), at(2)),
  check(context, result) {
    const { k, mm } = context;
    for (const page of [VICTIM, VICTIM + 1]) {
      const entry = k.pgtable.lookup(mm, at(page));
      if (entry === 0 || !ptePresent(k.pgtable.read(entry)))
        return `O-MLOCK: page ${page} of the locked vma is not there, though mlock has returned`;
    }
    return returned(context, result);
  },
};

const populate: Writer = {
  name: 'populate',
  title: 'a fault in the neighbour, below the same page tables',
  target: 'any',
  unmaps: 'nothing',
  meets: 'table',
  map(context, victim) {
    victimBelow(context, victim);
    mapPages(context, BESIDE, BESIDE + 1, OTHER);
  },
  act: (context) => fault(context, BESIDE),
  check(context, result) {
    const { k, mm } = context;
    const entry = k.pgtable.lookup(mm, at(BESIDE));
    if (entry === 0 || !ptePresent(k.pgtable.read(entry)))
      return `O-PT: page ${BESIDE} is not mapped, though the fault on it was served`;
    return served(context, result);
  },
};

/** The writers, in the order of the table. */
export const WRITERS: readonly Writer[] = [
  vmaLink,
  vmaMerge,
  splitVma,
  unmapRegion,
  expandStack,
  vmFlags,
  populate,
];

/** Finds a writer by its name. */
export function writerByName(name: string): Writer | undefined {
  return WRITERS.find((each) => each.name === name);
}
