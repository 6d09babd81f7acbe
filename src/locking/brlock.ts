/**
 * Big-reader lock (brlock of Linux 2.4): a spinlock for each CPU. A reader takes that of its own CPU, a writer takes all.
 *
 * locks[c]: 0 = free, 1 = a reader of CPU c is inside, or a writer; a line each
 *
 * A read touches a line that only its own CPU and writers touch. A write takes as many locks as there are CPUs, in ascending order, so that two
 * writers cannot each wait for the other; the first lock decides between them. Anyone may overtake anyone. A CPU cannot read while it reads:
 * unlike a count, its lock is taken.
 *
 * Ordering: that of `ttas` on each line: whoever enters has taken, by a full read-modify-write, the very lock that those who exclude it held.
 */
import type { Addr } from '../arch/index.ts';
import { LINE, struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';

/** Layout of the first CPU's lock in a {@link brlock}; those of the others follow, a line each. */
export const Brlock = struct('brlock', { word: u32.ownLine() });

/** Big-reader lock: reads on a line of their own, writes on all. */
export const brlock = defineLock({
  name: 'brlock',
  kind: 'rwlock',
  layout: Brlock,
  size: (cpus) => LINE * cpus,
  promises: { spins: true },
  create: (isa, cpu) => {
    const mine = LINE * cpu.id;
    const all = LINE * cpu.count;

    function take(at: Addr): void {
      while (isa.exchange(at, 1) !== 0) isa.spinWhile(at, 1);
    }
    const tryTake = (at: Addr): boolean => isa.readOnce(at) === 0 && isa.exchange(at, 1) === 0;
    const leave = (at: Addr): void => isa.storeWakeOne(at, 0);

    return {
      acquireRead: (lock) => take(lock + mine),
      tryRead: (lock) => tryTake(lock + mine),
      releaseRead: (lock) => leave(lock + mine),
      acquireWrite(lock) {
        for (let at = 0; at < all; at += LINE) take(lock + at);
      },
      tryWrite(lock) {
        for (let at = 0; at < all; at += LINE) {
          if (tryTake(lock + at)) continue;
          for (let taken = 0; taken < at; taken += LINE) leave(lock + taken);
          return false;
        }
        return true;
      },
      releaseWrite(lock) {
        for (let at = 0; at < all; at += LINE) leave(lock + at);
      },
      downgrade(lock) {
        for (let at = 0; at < all; at += LINE) if (at !== mine) leave(lock + at);
      },
    };
  },
});
