/**
 * Going to sleep on a futex or an event, and meeting others at barriers and latches.
 *
 * Who wants to sleep says so first and looks once more afterwards; who has news makes it visible first and looks for sleepers afterwards. With both halves in that
 * order one of the two sees the other (the pattern is Dekker's). Leave one look out, or put it too early, and the news comes in the gap.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { struct, u32, words } from '../memory/index.ts';
import type { Actor, CheckContext } from '../scenario.ts';
import { classic } from './classic.ts';
import { until, visit } from './parts.ts';

const Sleep = struct('sleep', { ready: u32, sleeping: u32, data: u32, seen: u32 });

const announce: Actor = ({ isa, state }) => {
  isa.write(state + Sleep.data, 42);
  isa.store(state + Sleep.ready, 1);
  if (isa.exchange(state + Sleep.sleeping, 0) === 1) isa.notify(state + Sleep.sleeping, 1);
};

/** A sleeper that looks before it says that it sleeps. */
export const sleepWithoutRecheck = classic({
  name: 'sleep-without-recheck',
  wrong:
    'a CPU looks for work, finds none, says that it sleeps and sleeps: work that came in between wakes nobody',
  source:
    'Drepper 2011, "Futexes are tricky"; Linux Documentation/memory-barriers.txt, "Sleep and wake-up functions"',
  caughtBy: 'progress',
  state: Sleep,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Sleep.seen) !== 42) fail('the sleeper did not see the work');
  },
  broken: {
    actors: [
      ({ isa, state }) => {
        if (isa.load(state + Sleep.ready) === 0) {
          isa.store(state + Sleep.sleeping, 1);
          while (isa.load(state + Sleep.sleeping) === 1) isa.wait(state + Sleep.sleeping, 1);
        }
        isa.write(state + Sleep.seen, isa.read(state + Sleep.data));
      },
      announce,
    ],
  },
  fixed: {
    actors: [
      ({ isa, state }) => {
        while (isa.load(state + Sleep.ready) === 0) {
          isa.store(state + Sleep.sleeping, 1);
          if (isa.load(state + Sleep.ready) === 0) isa.wait(state + Sleep.sleeping, 1);
        }
        isa.write(state + Sleep.seen, isa.read(state + Sleep.data));
      },
      announce,
    ],
  },
});

const EventCount = struct('event_count', { work: u32, epoch: u32, done: u32 });

const post: Actor = ({ isa, state }) => {
  isa.store(state + EventCount.work, 1);
  isa.fetchAdd(state + EventCount.epoch, 1);
  isa.notify(state + EventCount.epoch, -1);
};

/** An event count whose key is taken after the look. */
export const eventCountLateKey = classic({
  name: 'event-count-late-key',
  wrong:
    'a waiter of an event count looks for work before it takes the key that it sleeps on: an event in between has changed the key already',
  source: 'Reed and Kanodia 1979, "Synchronization with eventcounts and sequencers"; folly EventCount',
  caughtBy: 'progress',
  state: EventCount,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + EventCount.done) !== 1) fail('the work was not done');
  },
  broken: {
    actors: [
      ({ isa, state }) => {
        while (isa.load(state + EventCount.work) === 0) {
          const key = isa.load(state + EventCount.epoch);
          isa.wait(state + EventCount.epoch, key);
        }
        isa.write(state + EventCount.done, 1);
      },
      post,
    ],
  },
  fixed: {
    actors: [
      ({ isa, state }) => {
        while (true) {
          const key = isa.load(state + EventCount.epoch);
          if (isa.load(state + EventCount.work) === 1) break;
          isa.wait(state + EventCount.epoch, key);
        }
        isa.write(state + EventCount.done, 1);
      },
      post,
    ],
  },
});

const deliver: Actor = ({ isa, state }) => {
  isa.writeOnce(state + Sleep.data, 42);
  isa.store(state + Sleep.ready, 1);
  isa.notify(state + Sleep.ready, -1);
};
/** A notify that comes late, from whoever used the word before. */
const stray: Actor = ({ isa, state }) => {
  isa.notify(state + Sleep.ready, 1);
};

/**
 * Reads what was announced, when the wait has returned; and when it has, and the announcement is there. By an ordered load: the return from a wait orders
 * nothing, and the twins differ in how they wait only.
 */
const waitIf: Actor = ({ isa, state }) => {
  if (isa.load(state + Sleep.ready) === 0) isa.wait(state + Sleep.ready, 0);
  isa.write(state + Sleep.seen, isa.load(state + Sleep.data));
};
const waitWhile: Actor = ({ isa, state }) => {
  while (isa.load(state + Sleep.ready) === 0) isa.wait(state + Sleep.ready, 0);
  isa.write(state + Sleep.seen, isa.load(state + Sleep.data));
};
const sawData = ({ isa, state, fail }: CheckContext): void => {
  if (isa.read(state + Sleep.seen) !== 42) fail('the data were read before they were there');
};

/** A wake-up taken for the event. */
export const spuriousWakeUp = classic({
  name: 'spurious-wake-up',
  wrong:
    'a futex wait that returns is taken for the event: a notify meant for an earlier user of the word ends it too',
  source: 'Drepper 2011, "Futexes are tricky"; Linux futex(2), "spurious wake-ups"',
  caughtBy: 'check',
  state: Sleep,
  check: sawData,
  broken: { actors: [waitIf, deliver, stray] },
  fixed: { actors: [waitWhile, deliver, stray] },
});

/** A wait under `if` instead of `while`. */
export const futexWaitIf = classic({
  name: 'futex-wait-if',
  wrong:
    'a futex wait stands under `if` instead of `while`: nobody notifies too early here, and yet the wait may return before the event',
  source: 'Linux futex(2), "spurious wake-ups"; POSIX.1-2017 pthread_cond_wait, rationale',
  caughtBy: 'check',
  state: Sleep,
  check: sawData,
  broken: { actors: [waitIf, deliver] },
  fixed: { actors: [waitWhile, deliver] },
});

const Meeting = struct('meeting', { arrived: u32, phase: u32, rounds: words(2) });

/** Meets the other CPU twice. */
const meetTwice =
  (meet: (isa: Isa, state: Addr) => void): Actor =>
  ({ isa, state, cpu }) => {
    for (let round = 1; round <= 2; round += 1) {
      meet(isa, state);
      isa.write(state + Meeting.rounds + 4 * cpu.id, round);
    }
  };

/** A barrier that is used again at once. */
export const barrierReuse = classic({
  name: 'barrier-reuse',
  wrong:
    'the last to arrive sets the count of a barrier back to 0, which the others wait for: one that is fast arrives again before a slow one has seen the 0',
  source:
    'Hensgen, Finkel and Manber 1988, "Two algorithms for barrier synchronization"; Downey 2016, "The Little Book of Semaphores", section 3.7',
  caughtBy: 'progress',
  cpus: 2,
  state: Meeting,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Meeting.rounds) + isa.read(state + Meeting.rounds + 4) !== 4)
      fail('they did not meet twice');
  },
  broken: {
    actors: meetTwice((isa, state) => {
      if (isa.fetchAdd(state + Meeting.arrived, 1) === 1) isa.storeWake(state + Meeting.arrived, 0);
      else until(isa, state + Meeting.arrived, 0);
    }),
  },
  fixed: {
    actors: meetTwice((isa, state) => {
      const phase = isa.load(state + Meeting.phase);
      if (isa.fetchAdd(state + Meeting.arrived, 1) === 1) {
        isa.store(state + Meeting.arrived, 0);
        isa.storeWake(state + Meeting.phase, phase + 1);
      } else isa.spinWhile(state + Meeting.phase, phase);
    }),
  },
});

const Latch = struct('latch', { count: u32, passed: u32 });

const waitForLatch: Actor = ({ isa, state }) => {
  until(isa, state + Latch.count, 0);
  isa.write(state + Latch.passed, 1);
};

/** A latch that is counted down by a load and a store. */
export const latchReadThenWrite = classic({
  name: 'latch-read-then-write',
  wrong: 'a latch is counted down by a load and a store: two counts become one, and it never opens',
  source: 'CWE-366, "Race condition within a thread"; JSR-166 CountDownLatch',
  caughtBy: 'progress',
  state: Latch,
  init: ({ isa, state }) => isa.write(state + Latch.count, 2),
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Latch.passed) !== 1) fail('the latch did not open');
  },
  broken: {
    actors: [
      ...[0, 1].map(
        (): Actor =>
          ({ isa, state }) => {
            isa.storeWake(state + Latch.count, isa.load(state + Latch.count) - 1);
          },
      ),
      waitForLatch,
    ],
  },
  fixed: {
    actors: [
      ...[0, 1].map(
        (): Actor =>
          ({ isa, state }) => {
            isa.fetchAdd(state + Latch.count, -1);
            isa.wake(state + Latch.count, 1);
          },
      ),
      waitForLatch,
    ],
  },
});

const Service = struct('service', { stop: u32, exited: u32, jobs: u32 });

const serveUntilStopped: Actor = ({ isa, state }) => {
  visit(isa, state + Service.jobs);
  until(isa, state + Service.stop, 1);
  isa.storeWake(state + Service.exited, 1);
};

/** A stop flag that is taken back before it was seen. */
export const stopThenRestart = classic({
  name: 'stop-then-restart',
  wrong:
    'a worker is told to stop, and the flag is reset for the next worker before the first has seen it: it never stops',
  source: 'Bloch 2018, "Effective Java", item 78; Linux kthread_stop, which waits for the exit',
  caughtBy: 'progress',
  state: Service,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Service.exited) !== 1) fail('the worker did not stop');
  },
  broken: {
    actors: [
      serveUntilStopped,
      ({ isa, state }) => {
        isa.storeWake(state + Service.stop, 1);
        isa.store(state + Service.stop, 0);
      },
    ],
  },
  fixed: {
    actors: [
      serveUntilStopped,
      ({ isa, state }) => {
        isa.storeWake(state + Service.stop, 1);
        until(isa, state + Service.exited, 1);
        isa.store(state + Service.stop, 0);
      },
    ],
  },
});
