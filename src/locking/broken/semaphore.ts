/** Semaphores that are broken on purpose. */
import { defineMutant } from '../define.ts';
import { SEMAPHORE, SEMAPHORE_QUEUED, Semaphore, semaphore, semaphoreOps } from '../semaphore.ts';

/** Wakes one waiter where there is room for two. */
export const semaphoreStranded = defineMutant(
  semaphore,
  {
    name: 'busted/semaphore-stranded',
    wrong:
      'a release wakes one waiter, however many permits it gives back: another sleeps on beside free permits (npm multithreading 0.3 does likewise)',
    caughtBy: 'wakeup',
    cpus: 4,
  },
  (isa, cpu) => semaphoreOps(isa, cpu, { ...SEMAPHORE, most: 1 }),
);

/** Joins the queue and does not look again. */
export const semaphoreBlindQueue = defineMutant(
  semaphore,
  {
    name: 'busted/semaphore-blind-queue',
    wrong:
      'a waiter that has joined the queue does not look at the permits again: those given back just before are never noticed',
    caughtBy: 'wakeup',
  },
  (isa, cpu) => semaphoreOps(isa, cpu, { ...SEMAPHORE, looksAgain: false }),
);

/** Looks, then takes. */
export const semaphoreOverdraw = defineMutant(
  semaphore,
  {
    name: 'busted/semaphore-overdraw',
    wrong:
      'tryAcquire looks whether there are enough permits and then subtracts: two CPUs take the same ones',
    caughtBy: 'counts',
  },
  (isa) => ({
    tryAcquire(lock, permits) {
      if (isa.readOnce(lock + Semaphore.count) >> 1 < permits) return false;
      isa.fetchAdd(lock + Semaphore.count, -2 * permits);
      return true;
    },
  }),
);

/** Gives more back when somebody waits. */
export const semaphoreTwoFrees = defineMutant(
  semaphore,
  {
    name: 'busted/semaphore-two-frees',
    wrong:
      'what a contended release leaves as free differs from what an uncontended one does, by one permit that there is not',
    caughtBy: 'counts',
    cpus: 4,
    promises: { fifo: false },
  },
  (isa, _cpu, ops) => ({
    release(lock, permits) {
      if ((isa.readOnce(lock + Semaphore.count) & SEMAPHORE_QUEUED) === 0) ops.release(lock, permits);
      else ops.release(lock, permits + 1);
    },
  }),
);
