/**
 * A store of small objects whose pages the VM moves (mm.md R4.11; mm/zsmalloc.c, Linux 4.8). X is an object.
 *
 * copy-unpinned (R4.11)
 *   1. CPU 1 pins X, and finds where it is
 *   2. CPU 0 moves the page: it keeps users of the zspage out, copies, and tells the handles of the new place
 *   3. CPU 1 locks the zspage, and writes to the old page
 *   Is the page given up already when CPU 1 comes to it, it finds no zspage (O-UAF); else its write is lost.
 *
 * migrate-waits-for-pin (R4.11)
 *   1. CPU 1 pins X
 *   2. CPU 0, migration, has the zspage for writing, and waits for the pin
 *   3. CPU 1 waits for the zspage
 *
 * copy-beside-user
 *   X begins in one page, and its words lie in the next
 *   1. CPU 1 has X pinned, and the zspage locked for reading: it writes
 *   2. CPU 0 moves the second page, in which no object that is in use begins: what is written behind the copy is lost
 *
 * free-waits-for-page
 *   1. CPU 0 has locked the page to isolate it
 *   2. CPU 1 frees X, the last object: with the class locked it waits for the page
 *   3. CPU 0 waits for the class
 *
 * destroy-forgets-isolated (commit 701d678599d0, Linux 5.3)
 *   1. CPU 0 has isolated the page of X
 *   2. CPU 1 frees X, and destroys the pool: its work has nothing to free yet
 *   3. CPU 0 puts the page back: zspage, class and pool are gone, or the page is nobody's
 */
import { ZS_CLASSES } from '../../mm/drivers/structs.ts';
import { objectsOf, startOf } from '../../mm/drivers/zspage.ts';

import { isolateAll, keep, kept, MOVABLE, moveAll, type Played, zsRace } from './drivers-scene.ts';

type Scene = Parameters<typeof zsRace>[0]['scene'];

/** The class whose objects fill pages, and the one of which an object lies in two. */
const [EVEN, ACROSS] = [0, 1];
/** The number of that object. */
const ACROSS_AT = Array.from({ length: objectsOf(ZS_CLASSES[ACROSS]!) }, (_, index) => index).findIndex(
  (index) => startOf(ZS_CLASSES[ACROSS]!, index).page !== startOf(ZS_CLASSES[ACROSS]!, index + 1).page,
);

/** A pool with objects, of which the last is X; the others are freed again. Each CPU does something with the pool, and X. */
const scene =
  (
    sizeClass: number,
    objects: number,
    [first, second]: readonly [(play: Play) => void, (play: Play) => void],
  ): Scene =>
  (type) => {
    const play = (context: Context): Play => ({
      context,
      zs: context.k.drivers.of(type),
      pool: kept(context, 0),
      x: kept(context, 1),
    });
    return {
      init(context) {
        const zs = context.k.drivers.of(type);
        const pool = zs.createPool();
        const handles = Array.from({ length: objects }, () => zs.malloc(pool, sizeClass));
        const x = handles.pop()!;
        for (const handle of handles) zs.free(handle);
        zs.write(x, 1, 1);
        keep(context, 0, pool);
        keep(context, 1, x);
      },
      actors: [(context) => first(play(context)), (context) => second(play(context))],
    } satisfies Played;
  };

type Context = Parameters<NonNullable<Played['init']>>[0];

interface Play {
  readonly context: Context;
  readonly zs: ReturnType<Parameters<Scene>[0]['make']>;
  readonly pool: number;
  readonly x: number;
}

const moves = ({ context }: Play): void => moveAll(context);
const writes = ({ zs, x }: Play): void => zs.write(x, 2, 2);
const frees = ({ zs, x }: Play): void => zs.free(x);
const destroys = ({ zs, pool }: Play): void => zs.destroyPool(pool);

/** R4.11. */
export const copyUnpinned = zsRace({
  name: 'mm/drivers/copy-unpinned',
  wrong:
    'migration copies a page without pinning the objects in it: who knows where his object was writes to the old page',
  source: `the order of locks of mm/zsmalloc.c; ${MOVABLE}, commit 48b4800a1c6a; mm.md R4.11`,
  caughtBy: 'check',
  says: 'zs_handle#0',
  broken: { pins: 'no' },
  scene: scene(EVEN, 1, [moves, writes]),
});

/** R4.11. */
export const migrateWaitsForPin = zsRace({
  name: 'mm/drivers/migrate-waits-for-pin',
  wrong:
    'migration waits for the pin of an object with the zspage locked; its user has it pinned and waits for the zspage',
  source: `the order of locks of mm/zsmalloc.c; ${MOVABLE}, commit 48b4800a1c6a; mm.md R4.11`,
  caughtBy: 'progress',
  broken: { pins: 'wait' },
  scene: scene(EVEN, 1, [moves, writes]),
});

/** Why the zspage has a lock besides pins. */
export const copyBesideUser = zsRace({
  name: 'mm/drivers/copy-beside-user',
  wrong:
    'migration pins the objects that begin in a page, and does not keep users of the zspage out: one lies in two pages, and is written while the second is copied',
  source: `migrate_write_lock of mm/zsmalloc.c; ${MOVABLE}, commit 48b4800a1c6a; R4.11 of mm.md`,
  caughtBy: 'check',
  says: 'O-LOST',
  broken: { excludes: false },
  scene: scene(ACROSS, ACROSS_AT + 1, [moves, writes]),
});

/** The order of page lock and class. */
export const freeWaitsForPage = zsRace({
  name: 'mm/drivers/free-waits-for-page',
  wrong:
    'who frees the last object of a zspage waits for its pages with the class locked; who isolates a page has it locked and waits for the class',
  source: `trylock_zspage and the deferred work of mm/zsmalloc.c; ${MOVABLE}, commit 48b4800a1c6a; mm.md D`,
  caughtBy: 'progress',
  broken: { empties: 'waits' },
  scene: scene(EVEN, 1, [({ context }) => isolateAll(context), frees]),
});

/** Who destroys a pool. */
export const destroyForgetsIsolated = zsRace({
  name: 'mm/drivers/destroy-forgets-isolated',
  wrong: 'a pool without objects is destroyed while the VM has a page of it: putback finds it gone',
  source:
    'Henry Burns, "mm/zsmalloc.c: fix race condition in zs_destroy_pool", commit 701d678599d0, Linux 5.3',
  // By its laws at the end where nobody has come to what is gone.
  caughtBy: 'lifetime',
  says: 'freed',
  or: [{ caughtBy: 'check', says: 'O-ZS' }],
  broken: { drains: false },
  scene: scene(EVEN, 1, [
    ({ context }) => isolateAll(context),
    (play) => {
      frees(play);
      destroys(play);
    },
  ]),
});
