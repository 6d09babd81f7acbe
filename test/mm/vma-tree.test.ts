/** List, tree, cache and count of an address space agree after every change, lookups answer as a scan of all vmas does, and damage is named. */
import * as assert from 'uvu/assert';
import { TreeError } from '../../src/mm/rb-node.ts';
import { Mm, RbNode, Vma } from '../../src/mm/structs.ts';
import type { VmaTree } from '../../src/mm/vma-tree.ts';
import { seed } from '../seed.ts';
import { suite } from '../suite.ts';
import { bare, makeMm, makeVma } from './fixtures/bare.ts';

const VMAS = 40;
const PAGES = 100;
const PAGE = 4096;

const { trees, draw } = bare({ vmas: VMAS, mms: 2 }, { seed });
const { isa, slabs, vmaTree } = trees;
const { findVma, findVmaPrev, findVmaIntersection, findVmaPrepare, vmaLink, vmaUnlink, detachVmas } = vmaTree;

interface Range {
  readonly vma: number;
  readonly start: number;
  readonly end: number;
}

/** The vmas of the list. */
function listed(mm: number): number[] {
  const found: number[] = [];
  vmaTree.forEach(mm, (vma) => found.push(vma));
  return found;
}

/** An address space with a vma of one page at each of these pages. */
function spaceOf(...pages: number[]): { mm: number; vmas: number[] } {
  const mm = makeMm(trees);
  const vmas = pages.map((page) => makeVma(trees, mm, page * PAGE, (page + 1) * PAGE));
  for (const vma of vmas) vmaLink(mm, vma);
  return { mm, vmas };
}

function give(mm: number): void {
  for (const vma of listed(mm)) slabs.vmas.free(vma);
  slabs.mms.free(mm);
}

const test = suite('vma tree');

/** Links, unlinks and detaches at random, and keeps what there should be in an array. */
function churn(steps: number, after: (mm: number, all: readonly Range[]) => void): void {
  const mm = makeMm(trees);
  let all: Range[] = [];
  for (let step = 0; step < steps; step += 1) {
    const what = draw(100);
    const at = draw(PAGES) * PAGE;
    if (what < 60) {
      const end = Math.min(at + (1 + draw(4)) * PAGE, PAGES * PAGE);
      if (all.length < VMAS && all.every((each) => each.end <= at || each.start >= end)) {
        const place = findVmaPrepare(mm, at);
        const vma = makeVma(trees, mm, at, end);
        if (draw(2) === 0) vmaLink(mm, vma, place);
        else vmaLink(mm, vma);
        all = [...all, { vma, start: at, end }].sort((a, b) => a.start - b.start);
      }
    } else if (what < 92) {
      const [gone] = all.splice(draw(Math.max(all.length, 1)), 1);
      if (gone) {
        vmaUnlink(mm, gone.vma);
        slabs.vmas.free(gone.vma);
      }
    } else if (all.length > 0) {
      const first = draw(all.length);
      const end = all[first]!.start + (1 + draw(20)) * PAGE;
      const gone = all.filter((each, index) => index >= first && each.start < end);
      all = all.filter((each) => !gone.includes(each));
      const cut: number[] = [];
      for (let vma = detachVmas(mm, gone[0]!.vma, end); vma !== 0; vma = isa.read(vma + Vma.vm_next))
        cut.push(vma);
      assert.equal(
        cut,
        gone.map(({ vma }) => vma),
      );
      for (const vma of cut) slabs.vmas.free(vma);
    }
    after(mm, all);
  }
  give(mm);
}

test(`list, tree, cache and count agree after each of thousands of changes (seed ${seed})`, () => {
  churn(4000, (mm, all) => {
    assert.is(vmaTree.validate(mm), undefined);
    assert.is(isa.read(mm + Mm.map_count), all.length);
    assert.equal(
      listed(mm),
      all.map(({ vma }) => vma),
    );
    findVma(mm, draw(PAGES) * PAGE);
  });
});

test(`lookups answer as a scan of all vmas does (seed ${seed})`, () => {
  churn(2500, (mm, all) => {
    for (let times = 0; times < 4; times += 1) {
      const address = draw((PAGES + 1) * PAGE);
      const end = address + draw(6 * PAGE) + 1;
      const next = all.find((each) => each.end > address);
      const prev = all.filter((each) => each.end <= address).at(-1);
      const [vma, before] = [next?.vma ?? 0, prev?.vma ?? 0];
      assert.is(findVma(mm, address), vma);
      assert.equal(findVmaPrev(mm, address), { vma, prev: before });
      assert.is(findVmaIntersection(mm, address, end), next && next.start < end ? vma : 0);
      const place = findVmaPrepare(mm, address);
      assert.is(place.vma, vma);
      if (!next || next.start > address) {
        assert.is(place.prev, before);
        assert.is(isa.read(place.link), 0);
        assert.ok(
          place.parent === 0 ? place.link === mm + Mm.mm_rb : [8, 12].includes(place.link - place.parent),
        );
      }
    }
  });
});

test('the cache answers for its own vma alone, and follows what happens to it', () => {
  const {
    mm,
    vmas: [a, b, c],
  } = spaceOf(2, 4, 6);
  const cached = (): number => isa.read(mm + Mm.mmap_cache);
  assert.is(findVma(mm, 4 * PAGE), b);
  assert.is(cached(), b);
  assert.is(findVma(mm, 3 * PAGE), b, 'the hole before it');
  assert.is(findVma(mm, 5 * PAGE), c, 'the hole behind it');
  assert.is(cached(), c);
  vmaUnlink(mm, c!);
  assert.is(cached(), b, 'goes back to the one before');
  assert.is(findVma(mm, 6 * PAGE), 0);
  assert.is(cached(), b, 'is kept when nothing is found');
  detachVmas(mm, a!, 3 * PAGE);
  assert.is(cached(), 0);
  vmaUnlink(mm, b!);
  assert.is(vmaTree.validate(mm), undefined);
  for (const vma of [a!, b!, c!]) slabs.vmas.free(vma);
  slabs.mms.free(mm);
});

test('a vma that overlaps another is not linked', () => {
  const { mm } = spaceOf(2, 4, 6);
  const over = makeVma(trees, mm, 3 * PAGE, 5 * PAGE);
  assert.throws(
    () => vmaLink(mm, over),
    /vm_area_struct#\d+ is to be linked where vm_area_struct#\d+ is: they overlap/,
  );
  assert.is(vmaTree.validate(mm), undefined);
  slabs.vmas.free(over);
  give(mm);
});

const DAMAGE: readonly [string, RegExp, (mm: number, vmas: readonly number[]) => void][] = [
  ['a cache that is not in the list', /mmap_cache is/, (mm, [, b]) => isa.write(mm + Mm.mmap_cache, b! + 4)],
  ['a wrong count', /map_count is 5, but the list has 4/, (mm) => isa.write(mm + Mm.map_count, 5)],
  ['vm_prev of another', /vm_prev of/, (_, [a, , c]) => isa.write(c! + Vma.vm_prev, a!)],
  ['a list out of order', /begins before/, (_, [, b]) => isa.write(b! + Vma.vm_start, 0)],
  ['an empty vma', /ends where it begins/, (_, [, , , d]) => isa.write(d! + Vma.vm_end, 8 * PAGE)],
  ['a list that goes round', /vm_prev of|goes round/, (_, [a, , , d]) => isa.write(d! + Vma.vm_next, a!)],
  ['a vma of another mm_struct', /belongs to another/, (_, [a]) => isa.write(a! + Vma.vm_mm, 4)],
  ['a vma that is free', /which is free/, (_, [, , , d]) => slabs.vmas.free(d!)],
  [
    'a wild vm_next',
    /vm_next of vm_area_struct#\d+ is 0x44, which is no vma/,
    (_, [a]) => isa.write(a! + Vma.vm_next, 0x44),
  ],
  [
    'a vma in the list alone',
    /the list has vm_area_struct#\d+, but the tree has not/,
    (mm, [, , , d]) => trees.rbtree.erase(mm + Mm.mm_rb, d! + Vma.vm_rb),
  ],
  [
    'a vma in the tree alone',
    /the tree has vm_area_struct#\d+ where the list has come to its end/,
    (mm, [, , c, d]) => {
      isa.write(c! + Vma.vm_next, 0);
      isa.write(d! + Vma.vm_prev, 0);
      isa.write(mm + Mm.map_count, 3);
    },
  ],
  ['a wild child', /below .* hangs 0x44/, (_, [a]) => isa.write(a! + Vma.vm_rb + RbNode.rb_left, 0x44)],
];
for (const [what, says, damage] of DAMAGE)
  test(`validate names ${what}`, () => {
    const { mm, vmas } = spaceOf(2, 4, 6, 8);
    assert.is(vmaTree.validate(mm), undefined);
    damage(mm, vmas);
    assert.match(vmaTree.validate(mm) ?? 'nothing', says);
    for (const vma of vmas) if (slabs.vmas.generation(vma) & 1) slabs.vmas.free(vma);
    slabs.mms.free(mm);
  });

test('a walk that meets a wild pointer says which, and does not follow it', () => {
  const walks: [string, (tree: VmaTree, mm: number) => unknown][] = [
    ['findVma', (tree, mm) => tree.findVma(mm, 2 * PAGE)],
    ['findVmaPrev', (tree, mm) => tree.findVmaPrev(mm, 2 * PAGE)],
    ['findVmaPrepare', (tree, mm) => tree.findVmaPrepare(mm, PAGE)],
  ];
  for (const wild of [0x44, -8, 2 ** 30, slabs.vmas.objectAt(1) + Vma.shared]) {
    const { mm, vmas } = spaceOf(2, 4, 6);
    const [, top] = vmas;
    assert.is(isa.read(mm + Mm.mm_rb), top! + Vma.vm_rb);
    isa.write(top! + Vma.vm_rb + RbNode.rb_left, wild);
    for (const [name, walk] of walks)
      assert.throws(
        () => walk(vmaTree, mm),
        (error: unknown) =>
          error instanceof TreeError && error.addr === wild && /a wild pointer/.test(error.message),
        `${name} ${wild}`,
      );
    give(mm);
  }
});

test.run();
