/** Pages are handed out to one owner at a time, last freed first, none is lost, and a page that is freed while it is in use is named. */
import * as assert from 'uvu/assert';
import { hunt } from '../../harness/explore/hunt.ts';
import { torture } from '../../harness/torture/run.ts';
import type { Tortured } from '../../harness/torture/setup.ts';
import { createMachine } from '../../src/index.ts';
import { BadPage } from '../../src/mm/page-alloc.ts';
import type { MmSpec } from '../../src/mm/spec.ts';
import { mmSpec } from '../../src/mm/spec.ts';
import { MAPPING_ANON, MmCpu, Page, PG } from '../../src/mm/structs.ts';
import { planWorld } from '../../src/mm/world.ts';
import {
  freedByTwo,
  locked,
  lockedPcp,
  long,
  longPcp,
  unlocked,
  unlockedPcp,
  url,
  wrongFreePages,
} from '../fixtures/mm/page-alloc.ts';
import { small } from '../fixtures/mm/small.ts';
import { seed } from '../seed.ts';
import { inTurn, suite } from '../suite.ts';

const test = suite('mm: page allocator');
const some = inTurn(test, 8);
const own = (scenario: unknown): Tortured => scenario as Tortured;
const CPUS = 2;

function fresh(given: Partial<MmSpec>) {
  const spec = mmSpec(given);
  const machine = createMachine({ cpus: CPUS });
  const at = machine.alloc(planWorld(spec, CPUS).end);
  const kernels = [0, 1].map((id) => {
    const cpu = machine.attach(id);
    return small({ isa: cpu.isa, cpu, at, spec });
  });
  kernels[0]!.pageAlloc.init();
  const give = (on: number, page: number): void => {
    const { pages, pageAlloc } = kernels[on]!;
    assert.ok(pages.putTestzero(page));
    pageAlloc.freePage(page);
  };
  const take = (on: number): number => kernels[on]!.pageAlloc.allocPage();
  return { kernel: kernels[0]!, kernels, give, take };
}

for (const pcp of [0, 3]) {
  test(`all frames but number 0, once each, then none (pcp ${pcp})`, () => {
    const { kernel, give, take } = fresh({ frames: 9, pcp });
    const got = Array.from({ length: 9 }, () => take(0));
    assert.equal(got.map(kernel.pages.pfnOf).sort(), [1, 2, 3, 4, 5, 6, 7, 8, 9]);
    assert.equal([take(0), kernel.pageAlloc.freePages()], [0, 0]);
    for (const page of got) give(0, page);
    assert.is(wrongFreePages(kernel, CPUS), undefined);
  });

  test(`what was freed last is handed out first (pcp ${pcp})`, () => {
    const { give, take } = fresh({ frames: 9, pcp });
    const [first, second, third] = [take(0), take(0), take(0)];
    for (const page of [second, first, third]) give(0, page!);
    assert.equal([take(0), take(0), take(0)], [third, first, second]);
  });
}

test('a pageset takes half of its size from the zone, gives half back when it is too full, and is out of reach of others', () => {
  const { kernel, kernels, give, take } = fresh({ frames: 8, pcp: 4 });
  const { isa, world } = kernel;
  const kept = (): number => isa.read(world.perCpu + MmCpu.pcp_count);
  const pages = [take(0)];
  assert.is(kept(), 1, 'two came, one went');
  while (pages.length < 8) pages.push(take(0));
  for (const [freed, left] of [1, 2, 3, 4, 3, 4, 3, 4].entries()) {
    give(0, pages[freed]!);
    assert.is(kept(), left, `after ${freed + 1}`);
  }
  const others = Array.from({ length: 4 }, () => take(1));
  assert.ok(others.every((page) => page !== 0));
  assert.equal([take(1), kernel.pageAlloc.freePages()], [0, 4]);
  kernel.pageAlloc.drain();
  assert.equal([kept(), take(1) !== 0], [0, true]);
  for (const { pageAlloc } of kernels) pageAlloc.drain();
  assert.is(wrongFreePages(kernel, CPUS, 5), undefined);
});

test('a page comes as new: one reference, not mapped, no flags, mapping, index or private, whatever it was', () => {
  const { kernel, give, take } = fresh({});
  const { isa, pages } = kernel;
  const page = take(0);
  pages.set(page, PG.dirty.mask | PG.referenced.mask | PG.uptodate.mask | PG.swapbacked.mask);
  isa.write(page + Page.mapping, 0x1000 + MAPPING_ANON);
  isa.write(page + Page.index, 7);
  isa.write(page + Page.private, 8);
  give(0, page);
  const generation = isa.read(page + Page.debug_generation);
  assert.is(take(0), page);
  const { flags, _refcount, _mapcount, mapping, index, private: priv, debug_generation } = Page;
  assert.equal(
    [flags, _refcount, _mapcount, mapping, index, priv, debug_generation].map((word) =>
      isa.read(page + word),
    ),
    [0, 1, -1, 0, 0, 0, generation + 1],
  );
  assert.is(isa.read(page + debug_generation) % 2, 1, 'odd while it is allocated');
});

test('a page that is freed in use, or twice, is named, and stays what it is', () => {
  const wrongs: [string, RegExp, (kernel: ReturnType<typeof small>, page: number) => void][] = [
    ['a reference', /with 1 references$/, () => {}],
    ['mapped', /with _mapcount 0$/, ({ isa }, page) => isa.write(page + Page._mapcount, 0)],
    [
      'on the LRU',
      /with PG_lru, PG_active set$/,
      ({ pages }, page) => pages.set(page, PG.lru.mask | PG.active.mask),
    ],
    ['locked', /with PG_locked set$/, ({ pages }, page) => pages.set(page, PG.locked.mask)],
    ['a table', /with PG_table set$/, ({ pages }, page) => pages.set(page, PG.table.mask)],
    ['of a file', /with the mapping 0x1000$/, ({ isa }, page) => isa.write(page + Page.mapping, 0x1000)],
    ['free', /twice$/, ({ pageAlloc }, page) => pageAlloc.freePage(page)],
  ];
  for (const [what, says, make] of wrongs) {
    const { kernel, take } = fresh({});
    const page = take(0);
    if (what !== 'a reference') kernel.pages.putTestzero(page);
    make(kernel, page);
    const before = kernel.pageAlloc.freePages();
    assert.throws(
      () => kernel.pageAlloc.freePage(page),
      (error: unknown) =>
        error instanceof BadPage &&
        error.page === page &&
        error.message.startsWith(`bad_page: page ${kernel.pages.pfnOf(page)} is freed `) &&
        says.test(error.message),
      what,
    );
    assert.is(kernel.pageAlloc.freePages(), before, what);
  }
  const { kernel } = fresh({});
  assert.throws(() => kernel.pageAlloc.freePage(12), /^bad_page: 0xc is freed, which is no page$/);
});

for (const [subject, broken, pcp] of [
  [locked, unlocked, 0],
  [lockedPcp, unlockedPcp, 3],
] as const) {
  some(
    `no page is lost or has two owners; without zone.lock the hunt sees it (pcp ${pcp}, seed ${seed})`,
    async () => {
      const silent = await hunt(own(subject), { seed, executions: 60, models: ['sc', 'tso', 'weak'], url });
      assert.is(silent.verdict, 'clean', silent.failures[0]?.text);
      const { failures } = await hunt(own(broken), { seed, executions: 5000, url });
      assert.ok(failures.length > 0);
    },
  );
}

test(`of two CPUs that free one page at the same time one is told (seed ${seed})`, async () => {
  const { verdict, failures } = await hunt(own(freedByTwo), { seed, executions: 150, url });
  assert.is(verdict, 'clean', failures[0]?.text);
});

for (const subject of [long, longPcp])
  some(
    `no page is lost or has two owners on CPUs that run free (${subject.name}, seed ${seed})`,
    async () => {
      const result = await torture(own(subject), { seed, rounds: 30 }, { url });
      assert.is(result.verdict, 'success', JSON.stringify([result.exception, result.violations[0]]));
    },
  );

test.run();
