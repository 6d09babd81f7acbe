/** Reader-writer locks that are broken on purpose. */
import { defineMutant } from '../define.ts';
import { Rwlock, RwlockNode, RwlockState, rwlock } from '../rwlock.ts';

const { READER, READERS_SHIFT, WRITER, WRITERS, PHASE } = RwlockState;

/** A waiting writer shuts nobody out. */
export const rwlockStarvesWriters = defineMutant(
  rwlock,
  {
    name: 'busted/rwlock-starves-writers',
    wrong:
      'a writer announces itself only when it finds the lock free, so overlapping readers keep it out for ever (the first ' +
      'readers-writers problem of Courtois, Heymans and Parnas 1971; RwLock of the npm package multithreading 0.3.52)',
    caughtBy: 'bypass',
  },
  (isa, _cpu, ops) => ({
    acquireWrite(lock) {
      isa.queued(lock);
      for (;;) {
        const seen = isa.load(lock + Rwlock.state);
        if (ops.tryWrite!(lock)) return;
        // The phase alone is the word of a free lock whose last writer is still leaving: it is done in a moment, and nobody would wake us.
        if ((seen & ~PHASE) !== 0) isa.spinWhile(lock + Rwlock.state, seen);
        else isa.pause();
      }
    },
    releaseRead(lock) {
      ops.releaseRead(lock);
      isa.wake(lock + Rwlock.state, -1);
    },
    releaseWrite(lock) {
      ops.releaseWrite(lock);
      isa.wake(lock + Rwlock.state, -1);
    },
  }),
);

/** Looks for a writer, then counts itself. */
export const rwlockReaderSlips = defineMutant(
  rwlock,
  {
    name: 'busted/rwlock-reader-slips',
    wrong:
      'a reader waits until the write phase it has met is over, then counts itself without looking for the next writer',
    caughtBy: 'exclusion',
  },
  (isa) => ({
    acquireRead(lock) {
      const seen = isa.load(lock + Rwlock.state);
      if ((seen & WRITERS) !== 0) {
        const phase = isa.loadAcquire(lock + Rwlock.phase);
        if (((phase - seen) & PHASE) === 0) isa.spinWhile(lock + Rwlock.phase, phase);
      }
      isa.fetchAdd(lock + Rwlock.state, READER);
    },
  }),
);

/** Takes for granted that somebody will grant. */
export const rwlockAllGone = defineMutant(
  rwlock,
  {
    name: 'busted/rwlock-all-gone',
    wrong:
      'a writer that adds the number of readers to drain does not look whether all of them have left since it read that number: ' +
      'then nobody is left to grant it the lock',
    caughtBy: 'progress',
  },
  (isa, cpu, ops) => ({
    acquireWrite(lock) {
      let seen = isa.load(lock + Rwlock.state);
      for (;;) {
        if ((seen & WRITERS) !== 0) return ops.acquireWrite(lock);
        const now = isa.compareExchange(lock + Rwlock.state, seen, seen + WRITER);
        if (now === seen) break;
        seen = now;
      }
      if (seen >>> READERS_SHIFT !== 0) {
        const node = cpu.node(lock);
        isa.queued(lock);
        isa.write(node + RwlockNode.go, 0);
        isa.write(lock + Rwlock.waiter, node);
        isa.fetchAdd(lock + Rwlock.drain, seen >>> READERS_SHIFT);
        isa.spinWhile(node + RwlockNode.go, 0);
        cpu.putNode(lock);
      }
      let phase = isa.loadAcquire(lock + Rwlock.phase);
      while (((phase - seen) & PHASE) !== 0) phase = isa.spinWhile(lock + Rwlock.phase, phase);
    },
  }),
);
