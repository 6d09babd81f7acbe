/**
 * Workloads in the shapes of will-it-scale's testcases (Anton Blanchard, 2010): what each task's loop does, over the model. Names, what counts as one iteration and the order of calls are theirs; memory is smaller, as the
 * model's address spaces are: 64 pages where they take 128 MB.
 *
 *   page_fault1    maps anonymous memory, writes to each page, unmaps it; an iteration is a page
 *   page_fault2    the same of a file of its own, mapped privately; page_fault3 shared; page_fault4 privately, and reads
 *   mmap1, mmap2   maps and unmaps, anonymous memory or a file of its own privately, and touches nothing; an iteration is both
 *   brk1           moves the end of the heap up by a page and down again, two iterations; brk2 after a page of its own
 *   tlb_flush1     writes to a page of a file of its own, mapped privately, drops it by madvise and reads it again, page by page; an iteration is a page. tlb_flush2 of anonymous memory, tlb_flush3 shared
 *   futex1, futex3 wakes nobody, by a key that is looked up or by a private one; futex2, futex4 do not go to sleep, since the word has another value
 *
 * What a read sees is checked where the testcase does, and everywhere that calls succeed.
 */
import type { Addr } from '../../src/arch/index.ts';
import type { Kernel } from '../../src/mm/kernel.ts';
import { PAGE_SHIFT, PAGE_SIZE } from '../../src/mm/pte.ts';
import { Mm, VM } from '../../src/mm/structs.ts';
import { futex } from './futex.ts';

/** What a task works with. */
export interface ShapeOn {
  readonly k: Kernel;
  readonly mm: Addr;
  /** A file of this task's own, of {@link SHAPE_PAGES} pages. */
  readonly file: Addr;
  /** Where futexes lie. */
  readonly futexes: Addr;
}

/** Some iterations. @param done after each; false: clear up and return */
export type Turn = (done: () => boolean) => void;

/** A testcase. */
export interface Shape {
  /** As will-it-scale describes it. */
  readonly title: string;
  /** What an iteration is. */
  readonly unit: string;
  /** Prepares a task. @returns one turn of its outer loop, which says after each iteration that it is done, and hears whether to go on */
  readonly task: (on: ShapeOn) => Turn;
}

/** Pages of a mapping. */
export const SHAPE_PAGES = 64;
/** Where the heap begins: below where mmap looks for room. */
export const SHAPE_HEAP = 0x100000;
const BYTES = SHAPE_PAGES * PAGE_SIZE;
const RW = VM.READ | VM.WRITE;
const EWOULDBLOCK = 11;

type Backing = 'anonymous' | 'private' | 'shared';

function checked(result: number): number {
  if (result < 0) throw new Error(`a system call failed: ${result}`);
  return result;
}

function sees(found: number, due: number): void {
  if (found !== due) throw new Error(`a read saw ${found} where ${due} was due`);
}

/** Maps memory wherever there is room. */
function mapper({ k, mm, file }: ShapeOn, backing: Backing): () => number {
  const flags = backing === 'shared' ? RW | VM.SHARED : RW;
  const args = { length: BYTES, flags, ...(backing === 'anonymous' ? {} : { file, pgoff: 0 }) };
  return () => checked(k.maps.mmap(mm, args));
}

/** Maps, does something for each page, and unmaps. */
function byPage(backing: Backing, each: (on: ShapeOn) => (address: number) => void): (on: ShapeOn) => Turn {
  return (on) => {
    const { k, mm } = on;
    const map = mapper(on, backing);
    const touch = each(on);
    return (done) => {
      const first = map();
      for (let page = 0; page < SHAPE_PAGES; page += 1) {
        touch(first + (page << PAGE_SHIFT));
        if (!done()) break;
      }
      checked(k.maps.munmap(mm, first, BYTES));
    };
  };
}

const writes = ({ k, mm }: ShapeOn): ((address: number) => void) => {
  const owner = k.cpu.id + 1;
  return (address) => sees(k.user.userWrite(mm, address, owner, 1), 0);
};

const reads =
  ({ k, mm }: ShapeOn) =>
  (address: number): void =>
    sees(k.user.userRead(mm, address).fault, 0);

/** @param due what the page holds when it was dropped: what was written, or what lies beneath */
const flushes =
  (due: 0 | 1) =>
  (on: ShapeOn): ((address: number) => void) => {
    const { k, mm } = on;
    const write = writes(on);
    return (address) => {
      write(address);
      checked(k.maps.madviseDontneed(mm, address, PAGE_SIZE));
      const { fault, version } = k.user.userRead(mm, address);
      sees(fault, 0);
      sees(version, due);
    };
  };

function mapsOnly(backing: Backing): (on: ShapeOn) => Turn {
  return (on) => {
    const map = mapper(on, backing);
    return (done) => {
      checked(on.k.maps.munmap(on.mm, map(), BYTES));
      done();
    };
  };
}

/** @param apart whether a page is taken first, so that tasks of one address space are at different places */
function heap(apart: boolean): (on: ShapeOn) => Turn {
  return ({ k, mm }) => {
    const { isa, maps } = k;
    let end = isa.readOnce(mm + Mm.brk);
    if (apart) {
      end += PAGE_SIZE * (k.cpu.id + 1);
      maps.brk(mm, end);
    }
    return (done) => {
      maps.brk(mm, end + PAGE_SIZE);
      done();
      maps.brk(mm, end);
      done();
    };
  };
}

/** A page of one's own with a word in it, as a stack has. */
function word(on: ShapeOn): number {
  const { k, mm } = on;
  const address = checked(k.maps.mmap(mm, { length: PAGE_SIZE, flags: RW }));
  sees(k.user.userWrite(mm, address, k.cpu.id + 1, 0), 0);
  return address;
}

function wakes(shared: boolean): (on: ShapeOn) => Turn {
  return (on) => {
    const { wake } = futex(on.k, on.futexes);
    const address = word(on);
    return (done) => {
      sees(wake(on.mm, address, 1, shared), 0);
      done();
    };
  };
}

function waits(shared: boolean): (on: ShapeOn) => Turn {
  return (on) => {
    const { wait } = futex(on.k, on.futexes);
    const address = word(on);
    return (done) => {
      sees(wait(on.mm, address, 1, shared), -EWOULDBLOCK);
      done();
    };
  };
}

/** All of them, by name. */
export const SHAPES: Readonly<Record<string, Shape>> = {
  page_fault1: { title: 'anonymous memory page fault', unit: 'pages', task: byPage('anonymous', writes) },
  page_fault2: {
    title: 'separate file private mapping page fault',
    unit: 'pages',
    task: byPage('private', writes),
  },
  page_fault3: {
    title: 'separate file shared mapping page fault',
    unit: 'pages',
    task: byPage('shared', writes),
  },
  page_fault4: {
    title: 'separate file private mapping page read fault',
    unit: 'pages',
    task: byPage('private', reads),
  },
  mmap1: { title: 'anonymous memory mmap/munmap', unit: 'mappings', task: mapsOnly('anonymous') },
  mmap2: { title: 'separate file mmap/munmap', unit: 'mappings', task: mapsOnly('private') },
  brk1: { title: 'brk increase/decrease of one page', unit: 'calls', task: heap(false) },
  brk2: { title: 'brk unshared increase/decrease of one page', unit: 'calls', task: heap(true) },
  tlb_flush1: {
    title: 'TLB flush of separated file private mapping',
    unit: 'pages',
    task: byPage('private', flushes(0)),
  },
  tlb_flush2: {
    title: 'TLB flush of anonymous memory private mapping',
    unit: 'pages',
    task: byPage('anonymous', flushes(0)),
  },
  tlb_flush3: {
    title: 'TLB flush of separated file shared mapping',
    unit: 'pages',
    task: byPage('shared', flushes(1)),
  },
  futex1: { title: 'futex(FUTEX_WAKE)', unit: 'calls', task: wakes(true) },
  futex2: { title: 'futex(FUTEX_WAIT)', unit: 'calls', task: waits(true) },
  futex3: { title: 'futex(FUTEX_WAKE_PRIVATE)', unit: 'calls', task: wakes(false) },
  futex4: { title: 'futex(FUTEX_WAIT_PRIVATE)', unit: 'calls', task: waits(false) },
};
