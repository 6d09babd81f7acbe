/**
 * A driver gives a page up while it is isolated (mm.md R4.1, R4.4, R4.10). P is a page of the driver.
 *
 * clear-drops-type (R4.1, C1: the proposal of the review, `mapping & ~MOVABLE`)
 *   1. CPU 0 isolates P: a reference, PG_isolated
 *   2. CPU 1 frees it: locked, __ClearPageMovable, unlocked, its reference dropped; the isolator's is left
 *   3. CPU 0 puts it back: it has no type, so it is taken for a page of the LRU, and freed with PG_isolated
 *   The merged form leaves the type: it is known, locked, found to be nobody's, loses PG_isolated, and is freed.
 *
 * clear-drops-both (R4.1, C2)
 *   the same, with neither type nor pointer left
 *
 * clear-not-called (R4.1, C3)
 *   3. CPU 0 finds P the driver's still, and gives it back to it: on its list it is freed
 *
 * migrates-released (R4.4, C1)
 *   1. CPU 0 isolates P, and is about to migrate it
 *   2. CPU 1 frees it
 *   3. CPU 0 asks for its type, finds none, takes P for a page of a file, and has the file's migratepage do it: that is the driver's, which has given P up
 *   The review asked whether the question does not come too late, behind the isolation. It would: but the type is still there.
 *
 * putback-blind (R4.10)
 *   1. CPU 0 isolates P
 *   2. CPU 1 frees it
 *   3. CPU 0 calls the driver's putback_page, not asking whether P is still its own
 */

import {
  compact,
  free,
  isolateAndPutBack,
  moving,
  NON_LRU,
  P,
  POOLED,
  put,
  REGIME,
  SMALL_POOL,
  withPages,
} from './migrate-scene.ts';
import { mmControl, mmRace } from './objrmap-scene.ts';

const SHARED = {
  ...POOLED,
  actors: [isolateAndPutBack, free()],
  fixed: { modules: moving({}) },
} as const;

/** R4.1, C1. */
export const clearDropsType = mmRace({
  ...SHARED,
  name: 'mm/migrate/clear-drops-type',
  wrong:
    '__ClearPageMovable takes the type out of mapping, not the pointer: an isolated page is taken for one of the LRU',
  source: `${NON_LRU}: the proposal of the review; mm.md R4.1`,
  says: 'PG_isolated',
  or: [{ caughtBy: 'exception', says: 'page 1 is freed with the mapping' }],
  broken: { modules: moving({ clears: 'type' }) },
});

/** R4.1, C2. */
export const clearDropsBoth = mmRace({
  ...SHARED,
  name: 'mm/migrate/clear-drops-both',
  wrong: '__ClearPageMovable leaves nothing in mapping: an isolated page is taken for one of the LRU',
  source: `${NON_LRU}; mm.md R4.1`,
  says: 'PG_isolated',
  broken: { modules: moving({ clears: 'both' }) },
});

/** R4.1, C3. */
export const clearNotCalled = mmRace({
  ...SHARED,
  name: 'mm/migrate/clear-not-called',
  wrong: 'a driver frees a page without __ClearPageMovable: it is given back to it',
  source: `${NON_LRU}; mm.md R4.1`,
  says: 'with the mapping',
  broken: { modules: moving({ clears: 'nothing' }) },
});

/** R4.4. */
export const migratesReleased = mmRace({
  ...SHARED,
  name: 'mm/migrate/migrates-released',
  wrong:
    'the type of a page is asked for when it is migrated, and the driver that has given it up has taken it away',
  source: `${NON_LRU}: is_lru of move_to_new_page; mm.md R4.4`,
  // Somebody else has the page for a while, so that it is not seen that its owner has let go.
  init(context) {
    withPages(1)(context);
    context.k.pages.get(P(context.k));
  },
  actors: [compact, free()],
  check({ k }) {
    put(k, P(k));
    return undefined;
  },
  says: 'O-TYPE: migratepage is called',
  broken: { modules: moving({ clears: 'type' }) },
});

/** R4.10. */
export const putbackBlind = mmRace({
  ...SHARED,
  name: 'mm/migrate/putback-blind',
  wrong:
    'a page that was not migrated is given back to its driver without a look whether it is still its own',
  source: `${NON_LRU}: putback_movable_pages; mm.md R4.10`,
  says: 'O-TYPE: putbackPage is called',
  or: [
    { caughtBy: 'check', says: 'O-LIST' },
    { caughtBy: 'exception', says: 'on no list' },
  ],
  broken: { modules: moving({ putback: 'blind' }) },
});

/** C0. */
export const releasedWhileIsolated = mmControl({
  name: 'mm/migrate/released-while-isolated',
  why: 'the type says of a page that its driver has given up that it is none of the LRU, and PageMovable that it is nobody’s: it is not migrated, and freed',
  source: `${NON_LRU}; mm.md R4.1, C0, and R4.4`,
  spec: SMALL_POOL,
  regime: REGIME,
  init: withPages(2),
  actors: [compact, free(1), free(2)],
  check: ({ k }) =>
    k.pageAlloc.freePages() === SMALL_POOL.frames ? undefined : 'O-LEAK: a page that was freed is not free',
});
