/** Completions and events that are broken on purpose. */
import { Completion, completion } from '../completion.ts';
import { defineMutant } from '../define.ts';
import { EVENT_AWAITED, Event, event } from '../event.ts';

/** Wakes for the first only. */
export const completionWakesFirst = defineMutant(
  completion,
  {
    name: 'busted/completion-wakes-first',
    wrong:
      'complete wakes a sleeper only if nothing was completed before: of two that come close together the second wakes nobody, and a waiter sleeps on beside it',
    caughtBy: 'wakeup',
    cpus: 4,
  },
  (isa) => ({
    complete(lock) {
      if (isa.fetchAdd(lock + Completion.done, 1) === 0) isa.notify(lock + Completion.done, 1);
    },
  }),
);

/** Takes one by a load and a store. */
export const completionLost = defineMutant(
  completion,
  {
    name: 'busted/completion-lost',
    wrong:
      'a waiter takes a completion by a load and a store: one that comes in between is lost, and its waiter sleeps on',
    caughtBy: 'wakeup',
  },
  (isa, _cpu, { wait }) => ({
    wait(lock) {
      const seen = isa.load(lock + Completion.done);
      if (seen <= 0) return wait(lock);
      isa.store(lock + Completion.done, seen - 1);
    },
  }),
);

/** Does not take what it was woken for. */
export const completionNotTaken = defineMutant(
  completion,
  {
    name: 'busted/completion-not-taken',
    wrong:
      'a waiter that was woken goes on without taking the completion: the next one gets through by it, too',
    caughtBy: 'counts',
  },
  (isa, _cpu, { tryWait }) => ({
    wait(lock) {
      if (tryWait?.(lock)) return;
      isa.fetchAdd(lock + Completion.waiters, 1);
      isa.wait(lock + Completion.done, 0);
      isa.fetchAdd(lock + Completion.waiters, -1);
    },
  }),
);

/** Wakes one. */
export const eventWakesOne = defineMutant(
  event,
  {
    name: 'busted/event-wakes-one',
    wrong: 'setting the event wakes one sleeper instead of all',
    caughtBy: 'wakeup',
    cpus: 4,
  },
  (isa) => ({
    completeAll(lock) {
      const at = lock + Event.word;
      if (isa.exchange(at, 1) === EVENT_AWAITED) isa.notify(at, 1);
    },
  }),
);
