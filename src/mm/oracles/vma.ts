/**
 * O-VMA: the ways to the vmas of an address space agree, and so do those to the vmas of a file; entries lie in vmas, with the rights that these have (docs/mm.md, Oracles).
 *
 *   mm_struct        mmap, vm_next, vm_prev: by address, no overlap; mm_rb: the same; mmap_cache: one of them or none; map_count
 *   address_space    i_mmap: its linear vmas by vm_pgoff, with shared_last; i_mmap_nonlinear: its nonlinear ones
 *
 * It is a law of rest only: a writer that has checked under page_table_lock may leave an entry to the one who waits for it.
 */
import { PAGE_SHIFT, PAGE_SIZE, pteWrite } from '../pte.ts';
import { AddressSpace, Mm, RbNode, VM, Vma } from '../structs.ts';
import type { Census, Entry } from './census.ts';
import { first, type Oracle } from './oracle.ts';
import type { Thing } from './things.ts';
import { treeOf } from './tree.ts';

/** The list of an address space, up to where something is wrong with it. */
function walkList({ read, vmas }: Census, mm: Thing): { list: Thing[]; wrong: string | undefined } {
  const list: Thing[] = [];
  let end = 0;
  for (let at = read(mm.at + Mm.mmap); at !== 0; ) {
    const before = list.at(-1);
    const from = before ? `vm_next of ${before.name}` : `${mm.name}.mmap`;
    const vma = vmas.at(at);
    const judge = (): string | undefined => {
      if (!vma) return `${from} is 0x${(at >>> 0).toString(16)}, which is no vma`;
      const { name, live } = vma;
      const [start, stop] = [read(at + Vma.vm_start), read(at + Vma.vm_end)];
      if (!live) return `${from} is ${name}, which is free`;
      if (list.includes(vma)) return `${from} is ${name}, which the list has had before`;
      if (read(at + Vma.vm_mm) !== mm.at) return `${from} is ${name}, of another address space`;
      if (read(at + Vma.vm_prev) !== (before?.at ?? 0))
        return `vm_prev of ${name} is ${vmas.called(read(at + Vma.vm_prev))}, and ${from} leads to it`;
      if (start < end) return `${name} begins at 0x${start.toString(16)}, before ${before?.name} ends`;
      if (stop <= start || ((start | stop) & (PAGE_SIZE - 1)) !== 0)
        return `${name} goes from 0x${start.toString(16)} to 0x${stop.toString(16)}`;
      return undefined;
    };
    const wrong = judge();
    if (wrong !== undefined || !vma) return { list, wrong };
    list.push(vma);
    end = read(at + Vma.vm_end);
    at = read(at + Vma.vm_next);
  }
  return { list, wrong: undefined };
}

function addressSpace(census: Census, mm: Thing): string | undefined {
  const { read, vmas } = census;
  const { list, wrong } = walkList(census, mm);
  if (wrong !== undefined) return wrong;
  const tree = treeOf(census, mm.at + Mm.mm_rb, vmas, Vma.vm_rb);
  if (tree.wrong !== undefined) return `the tree of ${mm.name}: ${tree.wrong}`;
  const most = Math.max(list.length, tree.inOrder.length);
  for (let at = 0; at < most; at += 1)
    if (list[at] !== tree.inOrder[at])
      return `${mm.name} has ${list[at]?.name ?? 'nothing more'} in its list, and ${tree.inOrder[at]?.name ?? 'nothing more'} in its tree`;
  const cached = read(mm.at + Mm.mmap_cache);
  if (cached !== 0 && !list.some(({ at }) => at === cached))
    return `${mm.name}.mmap_cache is ${vmas.called(cached)}, which is none of its vmas`;
  const counted = read(mm.at + Mm.map_count);
  return counted === list.length
    ? undefined
    : `${mm.name}.map_count is ${counted}, and it has ${list.length} vmas`;
}

function tree(census: Census, file: Thing): string | undefined {
  const { read, vmas } = census;
  const { inOrder, wrong } = treeOf(census, file.at + AddressSpace.i_mmap, vmas, Vma.shared);
  if (wrong !== undefined) return `the tree of ${file.name}: ${wrong}`;
  const lastOf = ({ at }: Thing): number =>
    read(at + Vma.vm_pgoff) + ((read(at + Vma.vm_end) - read(at + Vma.vm_start)) >>> PAGE_SHIFT) - 1;
  const below = ({ at }: Thing): number[] =>
    [RbNode.rb_left, RbNode.rb_right]
      .map((side) => read(at + Vma.shared + side))
      .filter((node) => node !== 0)
      .map((node) => read(node - Vma.shared + Vma.shared_last));
  return first(inOrder, (vma, place) => {
    const { at, name, live } = vma;
    if (!live) return `${file.name} has ${name} in its tree, which is free`;
    if (read(at + Vma.vm_file) !== file.at || (read(at + Vma.vm_flags) & VM.NONLINEAR) !== 0)
      return `${file.name} has ${name} in its tree, which does not belong there`;
    const before = inOrder[place - 1];
    if (before && read(before.at + Vma.vm_pgoff) > read(at + Vma.vm_pgoff))
      return `the tree of ${file.name} has ${before.name} before ${name}, which begins at an earlier page`;
    const last = Math.max(lastOf(vma), ...below(vma));
    const said = read(at + Vma.shared_last);
    return said === last ? undefined : `${name}.shared_last is ${said}, and ${last} is right`;
  });
}

/** Each live vma of a file is where its file looks for it. */
function filed(census: Census): string | undefined {
  const { read, vmas, files, listAt } = census;
  const trees = new Map(
    files.live.map(({ at }) => [at, treeOf(census, at + AddressSpace.i_mmap, vmas, Vma.shared).inOrder]),
  );
  return first(vmas.live, (vma) => {
    const file = read(vma.at + Vma.vm_file);
    if (file === 0) return undefined;
    const inTree = trees.get(file);
    if (!inTree) return `${vma.name}.vm_file is ${files.called(file)}, which is no file`;
    const list = listAt(file + AddressSpace.i_mmap_nonlinear)!;
    const nonlinear = (read(vma.at + Vma.vm_flags) & VM.NONLINEAR) !== 0;
    const has = nonlinear ? list.entries.includes(vma.at + Vma.nonlinear) : inTree.includes(vma);
    if (has || (nonlinear && list.wrong !== undefined)) return undefined;
    return `${vma.name} maps ${files.called(file)}, and is not in its ${nonlinear ? 'i_mmap_nonlinear' : 'i_mmap'}`;
  });
}

function rights(census: Census, entry: Entry): string | undefined {
  const { pte, vma, present } = entry;
  if (!vma) return `there is an entry for ${entry.name()}, and no vma there`;
  const writable = (census.read(vma.at + Vma.vm_flags) & VM.WRITE) !== 0;
  return present && pteWrite(pte) && !writable
    ? `the entry for ${entry.name()} allows to write, and ${vma.name} does not`
    : undefined;
}

export const vma: Oracle = {
  name: 'O-VMA',
  says: 'list, tree and cache of vmas agree, files find their vmas, entries lie in vmas with their rights',
  check: (census) =>
    first(census.mms.live, (mm) => addressSpace(census, mm)) ??
    first(census.files.live, (file) => tree(census, file)) ??
    filed(census) ??
    first(census.entries, (entry) => rights(census, entry)),
};
