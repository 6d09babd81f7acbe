/**
 * Sleeping where nobody may sleep.
 *
 * Who holds a spinlock has others burn their time until it comes back, and a grace period lasts as long as the longest read section. Mostly it goes well: the mutex
 * is free, or soon will be. So no outcome shows these bugs, and no test that looks at outcomes; what shows them is what the locks say of themselves
 * (`spins`, `sleeps`), held against what is done with them.
 */
import type { Isa } from '../arch/index.ts';
import type { MutexOps, RcuOps } from '../locking/kinds.ts';
import { mutex3 } from '../locking/mutex3.ts';
import { Ticket, ticket } from '../locking/ticket.ts';
import { track } from '../locking/track.ts';
import { type Cpu, sizeOf, struct, u32, words } from '../memory/index.ts';
import { rcuBytes } from '../rcu/grace.ts';
import { rcu } from '../rcu/rcu.ts';
import type { Actor } from '../scenario.ts';
import { classic } from './classic.ts';
import { visit } from './parts.ts';

const Device = struct('device', { queue_lock: words(sizeOf(Ticket) / 4), io_mutex: u32, requests: u32 });

interface DeviceLocks {
  readonly spin: MutexOps;
  readonly mutex: MutexOps;
}
const deviceLocks = (isa: Isa, cpu: Cpu): DeviceLocks => ({
  spin: track('mutex', cpu, ticket.create(isa, cpu)),
  mutex: track('mutex', cpu, mutex3.create(isa, cpu)),
});

/** A mutex inside a spinlock. */
export const sleepUnderSpinlock = classic<DeviceLocks>({
  name: 'sleep-under-spinlock',
  wrong:
    'a mutex is acquired with a spinlock held: when it is not free, the holder sleeps and all who want the spinlock burn their time',
  source: 'Russell 2000, "Unreliable Guide To Locking", section "Sleeping"; Linux might_sleep()',
  caughtBy: 'lock-order',
  cpus: 2,
  state: Device,
  create: deviceLocks,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Device.requests) !== 2) fail('a request was lost');
  },
  broken: {
    actors: ({ isa, state, tools: { spin, mutex } }) => {
      spin.acquire(state + Device.queue_lock);
      mutex.acquire(state + Device.io_mutex);
      visit(isa, state + Device.requests);
      mutex.release(state + Device.io_mutex);
      spin.release(state + Device.queue_lock);
    },
  },
  fixed: {
    actors: ({ isa, state, tools: { spin, mutex } }) => {
      mutex.acquire(state + Device.io_mutex);
      spin.acquire(state + Device.queue_lock);
      visit(isa, state + Device.requests);
      spin.release(state + Device.queue_lock);
      mutex.release(state + Device.io_mutex);
    },
  },
});

const CPUS = 2;
const OLD = 7;
const NEW = 8;
const Config = struct('config', {
  rcu: words(rcuBytes(CPUS) / 4),
  current: u32,
  log_mutex: u32,
  logged: u32,
});

interface ConfigTools {
  readonly rcu: RcuOps;
  readonly mutex: MutexOps;
}

const replaceConfig: Actor<ConfigTools> = ({ isa, state, tools }) => {
  isa.store(state + Config.current, NEW);
  tools.rcu.synchronize(state + Config.rcu);
};

/** A mutex inside a read section of RCU. */
export const sleepInReadSection = classic<ConfigTools>({
  name: 'sleep-in-read-section',
  wrong:
    'a reader acquires a mutex in its read section: as long as it sleeps for it, no grace period ends; the fix takes what it needs out of the section first',
  source: 'Linux Documentation/RCU/checklist.rst; Documentation/RCU/whatisRCU.rst, rcu_read_lock()',
  caughtBy: 'lock-order',
  stride: 64,
  state: Config,
  create: (isa, cpu) => ({
    rcu: track('rcu', cpu, rcu.create(isa, cpu)),
    mutex: track('mutex', cpu, mutex3.create(isa, cpu)),
  }),
  init: ({ isa, state }) => {
    rcu.init(isa, state + Config.rcu, CPUS, 0);
    isa.write(state + Config.current, OLD);
  },
  check: ({ isa, state, fail }) => {
    const logged = isa.read(state + Config.logged);
    if (logged !== OLD && logged !== NEW) fail(`${logged} was logged`);
  },
  broken: {
    actors: [
      ({ isa, state, tools }) => {
        const token = tools.rcu.readLock(state + Config.rcu);
        const seen = isa.load(state + Config.current);
        tools.mutex.acquire(state + Config.log_mutex);
        isa.write(state + Config.logged, seen);
        tools.mutex.release(state + Config.log_mutex);
        tools.rcu.readUnlock(state + Config.rcu, token);
      },
      replaceConfig,
    ],
  },
  fixed: {
    actors: [
      ({ isa, state, tools }) => {
        const token = tools.rcu.readLock(state + Config.rcu);
        const seen = isa.load(state + Config.current);
        tools.rcu.readUnlock(state + Config.rcu, token);
        tools.mutex.acquire(state + Config.log_mutex);
        isa.write(state + Config.logged, seen);
        tools.mutex.release(state + Config.log_mutex);
      },
      replaceConfig,
    ],
  },
});
