/**
 * page_lock_anon_vma by a reference and then the lock: 12 of 13 patches of the series of April 2010 (anon_vma_get, page_get_anon_vma in 3.0).
 *
 *   lock      RCU on; look the anon_vma up; take a reference unless the last has gone; RCU off; take the mutex, which may sleep
 *   unlock    unlock; drop the reference
 *
 * Two read-modify-writes to enter and two to leave: what 13/13 was written to spare.
 *
 * A reference that could be taken says that the anon_vma lives, and not whose it is: between look-up and reference it may have been freed and given out again (`asFound`, R1.1). With a second look
 * at the page it is the right one (`stillMapped`, 3.0). Who then has to give the reference back may have the last one, so that must not happen in the read section (`insideSection`, R1.5;
 * Linux 3.0 until Hugh Dickins moved it in June 2014).
 */
import type { Addr } from '../../../arch/index.ts';
import type { AnonVmaForm, AnonVmaKernel } from '../../anon-vma-form.ts';
import { ownMutex, rootMutex } from './locking.ts';
import { dereferenced } from './look-up.ts';
import { type ReadSection, readSection } from './read-section.ts';
import { lockAndUnlock, unlessFree } from './retire.ts';

/** Where a reference is given back that was taken in vain; it ends the section. */
type GiveUp = (section: ReadSection, put: (anonVma: Addr) => void) => (anonVma: Addr) => void;

/** After the section: freeing may sleep. */
export const outsideSection: GiveUp = (section, put) => (anonVma) => {
  section.end();
  put(anonVma);
};

/** In the section: R1.5. */
export const insideSection: GiveUp = (section, put) => (anonVma) => {
  put(anonVma);
  section.end();
};

interface Options {
  readonly valid: (kernel: AnonVmaKernel) => (page: Addr) => boolean;
  readonly giveUp: GiveUp;
}

const getAndLock =
  ({ valid, giveUp }: Options): AnonVmaForm['pageLock'] =>
  (kernel, { lockOf, acquire, release, getUnlessZero, put, lookUp }) => {
    const section = readSection(kernel);
    const isValid = valid(kernel);
    const drop = giveUp(section, put);
    return {
      pageLockAnonVma(page) {
        section.begin();
        const anonVma = lookUp(page);
        if (anonVma === 0 || !getUnlessZero(anonVma)) {
          section.end();
          return 0;
        }
        if (!isValid(page)) {
          drop(anonVma);
          return 0;
        }
        section.end();
        acquire(lockOf(anonVma));
        return anonVma;
      },
      pageUnlockAnonVma(anonVma) {
        release(lockOf(anonVma));
        put(anonVma);
      },
    };
  };

const asFound = () => () => true;
const stillMapped: Options['valid'] = ({ pages }) => pages.mapped;

/** The series before 13/13. */
export const getAndLockForm: AnonVmaForm = {
  locking: ownMutex,
  retire: lockAndUnlock,
  lookUp: dereferenced,
  pageLock: getAndLock({ valid: asFound, giveUp: outsideSection }),
};

/** With the second look at the page, and the reference given back outside. */
export const getRecheckAndLockForm: AnonVmaForm = {
  locking: rootMutex,
  retire: unlessFree,
  lookUp: dereferenced,
  pageLock: getAndLock({ valid: stillMapped, giveUp: outsideSection }),
};

/** As in 3.0: R1.5. It freed after a look at the lock, and slept only where that was held; with the lock and unlock of 13/13 every run shows it. */
export const putUnderRcuForm: AnonVmaForm = {
  ...getRecheckAndLockForm,
  retire: lockAndUnlock,
  pageLock: getAndLock({ valid: stillMapped, giveUp: insideSection }),
};
