/**
 * The oracles of the access throw for what they are about, named by its id, and are silent while a kernel that is right does everything it can, with all its modules observed, in every regime.
 */
import * as assert from 'uvu/assert';
import { CpuArea, cpuArea, createMachine } from '../../src/memory/index.ts';
import { constructAnonVma } from '../../src/mm/anon-vma.ts';
import { createKernel, type KernelEnv } from '../../src/mm/create.ts';
import type { Kernel } from '../../src/mm/kernel.ts';
import { MLOCK_DESIGNS, type MlockName } from '../../src/mm/mlock/index.ts';
import { initModel, modelBytes } from '../../src/mm/model.ts';
import {
  accesses,
  type Ledger,
  ledger,
  ledgerBytes,
  MmViolation,
  observed,
  observeIsa,
  observeUser,
  quiescent,
} from '../../src/mm/oracles/index.ts';
import { pteHistory } from '../../src/mm/oracles/pte-history.ts';
import { mkPte, swpPte } from '../../src/mm/pte.ts';
import { REGIMES, regimeByName } from '../../src/mm/regime.ts';
import { VM_FAULT_PTNOTSAME } from '../../src/mm/spf/swap.ts';
import { AnonVma, Page, PG, VM, Vma } from '../../src/mm/structs.ts';
import { CROWDED, churn, type Made, oneCpu, sharedAt } from '../fixtures/mm/workload.ts';
import { seed } from '../seed.ts';
import { haveTurn, suite } from '../suite.ts';

const test = suite('oracles of the access');
const PAGE = 4096;
const RW = VM.READ | VM.WRITE;
const PLACES = 256;
/** A word that nobody else uses: of the CPU itself. */
const NOTE = cpuArea(0) + CpuArea.local;

/** That it throws a violation of this oracle. */
function violates(oracle: string, what: () => unknown, sentence: RegExp): void {
  try {
    what();
  } catch (error) {
    assert.instance(error, MmViolation);
    assert.is((error as MmViolation).oracle, oracle, (error as Error).message);
    assert.ok((error as Error).message.startsWith(`${oracle}: `));
    assert.match((error as Error).message, sentence);
    return;
  }
  assert.unreachable(`no violation of ${oracle}`);
}

/** A kernel with an address space of four pages, the first two of them written. */
function small(modules: Parameters<typeof createKernel>[0]['modules'] = {}, regime = 'A4') {
  const { k } = oneCpu({ frames: 32 }, () => ({ modules: { ...modules }, regime: regimeByName(regime)! }));
  const mm = k.mms.create();
  k.maps.mmap(mm, { address: 0x4000, length: 4 * PAGE, flags: RW });
  k.user.userWrite(mm, 0x4000, 1, 1);
  k.user.userWrite(mm, 0x5000, 1, 2);
  const entry = (address: number): number => k.pgtable.lookup(mm, address);
  const pageAt = (address: number): number => k.pages.pageAt(k.pgtable.read(entry(address)) >>> 8);
  return { k, mm, check: accesses(k), entry, pageAt, vma: k.vmaTree.findVma(mm, 0x4000) };
}

test('O-RC: a speculative fault that returns what its callers do not know; O-PTEHIST: a slot that no entry ever had', () => {
  const { k, mm } = small({
    spf: (kernel, original) =>
      observed.spf(kernel, (inner) => ({
        ...original(inner),
        handleSpeculativeFault: () => VM_FAULT_PTNOTSAME,
      })),
    ...pteHistory(NOTE),
  });
  violates('O-RC', () => k.spf.handleSpeculativeFault(mm, 0x4000, true), /returns 0x4000/);
  k.isa.write(NOTE, 0);
  violates('O-PTEHIST', () => k.swap.lookupSwapCache(3), /swap entry 3 is looked up/);
  k.pgtable.set(k.pgtable.lookup(mm, 0x6000), swpPte(3));
  assert.is(k.swap.lookupSwapCache(3), 0);
  violates('O-PTEHIST', () => k.swap.lookupSwapCache(99), /swap entry 99/);
});

test('O-UAF: an object that is free, one that is another by now, one that never was', () => {
  const { k, check, mm, vma } = small();
  const then = check.stamp(vma);
  check.live(vma, then);
  k.maps.munmap(mm, 0x4000, 4 * PAGE);
  violates('O-UAF', () => check.live(vma), /vm_area_struct#0 is used, and free since generation 2/);
  k.maps.mmap(mm, { address: 0x9000, length: PAGE, flags: RW });
  check.live(vma);
  violates(
    'O-UAF',
    () => check.live(vma, then),
    /by a pointer from its generation 1, and is in its generation 3/,
  );
  violates('O-UAF', () => check.live(vma + 4), /never was an object/);
});

test('O-TYPE: an address of no such object, and memory that is another kind by now', () => {
  const { check, vma } = small();
  check.kind(vma, 'vmas');
  violates(
    'O-TYPE',
    () => check.kind(vma, 'anonVmas'),
    /is used as one of the anonVmas, and is no object of them/,
  );
  const slabs = { anonVmas: { layout: [AnonVma, Vma], objects: 1 } };
  const machine = createMachine({ cpus: 1 });
  const cpu = machine.attach(0);
  const at = machine.alloc(modelBytes({}, 1, slabs));
  const k = createKernel({ isa: cpu.isa, cpu, at, slabs });
  initModel(k, slabs);
  const object = k.slabs.anonVmas.alloc(Vma);
  violates('O-TYPE', () => accesses(k).kind(object, 'anonVmas'), /memory that is something else now/);
  k.slabs.anonVmas.free(object);
  constructAnonVma(cpu.isa, k.slabs.anonVmas.alloc(AnonVma));
  accesses(k).kind(object, 'anonVmas');
});

test('O-REF>=: a page that nobody has is used, and one that is still mapped or cached is let go', () => {
  const { k, pageAt } = small({ pages: observed.pages });
  const page = k.pageAlloc.allocPage();
  assert.is(k.pages.putTestzero(page), true);
  k.pageAlloc.freePage(page);
  violates('O-REF>=', () => k.pages.get(page), /page\[\d+\] is used with _refcount 0/);
  violates('O-REF>=', () => k.pages.putTestzero(page), /is used with _refcount 0/);
  const mapped = pageAt(0x4000);
  k.isa.write(mapped + Page._refcount, 1);
  violates('O-REF>=', () => k.pages.putTestzero(mapped), /has lost its last reference, and is mapped/);
  const cached = k.pageAlloc.allocPage();
  k.pages.set(cached, PG.swapcache.mask);
  violates('O-REF>=', () => k.pages.putTestzero(cached), /and is in the swap cache/);
});

test('O-PT: an entry in what is no table any more, or another; a page that nobody has becomes present', () => {
  const { k, check, mm, entry } = small({ pgtable: observed.pgtable });
  const at = entry(0x4000);
  const then = check.tableStamp(at);
  check.table(at, then);
  const free = k.pageAlloc.allocPage();
  k.pages.putTestzero(free);
  k.pageAlloc.freePage(free);
  violates('O-REF>=', () => k.pgtable.set(at, mkPte(k.pages.pfnOf(free), 0)), /is used with _refcount 0/);
  k.maps.munmap(mm, 0x4000, 4 * PAGE);
  for (const use of [() => k.pgtable.read(at), () => k.pgtable.set(at, 0), () => k.pgtable.getAndClear(at)])
    violates(
      'O-PT',
      use,
      /page_table\[\d+\]\.entry\[4\] is used as an entry, and page\[\d+\] is no page table/,
    );
  k.maps.mmap(mm, { address: 0x4000, length: PAGE, flags: RW });
  k.user.userWrite(mm, 0x4000, 1, 3);
  violates('O-PT', () => check.table(at, then), /no page table|was freed since it was walked to/);
  violates('O-PT', () => check.table(64), /lies in no frame/);
});

test('O-UAF: a search that returns what is free', () => {
  let stale = 0;
  const { k, mm, vma } = small({
    vmaTree: (kernel, original) =>
      observed.vmaTree(kernel, (inner) => {
        const ops = original(inner);
        return { ...ops, findVma: (of, address) => stale || ops.findVma(of, address) };
      }),
  });
  k.maps.munmap(mm, 0x4000, 4 * PAGE);
  assert.is(k.vmaTree.findVma(mm, 0x4000), 0);
  stale = vma;
  violates(
    'O-UAF',
    () => k.vmaTree.findVma(mm, 0x4000),
    /vm_area_struct#0 is used, and free since generation 2/,
  );
});

test('O-AV: page_lock_anon_vma returns what the page never named, or what is free', () => {
  let answer = (_page: number): number => 0;
  const { k, pageAt, mm } = small({
    anonVma: (kernel, original) =>
      observed.anonVma(kernel, (inner) => {
        const ops = original(inner);
        return { ...ops, pageLockAnonVma: (page) => answer(page) };
      }),
  });
  const page = pageAt(0x4000);
  const own = k.isa.read(page + Page.mapping) & ~3;
  answer = () => own;
  assert.is(k.anonVma.pageLockAnonVma(page), own);
  answer = () => 0;
  assert.is(k.anonVma.pageLockAnonVma(page), 0);
  const other = k.anonVma.alloc();
  answer = () => other;
  violates(
    'O-AV',
    () => k.anonVma.pageLockAnonVma(page),
    /returns anon_vma#1 in its generation 1, which the page never named/,
  );
  k.anonVma.put(other);
  violates('O-AV', () => k.anonVma.pageLockAnonVma(page), /returns anon_vma#1, which is free/);
  answer = () => own + 4;
  violates('O-TYPE', () => k.anonVma.pageLockAnonVma(page), /is used as one of the anonVmas/);
  // Recycled while it ran: Paul McKenney's five steps.
  k.pages.get(page);
  answer = () => {
    k.maps.munmap(mm, 0x4000, 4 * PAGE);
    return k.anonVma.alloc();
  };
  violates(
    'O-AV',
    () => k.anonVma.pageLockAnonVma(page),
    /returns anon_vma#0 in its generation 3, which the page never named: it named anon_vma#0 in its generation 1/,
  );
});

test('O-RSV1, O-MLOCK: reclaim is allowed what a driver or mlock keeps, unless it was mlocked meanwhile', () => {
  let meanwhile = (): void => {};
  const { k, vma, pageAt } = small({
    unmappable: (kernel) =>
      observed.unmappable(kernel, () => ({
        allows() {
          meanwhile();
          return true;
        },
      })),
  });
  const page = pageAt(0x4000);
  const flags = (set: number): void => k.isa.write(vma + Vma.vm_flags, RW | set);
  assert.is(k.unmappable.allows(page, vma), true);
  flags(VM.RESERVED);
  violates(
    'O-RSV1',
    () => k.unmappable.allows(page, vma),
    /reclaim unmaps page\[\d+\] from the VM_RESERVED vm_area_struct#0/,
  );
  flags(VM.LOCKED);
  violates('O-MLOCK', () => k.unmappable.allows(page, vma), /from the VM_LOCKED vm_area_struct#0/);
  flags(0);
  meanwhile = () => flags(VM.LOCKED);
  assert.is(k.unmappable.allows(page, vma), true);
});

test('O-UAF at the access: any word of a free object but those that tell so, whatever the operation', () => {
  const { k, placed, machine } = oneCpu({ frames: 32 });
  const where = { at: placed.at, cpus: 1, spec: placed.spec };
  const isa = observeIsa(k.isa, where);
  const vma = k.slabs.vmas.alloc();
  isa.write(vma + Vma.vm_end, 5);
  assert.is(isa.fetchAdd(vma + Vma.vm_end, 1), 5);
  k.slabs.vmas.free(vma);
  violates(
    'O-UAF',
    () => isa.read(vma + Vma.vm_end),
    /vm_area_struct#0\.vm_end is accessed, and its object is free since generation 2/,
  );
  violates('O-UAF', () => isa.compareExchange(vma + Vma.vm_end, 6, 7), /vm_end is accessed/);
  violates('O-UAF', () => isa.storeWake(vma + Vma.vm_end, 7), /vm_end is accessed/);
  assert.is(k.isa.read(vma + Vma.vm_end), 6, 'what was refused is not done');
  const anonVma = k.slabs.anonVmas.objectAt(0);
  for (const word of [AnonVma.root, AnonVma.lock, AnonVma.ref]) isa.read(anonVma + word);
  violates(
    'O-UAF',
    () => isa.read(anonVma + AnonVma.head),
    /anon_vma#0\.head\.next is accessed, and its object is free$/,
  );
  const over = createKernel({ isa, cpu: k.cpu, at: placed.at, spec: placed.spec });
  assert.equal(quiescent(over), [], 'oracles look at free objects');
  assert.is(over.slabs.vmas.alloc(), vma, 'and the slab at its own words');
  assert.ok(machine.cpus === 1);
});

/** A kernel whose users are observed, on a ledger. */
function watched(): { k: Kernel; mm: number; book: Ledger; content(address: number): number } {
  let book: Ledger | undefined;
  const { k } = oneCpu({ frames: 32 }, ({ machine }) => {
    const at = machine.alloc(ledgerBytes(PLACES));
    return {
      modules: observeUser({ book: ({ isa }) => (book ??= ledger(isa, at, PLACES)), shared: sharedAt }),
    };
  });
  const mm = k.mms.create();
  k.maps.mmap(mm, { address: 0x4000, length: 4 * PAGE, flags: RW });
  const content = (address: number): number =>
    k.pages.contentOf(k.pages.pageAt(k.pgtable.read(k.pgtable.lookup(mm, address)) >>> 8));
  return { k, mm, book: book!, content };
}

test('O-LOST, O-TAG: a read finds the last write that was acknowledged, or a later one', () => {
  const { k, mm, book, content } = watched();
  k.user.userWrite(mm, 0x4000, 7, 3);
  assert.equal(book.find(mm, 4), { owner: mm, page: 4, generation: 1, by: 7, version: 3, most: 3 });
  assert.is(k.user.userRead(mm, 0x4000).version, 3);
  k.isa.write(content(0x4000) + 4, 2);
  violates('O-LOST', () => k.user.userRead(mm, 0x4000), /write 2 stands there, and write 3 was acknowledged/);
  assert.match(
    quiescent(k, { ledger: book })[0] ?? '',
    /^O-LOST: write 3 of 7 to 0x4000 of mm_struct#0 is lost: page\[\d+\] has write 2$/,
  );
  k.isa.write(content(0x4000), 8);
  violates('O-TAG', () => k.user.userRead(mm, 0x4000), /write 2 of 8 stands there, not of 7/);
  assert.match(quiescent(k, { ledger: book })[0] ?? '', /^O-TAG: /);
  k.user.userWrite(mm, 0x4000, 7, 4);
  assert.equal(quiescent(k, { ledger: book }), []);
});

test('what is unmapped, dropped or moved is forgotten or moved; a child of fork has its parent’s writes', () => {
  const { k, mm, book } = watched();
  for (const address of [0x4000, 0x5000, 0x6000]) k.user.userWrite(mm, address, 7, address >> 12);
  const child = k.mms.fork(mm);
  k.user.userWrite(mm, 0x5000, 7, 9);
  assert.is(k.user.userRead(child, 0x5000).version, 5);
  assert.equal(quiescent(k, { ledger: book }), []);
  assert.is(book.find(child, 5)?.version, 5);
  k.maps.munmap(mm, 0x4000, PAGE);
  k.maps.madviseDontneed(mm, 0x5000, PAGE);
  assert.equal([book.find(mm, 4), book.find(mm, 5)], [undefined, undefined]);
  const to = k.mremap.mremap(mm, 0x6000, PAGE, PAGE, 1, 0x20000);
  assert.is(to, 0x20000);
  assert.is(book.find(mm, 0x20)?.version, 6);
  assert.is(k.user.userRead(mm, 0x20000).version, 6);
  assert.equal(quiescent(k, { ledger: book }), []);
  k.mms.put(child);
  assert.equal(
    quiescent(k, { ledger: book, except: ['O-TLB'] }),
    [],
    'places of an address space that is gone say nothing',
  );
});

test('two names of a page of a file are one place', () => {
  const { k, mm, book } = watched();
  const file = k.pageCache.create(4);
  for (const address of [0x30000, 0x40000])
    k.maps.mmap(mm, { address, length: 2 * PAGE, flags: RW | VM.SHARED, file, pgoff: 1 });
  k.user.userWrite(mm, 0x31000, 7, 5);
  assert.is(book.find(file, 2)?.version, 5);
  assert.is(k.user.userRead(mm, 0x41000).version, 5);
  assert.equal(quiescent(k, { ledger: book }), []);
});

test('a page that a parent writes to during fork is in the child what it was at some moment of it', () => {
  const { k, mm, book, content } = watched();
  k.user.userWrite(mm, 0x4000, 7, 5);
  const before = book.all(mm);
  const child = k.mms.fork(mm);
  // As if another thread of the parent had made it while fork was under way.
  book.wrote(mm, 4, 1, 7, 6);
  book.forked(child, 1, mm, before);
  assert.equal([book.find(child, 4)?.version, book.find(child, 4)?.most], [5, 6]);
  const lost = (version: number): number => {
    k.isa.write(content(0x4000) + 4, version);
    return quiescent(k, { ledger: book, only: ['O-LOST'] }).filter((each) => /mm_struct#1/.test(each)).length;
  };
  book.forgot(mm, 4, 5);
  assert.equal([4, 5, 6, 7].map(lost), [1, 0, 0, 1]);
});

test('a ledger that is full says so', () => {
  const machine = createMachine({ cpus: 1 });
  const book = ledger(machine.boot, machine.alloc(ledgerBytes(2)), 2);
  book.wrote(64, 1, 1, 7, 1);
  book.wrote(64, 2, 1, 7, 1);
  book.wrote(64, 1, 1, 7, 2);
  assert.is(book.all().length, 2);
  assert.throws(() => book.wrote(64, 3, 1, 7, 1), /all 2 places of the ledger are taken/);
});

/** Entries of one word and of two, and designs for mlocked pages: one that may lose count, and one that may not. */
const DESIGNS: readonly (readonly [pteWords: 1 | 2, mlock: MlockName])[] = [
  [1, 'lru-count'],
  [2, 'lru-count'],
  [1, (['bit', 'count', 'off-lru'] as const)[seed % 3]!],
];

for (const regime of haveTurn(REGIMES, 6))
  test(`${regime.name}: an observed kernel does everything at random, and nothing is wrong (seed ${seed})`, () => {
    for (const [pteWords, mlock] of DESIGNS) {
      const { knows } = MLOCK_DESIGNS[mlock];
      const exact = knows === 'whether' || knows === 'how many';
      const spec = { ...CROWDED, pteWords, pcp: seed % 3 };
      let book: Ledger | undefined;
      const made = ({ machine, cpu, at }: Made): Partial<KernelEnv> => {
        const place = machine.alloc(ledgerBytes(PLACES));
        const users = observeUser({
          book: () => (book ??= ledger(cpu.isa, place, PLACES)),
          shared: sharedAt,
        });
        const isa = observeIsa(cpu.isa, { at, cpus: 1, spec });
        return { regime, isa, mlock, modules: { ...observed, ...users } };
      };
      const { k } = oneCpu(spec, made, seed);
      churn(
        k,
        (below) => k.cpu.below(below),
        80,
        (what) => {
          const wrong = quiescent(k, { ledger: book!, also: exact ? ['O-MLOCK-STRONG'] : [] });
          assert.equal(wrong, [], `after ${what}, with ${mlock} and entries of ${pteWords} words`);
        },
      );
    }
  });

test.run();
