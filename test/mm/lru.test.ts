/** Every page is on the list that its flags name and on no other, the counters are the lengths, and the last reference takes it off, whatever was done and by how many. */
import * as assert from 'uvu/assert';
import { createMachine } from '../../src/memory/index.ts';
import { MmViolation } from '../../src/mm/oracles/violation.ts';
import type { MmSpec } from '../../src/mm/spec.ts';
import { mmSpec } from '../../src/mm/spec.ts';
import { PAGEVEC, Page, PG, Zone } from '../../src/mm/structs.ts';
import { planWorld } from '../../src/mm/world.ts';
import { onCpus } from '../fixtures/memory/cpus.ts';
import { boot, type ReclaimKernel, reclaimKernel } from '../fixtures/mm/reclaim-kernel.ts';
import { seed } from '../seed.ts';
import { suite } from '../suite.ts';

const test = suite('lru');
const SPEC: Partial<MmSpec> = { frames: 16, swapPages: 4, vmas: 1, mms: 1 };

function fresh(cpus = 1) {
  const machine = createMachine({ cpus: cpus + 1 });
  const at = machine.alloc(planWorld(mmSpec(SPEC), machine.cpus).end);
  const cpu = machine.attach(cpus, { seed });
  const k = reclaimKernel({ isa: cpu.isa, cpu, at, spec: SPEC });
  boot(k);
  return { machine, at, cpu, k };
}

const put = ({ pages, lru }: ReclaimKernel, page: number): void => {
  if (pages.putTestzero(page)) lru.release(page);
};
/** Pages on the inactive list. */
function listed(k: ReclaimKernel, count: number): number[] {
  const all = Array.from({ length: count }, () => k.pageAlloc.allocPage());
  for (const page of all) k.lru.cacheAdd(page);
  k.lru.drain();
  return all;
}
const on = (k: ReclaimKernel, page: number): string => {
  const is = (flag: { mask: number }): boolean => k.pages.has(page, flag.mask);
  if (!is(PG.lru)) return 'none';
  return is(PG.unevictable) ? 'unevictable' : is(PG.active) ? 'active' : 'inactive';
};

test('a new page waits with a reference of its own until the batch is full or drained', () => {
  const { k } = fresh();
  const all = Array.from({ length: PAGEVEC + 1 }, () => k.pageAlloc.allocPage());
  for (const page of all.slice(0, -2)) k.lru.cacheAdd(page);
  assert.equal([on(k, all[0]!), k.pages.count(all[0]!)], ['none', 2]);
  k.lru.cacheAdd(all.at(-2)!);
  assert.equal([on(k, all[0]!), k.pages.count(all[0]!)], ['inactive', 1], 'full');
  k.pages.set(all.at(-1)!, PG.active.mask);
  k.lru.cacheAdd(all.at(-1)!);
  put(k, all.at(-1)!);
  assert.is(on(k, all.at(-1)!), 'none');
  const free = k.pageAlloc.freePages();
  k.lru.drain();
  assert.is(k.pageAlloc.freePages(), free + 1, 'the batch had the last reference');
  assert.is(k.lru.validate(), undefined);
});

test('a page that is used twice becomes active, and no further', () => {
  const { k } = fresh();
  const [page] = listed(k, 1);
  const seen = Array.from({ length: 4 }, () => {
    const now = [on(k, page!), k.pages.has(page!, PG.referenced.mask)];
    k.lru.markPageAccessed(page!);
    return now;
  });
  assert.equal(seen, [
    ['inactive', false],
    ['inactive', true],
    ['active', false],
    ['active', true],
  ]);
  assert.is(k.lru.validate(), undefined);
});

test('a page is isolated once, and one that is being freed not at all', () => {
  const { k } = fresh();
  const [first, second] = listed(k, 2);
  assert.ok(k.lru.isolate(first!));
  assert.not.ok(k.lru.isolate(first!));
  assert.is(k.pages.count(first!), 2);
  assert.is(k.lru.validate(1), undefined);
  assert.ok(k.pages.putTestzero(second!));
  assert.equal(k.lru.isolateTail(false, 4), []);
  k.lru.release(second!);
  k.lru.putback(first!);
  assert.equal([on(k, first!), k.pages.count(first!)], ['inactive', 1]);
  assert.is(k.lru.validate(), undefined);
});

test('reclaim gets the oldest first', () => {
  const { k } = fresh();
  const all = listed(k, 3);
  const taken = k.lru.isolateTail(false, 2);
  assert.equal(taken, all.slice(0, 2));
  k.lru.putback(taken[0]!);
  k.lru.discard(taken[1]!);
  assert.equal(k.lru.isolateTail(false, 1), [all[2]]);
});

test('a page that is on a list cannot be put on one', () => {
  const { k } = fresh();
  const [page] = listed(k, 1);
  k.lru.lock();
  assert.throws(
    () => k.lru.attach(page!),
    (error: unknown) => error instanceof MmViolation && error.oracle === 'O-LRU',
  );
  k.lru.unlock();
});

test(`any operations leave lists, flags and counters of one mind (seed ${seed})`, () => {
  const { k, cpu } = fresh();
  const state = new Map<number, string>();
  const isolated = (): number => [...state.values()].filter((now) => now === 'isolated').length;
  const waiting: number[] = [];
  const drained = (): void => {
    for (const page of waiting.splice(0)) if (state.has(page)) state.set(page, on(k, page));
  };
  for (let round = 0; round < 1500; round += 1) {
    const all = [...state.keys()];
    const page = all[cpu.below(all.length)];
    const now = page === undefined ? 'none' : state.get(page)!;
    const what = cpu.below(8);
    if (page === undefined || (what === 0 && all.length < 10)) {
      const made = k.pageAlloc.allocPage();
      if (cpu.below(2) === 0) k.pages.set(made, PG.active.mask);
      k.lru.cacheAdd(made);
      state.set(made, 'waiting');
      waiting.push(made);
      if (waiting.length === PAGEVEC) {
        for (const each of waiting.splice(0))
          state.set(each, k.pages.has(each, PG.active.mask) ? 'active' : 'inactive');
      }
    } else if (what === 1) {
      const referenced = k.pages.has(page, PG.referenced.mask);
      k.lru.markPageAccessed(page);
      if (referenced && now === 'inactive') state.set(page, 'active');
    } else if (what === 2) {
      k.lru.activate(page);
      if (now === 'inactive') state.set(page, 'active');
    } else if (what === 3) {
      assert.is(k.lru.isolate(page), now === 'active' || now === 'inactive');
      if (now === 'active' || now === 'inactive') state.set(page, 'isolated');
    } else if (what === 4 && now === 'isolated') {
      const active = k.pages.has(page, PG.active.mask);
      k.lru.putback(page);
      state.set(page, active ? 'active' : 'inactive');
    } else if (what === 5) {
      const active = cpu.below(2) === 0;
      for (const taken of k.lru.isolateTail(active, 2)) {
        assert.is(state.get(taken), active ? 'active' : 'inactive');
        state.set(taken, 'isolated');
      }
    } else if (what === 6) {
      k.lru.drain();
      drained();
    } else if (what === 7) {
      if (now === 'isolated') k.lru.discard(page);
      if (now === 'waiting') {
        k.lru.drain();
        drained();
      }
      put(k, page);
      state.delete(page);
    }
    for (const [each, where] of state)
      assert.is(on(k, each), where === 'waiting' || where === 'isolated' ? 'none' : where, `round ${round}`);
    assert.is(k.lru.validate(isolated()), undefined, `round ${round}`);
    assert.is(k.pageAlloc.freePages() + state.size, SPEC.frames, `round ${round}`);
  }
});

test(`two CPUs leave them so, too (seed ${seed})`, async () => {
  const { machine, at, k } = fresh(2);
  const left = await onCpus<number>(
    machine,
    '../mm/reclaim-jobs',
    [0, 1].map((cpu) => ({
      cpu,
      job: 'churnLru',
      args: { at, spec: SPEC, rounds: 8_000 },
      attach: { seed },
    })),
  );
  assert.is(k.lru.validate(), undefined);
  assert.is(k.pageAlloc.freePages(), SPEC.frames! - left[0]! - left[1]!);
});

/** Damage, and what is said of it. */
const DAMAGE: readonly (readonly [string, (k: ReclaimKernel, all: number[]) => void, RegExp])[] = [
  [
    'a link that points elsewhere',
    ({ isa }, all) => isa.fetchAdd(all[1]! + Page.mlock_count, 1),
    /whose prev is/,
  ],
  [
    'a flag that names the other list',
    ({ pages }, all) => pages.set(all[1]!, PG.active.mask),
    /which its flags do not say/,
  ],
  [
    'a page that was freed where it was',
    ({ isa }, all) => isa.writeOnce(all[0]! + Page._refcount, 0),
    /without a reference/,
  ],
  [
    'PG_lru of a page that is on no list',
    ({ pages, pageAlloc }) => pages.set(pageAlloc.allocPage(), PG.lru.mask),
    /pages flagged inactive: 4, counted 3/,
  ],
  ['a page table', ({ pages }, all) => pages.set(all[2]!, PG.table.mask), /is a page table/],
  ['a reserved page', ({ pages }, all) => pages.set(all[2]!, PG.reserved.mask), /is reserved/],
  [
    'an inactive page too many',
    ({ isa, world }) => isa.write(world.zone + Zone.nr_inactive, 4),
    /nr_inactive: 4, counted 3/,
  ],
  [
    'an active page too few',
    ({ isa, world }) => isa.write(world.zone + Zone.nr_active, -1),
    /nr_active: -1, counted 0/,
  ],
  [
    'an unevictable page too many',
    ({ isa, world }) => isa.write(world.zone + Zone.nr_unevictable, 1),
    /nr_unevictable: 1, counted 0/,
  ],
  ['one that is still isolated', ({ lru }, all) => lru.isolate(all[0]!), /nr_isolated: 1, counted 0/],
];
for (const [what, damage, says] of DAMAGE)
  test(`O-LRU names ${what}`, () => {
    const { k } = fresh();
    const all = listed(k, 3);
    assert.is(k.lru.validate(), undefined);
    damage(k, all);
    assert.match(k.lru.validate() ?? '', /^O-LRU: /);
    assert.match(k.lru.validate() ?? '', says);
  });

test(`two CPUs without lru_lock are seen (seed ${seed})`, async () => {
  // They have to meet: on a busy machine that may take a few runs.
  for (let run = 0; run < 30; run += 1) {
    const { machine, at, k } = fresh(2);
    const runs = onCpus<number>(
      machine,
      '../mm/reclaim-jobs',
      [0, 1].map((cpu) => ({
        cpu,
        job: 'churnLruUnlocked',
        args: { at, spec: SPEC, rounds: 8_000 },
        attach: { seed: seed + run },
      })),
    );
    const seen = await runs.then(
      () => k.lru.validate(),
      (error: Error) => error.message,
    );
    if (seen === undefined) continue;
    assert.match(seen, /O-LRU|list|freed/);
    return;
  }
  assert.unreachable('30 runs without lru_lock, and no list is damaged');
});

test.run();
