/**
 * The locks of the npm package `multithreading`, tortured as they are published.
 *
 *   npx lockrig torture examples/multithreading.ts --cpus 4 --duration 5s
 *
 * They bring their own SharedArrayBuffer: `share` makes it once, each CPU builds its object around it. The addresses that lockrig passes are not used.
 */
import { defineLock } from 'lockrig';

// The package reads navigator.hardwareConcurrency while it loads; Node 20 has no navigator.
if (!('navigator' in globalThis))
  Object.defineProperty(globalThis, 'navigator', { value: { hardwareConcurrency: 2 }, configurable: true });
const { Mutex, RwLock, Semaphore } = await import('multithreading');

interface Guard {
  dispose(): void;
}

/** A mutex: one word, compare-and-exchange, futex. */
export const mutex = defineLock({
  name: 'multithreading/mutex',
  kind: 'mutex',
  size: 64,
  share: () => new SharedArrayBuffer(4),
  create: (_isa, _cpu, { shared }) => {
    const lock = new Mutex(undefined, shared as SharedArrayBuffer);
    let guard: Guard | undefined;
    return {
      acquire() {
        guard = lock.blockingLock();
      },
      release() {
        guard?.dispose();
      },
    };
  },
});

/**
 * A reader-writer lock. The package promises nothing about writers; `bypass` states what one would wish for: that a waiting writer sees at
 * most 10,000 others go first. It prefers readers without a bound:
 *
 *   npx lockrig torture examples/multithreading.ts --cpus 4 --readers 3 --writers 1 --duration 5s
 */
export const rwlock = defineLock({
  name: 'multithreading/rwlock',
  kind: 'rwlock',
  size: 64,
  promises: { bypass: 10_000 },
  share: () => new SharedArrayBuffer(4),
  create: (isa, _cpu, { shared }) => {
    const lock = new RwLock(undefined, shared as SharedArrayBuffer);
    let guard: Guard | undefined;
    return {
      acquireRead() {
        guard = lock.blockingRead();
      },
      releaseRead() {
        guard?.dispose();
      },
      acquireWrite(addr) {
        isa.queued(addr);
        guard = lock.blockingWrite();
      },
      releaseWrite() {
        guard?.dispose();
      },
    };
  },
});

/** A weighted semaphore. A release of one permit wakes one waiter, and if that one needs more, nobody else is told. */
export const semaphore = defineLock({
  name: 'multithreading/semaphore',
  kind: 'semaphore',
  size: 64,
  share: (_cpus, permits) => {
    const buffer = new SharedArrayBuffer(8);
    new Int32Array(buffer)[0] = permits;
    return buffer;
  },
  create: (_isa, _cpu, { shared }) => {
    const lock = new Semaphore(0, shared as SharedArrayBuffer);
    let guard: Guard | undefined;
    return {
      acquire(_addr, permits) {
        guard = lock.blockingAcquire(permits);
      },
      release() {
        guard?.dispose();
      },
    };
  },
});
