/**
 * Weighted counting semaphore with a FIFO queue of waiters that sleep (the fairness of Dijkstra's strong semaphore, 1968; a count word and a queue
 * behind it as in Linux's rwsem since 2.6).
 *
 *   count       2 x free permits, + 1 while the queue is not empty
 *   wait_lock   guards the queue, and every change of `count` while it is odd
 *   first, last the queue; nodes lie in the waiting CPUs' areas
 *
 * acquire takes permits by a compare-exchange while `count` is even and enough are free. Otherwise it appends its node under `wait_lock`, makes
 * `count` odd, and then, if it is the first there, serves itself: a release may have given permits back between its first look and the odd count. release
 * adds by a compare-exchange while `count` is even, else under `wait_lock`, and serves the queue: as long as there is enough for the first
 * waiter, that one gets its permits and is taken off. So nobody overtakes a queued waiter, a big request is not starved by small ones, and
 * a release that makes room for several wakes them all.
 *
 * No wake-up is lost: a grant is a store to `granted`, then a notify; the waiter, after a brief spin, sleeps only if `granted` was still 0 inside the futex. The granter
 * does not look at the node after that store: the waiter may have returned and reused it. A notify that comes too late is a
 * spurious wake-up for whoever sleeps there.
 *
 * Ordering: permits go from release to acquire through read-modify-writes of `count`, or through `wait_lock` and the store to `granted`, which the
 * waiter reads with acquire ordering; so a holder sees what those before it wrote. The queue's words are read and written under
 * `wait_lock` only and may be plain; the store that releases `wait_lock` publishes them.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { type Cpu, struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';
import type { SemaphoreOps } from './kinds.ts';

/** Layout of a {@link semaphore}. */
export const Semaphore = struct('semaphore', {
  count: u32.ownLine(),
  wait_lock: u32.ownLine(),
  first: u32,
  last: u32,
});
/** Layout of a waiter's node, which lies in its CPU's area. */
export const SemaphoreWaiter = struct('semaphore_waiter', { next: u32, permits: u32, granted: u32 });

/** `count`: somebody waits. */
export const SEMAPHORE_QUEUED = 1;

/** What broken semaphores do differently. */
export interface SemaphoreForm {
  /** Waiters that one release serves at most. */
  readonly most: number;
  /** Whether a waiter serves the queue once after it has joined it. */
  readonly looksAgain: boolean;
}

/** The operations of one CPU. */
export function semaphoreOps(isa: Isa, cpu: Cpu, form: SemaphoreForm): SemaphoreOps {
  function lockQueue(lock: Addr): void {
    while (isa.exchange(lock + Semaphore.wait_lock, 1) !== 0) isa.spinWhile(lock + Semaphore.wait_lock, 1);
  }

  /** Gives permits to the first waiters while there are enough; under `wait_lock`, `count` is odd. */
  function serve(lock: Addr): void {
    for (let served = 0; served < form.most; served += 1) {
      const waiter = isa.read(lock + Semaphore.first);
      if (waiter === 0) return;
      const permits = isa.read(waiter + SemaphoreWaiter.permits);
      if (isa.readOnce(lock + Semaphore.count) >> 1 < permits) return;
      const next = isa.read(waiter + SemaphoreWaiter.next);
      isa.write(lock + Semaphore.first, next);
      if (next === 0) isa.write(lock + Semaphore.last, 0);
      // Even again with the last waiter: from here newcomers take permits without the queue.
      isa.fetchAdd(lock + Semaphore.count, -2 * permits - (next === 0 ? SEMAPHORE_QUEUED : 0));
      isa.store(waiter + SemaphoreWaiter.granted, 1);
      isa.notify(waiter + SemaphoreWaiter.granted, 1);
    }
  }

  function take(lock: Addr, permits: number): boolean {
    let count = isa.readOnce(lock + Semaphore.count);
    while ((count & SEMAPHORE_QUEUED) === 0 && count >> 1 >= permits) {
      const seen = isa.compareExchange(lock + Semaphore.count, count, count - 2 * permits);
      if (seen === count) return true;
      count = seen;
    }
    return false;
  }

  function queue(lock: Addr, permits: number): void {
    const node = cpu.node(lock);
    isa.write(node + SemaphoreWaiter.next, 0);
    isa.write(node + SemaphoreWaiter.permits, permits);
    isa.write(node + SemaphoreWaiter.granted, 0);
    lockQueue(lock);
    const last = isa.read(lock + Semaphore.last);
    if (last === 0) isa.write(lock + Semaphore.first, node);
    else isa.write(last + SemaphoreWaiter.next, node);
    isa.write(lock + Semaphore.last, node);
    isa.fetchOr(lock + Semaphore.count, SEMAPHORE_QUEUED);
    isa.queued(lock);
    if (form.looksAgain && last === 0) serve(lock);
    isa.storeWake(lock + Semaphore.wait_lock, 0);
    const granted = node + SemaphoreWaiter.granted;
    if (isa.spinBriefly(granted, 0) === 0) while (isa.loadAcquire(granted) === 0) isa.wait(granted, 0);
    cpu.putNode(lock);
  }

  return {
    acquire(lock, permits) {
      if (!take(lock, permits)) queue(lock, permits);
    },
    tryAcquire: take,
    release(lock, permits) {
      let count = isa.readOnce(lock + Semaphore.count);
      while ((count & SEMAPHORE_QUEUED) === 0) {
        const seen = isa.compareExchange(lock + Semaphore.count, count, count + 2 * permits);
        if (seen === count) return;
        count = seen;
      }
      lockQueue(lock);
      isa.fetchAdd(lock + Semaphore.count, 2 * permits);
      serve(lock);
      isa.storeWake(lock + Semaphore.wait_lock, 0);
    },
  };
}

/** The correct form. */
export const SEMAPHORE: SemaphoreForm = { most: Number.POSITIVE_INFINITY, looksAgain: true };

/** Weighted semaphore, FIFO; `init`'s value is the number of permits, up to 2^30 - 1. */
export const semaphore = defineLock({
  name: 'semaphore',
  kind: 'semaphore',
  layout: Semaphore,
  promises: { fifo: true, sleeps: true },
  init: (isa, lock, _cpus, permits) => isa.store(lock + Semaphore.count, 2 * permits),
  create: (isa, cpu) => semaphoreOps(isa, cpu, SEMAPHORE),
});
