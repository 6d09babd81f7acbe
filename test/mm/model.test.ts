/**
 * The whole kernel on one CPU: whatever it is told to do, user space reads what it wrote, every law holds after every operation, and nothing is left at the end. Under every kind of
 * regime, since reverse mapping and the locks differ; a lock that is not free would be waited for by nobody, so a CPU that waits has locked itself out.
 */
import * as assert from 'uvu/assert';
import type { Addr } from '../../src/arch/index.ts';
import { createMachine } from '../../src/memory/index.ts';
import {
  createKernel,
  errnoName,
  initModel,
  type Kernel,
  type KernelEnv,
  Mm,
  MREMAP_MAYMOVE,
  mmSpec,
  modelBytes,
  PAGE_SIZE,
  quiescent,
  regimeByName,
  TASK_SIZE,
  VM,
  VM_FAULT_SIGSEGV,
  Vma,
} from '../../src/mm/index.ts';
import { seed } from '../seed.ts';
import { inTurn, suite } from '../suite.ts';

const test = suite('mm: the kernel on one CPU');
const some = inTurn(test, 6);
const SPEC = mmSpec({ frames: 96, vmas: 32, mms: 4, chains: 96, anonVmas: 32, swapPages: 48 });
const BASE = 0x400000;
const RW = VM.READ | VM.WRITE;
const PAGES = 24;
const ACCESSES = [
  ...['read', 'write', 'readOnce', 'writeOnce', 'load', 'store', 'loadAcquire', 'storeRelease'],
  ...['storeWake', 'storeWakeOne', 'wake', 'mb', 'rmb', 'wmb'],
  ...['fetchAdd', 'fetchAnd', 'fetchOr', 'fetchXor', 'exchange', 'compareExchange'].flatMap((op) =>
    ['', 'Acquire', 'Release', 'Relaxed'].map((order) => `${op}${order}`),
  ),
];

function fresh(how: Pick<KernelEnv, 'regime' | 'modules'> = {}, random = seed): Kernel {
  const machine = createMachine({ cpus: 1 });
  const at = machine.alloc(modelBytes(SPEC, 1));
  const cpu = machine.attach(0, { seed: random });
  const waits = (): never => {
    throw new Error('it waits for itself');
  };
  const isa = Object.assign(cpu.isa, { spinWhile: waits, wait: waits, spinBriefly: waits });
  const k = createKernel({ isa, cpu, at, cpus: 1, spec: SPEC, ...how });
  initModel(k);
  return k;
}

/** Nothing is wrong, as far as anybody can tell. */
function sound(k: Kernel, when: string): void {
  k.lru.drain();
  assert.equal(quiescent(k), [], when);
  assert.equal(k.cpu.tracking.held(), [], `${when}: locks are held`);
}

/** What is mapped where, and how. */
function mapped(k: Kernel, mm: Addr): string[] {
  const all: string[] = [];
  k.vmaTree.forEach(mm, (vma) => {
    const [start, end, flags] = [Vma.vm_start, Vma.vm_end, Vma.vm_flags].map((word) =>
      k.isa.read(vma + word),
    );
    all.push(`${start}-${end} ${flags}`);
  });
  return all;
}

/** What user space may rely on: of each page that it wrote in anonymous memory the version. */
type Expected = Map<number, number>;

function forget(expected: Expected, page: number, count: number): void {
  for (let at = page; at < page + count; at += 1) expected.delete(at);
}

/** Draws operations and holds what is read against what was written. */
function exercise(k: Kernel, operations: number): void {
  const below = (n: number): number => k.cpu.below(n);
  const file = k.pageCache.create(12);
  const first = k.mms.create();
  const mms = new Map<number, Expected>([[first, new Map()]]);
  let version = 0;
  for (let done = 0; done < operations; done += 1) {
    const mm = [...mms.keys()][below(mms.size)]!;
    const expected = mms.get(mm)!;
    const [page, count] = [below(PAGES), 1 + below(4)];
    const [address, length] = [BASE + page * PAGE_SIZE, count * PAGE_SIZE];
    k.tlb.load(mm);
    const drawn = below(100);
    if (drawn < 20) {
      if (k.maps.mmap(mm, { address, length, flags: RW }) === address)
        for (let at = page; at < page + count; at += 1) expected.set(at, 0);
    } else if (drawn < 25) {
      k.maps.mmap(mm, { address, length, flags: RW, file, pgoff: below(6) });
      forget(expected, page, count);
    } else if (drawn < 33) {
      k.maps.munmap(mm, address, length);
      forget(expected, page, count);
    } else if (drawn < 38) k.maps.mprotect(mm, address, length, [VM.READ, RW, 0][below(3)]!);
    else if (drawn < 60) {
      version += 1;
      if (k.user.userWrite(mm, address, 7, version) === 0 && expected.has(page)) expected.set(page, version);
    } else if (drawn < 75) {
      const read = k.user.userRead(mm, address);
      if (read.fault === 0 && expected.has(page))
        assert.is(read.version, expected.get(page), `page ${page} after ${done} operations`);
    } else if (drawn < 85) k.reclaim.balance(6);
    else if (drawn < 88) k.maps.mlock(mm, address, length);
    else if (drawn < 90) k.maps.munlock(mm, address, length);
    else if (drawn < 92) {
      k.maps.madviseDontneed(mm, address, length);
      forget(expected, page, count);
    } else if (drawn < 94) {
      assert.is(k.swapoff.swapoff(), 0);
      k.swapoff.swapon();
    } else if (drawn < 97 && mms.size < 3) {
      const child = k.mms.fork(mm);
      if (child !== 0) mms.set(child, new Map(expected));
    } else if (drawn < 98 && mms.size > 1) {
      mms.delete(mm);
      k.tlb.load([...mms.keys()][0]!);
      k.mms.put(mm);
    } else {
      const to = 30 + below(8);
      if (k.mremap.mremap(mm, address, length, length, MREMAP_MAYMOVE, BASE + to * PAGE_SIZE) > 0)
        for (let offset = 0; offset < count; offset += 1) {
          const moved = expected.get(page + offset);
          if (moved === undefined) expected.delete(to + offset);
          else expected.set(to + offset, moved);
          expected.delete(page + offset);
        }
    }
    sound(k, `operation ${done}, drawn ${drawn}, of seed ${seed}`);
  }
  k.tlb.load(0);
  for (const mm of mms.keys()) k.mms.put(mm);
  sound(k, 'the end');
  for (const [name, slab] of Object.entries(k.slabs))
    assert.is(slab.objects - slab.freeObjects(), name === 'files' ? 1 : 0, `${name} that are left`);
}

for (const name of ['L', 'A4', 'HU', 'J2', 'N03', 'vma-ptl'])
  some(`${name}: every law holds after every operation, and nothing is left (seed ${seed})`, () => {
    exercise(fresh({ regime: regimeByName(name)! }), 250);
  });

test('a module that forgets something is found out by its law', () => {
  const broken: Record<string, KernelEnv['modules']> = {
    'O-MAP': {
      rmap: (k, original) => {
        const own = original(k);
        return { ...own, addNewAnon: () => true };
      },
    },
    'O-REF': {
      mms: (k, original) => {
        const own = original(k);
        return {
          ...own,
          fork(parent) {
            const child = own.fork(parent);
            k.pages.get(k.pages.pageAt(1));
            return child;
          },
        };
      },
    },
    'O-RSS': {
      faults: (k, original) => {
        const own = original(k);
        return {
          ...own,
          handleMmFault(mm, address, write) {
            k.isa.write(mm + Mm.rss, k.isa.read(mm + Mm.rss) + 1);
            return own.handleMmFault(mm, address, write);
          },
        };
      },
    },
  };
  for (const [oracle, modules] of Object.entries(broken)) {
    const k = fresh({ modules: modules! });
    const mm = k.mms.create();
    k.tlb.load(mm);
    k.maps.mmap(mm, { address: BASE, length: PAGE_SIZE, flags: RW });
    k.user.userWrite(mm, BASE, 1, 1);
    k.mms.fork(mm);
    k.lru.drain();
    assert.ok(
      quiescent(k).some((sentence) => sentence.startsWith(oracle)),
      `${oracle}: ${quiescent(k).join('; ')}`,
    );
  }
});

test('a write fault in anonymous memory takes at most 80 accesses, the sixteen that clear the page among them', () => {
  for (const name of ['A4', 'HU']) {
    const k = fresh({ regime: regimeByName(name)! });
    const mm = k.mms.create();
    k.tlb.load(mm);
    k.maps.mmap(mm, { address: BASE, length: 4 * PAGE_SIZE, flags: RW });
    // What is there once for many: tables, an anon_vma.
    k.user.userWrite(mm, BASE, 1, 1);
    let accesses = 0;
    const isa = k.isa as unknown as Record<string, unknown>;
    const counted = ACCESSES.map((op) => [op, isa[op]] as const);
    for (const [op, own] of counted)
      isa[op] = (...args: unknown[]) => {
        accesses += 1;
        return (own as (...args: unknown[]) => unknown).apply(isa, args);
      };
    k.faults.handleMmFault(mm, BASE + PAGE_SIZE, true);
    for (const [op, own] of counted) isa[op] = own;
    assert.ok(accesses > 40 && accesses <= 80, `${name}: ${accesses} accesses`);
    assert.is(k.isa.read(mm + Mm.rss), 2);
  }
});

test('a child has what its parent had, and neither sees what the other writes', () => {
  for (const name of ['L', 'A4', 'HU']) {
    const k = fresh({ regime: regimeByName(name)! });
    const parent = k.mms.create();
    k.maps.mmap(parent, { address: BASE, length: 2 * PAGE_SIZE, flags: RW });
    k.tlb.load(parent);
    k.user.userWrite(parent, BASE, 1, 5);
    const child = k.mms.fork(parent);
    k.user.userWrite(parent, BASE, 1, 6);
    k.tlb.load(child);
    assert.is(k.user.userRead(child, BASE).version, 5);
    k.user.userWrite(child, BASE, 2, 7);
    k.tlb.load(parent);
    assert.is(k.user.userRead(parent, BASE).version, 6);
    sound(k, name);
  }
});

test('what is swapped out comes back, to all who shared it', () => {
  for (const name of ['L', 'A4', 'HU']) {
    const k = fresh({ regime: regimeByName(name)! });
    const parent = k.mms.create();
    k.maps.mmap(parent, { address: BASE, length: PAGE_SIZE, flags: RW });
    k.tlb.load(parent);
    k.user.userWrite(parent, BASE, 1, 9);
    const child = k.mms.fork(parent);
    k.lru.drain();
    const frames = k.pageAlloc.freePages();
    // Used lately at first.
    for (let round = 0; round < 3; round += 1) k.reclaim.balance(8);
    assert.is(k.pageAlloc.freePages(), frames + 1, `${name}: the page is out`);
    for (const mm of [child, parent]) {
      k.tlb.load(mm);
      assert.is(k.user.userRead(mm, BASE).version, 9, name);
      sound(k, name);
    }
  }
});

test('what cannot be is refused by its error, and nothing changes', () => {
  const k = fresh();
  const mm = k.mms.create();
  k.tlb.load(mm);
  k.maps.mmap(mm, { address: BASE, length: 4 * PAGE_SIZE, flags: RW });
  const before = mapped(k, mm);
  const { maps, mremap } = k;
  const refused: [number, string][] = [
    [maps.mmap(mm, { length: 0, flags: RW }), 'EINVAL'],
    [maps.mmap(mm, { address: BASE + 1, length: PAGE_SIZE, flags: RW }), 'EINVAL'],
    [maps.mmap(mm, { address: TASK_SIZE - PAGE_SIZE, length: 2 * PAGE_SIZE, flags: RW }), 'EINVAL'],
    [maps.munmap(mm, BASE, 0), 'EINVAL'],
    [maps.munmap(mm, BASE + 8, PAGE_SIZE), 'EINVAL'],
    [maps.mprotect(mm, BASE, PAGE_SIZE, 1 << 20), 'EINVAL'],
    [maps.mprotect(mm, BASE, 8 * PAGE_SIZE, VM.READ), 'ENOMEM'],
    [maps.mlock(mm, BASE + 8 * PAGE_SIZE, PAGE_SIZE), 'ENOMEM'],
    [mremap.mremap(mm, BASE + 16 * PAGE_SIZE, PAGE_SIZE, 2 * PAGE_SIZE), 'EFAULT'],
    [mremap.mremap(mm, BASE, 4 * PAGE_SIZE, PAGE_SIZE, 0, BASE + PAGE_SIZE), 'EINVAL'],
  ];
  for (const [result, name] of refused) assert.is(errnoName(result), name);
  assert.equal(mapped(k, mm), before);
  assert.is(k.user.userWrite(mm, BASE + 8 * PAGE_SIZE, 1, 1), VM_FAULT_SIGSEGV);
  k.maps.mprotect(mm, BASE, PAGE_SIZE, VM.READ);
  assert.is(k.user.userWrite(mm, BASE, 1, 1), VM_FAULT_SIGSEGV);
  k.maps.mprotect(mm, BASE, PAGE_SIZE, 0);
  assert.is(k.user.userRead(mm, BASE).fault, VM_FAULT_SIGSEGV);
  sound(k, 'refused');
});

test('a stack grows to where it is touched, and no further than what is below', () => {
  const k = fresh();
  const mm = k.mms.create();
  k.tlb.load(mm);
  k.maps.mmap(mm, { address: BASE + 8 * PAGE_SIZE, length: PAGE_SIZE, flags: RW | VM.GROWSDOWN });
  assert.is(k.user.userWrite(mm, BASE + 5 * PAGE_SIZE, 1, 1), 0);
  assert.is(k.isa.read(mm + Mm.total_vm), 4);
  k.maps.mmap(mm, { address: BASE + 2 * PAGE_SIZE, length: PAGE_SIZE, flags: RW });
  assert.is(k.user.userWrite(mm, BASE + 3 * PAGE_SIZE, 1, 1), 0);
  assert.is(k.user.userWrite(mm, BASE + PAGE_SIZE, 1, 1), VM_FAULT_SIGSEGV, 'below the neighbour');
  sound(k, 'grown');
});

test.run();
