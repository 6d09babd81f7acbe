/**
 * Counting semaphore, weighted and fair (Dijkstra 1965; queue under a spinlock as in Linux kernel/locking/semaphore.c; the grant in order of
 * arrival, whatever the weight, is that of Go's x/sync/semaphore).
 *
 * state: free permits * 2 + QUEUED        guard: lock of the queue        head, tail: waiters in order of arrival
 * node: next, need: the permits it waits for, granted: 1 = they are its own
 *
 *   QUEUED clear   nobody waits: permits are taken and given back by compare-exchange on state alone
 *   QUEUED set     state changes only under the guard
 *
 * Who finds too few permits, or QUEUED set, takes the guard and sets QUEUED, which freezes state; then it either finds enough after all
 * and restores state less its permits, or it queues and sleeps on its own node. A release under QUEUED serves the queue from its
 * head for as long as the permits suffice for the first in it: no release strands a waiter it could have served, and a big request
 * is not starved by small ones that come later. Served waiters own their permits when they wake and need not compete again.
 *
 * Promise: permits are granted in the order of the doorways. (A small request that comes when the queue is empty again may still return
 * before a big one that was granted earlier and is only just waking up; together they never hold more than there is.)
 *
 * No wake-up is lost: a waiter sleeps only if `granted` is 0 inside the futex, and the one store of 1 is followed by a notify. After that store
 * the node is its owner's again and may serve another lock: the granter reads `next` before, and the notify behind it may at worst wake
 * somebody for nothing, which every futex user must bear.
 *
 * Ordering: permits pass from CPU to CPU through read-modify-writes of state or through `granted`, both sequentially consistent, so what a CPU
 * wrote before its release comes before what the next owner of the permits does. head, tail, next and need are plain: the guard orders them.
 * The CPUs that a release has taken off the queue are its own until it grants them, guard or no guard.
 */
import { struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';
import { ttas } from './ttas.ts';

/** Layout of a {@link semaphore}. */
export const Semaphore = struct('semaphore', { state: u32.ownLine(), guard: u32, head: u32, tail: u32 });
/** Layout of a waiter, which lies in its CPU's area. */
export const SemaphoreNode = struct('semaphore_node', { next: u32, need: u32, granted: u32 });

/** Set in `state` while there is a queue. */
export const QUEUED = 1;
/** The most permits of a semaphore. */
export const MAX_PERMITS = 2 ** 30 - 1;

/** Weighted semaphore, FIFO. */
export const semaphore = defineLock({
  name: 'semaphore',
  kind: 'semaphore',
  layout: Semaphore,
  promises: { fifo: true, sleeps: true },
  init(isa, lock, _cpus, value) {
    if (!Number.isInteger(value) || value < 0 || value > MAX_PERMITS) {
      throw new RangeError(`a semaphore has 0 to ${MAX_PERMITS} permits, not ${value}`);
    }
    isa.store(lock + Semaphore.state, 2 * value);
  },
  create: (isa, cpu) => {
    const guard = ttas.create(isa, cpu);

    function tryAcquire(lock: number, permits: number): boolean {
      let state = isa.load(lock + Semaphore.state);
      while ((state & QUEUED) === 0 && state >>> 1 >= permits) {
        const seen = isa.compareExchange(lock + Semaphore.state, state, state - 2 * permits);
        if (seen === state) return true;
        state = seen;
      }
      return false;
    }

    function enqueue(lock: number, permits: number): number {
      const node = cpu.node(lock);
      isa.write(node + SemaphoreNode.next, 0);
      isa.write(node + SemaphoreNode.need, permits);
      isa.write(node + SemaphoreNode.granted, 0);
      const last = isa.read(lock + Semaphore.tail);
      isa.write(last === 0 ? lock + Semaphore.head : last + SemaphoreNode.next, node);
      isa.write(lock + Semaphore.tail, node);
      isa.queued(lock);
      return node;
    }

    function acquireQueued(lock: number, permits: number): void {
      guard.acquire(lock + Semaphore.guard);
      const before = isa.fetchOr(lock + Semaphore.state, QUEUED);
      if ((before & QUEUED) === 0 && before >>> 1 >= permits) {
        isa.store(lock + Semaphore.state, before - 2 * permits);
        guard.release(lock + Semaphore.guard);
        return;
      }
      const node = enqueue(lock, permits);
      guard.release(lock + Semaphore.guard);
      while (isa.loadAcquire(node + SemaphoreNode.granted) === 0) isa.wait(node + SemaphoreNode.granted, 0);
      cpu.putNode(lock);
    }

    function releaseQueued(lock: number, permits: number): void {
      guard.acquire(lock + Semaphore.guard);
      let free = (isa.fetchOr(lock + Semaphore.state, QUEUED) >>> 1) + permits;
      const first = isa.read(lock + Semaphore.head);
      let rest = first;
      while (rest !== 0 && isa.read(rest + SemaphoreNode.need) <= free) {
        free -= isa.read(rest + SemaphoreNode.need);
        rest = isa.read(rest + SemaphoreNode.next);
      }
      isa.write(lock + Semaphore.head, rest);
      if (rest === 0) isa.write(lock + Semaphore.tail, 0);
      isa.store(lock + Semaphore.state, 2 * free + (rest === 0 ? 0 : QUEUED));
      guard.release(lock + Semaphore.guard);
      for (let served = first; served !== rest; ) {
        const next = isa.read(served + SemaphoreNode.next);
        isa.store(served + SemaphoreNode.granted, 1);
        isa.notify(served + SemaphoreNode.granted, 1);
        served = next;
      }
    }

    return {
      acquire(lock, permits) {
        if (!tryAcquire(lock, permits)) acquireQueued(lock, permits);
      },
      tryAcquire,
      release(lock, permits) {
        let state = isa.load(lock + Semaphore.state);
        while ((state & QUEUED) === 0) {
          const seen = isa.compareExchange(lock + Semaphore.state, state, state + 2 * permits);
          if (seen === state) return;
          state = seen;
        }
        releaseQueued(lock, permits);
      },
    };
  },
});
