/** Condition variables that are broken on purpose. */
import { Condition, condition } from '../condition.ts';
import { defineMutant } from '../define.ts';

/** Sleeps on a word that never changes. */
export const conditionConstantWord = defineMutant(
  condition,
  {
    name: 'busted/condition-constant-word',
    wrong:
      'no signal changes the word that is slept on, so one that comes between the release of the mutex and the sleep is lost ' +
      '(ConditionVariable of @esfx/threading-conditionvariable; Condition of atomics-sync 1.0.3)',
    caughtBy: 'wakeup',
  },
  (isa) => ({
    signal: (lock) => void isa.notify(lock + Condition.sequence, 1),
    broadcast: (lock) => void isa.notify(lock + Condition.sequence, -1),
  }),
);

/** Notes the sequence too late. */
export const conditionLateNote = defineMutant(
  condition,
  {
    name: 'busted/condition-late-note',
    wrong:
      'wait notes the sequence after it has released the mutex: a signal in between is taken for an old one',
    caughtBy: 'wakeup',
  },
  (isa, _cpu, _ops, { mutex }) => ({
    wait(lock, guard) {
      isa.fetchAdd(lock + Condition.waiters, 1);
      mutex!.release(guard);
      isa.wait(lock + Condition.sequence, isa.load(lock + Condition.sequence));
      isa.fetchAdd(lock + Condition.waiters, -1);
      mutex!.acquire(guard);
    },
  }),
);

/** Broadcasts to one. */
export const conditionBroadcastOne = defineMutant(
  condition,
  {
    name: 'busted/condition-broadcast-one',
    wrong: 'broadcast wakes only one of the sleepers',
    caughtBy: 'wakeup',
    cpus: 4,
  },
  (_isa, _cpu, ops) => ({ broadcast: (lock) => ops.signal(lock) }),
);
