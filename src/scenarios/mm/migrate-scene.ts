/**
 * What the races of migration have in common: a pool with a page or two, and CPUs that compact while its owner frees, allocates or uses them (mm.md R4.*; "mm: migrate: support non-lru movable page migration" v6,
 * Minchan Kim and Vlastimil Babka, linux-mm, May 2016).
 *
 * The first page that is allocated is the frame with the lowest number, where the migrate scanner begins.
 */
import type { Addr } from '../../arch/index.ts';
import type { KernelEnv } from '../../mm/create.ts';
import type { Kernel } from '../../mm/kernel.ts';
import { MIGRATE_DESIGNS, type MigrateRules } from '../../mm/migrate/rules.ts';
import { migrate } from '../../mm/migrate.ts';
import { driverBytes } from '../../mm/movable/driver.ts';
import { type Pool, pool } from '../../mm/movable/pool.ts';
import { MOVABLE_DESIGNS, type MovableRules } from '../../mm/movable/rules.ts';
import { movable } from '../../mm/movable.ts';
import { type Act, tree } from './objrmap-scene.ts';

/** Of most races here. */
export const NON_LRU =
  '"mm: migrate: support non-lru movable page migration" v6 02/12, Minchan Kim and Vlastimil Babka, linux-mm, May 2016';

/** A machine for a pool of a few pages. */
export const SMALL_POOL = {
  frames: 6,
  mms: 1,
  vmas: 1,
  anonVmas: 1,
  chains: 1,
  pteChains: 1,
  files: 1,
  filePages: 1,
  swapPages: 1,
  driverBytes: driverBytes([pool]),
};

/** The tree with the locks of 2.6.7: migration finds entries by anon_vma and i_mmap. */
export const REGIME = tree('AM');

/** The pool of the scene. */
export const poolOf = (k: Kernel): Pool => k.drivers.of(pool);
/** Its address_space: the first. */
export const mappingOf = (k: Pick<Kernel, 'slabs'>): Addr => k.slabs.files.objectAt(0);
/** The page that was allocated as number `at`, from 1. */
export const P = (k: Pick<Kernel, 'pages'>, at = 1): Addr => k.pages.pageAt(at);

/** `init`: a pool with so many pages, the frames from 1 on. */
export const withPages =
  (count: number): Act =>
  ({ k }) => {
    const mapping = poolOf(k).create();
    for (let made = 0; made < count; made += 1) poolOf(k).alloc(mapping);
  };

/** What most races of a pool have in common: one page. */
export const POOLED = {
  spec: SMALL_POOL,
  regime: REGIME,
  init: withPages(1),
  caughtBy: 'exception',
} as const;

/** Migrates what can be, from end to end. */
export const compact: Act = ({ k }) => void k.compaction.compactZone('sync');

/** Isolates what can be of the frames up to one, and puts it back: migration fails. */
export const isolateUpTo =
  (last: number): Act =>
  ({ k }) => {
    const { list, isolateMigratepagesBlock } = k.compaction;
    k.lists.init(list);
    isolateMigratepagesBlock(1, last + 1, list, 'sync');
    k.migrate.putbackMovablePages(list);
  };
/** All frames. */
export const isolateAndPutBack: Act = isolateUpTo(SMALL_POOL.frames);

/** The pool takes a page back. */
export const free =
  (handle = 1): Act =>
  ({ k }) =>
    poolOf(k).free(handle);

/** Somebody uses a page of the pool, and has it locked meanwhile. */
export const use: Act = ({ k }) => {
  const page = poolOf(k).lock(1);
  k.locks.page.release(page);
};

/** Drops a reference. */
export function put(k: Kernel, page: Addr): void {
  if (k.pages.putTestzero(page)) k.lru.release(page);
}

/** Modules with a design of movable pages, other rules put in. */
export const moving = (others: Partial<MovableRules>): NonNullable<KernelEnv['modules']> => ({
  movable: (k) => movable(k, { ...MOVABLE_DESIGNS.merged, ...others }),
});

/** Modules with a design of migration, other rules put in. */
export const migrating = (others: Partial<MigrateRules>): NonNullable<KernelEnv['modules']> => ({
  migrate: (k) => migrate(k, { ...MIGRATE_DESIGNS.merged, ...others }),
});
