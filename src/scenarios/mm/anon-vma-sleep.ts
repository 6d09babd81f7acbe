/**
 * page_lock_anon_vma: somebody sleeps who must not, or waits for himself (mm.md R1.5, R1.8). X is the anon_vma of process 0, which has the page.
 *
 * mutex-under-rcu
 *   1. CPU 1 has the mutex of X, and waits for a grace period
 *   2. CPU 0 decodes X in its read section, and sleeps there for the mutex
 *   3. the grace period waits for CPU 0's section: nobody goes on. That it sleeps there is wrong in every run, whether anybody waits for a grace period or not
 *
 * put-under-rcu
 *   1. CPU 0, in its read section, takes a reference to X
 *   2. CPU 1: process 0 exits; the page is unmapped, X loses the reference of its list
 *   3. CPU 0 sees that the page is not mapped, and drops its reference, in the section: it was the last one
 *   4. freeing X takes its mutex, which may sleep
 *
 * put-under-mutex
 *   1. CPU 0 decodes X
 *   2. CPU 1: process 0 exits, and has the mutex of X to take its vma off the list
 *   3. CPU 0 does not get the mutex, takes a reference, leaves its section, and sleeps
 *   4. CPU 1 releases the mutex and drops the reference of the list
 *   5. CPU 0 has the mutex, and drops its reference by the ordinary put: it was the last one, and freeing X takes the mutex that CPU 0 holds
 */

import { Vma } from '../../mm/structs.ts';
import {
  getAndLockForm,
  getRecheckAndLockForm,
  putUnderRcuForm,
} from '../../mm/variants/page-lock-anon-vma/get-and-lock.ts';
import { mutexUnderRcuForm } from '../../mm/variants/page-lock-anon-vma/mutex-under-rcu.ts';
import {
  ordinaryPut,
  refcountTest,
  refcountTestForm,
} from '../../mm/variants/page-lock-anon-vma/refcount-test.ts';
import { lockAndUnlock } from '../../mm/variants/page-lock-anon-vma/retire.ts';
import { type AnonVmaScene, exit, race, walk } from './anon-vma-scene.ts';

/** Waits for a grace period with the mutex of X. */
function synchronizeUnderMutex({ isa, anonVma, locks, world, vmaOf }: AnonVmaScene): void {
  const held = isa.read(vmaOf(0) + Vma.anon_vma);
  anonVma.lock(held);
  locks.rcu.synchronize(world.rcu);
  anonVma.unlock(held);
}

/** R1.5. */
export const mutexUnderRcu = race({
  name: 'mm/anon-vma/mutex-under-rcu',
  wrong:
    'the spinlock of anon_vma is made a mutex and still taken in an RCU read section: who sleeps there holds up grace periods, and those who wait for one',
  source:
    'Peter Zijlstra in "[PATCH 13/13] mm: Optimize page_lock_anon_vma", April 2010, on what the reference of the slow path is for; mm.md R1.5',
  // Where nobody waits for a grace period yet, the detector of locks says that somebody sleeps in a section.
  caughtBy: 'progress',
  actors: [walk, synchronizeUnderMutex],
  options: { gracePeriods: true },
  broken: mutexUnderRcuForm,
  fixed: getAndLockForm,
});

/** R1.5. */
export const putUnderRcu = race({
  name: 'mm/anon-vma/put-under-rcu',
  wrong:
    'a reference that was taken in vain is dropped in the RCU read section: if it is the last one, freeing takes a mutex there',
  source: 'Hugh Dickins, 31 May 2014, <alpine.LSU.2.11.1405311321340.10272@eggly.anvils>; mm.md R1.5',
  caughtBy: 'lock-order',
  actors: [walk, (scene) => exit(scene, 0)],
  broken: putUnderRcuForm,
  fixed: { ...getRecheckAndLockForm, retire: lockAndUnlock },
});

/** R1.8. */
export const putUnderMutex = race({
  name: 'mm/anon-vma/put-under-mutex',
  wrong:
    'the reference of the slow path is dropped by an ordinary put with the mutex held: if it is the last one, freeing takes the mutex again',
  source:
    '"[PATCH 13/13] mm: Optimize page_lock_anon_vma", April 2010, where it is dropped by hand; mm.md R1.8',
  caughtBy: 'progress',
  actors: [walk, (scene) => exit(scene, 0)],
  broken: { ...refcountTestForm, pageLock: refcountTest({ drop: ordinaryPut }) },
  fixed: refcountTestForm,
});
