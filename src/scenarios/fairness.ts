/**
 * Who comes first: a queue that some go past.
 *
 * Everybody gets in in the end, and a test that counts sees nothing. A lock that says `fifo` has users who count on it: a waiter's time has a bound, and no CPU can
 * keep the lock to itself by coming back soon enough. That is lost as soon as one path in does not go through the queue.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { defineLock } from '../locking/define.ts';
import type { MutexOps } from '../locking/kinds.ts';
import { track } from '../locking/track.ts';
import { sizeOf, struct, u32, words } from '../memory/index.ts';
import type { Actor } from '../scenario.ts';
import { classic } from './classic.ts';
import { visit } from './parts.ts';

/** A word that is taken, and a queue of tickets for those who may take it. */
const Queued = struct('queued_lock', { taken: u32, next: u32, now: u32 });

const ROUNDS = 2;
const Counter = struct('fair_counter', { lock: words(sizeOf(Queued) / 4), count: u32 });

/** The queue, with a way in for those who come first. */
const queuedLock = (name: string, comesFirst: (isa: Isa, lock: Addr) => boolean) =>
  defineLock({
    name,
    kind: 'mutex',
    layout: Queued,
    promises: { fifo: true, spins: true },
    create: (isa) => ({
      acquire(lock) {
        if (comesFirst(isa, lock)) return;
        const mine = isa.fetchAdd(lock + Queued.next, 1);
        isa.queued(lock);
        let now = isa.loadAcquire(lock + Queued.now);
        while (now !== mine) now = isa.spinWhile(lock + Queued.now, now);
        while (isa.compareExchange(lock + Queued.taken, 0, 1) !== 0) isa.spinWhile(lock + Queued.taken, 1);
        isa.storeWake(lock + Queued.now, (mine + 1) | 0);
      },
      release(lock) {
        isa.storeWake(lock + Queued.taken, 0);
      },
    }),
  });

const barges = queuedLock(
  'barging-queue',
  (isa, lock) => isa.compareExchange(lock + Queued.taken, 0, 1) === 0,
);
const queues = queuedLock('queue', () => false);

const countTwice: Actor<MutexOps> = ({ isa, state, tools }) => {
  for (let round = 0; round < ROUNDS; round += 1) {
    tools.acquire(state + Counter.lock);
    visit(isa, state + Counter.count);
    tools.release(state + Counter.lock);
  }
};

/** A fast path past the queue. */
export const bargingQueue = classic<MutexOps>({
  name: 'barging-queue',
  wrong:
    'a lock that promises first come, first served lets who finds it free in without a look at the queue: who comes back soon enough keeps it',
  source: 'Corbet 2008, "Ticket spinlocks", LWN (the unfair lock); Dice 2017, "Malthusian locks" (barging)',
  caughtBy: 'starvation',
  cpus: 2,
  state: Counter,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Counter.count) !== 2 * ROUNDS) fail('a visit was lost');
  },
  broken: { create: (isa, cpu) => track('mutex', cpu, barges.create(isa, cpu)), actors: countTwice },
  fixed: { create: (isa, cpu) => track('mutex', cpu, queues.create(isa, cpu)), actors: countTwice },
});
