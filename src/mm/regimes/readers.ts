/**
 * The readers of the table: who looks at vmas that he does not change. Each is one operation of the model, on page 9 (place.ts).
 *
 *   swapout-anon   reclaim unmaps an anonymous page         rows 1 and 10
 *   swapout-file   reclaim unmaps a page of a file          row 2
 *   unuse          swapoff, one search that is trusted      row 3
 *   fault          a page fault                             rows 9, 10 and 15
 *   stack          a fault below a stack, which grows it    row 11
 *
 * Rows are those of docs/regimes.md.
 */
import type { Addr } from '../../arch/index.ts';
import { ERRNO } from '../errno.ts';
import { VM_FAULT_ERROR, VM_FAULT_SIGSEGV } from '../fault.ts';
import { pteNumber, ptePresent, pteSwap } from '../pte.ts';
import type { MmContext } from '../scenario.ts';
import { VM } from '../structs.ts';
import {
  ANONYMOUS,
  at,
  BELOW,
  type Mapping,
  READER_GROWS_TO,
  STACK,
  TARGET,
  type Target,
  VICTIM,
} from './place.ts';
import type { Writer } from './writers.ts';

/** A reader. */
export interface Reader {
  readonly name: string;
  /** What it is, in a line. */
  readonly title: string;
  /** What the victim is mapped with. @param wanted what the writer needs */
  target(context: MmContext, wanted: Target): Mapping;
  /** Makes what it is to find. */
  prepare(context: MmContext): void;
  /** @returns what `check` is to know of it */
  act(context: MmContext): number;
  /** @returns what is wrong with what it did, if anything */
  check(context: MmContext, result: number, writer: Writer): string | undefined;
}

const anonymous = (_context: MmContext, wanted: Target): Mapping => (wanted === 'stack' ? STACK : ANONYMOUS);

/** The page that is mapped at the target. */
function targetPage({ k, mm }: MmContext): Addr {
  return k.pages.pageAt(pteNumber(k.pgtable.read(k.pgtable.lookup(mm, at(TARGET)))));
}

/** Maps a page at the target that was not used since, so that reclaim would take it. */
function unusedPage(context: MmContext, write: boolean): void {
  const { k, mm } = context;
  k.faults.handleMmFault(mm, at(TARGET), write);
  const page = targetPage(context);
  k.lru.drain();
  k.locks.page.acquire(page);
  k.rmap.referenced(page);
  k.locks.page.release(page);
}

const reclaimed = ({ k }: MmContext): number => k.reclaim.shrinkInactive(1);

const swapoutAnon: Reader = {
  name: 'swapout-anon',
  title: 'reclaim unmaps an anonymous page (try_to_unmap_one)',
  target: anonymous,
  prepare: (context) => unusedPage(context, true),
  act: reclaimed,
  check: () => undefined,
};

const swapoutFile: Reader = {
  name: 'swapout-file',
  title: 'reclaim unmaps a page of a file (try_to_unmap_obj_one)',
  // No file is a stack: mmap refuses VM_GROWSDOWN for files.
  target: ({ k }) => ({
    flags: VM.READ | VM.WRITE | VM.SHARED,
    file: k.pageCache.create(VICTIM + 2 - BELOW),
  }),
  prepare: (context) => unusedPage(context, false),
  act: reclaimed,
  check: () => undefined,
};

const unuse: Reader = {
  name: 'unuse',
  title: 'swapoff searches the vmas once and trusts that (unuse_process)',
  target: anonymous,
  prepare(context) {
    unusedPage(context, true);
    context.k.reclaim.shrinkInactive(1);
  },
  act: ({ k }) => k.swapoff.swapoff(1),
  check({ k, mm }, result) {
    if (result !== 0 && result !== -ERRNO.EBUSY) return `swapoff returned ${result}`;
    // A fault that reads the page in meanwhile uses the slot, too, for a moment: what counts is whether an entry was missed.
    const entry = k.pgtable.lookup(mm, at(TARGET));
    return result !== 0 && entry !== 0 && pteSwap(k.pgtable.read(entry))
      ? 'O-SWAPOFF: the search of all vmas has left an entry that names the swap device'
      : undefined;
  },
};

/** A fault that must be served where nobody unmaps what it is about. */
const faulted = ({ k, mm }: MmContext, page: number): number => k.faults.handleMmFault(mm, at(page), true);

function served({ k, mm }: MmContext, result: number, page: number, gone: boolean): string | undefined {
  if ((result & VM_FAULT_ERROR) !== 0)
    return gone && (result & VM_FAULT_ERROR) === VM_FAULT_SIGSEGV
      ? undefined
      : `the fault on page ${page} was answered with ${result}`;
  if (gone) return undefined;
  const entry = k.pgtable.lookup(mm, at(page));
  return entry !== 0 && ptePresent(k.pgtable.read(entry))
    ? undefined
    : `O-PT: page ${page} is not mapped, though the fault on it was served`;
}

const fault: Reader = {
  name: 'fault',
  title: 'a page fault (handle_mm_fault)',
  target: anonymous,
  prepare() {},
  act: (context) => faulted(context, TARGET),
  check: (context, result, { unmaps }) => served(context, result, TARGET, unmaps === 'victim'),
};

const stack: Reader = {
  name: 'stack',
  title: 'a fault below a stack, which grows it (expand_stack)',
  target: () => STACK,
  prepare() {},
  act: (context) => faulted(context, READER_GROWS_TO),
  check: (context, result, { unmaps }) => served(context, result, READER_GROWS_TO, unmaps !== 'nothing'),
};

/** The readers, in the order of the table. */
export const READERS: readonly Reader[] = [swapoutAnon, swapoutFile, unuse, fault, stack];

/** Finds a reader by its name. */
export function readerByName(name: string): Reader | undefined {
  return READERS.find((each) => each.name === name);
}
