/**
 * A lookup without the writer's lock returns what no order of the two allows, or stands on a vma that is gone; under one lock it does neither. And each of the
 * windows that the races of the threads need is there: between which stores of a writer a reader sees what.
 */
import * as assert from 'uvu/assert';
import { DETECTORS } from '../../harness/detect/index.ts';
import { hunt } from '../../harness/explore/hunt.ts';
import type { HuntFailure } from '../../harness/explore/hunt-types.ts';
import { replay } from '../../harness/explore/replay.ts';
import { decode } from '../../harness/explore/token.ts';
import type { Tortured } from '../../harness/torture/setup.ts';
import { Mm, RbNode, Vma } from '../../src/mm/structs.ts';
import type { VmaTree } from '../../src/mm/vma-tree.ts';
import { watch } from '../fixtures/memory/watch.ts';
import { seed } from '../seed.ts';
import { inTurn, suite } from '../suite.ts';
import { bare, makeMm, makeVma, treesOf } from './fixtures/bare.ts';
import { lookupBesideDetach, lookupBesideUnlink, url } from './fixtures/vma-races.ts';

const PAGE = 4096;
const test = suite('vma trees, raced');
const subject = (one: unknown): Tortured => one as Tortured;

const EXECUTIONS = 3000;
const SILENT = 60;
const some = inTurn(test, 8);

/** The first failure that this oracle finds. */
async function failureOf(broken: unknown, oracle: 'check' | 'lifetime'): Promise<HuntFailure> {
  const { failures } = await hunt(subject(broken), {
    url,
    seed,
    executions: EXECUTIONS,
    models: ['sc'],
    oracles: [oracle],
  });
  assert.is(failures[0]?.oracle, oracle);
  return failures[0]!;
}

test(
  `a vma that stays mapped is not found beside an unlink without the lock, and comes back from the token (seed ${seed})`,
  async () => {
    const { text, token } = await failureOf(lookupBesideUnlink.broken, 'check');
    assert.match(text, /O-LIN: findVma of an address in the last vma returned 0/);
    const { same, difference } = await replay(subject(lookupBesideUnlink.broken), decode(token), {
      times: 3,
      url,
    });
    assert.is(same, 3, difference);
  },
  { deadline: 120_000 },
);

for (const [what, oracle, says] of [
  ['stays in the cache', 'check', /mmap_cache is vm_area_struct#\d, which is not in the list/],
  ['is read when it is free', 'lifetime', /CPU 1 accesses vm_area_struct/],
] as const)
  some(
    `beside a detach without the lock a vma ${what} (seed ${seed})`,
    async () => assert.match((await failureOf(lookupBesideDetach.broken, oracle)).text, says),
    { deadline: 120_000 },
  );

for (const { name, fixed } of [lookupBesideUnlink, lookupBesideDetach])
  some(
    `${name} is silent when both hold the lock, under every model and detector (seed ${seed})`,
    async () => {
      const detect = DETECTORS.map((each) => each.name);
      const models = ['sc', 'tso', 'weak'] as const;
      const { verdict, failures } = await hunt(subject(fixed), {
        url,
        seed,
        executions: SILENT,
        models,
        detect,
      });
      assert.is(verdict, 'clean', failures[0]?.text);
    },
    { deadline: 120_000 },
  );

/** An address space of a vma at each odd page, and a second view of it that tells before each access. */
function space(vmas: number) {
  const { trees } = bare({ vmas: vmas + 1, mms: 1 });
  const mm = makeMm(trees);
  const all = Array.from({ length: vmas }, (_, at) =>
    makeVma(trees, mm, (2 * at + 1) * PAGE, (2 * at + 2) * PAGE),
  );
  for (const vma of all) trees.vmaTree.vmaLink(mm, vma);
  return { trees, mm, all };
}

type Space = ReturnType<typeof space>;

/** What a look between any two accesses of a writer sees, each once, in order. */
function seenDuring<T>(of: Space, look: () => T, write: (tree: VmaTree) => void): T[] {
  const seen = new Set<T>([look()]);
  const isa = watch(of.trees.isa, () => void seen.add(look()));
  write(treesOf({ ...of.trees, isa }).vmaTree);
  seen.add(look());
  return [...seen];
}

/** Which of list, tree and cache lead to a vma. */
function ways({ trees: { isa, vmaTree }, mm }: Space, vma: number): string {
  const on: string[] = [];
  vmaTree.forEach(mm, (each) => {
    if (each === vma) on.push('list');
  });
  const below = (node: number): boolean =>
    node !== 0 &&
    (node === vma + Vma.vm_rb ||
      below(isa.read(node + RbNode.rb_left)) ||
      below(isa.read(node + RbNode.rb_right)));
  if (below(isa.read(mm + Mm.mm_rb))) on.push('tree');
  if (isa.read(mm + Mm.mmap_cache) === vma) on.push('cache');
  return on.join(' ');
}

test('a descent misses a mapped vma while an unlink rotates the tree, and never without', () => {
  for (const [gone, expected] of [
    [0, [4, -1]],
    [4, [4, -1]],
    [2, [4]],
  ] as const) {
    const of = space(5);
    const { trees, mm, all } = of;
    const look = (): number => {
      trees.isa.write(mm + Mm.mmap_cache, 0);
      return all.indexOf(trees.vmaTree.findVma(mm, 9 * PAGE));
    };
    const seen = seenDuring(of, look, (tree) => tree.vmaUnlink(mm, all[gone]!));
    assert.equal(seen, expected, `without vma ${gone}`);
  }
});

test('an unlinked vma leaves the list first, then the tree, then the cache', () => {
  const of = space(5);
  const { trees, mm, all } = of;
  const gone = trees.vmaTree.findVma(mm, 5 * PAGE);
  const seen = seenDuring(
    of,
    () => ways(of, gone),
    (tree) => tree.vmaUnlink(mm, gone),
  );
  assert.equal(seen, ['list tree cache', 'tree cache', 'cache', '']);
  assert.is(trees.isa.read(gone + Vma.vm_next), all[3], 'and still leads on to the next');
});

test('a detached vma leaves the tree first, then the list, then the cache', () => {
  const of = space(5);
  const { trees, mm } = of;
  const gone = trees.vmaTree.findVma(mm, 5 * PAGE);
  const seen = seenDuring(
    of,
    () => ways(of, gone),
    (tree) => tree.detachVmas(mm, gone, 8 * PAGE),
  );
  assert.equal(seen, ['list tree cache', 'list cache', 'cache', '']);
});

test('a vma is on the list before it is in the tree; the new first one is alone there for a moment', () => {
  for (const [page, lengths] of [
    [0, [5, 1, 6]],
    [2, [5, 6]],
    [10, [5, 6]],
  ] as const) {
    const of = space(5);
    const { trees, mm } = of;
    const made = makeVma(trees, mm, page * PAGE, (page + 1) * PAGE);
    const length = (): number => {
      let count = 0;
      trees.vmaTree.forEach(mm, () => {
        count += 1;
      });
      return count;
    };
    const seen = seenDuring(
      of,
      () => [ways(of, made), length()].join(),
      (tree) => tree.vmaLink(mm, made),
    );
    const expected = lengths.map((each) => [each === 5 ? '' : 'list', each].join());
    assert.equal(seen, [...expected, 'list tree,6'], `at page ${page}`);
  }
});

test.run();
