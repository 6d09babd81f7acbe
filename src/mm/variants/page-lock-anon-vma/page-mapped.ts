/**
 * page_lock_anon_vma as repaired (Hugh Dickins, May 2011, Linux 3.0, commit eee0f252c653; the put outside of the read section: 2014): the default form of the model.
 *
 *   fast path   RCU on; look the anon_vma up; try for the mutex of its root; is the page still mapped? RCU off        one read-modify-write
 *   slow path   the mutex is held: take a reference unless the last has gone; is the page still mapped? RCU off; sleep for the mutex; drop the reference
 *   unlock      unlock
 *
 * A page that is mapped has the anon_vma that its mapping names: its vma is on the list, and takes itself off under this very lock, after the page has been unmapped. So with the lock held a
 * mapped page says that the anon_vma is the right one and stays, whatever its references. Whether it was freed and given out again in between does not matter: then the page is not mapped.
 *
 * The lock is that of the root, and the root of an anon_vma that is not the right one may change at any time, since it is given out again. So what is unlocked when the second look fails is
 * the lock that was taken (`remembered`), and not that of the root as it is now (`reread`, R1.6).
 *
 * The reference of the slow path needs the second look as well (`asFound` leaves it out): it may have been taken of the next owner.
 *
 * anon_vma_free looks whether the lock is held before it takes it. That needs no barrier here: the vma was unlinked under the lock before the last reference went.
 */
import type { Addr } from '../../../arch/index.ts';
import type { AnonVmaForm, AnonVmaKernel, AnonVmaLocking } from '../../anon-vma-form.ts';
import { rootMutex } from './locking.ts';
import { dereferenced } from './look-up.ts';
import { readSection } from './read-section.ts';
import { unlockThenFree } from './refcount-test.ts';
import { unlessFree } from './retire.ts';

/** Gives the lock of an anon_vma back that was the wrong one. */
type LetGo = (locking: AnonVmaLocking) => (anonVma: Addr, taken: Addr) => void;

/** The lock that was taken. */
export const remembered: LetGo =
  ({ release }) =>
  (_anonVma, taken) =>
    release(taken);

/** The lock of what is the root now: R1.6. */
export const reread: LetGo =
  ({ release, lockOf }) =>
  (anonVma) =>
    release(lockOf(anonVma));

/** Whether what the slow path has a reference to is still the page's. */
type Validate = (kernel: AnonVmaKernel) => (page: Addr) => boolean;

const stillMapped: Validate = ({ pages }) => pages.mapped;
/** The reference is taken for it: R1.1 in the slow path. */
export const asFound: Validate = () => () => true;

interface Options {
  readonly letGo?: LetGo;
  readonly valid?: Validate;
}

/** The operations. @param letGo `remembered` unless given @param valid a second look at the page unless given */
export const pageMapped =
  ({ letGo = remembered, valid = stillMapped }: Options = {}): AnonVmaForm['pageLock'] =>
  (kernel, parts) => {
    const { mapped } = kernel.pages;
    const isValid = valid(kernel);
    const { lockOf, acquire, tryAcquire, release, getUnlessZero, put, lookUp } = parts;
    const section = readSection(kernel);
    const stays = unlockThenFree(parts);
    const unlockWrong = letGo(parts);

    /** The lock is held by another; inside the section, which it ends. */
    function sleepFor(page: Addr, anonVma: Addr): Addr {
      const got = getUnlessZero(anonVma);
      const right = got && isValid(page);
      section.end();
      if (!right) {
        if (got) put(anonVma);
        return 0;
      }
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
        if (!tryAcquire(lock)) return sleepFor(page, anonVma);
        const right = mapped(page);
        if (!right) unlockWrong(anonVma, lock);
        section.end();
        return right ? anonVma : 0;
      },
      pageUnlockAnonVma: (anonVma) => release(lockOf(anonVma)),
    };
  };

/** Linux 3.0, with its repairs. */
export const pageMappedForm: AnonVmaForm = {
  locking: rootMutex,
  retire: unlessFree,
  lookUp: dereferenced,
  pageLock: pageMapped(),
};
