/** Where the vmas of a cell lie, and what a cell keeps in words of its own. */
import type { Addr } from '../../arch/index.ts';
import { i32, ptr, struct } from '../../memory/index.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SHIFT } from '../pte.ts';
import type { MmContext } from '../scenario.ts';
import { Mm, VM, Vma } from '../structs.ts';

/** The words of a cell, in front of the model. */
export const Cell = struct('cell', {
  /** What `init` of a scenario over the model returns stands here. */
  mm: ptr('mm_struct'),
  /** What a look-up of the reader's page returns before anybody has done anything. */
  before: ptr('vm_area_struct'),
  /** Whether one returned something else, and what: up to two answers. */
  looked: i32,
  other: ptr('vm_area_struct'),
  another: ptr('vm_area_struct'),
  /** What the vma that both work on was mapped with. */
  flags: i32,
  file: ptr('address_space'),
  /** What the reader and the writer returned. */
  read: i32,
  wrote: i32,
});

/** Numbers of pages. */
export const FIRST = 2;
export const BELOW = 3;
export const HOLE = 5;
export const VICTIM = 8;
/** The page of the victim that the reader is about. */
export const TARGET = 9;
export const BESIDE = 10;
export const BEHIND = 20;
/** A stack beside a file's vma. */
export const OTHER_STACK = 18;

/** Where the two stack growers want to grow to. */
export const READER_GROWS_TO = 6;
export const WRITER_GROWS_TO = 7;

/** The address of a page. */
export const at = (page: number): Addr => page << PAGE_SHIFT;

/** What the victim is mapped with. */
export interface Mapping {
  readonly flags: number;
  /** 0: anonymous. */
  readonly file: Addr;
}

export const ANONYMOUS: Mapping = { flags: VM.READ | VM.WRITE, file: 0 };
export const STACK: Mapping = { ...ANONYMOUS, flags: ANONYMOUS.flags | VM.GROWSDOWN };

/** Which kind of vma a reader or a writer needs: the stack of a program, or any. */
export type Target = 'any' | 'stack';

/** Maps pages from `first` to below `end`; page {@link BELOW} is the file's first. */
export function mapPages({ k, mm }: MmContext, first: number, end: number, { flags, file }: Mapping): number {
  return k.maps.mmap(mm, {
    address: at(first),
    length: at(end - first),
    flags,
    ...(file === 0 ? {} : { file, pgoff: first - BELOW }),
  });
}

/** The first vma of the list that ends behind a page: what a look-up returns when nobody changes anything. 0: none */
export function firstBehind({ isa }: Kernel, mm: Addr, page: number): Addr {
  let vma = isa.read(mm + Mm.mmap);
  while (vma !== 0 && isa.read(vma + Vma.vm_end) <= at(page)) vma = isa.read(vma + Vma.vm_next);
  return vma;
}
