/** What is left of a slab is told apart by what leads to it: nothing does, a word of the state, another object; what is free is never left. */
import * as assert from 'uvu/assert';
import { type Keeps, leftOvers } from '../../harness/detect/leaks.ts';
import { createMachine, createSlab, ptr, slab, struct, tagOf, u32 } from '../../src/memory/index.ts';
import { suite } from '../suite.ts';

const Node = struct('leak_node', { next: ptr(), value: u32 });
const Wide = struct('leak_wide', { a: u32, b: u32, c: u32, next: ptr() });

const test = suite('leaks');

function made(layout: object | readonly object[] = Node) {
  const machine = createMachine({ cpus: 2 });
  const state = machine.alloc(64);
  const at = createSlab(machine, { layout, objects: 4 });
  const isa = machine.boot;
  const things = slab({ isa, cpu: machine.attach(1) }, at, layout);
  const left = (keeps: Keeps, slabs = [at]) =>
    leftOvers(machine.words, slabs, [{ from: state, to: state + 64 }], keeps);
  const lost = (keeps: Keeps): number[] => left(keeps).map(({ object }) => object);
  return { machine, isa, state, at, things, left, lost };
}

test('nothing may be left, or what a word of the state leads to', () => {
  const { isa, state, things, left, lost } = made();
  assert.equal(lost('nothing'), []);
  const [kept, forgotten] = [things.alloc(), things.alloc()];
  isa.write(state + 8, kept);
  assert.equal(lost('nothing').sort(), [kept, forgotten].sort());
  assert.equal(lost('reachable'), [forgotten]);
  assert.equal(left('reachable'), [{ object: forgotten, kind: tagOf(Node), by: 2 }]);
  things.free(forgotten);
  assert.equal(lost('reachable'), []);
  isa.write(state + 8, 0);
  assert.equal(lost('reachable'), [kept]);
});

test('a pointer into an object, or with low bits set, leads to it', () => {
  const { isa, state, things, lost } = made();
  const object = things.alloc();
  for (const pointer of [object + 1, object + Node.value]) {
    isa.write(state, pointer);
    assert.equal(lost('reachable'), []);
  }
  // The header belongs to the slab, and so does the next slot.
  isa.write(state, object + 60);
  assert.equal(lost('reachable'), [object]);
});

test('objects lead to objects, a circle of them to nothing', () => {
  const { isa, state, things, lost } = made();
  const [a, b, c] = [things.alloc(), things.alloc(), things.alloc()];
  isa.write(state, a);
  isa.write(a + Node.next, b);
  isa.write(b + Node.next, c);
  isa.write(c + Node.next, b);
  assert.equal(lost('reachable'), []);
  isa.write(a + Node.next, 0);
  assert.equal(lost('reachable').sort(), [b, c].sort());
});

test('what a free object or a free list still has in it is no pointer', () => {
  const { isa, state, things, lost } = made();
  const [a, b] = [things.alloc(), things.alloc()];
  isa.write(a + Node.next, b);
  isa.write(state, a);
  things.free(a);
  assert.equal(lost('reachable'), [b]);
});

test('a slab that lies in the state is no part of the roots', () => {
  const { machine, isa, state, at, things } = made();
  const [a, b] = [things.alloc(), things.alloc()];
  isa.write(a + Node.next, b);
  things.free(a);
  const all = { from: state, to: machine.words.byteLength };
  assert.equal(
    leftOvers(machine.words, [at], [all], 'reachable').map(({ object }) => object),
    [b],
  );
  // The word behind the slab is one of the state's again.
  const behind = machine.alloc(64);
  isa.write(behind, b);
  assert.equal(leftOvers(machine.words, [at], [all], 'reachable'), []);
});

test('slabs of several kinds say which one is left; memory that is no slab (any more) says nothing', () => {
  const { machine, things, left } = made([Node, Wide]);
  const wide = things.alloc(Wide);
  assert.equal(left('nothing'), [{ object: wide, kind: tagOf(Wide), by: 2 }]);
  assert.equal(left('nothing', [machine.alloc(64)]), []);
  assert.equal(left('nothing', []), []);
});

test.run();
