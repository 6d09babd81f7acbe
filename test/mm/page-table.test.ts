/** Page tables hold what was put into them, are shared by neighbours and freed when nobody needs them, and are not lost when two CPUs make them. */
import * as assert from 'uvu/assert';
import { hunt } from '../../harness/explore/hunt.ts';
import type { Tortured } from '../../harness/torture/setup.ts';
import { createMachine } from '../../src/index.ts';
import { type PageTables, populateByCas } from '../../src/mm/page-table.ts';
import { mkPte, PAGE_SIZE, PTE_DIRTY, PTE_RW, swpPte, TASK_SIZE } from '../../src/mm/pte.ts';
import { type MmSpec, mmSpec } from '../../src/mm/spec.ts';
import { Mm } from '../../src/mm/structs.ts';
import { planWorld } from '../../src/mm/world.ts';
import { watch } from '../fixtures/memory/watch.ts';
import {
  byCas,
  exchanged,
  lockedRead,
  mmWide,
  perVma,
  readThenWrite,
  unlockedRead,
  url,
  wrongTables,
} from '../fixtures/mm/page-table.ts';
import { type Small, setUp, small } from '../fixtures/mm/small.ts';
import { seed } from '../seed.ts';
import { inTurn, suite } from '../suite.ts';

const test = suite('mm: page tables');
const some = inTurn(test, 8);
const own = (scenario: unknown): Tortured => scenario as Tortured;

function fresh(given: Partial<MmSpec>, pgtable?: (kernel: Small) => PageTables) {
  const spec = mmSpec({ frames: 400, ...given });
  const machine = createMachine({ cpus: 1 });
  const at = machine.alloc(planWorld(spec, 1).end);
  const counter = { accesses: 0 };
  const cpu = machine.attach(0, {
    seed,
    wrap: (isa) =>
      watch(isa, () => {
        counter.accesses += 1;
      }),
  });
  const kernel = small({ isa: cpu.isa, cpu, at, spec }, pgtable && { pgtable });
  const mms = setUp(kernel, 2, 1);
  return { kernel, cpu, mms, mm: mms[0]!, counter, free: kernel.pageAlloc.freePages() };
}

const FORMS: [string, Partial<MmSpec>, ((kernel: Small) => PageTables)?][] = [
  ['one word', { pteWords: 1 }],
  ['two words', { pteWords: 2 }],
  ['two words, tables by compare-exchange', { pteWords: 2 }, populateByCas],
];

for (const [form, given, pgtable] of FORMS) {
  test(`they hold what a map holds, for all of user space (${form}, seed ${seed})`, () => {
    const { kernel, cpu, mms } = fresh(given, pgtable);
    const { pgtable: t } = kernel;
    const model = new Map<number, number>();
    const places = Array.from({ length: 40 }, () => cpu.below(TASK_SIZE / PAGE_SIZE) * PAGE_SIZE);
    places.push(0, TASK_SIZE - PAGE_SIZE, TASK_SIZE / 2, TASK_SIZE / 2 - PAGE_SIZE);
    for (let step = 0; step < 1500; step += 1) {
      const which = cpu.below(2);
      const mm = mms[which]!;
      const address = places[cpu.below(places.length)]!;
      const key = address + which;
      const at = t.lookup(mm, address);
      assert.is(at === 0 ? 0 : t.read(at), model.get(key) ?? 0);
      switch (cpu.below(4)) {
        case 0: {
          const pte =
            cpu.below(2) === 0 ? mkPte(cpu.below(400), PTE_RW | PTE_DIRTY) : swpPte(cpu.below(2 ** 20));
          const there = t.populate(mm, address);
          t.getAndClear(there);
          t.set(there, pte);
          model.set(key, pte);
          break;
        }
        case 1:
          if (at !== 0) assert.is(t.getAndClear(at), model.get(key) ?? 0);
          model.delete(key);
          break;
        case 2:
          if (at !== 0) {
            const was = model.get(key) ?? 0;
            assert.is(t.clearFlags(at, PTE_RW), was);
            model.set(key, was & ~PTE_RW);
          }
          break;
        default: {
          const end = Math.min(address + cpu.below(400) * PAGE_SIZE, TASK_SIZE);
          const found: [number, number][] = [];
          t.forEach(mm, address, end, (entry, where) => {
            const pte = t.read(entry);
            if (pte !== 0) found.push([where, pte]);
          });
          const inside = [...model]
            .filter(
              ([one, pte]) => one % PAGE_SIZE === which && pte !== 0 && one - which >= address && one < end,
            )
            .map(([one, pte]): [number, number] => [one - which, pte]);
          assert.equal(
            found,
            inside.sort(([one], [other]) => one - other),
          );
        }
      }
    }
    assert.is(wrongTables(kernel, mms), undefined);
  });

  test(`tables that a neighbour needs stay, the others are freed, and no frame is lost (${form}, seed ${seed})`, () => {
    const { kernel, cpu, mms, free } = fresh(given, pgtable);
    const { pgtable: t, pageAlloc } = kernel;
    const mm = mms[0]!;
    for (let round = 0; round < 12; round += 1) {
      // Vmas beside and across the edges of tables, in any order.
      const edges = new Set<number>([0, TASK_SIZE]);
      while (edges.size < 12) edges.add((cpu.below(8) * 0x8_0000 + cpu.below(20) * PAGE_SIZE) % TASK_SIZE);
      const sorted = [...edges].sort((one, other) => one - other);
      const vmas = sorted
        .slice(1, -1)
        .flatMap((start, at, all) => (at % 2 === 0 ? [[start, all[at + 1]!]] : [])) as [number, number][];
      for (const [start, end] of vmas)
        for (const address of [start, end - PAGE_SIZE]) {
          const at = t.populate(mm, address);
          if (t.read(at) === 0) t.set(at, mkPte(1 + ((address >>> 12) % 7), 0));
        }
      while (vmas.length > 0) {
        const at = cpu.below(vmas.length);
        const [[start, end]] = vmas.splice(at, 1) as [[number, number]];
        t.forEach(mm, start, end, (entry) => t.getAndClear(entry) * 0);
        t.freePgtables(mm, start, end, vmas[at - 1]?.[1] ?? 0, vmas[at]?.[0] ?? 0);
        for (const [first, behind] of vmas)
          for (const address of [first, behind - PAGE_SIZE]) {
            const left = t.lookup(mm, address);
            assert.is(
              left === 0 ? 0 : t.read(left),
              mkPte(1 + ((address >>> 12) % 7), 0),
              `0x${address.toString(16)}`,
            );
          }
        assert.is(wrongTables(kernel, mms), undefined);
      }
      assert.equal([pageAlloc.freePages(), kernel.isa.read(mm + Mm.nr_ptes)], [free, 0]);
    }
    for (const each of mms) t.pgdFree(each);
    assert.is(pageAlloc.freePages(), kernel.spec.frames);
  });
}

test('without memory there is no entry, and no frame is lost', () => {
  for (const pteWords of [1, 2] as const) {
    const { kernel, mm, free } = fresh({ pteWords, frames: pteWords === 1 ? 4 : 8 });
    const { pgtable: t, pageAlloc } = kernel;
    assert.is(free, 2);
    const last = pageAlloc.allocPage();
    assert.equal([t.populate(mm, 0), t.lookup(mm, 0)], [0, 0], 'a pmd, and no pte page');
    assert.is(pageAlloc.freePages(), 0);
    kernel.lru.release(last - (kernel.pages.putTestzero(last) ? 0 : 1));
    assert.is.not(t.populate(mm, 0), 0);
    t.freePgtables(mm, 0, PAGE_SIZE, 0, 0);
    assert.is(pageAlloc.freePages(), free);
    const third = kernel.slabs.mms.alloc();
    if (pteWords === 2) assert.equal([t.pgdAlloc(third), pageAlloc.freePages()], [false, free]);
  }
});

test('on a built table lookup and populate take three accesses, an entry of one word is read and set by one', () => {
  const { kernel, mm, counter } = fresh({});
  const { pgtable: t } = kernel;
  const count = (what: () => unknown): number => {
    counter.accesses = 0;
    what();
    return counter.accesses;
  };
  const at = t.populate(mm, 0x3000);
  assert.equal(
    [
      () => t.lookup(mm, 0x4000),
      () => t.populate(mm, 0x4000),
      () => t.read(at),
      () => t.set(at, 0),
      () => t.getAndClear(at),
    ].map(count),
    [3, 3, 1, 2, 1],
    'set has a barrier',
  );
});

for (const [broken, ...held] of [
  [perVma, mmWide, byCas],
  [unlockedRead, lockedRead],
  [readThenWrite, exchanged],
] as const)
  some(`${broken.mutant!.wrong}: that is found (seed ${seed})`, async () => {
    for (const subject of held) {
      const silent = await hunt(own(subject), { seed, executions: 90, models: ['sc', 'tso', 'weak'], url });
      assert.is(silent.verdict, 'clean', silent.failures[0]?.text);
    }
    const { failures } = await hunt(own(broken), { seed, executions: 3000, url });
    assert.is(failures[0]?.oracle, 'check', failures[0]?.text);
    assert.ok(failures[0]!.text.startsWith(`${broken.mutant!.says}: `), failures[0]!.text);
  });

test.run();
