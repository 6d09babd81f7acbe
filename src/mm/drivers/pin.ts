/**
 * The pin of a handle: bit 0 of the word that says where its object is (bit_spin_lock of HANDLE_PIN_BIT, mm/zsmalloc.c, Linux 4.8).
 *
 * Who has it reads where the object is and finds it there until he lets go; who moves the object has it, too, and writes the word in one store, pin included.
 *
 * Ordering: taking it and letting go are full read-modify-writes of the word. Whoever is parked on the word is woken by who lets go, whatever else was written meanwhile.
 */
import type { Addr, Isa } from '../../arch/index.ts';
import type { MutexOps } from '../../locking/kinds.ts';
import { track } from '../../locking/track.ts';
import type { Cpu } from '../../memory/index.ts';

/** `zs_handle.obj`: somebody has it pinned. */
export const HANDLE_PIN = 1;

/** Pins of handles, by the address of the word. */
export function handlePins(isa: Isa, cpu: Cpu): Required<MutexOps> {
  const tryAcquire = (word: Addr): boolean => (isa.fetchOr(word, HANDLE_PIN) & HANDLE_PIN) === 0;
  return track('mutex', cpu, {
    acquire(word: Addr) {
      while (!tryAcquire(word)) {
        const now = isa.readOnce(word);
        if ((now & HANDLE_PIN) !== 0) isa.spinWhile(word, now);
      }
    },
    tryAcquire,
    release(word: Addr) {
      isa.fetchAnd(word, ~HANDLE_PIN);
      isa.wake(word, -1);
    },
  }) as Required<MutexOps>;
}
