/** Queued spinlock that is broken on purpose. */
import { defineMutant } from '../define.ts';
import { Q_HELD, Q_PENDING, Q_TAIL, Qspinlock, qspinlock } from '../qspinlock.ts';

/** Loses pending. */
export const qspinlockLosesPending = defineMutant(
  qspinlock,
  {
    name: 'busted/qspinlock-loses-pending',
    wrong:
      'a release clears pending along with held: the word is free while its waiter is about to take it, and a newcomer takes it, too',
    caughtBy: 'exclusion',
    promises: { fifo: false },
  },
  (isa) => ({
    release(lock) {
      isa.fetchAnd(lock + Qspinlock.word, Q_TAIL);
      isa.wake(lock + Qspinlock.word, -1);
    },
  }),
);

/** The pending waiter does not wait. */
export const qspinlockPendingEnters = defineMutant(
  qspinlock,
  {
    name: 'busted/qspinlock-pending-enters',
    wrong: 'a waiter that has set pending takes the lock at once, without waiting for its holder',
    caughtBy: 'exclusion',
    promises: { fifo: false },
  },
  (isa, _cpu, { acquire }) => ({
    acquire(lock) {
      const at = lock + Qspinlock.word;
      if (isa.compareExchange(at, Q_HELD, Q_HELD | Q_PENDING) !== Q_HELD) return acquire(lock);
      isa.queued(lock);
      isa.fetchAdd(at, -Q_PENDING);
    },
  }),
);
