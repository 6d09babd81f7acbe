/**
 * What CPUs do to pages that may be moved, in the workload of migration: the mix T4 of docs/mm.md ("mm: migrate: support non-lru movable page migration" v6, Minchan Kim, May 2016), each operation under its
 * name with its weight.
 *
 * Disks in memory over a store of small objects (drivers/zram.ts), and a balloon, have the pages; whoever compacts isolates them, moves them, or puts them back, because the driver says that it cannot be now: of its own
 * accord, for an object is in use, or since the mix has drawn that (`-EAGAIN`, `-EBUSY`). Each object is read by somebody who knows what was written last (O-LOST); the rest is judged by O-ZS and O-BALLOON.
 */
import type { Addr } from '../../arch/index.ts';
import { virtioBalloon } from '../drivers/balloon.ts';
import { type Zram, type ZramSize, zram, zramBytes } from '../drivers/zram.ts';
import { zsmalloc } from '../drivers/zs.ts';
import { EAGAIN, EBUSY } from '../errno.ts';
import type { Kernel } from '../kernel.ts';
import { compound } from '../movable/compound.ts';
import { type DriverType, driverBytes, type MovableDriver } from '../movable/driver.ts';
import { pages as unobserved } from '../pages.ts';
import { type Operation, operations, pick } from './operations.ts';

/** Of the disks. */
const SIZE: ZramSize = { disks: 6, slots: 8 };
/** Frames that a scanner takes at a time. */
const PAGEBLOCK = 32;
/** Entries that map a compound page: with the third its tail looks like a driver's page. */
const HUGE_ENTRIES = 3;
/** Pages that the balloon has, at most. */
const BALLOONED = 32;

/** A driver whose pages cannot be moved now and then, once the VM has them. */
function fickle<D extends MovableDriver>(type: DriverType<D>): DriverType<D> {
  return {
    ...type,
    make(k, at) {
      const driver = type.make(k, at);
      const { ops } = driver;
      return {
        ...driver,
        ops: {
          ...ops,
          migratepage(mapping, newpage, page, mode) {
            const dice = k.cpu.below(8);
            if (dice === 0) return -EBUSY;
            return dice === 1 ? -EAGAIN : ops.migratepage(mapping, newpage, page, mode);
          },
        },
      };
    },
  };
}

const ZS = fickle(zsmalloc(undefined, zramBytes(SIZE)));
const BALLOON = fickle(virtioBalloon());

/** The drivers of the mix. */
export const DRIVERS_OF_T4: readonly DriverType[] = [ZS, BALLOON];
/** What they need of a model. */
export const SIZES_OF_T4 = {
  driverBytes: driverBytes(DRIVERS_OF_T4),
  zsPools: SIZE.disks,
  zspages: 48,
  zsHandles: 96,
  balloons: 1,
};

const disks = new WeakMap<Kernel, Zram>();

/** The disks as one CPU has them: nothing of them is kept here. */
function disksOf(k: Kernel): Zram {
  const made = disks.get(k) ?? zram(k, k.drivers.of(ZS), SIZE);
  disks.set(k, made);
  return made;
}

const balloonOf = ({ driverSlabs }: Kernel): Addr => driverSlabs.balloons!.objectAt(0);

/** Sets them up; once, before any CPU runs. */
export function setUpDrivers(k: Kernel): void {
  disksOf(k).init();
  k.drivers.of(BALLOON).create();
}

/** A slot of a disk. */
const place = ({ cpu }: Kernel): readonly [disk: number, slot: number] => [
  cpu.below(SIZE.disks),
  cpu.below(SIZE.slots),
];

/** A slot gets another object, or loses the one it has. */
const object: Operation = ({ k }) =>
  k.cpu.below(4) !== 0 ? disksOf(k).write(...place(k)) : disksOf(k).discard(...place(k));

const access: Operation = ({ k }) =>
  k.cpu.below(3) === 0 ? disksOf(k).rewrite(...place(k)) : disksOf(k).read(...place(k));

/** A pageblock is emptied, or isolated and left as it is; or the whole zone is compacted. Then what drivers had left to do is done. */
const compact: Operation = ({ k }) => {
  const { compaction, cpu, lists, migrate, pageAlloc, spec } = k;
  const dice = cpu.below(8);
  let found = 0;
  if (dice === 0) found = compaction.compactZone(pick(cpu, ['async', 'sync']), PAGEBLOCK).isolated;
  else {
    const first = 1 + PAGEBLOCK * cpu.below(Math.ceil(spec.frames / PAGEBLOCK));
    const end = Math.min(first + PAGEBLOCK, spec.frames + 1);
    k.lru.drain();
    lists.init(compaction.list);
    found = compaction.isolateMigratepagesBlock(first, end, compaction.list, 'async').isolated;
    if (dice !== 1) migrate.migratePages(compaction.list, () => pageAlloc.allocPage(), 'async');
    migrate.putbackMovablePages(compaction.list);
  }
  disksOf(k).work(cpu.below(SIZE.disks));
  return found > 0;
};

/** The balloon grows or shrinks, by a page of its choice or a certain one. */
const balloon: Operation = ({ k }) => {
  const { cpu, pages, spec } = k;
  const driver = k.drivers.of(BALLOON);
  const device = balloonOf(k);
  const dice = cpu.below(8);
  if (dice === 0) return driver.release(device, pages.pageAt(1 + cpu.below(spec.frames)));
  if (dice < 3 || driver.pagesOf(device) >= BALLOONED) return driver.deflate(device);
  return driver.inflate(device);
};

/** Two frames that happen to lie together become a compound page, are mapped as one, and split again. */
const thp: Operation = ({ k }) => {
  const { isa, lru, pageAlloc, pages } = k;
  const two = [pageAlloc.allocPage(), pageAlloc.allocPage()]
    .filter((page) => page !== 0)
    .sort((a, b) => a - b);
  const [head = 0, tail = 0] = two;
  const together = head !== 0 && pages.pfnOf(tail) === pages.pfnOf(head) + 1;
  if (together) {
    // A tail has no references, and gets one when it is split off: O-REF>= would take that for somebody who has none.
    const { make, map, split } = compound({ ...k, pages: unobserved(k) });
    make(head);
    for (let entry = 0; entry < HUGE_ENTRIES; entry += 1) {
      map(head, 1);
      isa.pause();
    }
    for (let entry = 0; entry < HUGE_ENTRIES; entry += 1) map(head, -1);
    split(head);
  }
  for (const page of two) if (pages.putTestzero(page)) lru.release(page);
  return together;
};

/** A disk is reset, with its pool. */
const destroy: Operation = ({ k }) => disksOf(k).reset(k.cpu.below(SIZE.disks));

/** What T4 draws, with its weights. */
export const T4 = operations({
  object: { weight: 35, run: object },
  access: { weight: 25, run: access },
  compact: { weight: 25, run: compact },
  thp: { weight: 5, run: thp },
  balloon: { weight: 8, run: balloon },
  destroy: { weight: 2, run: destroy },
});
