/**
 * Sleeping mutex in the form of Linux's since 4.10 (Peter Zijlstra): an owner word, optimistic spinning, a FIFO queue of sleepers, and a hand-off
 * after a bound.
 *
 *   owner      CPU + 1 of the holder, times 4; bit 0: somebody is queued; bit 1: the next release hands over to the first in the queue
 *   wait_lock  guards the queue
 *   first, last  the queue; nodes lie in the waiting CPUs' areas
 *   passed     acquisitions past the queue since its first has been first; the holder's alone
 *   waking     not 0: the first in the queue has been woken and has not tried yet
 *
 * acquire takes a free mutex by one compare-exchange. Held, it spins for a while: a critical section is often shorter than a sleep. Then it
 * queues under `wait_lock` and sleeps on a word of its own node. A release clears the holder by one read-modify-write, and if somebody is queued wakes
 * the first, who tries again. Those who spin, and newcomers, may take the mutex meanwhile, which keeps it busy while the woken one is still on
 * its way: the reason why sleeping locks let others pass.
 *
 * So that passing has an end, who takes the mutex past the queue counts it, and the one who reaches the bound sets the hand-off bit: from then on a mutex without
 * holder is the first's alone, who takes it if it happens to come by, or else is made the holder by the one who released, both under
 * `wait_lock`. The queue is not empty then, for only a holder leaves it. (Linux sets the bit
 * when the first waiter has been woken and beaten; a count bounds the same by acquisitions instead of wake-ups, which an oracle can hold it to.)
 *
 * No wake-up is lost. A waiter sets bit 0 under `wait_lock`, then tries once more, then sleeps while its word is 0. Who releases after that sees the bit,
 * takes `wait_lock`, and sets the word of the first before it notifies; who released before it is seen by the try. The one that was woken and
 * comes too late clears its own word before it tries again.
 *
 * Nor is it sent twice: with more CPUs than cores the woken one takes a while to come, and the mutex changes hands a thousand times meanwhile. Who has cleared
 * the holder and finds `waking` set leaves it at that. The woken one clears `waking` before it tries, so (Dekker, all four sequentially
 * consistent) either the release reads 0 and wakes, or the try sees the mutex free.
 *
 * Ordering: who takes it has read, by a read-modify-write of `owner`, what the release's read-modify-write stored; a hand-over besides through
 * the node's word, stored after it and read with acquire.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { type Cpu, struct, u32 } from '../memory/index.ts';
import { defineLock, type LockDefinition } from './define.ts';
import type { MutexOps } from './kinds.ts';

/** Layout of a {@link mutex}. */
export const Mutex = struct('mutex', {
  owner: u32.ownLine(),
  passed: u32.ownLine(),
  waking: u32.ownLine(),
  wait_lock: u32.ownLine(),
  first: u32,
  last: u32,
});
/** Layout of a sleeper's node, which lies in its CPU's area. */
export const MutexWaiter = struct('mutex_waiter', { next: u32, owner: u32, woken: u32 });

/** `owner`: somebody is queued. */
export const MUTEX_WAITERS = 1;
/** `owner`: the next release hands the mutex over. */
export const MUTEX_HANDOFF = 2;
const FLAGS = MUTEX_WAITERS | MUTEX_HANDOFF;

/** Acquisitions past a queue before the mutex is handed over. */
export const HANDOFF_AFTER = 1024;
/** How often acquire looks at a held mutex before it queues. */
const LOOKS = 100;

/** What distinguishes the forms of the mutex. */
export interface MutexForm {
  /** Acquisitions past the first in the queue before the mutex is handed over to it. */
  readonly handoffAfter: number;
  /** Whether a release heeds the hand-off bit. */
  readonly handsOver: boolean;
}

/** The operations of one CPU. */
export function mutexOps(isa: Isa, cpu: Cpu, { handoffAfter, handsOver }: MutexForm): Required<MutexOps> {
  const { owner, passed, waking, wait_lock, first, last } = Mutex;
  const { next, owner: self, woken } = MutexWaiter;
  const me = (cpu.id + 1) << 2;

  function lockQueue(lock: Addr): void {
    while (isa.exchange(lock + wait_lock, 1) !== 0) isa.spinWhile(lock + wait_lock, 1);
  }

  const unlockQueue = (lock: Addr): void => isa.storeWakeOne(lock + wait_lock, 0);

  const closed = handsOver ? ~MUTEX_WAITERS : ~FLAGS;

  /** Takes a mutex that nobody holds, past the queue if there is one, unless it is to be handed over. @param looked what its word was */
  function take(lock: Addr, looked: number): boolean {
    let seen = looked;
    while ((seen & closed) === 0) {
      const now = isa.compareExchange(lock + owner, seen, me | seen);
      if (now === seen) {
        if (seen !== 0) pass(lock);
        return true;
      }
      seen = now;
    }
    return false;
  }

  function pass(lock: Addr): void {
    const times = isa.read(lock + passed) + 1;
    isa.write(lock + passed, times);
    if (times >= handoffAfter) isa.fetchOr(lock + owner, MUTEX_HANDOFF);
  }

  /** Takes it as the first in the queue, or finds that it has been handed over; under `wait_lock`. */
  function takeAsFirst(lock: Addr): boolean {
    isa.store(lock + waking, 0);
    let seen = isa.load(lock + owner);
    while ((seen & ~FLAGS) === 0) {
      const now = isa.compareExchange(lock + owner, seen, me | MUTEX_WAITERS);
      if (now === seen) return true;
      seen = now;
    }
    return (seen & ~FLAGS) === me;
  }

  function takeOff(lock: Addr, node: Addr): void {
    const after = isa.read(node + next);
    isa.write(lock + first, after);
    isa.write(lock + passed, 0);
    if (after !== 0) return;
    isa.write(lock + last, 0);
    isa.fetchAnd(lock + owner, ~FLAGS);
  }

  function queue(lock: Addr): void {
    const node = cpu.node(lock);
    isa.write(node + next, 0);
    isa.write(node + self, me);
    isa.store(node + woken, 0);
    lockQueue(lock);
    const before = isa.read(lock + last);
    isa.write(before === 0 ? lock + first : before + next, node);
    isa.write(lock + last, node);
    isa.fetchOr(lock + owner, MUTEX_WAITERS);
    isa.queued(lock);
    while (isa.read(lock + first) !== node || !takeAsFirst(lock)) {
      unlockQueue(lock);
      if (isa.spinBriefly(node + woken, 0) === 0)
        while (isa.loadAcquire(node + woken) === 0) isa.wait(node + woken, 0);
      lockQueue(lock);
      isa.store(node + woken, 0);
    }
    takeOff(lock, node);
    unlockQueue(lock);
    cpu.putNode(lock);
  }

  function acquireHeld(lock: Addr, looked: number): void {
    let seen = looked;
    for (let looks = LOOKS; looks > 0; looks -= 1) {
      if (take(lock, seen)) return;
      seen = isa.readOnce(lock + owner);
    }
    queue(lock);
  }

  /** Nobody holds it any more, `flags` are set, and somebody is queued. */
  function releaseQueued(lock: Addr, flags: number): void {
    const handOver = handsOver && (flags & MUTEX_HANDOFF) !== 0;
    if (!handOver && isa.load(lock + waking) !== 0) return;
    lockQueue(lock);
    const node = isa.read(lock + first);
    // Who was first then may have taken it meanwhile: no bit, nothing to hand over, and a holder who will look after the next.
    const still = !handOver || isa.load(lock + owner) === FLAGS;
    if (node !== 0 && still) {
      if (handOver) isa.exchange(lock + owner, isa.read(node + self) | MUTEX_WAITERS);
      isa.store(lock + waking, 1);
      isa.store(node + woken, 1);
      isa.notify(node + woken, 1);
    }
    unlockQueue(lock);
  }

  return {
    acquire(lock) {
      const seen = isa.compareExchange(lock + owner, 0, me);
      if (seen !== 0) acquireHeld(lock, seen);
    },
    tryAcquire(lock) {
      const seen = isa.compareExchange(lock + owner, 0, me);
      return seen === 0 || take(lock, seen);
    },
    release(lock) {
      const flags = isa.fetchAnd(lock + owner, FLAGS) & FLAGS;
      if (flags !== 0) releaseQueued(lock, flags);
    },
  };
}

/** A mutex of one form. */
export function mutexLock(name: string, form: MutexForm): LockDefinition<'mutex'> {
  return defineLock({
    name,
    kind: 'mutex',
    layout: Mutex,
    // Each of those queued before it may be passed that often, and then comes itself; so may it.
    promises: { sleeps: true, bypass: (cpus) => cpus * (form.handoffAfter + 2) },
    create: (isa, cpu) => mutexOps(isa, cpu, form),
  });
}

/** Sleeping mutex; lets others pass up to a bound. */
export const mutex = mutexLock('mutex', { handoffAfter: HANDOFF_AFTER, handsOver: true });
