/**
 * What the CPUs of a workload over the model share beside it: a table of address spaces, and who may do what where in each of them.
 *
 *   blocks    a few pages for each CPU, side by side: it alone maps, unmaps and writes them, in every address space; others read them, fault on them, protect and lock them
 *   common    everybody's, to do what they like
 *   files     each file mapped shared, a page of it always at the same address; each page is written by one CPU
 *   stack     a vma that grows downwards
 *
 * So a place has one writer, who knows what must stand there (users.ts), and neighbours merge, split and share tables all the same.
 *
 * A CPU is in one address space at a time, as a thread of its: it counts in `mm_users` and has it loaded. The table counts once for each place. Whoever moves on loads the next one first and
 * then gives the last one up; if nobody else has it that is its exit. The table's words change under `table_lock`, a CPU's own words are its own, but for `remaps`, which others read.
 */
import type { Addr } from '../../arch/index.ts';
import { LINE, ptr, roundUp, sizeOf, struct, u32 } from '../../memory/index.ts';
import type { Kernel } from '../kernel.ts';
import { wordOf } from '../names.ts';
import { PAGE_SHIFT, PAGE_SIZE } from '../pte.ts';
import type { MmSpec } from '../spec.ts';
import { Mm, VM } from '../structs.ts';

/** Address spaces in the table, unless given. */
export const SPACES = 4;
/** As many as it has room for. */
const MMS = 4;
/** Pages of a CPU's block. */
const BLOCK = 6;
const COMMON = 16;
const STACK = 8;
/** Where the stack begins, lowest of all since it grows to whatever is touched below it; the heap; the blocks. */
const STACK_PAGE = 0x200;
const HEAP_PAGE = 0x300;
const BASE_PAGE = 0x400;
/** Pages that the heap may have. */
export const HEAP = 8;

const Table = struct('mm_table', { table_lock: u32.ownLine(), mms: ptr('mm_struct', MMS) });
const Member = struct('mm_member', {
  /** The address space that the CPU is in. */
  mm: ptr('mm_struct').ownLine(),
  /** Its last write. */
  version: u32,
  /** Odd while it maps or unmaps in its block. */
  remaps: u32.ownLine(),
});

/** A range of pages, by number. */
export interface Area {
  readonly first: number;
  readonly pages: number;
}

/** What one CPU has of it. */
export interface Party {
  /** The number that stands in what this CPU writes. */
  readonly me: number;
  /** The pages that a CPU has to itself. */
  block(cpu: number): Area;
  readonly common: Area;
  /** Where a file is mapped shared. */
  file(index: number): Area;
  readonly stack: Area;
  /** From the first page to the last of all of these but the stack. */
  readonly all: Area;
  /** The address space that this CPU is in from here on, now and then another one. */
  enter(): Addr;
  /** Puts an address space into the table, in place of one that is given up. The caller's count of it goes to the table. */
  adopt(mm: Addr): void;
  /** The next version. */
  next(): number;
  /** Keeps other CPUs from unmapping what they own of an address space, and from forking it, meanwhile. Not to be called inside of another one, or of `users.remap`. */
  alone<T>(mm: Addr, run: () => T): T;
  /** Runs what maps or unmaps in this CPU's block. */
  remapping<T>(mm: Addr, run: () => T): T;
  /** A number that is odd, or another one, if a CPU maps or unmaps in its block. */
  remaps(cpu: number): number;
  /** Sets everything up: address spaces with their CPUs' blocks mapped. */
  init(): void;
}

const members = (at: Addr): Addr => at + roundUp(sizeOf(Table), LINE);
const mutexes = (at: Addr, cpus: number): Addr => members(at) + cpus * roundUp(sizeOf(Member), LINE);

/** Bytes that the party takes in front of the model. */
export const partyBytes = ({ mms }: MmSpec, cpus: number): number => mutexes(0, cpus) + LINE * mms;

/** Pages that are judged in all: of each address space, and of the files. */
export const judgedPages = ({ mms, files, filePages }: MmSpec, cpus: number): number =>
  mms * cpus * BLOCK + files * filePages;

/** The name of a word of the party; undefined for others. */
export function partyName(at: Addr, addr: Addr, spec: MmSpec, cpus: number): string | undefined {
  if (addr < at || addr >= at + partyBytes(spec, cpus)) return undefined;
  if (addr < members(at)) return `table.${wordOf(Table, addr - at) ?? 'pad'}`;
  const past = addr - mutexes(at, cpus);
  if (past >= 0) return `alone[${Math.floor(past / LINE)}].${past % LINE === 0 ? 'mutex' : 'pad'}`;
  const stride = roundUp(sizeOf(Member), LINE);
  const cpu = Math.floor((addr - members(at)) / stride);
  return `member[${cpu}].${wordOf(Member, (addr - members(at)) % stride) ?? 'pad'}`;
}

/** The party of one CPU. @param at where it lies @param cpus CPUs that take part @param spaces address spaces in the table, 4 at most */
export function party(k: Kernel, at: Addr, cpus: number, spaces = SPACES): Party {
  const { isa, cpu, spec, slabs, locks } = k;
  const memberOf = (id: number): Addr => members(at) + id * roundUp(sizeOf(Member), LINE);
  const mine = memberOf(cpu.id);
  const mutexOf = (mm: Addr): Addr => mutexes(at, cpus) + LINE * slabs.mms.indexOf(mm);
  const block = (id: number): Area => ({ first: BASE_PAGE + id * BLOCK, pages: BLOCK });
  const common = { first: BASE_PAGE + cpus * BLOCK, pages: COMMON };
  const file = (index: number): Area => ({
    first: common.first + COMMON + index * spec.filePages,
    pages: spec.filePages,
  });
  const behind = file(spec.files).first;
  const slot = (index: number): Addr => at + Table.mms + 4 * index;

  /** An address space out of the table, counted for this CPU. */
  function draw(): Addr {
    const from = slot(cpu.below(spaces));
    locks.spin.acquire(at + Table.table_lock);
    const mm = isa.read(from);
    const got = mm !== 0 && k.mms.getUser(mm);
    locks.spin.release(at + Table.table_lock);
    return got ? mm : 0;
  }

  function alone<T>(mm: Addr, run: () => T): T {
    locks.mutex.acquire(mutexOf(mm));
    const result = run();
    locks.mutex.release(mutexOf(mm));
    return result;
  }

  return {
    me: cpu.id + 1,
    block,
    common,
    file,
    stack: { first: STACK_PAGE, pages: STACK },
    all: { first: BASE_PAGE, pages: behind - BASE_PAGE },
    enter() {
      const last = isa.read(mine + Member.mm);
      if (last !== 0 && cpu.below(4) !== 0) return last;
      const mm = draw();
      if (mm === 0) return last;
      if (mm !== last) k.tlb.load(mm);
      isa.write(mine + Member.mm, mm);
      if (last !== 0) k.mms.put(last);
      return mm;
    },
    adopt(mm) {
      const into = slot(cpu.below(spaces));
      locks.spin.acquire(at + Table.table_lock);
      const last = isa.read(into);
      isa.write(into, mm);
      locks.spin.release(at + Table.table_lock);
      if (last !== 0) k.mms.put(last);
    },
    next() {
      const version = isa.read(mine + Member.version) + 1;
      isa.write(mine + Member.version, version);
      return version;
    },
    alone,
    remapping(mm, run) {
      return alone(mm, () => {
        isa.fetchAdd(mine + Member.remaps, 1);
        const result = run();
        isa.fetchAdd(mine + Member.remaps, 1);
        return result;
      });
    },
    remaps: (id) => isa.load(memberOf(id) + Member.remaps),
    init() {
      for (let index = 0; index < spec.files; index += 1) k.pageCache.create(spec.filePages);
      for (let index = 0; index < spaces; index += 1) {
        const mm = k.mms.create();
        if (mm === 0)
          throw new RangeError(`${spaces} address spaces do not fit: ${spec.mms} mms, ${spec.frames} frames`);
        isa.write(mm + Mm.start_brk, HEAP_PAGE << PAGE_SHIFT);
        isa.write(mm + Mm.brk, HEAP_PAGE << PAGE_SHIFT);
        isa.write(slot(index), mm);
        for (let id = 0; id < cpus; id += 1)
          k.maps.mmap(mm, {
            address: block(id).first << PAGE_SHIFT,
            length: BLOCK * PAGE_SIZE,
            flags: VM.READ | VM.WRITE,
          });
      }
    },
  };
}
