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

/** Waits for one writer to go, then counts itself. */
export const rwlockReaderSlips = defineMutant(
  rwlock,
  {
    name: 'busted/rwlock-reader-slips',
    wrong:
      'a reader waits for the writer that it has met, then counts itself without looking again: if another writer has come in between, ' +
      'both are in',
    caughtBy: 'exclusion',
    cpus: 4,
  },
  (isa) => ({
    acquireRead(lock) {
      const phase = isa.load(lock + Rwlock.phase);
      if ((isa.load(lock + Rwlock.state) & WRITERS) !== 0) isa.spinWhile(lock + Rwlock.phase, phase);
      isa.fetchAdd(lock + Rwlock.state, READER);
    },
    releaseRead(lock) {
      isa.fetchAdd(lock + Rwlock.state, -READER);
      isa.wake(lock + Rwlock.state, -1);
    },
    acquireWrite(lock) {
      let seen = isa.compareExchange(lock + Rwlock.state, 0, WRITER);
      while (seen !== 0) {
        isa.spinWhile(lock + Rwlock.state, seen);
        seen = isa.compareExchange(lock + Rwlock.state, 0, WRITER);
      }
    },
    tryWrite: (lock) => isa.compareExchange(lock + Rwlock.state, 0, WRITER) === 0,
    releaseWrite(lock) {
      isa.fetchAdd(lock + Rwlock.state, -WRITER);
      isa.wake(lock + Rwlock.state, -1);
      isa.fetchAdd(lock + Rwlock.phase, 1);
      isa.wake(lock + Rwlock.phase, -1);
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
    cpus: 4,
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
