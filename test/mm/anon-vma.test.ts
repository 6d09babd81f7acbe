/**
 * anon_vmas: chains lead from a page to every vma that may map it, references keep what is needed and nothing else, and every form of page_lock_anon_vma finds the anon_vma of a page, locked, for as
 * many locked instructions as it promises.
 */
import * as assert from 'uvu/assert';
import { OP, OPERATIONS, type Trace } from '../../harness/engines/trace.ts';
import { Exploration } from '../../harness/explore/exploration.ts';
import type { Tortured } from '../../harness/torture/setup.ts';
import { loadScenario, scenarioNames } from '../../src/catalog.ts';
import { createMachine, isTypeStable, OutOfObjects } from '../../src/memory/index.ts';
import type { AnonVmaForm } from '../../src/mm/anon-vma.ts';
import { AnonVma, MAPPING_FLAGS, Page, Vma } from '../../src/mm/structs.ts';
import { ANON_VMA_FORMS, type AnonVmaFormName } from '../../src/mm/variants/page-lock-anon-vma/forms.ts';
import {
  type AnonVmaScene,
  empty,
  exit,
  forkOf,
  inhabited,
  own,
  SCENE,
  sceneBytes,
  sceneOf,
  touch,
} from '../../src/scenarios/mm/anon-vma-scene.ts';
import { mmControls, mmRaces } from '../../src/scenarios/mm/index.ts';
import { fastPaths, url } from '../fixtures/mm/anon-vma-forms.ts';
import { read } from '../project.ts';
import { tableOf } from '../scenarios/table.ts';
import { suite } from '../suite.ts';

const test = suite('anon_vma');
const FORMS = Object.entries<AnonVmaForm>(ANON_VMA_FORMS);

/** A scene on a machine of its own, driven by this thread. */
function scene(
  begin: (scene: AnonVmaScene) => void,
  form: AnonVmaForm = ANON_VMA_FORMS['page-mapped'],
): AnonVmaScene {
  const machine = createMachine({ cpus: 1, bytes: sceneBytes(1) + 64 });
  const cpu = machine.attach(0, { engine: 'atomics' });
  const made = sceneOf(form)(cpu.isa, cpu, machine.alloc(sceneBytes(1)));
  begin(made);
  return made;
}

const anonVmaOf = ({ isa, vmaOf }: AnonVmaScene, process: number): number =>
  isa.read(vmaOf(process) + Vma.anon_vma);
const refs = ({ isa }: AnonVmaScene, anonVma: number): number => isa.read(anonVma + AnonVma.ref);
const rootOf = ({ isa }: AnonVmaScene, anonVma: number): number => isa.read(anonVma + AnonVma.root);

/** The processes on a list, oldest first. */
function listed({ anonVma, slabs }: AnonVmaScene, of: number): number[] {
  const found: number[] = [];
  anonVma.forEachVma(of, (vma) => {
    found.push(slabs.vmas.indexOf(vma));
  });
  return found;
}

/** Nothing is left of anon_vmas and chains. */
function allFree({ slabs }: AnonVmaScene): void {
  assert.is(slabs.anonVmas.freeObjects(), SCENE.anonVmas);
  assert.is(slabs.chains.freeObjects(), SCENE.chains);
}

test('the first page of a vma gives it an anon_vma, and no later one', () => {
  const s = scene(empty);
  touch(s, 0);
  const first = anonVmaOf(s, 0);
  assert.ok(first !== 0);
  touch(s, 0);
  assert.is(anonVmaOf(s, 0), first);
  assert.equal(listed(s, first), [0]);
  assert.is(refs(s, first), 1);
  assert.is(rootOf(s, first), first);
});

test('a vma may share the anon_vma of its neighbour, which lives as long as either', () => {
  const s = scene(empty);
  touch(s, 0);
  const shared = anonVmaOf(s, 0);
  assert.is(s.anonVma.prepare(s.vmaOf(1), shared), true);
  assert.equal(listed(s, shared), [0, 1]);
  s.anonVma.unlink(s.vmaOf(0));
  assert.equal(listed(s, shared), [1]);
  assert.is(refs(s, shared), 1);
  s.anonVma.unlink(s.vmaOf(1));
  allFree(s);
});

test('a child is found by the pages of all its forebears, and its own by nobody else', () => {
  const s = scene(empty);
  touch(s, 0);
  forkOf(s, 1, 0);
  forkOf(s, 2, 1);
  const [first, second, third] = [0, 1, 2].map((process) => anonVmaOf(s, process)) as [
    number,
    number,
    number,
  ];
  assert.is(new Set([first, second, third]).size, 3);
  assert.equal(listed(s, first), [0, 1, 2]);
  assert.equal(listed(s, second), [1, 2]);
  assert.equal(listed(s, third), [2]);
  for (const each of [second, third]) assert.is(rootOf(s, each), first);
  assert.is(refs(s, first), 3, 'its list, and two children');
});

test('the root outlives its own vmas, and goes with the last child, after it', () => {
  const s = scene(empty);
  touch(s, 0);
  forkOf(s, 1, 0);
  const root = anonVmaOf(s, 0);
  s.anonVma.unlink(s.vmaOf(0));
  assert.equal(listed(s, root), [1]);
  s.anonVma.unlink(s.vmaOf(1));
  allFree(s);
  // The root was freed last, so it is what is handed out first.
  touch(s, 2);
  assert.is(anonVmaOf(s, 2), root);
});

test('a fork of a process without anonymous pages makes nothing', () => {
  const s = scene(empty);
  forkOf(s, 1, 0);
  assert.is(anonVmaOf(s, 1), 0);
  allFree(s);
});

test('where memory runs out nothing is left behind', () => {
  const s = scene(empty);
  touch(s, 0);
  forkOf(s, 1, 0);
  const { anonVmas, chains } = s.slabs;
  const taken: number[] = [];
  for (let chain = chains.tryAlloc(); chain !== 0; chain = chains.tryAlloc()) taken.push(chain);
  assert.is(s.anonVma.prepare(s.vmaOf(2)), false);
  assert.is(s.anonVma.clone(s.vmaOf(2), s.vmaOf(1)), false);
  assert.is(s.anonVma.fork(s.vmaOf(2), s.vmaOf(1)), false);
  // One chain is enough for the first of two, three for both and not for the child's own.
  chains.free(taken.pop()!);
  assert.is(s.anonVma.clone(s.vmaOf(2), s.vmaOf(1)), false);
  chains.free(taken.pop()!);
  assert.is(s.anonVma.fork(s.vmaOf(2), s.vmaOf(1)), false);
  assert.is(chains.freeObjects(), 2);
  assert.is(anonVmas.freeObjects(), SCENE.anonVmas - 2);
  for (const chain of taken) chains.free(chain);
  for (let last = anonVmas.tryAlloc(); last !== 0; last = anonVmas.tryAlloc());
  assert.is(s.anonVma.prepare(s.vmaOf(2)), false);
  assert.is(s.anonVma.fork(s.vmaOf(2), s.vmaOf(1)), false);
  assert.is(chains.freeObjects(), SCENE.chains - 3);
  assert.equal(listed(s, anonVmaOf(s, 0)), [0, 1]);
  assert.throws(
    () => anonVmas.alloc(),
    (error: Error) => error instanceof OutOfObjects,
  );
});

test('a reference keeps an anon_vma without vmas, and none can be taken when the last has gone', () => {
  const s = scene(empty);
  touch(s, 0);
  const kept = anonVmaOf(s, 0);
  assert.is(s.anonVma.getUnlessZero(kept), true);
  s.anonVma.unlink(s.vmaOf(0));
  assert.is(refs(s, kept), 1);
  assert.is(s.anonVma.getUnlessZero(kept), true);
  s.anonVma.put(kept);
  s.anonVma.put(kept);
  assert.is(s.anonVma.getUnlessZero(kept), false);
  allFree(s);
});

test('the lock belongs to the constructor: an allocation leaves it as it is', () => {
  const s = scene(inhabited);
  const x = anonVmaOf(s, 0);
  exit(s, 0);
  const lock = x + AnonVma.lock;
  assert.is(s.locks.mutex.tryAcquire(lock), true);
  assert.is(s.anonVma.alloc(), x);
  assert.is(s.locks.mutex.tryAcquire(lock), false);
  s.locks.mutex.release(lock);
});

test('lock, references and root may be touched in a free anon_vma, and nothing else', () => {
  for (const field of ['root', 'lock', 'ref']) assert.is(isTypeStable(AnonVma, field), true);
  assert.is(isTypeStable(AnonVma, 'head[0]'), false);
  assert.is(isTypeStable(Vma, 'vm_start'), false);
});

for (const [name, form] of FORMS)
  test(`${name}: finds the anon_vma of a mapped page, locked, and of no other page`, () => {
    const s = scene(inhabited, form);
    const { isa, anonVma, page } = s;
    const x = anonVmaOf(s, 0);
    const lock = anonVma.lockOf(x);
    assert.is(anonVma.pageLockAnonVma(page), x);
    assert.ok(isa.read(lock) !== 0, 'it is locked');
    anonVma.pageUnlockAnonVma(x);
    assert.is(isa.read(lock), 0);
    own(s, 2);
    assert.is(anonVma.pageLockAnonVma(page), anonVmaOf(s, 2));
    anonVma.pageUnlockAnonVma(anonVmaOf(s, 2));
    const mapping = isa.read(page + Page.mapping);
    for (const other of [0, s.notes, s.notes + MAPPING_FLAGS, s.notes + 2]) {
      isa.write(page + Page.mapping, other);
      assert.is(anonVma.pageLockAnonVma(page), 0, `mapping ${other & MAPPING_FLAGS}`);
    }
    isa.write(page + Page.mapping, mapping);
    isa.write(page + Page._mapcount, -1);
    assert.is(anonVma.pageLockAnonVma(page), 0);
    assert.is(refs(s, x), 1);
    for (const process of [0, 2]) anonVma.unlink(s.vmaOf(process));
    allFree(s);
  });

/** Locked instructions to enter and to leave where nobody is in the way. */
const LOCKED: Readonly<Record<AnonVmaFormName, readonly number[]>> = {
  spinlock: [1, 0],
  'spinlock-rechecked': [1, 0],
  'get-and-lock': [2, 2],
  'get-recheck-and-lock': [2, 2],
  'refcount-test': [1, 1],
  'refcount-test-is-locked': [1, 1],
  'expedited-rcu': [1, 1],
  'page-mapped': [1, 1],
};

/** Read-modify-writes that succeeded, between one mark and the next. */
function locked(trace: Trace): number[] {
  const counts: number[] = [];
  for (let at = 0; at < trace.length; at += 1) {
    if (trace.op(at) === OP.published) counts.push(0);
    const { reads, writes } = OPERATIONS[trace.op(at)]!;
    if (reads && writes && counts.length > 0) counts[counts.length - 1]! += 1;
  }
  return counts;
}

test('locked instructions to enter and to leave, counted by the engine', async () => {
  const exploration = await Exploration.open(fastPaths as unknown as Tortured, { url });
  try {
    const { trace, failed } = await exploration.execution({ switches: [], seed: 1 });
    assert.is(failed, undefined);
    const counts = locked(trace);
    assert.is(counts.length, 3 * FORMS.length);
    const each = Object.fromEntries(FORMS.map(([name], at) => [name, [counts[3 * at], counts[3 * at + 1]]]));
    assert.equal(each, LOCKED);
  } finally {
    await exploration.close();
  }
});

test('docs/mm.md has the races and controls as their definitions say them', () => {
  const rows = read('docs/mm.md')
    .split('\n')
    .filter((line) => line.startsWith('| `mm/anon-vma/'))
    .map((line) => line.replace(/ +/g, ' '));
  const group = ({ name }: { name: string }): boolean => name.startsWith('mm/anon-vma/');
  const defined = [
    ...tableOf(mmRaces.filter(group)).slice(2),
    ...mmControls.filter(group).map(({ name, why, source }) => `| \`${name}\` | ${why} | ${source} |`),
  ];
  // The numbers have a table of their own there.
  assert.equal(
    rows,
    defined.map((row) => row.replace(/; mm\.md [RC][\w.]+/, '')),
  );
});

test('docs/mm.md has the forms, with their locked instructions', () => {
  const lines = read('docs/mm.md').split('\n');
  for (const [name, counts] of Object.entries(LOCKED)) {
    const row = lines.find((line) => line.startsWith(`| \`${name}\``));
    assert.is(row?.split('|')[3]?.trim(), counts.join(', '), name);
  }
});

test('the catalog knows every race and control, and loads it by its name', async () => {
  const names = await scenarioNames();
  const all = [
    ...mmRaces.flatMap(({ fixed, broken }) => [fixed, broken]),
    ...mmControls.map(({ scenario }) => scenario),
  ];
  assert.ok(all.length > 40);
  assert.is(new Set(names).size, names.length);
  for (const scenario of all) {
    assert.ok(names.includes(scenario.name), scenario.name);
    assert.is(await loadScenario(scenario.name), scenario);
  }
  assert.is(await loadScenario('mm/anon-vma/'), undefined);
  assert.is(await loadScenario('busted/mm/anon-vma/older-wider'), undefined);
});

test.run();
