/**
 * Reader-writer semaphore that sleeps (the rules of Linux's rwsem as of 2.6: a count, a queue under a spinlock, the lock handed over in the
 * order of the queue; the bits of the count as since Linux 5.3).
 *
 *   count   readers × 4 | somebody waits | a writer holds it
 *
 * A reader adds itself and is in unless a writer holds the lock or somebody waits: one read-modify-write to come, one to go. A writer needs
 * `count` to be 0. Who is shut out queues under `wait_lock` and sleeps on a word of its own, a plain futex, after a brief spin (as Linux's since 3.16, there on the lock's owner). Nobody steals: whoever makes it
 * possible for the front of the queue to go counts it in, takes it off the queue and only then wakes it: the first writer alone, or the readers
 * up to the next writer together. Those who may not go are not woken.
 *
 * A reader that was shut out has counted itself for nothing until it is queued, and so may be what a leaving CPU mistakes for another
 * holder, or what fails a writer's compare-and-exchange. Therefore everyone who queues looks, after taking that count back, whether the
 * front can go. Apart from that, what lets the front go is a release that finds the waiting bit, or one before the bit was set, which the
 * waiter, looking after setting it, sees.
 *
 * While the queue is not empty the waiting bit keeps a writer from coming in by the fast path. So under `wait_lock` the writer bit can only go
 * away, and readers whom no writer kept out may be counted by a plain addition; a writer still needs the compare-and-exchange, for readers come
 * without the lock.
 *
 * Reader preference: only the writer bit shuts readers out, and a release lets in all the readers queued before any writer. It hides
 * deadlocks that a fair one shows (read, another's write, read again) and starves writers.
 *
 * Ordering: entry by the fast path and every hand-over is a read-modify-write on `count` after the release's, and `go` is stored after it and read with
 * acquire; the queue is touched under `wait_lock` alone, a granted node by its waker until `go` is set and by its owner from then.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { type Cpu, MODE_READ, MODE_WRITE, struct, u32 } from '../memory/index.ts';
import { defineLock, type LockDefinition } from './define.ts';
import type { RwOps } from './kinds.ts';

/** Layout of an {@link rwsem}. */
export const Rwsem = struct('rwsem', { count: u32.ownLine(), wait_lock: u32, first: u32, last: u32 });
/** A queued CPU's node: `go` is its word to sleep on. */
export const RwsemWaiter = struct('rwsem_waiter', { next: u32, mode: u32, go: u32 });

const WRITER = 1;
const WAITERS = 2;
const READER = 4;

/** What distinguishes the forms of the semaphore. */
export interface RwsemForm {
  /** Bits of `count` that shut a reader out. */
  readonly shutOut: number;
  /** Whether a release lets readers in that queue behind a writer. */
  readonly pastWriters: boolean;
  /** Tells a waiter that it has been counted in; its node is its own again from then. */
  readonly grant: (isa: Isa, waiter: Addr) => void;
}

function grant(isa: Isa, waiter: Addr): void {
  isa.store(waiter + RwsemWaiter.go, 1);
  isa.notify(waiter + RwsemWaiter.go, 1);
}

/** First come, first served. */
export const RWSEM_FIFO: RwsemForm = { shutOut: WRITER | WAITERS, pastWriters: false, grant };
/** Readers wait only for the writer that holds the lock. */
export const RWSEM_READERS_FIRST: RwsemForm = { shutOut: WRITER, pastWriters: true, grant };

/** The operations of one CPU on semaphores of one form. */
export function rwsemOps(isa: Isa, cpu: Cpu, form: RwsemForm): Required<Omit<RwOps, 'tryUpgrade'>> {
  const { shutOut, pastWriters, grant } = form;
  const { count, wait_lock, first, last } = Rwsem;
  const { next, mode, go } = RwsemWaiter;

  /** Takes the readers that may go off the queue; their chain. */
  function takeReaders(lock: Addr): Addr {
    let chain = 0;
    let end = 0;
    let kept = 0;
    let readers = 0;
    let at = isa.read(lock + first);
    while (at !== 0) {
      const after = isa.read(at + next);
      if (isa.read(at + mode) === MODE_READ) {
        if (chain === 0) chain = at;
        else isa.write(end + next, at);
        end = at;
        readers += 1;
        isa.write(kept === 0 ? lock + first : kept + next, after);
      } else {
        if (!pastWriters) break;
        kept = at;
      }
      at = after;
    }
    if (readers === 0) return 0;
    isa.write(end + next, 0);
    if (at === 0) isa.write(lock + last, kept);
    isa.fetchAdd(lock + count, readers * READER - (isa.read(lock + first) === 0 ? WAITERS : 0));
    return chain;
  }

  /** Takes the writer at the front off the queue, unless readers are in: the last of them comes here again. */
  function takeWriter(lock: Addr): Addr {
    const writer = isa.read(lock + first);
    if (writer === 0) return 0;
    const after = isa.read(writer + next);
    if (isa.compareExchange(lock + count, WAITERS, after === 0 ? WRITER : WRITER | WAITERS) !== WAITERS)
      return 0;
    isa.write(lock + first, after);
    if (after === 0) isa.write(lock + last, 0);
    isa.write(writer + next, 0);
    return writer;
  }

  function lockQueue(lock: Addr): void {
    while (isa.compareExchange(lock + wait_lock, 0, 1) !== 0) isa.spinWhile(lock + wait_lock, 1);
  }

  /** Lets in who may go, unlocks the queue, and wakes them. */
  function admitAndUnlock(lock: Addr): void {
    let chain = 0;
    if ((isa.load(lock + count) & WRITER) === 0) chain = takeReaders(lock) || takeWriter(lock);
    isa.store(lock + wait_lock, 0);
    isa.wake(lock + wait_lock, 1);
    while (chain !== 0) {
      const after = isa.read(chain + next);
      grant(isa, chain);
      chain = after;
    }
  }

  function admit(lock: Addr): void {
    lockQueue(lock);
    admitAndUnlock(lock);
  }

  /** Queues and sleeps; `counted` is what this CPU has added to `count` in vain. */
  function queue(lock: Addr, wanted: number, counted: number): void {
    const node = cpu.node(lock);
    isa.write(node + next, 0);
    isa.write(node + mode, wanted);
    isa.write(node + go, 0);
    lockQueue(lock);
    const before = isa.read(lock + last);
    isa.write(before === 0 ? lock + first : before + next, node);
    isa.write(lock + last, node);
    isa.fetchAdd(lock + count, (before === 0 ? WAITERS : 0) - counted);
    isa.queued(lock);
    admitAndUnlock(lock);
    if (isa.spinBriefly(node + go, 0) === 0) while (isa.loadAcquire(node + go) === 0) isa.wait(node + go, 0);
    cpu.putNode(lock);
  }

  return {
    acquireRead(lock) {
      if ((isa.fetchAdd(lock + count, READER) & shutOut) !== 0) queue(lock, MODE_READ, READER);
    },
    tryRead(lock) {
      let seen = isa.load(lock + count);
      while ((seen & shutOut) === 0) {
        const now = isa.compareExchange(lock + count, seen, seen + READER);
        if (now === seen) return true;
        seen = now;
      }
      return false;
    },
    releaseRead(lock) {
      if (isa.fetchAdd(lock + count, -READER) === (READER | WAITERS)) admit(lock);
    },
    acquireWrite(lock) {
      if (isa.compareExchange(lock + count, 0, WRITER) !== 0) queue(lock, MODE_WRITE, 0);
    },
    tryWrite(lock) {
      return isa.compareExchange(lock + count, 0, WRITER) === 0;
    },
    releaseWrite(lock) {
      if ((isa.fetchAdd(lock + count, -WRITER) & WAITERS) !== 0) admit(lock);
    },
    downgrade(lock) {
      if ((isa.fetchAdd(lock + count, READER - WRITER) & WAITERS) !== 0) admit(lock);
    },
  };
}

function semaphore(
  name: string,
  promises: { fifo?: boolean; sleeps: boolean },
  form: RwsemForm,
): LockDefinition<'rwsem'> {
  return defineLock({
    name,
    kind: 'rwsem',
    layout: Rwsem,
    promises,
    create: (isa, cpu) => rwsemOps(isa, cpu, form),
  });
}

/** Fair reader-writer semaphore. */
export const rwsem = semaphore('rwsem', { fifo: true, sleeps: true }, RWSEM_FIFO);
/** Reader-writer semaphore whose readers overtake waiting writers. */
export const rwsemReaderPreferring = semaphore(
  'rwsem-reader-preferring',
  { sleeps: true },
  RWSEM_READERS_FIRST,
);
