/**
 * The kinds of locks: the operations each offers, all on the lock's address, so that one class of locks serves any number of instances embedded
 * anywhere. What a lock promises beyond its kind stands in {@link Promises}; it is judged on that and on nothing else.
 */
import type { Addr } from '../arch/index.ts';

/** What a lock promises. Left out: not promised. */
export interface Promises {
  /** CPUs enter in the order in which they passed the doorway (`isa.queued`). */
  fifo?: boolean;
  /**
   * Bounded bypass: after a CPU has passed the doorway, at most this many acquisitions of others that exclude its own come before it, all CPUs
   * together; a number, or a function of the number of CPUs.
   */
  bypass?: number | ((cpus: number) => number);
  /** A holder may acquire it again. */
  recursive?: boolean;
  /** Acquiring may sleep, even by the policy `spin`. */
  sleeps?: boolean;
  /** Those who wait for it spin: who holds it must not sleep. Of RCU: who is in a read section must not. */
  spins?: boolean;
  /** A CPU that is waiting for it may be interrupted by a handler that acquires it. */
  irqSafe?: boolean;
  /** Release by a CPU that does not hold it throws `NotOwner` and changes nothing. */
  owned?: boolean;
  /** For queues, a condition rather than a promise: CPUs that may put, or take, at a time; any number unless given. */
  producers?: number;
  consumers?: number;
  /** For queues: items that fit. `lockrig hunt` makes executions long enough to fill one that has a producer of its own. */
  capacity?: number;
  /** For sequence counters, a condition likewise: 1 when the caller keeps writers apart. */
  writers?: number;
}

/** `mutex`: one holder. */
export interface MutexOps {
  /** Waits until this CPU holds it. */
  acquire(lock: Addr): void;
  /** @returns whether this CPU now holds it; never waits for a holder */
  tryAcquire?(lock: Addr): boolean;
  /** Gives it up; only its holder may. */
  release(lock: Addr): void;
}

/** `rwlock` and `rwsem`: many readers or one writer. */
export interface RwOps {
  /** Waits until this CPU may read. */
  acquireRead(lock: Addr): void;
  /** Ends a read. */
  releaseRead(lock: Addr): void;
  /** Waits until this CPU alone is inside. */
  acquireWrite(lock: Addr): void;
  /** Ends a write. */
  releaseWrite(lock: Addr): void;
  /** @returns whether this CPU may now read; never waits for a holder */
  tryRead?(lock: Addr): boolean;
  /** @returns whether this CPU alone is now inside; never waits for a holder */
  tryWrite?(lock: Addr): boolean;
  /** The writer becomes a reader; no other writer gets in between. */
  downgrade?(lock: Addr): void;
  /** The only reader becomes the writer, or nothing changes. @returns whether it did */
  tryUpgrade?(lock: Addr): boolean;
}

/** `seq`: readers retry what a writer has disturbed. Writers exclude each other. */
export interface SeqOps {
  /** @returns what `readRetry` must be given */
  readBegin(lock: Addr): number;
  /** @returns whether what was read since `readBegin` answered `seq` must be thrown away */
  readRetry(lock: Addr, seq: number): boolean;
  /** Waits for other writers and tells readers to retry. */
  writeBegin(lock: Addr): void;
  /** Ends a write. */
  writeEnd(lock: Addr): void;
}

/** `semaphore`: a number of permits; the torture sets it through `init`'s `value`. */
export interface SemaphoreOps {
  /** Waits until it has the permits. @param permits at least 1 */
  acquire(lock: Addr, permits: number): void;
  /** @returns whether it has the permits; never waits */
  tryAcquire?(lock: Addr, permits: number): boolean;
  /** Gives permits back. */
  release(lock: Addr, permits: number): void;
}

/** `condition`: waits for a change under a mutex. Wake-ups may be spurious; callers wait in a loop. */
export interface ConditionOps {
  /** Releases `mutex`, waits for a signal, acquires `mutex`. */
  wait(lock: Addr, mutex: Addr): void;
  /** Wakes at least one CPU that waited before. */
  signal(lock: Addr): void;
  /** Wakes every CPU that waited before. */
  broadcast(lock: Addr): void;
}

/** `barrier`: nobody passes before all have come; reusable. The number of parties is `init`'s `value`. */
export interface BarrierOps {
  /** @returns true for exactly one of the parties */
  wait(lock: Addr): boolean;
}

/** `completion`: waits for something to have happened. */
export interface CompletionOps {
  /** Waits until it is completed, and takes that completion unless it is for all. */
  wait(lock: Addr): void;
  /** @returns whether it was completed; never waits */
  tryWait?(lock: Addr): boolean;
  /** Lets one CPU through, now or later. */
  complete?(lock: Addr): void;
  /** Lets every CPU through until it is reset. */
  completeAll(lock: Addr): void;
  /** Not completed any more. Nobody waits for it then. */
  reset(lock: Addr): void;
}

/** `queue`: bounded; items are numbers from 1 to 2^31 - 1. Nothing blocks. */
export interface QueueOps {
  /** @returns whether there was room */
  put(lock: Addr, item: number): boolean;
  /** @returns the next item; 0: there is none */
  take(lock: Addr): number;
  /** For deques that `put` and `take` leave to their owner: an item for everybody else. @returns 0: none, or somebody was faster */
  steal?(lock: Addr): number;
}

/** `rcu`: read sections that never wait; who takes something away waits for those that may still see it. */
export interface RcuOps {
  /** Begins a read section; sections nest. @returns what `readUnlock` of this section must be given */
  readLock(rcu: Addr): number;
  /** Ends a read section, on the CPU that began it. */
  readUnlock(rcu: Addr, token: number): void;
  /** Waits for a grace period: until every read section that was there when it was called has ended. Not inside one. */
  synchronize(rcu: Addr): void;
  /** The same, sooner: waits for nobody else's grace period to end first. */
  synchronizeExpedited?(rcu: Addr): void;
  /**
   * Runs callback `vector` on `head` after a grace period, on this CPU or on one that calls `barrier`. Does not wait.
   * @param head two words of the caller's object, `RcuHead`, which are rcu's until then
   */
  callRcu?(rcu: Addr, head: Addr, vector: number): void;
  /** Sets this CPU's callback `vector`, 0 to 31; all CPUs set the same ones. It must not wait for a grace period. */
  onCallback?(vector: number, fn: (head: Addr) => void): void;
  /** Runs the callbacks of this CPU whose grace period is over. @returns how many */
  poll?(rcu: Addr): number;
  /** Waits until every callback that any CPU had handed over when it was called has run. Not inside a read section. */
  barrier?(rcu: Addr): void;
  /** This CPU is in no read section: what flavours go by that do not see sections begin and end. */
  quiescent?(rcu: Addr): void;
  /** This CPU will begin no read section until it is back online: nobody waits for it meanwhile. */
  offline?(rcu: Addr): void;
  /** Read sections may begin again. */
  online?(rcu: Addr): void;
}

/** `hazard`: pointers under protection; who takes an object away gets it back once no CPU protects it. */
export interface HazardOps {
  /** Reads the pointer at `addr` and protects what it points to until `clear`. @param slot 0 to 3 @returns the pointer */
  protect(domain: Addr, slot: number, addr: Addr): Addr;
  /** Ends a protection. */
  clear(domain: Addr, slot: number): void;
  /** Hands over an object that nobody can find any more; the reclaimer gets it when no CPU protects it. Does not wait. */
  retire(domain: Addr, object: Addr): void;
  /** Sets this CPU's reclaimer; all CPUs set the same one. */
  onReclaim(fn: (object: Addr) => void): void;
  /** Waits until all that any CPU had retired when it was called has been reclaimed. This CPU protects nothing meanwhile. */
  flush(domain: Addr): void;
}

/** `async-mutex`: a promise-based lock; free-running only. */
export interface AsyncMutexOps {
  /** Runs `fn` while holding it, until the promise that `fn` returns settles. */
  hold<T>(lock: Addr, fn: () => T | Promise<T>): Promise<T>;
}

/** The operations of each kind. */
export interface OpsByKind {
  mutex: MutexOps;
  rwlock: RwOps;
  rwsem: RwOps;
  seq: SeqOps;
  semaphore: SemaphoreOps;
  condition: ConditionOps;
  barrier: BarrierOps;
  completion: CompletionOps;
  queue: QueueOps;
  rcu: RcuOps;
  hazard: HazardOps;
  'async-mutex': AsyncMutexOps;
}

/** The name of a kind. */
export type Kind = keyof OpsByKind;

/** The operations that a kind must have; the others are optional. */
export const REQUIRED: { readonly [K in Kind]: readonly string[] } = {
  mutex: ['acquire', 'release'],
  rwlock: ['acquireRead', 'releaseRead', 'acquireWrite', 'releaseWrite'],
  rwsem: ['acquireRead', 'releaseRead', 'acquireWrite', 'releaseWrite'],
  seq: ['readBegin', 'readRetry', 'writeBegin', 'writeEnd'],
  semaphore: ['acquire', 'release'],
  condition: ['wait', 'signal', 'broadcast'],
  barrier: ['wait'],
  completion: ['wait', 'completeAll', 'reset'],
  queue: ['put', 'take'],
  rcu: ['readLock', 'readUnlock', 'synchronize'],
  hazard: ['protect', 'clear', 'retire', 'onReclaim', 'flush'],
  'async-mutex': ['hold'],
};
