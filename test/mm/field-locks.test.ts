/**
 * docs/field-locks.md says what the guards and lock orders say; these fit the regimes and each other: a field's writers exclude each other and its readers, except where a tree's own rules do not;
 * the orders have no cycle; and a kernel that does everything keeps the order of its era in every regime.
 */
import * as assert from 'uvu/assert';
import { excludes, guardsOf, membersOf, nameOf } from '../../src/memory/index.ts';
import { DISCIPLINES, GUARDED, guardGlobals } from '../../src/mm/guards.ts';
import { createBase } from '../../src/mm/kernel.ts';
import { ERAS, eraByName, innerLocks, lockKind, ordered } from '../../src/mm/lock-order.ts';
import { MmViolation } from '../../src/mm/oracles/index.ts';
import { REGIMES } from '../../src/mm/regime.ts';
import { AddressSpace, AnonVma, Mm, Page, SwapInfo, Vma, Zone } from '../../src/mm/structs.ts';
import { CROWDED, churn, oneCpu } from '../fixtures/mm/workload.ts';
import { read } from '../project.ts';
import { seed } from '../seed.ts';
import { haveTurn, suite } from '../suite.ts';
import { fieldLocks } from './field-locks.ts';

const test = suite('guards and lock orders of the mm model');

test('docs/field-locks.md is what they say (to make it: node dist/test/mm/field-locks.js > docs/field-locks.md)', () => {
  const plain = (lines: readonly string[]): string[] =>
    lines.map((line) =>
      line
        .replace(/ +/g, ' ')
        .replace(/ ?-{3,} ?/g, '---')
        .trimEnd(),
    );
  const page = plain(read('docs/field-locks.md').trimEnd().split('\n'));
  const made = plain(fieldLocks().join('\n').trimEnd().split('\n'));
  const at = made.findIndex((line, index) => line !== page[index]);
  assert.is(page[at], made[at], `line ${at + 1} of the page`);
  assert.is(page.length, made.length);
});

test('every regime has its discipline, and guards for every struct that it uses', () => {
  assert.equal(
    DISCIPLINES.map(({ regime, anon, ptl }) => [regime, anon, ptl]),
    REGIMES.map(({ name, anonRmap, ptl }) => [name, anonRmap, ptl]),
  );
  for (const { regime, anon } of DISCIPLINES)
    for (const layout of GUARDED) {
      const name = nameOf(layout);
      const used =
        !['anon_vma', 'anon_vma_chain', 'anonmm', 'pte_chain'].includes(name) || name.startsWith(anon);
      assert.is(guardsOf(layout, regime) !== undefined, used, `${name} in ${regime}`);
    }
});

test('who writes a field excludes who else writes or reads it, by the guards alone; the exceptions are known', () => {
  const loose = new Set<string>();
  for (const { regime } of DISCIPLINES)
    for (const layout of GUARDED)
      for (const { name } of membersOf(layout)) {
        const guard = guardsOf(layout, regime)?.[name];
        if (guard && !(excludes(guard.write, guard.write) && excludes(guard.write, guard.read)))
          loose.add(`${nameOf(layout)}.${name}`);
      }
  assert.equal([...loose].sort(), KNOWN);
});

/** What is a CPU's own; what a page's state says; what reclaim looks at without a lock; what a stack moves under mmap_sem for reading. */
const KNOWN = [
  'mm_cpu.active_mm',
  'mm_cpu.lru_add',
  'mm_cpu.lru_add_count',
  'mm_cpu.pcp',
  'mm_cpu.pcp_count',
  'mm_cpu.tlb',
  'page.lru',
  'page.mlocked',
  'vm_area_struct.vm_flags',
  'vm_area_struct.vm_pgoff',
  'vm_area_struct.vm_start',
];

test('the orders have no cycle, and what is tried for goes against them', () => {
  for (const era of ERAS) {
    const inner = innerLocks(era);
    for (const [name, inside] of inner) assert.ok(!inside.has(name), `${name} in ${era.name}`);
    assert.ok(era.chains.every((chain) => chain.length >= 2));
  }
  const inner = innerLocks(eraByName('2.6.7'));
  assert.ok(inner.get('mmap_sem')!.has('tree_lock'));
  assert.ok(!inner.get('page_table_lock')!.has('i_mmap_lock'));
  assert.throws(() => eraByName('2.7'), /no era '2\.7': there are 2\.4, 2\.6\.5/);
});

test('lock words of the model are known by their kinds', () => {
  const { k } = oneCpu(CROWDED);
  const { world, spec, slabs } = k;
  const cases: [number, string | undefined][] = [
    [slabs.mms.objectAt(1) + Mm.page_table_lock, 'page_table_lock'],
    [slabs.vmas.objectAt(1) + Vma.page_table_lock, 'page_table_lock'],
    [slabs.mms.objectAt(1) + Mm.mmap_sem, 'mmap_sem'],
    [slabs.anonVmas.objectAt(0) + AnonVma.lock, 'anon_vma.lock'],
    [slabs.files.objectAt(1) + AddressSpace.i_mmap_lock, 'i_mmap_lock'],
    [slabs.files.objectAt(1) + AddressSpace.tree_lock, 'tree_lock'],
    [world.swap + SwapInfo.tree_lock, 'tree_lock'],
    [world.zone + Zone.lock, 'zone_lock'],
    [world.zone + Zone.lru_lock, 'lru_lock'],
    [guardGlobals(world).mmlist_lock!, 'mmlist_lock'],
    [k.pages.pageAt(3), 'PG_locked'],
    [k.pages.pageAt(3) + Page._mapcount, undefined],
  ];
  for (const [addr, kind] of cases) assert.is(lockKind(world, spec, addr), kind);
});

/** A kernel that keeps the order of an era, or throws. */
function orderly(regime: (typeof REGIMES)[number], era: string) {
  return oneCpu(
    CROWDED,
    ({ cpu, at }) => {
      const base = createBase({ isa: cpu.isa, cpu, at, cpus: 1, spec: CROWDED });
      return { regime, locks: ordered(base.locks, base, era) };
    },
    seed,
  ).k;
}

test('O-ORDER: a lock is acquired inside of one that comes after it; tried for it may be', () => {
  const k = orderly(REGIMES[0]!, '2.6.7');
  const mm = k.mms.create();
  const [sem, ptl] = [mm + Mm.mmap_sem, mm + Mm.page_table_lock];
  k.locks.rwsem.acquireRead(sem);
  k.locks.spin.acquire(ptl);
  k.locks.spin.release(ptl);
  k.locks.rwsem.releaseRead(sem);
  k.locks.spin.acquire(ptl);
  assert.is(k.locks.rwsem.tryRead(sem), true);
  k.locks.rwsem.releaseRead(sem);
  for (const acquire of [
    () => k.locks.rwsem.acquireRead(sem),
    () => k.locks.rwsem.acquireWrite(sem),
    () => k.locks.page.acquire(k.pages.pageAt(1)),
  ])
    assert.throws(
      acquire,
      (error: Error) =>
        error instanceof MmViolation &&
        /^O-ORDER: CPU 0 acquires .* with mm_struct#0\.page_table_lock held: (mmap_sem|PG_locked) comes before page_table_lock \(2\.6\.7\)$/.test(
          error.message,
        ),
    );
});

for (const regime of haveTurn(REGIMES, 4))
  test(`${regime.name}: whatever is done, locks are taken in the order of 2.6.5 (seed ${seed})`, () => {
    const k = orderly(regime, '2.6.5');
    churn(
      k,
      (below) => k.cpu.below(below),
      400,
      () => {},
    );
  });

test.run();
