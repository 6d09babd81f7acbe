/**
 * Array-based queue lock (Anderson 1990).
 *
 * next: the place that the next comer draws        holder: the place of who is inside        places[p].go: 1 = who has place p may enter
 *
 * A place is a line of its own, so each CPU waits on a line that nobody else waits on, and a release disturbs one CPU: what MCS does with nodes,
 * Anderson does with an array as long as there are CPUs. Its length is a power of two, so that places go on without a gap when `next`
 * wraps at 2^32. One holder and its waiters are at most as many as there are CPUs, each waiting for one lock at a time: no two of
 * them have the same place. (An interrupt handler that took the lock which its CPU is waiting for would break that, and deadlock besides.)
 *
 *   acquire   draws a place, waits until its `go` is 1, and takes it back to 0 for the next round
 *   release   sets `go` of the place behind
 *
 * FIFO in the order of the draws. The memory that this takes, a line for each CPU and lock, is what the list-based locks came to save.
 *
 * Ordering: the acquire load that sees `go` reads what the last holder stored after its critical section. Resetting it may be plain: the next
 * to write that word is the holder before the CPU that draws the same place a round later, and it has the lock after this one.
 * `holder` is the holder's alone.
 */
import type { Isa } from '../arch/index.ts';
import { LINE, struct, u32 } from '../memory/index.ts';
import { defineLock, type LockDefinition } from './define.ts';

/** Layout of an {@link anderson} lock's head; the places follow, a line each. */
export const Anderson = struct('anderson', { next: u32.ownLine(), holder: u32.ownLine() });

const HEAD = 2 * LINE;

/** Places for so many CPUs: the next power of two. */
export function andersonPlaces(cpus: number): number {
  let places = 1;
  while (places < cpus) places *= 2;
  return places;
}

/** An array lock with `places(cpus)` places, a power of two. */
export function andersonLock(name: string, places: (cpus: number) => number): LockDefinition<'mutex'> {
  return defineLock({
    name,
    kind: 'mutex',
    layout: Anderson,
    size: (cpus) => HEAD + LINE * places(cpus),
    promises: { fifo: true, spins: true },
    init: (isa: Isa, lock: number) => isa.store(lock + HEAD, 1),
    create: (isa, cpu) => {
      const { next, holder } = Anderson;
      const mask = places(cpu.count) - 1;
      return {
        acquire(lock) {
          const place = isa.fetchAdd(lock + next, 1) & mask;
          isa.queued(lock);
          const at = lock + HEAD + LINE * place;
          if (isa.loadAcquire(at) === 0) isa.spinWhile(at, 0);
          // Who tries may look at it meanwhile.
          isa.writeOnce(at, 0);
          isa.write(lock + holder, place);
        },
        tryAcquire(lock) {
          const drawn = isa.loadAcquire(lock + next);
          const at = lock + HEAD + LINE * (drawn & mask);
          // Nobody has drawn this place since, or the compare-exchange fails.
          if (isa.loadAcquire(at) === 0 || isa.compareExchange(lock + next, drawn, (drawn + 1) | 0) !== drawn)
            return false;
          isa.writeOnce(at, 0);
          isa.write(lock + holder, drawn & mask);
          return true;
        },
        release(lock) {
          const following = (isa.read(lock + holder) + 1) & mask;
          isa.storeWake(lock + HEAD + LINE * following, 1);
        },
      };
    },
  });
}

/** Array-based queue lock: FIFO, each CPU waits on a line of its own. */
export const anderson = andersonLock('anderson', andersonPlaces);
