/**
 * A mutex that is taken by an acquire and no more, as on a PowerPC: whoever has it may do what comes next before the others see it held.
 *
 *   lock        decides who has it: a read-modify-write, as ever
 *   lock_seen   what others see of it (mutex_is_locked): stored behind that, and in a store buffer for a while
 *
 * A read-modify-write takes part in the order of its word at once, and no two CPUs can have the lock. But of a load-linked and a store-conditional only the load is ordered before what follows
 * (Peter Zijlstra in January 2011: mutex_trylock is only LOCK there), so a CPU that merely looks may see the word free although it is not. In a machine whose read-modify-writes are full barriers that
 * takes two words: the store of the second one lingers. Where a CPU takes the lock, instead of looking at it, nothing is different.
 */
import { sizeOf, struct, typeStable, u32, words } from '../../../memory/index.ts';
import type { AnonVmaForm } from '../../anon-vma-form.ts';
import { AnonVma } from '../../structs.ts';
import { rootLock } from './locking.ts';

/** An anon_vma with what others see of its lock. */
export const LingeringAnonVma = struct('anon_vma', {
  root: u32,
  lock: u32,
  ref: u32,
  head: words((sizeOf(AnonVma) - AnonVma.head) / 4),
  lock_seen: u32,
});
typeStable(LingeringAnonVma, 'root', 'lock', 'ref', 'lock_seen');

const SEEN = LingeringAnonVma.lock_seen - AnonVma.lock;

/** The root's mutex; the slab has the layout {@link LingeringAnonVma}. */
export const lingeringMutex: AnonVmaForm['locking'] = ({ isa, locks: { mutex } }) => ({
  lockOf: rootLock(isa),
  acquire(lock) {
    mutex.acquire(lock);
    isa.writeOnce(lock + SEEN, 1);
  },
  tryAcquire(lock) {
    if (!mutex.tryAcquire(lock)) return false;
    isa.writeOnce(lock + SEEN, 1);
    return true;
  },
  release(lock) {
    isa.writeOnce(lock + SEEN, 0);
    mutex.release(lock);
  },
  isLocked: (lock) => isa.readOnce(lock + SEEN) !== 0,
});
