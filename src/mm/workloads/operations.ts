/**
 * What CPUs do to address spaces in the workloads of the model: the mixes T0 (objrmap) and T1 (anon_vma) of docs/mm.md, each operation under its name with its weight.
 *
 * Every operation is one that a process or the kernel's own threads could come to at any time, on ranges that are drawn; most of them are refused now and then, for want of memory or of a mapping,
 * and that is no failure. What a CPU maps, unmaps and writes in its own block it does by users.ts, which knows what must stand there.
 */
import type { Addr } from '../../arch/index.ts';
import type { Cpu } from '../../memory/index.ts';
import type { Kernel } from '../kernel.ts';
import { MREMAP_MAYMOVE } from '../mremap.ts';
import { accesses } from '../oracles/access.ts';
import { PAGE_SHIFT, PAGE_SIZE } from '../pte.ts';
import { Mm, PG, VM } from '../structs.ts';
import { type Area, HEAP, type Party } from './party.ts';
import type { Users } from './users.ts';

/** What an operation works with. */
export interface Member {
  readonly k: Kernel;
  readonly party: Party;
  readonly users: Users;
  readonly cpus: number;
}

/** An operation. @returns false when it came to nothing */
export type Operation = (member: Member) => boolean;

/** An operation, and how often it is drawn beside others. */
export interface WeighedOperation {
  readonly weight: number;
  /** Does it. */
  readonly run: Operation;
}

/** Operations with their weights, by name. */
export const operations = <Name extends string>(
  all: Readonly<Record<Name, WeighedOperation>>,
): Readonly<Record<Name, WeighedOperation>> => all;

const RW = VM.READ | VM.WRITE;
/** Pages that one operation is about, at most. */
const SPAN = 4;
/** Pages that mremap moves, at most: it takes one mapping, and what is here is small. */
const MOVED = 2;
/** Pages that reclaim looks at in one go. */
const BATCH = 8;

interface Range {
  readonly page: number;
  readonly address: number;
  readonly length: number;
  readonly pages: number;
}

/** A range of an area, of so many pages at most. */
export function rangeIn(cpu: Cpu, { first, pages: size }: Area, span = SPAN): Range {
  const offset = cpu.below(size);
  const pages = Math.min(1 + cpu.below(span), size - offset);
  const page = first + offset;
  return { page, address: page << PAGE_SHIFT, length: pages * PAGE_SIZE, pages };
}

/** One of a list. */
export const pick = <T>(cpu: Cpu, of: readonly T[]): T => of[cpu.below(of.length)]!;

/** User code reads and writes, in its own block, in others', in files, anywhere; the kernel serves a fault of another thread. */
const fault: Operation = ({ k, party, users, cpus }) => {
  const { cpu } = k;
  const mm = party.enter();
  const dice = cpu.below(10);
  const own = party.block(cpu.id).first + cpu.below(party.block(cpu.id).pages);
  const other = cpu.below(cpus);
  const theirs = party.block(other).first + cpu.below(party.block(other).pages);
  const shared = (party.common.first + cpu.below(party.common.pages)) << PAGE_SHIFT;
  if (dice < 3) return users.write(mm, own);
  if (dice < 4) return users.read(mm, own, cpu.id);
  if (dice < 6) return users.read(mm, theirs, other);
  if (dice < 7) return k.faults.handleMmFault(mm, theirs << PAGE_SHIFT, cpu.below(2) === 0) < 8;
  if (dice < 8)
    return cpu.below(2) === 0
      ? k.user.userWrite(mm, shared, party.me, party.next()) === 0
      : k.user.userRead(mm, shared).fault === 0;
  return users.file(mm, cpu.below(k.spec.files), cpu.below(k.spec.filePages), dice === 8);
};

const mmap: Operation = ({ k, party, users }) => {
  const { cpu, maps, slabs, spec } = k;
  const mm = party.enter();
  const dice = cpu.below(10);
  if (dice < 4) {
    const { address, length, page, pages } = rangeIn(cpu, party.block(cpu.id));
    return users.remap(mm, page, pages, () => maps.mmap(mm, { address, length, flags: RW }) > 0);
  }
  const index = cpu.below(spec.files);
  const file = slabs.files.objectAt(index);
  if (dice < 7) {
    const { address, length } = rangeIn(cpu, party.common);
    const flags = pick(cpu, [RW, RW, VM.READ]);
    // Privately: what is written there is nobody else's.
    const backing = cpu.below(3) === 0 ? { file, pgoff: cpu.below(spec.filePages) } : {};
    return maps.mmap(mm, { address, length, flags, ...backing }) > 0;
  }
  const area = party.file(index);
  const { address, length, page } = rangeIn(cpu, area);
  return maps.mmap(mm, { address, length, flags: RW | VM.SHARED, file, pgoff: page - area.first }) > 0;
};

const munmap: Operation = ({ k, party, users }) => {
  const { cpu, maps, spec } = k;
  const mm = party.enter();
  const dice = cpu.below(10);
  if (dice < 4) {
    const { address, length, page, pages } = rangeIn(cpu, party.block(cpu.id));
    return users.remap(mm, page, pages, () => maps.munmap(mm, address, length) === 0);
  }
  const area = dice < 7 ? party.common : dice < 9 ? party.file(cpu.below(spec.files)) : party.stack;
  const { address, length } = rangeIn(cpu, area);
  return maps.munmap(mm, address, length) === 0;
};

const mprotect: Operation = ({ k, party }) => {
  const mm = party.enter();
  const { address, length } = rangeIn(k.cpu, party.all);
  return k.maps.mprotect(mm, address, length, pick(k.cpu, [RW, RW, VM.READ, 0])) === 0;
};

const mlock: Operation = ({ k, party }) => {
  const mm = party.enter();
  const { address, length } = rangeIn(k.cpu, party.all);
  return k.cpu.below(2) === 0
    ? k.maps.mlock(mm, address, length) === 0
    : k.maps.munlock(mm, address, length) === 0;
};

/** Touches a stack below its end; where there is none it is mapped. */
const stack: Operation = ({ k, party }) => {
  const { cpu } = k;
  const mm = party.enter();
  const { first, pages } = party.stack;
  const touched = (first + cpu.below(pages)) << PAGE_SHIFT;
  if (k.user.userWrite(mm, touched, party.me, party.next()) === 0) return true;
  const address = (first + pages - 1) << PAGE_SHIFT;
  return k.maps.mmap(mm, { address, length: PAGE_SIZE, flags: RW | VM.GROWSDOWN }) > 0;
};

/** Reclaims what is at the end of the inactive list, of one sort. */
function swapOut({ k }: Member, anon: boolean): boolean {
  k.lru.drain();
  k.reclaim.shrinkActive(BATCH);
  let freed = 0;
  for (const page of k.lru.isolateTail(false, BATCH)) {
    if (k.pages.anon(page) !== anon) k.lru.putback(page);
    else if (k.reclaim.reclaimPage(page)) freed += 1;
  }
  return freed > 0;
}

const swapoff: Operation = ({ k }) => {
  const result = k.swapoff.swapoff();
  if (result === 0) k.swapoff.swapon();
  return result === 0;
};

/** A child takes a place in the table; whoever had it exits when the last CPU has left. */
const fork: Operation = ({ party, users }) => {
  const child = users.fork(party.enter());
  if (child !== 0) party.adopt(child);
  return child !== 0;
};

/** What T0 draws, with its weights. */
export const T0 = operations({
  fault: { weight: 30, run: fault },
  mmap: { weight: 12, run: mmap },
  munmap: { weight: 12, run: munmap },
  mprotect: { weight: 8, run: mprotect },
  mlock: { weight: 8, run: mlock },
  stack: { weight: 5, run: stack },
  'swapout-anon': { weight: 10, run: (member: Member) => swapOut(member, true) },
  'swapout-file': { weight: 8, run: (member: Member) => swapOut(member, false) },
  swapoff: { weight: 3, run: swapoff },
  fork: { weight: 4, run: fork },
});

/** An anonymous page that somebody may be about to give up, with a reference: what reclaim and compaction find. 0: there is none. */
function findPage({ k }: Member): Addr {
  const { cpu, pages, spec } = k;
  const from = cpu.below(spec.frames);
  for (let count = 0; count < spec.frames; count += 1) {
    const page = pages.pageAt(1 + ((from + count) % spec.frames));
    if (pages.has(page, PG.lru.mask) && pages.anon(page) && pages.getUnlessZero(page)) return page;
  }
  return 0;
}

function lookAtVmas({ k }: Member, page: Addr): boolean {
  const { anonVma } = k;
  const family = anonVma.pageLockAnonVma(page);
  if (family === 0) return false;
  // Locked, so it stays, and so do the vmas on its list.
  const { live } = accesses(k);
  live(family);
  anonVma.forEachVma(family, (vma) => live(vma));
  anonVma.pageUnlockAnonVma(family);
  return true;
}

function lookAtEntries({ k }: Member, page: Addr): boolean {
  if (!k.locks.page.tryAcquire(page)) return false;
  k.rmap.referenced(page);
  k.locks.page.release(page);
  return true;
}

/** page_lock_anon_vma and a walk over its vmas; or over the entries, with page_table_lock tried for in each. */
const walk: Operation = (member) => {
  const { k } = member;
  const page = findPage(member);
  if (page === 0) return false;
  let found = false;
  if (k.pages.anon(page)) {
    const byVmas = k.sections.regime.anonRmap === 'anon_vma' && k.cpu.below(2) === 0;
    found = byVmas ? lookAtVmas(member, page) : lookAtEntries(member, page);
  }
  if (k.pages.putTestzero(page)) k.lru.release(page);
  return found;
};

/** Anonymous memory of this CPU's own goes, with the last reference to what it belonged to. */
const unmap: Operation = ({ k, party, users }) => {
  const mm = party.enter();
  const { first, pages } = party.block(k.cpu.id);
  return users.remap(mm, first, pages, () => k.maps.munmap(mm, first << PAGE_SHIFT, pages * PAGE_SIZE) === 0);
};

/** It comes back, and with the first write an anon_vma: the one that was freed last. */
const reuse: Operation = ({ k, party, users }) => {
  const mm = party.enter();
  const { first, pages } = party.block(k.cpu.id);
  const mapped = users.remap(
    mm,
    first,
    pages,
    () => k.maps.mmap(mm, { address: first << PAGE_SHIFT, length: pages * PAGE_SIZE, flags: RW }) > 0,
  );
  return mapped && users.write(mm, first + k.cpu.below(pages));
};

/** Looks that a CPU makes while it holds page_table_lock. */
const HELD = 200;

/** Holds page_table_lock for a while, so that those who only try fail. */
const hog: Operation = ({ k, party }) => {
  const { isa, sections } = k;
  const mm = party.enter();
  sections.enter('faultFind', { mm });
  const vma = isa.read(mm + Mm.mmap);
  if (vma !== 0) {
    sections.enter('pteChange', { mm, vma });
    for (let turn = 0; turn < HELD; turn += 1) isa.pause();
    sections.leave();
  }
  sections.leave();
  return vma !== 0;
};

/** What T1 draws, with its weights. */
export const T1 = operations({
  walk: { weight: 50, run: walk },
  unmap: { weight: 20, run: unmap },
  reuse: { weight: 20, run: reuse },
  fork: { weight: 5, run: fork },
  hog: { weight: 5, run: hog },
});

const mremap: Operation = ({ k, party }) => {
  const { cpu } = k;
  const mm = party.enter();
  const { first, pages: size } = party.common;
  const { address, length, pages } = rangeIn(cpu, party.common, MOVED);
  const to = (first + cpu.below(size - pages + 1)) << PAGE_SHIFT;
  return k.mremap.mremap(mm, address, length, length, MREMAP_MAYMOVE, to) > 0;
};

const madvise: Operation = ({ k, party, users }) => {
  const { cpu, maps } = k;
  const mm = party.enter();
  if (cpu.below(2) === 0) {
    const { address, length } = rangeIn(cpu, party.common);
    return maps.madviseDontneed(mm, address, length) === 0;
  }
  const { address, length, page, pages } = rangeIn(cpu, party.block(cpu.id));
  return users.remap(mm, page, pages, () => maps.madviseDontneed(mm, address, length) === 0);
};

const brk: Operation = ({ k, party }) => {
  const mm = party.enter();
  const wanted = k.isa.readOnce(mm + Mm.start_brk) + k.cpu.below(HEAP) * PAGE_SIZE;
  if (k.maps.brk(mm, wanted) !== wanted) return false;
  return k.user.userWrite(mm, wanted - 1, party.me, party.next()) === 0;
};

/** What there is besides. */
export const MORE = operations({
  mremap: { weight: 8, run: mremap },
  madvise: { weight: 6, run: madvise },
  brk: { weight: 4, run: brk },
});
