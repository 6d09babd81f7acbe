/**
 * Waits that keep others from what they wait for: a lock held across a wait, and courtesy without end.
 *
 * The first two are deadlocks of a lock and an event, which no order of locks prevents; the fix waits without the lock. The last is a livelock: both go on all
 * the time, and neither gets anywhere.
 */
import type { MutexOps } from '../locking/kinds.ts';
import { struct, u32, words } from '../memory/index.ts';
import type { Actor } from '../scenario.ts';
import { classic } from './classic.ts';
import { conditionField, type Monitor, monitorOps, mutexOps, until, visit } from './parts.ts';

const Worker = struct('worker', { lock: u32, done: u32, count: u32 });

const work: Actor<MutexOps> = ({ isa, state, tools }) => {
  tools.acquire(state + Worker.lock);
  visit(isa, state + Worker.count);
  tools.release(state + Worker.lock);
  isa.storeWake(state + Worker.done, 1);
};

/** Waits for a worker with the lock that the worker needs. */
export const joinUnderLock = classic({
  name: 'join-under-lock',
  wrong: 'a CPU waits for a worker to be done and holds a lock that the worker needs',
  source:
    'Linux include/linux/workqueue.h (flush_work and lockdep); Johannes Berg 2007, "workqueue: debug flushing deadlocks with lockdep"',
  caughtBy: 'progress',
  state: Worker,
  create: mutexOps,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Worker.count) !== 2) fail('somebody did not come through');
  },
  broken: {
    actors: [
      ({ isa, state, tools }) => {
        tools.acquire(state + Worker.lock);
        visit(isa, state + Worker.count);
        until(isa, state + Worker.done, 1);
        tools.release(state + Worker.lock);
      },
      work,
    ],
  },
  fixed: {
    actors: [
      ({ isa, state, tools }) => {
        tools.acquire(state + Worker.lock);
        visit(isa, state + Worker.count);
        tools.release(state + Worker.lock);
        until(isa, state + Worker.done, 1);
      },
      work,
    ],
  },
});

const Nested = struct('nested', { outer: u32, inner: u32, ready: u32, condition: conditionField() });

const signalInside: Actor<Monitor> = ({ isa, state, tools: { mutex, condition } }) => {
  mutex.acquire(state + Nested.outer);
  mutex.acquire(state + Nested.inner);
  isa.write(state + Nested.ready, 1);
  condition.signal(state + Nested.condition);
  mutex.release(state + Nested.inner);
  mutex.release(state + Nested.outer);
};
const waitInside: Actor<Monitor> = ({ isa, state, tools: { mutex, condition } }) => {
  mutex.acquire(state + Nested.inner);
  while (isa.read(state + Nested.ready) === 0) condition.wait(state + Nested.condition, state + Nested.inner);
  mutex.release(state + Nested.inner);
};

/** A wait in the inner of two monitors. */
export const nestedMonitor = classic({
  name: 'nested-monitor',
  wrong:
    'a wait gives up the inner of two monitors and keeps the outer, through which the signaller must come',
  source: 'Lister 1977, "The problem of nested monitor calls"',
  caughtBy: 'progress',
  state: Nested,
  create: monitorOps,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Nested.ready) !== 1) fail('nobody signalled');
  },
  broken: {
    actors: [
      (context) => {
        const { state, tools } = context;
        tools.mutex.acquire(state + Nested.outer);
        waitInside(context);
        tools.mutex.release(state + Nested.outer);
      },
      signalInside,
    ],
  },
  fixed: { actors: [waitInside, signalInside] },
});

const Table = struct('table', { spoon: u32, hungry: words(2), meals: u32 });

const eat =
  (courtesies: number): Actor =>
  ({ isa, state, cpu }) => {
    const other = 1 - cpu.id;
    for (let offered = 0; ; offered += 1) {
      until(isa, state + Table.spoon, cpu.id);
      if (offered >= courtesies || isa.load(state + Table.hungry + 4 * other) === 0) break;
      isa.storeWake(state + Table.spoon, other);
    }
    isa.fetchAdd(state + Table.meals, 1);
    isa.store(state + Table.hungry + 4 * cpu.id, 0);
    isa.storeWake(state + Table.spoon, other);
  };

/** Two that let each other go first. */
export const afterYou = classic({
  name: 'after-you',
  wrong:
    'who has the spoon passes it on as long as the other is hungry: it goes to and fro for ever; the fix is polite once',
  source:
    'Ashcroft 1975, "Proving assertions about parallel programs" (livelock); Oracle, "The Java Tutorials", Starvation and Livelock',
  caughtBy: 'progress',
  cpus: 2,
  state: Table,
  init: ({ isa, state }) => {
    isa.write(state + Table.hungry, 1);
    isa.write(state + Table.hungry + 4, 1);
  },
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Table.meals) !== 2) fail('somebody has not eaten');
  },
  broken: { actors: eat(Number.POSITIVE_INFINITY) },
  fixed: { actors: eat(1) },
});
