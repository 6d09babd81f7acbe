/**
 * Queued reader-writer lock (Waiman Long, Linux 3.16): a word for those who can enter, a FIFO spinlock in front of it for those who cannot.
 *
 *   word    bit 0: a writer is inside        bit 8: a writer waits at the head of the queue        from bit 9: readers inside, or on their way
 *   queue   a qspinlock: who has it is the head of the queue
 *
 * A reader adds itself and is in if no writer is inside or waiting. Else it takes itself off and queues; at the head it adds itself again, which
 * keeps every later writer out, waits for the writer inside to leave, and lets the next one be the head. A writer takes the word if it is 0;
 * else it queues, at the head sets the waiting bit, which turns all newcomers into the queue, and waits until nobody is inside.
 *
 * So readers and writers come in the order of the queue, readers that stand next to each other together. Nobody passes the head but those who
 * were inside already and those who looked before the waiting bit was set: at most one acquisition of each other CPU.
 *
 * On the word wait only the head and nobody else, so a change that can matter to it wakes one: a reader that leaves or takes itself off
 * when a writer waits, and a writer that leaves.
 *
 * Ordering: all changes of the word are full read-modify-writes; the head reads it with acquire before it enters.
 */
import type { Addr } from '../arch/index.ts';
import { struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';
import { qspinlock } from './qspinlock.ts';

/** Layout of a {@link qrwlock}. */
export const Qrwlock = struct('qrwlock', { word: u32.ownLine(), queue: u32.ownLine() });

const WRITER = 1;
const WAITING = 1 << 8;
const READER = 1 << 9;

/** Queued reader-writer lock: fair, one read-modify-write to begin a read and one to end it. */
export const qrwlock = defineLock({
  name: 'qrwlock',
  kind: 'rwlock',
  layout: Qrwlock,
  promises: { bypass: (cpus) => 2 * cpus, spins: true },
  create: (isa, cpu) => {
    const { word, queue } = Qrwlock;
    const head = qspinlock.create(isa, cpu);

    function leaveRead(at: Addr): void {
      if ((isa.fetchAdd(at, -READER) & WAITING) !== 0) isa.wake(at, 1);
    }

    function queueRead(lock: Addr, at: Addr): void {
      leaveRead(at);
      head.acquire(lock + queue);
      let now = isa.fetchAdd(at, READER);
      // Until here a writer that finds the word at 0 may pass, and the next one, and the next: it is the count that keeps them out.
      isa.queued(lock);
      while ((now & WRITER) !== 0) now = isa.spinWhile(at, now);
      head.release(lock + queue);
    }

    function queueWrite(lock: Addr, at: Addr): void {
      head.acquire(lock + queue);
      let now = isa.fetchOr(at, WAITING) | WAITING;
      isa.queued(lock);
      for (;;) {
        while (now !== WAITING) now = isa.spinWhile(at, now);
        now = isa.compareExchange(at, WAITING, WRITER);
        if (now === WAITING) break;
      }
      head.release(lock + queue);
    }

    return {
      acquireRead(lock) {
        const at = lock + word;
        if ((isa.fetchAdd(at, READER) & (WRITER | WAITING)) !== 0) queueRead(lock, at);
      },
      tryRead(lock) {
        let seen = isa.readOnce(lock + word);
        while ((seen & (WRITER | WAITING)) === 0) {
          const now = isa.compareExchange(lock + word, seen, seen + READER);
          if (now === seen) return true;
          seen = now;
        }
        return false;
      },
      releaseRead: (lock) => leaveRead(lock + word),
      acquireWrite(lock) {
        if (isa.compareExchange(lock + word, 0, WRITER) !== 0) queueWrite(lock, lock + word);
      },
      tryWrite: (lock) => isa.compareExchange(lock + word, 0, WRITER) === 0,
      releaseWrite(lock) {
        isa.fetchAdd(lock + word, -WRITER);
        isa.wake(lock + word, 1);
      },
      downgrade(lock) {
        isa.fetchAdd(lock + word, READER - WRITER);
        isa.wake(lock + word, 1);
      },
    };
  },
});
