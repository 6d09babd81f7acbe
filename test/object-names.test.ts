/** An address in a slab is named by struct, number, field and generation, whoever asks; what lies in none is named by its number. */
import * as assert from 'uvu/assert';
import {
  createMachine,
  createObjectTable,
  createSlab,
  objects,
  sizeOf,
  slab,
  struct,
  u32,
  union,
  words,
} from '../src/memory/index.ts';
import { suite } from './suite.ts';

const test = suite('names of objects');
const Vma = struct('vma', { vm_start: u32, vm_end: u32 });
const Page = struct('page', {
  flags: u32,
  refcount: u32,
  links: union({ 'on a list': { lru: words(2) }, mlocked: { filler: u32, mlock_count: u32 } }),
  hot: u32.ownLine(),
});

function world() {
  const machine = createMachine({ cpus: 2 });
  const table = createObjectTable(machine);
  machine.alloc(3000);
  const at = createSlab(machine, { layout: Page, objects: 50 }, { table });
  const vmaAt = createSlab(machine, { layout: Vma, objects: 200, packed: true }, { table });
  const pages = slab({ isa: machine.boot }, at, Page);
  const vmas = slab({ isa: machine.boot, cpu: machine.attach(1) }, vmaAt, Vma);
  return { machine, table, at, pages, vmas };
}

test('an address is named by struct, number, field and generation', () => {
  const { machine, table, pages, vmas, at } = world();
  const { whatIs } = objects({ isa: machine.boot }, table, [Page, Vma]);
  const page = pages.objectAt(12);
  assert.is(whatIs(page + Page.refcount), 'page#12.refcount (generation 0, free)');
  for (let count = 0; count <= 12; count += 1) pages.alloc();
  assert.is(whatIs(page + Page.refcount), 'page#12.refcount (generation 1)');
  assert.is(whatIs(page + Page.mlock_count), 'page#12.lru[1]|mlock_count (generation 1)');
  assert.is(whatIs(page + Page.hot), 'page#12.hot (generation 1)');
  assert.is(whatIs(page + 32), 'page#12+0x20 (generation 1)', 'padding');
  pages.free(page);
  assert.is(whatIs(page), 'page#12.flags (generation 2, free)');
  assert.is(
    whatIs(pages.objectAt(49) + 192),
    `0x${(pages.objectAt(49) + 192).toString(16)}`,
    'behind the last',
  );
  const last = vmas.objectAt(199);
  assert.is(whatIs(last + Vma.vm_end), 'vma#199.vm_end (generation 0, free)');
  assert.is(whatIs(last + 8), 'vma#199+0x8 (generation 0, free)', 'its header');
  for (const nowhere of [at, at + 64, 4, machine.words.byteLength - 4, machine.words.byteLength, 0xfffffff0])
    assert.is(whatIs(nowhere), `0x${nowhere.toString(16)}`);
  assert.is(whatIs(0), 'NULL');
});

test('every word of every object leads back to it', () => {
  const { machine, table, pages, vmas } = world();
  const { find } = objects({ isa: machine.boot }, table, [Page, Vma]);
  for (const [all, layout, count] of [
    [pages, Page, 50],
    [vmas, Vma, 200],
  ] as const) {
    for (let index = 0; index < count; index += 1) {
      const object = all.objectAt(index);
      for (let offset = 0; offset < sizeOf(layout); offset += 4) {
        const found = find(object + offset)!;
        assert.equal(
          [found.object, found.index, found.offset, found.layout],
          [object, index, offset, layout],
        );
      }
    }
  }
  const object = vmas.alloc();
  assert.equal([find(object)!.live, find(object)!.by], [true, 1]);
  assert.is(find(pages.alloc())!.by, undefined, 'allocated by no CPU');
});

test('a kind that the reader does not know has no name, but a number', () => {
  const { machine, table, pages } = world();
  assert.is(
    objects({ isa: machine.boot }, table, [Vma]).whatIs(pages.objectAt(3) + 4),
    'object#3+0x4 (generation 0, free)',
  );
});

test('a copy of the memory is enough', () => {
  const { machine, table, pages } = world();
  const page = pages.alloc();
  const copy = machine.words.slice();
  pages.free(page);
  const { whatIs } = objects({ isa: { readOnce: (addr) => copy[addr / 4]! } }, table, [Page]);
  assert.is(whatIs(page + 4), 'page#0.refcount (generation 1)');
});

test.run();
