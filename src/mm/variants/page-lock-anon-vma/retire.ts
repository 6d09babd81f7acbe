/**
 * What anon_vma_free does before the object goes back to the slab: somebody may have locked it and seen a reference, and be about to walk its list.
 *
 *   lockAndUnlock      13/13: takes the lock and gives it back; whoever held it has gone then
 *   unlessFree         3.0: the same, but only if the lock is held. The look at the lock follows the decrement of the last reference, a full barrier; the other side takes the lock and then
 *                      looks at the reference, and must have a barrier between the two as well (R1.3), or look at something else
 *   atOnce             nothing: R1.2
 *   afterGracePeriod   proposed in the thread and refused: a read section cannot cover the use of the anon_vma, which may sleep, so the end of all sections says nothing about it
 *   inside             a control: everything around the empty critical section is pulled into it, as processors may do. The slab's stores then come before the unlock, which is harmless:
 *                      whoever gets the object next finds its lock held for a moment
 */
import type { AnonVmaForm } from '../../anon-vma-form.ts';

type Retire = AnonVmaForm['retire'];

/** 13/13. */
export const lockAndUnlock: Retire =
  (_kernel, { lockOf, acquire, release, free }) =>
  (anonVma) => {
    const lock = lockOf(anonVma);
    acquire(lock);
    release(lock);
    free(anonVma);
  };

/** With the shortcut of 3.0. */
export const unlessFree: Retire =
  (_kernel, { lockOf, acquire, release, isLocked, free }) =>
  (anonVma) => {
    const lock = lockOf(anonVma);
    if (isLocked(lock)) {
      acquire(lock);
      release(lock);
    }
    free(anonVma);
  };

/** R1.2. */
export const atOnce: Retire =
  (_kernel, { free }) =>
  (anonVma) =>
    free(anonVma);

/** synchronize_rcu_expedited in place of the lock. */
export const afterGracePeriod: Retire =
  ({ locks, world }, { free }) =>
  (anonVma) => {
    locks.rcu.synchronize(world.rcu);
    free(anonVma);
  };

/** References pulled into the critical section from both sides. */
export const inside: Retire =
  (_kernel, { lockOf, acquire, release, free }) =>
  (anonVma) => {
    const lock = lockOf(anonVma);
    acquire(lock);
    free(anonVma);
    release(lock);
  };
