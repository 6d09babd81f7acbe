/**
 * Everybody waits for a lock, for ever.
 *
 * The four conditions of Coffman, Elphick and Shoshani (1971, "System deadlocks") hold in each broken one, and the fix takes one of them away: locks in one
 * order (no circle), fewer guests than forks (no circle either), giving back what one has (no hold and wait).
 *
 * That nobody can go on is what the engine sees; the checks say what must be true at the end of an episode that has one.
 */
import type { Addr, Isa } from '../arch/index.ts';
import type { MutexOps } from '../locking/kinds.ts';
import { Rwlock, rwlock } from '../locking/rwlock.ts';
import { tas } from '../locking/tas.ts';
import { track } from '../locking/track.ts';
import { sizeOf, struct, u32, words } from '../memory/index.ts';
import type { Actor, CheckContext } from '../scenario.ts';
import { classic } from './classic.ts';
import { mutexOps, visit } from './parts.ts';

const Locks = struct('locks', { lock: words(3), seats: u32, count: u32 });

/** Visits with these two locks, acquired in this order. */
const withBoth =
  (first: number, second: number): Actor<MutexOps> =>
  ({ isa, state, tools }) => {
    tools.acquire(state + Locks.lock + 4 * first);
    tools.acquire(state + Locks.lock + 4 * second);
    isa.fetchAdd(state + Locks.count, 1);
    tools.release(state + Locks.lock + 4 * second);
    tools.release(state + Locks.lock + 4 * first);
  };
const allCame =
  (visits: number) =>
  ({ isa, state, fail }: CheckContext<MutexOps>): void => {
    if (isa.read(state + Locks.count) !== visits) fail('somebody did not come through');
  };

/** Two locks in two orders. */
export const abBa = classic({
  name: 'ab-ba',
  wrong: 'one CPU acquires A and then B, another B and then A: each has what the other wants',
  source: 'Dijkstra 1965 ("deadly embrace"); Linux Documentation/locking/lockdep-design.rst',
  caughtBy: 'progress',
  state: Locks,
  create: mutexOps,
  check: allCame(2),
  broken: { actors: [withBoth(0, 1), withBoth(1, 0)] },
  fixed: { actors: [withBoth(0, 1), withBoth(0, 1)] },
});

/** Three locks in a circle. */
export const lockCycle = classic({
  name: 'lock-cycle',
  wrong: 'A before B, B before C, C before A: no two of the three CPUs disagree, all three together do',
  source: 'Coffman, Elphick and Shoshani 1971, "System deadlocks"',
  caughtBy: 'progress',
  state: Locks,
  create: mutexOps,
  check: allCame(3),
  broken: { actors: [withBoth(0, 1), withBoth(1, 2), withBoth(2, 0)] },
  fixed: { actors: [withBoth(0, 1), withBoth(1, 2), withBoth(0, 2)] },
});

const dine: Actor<MutexOps> = (context) => withBoth(context.cpu.id, (context.cpu.id + 1) % 3)(context);

function sit(isa: Isa, seats: Addr): void {
  let free = isa.load(seats);
  while (true) {
    if (free === 0) free = isa.spinWhile(seats, 0);
    const seen = isa.compareExchange(seats, free, free - 1);
    if (seen === free) return;
    free = seen;
  }
}

/** Dining philosophers. */
export const diningPhilosophers = classic({
  name: 'dining-philosophers',
  wrong:
    'each philosopher takes the left fork and waits for the right one; the fix lets one fewer sit down than there are forks',
  source:
    'Dijkstra 1971, "Hierarchical ordering of sequential processes"; Hoare 1978, "Communicating sequential processes"',
  caughtBy: 'progress',
  cpus: 3,
  state: Locks,
  // Not tracked: the forks are taken in a circle in the fixed one, too, and only the seats say why that is no deadlock.
  create: (isa, cpu) => tas.create(isa, cpu),
  init: ({ isa, state }) => isa.write(state + Locks.seats, 2),
  check: allCame(3),
  broken: { actors: dine },
  fixed: {
    actors: (context) => {
      const { isa, state } = context;
      sit(isa, state + Locks.seats);
      dine(context);
      isa.fetchAdd(state + Locks.seats, 1);
      isa.wake(state + Locks.seats, -1);
    },
  },
});

const Shared = struct('shared', { readers: u32, count: u32 });
const WRITER = -1;

function lockRead(isa: Isa, at: Addr): void {
  let seen = isa.load(at);
  while (true) {
    if (seen === WRITER) seen = isa.spinWhile(at, WRITER);
    const now = isa.compareExchange(at, seen, seen + 1);
    if (now === seen) return;
    seen = now;
  }
}

function lockWrite(isa: Isa, at: Addr, from: number): void {
  let seen = isa.compareExchange(at, from, WRITER);
  while (seen !== from) {
    isa.spinWhile(at, seen);
    seen = isa.compareExchange(at, from, WRITER);
  }
}

/** Two readers that both want to become the writer. */
export const upgradeDeadlock = classic({
  name: 'upgrade-deadlock',
  wrong:
    'two readers wait to be the only one, each with its read lock held; the fix gives the read lock back and comes again as a writer',
  source: 'Courtois, Heymans and Parnas 1971; Boost.Thread documentation, UpgradeLockable',
  caughtBy: 'progress',
  cpus: 2,
  state: Shared,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Shared.count) !== 2) fail('a write was lost');
  },
  broken: {
    actors: ({ isa, state }) => {
      const at = state + Shared.readers;
      lockRead(isa, at);
      lockWrite(isa, at, 1);
      visit(isa, state + Shared.count);
      isa.storeWake(at, 0);
    },
  },
  fixed: {
    actors: ({ isa, state }) => {
      const at = state + Shared.readers;
      lockRead(isa, at);
      if (isa.compareExchange(at, 1, WRITER) !== 1) {
        isa.fetchAdd(at, -1);
        isa.wake(at, -1);
        lockWrite(isa, at, 0);
      }
      visit(isa, state + Shared.count);
      isa.storeWake(at, 0);
    },
  },
});

const Library = struct('library', { lock: words(sizeOf(Rwlock) / 4), value: u32, seen: u32 });

/** A read lock inside a read lock. */
export const recursiveRead = classic({
  name: 'recursive-read',
  wrong:
    'a reader reads again while a writer waits: a fair lock puts the second read behind the writer, and the writer behind the first',
  source:
    'Linux Documentation/locking/lockdep-design.rst, "Recursive read locks"; Go documentation of sync.RWMutex',
  caughtBy: 'progress',
  state: Library,
  create: (isa, cpu) => track('rwlock', cpu, rwlock.create(isa, cpu)),
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Library.value) !== 1) fail('the write is not there');
  },
  broken: {
    actors: [
      ({ isa, state, tools }) => {
        tools.acquireRead(state + Library.lock);
        tools.acquireRead(state + Library.lock);
        isa.write(state + Library.seen, isa.read(state + Library.value));
        tools.releaseRead(state + Library.lock);
        tools.releaseRead(state + Library.lock);
      },
      ({ isa, state, tools }) => {
        tools.acquireWrite(state + Library.lock);
        isa.write(state + Library.value, 1);
        tools.releaseWrite(state + Library.lock);
      },
    ],
  },
  fixed: {
    actors: [
      ({ isa, state, tools }) => {
        tools.acquireRead(state + Library.lock);
        isa.write(state + Library.seen, isa.read(state + Library.value));
        tools.releaseRead(state + Library.lock);
      },
      ({ isa, state, tools }) => {
        tools.acquireWrite(state + Library.lock);
        isa.write(state + Library.value, 1);
        tools.releaseWrite(state + Library.lock);
      },
    ],
  },
});
