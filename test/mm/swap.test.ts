/** An entry is counted once for each page table that holds it and once for its page in the cache, and has one page at most, whoever asks for it at the same time. */
import * as assert from 'uvu/assert';
import type { Isa } from '../../src/arch/index.ts';
import { tas } from '../../src/locking/tas.ts';
import { type Cpu, createMachine, struct, u32 } from '../../src/memory/index.ts';
import type { MmLocks } from '../../src/mm/kernel.ts';
import { MmViolation } from '../../src/mm/oracles/violation.ts';
import { type MmSpec, mmSpec } from '../../src/mm/spec.ts';
import { Page, PG, SwapInfo } from '../../src/mm/structs.ts';
import { FRAME_BYTES, planWorld } from '../../src/mm/world.ts';
import { type Actor, defineScenario, type ScenarioDefinition } from '../../src/scenario.ts';
import { onCpus } from '../fixtures/memory/cpus.ts';
import type { SwapResult } from '../fixtures/mm/reclaim-jobs.ts';
import { boot, type ReclaimKernel, reclaimKernel } from '../fixtures/mm/reclaim-kernel.ts';
import { enumerate, randomly } from '../scenarios/enumerate.ts';
import { seed } from '../seed.ts';
import { suite } from '../suite.ts';

const test = suite('swap');
const SLOTS = 4;
const SPEC: Partial<MmSpec> = { frames: 12, swapPages: SLOTS, vmas: 1, mms: 1 };

function fresh(cpus = 0) {
  const machine = createMachine({ cpus: cpus + 1 });
  const at = machine.alloc(planWorld(mmSpec(SPEC), machine.cpus).end);
  const cpu = machine.attach(cpus, { seed });
  const k = reclaimKernel({ isa: cpu.isa, cpu, at, spec: SPEC });
  boot(k);
  return { ...k, machine, at, k };
}

/** A page with this content, locked, in the cache and on the device. */
function swapped(
  { isa, pages, pageAlloc, swap, locks }: ReclaimKernel,
  content: number,
): [page: number, entry: number] {
  const page = pageAlloc.allocPage();
  isa.write(pages.contentOf(page), content);
  locks.page.acquire(page);
  assert.ok(swap.addToSwap(page));
  swap.writepage(page);
  return [page, isa.read(page + Page.private)];
}
const put = ({ pages, lru }: ReclaimKernel, page: number): void => {
  if (pages.putTestzero(page)) lru.release(page);
};
const says =
  (oracle: string) =>
  (error: unknown): boolean =>
    error instanceof MmViolation && error.oracle === oracle;

test('slots are given out once each, from where the last search ended, and none when the device goes', () => {
  const { swap } = fresh();
  const all = Array.from({ length: SLOTS }, () => swap.getSwapPage());
  assert.equal(all, [1, 2, 3, 4]);
  assert.is(swap.getSwapPage(), 0);
  assert.is(swap.free(2), 0);
  assert.is(swap.getSwapPage(), 2);
  assert.is(swap.free(3), 0);
  assert.ok(swap.swapoff());
  assert.not.ok(swap.swapoff());
  assert.is(swap.getSwapPage(), 0);
  assert.equal([swap.nextUsed(0), swap.nextUsed(2), swap.nextUsed(4)], [1, 4, 0]);
  swap.swapon();
  assert.is(swap.getSwapPage(), 3);
});

test('an entry that nobody counts can be neither counted nor freed', () => {
  const { swap } = fresh();
  const entry = swap.getSwapPage();
  assert.ok(swap.duplicate(entry));
  assert.equal([swap.count(entry), swap.free(entry), swap.free(entry)], [2, 1, 0]);
  assert.not.ok(swap.duplicate(entry));
  assert.throws(() => swap.free(entry), says('O-SWAPCNT'));
  assert.is(swap.readSwapCache(entry), 0);
  assert.is(
    swap.validate(() => 0),
    undefined,
  );
});

test('a page is found in the cache while it is there, and read from the device when it is not', () => {
  const { k, isa, swap, pages, locks, lru, pageAlloc } = fresh();
  const [page, entry] = swapped(k, 77);
  assert.equal([swap.count(entry), pages.count(page), pages.has(page, PG.dirty.mask)], [1, 2, false]);
  assert.ok(swap.duplicate(entry));
  assert.is(swap.lookupSwapCache(entry), page);
  put(k, page);
  swap.deleteFromSwapCache(page);
  locks.page.release(page);
  put(k, page);
  lru.drain();
  assert.is(pageAlloc.freePages(), SPEC.frames);
  assert.is(swap.lookupSwapCache(entry), 0);
  const again = swap.readSwapCache(entry);
  assert.equal([isa.read(pages.contentOf(again)), swap.count(entry)], [77, 2]);
  assert.ok(pages.has(again, PG.uptodate.mask));
  assert.not.ok(pages.has(again, PG.locked.mask));
  assert.is(swap.readSwapCache(entry), again);
  assert.is(
    swap.validate((each) => (each === entry ? 1 : 0)),
    undefined,
  );
});

test('a slot is given up with its last count, unless somebody still uses the page', () => {
  const { k, swap, pages, locks } = fresh();
  const [page, entry] = swapped(k, 5);
  assert.ok(swap.duplicate(entry));
  assert.not.ok(swap.tryToFreeSwap(page), 'a page table holds it');
  assert.not.ok(swap.removeExclusive(page));
  assert.is(swap.free(entry), 1);
  pages.get(page);
  assert.not.ok(swap.removeExclusive(page), 'one reference too many');
  pages.putTestzero(page);
  assert.ok(swap.removeExclusive(page));
  assert.equal(
    [swap.count(entry), pages.has(page, PG.swapcache.mask), pages.has(page, PG.dirty.mask)],
    [0, false, true],
  );
  assert.ok(swap.addToSwap(page));
  const other = swap.lookupSwapCache(swap.nextUsed(0));
  assert.ok(swap.tryToFreeSwap(page), 'whoever refers to it');
  put(k, other);
  assert.ok(swap.addToSwap(page));
  const third = swap.nextUsed(0);
  assert.ok(swap.duplicate(third));
  locks.page.release(page);
  put(k, page);
  swap.freeSwapAndCache(third);
  assert.equal([swap.nextUsed(0), k.pageAlloc.freePages()], [0, SPEC.frames], 'the page went with it');
  assert.is(
    swap.validate(() => 0),
    undefined,
  );
});

test('reclaim gets a clean page that nobody uses, and its slot stays counted', () => {
  const { k, swap, pages, locks } = fresh();
  const [page, entry] = swapped(k, 5);
  assert.ok(swap.duplicate(entry));
  pages.get(page);
  assert.not.ok(swap.removeUnused(page), 'somebody has it');
  pages.putTestzero(page);
  pages.set(page, PG.dirty.mask);
  assert.not.ok(swap.removeUnused(page), 'the device has not got it');
  swap.writepage(page);
  assert.ok(swap.removeUnused(page));
  assert.not.ok(swap.removeUnused(page), 'it is in no cache');
  assert.equal([swap.count(entry), pages.count(page)], [1, 1]);
  locks.page.release(page);
  put(k, page);
  assert.is(
    swap.validate((each) => (each === entry ? 1 : 0)),
    undefined,
  );
});

test(`two CPUs: counts are conserved, and nobody has another's page (seed ${seed})`, async () => {
  const { k, machine, at, isa, swap, world, pageAlloc, locks } = fresh(2);
  for (let slot = 0; slot < SLOTS; slot += 1) isa.write(world.swapDisk + FRAME_BYTES * slot, slot + 1);
  const held = [swap.getSwapPage(), swap.getSwapPage()];
  const ptes = (entry: number): number => (held.includes(entry) ? 1 : 0);
  const results = await onCpus<SwapResult>(
    machine,
    '../mm/reclaim-jobs',
    [0, 1].map((cpu) => ({
      cpu,
      job: 'churnSwap',
      args: { at, spec: SPEC, rounds: 2_000 },
      attach: { seed },
    })),
  );
  for (const { read, stale, foreign } of results) {
    assert.is(foreign, 0);
    assert.ok(read > 0 && stale > 0, JSON.stringify(results));
  }
  assert.is(swap.validate(ptes), undefined);
  for (let entry = 1; entry <= SLOTS; entry += 1) {
    const page = swap.lookupSwapCache(entry);
    if (page === 0) continue;
    locks.page.acquire(page);
    swap.deleteFromSwapCache(page);
    locks.page.release(page);
    put(k, page);
  }
  k.lru.drain();
  assert.is(swap.validate(ptes), undefined);
  assert.is(pageAlloc.freePages(), SPEC.frames);
});

const Seen = struct('seen', { page: u32, other: u32 });
const FIRST = {
  frames: 4,
  swapPages: 1,
  mms: 1,
  vmas: 1,
  anonVmas: 1,
  chains: 1,
  pteChains: 1,
  files: 1,
  filePages: 1,
};
const sizes = planWorld(mmSpec(FIRST), 2).end;

/** Spinlocks, but for the tree_lock, which lets everybody in. */
function treeUnlocked(isa: Isa, cpu: Cpu, at: number): MmLocks['spin'] {
  const real = tas.create(isa, cpu) as MmLocks['spin'];
  const open = planWorld(mmSpec(FIRST), 2, at).swap + SwapInfo.tree_lock;
  return {
    acquire: (lock) => void (lock === open || real.acquire(lock)),
    tryAcquire: (lock) => lock === open || real.tryAcquire(lock),
    release: (lock) => void (lock === open || real.release(lock)),
  };
}

/** Both CPUs want the page of one entry, which is on the device. */
function rendezvous(name: string, locked: boolean): ScenarioDefinition {
  const want =
    (word: number): Actor<ReclaimKernel> =>
    ({ isa, state, tools: { swap, locks } }) => {
      const page = swap.readSwapCache(1);
      locks.page.acquire(page);
      isa.write(state + sizes + word, page);
      locks.page.release(page);
    };
  return defineScenario<ReclaimKernel>({
    name,
    cpus: 2,
    stride: 1,
    state: sizes + 64,
    create: (isa, cpu, at) =>
      reclaimKernel({
        isa,
        cpu,
        at,
        spec: FIRST,
        ...(locked ? {} : { locks: { spin: treeUnlocked(isa, cpu, at) } }),
      }),
    init: ({ isa, tools }) => {
      boot(tools);
      tools.swap.getSwapPage();
      isa.write(tools.world.swapDisk, 9);
    },
    actors: [want(Seen.page), want(Seen.other)],
    check: ({ isa, state, tools, fail }) => {
      const [page, other] = [isa.read(state + sizes + Seen.page), isa.read(state + sizes + Seen.other)];
      if (page !== other) fail(`O-DUP: the entry has two pages, ${page} and ${other}`);
      if (isa.read(tools.pages.contentOf(page)) !== 9) fail('O-TAG: the page has not been read');
      const wrong = tools.swap.validate(() => 1);
      if (wrong !== undefined) fail(wrong);
    },
  }) as unknown as ScenarioDefinition;
}

test(`two CPUs that want one entry get one page, read once, in any order (seed ${seed})`, () => {
  const run = enumerate(rendezvous('rendezvous', true));
  for (const model of ['sc', 'tso', 'weak'] as const)
    for (let at = 0; at < 30; at += 1) {
      const { oracle, text } = run(randomly(seed + at), model);
      assert.is(oracle, undefined, `${model}, seed ${seed + at}: ${oracle}: ${text}`);
    }
});

test(`seen: they do not look whether the other was faster (seed ${seed})`, () => {
  const run = enumerate(rendezvous('no-rendezvous', false));
  const seen = new Set<string>();
  for (let at = 0; at < 200; at += 1) seen.add(run(randomly(seed + at), 'sc').oracle ?? 'silent');
  assert.ok(seen.has('check') || seen.has('race') || seen.has('exception'), [...seen].join());
});

/** Damage, and what is said of it. */
const DAMAGE: readonly (readonly [
  string,
  (k: ReclaimKernel, page: number, entry: number) => void,
  RegExp,
])[] = [
  [
    'a count too many',
    ({ swap }, _page, entry) => swap.duplicate(entry),
    /counted 2 times, 0 ptes hold it and the cache does$/,
  ],
  [
    'a count for nobody',
    ({ swap }) => swap.getSwapPage(),
    /entry 2 is counted 1 times, 0 ptes hold it and the cache does not/,
  ],
  [
    'a page of another entry',
    ({ isa }, page) => isa.write(page + Page.private, 3),
    /says that it is another's/,
  ],
  [
    'a page that is in no cache',
    ({ pages, pageAlloc }) => pages.set(pageAlloc.allocPage(), PG.swapcache.mask),
    /more than the cache holds/,
  ],
  [
    'a page without a reference',
    ({ isa }, page) => isa.writeOnce(page + Page._refcount, 0),
    /has no reference/,
  ],
];
for (const [what, damage, sentence] of DAMAGE)
  test(`O-SWAPCNT names ${what}`, () => {
    const { k, swap } = fresh();
    const [page, entry] = swapped(k, 1);
    assert.is(
      swap.validate(() => 0),
      undefined,
    );
    damage(k, page, entry);
    assert.match(swap.validate(() => 0) ?? '', /^O-SWAPCNT: /);
    assert.match(swap.validate(() => 0) ?? '', sentence);
  });

test.run();
