/** A red-black tree holds its nodes in order and stays balanced, whatever is put in and taken out; a broken one is named by the property that it lacks. */
import * as assert from 'uvu/assert';
import { createMachine, ptr, sizeOf, struct, u32 } from '../../src/memory/index.ts';
import { RB_BLACK, RB_RED, TreeError } from '../../src/mm/rb-node.ts';
import { type RbAugment, type RbSteps, type RbTree, rbtree } from '../../src/mm/rbtree.ts';
import { RB_WORDS, RbNode } from '../../src/mm/structs.ts';
import { seed } from '../seed.ts';
import { suite } from '../suite.ts';

const Item = struct('item', { key: u32, node: ptr('rb_node', RB_WORDS), below: u32 });
const NODES = 96;
const { rb_left: LEFT, rb_right: RIGHT } = RbNode;

const machine = createMachine({ cpus: 1 });
const cpu = machine.attach(0, { seed });
const { isa } = cpu;
const draw = (below: number): number => cpu.below(below);
const items = Array.from({ length: NODES }, () => machine.alloc(sizeOf(Item)));
const root = machine.alloc(4);
const keyOf = (node: number): number => isa.read(node - Item.node + Item.key);
const BELOW = Item.below - Item.node;

/** Keeps in each node how many there are from there down. */
const counted: RbAugment = {
  propagate(from, stop) {
    for (let node = from; node !== stop; node = isa.read(node + RbNode.rb_parent))
      isa.write(node + BELOW, size(node));
  },
  copy: (from, to) => isa.write(to + BELOW, isa.read(from + BELOW)),
  rotate(from, to) {
    isa.write(to + BELOW, isa.read(from + BELOW));
    isa.write(from + BELOW, size(from));
  },
};
function size(node: number): number {
  const below = [LEFT, RIGHT].map((side) => isa.read(node + side)).filter((child) => child !== 0);
  return below.reduce((sum, child) => sum + isa.read(child + BELOW), 1);
}

function insert(tree: RbTree, item: number, key: number): void {
  isa.write(item + Item.key, key);
  isa.write(item + Item.below, 1);
  let parent = 0;
  let link = root;
  for (let node = isa.read(link); node !== 0; node = isa.read(link)) {
    parent = node;
    link = node + (key < keyOf(node) ? LEFT : RIGHT);
  }
  tree.insert(root, item + Item.node, parent, link, counted);
}

function fillInOrder(tree: RbTree, count: number): void {
  isa.write(root, 0);
  for (const [key, item] of items.slice(0, count).entries()) insert(tree, item, key);
}

/** What is wrong with the tree, its order and its counts. */
function check(tree: RbTree): string | undefined {
  let before = -1;
  return tree.validate(root, {
    visit(node) {
      if (keyOf(node) < before) return `${keyOf(node)} comes behind ${before}`;
      before = keyOf(node);
      return isa.read(node + BELOW) === size(node) ? undefined : `${before} counts wrong`;
    },
  });
}

/** Puts in and takes out at random, now more of this, now more of that; stops when `done` says so. */
function churn(tree: RbTree, steps: number, done: (held: readonly number[]) => boolean): void {
  isa.write(root, 0);
  const held: number[] = [];
  const free = [...items];
  for (let step = 0; step < steps; step += 1) {
    const grow = free.length > 0 && (held.length === 0 || draw(100) < (Math.floor(step / 150) % 2 ? 35 : 65));
    if (grow) {
      const item = free.splice(draw(free.length), 1)[0]!;
      insert(tree, item, draw(200));
      held.push(item);
    } else {
      const item = held.splice(draw(held.length), 1)[0]!;
      tree.erase(root, item + Item.node, counted);
      free.push(item);
    }
    if (done(held)) return;
  }
}

/** The keys from one end to the other. */
function walk(start: number, step: (node: number) => number): number[] {
  const keys: number[] = [];
  for (let node = start; node !== 0; node = step(node)) keys.push(keyOf(node));
  return keys;
}

const test = suite('red-black tree');

test(`agrees with a sorted array and keeps its properties over thousands of changes (seed ${seed})`, () => {
  const tree = rbtree({ isa });
  let step = 0;
  churn(tree, 6000, (held) => {
    step += 1;
    assert.is(check(tree), undefined, `after ${step} changes`);
    if (step % 5 !== 0 && held.length > 3) return false;
    const sorted = held.map((item) => isa.read(item + Item.key)).sort((a, b) => a - b);
    assert.equal(walk(tree.first(root), tree.next), sorted);
    assert.equal(walk(tree.last(root), tree.prev), sorted.reverse());
    return false;
  });
});

test('no path is more than twice as long as another, though all come in order', () => {
  const tree = rbtree({ isa });
  fillInOrder(tree, NODES);
  const depths: number[] = [];
  const down = (node: number, depth: number): void => {
    if (node === 0) depths.push(depth);
    else for (const side of [LEFT, RIGHT]) down(isa.read(node + side), depth + 1);
  };
  down(isa.read(root), 0);
  assert.is(check(tree), undefined);
  assert.ok(Math.max(...depths) <= 2 * Math.min(...depths), depths.join());
});

test(`equal keys come in the order in which they were put in (seed ${seed})`, () => {
  const tree = rbtree({ isa });
  const order = new Map<number, number>();
  let count = 0;
  churn(
    {
      ...tree,
      insert(at, node, ...rest) {
        count += 1;
        order.set(node, count);
        tree.insert(at, node, ...rest);
      },
    },
    1500,
    () => {
      for (let node = tree.first(root); node !== 0; node = tree.next(node)) {
        const next = tree.next(node);
        if (next !== 0 && keyOf(next) === keyOf(node)) assert.ok(order.get(node)! < order.get(next)!);
      }
      return false;
    },
  );
});

const only =
  (kept: number) =>
  (steps: RbSteps): RbSteps => ({
    ...steps,
    rotate: (at, node, side, augment) => side === kept && steps.rotate(at, node, side, augment),
  });
const BROKEN: readonly [string, RegExp, (steps: RbSteps) => RbSteps][] = [
  ['nothing is recoloured', /the root .* is red/, (steps) => ({ ...steps, setColor: () => {} })],
  [
    'nothing becomes red',
    /black nodes on the left/,
    (steps) => ({ ...steps, setColor: (node, color) => color === RB_BLACK && steps.setColor(node, color) }),
  ],
  [
    'nothing becomes black but the root',
    /is red/,
    (steps) => ({
      ...steps,
      setColor: (node, color) => (color === RB_RED || node === isa.read(root)) && steps.setColor(node, color),
    }),
  ],
  ['there is no rotation to the left', /black nodes|is red/, only(RIGHT)],
  ['there is no rotation to the right', /black nodes|is red/, only(LEFT)],
  [
    'a rotation does not tell who keeps a word',
    /counts wrong/,
    (steps) => ({ ...steps, rotate: (at, node, side) => steps.rotate(at, node, side) }),
  ],
  [
    'a rotation leaves the old parent in the node that goes down',
    /rb_parent of|is red|black nodes/,
    (steps) => ({
      ...steps,
      rotate(at, node, side, augment) {
        const parent = isa.read(node + RbNode.rb_parent);
        steps.rotate(at, node, side, augment);
        isa.write(node + RbNode.rb_parent, parent);
      },
    }),
  ],
];
for (const [what, says, variant] of BROKEN)
  test(`validate sees that ${what} (seed ${seed})`, () => {
    const tree = rbtree({ isa }, variant);
    let wrong: string | undefined;
    try {
      churn(tree, 2000, () => {
        wrong = check(tree);
        return wrong !== undefined;
      });
    } catch (error) {
      // Mending may find the damage first.
      assert.instance(error, TreeError);
      wrong = check(tree);
    }
    assert.match(wrong ?? 'nothing', says);
  });

test('validate ends in trees that go round and names what is no node', () => {
  const tree = rbtree({ isa });
  const top = (): number => isa.read(root);
  const cases: [RegExp, () => void][] = [
    [/rb_parent of/, () => isa.write(tree.first(root) + LEFT, top())],
    [/both children/, () => isa.write(top() + LEFT, isa.read(top() + RIGHT))],
    [/the colour of .* is 7/, () => isa.write(tree.last(root) + RbNode.rb_color, 7)],
    [/hangs 0x40, which is no node/, () => isa.write(tree.first(root) + LEFT, 0x40)],
  ];
  for (const [says, damage] of cases) {
    fillInOrder(tree, 7);
    damage();
    assert.match(
      tree.validate(root, { isNode: (node) => items.includes(node - Item.node) }) ?? 'nothing',
      says,
    );
  }
});

test('an erasure that needs a neighbour where there is none says so, and writes nothing to NULL', () => {
  const tree = rbtree({ isa });
  fillInOrder(tree, 7);
  const before = machine.words.slice(0, root / 4);
  isa.write(isa.read(root) + RIGHT, 0);
  assert.throws(
    () => {
      for (const item of items.slice(0, 3)) tree.erase(root, item + Item.node, counted);
    },
    (error: unknown) => error instanceof TreeError && /the tree is damaged/.test(error.message),
  );
  assert.equal(machine.words.slice(0, 16), before.slice(0, 16));
});

test.run();
