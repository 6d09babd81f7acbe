/**
 * page_lock_anon_vma before the series: a spinlock, taken and held inside an RCU read section (Hugh Dickins, August 2004, Linux 2.6.9 to 2.6.35).
 *
 *   lock      RCU on; look the anon_vma up; spin for its lock
 *   unlock    unlock; RCU off
 *
 * One read-modify-write to enter, and no reference. The section lasts as long as the lock is held, so nobody in it may sleep.
 *
 * What the lock is of may be another anon_vma by the time that it is held: between look-up and lock the page may be unmapped, the anon_vma freed and given out again. Until 2.6.35 nobody
 * minded, since those who walk the list look for the page in each vma anyway (`asLocked`). Once `root` was the lock (2.6.36, commit f18194275c39), the anon_vma had to be the right one, because unlock
 * reads `root` again: a second look at the page, under the lock, says so (`stillMapped`).
 */
import type { Addr } from '../../../arch/index.ts';
import type { AnonVmaForm, AnonVmaKernel } from '../../anon-vma-form.ts';
import { ownSpinlock, rootSpinlock } from './locking.ts';
import { dereferenced } from './look-up.ts';
import { readSection } from './read-section.ts';
import { atOnce } from './retire.ts';

/** Whether what was locked is still the page's. */
type Validate = (kernel: AnonVmaKernel) => (page: Addr) => boolean;

/** 2.6.9 to 2.6.35: whatever it is. */
export const asLocked: Validate = () => () => true;

/** 2.6.36: a page that is mapped has its anon_vma, which cannot be unlinked while its lock is held. */
export const stillMapped: Validate = ({ pages }) => pages.mapped;

const spinlockUnderRcu =
  (validate: Validate): AnonVmaForm['pageLock'] =>
  (kernel, { lockOf, acquire, release, lookUp }) => {
    const section = readSection(kernel);
    const valid = validate(kernel);
    return {
      pageLockAnonVma(page) {
        section.begin();
        const anonVma = lookUp(page);
        if (anonVma !== 0) {
          const lock = lockOf(anonVma);
          acquire(lock);
          if (valid(page)) return anonVma;
          release(lock);
        }
        section.end();
        return 0;
      },
      pageUnlockAnonVma(anonVma) {
        release(lockOf(anonVma));
        section.end();
      },
    };
  };

/** Linux 2.6.9 to 2.6.35. It is freed without a look at the lock: who comes late walks an empty list. */
export const spinlockForm: AnonVmaForm = {
  locking: ownSpinlock,
  retire: atOnce,
  lookUp: dereferenced,
  pageLock: spinlockUnderRcu(asLocked),
};

/** Linux 2.6.36 to 2.6.39. */
export const spinlockRecheckedForm: AnonVmaForm = {
  ...spinlockForm,
  locking: rootSpinlock,
  pageLock: spinlockUnderRcu(stillMapped),
};
