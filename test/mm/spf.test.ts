/**
 * Speculative page faults on one CPU: whatever is mapped, and however it changes, every law holds after each operation, under every design; which faults are served without mmap_sem and which are not, and how that
 * is counted; what writers do to vm_sequence; and collapse. What happens between CPUs is in spf-races.test.ts.
 */
import * as assert from 'uvu/assert';
import { LINE } from '../../src/memory/index.ts';
import { EINVAL } from '../../src/mm/errno.ts';
import { VM_FAULT_MAJOR, VM_FAULT_RETRY, VM_FAULT_SIGSEGV } from '../../src/mm/fault.ts';
import {
  MmSpfError,
  SPF_DESIGNS,
  type SpfAbort,
  type SpfCounters,
  type SpfName,
  type SpfRules,
} from '../../src/mm/index.ts';
import { quiescent } from '../../src/mm/oracles/index.ts';
import { migrationPte, PAGE_SIZE, pteNumber } from '../../src/mm/pte.ts';
import { REGIMES, regimeByName } from '../../src/mm/regime.ts';
import { Mm, VM, Vma } from '../../src/mm/structs.ts';
import { CROWDED, churn, oneCpu } from '../fixtures/mm/workload.ts';
import { seed } from '../seed.ts';
import { haveTurn, suite } from '../suite.ts';

const test = suite('speculative page faults');
const DESIGNS = Object.keys(SPF_DESIGNS) as SpfName[];
const RW = VM.READ | VM.WRITE;
const BASE = 0x100000;
const OPERATIONS = 400;

const CELLS = DESIGNS.flatMap((design) =>
  REGIMES.flatMap((regime) =>
    ([1, 2] as const).map((pteWords): [SpfName, (typeof REGIMES)[number], 1 | 2] => [
      design,
      regime,
      pteWords,
    ]),
  ),
);
for (const [design, regime, pteWords] of haveTurn(CELLS, 6))
  test(`every law holds after every operation: ${design} under ${regime.name}, entries of ${pteWords} (seed ${seed})`, () => {
    const { k } = oneCpu({ ...CROWDED, pteWords }, () => ({ regime, spf: design }), seed);
    churn(
      k,
      (below) => k.cpu.below(below),
      OPERATIONS,
      (what) => {
        const except = design === 'v7' ? ['O-KMAP'] : [];
        assert.equal(quiescent(k, { except }), [], what);
      },
    );
    const { attempts, successes, aborts } = k.spf.counters();
    assert.is(attempts, successes + Object.values(aborts).reduce((sum, each) => sum + each, 0));
    assert.is(attempts > 0, design !== 'off');
    if (design !== 'off' && regime.anonRmap === 'anon_vma') assert.ok(successes > 0);
  });

/** A page that is written, and one that is not, in one vma. */
function one(design: SpfName | SpfRules, regime = 'AM') {
  const { k, machine } = oneCpu({ frames: 40, filePages: 4 }, () => ({
    spf: design,
    regime: regimeByName(regime)!,
  }));
  const mm = k.mms.create();
  k.maps.mmap(mm, { address: BASE, length: 2 * PAGE_SIZE, flags: RW });
  k.faults.handleMmFault(mm, BASE, true);
  const vma = k.vmaTree.findVma(mm, BASE);
  const sequence = (): number => k.isa.read(vma + Vma.vm_sequence);
  const speculate = (address: number, write = true): number =>
    k.spf.handleSpeculativeFault(mm, address, write);
  const aborts = (): Partial<SpfCounters['aborts']> =>
    Object.fromEntries(Object.entries(k.spf.counters().aborts).filter(([, count]) => count !== 0));
  return { k, machine, mm, vma, sequence, speculate, aborts };
}
const SECOND = BASE + PAGE_SIZE;

test('per-VMA locks: who gives mmap_sem up ends all writing; other semaphores change nothing but themselves', () => {
  const { k, machine, mm } = one('per-vma-lock');
  const { rwsem } = k.locks;
  const lines = 64;
  const before = machine.alloc(2 * LINE * lines);
  const lock = before + LINE * lines;
  const ends = (how: (semaphore: number) => void, semaphore: number): number => {
    const seq = k.isa.read(mm + Mm.mm_lock_seq);
    rwsem.acquireWrite(semaphore);
    how(semaphore);
    return k.isa.read(mm + Mm.mm_lock_seq) - seq;
  };
  const downgraded = (semaphore: number): void => {
    rwsem.downgrade(semaphore);
    rwsem.releaseRead(semaphore);
  };
  for (const how of [rwsem.releaseWrite, downgraded]) {
    assert.is(ends(how, mm + Mm.mmap_sem), 1);
    assert.is(ends(how, lock), 0);
  }
  for (let word = before; word < before + 2 * LINE * lines; word += 4)
    assert.is(k.isa.read(word), 0, `${word - lock} bytes from the semaphore`);
});

test('what is there is served without mmap_sem: a page, a copy of one, one that is read in', () => {
  const { k, mm, speculate } = one('v11');
  assert.is(speculate(SECOND), 0);
  assert.is(k.user.userWrite(mm, SECOND, 1, 7), 0);
  const child = k.mms.fork(mm);
  assert.is(speculate(SECOND), 0);
  assert.is(k.user.userRead(mm, SECOND).version, 7);
  k.lru.drain();
  for (let round = 0; round < 3; round += 1) k.reclaim.balance(8);
  assert.is(speculate(SECOND, false), VM_FAULT_MAJOR);
  assert.is(k.user.userRead(mm, SECOND).version, 7);
  assert.is(k.spf.counters().successes, 3);
  k.mms.put(child);
  assert.equal(quiescent(k, { except: ['O-TLB'] }), []);
});

test('what is not served is counted by its cause, and nothing has changed', () => {
  const cases: readonly [SpfAbort, SpfName, (made: ReturnType<typeof one>) => number, number?][] = [
    [
      'noanon',
      'v11',
      ({ k, mm, speculate }) => {
        k.maps.mmap(mm, { address: BASE + 0x4000, length: PAGE_SIZE, flags: RW | VM.EXEC });
        return speculate(BASE + 0x4000);
      },
    ],
    [
      'notsup',
      'v11',
      ({ k, mm, speculate }) => {
        k.maps.mmap(mm, {
          address: BASE + 0x4000,
          length: PAGE_SIZE,
          flags: RW,
          file: k.pageCache.create(1),
        });
        return speculate(BASE + 0x4000);
      },
    ],
    [
      'notsup',
      'v11',
      ({ k, mm, speculate }) => {
        k.maps.mlock(mm, BASE, 2 * PAGE_SIZE);
        return speculate(SECOND);
      },
    ],
    ...(['rcu', 'per-vma-lock'] as const).map(
      (name): [SpfAbort, SpfName, (made: ReturnType<typeof one>) => number] => [
        'notsup',
        name,
        ({ k, speculate }) => {
          k.lru.drain();
          for (let round = 0; round < 3; round += 1) k.reclaim.balance(8);
          return speculate(BASE, false);
        },
      ],
    ),
    [
      'access',
      'v11',
      ({ k, mm, speculate }) => {
        k.maps.mprotect(mm, BASE, 2 * PAGE_SIZE, VM.READ);
        return speculate(SECOND);
      },
      VM_FAULT_SIGSEGV,
    ],
    [
      'pmd_changed',
      'v11',
      ({ k, mm, speculate }) => {
        k.maps.mmap(mm, { address: BASE + 2 * PAGE_SIZE, length: 32 * PAGE_SIZE, flags: RW });
        return speculate(BASE + 20 * PAGE_SIZE);
      },
    ],
    ['vma_changed', 'v11', ({ speculate }) => speculate(BASE + 0x8000)],
    [
      'vma_changed',
      'v11',
      ({ k, vma, speculate }) => {
        k.spf.writers.begin(vma, 'flags');
        const result = speculate(SECOND);
        k.spf.writers.end(vma, 'flags');
        return result;
      },
    ],
    [
      'vma_changed',
      'per-vma-lock',
      ({ k, mm, vma, speculate }) => {
        k.sections.enter('syscall', { mm });
        k.spf.writers.begin(vma, 'flags');
        const result = speculate(SECOND);
        k.sections.leave();
        return result;
      },
    ],
    [
      'pte_lock',
      'v10',
      ({ k, mm, speculate }) => {
        k.locks.spin.acquire(mm + Mm.page_table_lock);
        const result = speculate(SECOND);
        k.locks.spin.release(mm + Mm.page_table_lock);
        return result;
      },
    ],
  ];
  for (const [cause, design, does, returns = VM_FAULT_RETRY] of cases) {
    const made = one(design);
    assert.is(does(made), returns, cause);
    assert.equal(made.aborts(), { [cause]: 1 }, `${cause}, ${design}`);
    assert.is(made.k.spf.counters().successes, 0);
    assert.equal(quiescent(made.k), [], cause);
  }
});

test('a migration entry is no swap entry: the classic path waits for the page', () => {
  const { k, mm, speculate, aborts } = one('v11');
  assert.is(speculate(SECOND), 0);
  const at = k.pgtable.lookup(mm, SECOND);
  const pte = k.pgtable.read(at);
  k.pgtable.set(at, migrationPte(pteNumber(pte), pte));
  assert.is(speculate(SECOND), VM_FAULT_RETRY);
  assert.equal(aborts(), { notsup: 1 });
  k.pgtable.set(at, pte);
  assert.equal(quiescent(k), []);
});

test('a pte lock that is held is tried for as often as the rules say (R3.11)', () => {
  const { k, mm, speculate, aborts } = one({ ...SPF_DESIGNS.v11, retries: 3 });
  k.locks.spin.acquire(mm + Mm.page_table_lock);
  assert.is(speculate(SECOND), VM_FAULT_RETRY);
  k.locks.spin.release(mm + Mm.page_table_lock);
  assert.equal(aborts(), { pte_lock: 1 });
  assert.is(k.spf.counters().retries, 3);
  assert.is(speculate(SECOND), 0);
});

test('whoever changes a vma, or takes entries out, moves its sequence on, and leaves it even', () => {
  const { k, mm, sequence } = one('v11');
  const changes: Readonly<Record<string, () => unknown>> = {
    mprotect: () => k.maps.mprotect(mm, BASE, 2 * PAGE_SIZE, VM.READ),
    'mprotect back': () => k.maps.mprotect(mm, BASE, 2 * PAGE_SIZE, RW),
    mlock: () => k.maps.mlock(mm, BASE, 2 * PAGE_SIZE),
    munlock: () => k.maps.munlock(mm, BASE, 2 * PAGE_SIZE),
    madvise: () => k.maps.madviseDontneed(mm, BASE, PAGE_SIZE),
    fork: () => k.mms.put(k.mms.fork(mm)),
    merge: () => k.maps.mmap(mm, { address: SECOND + PAGE_SIZE, length: PAGE_SIZE, flags: RW }),
    split: () => k.maps.munmap(mm, SECOND + PAGE_SIZE, PAGE_SIZE),
    mremap: () => k.mremap.mremap(mm, BASE, PAGE_SIZE, PAGE_SIZE, 1, BASE + 0x8000),
  };
  for (const [name, change] of Object.entries(changes)) {
    const before = sequence();
    change();
    assert.ok(sequence() > before, name);
    assert.is(sequence() & 1, 0, name);
  }
});

test('where it is off no sequence moves, and nothing is counted', () => {
  const { k, mm, sequence, speculate } = one('off');
  k.maps.mprotect(mm, BASE, 2 * PAGE_SIZE, VM.READ);
  k.mms.put(k.mms.fork(mm));
  assert.is(speculate(BASE, false), VM_FAULT_RETRY);
  assert.is(k.user.userRead(mm, BASE).fault, 0);
  assert.is(sequence(), 0);
  assert.is(k.spf.counters().attempts, 0);
  assert.throws(
    () => oneCpu({}, () => ({ spf: 'v12' as SpfName })),
    (error: unknown) =>
      error instanceof MmSpfError && /no design .* 'v12': there are off, v5/.test(error.message),
  );
});

for (const pteWords of [1, 2] as const)
  test(`a table is collapsed: its entries are in another, and it is free; entries of ${pteWords}`, () => {
    const { k } = oneCpu({ frames: 60, pteWords }, () => ({ spf: 'v11', regime: regimeByName('AM')! }));
    const mm = k.mms.create();
    k.maps.mmap(mm, { address: BASE, length: 20 * PAGE_SIZE, flags: RW });
    for (let page = 0; page < 20; page += 3) k.user.userWrite(mm, BASE + page * PAGE_SIZE, 1, page + 1);
    const before = k.pgtable.lookup(mm, BASE);
    const free = k.pageAlloc.freePages();
    assert.is(k.collapse.collapseHugePage(mm, SECOND), 0);
    assert.is.not(k.pgtable.lookup(mm, BASE), before);
    assert.is(k.pageAlloc.freePages(), free);
    for (let page = 0; page < 20; page += 3)
      assert.is(k.user.userRead(mm, BASE + page * PAGE_SIZE).version, page + 1);
    assert.equal(quiescent(k), []);
    const last = BASE + 19 * PAGE_SIZE;
    assert.is(k.collapse.collapseHugePage(mm, last), -EINVAL, 'the vma has not all of it');
    assert.is(k.collapse.collapseHugePage(mm, 0), -EINVAL, 'there is no table');
    assert.is(k.collapse.collapseHugePage(mm, -1), -EINVAL);
  });

test.run();
