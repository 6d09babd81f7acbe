/**
 * The spinlock of anon_vma made a mutex, and nothing else: page_lock_anon_vma sleeps in its read section (R1.5).
 *
 *   lock      RCU on; look the anon_vma up; sleep for its mutex
 *   unlock    unlock; RCU off
 *
 * It is what the series had to avoid and why it has a reference to bridge the gap. A reader that sleeps holds every grace period up; where the holder of the mutex waits for one, both wait for
 * ever.
 */
import type { AnonVmaForm } from '../../anon-vma-form.ts';
import { ownMutex } from './locking.ts';
import { dereferenced } from './look-up.ts';
import { readSection } from './read-section.ts';
import { lockAndUnlock } from './retire.ts';

/** A mutex in the place of the spinlock. */
export const mutexUnderRcuForm: AnonVmaForm = {
  locking: ownMutex,
  retire: lockAndUnlock,
  lookUp: dereferenced,
  pageLock(kernel, { lockOf, acquire, release, lookUp }) {
    const { mapped } = kernel.pages;
    const section = readSection(kernel);
    return {
      pageLockAnonVma(page) {
        section.begin();
        const anonVma = lookUp(page);
        if (anonVma !== 0) {
          const lock = lockOf(anonVma);
          acquire(lock);
          if (mapped(page)) return anonVma;
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
  },
};
