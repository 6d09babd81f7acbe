/**
 * Test-and-set lock that knows its holder. The test-and-set is as old as the IBM System/360 (1964); the owner check is that of the kernel's
 * spinlock debugging (CONFIG_DEBUG_SPINLOCK, Linux 2.6).
 *
 * holder: 0 = free, n + 1 = CPU n holds it        free -> held: who wins the compare-exchange;  held -> free: the holder
 *
 * Every try is a compare-exchange, and every change of the word makes every waiter try: the line moves to each of them in turn, which
 * is what `ttas` spares. Anyone may overtake anyone, nobody is promised to get in at all. Release wakes one parked waiter: if that one
 * comes too late it parks again, and who overtook it wakes the next, so a waiter is never parked on a lock that no one will release.
 *
 * Ordering: the compare-exchange that takes the lock reads the 0 that the last holder stored after its critical section. The owner
 * check may be plain: only this CPU ever stores its own number or takes it away, so what it reads is its own number exactly if it
 * holds the lock. In the error the holder is a hint.
 */
import { struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';
import { NotOwner } from './errors.ts';

/** Layout of a {@link tas} lock. */
export const Tas = struct('tas', { holder: u32 });

/** Test-and-set lock; release by another than the holder throws {@link NotOwner}. */
export const tas = defineLock({
  name: 'tas',
  kind: 'mutex',
  layout: Tas,
  promises: { owned: true, irqSafe: true, spins: true },
  create: (isa, cpu) => {
    // Taken out once: V8 does not fold what a module exports.
    const { holder } = Tas;
    const me = cpu.id + 1;
    return {
      acquire(lock) {
        let seen = isa.compareExchange(lock + holder, 0, me);
        while (seen !== 0) {
          isa.spinWhile(lock + holder, seen);
          seen = isa.compareExchange(lock + holder, 0, me);
        }
      },
      tryAcquire: (lock) => isa.compareExchange(lock + holder, 0, me) === 0,
      release(lock) {
        // By who holds it in vain, too: then it races with those who do.
        const now = isa.readOnce(lock + holder);
        if (now !== me) throw new NotOwner(cpu.id, lock, now - 1);
        isa.storeWakeOne(lock + holder, 0);
      },
    };
  },
});
