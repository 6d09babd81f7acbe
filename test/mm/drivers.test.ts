/**
 * Drivers of movable pages on one CPU: whatever is allocated, freed, inflated, isolated, moved and put back, every law holds after each operation; and what the VM finds that asks a driver for a page which
 * it cannot have. What happens between CPUs is in drivers-races.test.ts.
 */
import * as assert from 'uvu/assert';
import { virtioBalloon } from '../../src/mm/drivers/balloon.ts';
import { BALLOON_DESIGNS } from '../../src/mm/drivers/rules.ts';
import { SizeClass, ZS_CLASSES, ZsHandle, ZsPool, Zspage } from '../../src/mm/drivers/structs.ts';
import { zsmalloc } from '../../src/mm/drivers/zs.ts';
import { locationOf, objectsOf } from '../../src/mm/drivers/zspage.ts';
import { EAGAIN, EBUSY } from '../../src/mm/errno.ts';
import type { Kernel } from '../../src/mm/kernel.ts';
import { HOOKS } from '../../src/mm/movable/hooks.ts';
import { quiescent } from '../../src/mm/oracles/index.ts';
import { MAPPING_MOVABLE, Page } from '../../src/mm/structs.ts';
import { oneCpu } from '../fixtures/mm/workload.ts';
import { seed } from '../seed.ts';
import { suite } from '../suite.ts';

const test = suite('drivers of movable pages');
const OPERATIONS = 600;
const ZS = zsmalloc();
const BALLOON = virtioBalloon();
const SIZES = { frames: 40, zsPools: 2, zspages: 12, zsHandles: 48, balloons: 2, files: 8, filePages: 4 };

const HOOKED = virtioBalloon(BALLOON_DESIGNS['4.7']);

const machine = (from = 1) => {
  const { k } = oneCpu(SIZES, () => ({ drivers: [ZS, BALLOON] }), from);
  return { k, zs: k.drivers.of(ZS), balloon: k.drivers.of(BALLOON) };
};
/** As it was before drivers' pages had a type. */
const hooked = (from = 1) => {
  const { k } = oneCpu(SIZES, () => ({ drivers: [ZS, HOOKED], modules: HOOKS }), from);
  return { k, zs: k.drivers.of(ZS), balloon: k.drivers.of(HOOKED) };
};
const sound = (k: Kernel, when: string): void => assert.equal(quiescent(k), [], when);

/** Isolates what can be, of some frames. */
const isolated = (k: Kernel, first = 1, end = SIZES.frames + 1): number => {
  k.lists.init(k.compaction.list);
  return k.compaction.isolateMigratepagesBlock(first, end, k.compaction.list, 'async').isolated;
};
const putback = (k: Kernel): void => k.migrate.putbackMovablePages(k.compaction.list);
const pageOf = (k: Kernel, handle: number): number =>
  k.pages.pageAt(locationOf(k.isa.read(handle + ZsHandle.obj)).pfn);

/** @param deferred whether pages of objects are isolated, so that work is left for later */
const everyLaw = (make: typeof machine, deferred: boolean): void => {
  const { k, zs, balloon } = make(seed);
  const draw = (below: number): number => k.cpu.below(below);
  const pools = [zs.createPool(), zs.createPool()];
  const devices = [balloon.create(), balloon.create()];
  const objects: { handle: number; at: number; version: number }[] = [];
  const file = k.pageCache.create(4);
  let version = 0;
  const counts = { moved: 0, freed: 0 };
  const one = () => objects[draw(objects.length)];
  const does: Readonly<Record<string, () => void>> = {
    malloc() {
      const at = draw(2);
      const handle = zs.malloc(pools[at]!, draw(ZS_CLASSES.length));
      if (handle === 0) return;
      version += 1;
      zs.write(handle, 1, version);
      objects.push({ handle, at, version });
    },
    free() {
      const [gone] = objects.splice(draw(objects.length), 1);
      if (gone) zs.free(gone.handle);
    },
    write() {
      const object = one();
      if (!object) return;
      version += 1;
      object.version = version;
      zs.write(object.handle, 2, version);
    },
    inflate: () => void balloon.inflate(devices[draw(2)]!),
    deflate: () => void balloon.deflate(devices[draw(2)]!),
    'give back': () => void balloon.release(devices[draw(2)]!, k.pages.pageAt(1 + draw(SIZES.frames))),
    file() {
      const page = k.pageCache.nopage(file, draw(4));
      k.lru.drain();
      if (page > 0 && k.pages.putTestzero(page)) k.lru.release(page);
    },
    compact() {
      counts.moved += k.compaction.compactZone('async', 1 + draw(8)).migrated;
    },
    'isolate, and give up': () => {
      isolated(k);
      const object = objects.shift();
      if (object) zs.free(object.handle);
      balloon.release(devices[0]!, k.pages.pageAt(1 + draw(SIZES.frames)));
      putback(k);
    },
    work: () => {
      counts.freed += zs.freeWork(pools[draw(2)]!);
    },
    destroy() {
      const at = draw(2);
      for (const { handle } of objects.filter((each) => each.at === at)) zs.free(handle);
      objects.splice(0, objects.length, ...objects.filter((each) => each.at !== at));
      zs.destroyPool(pools[at]!);
      pools[at] = zs.createPool();
    },
  };
  const names = Object.keys(does);
  for (let done = 0; done < OPERATIONS; done += 1) {
    const name = names[draw(names.length)]!;
    does[name]!();
    sound(k, `${name}, operation ${done}`);
    for (const { handle, version: last } of objects)
      assert.is(zs.read(handle).version, last, `${name}, operation ${done}`);
  }
  assert.ok(counts.moved > 10, `${counts.moved} pages moved`);
  assert.is(counts.freed > 0, deferred, 'deferred work has freed something');
};

test(`every law holds after each operation, and each object has what was written last (seed ${seed})`, () =>
  everyLaw(machine, true));
test(`the same where the VM has hooks for the balloon (seed ${seed})`, () => everyLaw(hooked, false));

test('by hooks the pages of the balloon are moved, and those of no other driver', () => {
  const { k, zs, balloon } = hooked();
  const device = balloon.create();
  const handle = zs.malloc(zs.createPool(), 0);
  for (let made = 0; made < 3; made += 1) assert.ok(balloon.inflate(device));
  const before = pageOf(k, handle);
  assert.equal(
    [k.compaction.compactZone('sync').isolated, k.pages.count(k.pages.pageAt(2)), pageOf(k, handle)],
    [3, 0, before],
  );
  sound(k, 'moved');
  assert.is(isolated(k), 3);
  assert.match(quiescent(k, { only: ['O-ISO'] })[0]!, /has one of PG_balloon and PG_private/);
  putback(k);
  sound(k, 'put back');
});

test('what hooks isolate comes back, moved or not, and a page that is isolated is not given up', () => {
  const { k, balloon } = hooked();
  const device = balloon.create();
  assert.ok(balloon.inflate(device));
  const page = k.pages.pageAt(1);
  assert.is(isolated(k), 1);
  assert.not.ok(balloon.release(device, page), 'the VM has it');
  putback(k);
  sound(k, 'put back');
  assert.is(k.compaction.compactZone('sync').migrated, 1);
  sound(k, 'moved');
  assert.is(k.pages.count(page), 0, 'its frame is free');
  assert.ok(balloon.deflate(device));
  sound(k, 'deflated');
});

test('objects keep their handles and their content when their pages move, also one that lies in two', () => {
  const { k, zs } = machine();
  const store = zs.createPool();
  const across = ZS_CLASSES.findIndex(({ pages }) => pages > 1);
  const handles = Array.from({ length: objectsOf(ZS_CLASSES[across]!) }, () => zs.malloc(store, across));
  for (const [at, handle] of handles.entries()) zs.write(handle, 1, at + 1);
  const before = handles.map((handle) => pageOf(k, handle));
  const free = k.pageAlloc.freePages();
  assert.is(isolated(k), 2);
  const { done } = k.migrate.migratePages(k.compaction.list, () => k.pageAlloc.allocPage(), 'async');
  assert.is(done, 2);
  sound(k, 'moved');
  assert.is.not(pageOf(k, handles[0]!), before[0]);
  for (const [at, handle] of handles.entries()) {
    assert.equal(zs.read(handle), { by: 1, version: at + 1, torn: 0 });
  }
  assert.is(k.pageAlloc.freePages(), free, 'the old pages are free');
});

test('a page is not moved while one of its objects is pinned, and stays where it is', () => {
  const { k, zs } = machine();
  const store = zs.createPool();
  const handle = zs.malloc(store, 0);
  zs.write(handle, 1, 7);
  const page = pageOf(k, handle);
  assert.is(isolated(k), 1);
  // Who has only the pin: the lock of the zspage would be waited for.
  k.isa.fetchOr(handle + ZsHandle.obj, 1);
  k.locks.page.acquire(page);
  const fresh = k.pageAlloc.allocPage();
  assert.is(k.migrate.moveToNewPage(fresh, page, 'async'), -EAGAIN);
  k.locks.page.release(page);
  k.isa.fetchAnd(handle + ZsHandle.obj, ~1);
  if (k.pages.putTestzero(fresh)) k.lru.release(fresh);
  putback(k);
  sound(k, 'put back');
  assert.is(pageOf(k, handle), page);
});

test('a zspage that is emptied while the VM has its page is not moved, and is freed by deferred work', () => {
  const { k, zs } = machine();
  const store = zs.createPool();
  const free = k.pageAlloc.freePages();
  const handle = zs.malloc(store, 0);
  const page = pageOf(k, handle);
  assert.is(isolated(k), 1);
  assert.is(k.isa.read(store + ZsPool.isolated_pages), 1);
  zs.free(handle);
  assert.is(zs.freeWork(store), 0, 'the VM has it');
  k.locks.page.acquire(page);
  assert.is(k.migrate.moveToNewPage(k.pages.pageAt(20), page, 'async'), -EBUSY);
  k.locks.page.release(page);
  putback(k);
  assert.is(k.isa.read(store + ZsPool.isolated_pages), 0);
  sound(k, 'put back');
  assert.is(zs.freeWork(store), 1);
  assert.is(k.pageAlloc.freePages(), free);
  sound(k, 'freed');
});

test('who frees the last object leaves the zspage for later when a page of it is locked', () => {
  const { k, zs } = machine();
  const store = zs.createPool();
  const handle = zs.malloc(store, 1);
  const page = pageOf(k, handle);
  const zspage = k.isa.read(page + Page.private);
  k.locks.page.acquire(page);
  zs.free(handle);
  k.locks.page.release(page);
  assert.is(k.pages.count(page), 1);
  const sizeClass = k.isa.read(zspage + Zspage.class);
  assert.is(k.lists.first(sizeClass + SizeClass.empty), zspage + Zspage.list);
  // Nobody isolates what is about to be freed.
  assert.is(isolated(k), 0);
  assert.is(zs.freeWork(store), 1);
  assert.is(k.pages.count(page), 0);
  sound(k, 'freed');
});

test('a pool that is destroyed leaves nothing, and its number of files can be had again', () => {
  const { k, zs } = machine();
  const free = k.pageAlloc.freePages();
  for (let turn = 0; turn < 20; turn += 1) {
    const store = zs.createPool();
    assert.is.not(store, 0);
    const handle = zs.malloc(store, turn % 2);
    zs.free(handle);
    zs.destroyPool(store);
    sound(k, `turn ${turn}`);
  }
  assert.is(k.pageAlloc.freePages(), free);
});

test('what there is no room for is refused, and nothing is lost', () => {
  const { k, zs, balloon } = machine();
  const stores = Array.from({ length: 3 }, () => zs.createPool());
  assert.is(stores.filter((store) => store === 0).length, 1);
  const handles: number[] = [];
  for (let handle = zs.malloc(stores[0]!, 1); handle !== 0; handle = zs.malloc(stores[0]!, 1))
    handles.push(handle);
  assert.is(handles.length, SIZES.zsHandles);
  sound(k, 'all handles');
  const device = balloon.create();
  while (balloon.inflate(device)) sound(k, 'inflated');
  assert.is(k.pageAlloc.freePages(), 0);
  zs.free(handles.pop()!);
  for (const handle of handles) zs.free(handle);
  while (balloon.deflate(device)) sound(k, 'deflated');
  assert.is(k.pageAlloc.freePages(), SIZES.frames);
});

test('a balloon gives back a page that the VM has, and the VM finds that it has', () => {
  const { k, balloon } = machine();
  const device = balloon.create();
  const free = k.pageAlloc.freePages();
  assert.ok(balloon.inflate(device));
  const page = k.pages.pageAt(1);
  assert.is(isolated(k), 1);
  assert.ok(balloon.release(device, page));
  assert.is(k.isa.read(page + Page.mapping), MAPPING_MOVABLE, 'the type stays');
  assert.not.ok(balloon.release(device, page), 'it is the balloon’s no more');
  putback(k);
  assert.is(k.pageAlloc.freePages(), free);
  assert.is(balloon.pagesOf(device), 0);
  sound(k, 'put back');
});

test.run();
