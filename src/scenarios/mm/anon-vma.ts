/**
 * page_lock_anon_vma: the anon_vma that is locked is not the page's (mm.md R1.1, R1.6; the thread "[PATCH 13/13] mm: Optimize page_lock_anon_vma", April 2010).
 *
 * A type-stable slab lets one look at an object without holding anything, and answers one question only: it is an anon_vma. Whether it is the one that the page's mapping named is found out with the
 * lock held, by a second look at the page. X is the anon_vma of process 0, which has the page.
 *
 * recycle (Paul McKenney's five steps)
 *   1. CPU 0 reads the mapping and decodes X; it has not tried for the lock yet
 *   2. CPU 1: process 0 exits; the last reference to X goes, anon_vma_free takes and releases its lock and gives X to the slab
 *   3. X is free, and still an anon_vma, for CPU 0 is in a read section
 *   4. CPU 2: process 1 has its first page and gets X, with a reference
 *   5. CPU 0 gets the lock and sees a reference: it goes on with the anon_vma of process 1
 *
 * recycle-asleep (the same in the slow path of the repaired form, without its second look)
 *   1. to 3. as above
 *   4. CPU 1: process 1 gets X, and its lock, to be put on the list
 *   5. CPU 0 does not get the lock, takes a reference, leaves the read section, and sleeps
 *   6. CPU 1 releases the lock: CPU 0 has it, and goes on with the anon_vma of process 1
 *
 * recycle-get-lock, recycle-spinlock
 *   as recycle, with CPU 1 for CPU 2; in step 5 CPU 0 takes a reference to X, or its spinlock, and has no doubt either
 *
 * root-reread
 *   1. CPU 0 decodes X
 *   2. CPU 1: process 0 exits, X is free; process 2 forks, and the child gets X, which is its own root for a moment
 *   3. CPU 0 gets the lock of X, as that of its root, and sees that the page is not mapped any more
 *   4. CPU 1 sets the root of X to that of the parent, P
 *   5. CPU 0 releases the lock of the root of X, which is P's now: that of X stays locked for ever
 *
 * older-wider (a control, C1.b)
 *   1. CPU 0 reads the mapping: X
 *   2. CPU 1: the page is moved to the anon_vma Y of a child, whose vma is on the list of X, too
 *   3. CPU 0 locks X, and walks more vmas than Y has; among them are all that Y has
 */
import { getAndLockForm, getRecheckAndLockForm } from '../../mm/variants/page-lock-anon-vma/get-and-lock.ts';
import {
  asFound,
  pageMapped,
  pageMappedForm,
  reread,
} from '../../mm/variants/page-lock-anon-vma/page-mapped.ts';
import { refcountTestForm } from '../../mm/variants/page-lock-anon-vma/refcount-test.ts';
import { lockAndUnlock } from '../../mm/variants/page-lock-anon-vma/retire.ts';
import {
  spinlockForm,
  spinlockRecheckedForm,
} from '../../mm/variants/page-lock-anon-vma/spinlock-under-rcu.ts';
import {
  type AnonVmaScene,
  control,
  exit,
  forkOf,
  inhabited,
  own,
  race,
  reclaim,
  touch,
} from './anon-vma-scene.ts';

const SERIES = 'Paul McKenney, Fri Apr 09 2010, in "Re: [PATCH 13/13] mm: Optimize page_lock_anon_vma"';
const REPAIR =
  'Hugh Dickins, 28 May 2011, "mm: fix page_lock_anon_vma leaving mutex locked" (Linux commit eee0f252c653)';

/** One process exits, and another gets what it has freed. */
const recycling = [
  reclaim,
  (scene: AnonVmaScene) => {
    exit(scene, 0);
    touch(scene, 1);
  },
];

/** R1.1. */
export const recycle = race({
  name: 'mm/anon-vma/recycle',
  wrong:
    'who gets the lock and sees a reference takes the anon_vma for that of the page: it was freed meanwhile, and belongs to another process',
  source: `${SERIES}; mm.md R1.1`,
  caughtBy: 'exception',
  says: 'O-AV',
  actors: [reclaim, (scene) => exit(scene, 0), (scene) => touch(scene, 1)],
  broken: refcountTestForm,
  fixed: pageMappedForm,
});

/** R1.1 in the slow path. */
export const recycleAsleep = race({
  name: 'mm/anon-vma/recycle-asleep',
  wrong:
    'who does not get the lock takes a reference and sleeps: the anon_vma was freed before, and the reference is that of its next owner',
  source: `${REPAIR}; mm.md R1.1`,
  caughtBy: 'exception',
  says: 'O-AV',
  actors: recycling,
  broken: { ...pageMappedForm, pageLock: pageMapped({ valid: asFound }) },
  fixed: pageMappedForm,
});

/** R1.1 where a reference is taken first. */
export const recycleGetLock = race({
  name: 'mm/anon-vma/recycle-get-lock',
  wrong:
    'a reference that could be taken says that the anon_vma lives, and not that it is still the same: it belongs to another process',
  source: `${SERIES}; mm.md R1.1`,
  caughtBy: 'exception',
  says: 'O-AV',
  actors: recycling,
  broken: getAndLockForm,
  fixed: getRecheckAndLockForm,
});

/** R1.1 before the series. */
export const recycleSpinlock = race({
  name: 'mm/anon-vma/recycle-spinlock',
  wrong:
    'RCU keeps the anon_vma an anon_vma, and the spinlock is taken without another look at the page: it may be free, or belong to another process',
  source:
    'Hugh Dickins, 25 August 2010, "mm: fix hang on anon_vma->root->lock" (Linux commit f18194275c39), which adds the second look; mm.md R1.1',
  caughtBy: 'exception',
  says: 'O-AV',
  actors: recycling,
  // Freed like the others, so that it has one defect: a list that is walked when it is empty, and free, does no harm.
  broken: { ...spinlockForm, retire: lockAndUnlock },
  fixed: spinlockRecheckedForm,
});

/** R1.6. */
export const rootReread = race({
  name: 'mm/anon-vma/root-reread',
  wrong:
    'the lock of the root is taken, and what is released is the lock of what is the root by then: the anon_vma was given out again in between',
  source: `${REPAIR}; mm.md R1.6`,
  caughtBy: 'check',
  says: 'O-LOCKBAL',
  actors: [
    reclaim,
    (scene) => {
      exit(scene, 0);
      forkOf(scene, 3, 2);
    },
  ],
  broken: { ...pageMappedForm, pageLock: pageMapped({ letGo: reread }) },
  fixed: pageMappedForm,
});

/** C1.b. */
export const olderWider = control({
  name: 'mm/anon-vma/older-wider',
  why: 'the page has moved to the anon_vma of a child: the older one, which was read before, has all vmas of the new one on its list',
  source: 'Linux 3.0, mm/rmap.c, on what page_get_anon_vma may return; mm.md C1.b',
  begin(scene) {
    inhabited(scene);
    forkOf(scene, 3, 0);
  },
  actors: [
    (scene) => {
      const { anonVma, judge, page, vmaOf } = scene;
      const found = judge.call(() => anonVma.pageLockAnonVma(page));
      if (found === 0) throw new Error('the page is mapped all the time, and its anon_vma is not found');
      let seen = false;
      anonVma.forEachVma(found, (vma) => {
        if (vma === vmaOf(3)) seen = true;
      });
      if (!seen) throw new Error('the vma that maps the page is not on the list');
      anonVma.pageUnlockAnonVma(found);
    },
    (scene) => own(scene, 3),
  ],
  form: pageMappedForm,
});
