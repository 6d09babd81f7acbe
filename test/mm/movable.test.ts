/**
 * Migration on one CPU: whatever pages there are and whoever has them, every law holds after compaction, under every regime; what is written is read where it was written; what a page of a driver is before, while and
 * after it is isolated; what results come to. What happens between CPUs is in migrate-races.test.ts.
 */
import * as assert from 'uvu/assert';
import { COMPACTION_DESIGNS, compaction } from '../../src/mm/compaction.ts';
import { EAGAIN, EBUSY } from '../../src/mm/errno.ts';
import type { Kernel } from '../../src/mm/kernel.ts';
import { migrationEntries } from '../../src/mm/migrate/entries.ts';
import { compound } from '../../src/mm/movable/compound.ts';
import { type DriverType, driverBytes, type MovableOps } from '../../src/mm/movable/driver.ts';
import { pool } from '../../src/mm/movable/pool.ts';
import { MOVABLE_DESIGNS, type MovableName } from '../../src/mm/movable/rules.ts';
import { movable } from '../../src/mm/movable.ts';
import { observed, quiescent } from '../../src/mm/oracles/index.ts';
import { PAGE_SIZE, pteMigration, pteNumber, pteWrite } from '../../src/mm/pte.ts';
import { REGIMES, regimeByName } from '../../src/mm/regime.ts';
import { MAPPING_MOVABLE, Page, PG, VM } from '../../src/mm/structs.ts';
import { CROWDED, churn, oneCpu } from '../fixtures/mm/workload.ts';
import { seed } from '../seed.ts';
import { haveTurn, suite } from '../suite.ts';

const test = suite('migration');
const RW = VM.READ | VM.WRITE;
const BASE = 0x100000;
const BYTES = driverBytes([pool]);
const SPEC = { frames: 40, files: 2, filePages: 4, driverBytes: BYTES };
const AM = regimeByName('AM')!;

for (const regime of haveTurn(REGIMES, 4))
  test(`every law holds after every compaction: ${regime.name} (seed ${seed})`, () => {
    const spec = { ...CROWDED, frames: 64, files: 3, driverBytes: BYTES };
    const { k } = oneCpu(spec, () => ({ regime, modules: observed }), seed);
    const draw = (below: number): number => k.cpu.below(below);
    const pages = k.drivers.of(pool);
    let mapping = 0;
    const handles: number[] = [];
    let migrated = 0;
    churn(k, draw, 250, (what) => {
      if (mapping === 0) mapping = pages.create();
      if (draw(2) === 0 && handles.length < 8) {
        const handle = pages.alloc(mapping);
        if (handle !== 0) handles.push(handle);
      } else if (handles.length > 0 && draw(3) === 0) pages.free(handles.shift()!);
      if (draw(3) === 0)
        migrated += k.compaction.compactZone(draw(2) === 0 ? 'sync' : 'async', 1 + draw(16)).migrated;
      assert.equal(quiescent(k), [], what);
    });
    assert.ok(migrated > 20, `${migrated} pages were migrated`);
  });

/** Four pages of memory that are written, of a file or not, and room at the top. */
function written(flags: number, shared: boolean) {
  const made = oneCpu(SPEC, () => ({ regime: AM, modules: observed }));
  const { k } = made;
  const file = shared ? k.pageCache.create(4) : 0;
  const mm = k.mms.create();
  k.tlb.load(mm);
  k.maps.mmap(mm, { address: BASE, length: 4 * PAGE_SIZE, flags, file });
  for (let page = 0; page < 4; page += 1) k.user.userWrite(mm, BASE + page * PAGE_SIZE, 1, 1 + page);
  const frameAt = (page: number, of = mm): number => {
    const at = k.pgtable.lookup(of, BASE + page * PAGE_SIZE);
    return pteNumber(k.pgtable.read(at));
  };
  const versions = (of = mm): number[] => {
    k.tlb.load(of);
    return [0, 1, 2, 3].map((page) => k.user.userRead(of, BASE + page * PAGE_SIZE).version);
  };
  return { ...made, mm, file, frameAt, versions };
}

const KINDS = [
  ['anonymous memory', RW, false],
  ['a file', RW | VM.SHARED, true],
] as const;
for (const [what, flags, shared] of KINDS)
  test(`pages of ${what} go to the top of memory, with all who map them, and stay what they were`, () => {
    const { k, mm, frameAt, versions } = written(flags, shared);
    const child = k.mms.fork(mm);
    k.lru.drain();
    const before = [0, 1, 2, 3].map((page) => frameAt(page));
    const { migrated, failed } = k.compaction.compactZone('sync');
    assert.equal([migrated, failed], [4, 0]);
    const after = [0, 1, 2, 3].map((page) => frameAt(page));
    assert.ok(
      after.every((frame) => frame > Math.max(...before)),
      `${before} to ${after}`,
    );
    assert.equal(
      [0, 1, 2, 3].map((page) => frameAt(page, child)),
      after,
    );
    assert.equal(
      [versions(), versions(child)],
      [
        [1, 2, 3, 4],
        [1, 2, 3, 4],
      ],
    );
    assert.equal(quiescent(k), []);
    // Written once more: it is still copied where it has to be.
    k.user.userWrite(child, BASE, 1, 9);
    assert.equal([versions(child)[0], versions(mm)[0]], [9, shared ? 9 : 1]);
    assert.equal(quiescent(k), []);
  });

test('a page of the swap cache takes its entry along; one that is written back comes back from there', () => {
  const { k, frameAt, versions } = written(RW, false);
  k.lru.drain();
  const page = k.pages.pageAt(frameAt(0));
  k.locks.page.acquire(page);
  assert.ok(k.swap.addToSwap(page));
  k.locks.page.release(page);
  assert.is(k.compaction.compactZone('sync').failed, 0);
  assert.ok(k.pages.has(k.pages.pageAt(frameAt(0)), PG.swapcache.mask));
  assert.is(k.pages.has(page, PG.swapcache.mask), false);
  assert.equal(quiescent(k), []);
  for (let round = 0; round < 4; round += 1) k.reclaim.balance(8);
  assert.equal(versions(), [1, 2, 3, 4]);
  assert.equal(quiescent(k), []);
});

for (const [what, flags, shared] of KINDS)
  test(`a page of ${what} that somebody holds, that is mlocked, or that has nowhere to go stays where it is`, () => {
    const { k, mm, frameAt, versions } = written(flags, shared);
    k.lru.drain();
    const held = k.pages.pageAt(frameAt(0));
    k.pages.get(held);
    k.maps.mlock(mm, BASE + PAGE_SIZE, PAGE_SIZE);
    const locked = frameAt(1);
    const { migrated, failed, again } = k.compaction.compactZone('sync');
    assert.equal([migrated, failed, again], [2, 1, 9], 'ten passes');
    assert.equal([k.pages.pageAt(frameAt(0)), frameAt(1)], [held, locked]);
    k.pages.putTestzero(held);
    const others: number[] = [];
    for (let page = k.pageAlloc.allocPage(); page !== 0; page = k.pageAlloc.allocPage()) others.push(page);
    assert.is(k.compaction.compactZone('sync').migrated, 0);
    for (const page of others) if (k.pages.putTestzero(page)) k.lru.release(page);
    assert.equal(versions(), [1, 2, 3, 4]);
    assert.equal(quiescent(k), []);
  });

test('a migration entry is no page and no swap entry: fork copies it, read-only; munmap, truncation forget it; the rest comes back', () => {
  for (const shared of [false, true]) {
    const { k, mm, file, frameAt, versions } = written(RW | (shared ? VM.SHARED : 0), shared);
    const entries = migrationEntries(k);
    k.lru.drain();
    const page = k.pages.pageAt(frameAt(0));
    const pteOf = (of: number): number => k.pgtable.read(k.pgtable.lookup(of, BASE));
    k.locks.page.acquire(page);
    k.pages.get(page);
    const family = entries.getAnonVma(page);
    assert.ok(entries.unmap(page));
    assert.ok(pteMigration(pteOf(mm)) && pteWrite(pteOf(mm)));
    assert.match(quiescent(k, { only: ['O-ISO'] })[0]!, /0x100000 of mm_struct#0 is a migration entry/);
    const [child, other] = [k.mms.fork(mm), k.mms.fork(mm)];
    assert.ok(pteMigration(pteOf(child)));
    assert.is(pteWrite(pteOf(mm)), shared);
    k.maps.munmap(other, BASE, PAGE_SIZE);
    assert.is(k.pages.count(page), shared ? 2 : 1);
    if (shared) k.truncate.unmapMappingRange(file, 0, 1, false);
    entries.restore(page, page, family);
    entries.putAnonVma(family);
    k.locks.page.release(page);
    k.pages.putTestzero(page);
    assert.is(k.pages.mapcount(page), shared ? 0 : 2);
    assert.equal(versions(), [1, 2, 3, 4]);
    assert.equal(versions(child), [1, 2, 3, 4]);
    assert.equal(quiescent(k), []);
  }
});

/** A pool with pages, under rules. */
function pooled(
  how: (k: Kernel) => void = () => {},
  rules: MovableName = 'merged',
  ops: Partial<MovableOps> = {},
) {
  const made = oneCpu(SPEC, () => ({
    modules: {
      movable: (k: Kernel) => movable(k, MOVABLE_DESIGNS[rules]),
      drivers: (k: Kernel, original: (kernel: Kernel) => Kernel['drivers']) => {
        const drivers = original(k);
        return {
          ...drivers,
          opsOf: (mapping: number) => {
            const known = drivers.opsOf(mapping);
            return known && { ...known, ...ops };
          },
        };
      },
    },
  }));
  const { k } = made;
  how(k);
  const driver = k.drivers.of(pool);
  const mapping = driver.create();
  const handle = driver.alloc(mapping);
  return { ...made, driver, mapping, handle };
}

const mappingWord = (k: Kernel, page: number): number => k.isa.readOnce(page + Page.mapping);

test('a page of a driver is isolated once, and comes back; one that is given up meanwhile is freed by who puts it back', () => {
  const { k, driver, mapping, handle } = pooled();
  const page = driver.lock(handle);
  assert.is(mappingWord(k, page), mapping | MAPPING_MOVABLE);
  assert.is(k.movable.isolateMovablePage(page, 'sync'), false, 'it is locked');
  k.locks.page.release(page);
  assert.ok(k.movable.isolateMovablePage(page, 'sync'));
  assert.is(k.movable.isolateMovablePage(page, 'sync'), false, 'it is isolated');
  assert.match(quiescent(k, { only: ['O-ISO'] })[0]!, /page\[1\] has PG_isolated/);
  k.movable.putbackMovablePage(page);
  assert.equal(quiescent(k), []);
  const free = k.pageAlloc.freePages();
  assert.ok(k.movable.isolateMovablePage(page, 'sync'));
  driver.free(handle);
  assert.equal([mappingWord(k, page), k.pages.count(page)], [MAPPING_MOVABLE, 1]);
  k.movable.putbackMovablePage(page);
  assert.is(k.pageAlloc.freePages(), free + 1);
  assert.equal(quiescent(k), []);
});

test('__ClearPageMovable: what each form leaves in mapping of a page that is isolated', () => {
  const left = (name: MovableName): string => {
    const { k, driver, mapping, handle } = pooled(() => {}, name);
    const page = driver.lock(handle);
    k.locks.page.release(page);
    k.movable.isolateMovablePage(page, 'sync');
    driver.free(handle);
    const word = mappingWord(k, page);
    return word === (mapping | MAPPING_MOVABLE)
      ? 'both'
      : word === mapping
        ? 'pointer'
        : word === MAPPING_MOVABLE
          ? 'type'
          : `${word}`;
  };
  assert.equal((['merged', 'C1', 'C2', 'C3'] as const).map(left), ['type', 'pointer', '0', 'both']);
});

test('a page of a driver goes to the top of memory, by its handle it is the same; without drivers compaction leaves it', () => {
  const { k, driver, handle } = pooled();
  const page = driver.lock(handle);
  k.isa.write(k.pages.contentOf(page), 77);
  k.locks.page.release(page);
  const lru = compaction(k, COMPACTION_DESIGNS['lru only']);
  assert.is(lru.compactZone('sync').isolated, 0);
  const runs = k.compaction.freeRuns(3);
  assert.equal(k.compaction.compactZone('sync'), {
    looked: 39,
    isolated: 1,
    passedOver: 0,
    migrated: 1,
    failed: 0,
    again: 0,
  });
  assert.ok(k.compaction.freeRuns(1) >= runs);
  const moved = driver.lock(handle);
  k.locks.page.release(moved);
  assert.equal([moved === page, k.isa.read(k.pages.contentOf(moved))], [false, 77]);
  assert.equal(quiescent(k), []);
});

test('-EAGAIN is tried ten times, another error once; either way the page is its driver’s again', () => {
  for (const [error, tries] of [
    [EAGAIN, 10],
    [EBUSY, 1],
  ] as const) {
    let calls = 0;
    const { k, driver, handle } = pooled(() => {}, 'merged', {
      migratepage: () => {
        calls += 1;
        return -error;
      },
    });
    const { migrated, failed } = k.compaction.compactZone('sync');
    assert.equal([migrated, failed, calls], [0, 1, tries]);
    assert.equal(quiescent(k), []);
    driver.free(handle);
    assert.equal(quiescent(k), []);
  }
});

test('a compound page of a driver is passed over, and counted (R4.9)', () => {
  const { k, driver, mapping, handle } = pooled();
  const pages = compound(k);
  // The page behind the driver's one is allocated next.
  const page = driver.lock(handle);
  const tail = k.pageAlloc.allocPage();
  assert.is(tail, page + 64);
  pages.make(page);
  assert.is(k.movable.mappingOf(tail), mapping);
  k.locks.page.release(page);
  const { isolated, passedOver } = k.compaction.compactZone('sync');
  assert.equal([isolated, passedOver], [0, 1]);
  pages.split(page);
  if (k.pages.putTestzero(tail)) k.lru.release(tail);
  assert.equal(quiescent(k), []);
});

test('drivers: one that the kernel has not, two of a number, no room for their bytes', () => {
  const other: DriverType = { ...pool, name: 'other' };
  const { k } = oneCpu({ ...SPEC, driverBytes: 0 });
  assert.throws(() => k.drivers.of(other), /the kernel has no driver 'other'/);
  assert.throws(
    () => k.drivers.of(pool),
    /'driverBytes' of the model is 0: there is no room for those of the driver 'pool'/,
  );
  assert.throws(
    () => oneCpu(SPEC, () => ({ drivers: [pool, other] })),
    /the driver 'other' has the number 1/,
  );
});

test.run();
