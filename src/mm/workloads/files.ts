/**
 * What CPUs do to files in the workload of truncation: the mix T2 of docs/mm.md ("vmtrunc", Hugh Dickins, October 2004), each operation under its name with its weight.
 *
 * Files become shorter and longer at any time, whoever has them mapped, so nobody can say what a place must hold: what is judged is who still has what is gone (O-TRUNC), how far truncation says that it
 * has come (O-STAMP), and what every workload is judged by. All mappings lie in the pages that are everybody's, of any length, at any place of the file, so that vmas of a file overlap, split, merge, move and
 * become nonlinear while it is gone over.
 */
import type { Addr } from '../../arch/index.ts';
import { PAGE_SHIFT } from '../pte.ts';
import { VM } from '../structs.ts';
import { MORE, type Operation, operations, pick, rangeIn, T0 } from './operations.ts';

const RW = VM.READ | VM.WRITE;
/** Looks that a CPU makes while it holds i_mmap_lock. */
const HELD = 200;

const fileOf = ({ k }: Parameters<Operation>[0]): Addr => k.slabs.files.objectAt(k.cpu.below(k.spec.files));

/** A file gets another length; now and then pages are only taken out of page tables. */
const truncate: Operation = (member) => {
  const { k } = member;
  const { cpu, spec } = k;
  const file = fileOf(member);
  if (cpu.below(4) !== 0) return k.truncate.vmtruncate(file, cpu.below(spec.filePages + 1)) === 0;
  k.truncate.unmapMappingRange(file, cpu.below(spec.filePages), 1 + cpu.below(4), cpu.below(2) === 0);
  return true;
};

/** User code and the kernel touch what is mapped, before the end of the file or behind it. */
const touch: Operation = ({ k, party }) => {
  const { cpu } = k;
  const mm = party.enter();
  const address = (party.common.first + cpu.below(party.common.pages)) << PAGE_SHIFT;
  const dice = cpu.below(3);
  if (dice === 0) return k.user.userWrite(mm, address, party.me, party.next()) === 0;
  if (dice === 1) return k.user.userRead(mm, address).fault === 0;
  return k.faults.handleMmFault(mm, address, cpu.below(2) === 0) < 8;
};

const map: Operation = (member) => {
  const { k, party } = member;
  const { cpu, maps, spec } = k;
  const mm = party.enter();
  const { address, length } = rangeIn(cpu, party.common);
  if (cpu.below(4) === 0) return maps.munmap(mm, address, length) === 0;
  const flags = RW | pick(cpu, [VM.SHARED, VM.SHARED, 0]);
  return (
    maps.mmap(mm, { address, length, flags, file: fileOf(member), pgoff: cpu.below(spec.filePages) }) > 0
  );
};

const remapFile: Operation = ({ k, party }) => {
  const mm = party.enter();
  const { address, length } = rangeIn(k.cpu, party.common, 2);
  return k.fremap.remapFilePages(mm, address, length, k.cpu.below(k.spec.filePages)) === 0;
};

const protect: Operation = ({ k, party }) => {
  const mm = party.enter();
  const { address, length } = rangeIn(k.cpu, party.common);
  return k.maps.mprotect(mm, address, length, pick(k.cpu, [RW, RW, VM.READ])) === 0;
};

/** Holds i_mmap_lock for a while, so that truncation is waited for, and waits. */
const hog: Operation = (member) => {
  const { isa, sections } = member.k;
  sections.enter('truncate', { mm: 0, mapping: fileOf(member) });
  for (let turn = 0; turn < HELD; turn += 1) isa.pause();
  sections.leave();
  return true;
};

/** Pages of files are written back, and given up where nobody uses them. */
const reclaim: Operation = ({ k }) => {
  k.lru.drain();
  k.reclaim.shrinkActive(8);
  return k.reclaim.shrinkInactive(8) > 0;
};

/** What T2 draws, with its weights. */
export const T2 = operations({
  truncate: { weight: 10, run: truncate },
  fault: { weight: 35, run: touch },
  map: { weight: 20, run: map },
  fork: { ...T0.fork, weight: 5 },
  mprotect: { weight: 15, run: protect },
  mremap: { ...MORE.mremap, weight: 5 },
  'remap-file-pages': { weight: 5, run: remapFile },
  reclaim: { weight: 5, run: reclaim },
  hog: { weight: 5, run: hog },
});
