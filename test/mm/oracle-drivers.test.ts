/** The laws of drivers of movable pages, O-ZS, O-BALLOON and O-LOST of objects, name each single damage that they are about, and nothing of what is as it should be. */
import * as assert from 'uvu/assert';
import { virtioBalloon } from '../../src/mm/drivers/balloon.ts';
import { Balloon, SizeClass, ZsHandle, ZsPool, Zspage } from '../../src/mm/drivers/structs.ts';
import { zsmalloc } from '../../src/mm/drivers/zs.ts';
import { locationOf } from '../../src/mm/drivers/zspage.ts';
import { nameOfWord } from '../../src/mm/names.ts';
import { quiescent } from '../../src/mm/oracles/index.ts';
import { Page, PG } from '../../src/mm/structs.ts';
import { idsOf } from '../fixtures/mm/damage.ts';
import { oneCpu } from '../fixtures/mm/workload.ts';
import { suite } from '../suite.ts';

const test = suite('quiescent oracles: drivers of movable pages');
const ZS = zsmalloc();
const BALLOON = virtioBalloon();

/** A pool with a zspage of four objects and one of two, a balloon of three pages. */
function sound() {
  const { k } = oneCpu({ frames: 16, zsPools: 1, zspages: 4, zsHandles: 8, balloons: 1, files: 2 }, () => ({
    drivers: [ZS, BALLOON],
  }));
  const [zs, balloon] = [k.drivers.of(ZS), k.drivers.of(BALLOON)];
  const pool = zs.createPool();
  const handles = [0, 0, 0, 0, 1, 1].map((sizeClass) => zs.malloc(pool, sizeClass));
  for (const [at, handle] of handles.entries()) zs.write(handle, 1, at + 1);
  const device = balloon.create();
  for (let made = 0; made < 3; made += 1) balloon.inflate(device);
  const { isa, pages } = k;
  const page = (handle: number): number => pages.pageAt(locationOf(isa.read(handle + ZsHandle.obj)).pfn);
  const zspage = (handle: number): number => isa.read(page(handle) + Page.private);
  const add = (addr: number, by: number): void => isa.write(addr, isa.read(addr) + by);
  return {
    k,
    pool,
    handles,
    device,
    page,
    zspage,
    add,
    content: (handle: number) => pages.contentOf(page(handle)),
  };
}

type Sound = ReturnType<typeof sound>;
const listed = ({ k, device }: Sound): number => k.isa.read(device + Balloon.pages) - Page.lru;
const isolate = ({ k }: Sound, page: number): void => k.pages.set(page, PG.isolated.mask);

const DAMAGES: readonly (readonly [
  oracle: string,
  what: string,
  damage: (s: Sound) => void,
  says: RegExp,
])[] = [
  [
    'O-ZS',
    'a page that names no zspage',
    (s) => s.k.isa.write(s.page(s.handles[0]!) + Page.private, 0),
    /page\[1\] is page 0 of zspage#0, and does not say so/,
  ],
  [
    'O-ZS',
    'a page of a zspage that has another place',
    (s) => s.k.isa.write(s.page(s.handles[4]!) + Page.index, 1),
    /is page 0 of zspage#1, and does not say so/,
  ],
  [
    'O-ZS',
    'the count of objects',
    (s) => s.add(s.zspage(s.handles[4]!) + Zspage.inuse, -1),
    /zspage#1\.inuse is 1, and 2 are allocated/,
  ],
  [
    'O-ZS',
    'the list of free objects, which comes back',
    (s) => s.k.isa.write(s.zspage(s.handles[4]!) + Zspage.freeobj, 1),
    /the free objects of zspage#1 lead to number \d+|object 0 of zspage#1 is free, and its head says/,
  ],
  [
    'O-ZS',
    'an object whose head names nobody',
    (s) => s.k.isa.write(s.content(s.handles[0]!), 1),
    /object 0 of zspage#0 is allocated, and its head names no handle/,
  ],
  [
    'O-ZS',
    'a handle that is pinned',
    (s) => s.add(s.handles[1]! + ZsHandle.obj, 1),
    /zs_handle#1\.obj is 0x103, and object 1 of zspage#0 is at 0x102/,
  ],
  [
    'O-ZS',
    'a handle that nobody has',
    (s) => void s.k.driverSlabs.zsHandles!.alloc(),
    /zs_handle#6 is live, and has no object/,
  ],
  [
    'O-ZS',
    'a zspage that is full, on the list of those that are not',
    (s) =>
      s.k.lists.move(
        s.zspage(s.handles[0]!) + Zspage.list,
        s.k.isa.read(s.pool + ZsPool.size_class) + SizeClass.partial,
      ),
    /zspage#0 is on size_class#0\.partial, and belongs on size_class#0\.full/,
  ],
  [
    'O-ZS',
    'a list of zspages that is damaged',
    (s) => s.k.isa.write(s.zspage(s.handles[0]!) + Zspage.list + 4, 0),
    /size_class#0\.full: /,
  ],
  [
    'O-ZS',
    'a zspage that counts a page as isolated',
    (s) => s.add(s.zspage(s.handles[0]!) + Zspage.isolated, 1),
    /zspage#0\.isolated is 1, and 0 pages are/,
  ],
  [
    'O-ZS',
    'a pool that waits for a page which nobody has',
    (s) => s.add(s.pool + ZsPool.isolated_pages, 1),
    /zs_pool#0\.isolated_pages is 1, and 0 is right/,
  ],
  [
    'O-ZS',
    'a zspage of a pool that is gone',
    (s) => s.k.driverSlabs.zsPools!.free(s.pool),
    /zspage#0 is live, and its pool or its class is not/,
  ],
  [
    'O-LOST',
    'an object with an older write',
    (s) => s.add(s.content(s.handles[1]!) + 4 * 6, -1),
    /word 1 of object 1 of zspage#0 is 1, and not of write 2 of 1, which zs_handle#1 was told of/,
  ],
  [
    'O-LOST',
    'an object of which one word is of another write',
    (s) => s.add(s.content(s.handles[0]!) + 4 * 3, 1),
    /word 2 of object 0 of zspage#0 is \d+, and not of write 1 of 1/,
  ],
  [
    'O-BALLOON',
    'the count of its pages',
    (s) => s.add(s.device + Balloon.num_pages, 1),
    /balloon_dev_info#0\.num_pages is 4, and it has 3/,
  ],
  [
    'O-BALLOON',
    'the count of those that the VM has',
    (s) => s.add(s.device + Balloon.isolated_pages, 1),
    /balloon_dev_info#0\.isolated_pages is 1, and 0 are/,
  ],
  [
    'O-BALLOON',
    'a page that is isolated, and on the list',
    (s) => isolate(s, listed(s)),
    /is on balloon_dev_info#0\.pages, and is isolated/,
  ],
  [
    'O-BALLOON',
    'a page that is on no list',
    (s) => s.k.lists.del(listed(s) + Page.lru),
    /3 pages belong to balloon_dev_info#0, and 2 are on its list or isolated/,
  ],
  [
    'O-BALLOON',
    'a page that names no balloon',
    (s) => s.k.isa.write(listed(s) + Page.private, 0),
    /belongs to balloon_dev_info#0, and does not say so/,
  ],
  [
    'O-BALLOON',
    'a page on the list that it has given up',
    (s) => s.k.movable.clearMovable(listed(s)),
    /is on balloon_dev_info#0\.pages, and is not the balloon's/,
  ],
  [
    'O-BALLOON',
    'a list that is damaged',
    (s) => s.k.isa.write(listed(s) + Page.lru + 4, 0),
    /balloon_dev_info#0\.pages: /,
  ],
];

test('nothing is wrong with what is as it should be', () => {
  assert.equal(quiescent(sound().k), []);
});

for (const [oracle, what, damage, says] of DAMAGES)
  test(`${oracle}: ${what}`, () => {
    const state = sound();
    damage(state);
    const wrong = quiescent(state.k, { only: ['O-ZS', 'O-BALLOON', 'O-LOST'] });
    assert.equal(idsOf(wrong), [oracle], wrong.join('\n'));
    assert.match(wrong[0]!, says);
  });

test('words of what drivers have are called as in the kernel', () => {
  const { k, pool, handles, device, zspage } = sound();
  const sizeClass = k.isa.read(pool + ZsPool.size_class + 4);
  for (const [addr, name] of [
    [pool + ZsPool.isolated_pages, 'zs_pool#0.isolated_pages'],
    [sizeClass + SizeClass.lock, 'size_class#1.lock'],
    [sizeClass + SizeClass.partial + 4, 'size_class#1.partial.prev'],
    [zspage(handles[4]!) + Zspage.pages + 4, 'zspage#1.pages[1]'],
    [handles[2]! + ZsHandle.obj, 'zs_handle#2.obj'],
    [device + Balloon.pages_lock, 'balloon_dev_info#0.pages_lock'],
  ] as const)
    assert.is(nameOfWord(k.world, k.spec, addr), name);
});

test.run();
