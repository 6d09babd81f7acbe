/**
 * Locks of others that are used from JavaScript: published on npm, behind a flag of V8, in Node itself. How each is made, shared and held.
 *
 *   pair     acquired, and given up later
 *   call     held while a function runs; the thread waits
 *   async    held while a function runs; the thread's event loop goes on, and the lock is asked for by a promise
 *
 * This module is imported by threads of the Node that measures them, which may be another one than lockrig's.
 */

/** How a lock is held. */
export type JsOps =
  | {
      readonly form: 'pair';
      acquire(): void;
      release(): void;
      readonly read?: { acquire(): void; release(): void };
    }
  | { readonly form: 'call'; hold(section: () => void): void }
  | {
      readonly form: 'async';
      hold(section: () => void): Promise<unknown>;
      readonly read?: (section: () => void) => Promise<unknown>;
    };

/** A lock of others. */
export interface JsLock {
  /** What all threads share of one lock: made once, and sent to them. */
  share(): unknown;
  /** Before locks are made: loads what they come from. @param module of an npm package, its URL */
  load(module: string | undefined): Promise<(shared: unknown, index: number) => JsOps>;
}

interface Guard {
  dispose(): void;
}
interface Multithreading {
  readonly Mutex: new (value: undefined, shared: SharedArrayBuffer) => { blockingLock(): Guard };
  readonly RwLock: new (
    value: undefined,
    shared: SharedArrayBuffer,
  ) => { blockingRead(): Guard; blockingWrite(): Guard };
}
interface AtomicsMutex {
  new (): object;
  lock<Result>(mutex: object, run: () => Result): Result;
}
interface LockManager {
  request(name: string, options: { mode: 'exclusive' | 'shared' }, run: () => void): Promise<unknown>;
}
interface WebLocks {
  request(name: string, run: () => Promise<void>): Promise<void>;
  send(message: object): void;
  receive(message: object): void;
}

/** The package reads navigator.hardwareConcurrency while it loads; Node 20 has no navigator. */
async function multithreading(module: string | undefined): Promise<Multithreading> {
  if (!('navigator' in globalThis))
    Object.defineProperty(globalThis, 'navigator', { value: { hardwareConcurrency: 2 }, configurable: true });
  return (await import(module!)) as Multithreading;
}

/** Something that is acquired as a guard and disposed of. */
function guarded(acquire: () => Guard): { acquire(): void; release(): void } {
  let guard: Guard | undefined;
  return {
    acquire() {
      guard = acquire();
    },
    release() {
      guard?.dispose();
    },
  };
}

/** All of them, by name. */
export const JS_LOCKS: Readonly<Record<string, JsLock>> = {
  'npm/multithreading-mutex': {
    share: () => new SharedArrayBuffer(4),
    async load(module) {
      const { Mutex } = await multithreading(module);
      return (shared) => {
        const lock = new Mutex(undefined, shared as SharedArrayBuffer);
        return { form: 'pair', ...guarded(() => lock.blockingLock()) };
      };
    },
  },
  'npm/multithreading-rwlock': {
    share: () => new SharedArrayBuffer(4),
    async load(module) {
      const { RwLock } = await multithreading(module);
      return (shared) => {
        const lock = new RwLock(undefined, shared as SharedArrayBuffer);
        const [write, read] = [guarded(() => lock.blockingWrite()), guarded(() => lock.blockingRead())];
        return { form: 'pair', ...write, read };
      };
    },
  },
  // Its managers tell each other of new locks and of releases by messages, which a channel carries from thread to thread; managers and locks are the package's own.
  'npm/web-locks': {
    share: () => undefined,
    async load(module) {
      const { locks } = (await import(module!)) as { locks: WebLocks };
      const channel = new BroadcastChannel('lockrig-web-locks');
      locks.send = (message) => channel.postMessage(message);
      channel.onmessage = (event) => locks.receive((event as { data: object }).data);
      return (_shared, index) => ({
        form: 'async',
        hold: (section) => locks.request(`lock-${index}`, async () => section()),
      });
    },
  },
  'node/locks': {
    share: () => undefined,
    async load() {
      const { locks } = (globalThis as { navigator?: { locks?: LockManager } }).navigator ?? {};
      if (locks === undefined) throw new Error('this Node has no navigator.locks');
      return (_shared, index) => ({
        form: 'async',
        hold: (section) => locks.request(`lock-${index}`, { mode: 'exclusive' }, section),
        read: (section) => locks.request(`lock-${index}`, { mode: 'shared' }, section),
      });
    },
  },
  'v8/Atomics.Mutex': {
    share: () => new (Atomics as unknown as { Mutex: AtomicsMutex }).Mutex(),
    async load() {
      const { Mutex } = Atomics as unknown as { Mutex: AtomicsMutex };
      return (shared) => ({ form: 'call', hold: (section) => Mutex.lock(shared as object, section) });
    },
  },
};
