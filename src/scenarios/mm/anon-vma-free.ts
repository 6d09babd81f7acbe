/**
 * page_lock_anon_vma: the anon_vma is freed under who has locked it (mm.md R1.2, R1.3).
 *
 * 13/13 takes no reference on its fast path: holding the lock and having seen a reference keeps the anon_vma, because anon_vma_free takes the lock before it frees. X is the anon_vma of process 0, which
 * has the page; process 0 exits on CPU 1, and with its vma the last reference to X goes.
 *
 * free-at-once (anon_vma_free does not take the lock)
 *   1. CPU 0 decodes X; CPU 1 unmaps the page and takes the vma off the list of X
 *   2. CPU 0 gets the lock and sees the reference of the list
 *   3. CPU 1 drops it, it was the last one, and X is free
 *   4. CPU 0 walks the list of a free anon_vma
 *
 * expedited (a grace period in place of the lock: proposed in the thread, and refused)
 *   1. and 2. as above; CPU 0 leaves the read section, with the lock
 *   3. CPU 1 drops the last reference and waits for a grace period: there is nobody to wait for
 *   4. CPU 0 walks the list of a free anon_vma. No section can last until the unlock, for who has the lock may sleep
 *
 * is-locked-none, -rmb, -read-depends, -acquire (Dekker: anon_vma_free takes the lock only if it looks held)
 *   1. CPU 0 gets the lock; that it has it is not seen by others yet (lingering-mutex.ts)
 *   2. CPU 0 sees the reference
 *   3. CPU 1 drops the last reference, sees the lock free, and frees X
 *   4. now the lock is seen held; CPU 0 walks the list of a free anon_vma
 *   What is to be ordered is a store before a load. rmb orders loads, read_barrier_depends a pointer and what is read through it, an acquire itself before what follows; of these
 *   none does it, and smp_mb on CPU 0 does, against the decrement on CPU 1, which is a full barrier.
 *
 * rmb-redundant (a control, C1.a)
 *   as is-locked-none, but anon_vma_free always takes the lock: CPU 1 waits in step 3, so no barrier is needed in step 2
 *
 * is-locked-full-lock (a control)
 *   as is-locked-none, with a lock that is taken by a fully ordered operation: who has seen the reference has been seen to hold the lock
 *
 * is-locked-page-mapped (a control)
 *   as is-locked-none, but CPU 0 looks at the page instead of the reference. Where it is mapped the vma has not been taken off the list, which needs the lock: nothing depends on what is seen of it
 *
 * references-pulled-in (a control)
 *   Paul McKenney asks whether anon_vma_free needs a barrier around its empty critical section, since processors may pull references into it. Pulled in they do no harm: X is given to the slab with its
 *   lock held, CPU 2 gets it and waits for the lock, and CPU 0 does not get the lock, or finds that the page is not mapped.
 */
import type { AnonVmaForm } from '../../mm/anon-vma.ts';
import { LingeringAnonVma, lingeringMutex } from '../../mm/variants/page-lock-anon-vma/lingering-mutex.ts';
import { pageMapped, pageMappedForm } from '../../mm/variants/page-lock-anon-vma/page-mapped.ts';
import {
  LOOKS,
  type Look,
  refcountTest,
  refcountTestForm,
} from '../../mm/variants/page-lock-anon-vma/refcount-test.ts';
import {
  afterGracePeriod,
  atOnce,
  inside,
  lockAndUnlock,
  unlessFree,
} from '../../mm/variants/page-lock-anon-vma/retire.ts';
import {
  type AnonVmaScene,
  control,
  exit,
  race,
  reclaim,
  SCENE,
  type SceneOptions,
  touch,
  walk,
} from './anon-vma-scene.ts';

const THREAD = '"[PATCH 13/13] mm: Optimize page_lock_anon_vma", April 2010';
const BARRIERS =
  'Peter Zijlstra, 24 January 2011, <1295871714.28776.406.camel@laptop>, on mutex_trylock of PowerPC';

const walkers = [walk, (scene: AnonVmaScene) => exit(scene, 0)];

/** R1.2. */
export const freeAtOnce = race({
  name: 'mm/anon-vma/free-at-once',
  wrong:
    'an anon_vma is freed when its last reference goes: who has its lock, and has seen a reference before, walks the list of a free one',
  source: `Peter Zijlstra in ${THREAD}, on what the empty critical section is for; mm.md R1.2`,
  caughtBy: 'lifetime',
  actors: walkers,
  broken: { ...refcountTestForm, retire: atOnce },
  fixed: refcountTestForm,
});

/** Refused in the thread. */
export const expedited = race({
  name: 'mm/anon-vma/expedited',
  wrong:
    'an anon_vma is freed after a grace period instead of under its lock: who has the lock has left its read section long ago',
  source: `Paul McKenney proposes it in ${THREAD}, and Peter Zijlstra says why not; mm.md R1.2`,
  caughtBy: 'lifetime',
  actors: walkers,
  options: { gracePeriods: true },
  broken: { ...refcountTestForm, retire: afterGracePeriod },
  fixed: refcountTestForm,
});

const LINGERING: SceneOptions = {
  slabs: { anonVmas: { layout: LingeringAnonVma, objects: SCENE.anonVmas } },
};

const shortcut = (look: Look): AnonVmaForm => ({
  ...refcountTestForm,
  locking: lingeringMutex,
  retire: unlessFree,
  pageLock: refcountTest({ look }),
});

const isLocked = (name: string, what: string, look: Look) =>
  race({
    name: `mm/anon-vma/is-locked-${name}`,
    wrong: `anon_vma_free takes the lock only if it looks held, and who takes it looks at the reference ${what}: neither sees the other`,
    source: `${BARRIERS}; mm.md R1.3`,
    caughtBy: 'lifetime',
    model: 'tso',
    actors: walkers,
    options: LINGERING,
    broken: shortcut(look),
    fixed: shortcut(LOOKS.mb),
  });

/** R1.3. */
export const isLockedNone = isLocked('none', 'without a barrier', LOOKS.none);
/** R1.3. */
export const isLockedRmb = isLocked('rmb', 'after smp_rmb', LOOKS.rmb);
/** R1.3. */
export const isLockedReadDepends = isLocked(
  'read-depends',
  'after smp_read_barrier_depends',
  LOOKS.readDepends,
);
/** R1.3. */
export const isLockedAcquire = isLocked('acquire', 'by an acquire', LOOKS.acquire);

/** C1.a. */
export const rmbRedundant = control({
  name: 'mm/anon-vma/rmb-redundant',
  why: 'anon_vma_free always takes the lock: that it is held needs not be seen by a mere look',
  source: `the smp_rmb in ${THREAD}; mm.md C1.a`,
  actors: walkers,
  options: LINGERING,
  form: { ...shortcut(LOOKS.none), retire: lockAndUnlock },
});

/** R1.3 takes a machine whose locks are no full barriers. */
export const isLockedFullLock = control({
  name: 'mm/anon-vma/is-locked-full-lock',
  why: 'taking the lock is a fully ordered operation: who sees the reference after it is seen to hold the lock by whoever drops the reference later',
  source: `${BARRIERS}; mm.md R1.3`,
  actors: walkers,
  form: { ...refcountTestForm, retire: unlessFree, pageLock: refcountTest({ look: LOOKS.none }) },
});

/** The repair makes R1.3 void. */
export const isLockedPageMapped = control({
  name: 'mm/anon-vma/is-locked-page-mapped',
  why: 'a page that is mapped has a vma on the list, which is taken off under the lock, before the last reference goes',
  source:
    'Hugh Dickins, 28 May 2011, "mm: fix page_lock_anon_vma leaving mutex locked" (Linux commit eee0f252c653); mm.md R1.3',
  actors: walkers,
  options: LINGERING,
  form: { ...shortcut(LOOKS.none), pageLock: pageMapped() },
});

/** Paul McKenney's question about the empty critical section. */
export const referencesPulledIn = control({
  name: 'mm/anon-vma/references-pulled-in',
  why: 'what is pulled into the empty critical section is done with the lock held, and whoever gets the object next waits for it',
  source: `Paul McKenney in ${THREAD}, on a barrier around the empty critical section; mm.md R1.2`,
  actors: [reclaim, (scene) => exit(scene, 0), (scene) => touch(scene, 1)],
  form: { ...pageMappedForm, retire: inside },
});
