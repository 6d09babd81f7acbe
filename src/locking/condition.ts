/**
 * Condition variable: a futex on a sequence number (as in Android's bionic and, since 1.62, in Rust's library; Bos 2023, "Rust Atomics and Locks",
 * chapter 9, which also counts the waiters).
 *
 * sequence: changes with each signal that finds a waiter        waiters: CPUs between the two mutex operations of `wait`
 *
 * wait counts itself, notes `sequence`, releases the mutex and sleeps if `sequence` is still what it noted. signal changes `sequence`, then
 * notifies one sleeper; broadcast notifies all. Both may be called with or without the mutex.
 *
 * No wake-up is lost. A waiter notes the sequence with the mutex held. A signaller that makes the predicate true afterwards, under the mutex, sees
 * the waiter counted and changes `sequence` after the note: the waiter then does not fall asleep, or sleeps already and is in the queue
 * that notify looks at, for the futex compares and enqueues in one step. One of those who waited before is always woken: the queue
 * is first come, first served, so a later waiter cannot take the notify from a sleeping earlier one, and an earlier one that does
 * not sleep yet finds `sequence` changed. More may wake than were signalled; callers wait in a loop.
 *
 * Wrap-around: a waiter stopped between its note and its sleep while exactly 2^32 signals pass would sleep through them. Signals without a waiter change
 * nothing, and the fastest take more than a minute for that many, so the waiter would have to be stopped for that long and then hit one value in
 * 2^32; any other number of signals is noticed.
 *
 * Ordering: the predicate is guarded by the mutex. For a signaller without it, the additions and the futex compare are sequentially consistent:
 * counted before noted, changed before notified.
 */
import { struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';

/** Layout of a {@link condition}. */
export const Condition = struct('condition', { sequence: u32.ownLine(), waiters: u32.ownLine() });

/** Condition variable; used with the mutex that its environment names. A broadcast wakes all at once, they then queue for the mutex. */
export const condition = defineLock({
  name: 'condition',
  kind: 'condition',
  layout: Condition,
  promises: { sleeps: true },
  create(isa, _cpu, { mutex }) {
    if (mutex === undefined)
      throw new TypeError("a condition needs the operations of its mutex: pass them to create as 'mutex'");
    const { sequence, waiters } = Condition;
    function wake(lock: number, count: number): void {
      if (isa.load(lock + waiters) === 0) return;
      isa.fetchAdd(lock + sequence, 1);
      isa.notify(lock + sequence, count);
    }
    return {
      wait(lock, guard) {
        isa.fetchAdd(lock + waiters, 1);
        const noted = isa.load(lock + sequence);
        mutex.release(guard);
        isa.wait(lock + sequence, noted);
        isa.fetchAdd(lock + waiters, -1);
        mutex.acquire(guard);
      },
      signal: (lock) => wake(lock, 1),
      broadcast: (lock) => wake(lock, -1),
    };
  },
});
