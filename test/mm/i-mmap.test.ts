/** The tree of a file's mappings answers as a scan of all of them does, in the order of first pages and, where these are equal, of insertion; damage is named. */
import * as assert from 'uvu/assert';
import { TreeError } from '../../src/mm/rb-node.ts';
import { AddressSpace, RbNode, VM, Vma } from '../../src/mm/structs.ts';
import { watch } from '../fixtures/memory/watch.ts';
import { seed } from '../seed.ts';
import { suite } from '../suite.ts';
import { bare, makeFile, makeVma, treesOf } from './fixtures/bare.ts';

const VMAS = 48;
const FILE = 32;
const PAGE = 4096;

const { trees, draw } = bare({ vmas: VMAS, files: 2 }, { seed });
const { isa, slabs, iMmap } = trees;

/** A vma that maps the pages from `first` to `last` of a file. */
function mapped(mapping: number, first: number, last: number): number {
  const at = (1 + draw(50)) * PAGE;
  const vma = makeVma(trees, 0, at, at + (last - first + 1) * PAGE);
  isa.write(vma + Vma.vm_file, mapping);
  isa.write(vma + Vma.vm_pgoff, first);
  isa.write(vma + Vma.vm_flags, 0);
  return vma;
}

interface Mapped {
  readonly vma: number;
  readonly first: number;
  readonly last: number;
}

const between = (mapping: number, first: number, last: number): number[] => {
  const found: number[] = [];
  iMmap.forEach(mapping, first, last, (vma) => found.push(vma));
  return found;
};

const test = suite('interval tree of a file');

/** Inserts, inserts behind a parent and removes at random; `all` is in the order in which the tree should have them. */
function churn(steps: number, after: (mapping: number, all: readonly Mapped[]) => void): void {
  const mapping = makeFile(trees);
  const all: Mapped[] = [];
  for (let step = 0; step < steps; step += 1) {
    const what = draw(100);
    const grow = Math.floor(step / 200) % 2 === 0 ? 65 : 35;
    if (what < grow && all.length < VMAS) {
      const parent = all[draw(Math.max(all.length, 1))];
      // Few keys, so that many are equal; now and then a long one.
      const first = what % 2 === 0 && parent ? parent.first : draw(FILE);
      const last = first + (draw(4) === 0 ? draw(FILE) : draw(3));
      const vma = mapped(mapping, first, last);
      if (what % 2 === 0 && parent) {
        iMmap.insertAfter(parent.vma, vma);
        all.splice(all.indexOf(parent) + 1, 0, { vma, first, last });
      } else {
        iMmap.insert(vma);
        const behind = all.findIndex((each) => each.first > first);
        all.splice(behind < 0 ? all.length : behind, 0, { vma, first, last });
      }
    } else if (all.length > 0) {
      const [gone] = all.splice(draw(all.length), 1);
      iMmap.remove(gone!.vma);
      slabs.vmas.free(gone!.vma);
    }
    after(mapping, all);
  }
  for (const { vma } of all) {
    iMmap.remove(vma);
    slabs.vmas.free(vma);
  }
  assert.is(isa.read(mapping + AddressSpace.i_mmap), 0);
  slabs.files.free(mapping);
}

test(`is sound and in order after each of thousands of changes (seed ${seed})`, () => {
  churn(3000, (mapping, all) => {
    assert.is(iMmap.validate(mapping), undefined);
    assert.equal(
      between(mapping, 0, 2 ** 32 - 1),
      all.map(({ vma }) => vma),
    );
  });
});

test(`finds what maps a range of pages, and nothing else (seed ${seed})`, () => {
  churn(2500, (mapping, all) => {
    for (let times = 0; times < 6; times += 1) {
      const first = draw(2 * FILE);
      const last = first + draw(6);
      const expected = all.filter((each) => each.first <= last && each.last >= first).map(({ vma }) => vma);
      assert.equal(between(mapping, first, last), expected);
      assert.is(iMmap.iterFirst(mapping, first, last), expected[0] ?? 0);
    }
  });
});

test('a search leaves out what cannot map the pages', () => {
  const mapping = makeFile(trees);
  const all = Array.from({ length: FILE }, (_, page) => mapped(mapping, page, page));
  for (const vma of all) iMmap.insert(vma);
  let looked = 0;
  const counting = watch(isa, (operation) => {
    if (operation === 'consumed') looked += 1;
  });
  const watched = treesOf({ ...trees, isa: counting });
  assert.is(watched.iMmap.iterFirst(mapping, 7, 7), all[7]);
  assert.ok(looked <= 6, `${looked} vmas were looked at`);
  looked = 0;
  assert.is(watched.iMmap.iterFirst(mapping, FILE, FILE + 9), 0);
  assert.is(looked, 0);
  for (const vma of all) {
    iMmap.remove(vma);
    slabs.vmas.free(vma);
  }
  slabs.files.free(mapping);
});

test('a child stands behind its parent and before its later siblings, wherever else its key is', () => {
  const mapping = makeFile(trees);
  const vmas = [5, 5, 5, 3, 7].map((page) => mapped(mapping, page, page + 1));
  for (const vma of vmas) iMmap.insert(vma);
  const [a, b, c, before, behind] = vmas;
  const child = mapped(mapping, 5, 6);
  iMmap.insertAfter(a!, child);
  assert.equal(between(mapping, 0, 99), [before, a, child, b, c, behind]);
  const stranger = mapped(mapping, 6, 6);
  assert.throws(
    () => iMmap.insertAfter(a!, stranger),
    (error: unknown) => error instanceof TreeError,
  );
  assert.is(iMmap.validate(mapping), undefined);
  for (const vma of [...vmas, child]) iMmap.remove(vma);
  for (const vma of [...vmas, child, stranger]) slabs.vmas.free(vma);
  slabs.files.free(mapping);
});

test('the nonlinear list has all of its vmas, for whatever pages', () => {
  const mapping = makeFile(trees);
  const vmas = [4, 2, 9].map((page) => mapped(mapping, page, page));
  const listed = (): number[] => {
    const found: number[] = [];
    iMmap.nonlinearForEach(mapping, (vma) => found.push(vma));
    return found;
  };
  for (const vma of vmas) {
    iMmap.insert(vma);
    iMmap.remove(vma);
    isa.write(vma + Vma.vm_flags, VM.NONLINEAR);
    iMmap.nonlinearAdd(vma);
    assert.is(iMmap.validate(mapping), undefined);
  }
  assert.equal(listed(), vmas);
  iMmap.nonlinearRemove(vmas[1]!);
  assert.equal(listed(), [vmas[0], vmas[2]]);
  iMmap.nonlinearForEach(mapping, (vma) => iMmap.nonlinearRemove(vma));
  assert.equal(listed(), []);
  for (const vma of vmas) slabs.vmas.free(vma);
  slabs.files.free(mapping);
});

const DAMAGE: readonly [string, RegExp, (mapping: number, vmas: readonly number[]) => void][] = [
  [
    'a vma that has grown',
    /shared_last of .* is \d+, but/,
    (_, [a]) => isa.write(a! + Vma.vm_end, 90 * PAGE),
  ],
  [
    'a vma whose first page has moved',
    /begins at page 4, but comes behind .* at 9/,
    (_, [a]) => {
      isa.write(a! + Vma.vm_pgoff, 9);
      isa.write(a! + Vma.shared_last, 10);
    },
  ],
  ['a vma of another file', /maps another file/, (_, [, b]) => isa.write(b! + Vma.vm_file, 4)],
  [
    'a nonlinear vma in the tree',
    /in the tree is nonlinear/,
    (_, [, , c]) => isa.write(c! + Vma.vm_flags, VM.NONLINEAR),
  ],
  ['a linear vma on the list', /is not nonlinear/, (_, [, , , d]) => isa.write(d! + Vma.vm_flags, 0)],
  ['a broken list', /i_mmap_nonlinear: next of/, (_, [, , , d]) => isa.write(d! + Vma.nonlinear, 0)],
  ['a damaged tree', /rb_parent of/, (_, [a]) => isa.write(a! + Vma.shared + RbNode.rb_parent, 4)],
];
for (const [what, says, damage] of DAMAGE)
  test(`validate names ${what}`, () => {
    const mapping = makeFile(trees);
    const vmas = [2, 4, 6].map((page) => mapped(mapping, page, page + 1));
    for (const vma of vmas) iMmap.insert(vma);
    const apart = mapped(mapping, 0, 3);
    isa.write(apart + Vma.vm_flags, VM.NONLINEAR);
    iMmap.nonlinearAdd(apart);
    assert.is(iMmap.validate(mapping), undefined);
    damage(mapping, [...vmas, apart]);
    assert.match(iMmap.validate(mapping) ?? 'nothing', says);
    for (const vma of [...vmas, apart]) slabs.vmas.free(vma);
    slabs.files.free(mapping);
  });

test.run();
