/**
 * Truncation on one CPU: whatever files, mappings and forks there are, every law holds after each operation, under every design and regime; and what a file that becomes shorter takes with it, what stays,
 * how its truncations are numbered. What happens between CPUs is in truncate-races.test.ts.
 */
import * as assert from 'uvu/assert';
import { EINVAL, ENOMEM } from '../../src/mm/errno.ts';
import type { Kernel } from '../../src/mm/kernel.ts';
import { quiescent } from '../../src/mm/oracles/index.ts';
import { PAGE_SIZE } from '../../src/mm/pte.ts';
import { REGIMES } from '../../src/mm/regime.ts';
import { AddressSpace, VM, Vma } from '../../src/mm/structs.ts';
import { TRUNCATE_DESIGNS, type TruncateRules } from '../../src/mm/truncate/rules.ts';
import { truncate } from '../../src/mm/truncate.ts';
import { oneCpu } from '../fixtures/mm/workload.ts';
import { seed } from '../seed.ts';
import { haveTurn, suite } from '../suite.ts';

const test = suite('truncation');
const RW = VM.READ | VM.WRITE;
const BASE = 0x100000;
const PAGES = 24;
const FILE_PAGES = 12;
const OPERATIONS = 250;

/** Draws operations on files and their mappings. @param after called after each, with what it was */
function churn(k: Kernel, after: (what: string) => void): void {
  const draw = (below: number): number => k.cpu.below(below);
  const files = [k.pageCache.create(FILE_PAGES), k.pageCache.create(FILE_PAGES)];
  const mms = [k.mms.create()];
  const at = (): number => BASE + draw(PAGES) * PAGE_SIZE;
  const some = (most: number): number => (1 + draw(most)) * PAGE_SIZE;
  const file = (): number => files[draw(2)]!;
  const map = (mm: number): number =>
    k.maps.mmap(mm, {
      address: at(),
      length: some(6),
      flags: RW | (draw(2) === 0 ? VM.SHARED : 0),
      file: file(),
      pgoff: draw(8),
    });
  const fork = (mm: number): void => {
    if (mms.length < 4) {
      const child = k.mms.fork(mm);
      if (child !== 0) mms.push(child);
      return;
    }
    const gone = mms.shift()!;
    k.tlb.leave(gone);
    k.mms.put(gone);
  };
  const touch = (mm: number): void => {
    if (draw(2) === 0) k.user.userWrite(mm, at(), 1, 1);
    else k.user.userRead(mm, at());
  };
  const reclaim = (): void => {
    k.lru.drain();
    k.reclaim.shrinkActive(4);
    k.reclaim.shrinkInactive(4);
  };
  const does: Readonly<Record<string, (mm: number) => unknown>> = {
    map,
    'map again': map,
    munmap: (mm) => k.maps.munmap(mm, at(), some(3)),
    vmtruncate: () => k.truncate.vmtruncate(file(), draw(FILE_PAGES + 1)),
    remap_file_pages: (mm) => k.fremap.remapFilePages(mm, at(), some(2), draw(8)),
    mremap: (mm) => k.mremap.mremap(mm, at(), 2 * PAGE_SIZE, 2 * PAGE_SIZE, 1, BASE + draw(20) * PAGE_SIZE),
    fork,
    mprotect: (mm) => k.maps.mprotect(mm, at(), some(2), draw(2) === 0 ? VM.READ : RW),
    mlock: (mm) => (draw(2) === 0 ? k.maps.mlock(mm, at(), some(2)) : k.maps.munlock(mm, at(), some(2))),
    reclaim,
    touch,
    'touch more': (mm) => [touch, touch, touch].map((each) => each(mm)),
  };
  const names = Object.keys(does);
  for (let done = 0; done < OPERATIONS; done += 1) {
    const mm = mms[draw(mms.length)]!;
    k.tlb.load(mm);
    const name = names[draw(names.length)]!;
    does[name]!(mm);
    after(`${name}, operation ${done}`);
  }
}

const SPEC = {
  frames: 96,
  mms: 4,
  vmas: 32,
  anonVmas: 32,
  chains: 128,
  pteChains: 256,
  files: 2,
  filePages: FILE_PAGES,
  swapPages: 48,
};

const CELLS = Object.entries(TRUNCATE_DESIGNS).flatMap(([name, rules]) =>
  REGIMES.map((regime): [string, TruncateRules, (typeof REGIMES)[number]] => [name, rules, regime]),
);
for (const [name, rules, regime] of haveTurn(CELLS, 3))
  test(`every law holds after every operation: ${name} under ${regime.name} (seed ${seed})`, () => {
    // Whoever waits or not: i_mmap_lock is given away behind every block.
    const gives = name === 'trunc3' ? 'never' : 'always';
    const modules = { truncate: (k: Kernel) => truncate(k, { ...rules, block: 2, gives }) };
    const { k } = oneCpu(SPEC, () => ({ regime, modules }), seed);
    churn(k, (what) => assert.equal(quiescent(k, { also: ['O-STAMP'] }), [], what));
  });

/** A file of four pages, mapped, its pages written. */
function mapped(flags: number, rules: Partial<TruncateRules> = {}) {
  const { k, machine } = oneCpu({ frames: 40, filePages: 4 }, () => ({
    modules: { truncate: (kernel: Kernel) => truncate(kernel, { ...TRUNCATE_DESIGNS.later, ...rules }) },
  }));
  const file = k.pageCache.create(4);
  const mm = k.mms.create();
  k.tlb.load(mm);
  k.maps.mmap(mm, { address: BASE, length: 4 * PAGE_SIZE, flags, file });
  for (let page = 0; page < 4; page += 1) k.user.userWrite(mm, BASE + page * PAGE_SIZE, 1, 1 + page);
  const read = (page: number) => k.user.userRead(mm, BASE + page * PAGE_SIZE);
  return { k, machine, file, mm, read, vma: k.vmaTree.findVma(mm, BASE) };
}

test('what lies behind the end is gone, and zeroes when the file is longer again; what lies before stays', () => {
  const { k, file, read } = mapped(RW | VM.SHARED);
  assert.is(k.truncate.vmtruncate(file, 2), 0);
  assert.equal(
    [0, 1].map((page) => read(page).version),
    [1, 2],
  );
  assert.ok([2, 3].every((page) => read(page).fault !== 0));
  assert.is(k.truncate.vmtruncate(file, 4), 0);
  assert.equal(
    [0, 1, 2, 3].map((page) => read(page).version),
    [1, 2, 0, 0],
  );
});

test('private copies go with the end of the file, and stay when only its own pages are unmapped', () => {
  const { k, file, read } = mapped(RW);
  k.truncate.unmapMappingRange(file, 0, 0, false);
  assert.equal(
    [0, 1, 2, 3].map((page) => read(page).version),
    [1, 2, 3, 4],
  );
  k.truncate.unmapMappingRange(file, 3, 1, true);
  assert.equal(
    [0, 1, 2, 3].map((page) => read(page).version),
    [1, 2, 3, 0],
  );
  k.truncate.vmtruncate(file, 1);
  k.truncate.vmtruncate(file, 4);
  assert.equal(
    [0, 1, 2, 3].map((page) => read(page).version),
    [1, 0, 0, 0],
  );
});

test('the number of a truncation is no address, and vmas are reset when it comes round', () => {
  for (const [before, after, stamp] of [
    [7, 8, 8],
    [0xffe, 0xfff, 0xfff],
    [0xfff, 0x1001, 0x1001],
    [-1, 1, 1],
  ] as const) {
    const { k, file, vma } = mapped(RW | VM.SHARED);
    k.isa.writeOnce(file + AddressSpace.truncate_count, before);
    k.truncate.vmtruncate(file, 3);
    assert.is(k.isa.readOnce(file + AddressSpace.truncate_count), after);
    assert.is(k.isa.readOnce(vma + Vma.vm_truncate_count), stamp);
  }
  const { k, mm, file, vma } = mapped(RW | VM.SHARED);
  k.maps.mmap(mm, { address: BASE + 8 * PAGE_SIZE, length: PAGE_SIZE, flags: RW | VM.SHARED, file });
  const other = k.vmaTree.findVma(mm, BASE + 8 * PAGE_SIZE);
  k.isa.write(other + Vma.vm_truncate_count, 1);
  k.isa.writeOnce(file + AddressSpace.truncate_count, -1);
  k.truncate.vmtruncate(file, 3);
  assert.equal(
    [vma, other].map((each) => k.isa.readOnce(each + Vma.vm_truncate_count)),
    [1, 0],
    'one that the call does not look at is not done',
  );
});

test('what is no file, no length of one, no place in one is EINVAL, and not a word has changed', () => {
  const { k, machine, file, mm } = mapped(RW | VM.SHARED);
  k.maps.mmap(mm, { address: BASE + 16 * PAGE_SIZE, length: PAGE_SIZE, flags: RW, file });
  const before = machine.words.slice();
  for (const size of [-1, 0.5, 5, Number.NaN, 2 ** 31]) assert.is(k.truncate.vmtruncate(file, size), -EINVAL);
  for (const wrong of [0, 1, mm, file + 4, file + 2 ** 20])
    assert.is(k.truncate.vmtruncate(wrong, 1), -EINVAL);
  assert.equal(machine.words.slice(), before);
  for (const pgoff of [-1, 0.5, 4, Number.NaN])
    assert.is(k.fremap.remapFilePages(mm, BASE, PAGE_SIZE, pgoff), -EINVAL);
  for (const at of [1, BASE - PAGE_SIZE, BASE + 4 * PAGE_SIZE, BASE + 16 * PAGE_SIZE])
    assert.is(k.fremap.remapFilePages(mm, at, PAGE_SIZE, 0), -EINVAL, `${at}`);
  assert.is(k.fremap.remapFilePages(mm, BASE, 5 * PAGE_SIZE, 0), -EINVAL);
  assert.equal(quiescent(k), []);
});

test('where there is no memory for tables remap_file_pages says so', () => {
  const { k } = oneCpu({ frames: 4, filePages: 4 });
  const file = k.pageCache.create(4);
  const mm = k.mms.create();
  k.tlb.load(mm);
  assert.is(k.maps.mmap(mm, { address: BASE, length: 4 * PAGE_SIZE, flags: RW | VM.SHARED, file }), BASE);
  while (k.pageAlloc.allocPage() !== 0);
  assert.is(k.fremap.remapFilePages(mm, BASE, PAGE_SIZE, 1), -ENOMEM);
});

test('remap_file_pages shows pages in another order, and truncation finds them there', () => {
  const { k, file, mm, read } = mapped(RW | VM.SHARED);
  assert.is(k.fremap.remapFilePages(mm, BASE, 2 * PAGE_SIZE, 2), 0);
  assert.equal(
    [0, 1, 2, 3].map((page) => read(page).version),
    [3, 4, 3, 4],
  );
  k.truncate.vmtruncate(file, 3);
  assert.equal(
    [0, 2].map((page) => read(page).version),
    [3, 3],
  );
  assert.ok([1, 3].every((page) => read(page).fault !== 0));
  assert.equal(quiescent(k, { also: ['O-STAMP'] }), []);
});

test.run();
