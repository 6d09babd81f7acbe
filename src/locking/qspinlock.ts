/**
 * Queued spinlock (Peter Zijlstra and Waiman Long, Linux 4.2): ticket-lock fairness in one word, with an MCS queue behind it.
 *
 *   word   bit 0: held        bit 8: pending        bits 16-31: tail, the queue node of the last waiter, by its line; 0 = no queue
 *
 * The first waiter sets pending and waits on the word: with one waiter at a time no queue node is touched. Everybody later queues in MCS
 * order, each on its own node, and the head of the queue waits on the word for pending and held to go.
 *
 *   free                 0 -> held by compare-exchange
 *   held, nothing else   sets pending; if it was the first to, waits for held to go, and turns pending into held by one exclusive or
 *   else                 swings the tail; links itself; waits until it is the head, then until neither held nor pending is set; takes the
 *                        lock, by a compare-exchange that removes the tail if that is its own node, else by setting held; makes its
 *                        successor the head
 *
 * Who sets pending and finds that a queue or another pending waiter is there already takes its bit back, if it was the one that set it, and
 * queues. Nobody passes the queue: while it exists the word is not 0, so the compare-exchange of a newcomer fails, and pending is not kept.
 * FIFO, where the doorway is the setting of the pending bit or the swing of the tail.
 *
 * This is the full-word form, in which held, pending and tail are changed by read-modify-writes of the whole word (the kernel's byte and half-word
 * stores are an optimisation for up to 16,384 CPUs). A release that finds its word to be just `held` has nobody to wake.
 *
 * Parking: on the word wait at most two CPUs, the pending one and the head. Whatever can let one of them go, a release and a pending bit taken
 * back, wakes both; who need not go parks again.
 *
 * Ordering: who enters has read the word without `held`, by a read-modify-write or before one, all of them full barriers, after the release's
 * read-modify-write. A node's `next` and `locked` are prepared before the tail that names it; the successor's link is a sequentially consistent store.
 */
import type { Addr } from '../arch/index.ts';
import { cpuArea, LINE, struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';

/** Layout of a {@link qspinlock}. */
export const Qspinlock = struct('qspinlock', { word: u32 });
/** Layout of a waiter's queue node, which lies in its CPU's area. */
export const QspinlockNode = struct('qspinlock_node', { next: u32, head: u32 });

/** The word: held. */
export const Q_HELD = 1;
/** The word: a waiter is next without a queue. */
export const Q_PENDING = 1 << 8;
/** The word's tail. */
export const Q_TAIL = -1 << 16;

const NODES = cpuArea(0);

/** The node as a tail, and back. */
export const tailOf = (node: Addr): number => ((node - NODES) / LINE) << 16;
export const nodeOf = (tail: number): Addr => NODES + (tail >>> 16) * LINE;

/** Queued spinlock: FIFO, one word. */
export const qspinlock = defineLock({
  name: 'qspinlock',
  kind: 'mutex',
  layout: Qspinlock,
  promises: { fifo: true, spins: true },
  create: (isa, cpu) => {
    const { word } = Qspinlock;
    const { next, head } = QspinlockNode;

    /** Waits until none of the bits is set in the word, whatever else is. @returns the word */
    function waitFor(at: Addr, bits: number): number {
      let now = isa.loadAcquire(at);
      while ((now & bits) !== 0) now = isa.spinWhile(at, now);
      return now;
    }

    function swingTail(at: Addr, tail: number): number {
      let seen = isa.readOnce(at);
      for (;;) {
        const now = isa.compareExchange(at, seen, (seen & ~Q_TAIL) | tail);
        if (now === seen) return seen;
        seen = now;
      }
    }

    function queue(lock: Addr, at: Addr): void {
      const node = cpu.node(lock);
      isa.write(node + next, 0);
      isa.write(node + head, 0);
      const tail = tailOf(node);
      const before = swingTail(at, tail) & Q_TAIL;
      isa.queued(lock);
      if (before !== 0) {
        isa.storeWake(nodeOf(before) + next, node);
        isa.spinWhile(node + head, 0);
      }
      const now = waitFor(at, Q_HELD | Q_PENDING);
      if ((now & Q_TAIL) !== tail || isa.compareExchange(at, tail, Q_HELD) !== tail) {
        isa.fetchOr(at, Q_HELD);
        const successor = isa.loadAcquire(node + next) || isa.spinWhile(node + next, 0);
        isa.storeWake(successor + head, 1);
      }
      cpu.putNode(lock);
    }

    function acquireSlowly(lock: Addr, at: Addr, found: number): void {
      if ((found & ~Q_HELD) !== 0) {
        queue(lock, at);
        return;
      }
      const before = isa.fetchOr(at, Q_PENDING);
      if ((before & ~Q_HELD) !== 0) {
        if ((before & Q_PENDING) === 0) {
          isa.fetchAnd(at, ~Q_PENDING);
          isa.wake(at, -1);
        }
        queue(lock, at);
        return;
      }
      isa.queued(lock);
      waitFor(at, Q_HELD);
      isa.fetchXor(at, Q_HELD | Q_PENDING);
    }

    return {
      acquire(lock) {
        const found = isa.compareExchange(lock + word, 0, Q_HELD);
        if (found !== 0) acquireSlowly(lock, lock + word, found);
      },
      tryAcquire: (lock) =>
        isa.readOnce(lock + word) === 0 && isa.compareExchange(lock + word, 0, Q_HELD) === 0,
      release(lock) {
        if (isa.compareExchange(lock + word, Q_HELD, 0) === Q_HELD) return;
        isa.fetchAdd(lock + word, -Q_HELD);
        isa.wake(lock + word, -1);
      },
    };
  },
});
