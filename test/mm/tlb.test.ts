/** A CPU uses a translation no longer than it is allowed to, and the processor's walk leaves its marks in the entry. */
import * as assert from 'uvu/assert';
import { hunt } from '../../harness/explore/hunt.ts';
import { torture } from '../../harness/torture/run.ts';
import type { Tortured } from '../../harness/torture/setup.ts';
import { createMachine } from '../../src/index.ts';
import {
  mkPte,
  PAGE_SIZE,
  PTE_ACCESSED,
  PTE_DIRTY,
  PTE_PRESENT,
  PTE_PROTNONE,
  PTE_RW,
  pteNumber,
} from '../../src/mm/pte.ts';
import { type MmSpec, MmSpecError, mmSpec } from '../../src/mm/spec.ts';
import { GATHER_PAGES, Mm, MmCpu, Payload, TLB_ENTRIES } from '../../src/mm/structs.ts';
import { planWorld } from '../../src/mm/world.ts';
import { watch } from '../fixtures/memory/watch.ts';
import { setUp, small, VM_FAULT_SIGSEGV } from '../fixtures/mm/small.ts';
import * as scenarios from '../fixtures/mm/tlb.ts';
import { seed } from '../seed.ts';
import { inTurn, longOnly, suite } from '../suite.ts';

const test = suite('mm: TLBs');
const some = inTurn(test, 8);
const own = (scenario: unknown): Tortured => scenario as Tortured;
const { url } = scenarios;

function fresh(given: Partial<MmSpec> = {}, cpus = 1) {
  const spec = mmSpec(given);
  const machine = createMachine({ cpus });
  const at = machine.alloc(planWorld(spec, cpus).end);
  const counter = { accesses: 0 };
  const cpu = machine.attach(0, {
    wrap: (isa) =>
      watch(isa, () => {
        counter.accesses += 1;
      }),
  });
  const kernel = small({ isa: cpu.isa, cpu, at, spec });
  const [mm, other] = setUp(kernel, 2, cpus) as [number, number];
  const map = (address: number, flags: number, into = mm): number => {
    const page = kernel.pageAlloc.allocPage();
    kernel.pgtable.set(kernel.pgtable.populate(into, address), mkPte(kernel.pages.pfnOf(page), flags));
    return page;
  };
  const entry = (address: number): number => kernel.pgtable.read(kernel.pgtable.lookup(mm, address));
  const count = (what: () => unknown): number => {
    counter.accesses = 0;
    what();
    return counter.accesses;
  };
  return { kernel, mm, other, map, entry, count };
}

for (const pteWords of [1, 2] as const)
  test(`the walk sets ACCESSED, and DIRTY for a write, in an entry that allows the access (${pteWords} words)`, () => {
    const { kernel, mm, map, entry } = fresh({ pteWords });
    const { translate } = kernel.tlb;
    const pfn = kernel.pages.pfnOf(map(0x1000, 0));
    map(0x2000, PTE_RW);
    assert.equal([translate(mm, 0x1000, true), entry(0x1000)], [0, mkPte(pfn, 0)], 'no write, and no mark');
    assert.is(translate(mm, 0x1000, false), mkPte(pfn, PTE_ACCESSED));
    assert.is(entry(0x1000), mkPte(pfn, PTE_ACCESSED));
    translate(mm, 0x2000, false);
    assert.is(entry(0x2000) & PTE_DIRTY, 0);
    assert.is(translate(mm, 0x2000, true), entry(0x2000));
    assert.is(
      entry(0x2000) & (PTE_ACCESSED | PTE_DIRTY),
      PTE_ACCESSED | PTE_DIRTY,
      'known for reading, walked again for the write',
    );
    assert.equal(
      [0x3000, 0x80_0000, 0x100_0000, -0x1000].map((address) => translate(mm, address, false)),
      [0, 0, 0, 0],
    );
    assert.is(kernel.tlb.validate(), undefined);
  });

test('an entry that is mapped and that nobody may use is no translation, and gets no marks', () => {
  const { kernel, mm, map, entry } = fresh();
  const { tlb, pgtable } = kernel;
  map(0x1000, PTE_RW);
  tlb.translate(mm, 0x1000, true);
  const at = pgtable.lookup(mm, 0x1000);
  const shut = (pgtable.getAndClear(at) & ~(PTE_PRESENT | PTE_ACCESSED | PTE_DIRTY)) | PTE_PROTNONE;
  pgtable.set(at, shut);
  assert.match(tlb.validate()!, /, which is not mapped there$/);
  tlb.flushPage(mm, 0x1000);
  assert.equal([tlb.translate(mm, 0x1000, false), tlb.translate(mm, 0x1000, true)], [0, 0]);
  assert.equal([entry(0x1000), tlb.validate()], [shut, undefined]);
});

test('a translation is used until it is flushed, and the oracle says which one is out of date', () => {
  const { kernel, mm, map, entry } = fresh();
  const { tlb, pgtable, pages, lru } = kernel;
  const page = map(0x1000, PTE_RW);
  map(0x2000, PTE_RW);
  const known = [tlb.translate(mm, 0x1000, true), tlb.translate(mm, 0x2000, true)];
  pgtable.getAndClear(pgtable.lookup(mm, 0x1000));
  assert.is(tlb.translate(mm, 0x1000, true), known[0]);
  assert.match(
    tlb.validate()!,
    /^CPU 0 translates 0x1000 of the mm at 0x\w+ to frame \d+, which is not mapped there$/,
  );
  assert.is(tlb.outlived(0x1000), undefined);
  if (pages.putTestzero(page)) lru.release(page);
  assert.match(
    tlb.outlived(0x1000)!,
    /^CPU 0 uses a translation of 0x1000 to frame \d+, which was freed since it was read: its generation was 1 and is 2$/,
  );
  const other = map(0x1000, PTE_RW);
  assert.is(other, page, 'the same frame: that is why');
  assert.match(tlb.outlived(0x1000)!, /was 1 and is 3$/);
  tlb.flushPage(mm, 0x1000);
  assert.is(tlb.validate(), undefined);
  assert.is(tlb.translate(mm, 0x2000, true), known[1], 'the neighbour stays');
  pgtable.clearFlags(pgtable.lookup(mm, 0x2000), PTE_RW);
  assert.match(tlb.validate()!, /for writing, which is mapped for reading only$/);
  tlb.flushRange(mm, 0x1000, 0x2000);
  assert.is(tlb.translate(mm, 0x2000, true), known[1], 'behind the range');
  tlb.flushRange(mm, 0x1000, 0x2001);
  assert.is(tlb.translate(mm, 0x2000, true), 0);
  tlb.translate(mm, 0x2000, false);
  tlb.flushMm(mm);
  pgtable.getAndClear(pgtable.lookup(mm, 0x2000));
  assert.equal([tlb.translate(mm, 0x2000, false), entry(0x2000), tlb.validate()], [0, 0, undefined]);
});

test('as many translations as there are entries; another page of the same entry pushes the first out', () => {
  const { kernel, mm, map, count } = fresh();
  const addresses = Array.from({ length: TLB_ENTRIES + 1 }, (_, at) => at * PAGE_SIZE);
  for (const address of addresses) map(address, PTE_RW);
  const walked = addresses.map((address) => count(() => kernel.tlb.translate(mm, address, true)));
  const hits = addresses.map((address) => count(() => kernel.tlb.translate(mm, address, true)));
  assert.equal(hits.slice(1, -1), Array(TLB_ENTRIES - 1).fill(3));
  assert.ok(hits[0]! > 3, 'pushed out');
  assert.ok(walked[1]! > 3);
});

test('a CPU is in the mask of the address space that it has loaded, until it leaves', () => {
  const { kernel, mm, other, map } = fresh();
  const { isa, tlb, world } = kernel;
  map(0x1000, PTE_RW);
  const state = () => [
    isa.read(mm + Mm.cpu_vm_mask),
    isa.read(other + Mm.cpu_vm_mask),
    isa.read(world.perCpu + MmCpu.active_mm),
  ];
  tlb.load(mm);
  assert.equal(state(), [1, 0, mm]);
  tlb.load(other);
  assert.equal(state(), [0, 1, other]);
  assert.is.not(tlb.translate(mm, 0x1000, false), 0, 'what an access needs is loaded');
  assert.equal(state(), [1, 0, mm]);
  tlb.load(0);
  assert.equal(state(), [1, 0, mm], 'lazily');
  tlb.flushPage(mm, 0x8000);
  assert.equal(state(), [0, 0, 0], 'until it is in the way');
  tlb.load(mm);
  tlb.flushMm(mm);
  assert.equal(state(), [1, 0, mm], 'in use');
  tlb.leave(mm);
  assert.equal(state(), [0, 0, 0]);
});

test('a page fault is handled and the access made again, or its number comes out', () => {
  const { kernel, mm, map } = fresh();
  let faults: unknown[] = [];
  Object.assign(kernel.faults, {
    handleMmFault(...what: unknown[]) {
      faults.push(what);
      if (faults.length === 3) return VM_FAULT_SIGSEGV;
      if (faults.length === 2) map(0x1000, PTE_RW);
      return 0;
    },
  });
  const { userWrite, userRead } = kernel.user;
  assert.is(userWrite(mm, 0x1234, 7, 8), 0);
  assert.equal(
    faults,
    [
      [mm, 0x1234, true],
      [mm, 0x1234, true],
    ],
    'the first one did not help',
  );
  assert.equal(userRead(mm, 0x1ffc), { fault: 0, owner: 7, version: 8 });
  assert.equal(userRead(mm, 0x2000), { fault: VM_FAULT_SIGSEGV, owner: 0, version: 0 });
  faults = [1, 1];
  assert.is(userWrite(mm, 0x2000, 1, 1), VM_FAULT_SIGSEGV);
  const pfn = pteNumber(kernel.pgtable.read(kernel.pgtable.lookup(mm, 0x1000)));
  assert.is(kernel.isa.read(kernel.pages.contentOf(kernel.pages.pageAt(pfn)) + Payload.version), 8);
  kernel.cpu.irqDisable();
  kernel.cpu.irqEnable();
  assert.throws(() => kernel.cpu.irqEnable(), /not disabled/, 'interrupts are on again after each');
});

test('a gather frees at the end, or when it is full, and takes what it freed off rss then', () => {
  const { kernel, mm, other, map } = fresh();
  const { isa, gather, pages, pgtable, pageAlloc } = kernel;
  const count = GATHER_PAGES + 3;
  const got = Array.from({ length: count }, (_, at) => map(at * PAGE_SIZE, PTE_RW));
  isa.write(mm + Mm.rss, count + 5);
  pages.get(got[1]!);
  const free = pageAlloc.freePages();
  const g = gather.begin(mm);
  assert.equal([gather.current(mm), gather.current(other)], [g, 0]);
  assert.throws(() => gather.begin(other), /^CPU 0 begins to gather pages while it gathers already$/);
  for (const [at, page] of got.entries()) {
    pgtable.getAndClear(pgtable.lookup(mm, at * PAGE_SIZE));
    gather.tlbRemovePage(g, page, at * PAGE_SIZE);
    assert.is(
      pageAlloc.freePages(),
      at + 1 < GATHER_PAGES ? free : free + GATHER_PAGES - 1,
      'one is held by somebody',
    );
  }
  assert.is(isa.read(mm + Mm.rss), count + 5);
  const inTables = 3;
  pgtable.freePgtables(mm, 0, count * PAGE_SIZE, 0, 0);
  assert.is(pageAlloc.freePages(), free + GATHER_PAGES - 1, 'tables wait, too');
  gather.finish(g);
  assert.equal([pageAlloc.freePages(), isa.read(mm + Mm.rss)], [free + count - 1 + inTables, 5]);
  assert.is(gather.current(mm), 0);
});

test('an address space that is torn down is loaded nowhere afterwards', () => {
  const { kernel, mm } = fresh();
  const { isa, gather, tlb, world } = kernel;
  tlb.load(mm);
  gather.finish(gather.begin(mm, true));
  assert.equal([isa.read(mm + Mm.cpu_vm_mask), isa.read(world.perCpu + MmCpu.active_mm)], [0, 0]);
});

test('a model has no more CPUs than a mask has bits', () => {
  const cpu = createMachine({ cpus: 33 }).attach(0);
  assert.throws(
    () => small({ isa: cpu.isa, cpu, at: 0 }),
    (error: unknown) => error instanceof MmSpecError && /32 CPUs at most, not 33$/.test(error.message),
  );
});

for (const [broken, fixed] of [
  [scenarios.noShootdown, scenarios.shootdown],
  [scenarios.freedBeforeFlush, scenarios.flushedBeforeFree],
  [scenarios.keptTranslations, scenarios.droppedTranslations],
  [scenarios.tablesAtOnce, scenarios.tablesGathered],
] as const) {
  const { wrong, caughtBy, says } = broken.mutant!;
  some(
    `${wrong}: that is found (seed ${seed})`,
    async () => {
      const silent = await hunt(own(fixed), { seed, executions: 60, models: ['sc', 'tso', 'weak'], url });
      assert.is(silent.verdict, 'clean', silent.failures[0]?.text);
      const { failures } = await hunt(own(broken), { seed, executions: 20_000, url });
      assert.is(failures[0]?.oracle, caughtBy, failures[0]?.text);
      assert.ok(failures[0]!.text.includes(says!), failures[0]!.text);
    },
    { deadline: 120_000 },
  );
}

test(`no frame that is freed is written into, and none is lost, on CPUs that run free (seed ${seed})`, async () => {
  const held = await torture(own(scenarios.longTogether), { seed, rounds: 12 }, { url });
  assert.is(held.verdict, 'success', JSON.stringify([held.exception, held.violations[0]]));
});

longOnly(test)(
  `without shootdown CPUs that run free write into frames that are freed (seed ${seed})`,
  async () => {
    const broken = await torture(own(scenarios.longAlone), { seed, rounds: 50_000, failFast: true }, { url });
    assert.is(broken.verdict, 'failure');
    assert.match(
      broken.exception?.message ?? '',
      /O-TAG: (somebody wrote into frame \d+|wrote 1.\d+, read 2.\d+)/,
    );
  },
);

test.run();
