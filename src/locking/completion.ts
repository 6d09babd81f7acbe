/**
 * Completion (Linus Torvalds, Linux 2.4.7): waits for something to have happened, as often as it has happened.
 *
 *   done      completions that nobody has taken yet; -1: completed for all, for good
 *   waiters   CPUs that are about to sleep, or asleep
 *
 * wait takes one completion by a compare-exchange, or returns at once when it is completed for all. When there is none it counts itself as a
 * waiter and sleeps on `done` while that is 0. complete adds one and wakes one sleeper, completeAll makes it -1 and wakes everybody; neither ever
 * blocks, so both may be called by a handler, and by somebody who has never waited. reset makes it new; nobody may wait then.
 *
 * Who wakes whom is left to the futex, which wakes in the order of sleep. A CPU that comes by may take the completion before the one that
 * was woken for it, which then sleeps again: the number of those that get through is what counts, and is exact.
 *
 * No wake-up is lost: a waiter counts itself before it goes to sleep on a `done` of 0, a completer changes `done` before it reads the count, all
 * sequentially consistent: either the completer sees the waiter, or the futex sees that `done` is not 0 any more.
 *
 * Ordering: what was written before complete is seen after wait: the compare-exchange, or the load of -1, reads what the completer's
 * read-modify-write stored.
 */
import { i32, struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';

/** Layout of a {@link completion}. */
export const Completion = struct('completion', { done: i32.ownLine(), waiters: u32.ownLine() });

const ALL = -1;

/** Completion: counts what has happened. */
export const completion = defineLock({
  name: 'completion',
  kind: 'completion',
  layout: Completion,
  promises: { sleeps: true },
  create: (isa) => {
    const { done, waiters } = Completion;

    function tryWait(lock: number): boolean {
      let seen = isa.load(lock + done);
      while (seen !== 0) {
        if (seen === ALL) return true;
        const now = isa.compareExchange(lock + done, seen, seen - 1);
        if (now === seen) return true;
        seen = now;
      }
      return false;
    }

    function wake(lock: number, count: number): void {
      if (isa.load(lock + waiters) !== 0) isa.notify(lock + done, count);
    }

    return {
      wait(lock) {
        if (tryWait(lock)) return;
        isa.spinBriefly(lock + done, 0);
        while (!tryWait(lock)) {
          isa.fetchAdd(lock + waiters, 1);
          isa.wait(lock + done, 0);
          isa.fetchAdd(lock + waiters, -1);
        }
      },
      tryWait,
      complete(lock) {
        let seen = isa.load(lock + done);
        while (seen !== ALL) {
          const now = isa.compareExchange(lock + done, seen, seen + 1);
          if (now === seen) break;
          seen = now;
        }
        wake(lock, 1);
      },
      completeAll(lock) {
        isa.exchange(lock + done, ALL);
        wake(lock, -1);
      },
      reset(lock) {
        isa.store(lock + done, 0);
      },
    };
  },
});
