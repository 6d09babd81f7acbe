/**
 * Phase-fair reader-writer spinlock (Brandenburg and Anderson 2010): where both wait, one write phase and one read phase alternate. Readers
 * know their phase as in the paper's PF-T, each writer waits on a word of its own as in its PF-Q, and the readers that a writer waits
 * for are counted down as in Go's sync.RWMutex.
 *
 *   state   readers present, waiting or not | writers present | phase, 2 bits
 *   phase   write phases completed
 *   drain   readers that the next writer still waits for; below 0 while it has not yet added their number
 *
 * A reader adds itself to `state`; without a writer there it is in. Else it waits for `phase` to pass the phase that it arrived in, however many
 * writers follow. A writer adds itself, which shuts out all later readers. The only writer waits for the readers present: it adds their
 * number to `drain`, each takes itself off as it leaves, and who makes it 0 grants the lock. Any other writer queues (Mellor-Crummey and
 * Scott 1991; the first of a queue reports in `head`) and waits for its grant.
 *
 * A writer leaves by one addition to `state` that takes it off and turns the phase. The old value names those who came meanwhile: readers, whom
 * `phase` lets in, and writers, the first of whom gets the lock from this writer or, if there are readers, from the last of them. Later readers
 * already meet the next write phase. So a reader waits for one write phase, and a writer for the writers before it and at most one read of
 * each CPU before each of them and itself. In PF-T the releasing writer lets readers in until the next writer announces itself: preempted
 * there, with more CPUs than cores, it would break that bound.
 *
 * Two bits of phase suffice: a writer holds the lock only when `phase` agrees with `state`, and no later one passes this reader; so a
 * reader of phase b finds b - 1 (that release is under way), b, or b + 1, its leave to go.
 *
 * Ordering: who enters has read, by a read-modify-write or an acquire load, what who left has written: `state` (to newcomers), `phase` (to
 * waiting readers), `drain` (from readers to their last one, or to the writer) and `go` (to queued writers). `holder`, `waiter`, `head` once
 * reported, and a `drain` that nobody counts down are the holder's alone: plain accesses, published by the operation that admits the next.
 */
import type { Addr } from '../arch/index.ts';
import { i32, struct, u32 } from '../memory/index.ts';
import { defineLock } from './define.ts';

/** Layout of an {@link rwlock}. */
export const Rwlock = struct('rwlock', {
  state: u32.ownLine(),
  phase: u32.ownLine(),
  drain: i32.ownLine(),
  tail: u32.ownLine(),
  head: u32.ownLine(),
  /** Queue node of the writer that holds the lock, if it came through the queue. */
  holder: u32,
  /** Queue node of the writer that the last reader grants the lock. */
  waiter: u32,
});
/** Layout of a writer's queue node, which lies in its CPU's area. */
export const RwlockNode = struct('rwlock_node', { next: u32, go: u32 });

const PHASE = 3;
const WRITER = 1 << 2;
const WRITERS = 0x7ff << 2;
const READERS_SHIFT = 13;
const READER = 1 << READERS_SHIFT;
/** The parts of `Rwlock.state`: one reader and how far to shift for their number, one writer and the mask of all, the mask of the phase. */
export const RwlockState = { READER, READERS_SHIFT, WRITER, WRITERS, PHASE } as const;

/** Phase-fair reader-writer lock: bounded bypass both ways, one read-modify-write to begin a read and one to end it. */
export const rwlock = defineLock({
  name: 'rwlock',
  kind: 'rwlock',
  layout: Rwlock,
  // The writers before it, and before each of them and itself one read of every other CPU; a reader meets one write phase.
  promises: { bypass: (cpus) => cpus * cpus - 1, spins: true },
  create(isa, cpu) {
    const { state, phase, drain, tail, head, holder, waiter } = Rwlock;
    const { next, go } = RwlockNode;

    function waitForPhase(lock: Addr, seen: number): void {
      isa.queued(lock);
      let now = isa.loadAcquire(lock + phase);
      while (((now - seen) & PHASE) !== 1) now = isa.spinWhile(lock + phase, now);
    }

    /** The release that turned `state` to this phase has still to store it. */
    function settle(lock: Addr, seen: number): void {
      let now = isa.loadAcquire(lock + phase);
      while (((now - seen) & PHASE) !== 0) now = isa.spinWhile(lock + phase, now);
    }

    function leaveDraining(lock: Addr): void {
      if (isa.fetchAdd(lock + drain, -1) === 1) isa.storeWake(isa.read(lock + waiter) + go, 1);
    }

    function waitForReaders(lock: Addr, readers: number): void {
      const node = cpu.node(lock);
      isa.queued(lock);
      isa.write(node + go, 0);
      isa.write(lock + waiter, node);
      if (isa.fetchAdd(lock + drain, readers) !== -readers) isa.spinWhile(node + go, 0);
      cpu.putNode(lock);
    }

    function queue(lock: Addr): void {
      const node = cpu.node(lock);
      isa.write(node + next, 0);
      isa.write(node + go, 0);
      const last = isa.exchange(lock + tail, node);
      isa.queued(lock);
      isa.storeWake(last === 0 ? lock + head : last + next, node);
      isa.spinWhile(node + go, 0);
      isa.write(lock + holder, node);
    }

    function leaveQueue(lock: Addr, node: Addr): Addr {
      let heir = isa.loadAcquire(node + next);
      if (heir === 0 && isa.compareExchange(lock + tail, node, 0) !== node)
        heir = isa.spinWhile(node + next, 0);
      isa.write(lock + holder, 0);
      cpu.putNode(lock);
      return heir;
    }

    function takeHead(lock: Addr): Addr {
      const heir = isa.loadAcquire(lock + head) || isa.spinWhile(lock + head, 0);
      isa.write(lock + head, 0);
      return heir;
    }

    return {
      acquireRead(lock) {
        const seen = isa.fetchAdd(lock + state, READER);
        if ((seen & WRITERS) !== 0) waitForPhase(lock, seen);
      },
      tryRead(lock) {
        let seen = isa.load(lock + state);
        while ((seen & WRITERS) === 0) {
          const now = isa.compareExchange(lock + state, seen, (seen + READER) | 0);
          if (now === seen) return true;
          seen = now;
        }
        return false;
      },
      releaseRead(lock) {
        if ((isa.fetchAdd(lock + state, -READER) & WRITERS) !== 0) leaveDraining(lock);
      },
      acquireWrite(lock) {
        const seen = isa.fetchAdd(lock + state, WRITER);
        if ((seen & WRITERS) !== 0) return queue(lock);
        if (seen >>> READERS_SHIFT !== 0) waitForReaders(lock, seen >>> READERS_SHIFT);
        settle(lock, seen);
      },
      tryWrite(lock) {
        const seen = isa.load(lock + state);
        if ((seen & ~PHASE) !== 0 || ((isa.load(lock + phase) - seen) & PHASE) !== 0) return false;
        if (isa.compareExchange(lock + state, seen, seen + WRITER) !== seen) return false;
        // Waits only if four writers came and went since the two loads and the last of them has not finished leaving.
        settle(lock, seen);
        return true;
      },
      releaseWrite(lock) {
        const node = isa.read(lock + holder);
        let heir = node === 0 ? 0 : leaveQueue(lock, node);
        const now = isa.read(lock + phase);
        const turn = (now & PHASE) === PHASE ? -PHASE : 1;
        const seen = isa.fetchAdd(lock + state, turn - WRITER);
        if ((seen & WRITERS) === WRITER) {
          isa.storeWake(lock + phase, (now + 1) | 0);
          return;
        }
        if (heir === 0) heir = takeHead(lock);
        const readers = seen >>> READERS_SHIFT;
        // Both before `phase` lets these readers in: the first to leave may be the last, and finds them.
        isa.write(lock + waiter, heir);
        isa.write(lock + drain, readers);
        isa.storeWake(lock + phase, (now + 1) | 0);
        if (readers === 0) isa.storeWake(heir + go, 1);
      },
    };
  },
});
