/**
 * An allocation that initialises the lock of the anon_vma it hands out.
 *
 * That is what one does with any other object, and here it is wrong: a late page_lock_anon_vma may hold the lock of an object that is free, or has just been given out. It finds out and gives the lock
 * back; meanwhile nobody else may have it. So the lock is initialised by the slab's constructor, which runs once, when the memory becomes an anon_vma.
 */
import type { Addr, Isa } from '../../../arch/index.ts';
import { AnonVma } from '../../structs.ts';

/** Initialises the lock at each allocation. */
export function initialisesLock(isa: Isa, anonVma: Addr): void {
  isa.writeOnce(anonVma + AnonVma.lock, 0);
}
