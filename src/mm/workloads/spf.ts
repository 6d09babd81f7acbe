/**
 * What threads do to one address space in the workload of speculative page faults: the mix T3 of docs/mm.md ("Speculative page faults", Laurent Dufour, 2017 to 2019), each operation under its name with its weight.
 *
 * Most of it is user code that faults, on memory of its own thread's and of others', present, dropped, or on the swap device; the rest is what a speculator must notice: mappings that come, go, split, merge and move beside
 * him, rights that are taken away, tables that collapse, pages that are swapped out. There are two address spaces only, so that their threads meet, and tables that one gives up are the other's next.
 *
 * What is written is held against the ledger (users.ts), so a page that is lost, or mapped twice, or of somebody else, shows when it is read.
 */
import type { Addr } from '../../arch/index.ts';
import type { Kernel } from '../kernel.ts';
import { PAGE_SHIFT, PAGE_SIZE, pteSwap } from '../pte.ts';
import type { SpfCounters } from '../spf/counters.ts';
import { VM } from '../structs.ts';
import { type Member, MORE, type Operation, operations, pick, rangeIn, T0 } from './operations.ts';
import type { Area, Party } from './party.ts';

const RW = VM.READ | VM.WRITE;

/** Pages of a table, at most. */
const TABLE = 16;

/** What is everybody's: from where it begins in the party to the end of a table that it has to itself. */
function arena({ common: { first, pages } }: Party): Area {
  const end = (first + pages + TABLE - 1) & -TABLE;
  return { first, pages: end - first };
}

/** That and all blocks. */
const everything = (party: Party): Area => {
  const { first, pages } = arena(party);
  return { first: party.all.first, pages: first + pages - party.all.first };
};

const within = ({ first, pages }: Area, page: number): boolean => page >= first && page < first + pages;

/** Touches a page: it is judged where it is in a block, whose CPU alone writes it. */
function touch({ k, party, users, cpus }: Member, mm: Addr, page: number): boolean {
  const { cpu } = k;
  for (let owner = 0; owner < cpus; owner += 1)
    if (within(party.block(owner), page)) {
      const writes = owner === cpu.id && cpu.below(2) === 0;
      return writes ? users.write(mm, page) : users.read(mm, page, owner);
    }
  const address = page << PAGE_SHIFT;
  return cpu.below(2) === 0
    ? k.user.userWrite(mm, address, party.me, party.next()) === 0
    : k.user.userRead(mm, address).fault === 0;
}

/** User code of a thread: in its own block most of the time, in others', in what is everybody's. */
const anonymous: Operation = (member) => {
  const { k, party, cpus } = member;
  const { cpu } = k;
  const mm = party.enter();
  const dice = cpu.below(10);
  const area = dice < 5 ? party.block(cpu.id) : dice < 8 ? party.block(cpu.below(cpus)) : arena(party);
  return touch(member, mm, area.first + cpu.below(area.pages));
};

/** A page whose entry names a swap slot, from a place that is drawn; -1: there is none. It may be back by the time it is used. */
function swappedOut({ cpu, pgtable, sections }: Kernel, mm: Addr, { first, pages }: Area): number {
  const from = cpu.below(pages);
  let found = -1;
  // The tables stay meanwhile.
  sections.enter('faultFind', { mm });
  for (let count = 0; count < pages && found < 0; count += 1) {
    const page = first + ((from + count) % pages);
    const at = pgtable.lookup(mm, page << PAGE_SHIFT);
    if (at !== 0 && pteSwap(pgtable.read(at))) found = page;
  }
  sections.leave();
  return found;
}

/** Two threads may come to one of these at a time. */
const swapIn: Operation = (member) => {
  const { k, party } = member;
  const mm = party.enter();
  const page = swappedOut(k, mm, everything(party));
  return page >= 0 && touch(member, mm, page);
};

/** A CPU's whole block, or a part of what is everybody's, most of the time of no file: so that mappings grow together again, and one of them has all of a table. */
const map: Operation = ({ k, party, users }) => {
  const { cpu, maps, slabs, spec } = k;
  const mm = party.enter();
  if (cpu.below(2) === 0) {
    const { first, pages } = party.block(cpu.id);
    const block = { address: first << PAGE_SHIFT, length: pages * PAGE_SIZE, flags: RW };
    return users.remap(mm, first, pages, () => maps.mmap(mm, block) > 0);
  }
  const { address, length } = rangeIn(cpu, arena(party), TABLE);
  const file = slabs.files.objectAt(cpu.below(spec.files));
  const backing = cpu.below(8) === 0 ? { file, pgoff: cpu.below(spec.filePages) } : {};
  return maps.mmap(mm, { address, length, flags: RW, ...backing }) > 0;
};

/** Pages go, with their mapping or without. */
const taking =
  (how: 'munmap' | 'madviseDontneed'): Operation =>
  ({ k, party, users }) => {
    const { cpu, maps } = k;
    const mm = party.enter();
    if (cpu.below(2) === 0) {
      const { address, length } = rangeIn(cpu, arena(party));
      return maps[how](mm, address, length) === 0;
    }
    const { address, length, page, pages } = rangeIn(cpu, party.block(cpu.id));
    return users.remap(mm, page, pages, () => maps[how](mm, address, length) === 0);
  };

/** The first table that can be collapsed, from one that is drawn. */
const collapse: Operation = ({ k, party }) => {
  const mm = party.enter();
  const { first, pages } = everything(party);
  const from = k.cpu.below(pages);
  for (let count = 0; count < pages; count += TABLE / k.spec.pteWords) {
    const page = first + ((from + count) % pages);
    if (k.collapse.collapseHugePage(mm, page << PAGE_SHIFT) === 0) return true;
  }
  return false;
};

/** Rights go and come; most of what is mapped can be written, else there would be little to fault. */
const protect: Operation = ({ k, party }) => {
  const mm = party.enter();
  const { address, length } = rangeIn(k.cpu, everything(party));
  return k.maps.mprotect(mm, address, length, pick(k.cpu, [RW, RW, RW, VM.READ])) === 0;
};

/** What became of speculations, for the end of a run. */
export function speculationNotes({ attempts, successes, aborts, retries }: SpfCounters): readonly string[] {
  if (attempts === 0) return [];
  const share = ((100 * successes) / attempts).toFixed(1);
  const why = Object.entries(aborts).map(([name, times]) => `${name} ${times}`);
  return [
    `${attempts} faults were tried without mmap_sem, ${successes} served so (${share} %); given up: ${why.join(', ')}; a pte lock was tried for again ${retries} times`,
  ];
}

/** What T3 draws, with its weights. */
export const T3 = operations({
  'fault-anon': { weight: 45, run: anonymous },
  'fault-swap': { weight: 15, run: swapIn },
  mmap: { weight: 7, run: map },
  munmap: { weight: 3, run: taking('munmap') },
  madvise: { weight: 5, run: taking('madviseDontneed') },
  mprotect: { weight: 8, run: protect },
  mremap: { ...MORE.mremap, weight: 5 },
  collapse: { weight: 3, run: collapse },
  swapout: { ...T0['swapout-anon'], weight: 9 },
});
