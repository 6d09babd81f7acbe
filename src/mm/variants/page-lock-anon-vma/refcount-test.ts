/**
 * page_lock_anon_vma of 13/13 (Peter Zijlstra, 8 April 2010): the lock pins the anon_vma, and a reference only where one has to sleep for it.
 *
 *   fast path   RCU on; look the anon_vma up; try for its mutex; is there a reference? RCU off        one read-modify-write
 *   slow path   the mutex is held: take a reference unless the last has gone; RCU off; sleep for the mutex; drop the reference
 *   unlock      unlock
 *
 * Who has the lock and sees a reference keeps the anon_vma: the last reference may go, but anon_vma_free waits for the lock (retire.ts). Who sees none has come too late.
 *
 * Whose reference it is he does not know (R1.1, Paul McKenney, 9 April): between look-up and trylock the anon_vma may have been freed and given out again, and its new owner's reference looks
 * like the old one's. The same holds for the reference of the slow path. page-mapped.ts is the repair.
 *
 * Ordering: between taking the lock and looking at the reference stands what `Look` says. Where the lock is taken by a fully ordered operation, or anon_vma_free always takes it, an acquire is
 * enough (C1.a). Where neither holds, it is Dekker's pattern: lock, then look at the reference, against drop the reference, then look at the lock, and only a full barrier will do (R1.3).
 *
 * In the slow path the reference may be the last one by then, and the lock is held: it is dropped by hand, and freeing comes after the unlock (`unlockThenFree`). An ordinary put would take
 * the lock again (R1.8).
 */
import type { Addr, Isa } from '../../../arch/index.ts';
import type { AnonVmaForm, AnonVmaLocking, AnonVmaRefs } from '../../anon-vma-form.ts';
import { AnonVma } from '../../structs.ts';
import { ownMutex } from './locking.ts';
import { dereferenced } from './look-up.ts';
import { readSection } from './read-section.ts';
import { lockAndUnlock } from './retire.ts';

/** Looks at the reference count, after the lock was taken. */
export type Look = (isa: Isa, anonVma: Addr) => number;

const { ref } = AnonVma;

/** The look at the reference count behind a barrier, or none. */
export const LOOKS = {
  none: (isa, anonVma) => isa.readOnce(anonVma + ref),
  /** smp_rmb, as posted: orders loads among each other. */
  rmb(isa, anonVma) {
    isa.rmb();
    return isa.readOnce(anonVma + ref);
  },
  /** smp_read_barrier_depends, as Paul McKenney proposed: orders what is read through a pointer after the pointer. */
  readDepends(isa, anonVma) {
    isa.consumed(anonVma);
    return isa.readOnce(anonVma + ref);
  },
  acquire: (isa, anonVma) => isa.loadAcquire(anonVma + ref),
  /** smp_mb. */
  mb(isa, anonVma) {
    isa.mb();
    return isa.readOnce(anonVma + ref);
  },
} as const satisfies Record<string, Look>;

/** Drops the reference of the slow path, with the lock held. @returns whether the anon_vma stays, and stays locked */
export type Drop = (parts: AnonVmaLocking & AnonVmaRefs) => (anonVma: Addr) => boolean;

/** By hand. */
export const unlockThenFree: Drop =
  ({ lockOf, release, putTestzero, destroy }) =>
  (anonVma) => {
    if (!putTestzero(anonVma)) return true;
    release(lockOf(anonVma));
    destroy(anonVma);
    return false;
  };

/** By the put that everybody else uses: R1.8. */
export const ordinaryPut: Drop =
  ({ put }) =>
  (anonVma) => {
    put(anonVma);
    return true;
  };

interface Options {
  readonly look?: Look;
  readonly drop?: Drop;
}

/** The operations. @param look `rmb` unless given @param drop `unlockThenFree` unless given */
export const refcountTest =
  ({ look = LOOKS.rmb, drop = unlockThenFree }: Options = {}): AnonVmaForm['pageLock'] =>
  (kernel, parts) => {
    const { isa } = kernel;
    const { lockOf, acquire, tryAcquire, release, getUnlessZero, lookUp } = parts;
    const section = readSection(kernel);
    const stays = drop(parts);

    /** The lock is held by another; inside the section, which it ends. */
    function sleepFor(anonVma: Addr): Addr {
      const got = getUnlessZero(anonVma);
      section.end();
      if (!got) return 0;
      acquire(lockOf(anonVma));
      return stays(anonVma) ? anonVma : 0;
    }

    return {
      pageLockAnonVma(page) {
        section.begin();
        const anonVma = lookUp(page);
        if (anonVma === 0) {
          section.end();
          return 0;
        }
        const lock = lockOf(anonVma);
        if (!tryAcquire(lock)) return sleepFor(anonVma);
        const referenced = look(isa, anonVma) !== 0;
        if (!referenced) release(lock);
        section.end();
        return referenced ? anonVma : 0;
      },
      pageUnlockAnonVma: (anonVma) => release(lockOf(anonVma)),
    };
  };

/** 13/13 as posted. */
export const refcountTestForm: AnonVmaForm = {
  locking: ownMutex,
  retire: lockAndUnlock,
  lookUp: dereferenced,
  pageLock: refcountTest(),
};
