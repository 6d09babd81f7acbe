/** Reader-writer semaphores that are broken on purpose. */
import { defineMutant } from '../define.ts';
import { RWSEM_FIFO, RWSEM_READERS_FIRST, Rwsem, RwsemWaiter, rwsem, rwsemOps } from '../rwsem.ts';

/** Downgrades in two steps. */
export const rwsemDowngrade = defineMutant(
  rwsem,
  {
    name: 'busted/rwsem-downgrade',
    wrong:
      'downgrade gives the write lock up and then counts itself as a reader: a second writer gets in between and stays',
    caughtBy: 'exclusion',
  },
  (isa, _cpu, ops) => ({
    downgrade(lock) {
      ops.releaseWrite(lock);
      isa.fetchAdd(lock + Rwsem.count, 4);
    },
  }),
);

/** Wakes, then grants. */
export const rwsemLostGrant = defineMutant(
  rwsem,
  {
    name: 'busted/rwsem-lost-grant',
    wrong:
      'the sleeper is notified before the word that it looks at is set: it wakes, finds nothing changed and sleeps again, holding a lock ' +
      'that it does not know of',
    caughtBy: 'wakeup',
  },
  (isa, cpu) =>
    rwsemOps(isa, cpu, {
      ...RWSEM_FIFO,
      grant(_isa, waiter) {
        isa.notify(waiter + RwsemWaiter.go, 1);
        isa.store(waiter + RwsemWaiter.go, 1);
      },
    }),
);

/** Promises an order that it does not keep. */
export const rwsemReadersOvertake = defineMutant(
  rwsem,
  {
    name: 'busted/rwsem-readers-overtake',
    wrong:
      'readers go past writers that have queued before them (what a reader-preferring semaphore does, but this one promises order)',
    caughtBy: 'order',
    cpus: 4,
  },
  (isa, cpu) => rwsemOps(isa, cpu, RWSEM_READERS_FIRST),
);
