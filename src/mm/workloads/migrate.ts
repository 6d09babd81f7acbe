/**
 * What CPUs do to pages that may be moved, in the workload of migration: the mix T4 of docs/mm.md ("mm: migrate: support non-lru movable page migration" v6, Minchan Kim, May 2016), each operation under its
 * name with its weight.
 *
 * Disks in memory over a store of small objects (drivers/zram.ts), and a balloon, have the pages; whoever compacts isolates them, moves them, or puts them back, because the driver says that it cannot be now: of its own
 * accord, for an object is in use, or since the mix has drawn that (`-EAGAIN`, `-EBUSY`). Each object is read by somebody who knows what was written last (O-LOST); the rest is judged by O-ZS and O-BALLOON.
 */
import type { Addr } from '../../arch/index.ts';
import { virtioBalloon } from '../drivers/balloon.ts';
import { BALLOON_DESIGNS, type BalloonRules, ZS_DESIGNS, type ZsRules } from '../drivers/rules.ts';
import { type Zram, type ZramSize, zram, zramBytes } from '../drivers/zram.ts';
import { zsmalloc } from '../drivers/zs.ts';
import { EAGAIN, EBUSY } from '../errno.ts';
import type { Kernel } from '../kernel.ts';
import { compound } from '../movable/compound.ts';
import { type DriverType, driverBytes, type MovableDriver } from '../movable/driver.ts';
import { pages as unobserved } from '../pages.ts';
import type { MmSpec } from '../spec.ts';
import { type Member, type Operation, operations, pick, type WeighedOperation } from './operations.ts';

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

/** What a workload needs that has the mix. */
export interface MigrationMix {
  readonly operations: Readonly<
    Record<'object' | 'access' | 'compact' | 'thp' | 'balloon' | 'destroy', WeighedOperation>
  >;
  readonly drivers: readonly DriverType[];
  readonly spec: Partial<MmSpec>;
  /** Sets up what the drivers have; once, before any CPU runs. */
  readonly init: (member: Pick<Member, 'k'>) => void;
}

/** How its drivers go about it, where that is otherwise. */
export interface MigrationRules {
  readonly zs?: Partial<ZsRules>;
  readonly balloon?: Partial<BalloonRules>;
}

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

/** The mix, with drivers that may be made differently. */
export function migrationMix(rules: MigrationRules = {}): MigrationMix {
  const ZS = fickle(zsmalloc({ ...ZS_DESIGNS.later, ...rules.zs }, zramBytes(SIZE)));
  const BALLOON = fickle(virtioBalloon({ ...BALLOON_DESIGNS['4.8'], ...rules.balloon }));
  const drivers = [ZS, BALLOON];
  // As each CPU has them: nothing of them is kept here.
  const disks = new WeakMap<Kernel, Zram>();

  function disksOf(k: Kernel): Zram {
    const made = disks.get(k) ?? zram(k, k.drivers.of(ZS), SIZE);
    disks.set(k, made);
    return made;
  }

  const balloonOf = ({ driverSlabs }: Kernel): Addr => driverSlabs.balloons!.objectAt(0);

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

  /** A disk is reset, with its pool. */
  const destroy: Operation = ({ k }) => disksOf(k).reset(k.cpu.below(SIZE.disks));

  return {
    drivers,
    spec: { driverBytes: driverBytes(drivers), zsPools: SIZE.disks, zspages: 48, zsHandles: 96, balloons: 1 },
    init({ k }) {
      disksOf(k).init();
      k.drivers.of(BALLOON).create();
    },
    operations: operations({
      object: { weight: 35, run: object },
      access: { weight: 25, run: access },
      compact: { weight: 25, run: compact },
      thp: { weight: 5, run: thp },
      balloon: { weight: 8, run: balloon },
      destroy: { weight: 2, run: destroy },
    }),
  };
}

/** What a workload has of it whose drivers are as they should be. */
export const MIGRATION = migrationMix();
/** What T4 draws, with its weights. */
export const T4 = MIGRATION.operations;
