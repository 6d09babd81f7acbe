/**
 * Whose lock guards the list of an anon_vma, and of which class it is.
 *
 *   ownSpinlock   2.6.7 to 2.6.35: each has one
 *   ownMutex      the series of April 2010: the same as a mutex, so that its holder may sleep
 *   rootMutex     3.0: that of the root, which all anon_vmas below it share; `root` changes when an anon_vma is given out again
 *
 * Both classes have 0 in the word of a free lock, which is all that mutex_is_locked looks at.
 */
import type { Addr, Isa } from '../../../arch/index.ts';
import type { MutexOps } from '../../../locking/kinds.ts';
import type { AnonVmaForm, AnonVmaLocking } from '../../anon-vma-form.ts';
import { AnonVma } from '../../structs.ts';

/** The operations of a class of locks, for anon_vmas whose lock `lockOf` says. */
export function lockingBy(
  isa: Isa,
  { acquire, tryAcquire, release }: Required<MutexOps>,
  lockOf: (anonVma: Addr) => Addr,
): AnonVmaLocking {
  return { lockOf, acquire, tryAcquire, release, isLocked: (lock) => isa.readOnce(lock) !== 0 };
}

/** The lock in the anon_vma itself. */
export const ownLock = (anonVma: Addr): Addr => anonVma + AnonVma.lock;

/** The lock of the root. */
export const rootLock =
  (isa: Isa) =>
  (anonVma: Addr): Addr =>
    ownLock(isa.readOnce(anonVma + AnonVma.root));

/** A spinlock of its own (2.6.7 to 2.6.35). */
export const ownSpinlock: AnonVmaForm['locking'] = ({ isa, locks }) => lockingBy(isa, locks.spin, ownLock);

/** A mutex of its own (series of April 2010). */
export const ownMutex: AnonVmaForm['locking'] = ({ isa, locks }) => lockingBy(isa, locks.mutex, ownLock);

/** The root's mutex (3.0). */
export const rootMutex: AnonVmaForm['locking'] = ({ isa, locks }) =>
  lockingBy(isa, locks.mutex, rootLock(isa));

/** The root's spinlock (2.6.36 to 2.6.39). */
export const rootSpinlock: AnonVmaForm['locking'] = ({ isa, locks }) =>
  lockingBy(isa, locks.spin, rootLock(isa));
