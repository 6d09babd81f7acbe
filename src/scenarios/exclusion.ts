/**
 * Mutual exclusion that lets two in.
 *
 * Dekker's, Peterson's and Lamport's algorithms exclude by stores and loads alone: each announces itself and then looks at the other. A store that waits
 * in a store buffer while its CPU looks defeats the first two on every x86; the order of Peterson's two stores and the bakery's `choosing` matter
 * even without any buffer. Inside, everybody counts by a load and a store (`visit`), so that two at a time count as one.
 *
 * The stores that end somebody's wait are `storeWake`, a full barrier; those before the look are the ones in question.
 */
import type { Isa } from '../arch/index.ts';
import { struct, u32, words } from '../memory/index.ts';
import type { Actor, CheckContext } from '../scenario.ts';
import { classic } from './classic.ts';
import { type Barrier, full, give, giveOwn, none, take, visit } from './parts.ts';

const counts =
  (count: number, visits: number) =>
  ({ isa, state, fail }: CheckContext): void => {
    if (isa.read(state + count) !== visits) fail('two were inside at once');
  };

const Dekker = struct('dekker', { flag: words(2), turn: u32, count: u32 });

const dekker =
  (barrier: Barrier): Actor =>
  ({ isa, state, cpu }) => {
    const other = 1 - cpu.id;
    const mine = state + Dekker.flag + 4 * cpu.id;
    const theirs = state + Dekker.flag + 4 * other;
    const turn = state + Dekker.turn;
    isa.writeOnce(mine, 1);
    barrier(isa);
    while (isa.loadAcquire(theirs) === 1) {
      if (isa.loadAcquire(turn) === cpu.id) {
        isa.spinWhile(theirs, 1);
        continue;
      }
      isa.storeWake(mine, 0);
      isa.spinWhile(turn, other);
      isa.writeOnce(mine, 1);
      barrier(isa);
    }
    visit(isa, state + Dekker.count);
    isa.storeWake(turn, other);
    isa.storeWake(mine, 0);
  };

/** Dekker's algorithm without its barrier. */
export const dekkerUnfenced = classic({
  name: 'dekker-unfenced',
  wrong:
    "Dekker's algorithm without a barrier between raising the flag and looking at the other's: both flags wait in store buffers",
  source: 'Dijkstra 1965, "Cooperating sequential processes"; Intel SDM vol. 3A, 8.2.3.4',
  caughtBy: 'check',
  model: 'tso',
  cpus: 2,
  state: Dekker,
  check: counts(Dekker.count, 2),
  broken: { actors: dekker(none) },
  fixed: { actors: dekker(full) },
});

const Peterson = struct('peterson', { flag: words(2), turn: u32, count: u32 });

type Announce = (isa: Isa, flag: number, turn: number, other: number) => void;

const peterson =
  (announce: Announce): Actor =>
  ({ isa, state, cpu }) => {
    const other = 1 - cpu.id;
    const mine = state + Peterson.flag + 4 * cpu.id;
    const theirs = state + Peterson.flag + 4 * other;
    const turn = state + Peterson.turn;
    announce(isa, mine, turn, other);
    isa.wake(turn, 1);
    while (isa.loadAcquire(theirs) === 1 && isa.loadAcquire(turn) === other)
      isa.spinWhileAny([theirs, 1, turn, other]);
    visit(isa, state + Peterson.count);
    isa.storeWake(mine, 0);
  };

// Release: the flag is up before the turn is given away, even where stores to different words may pass each other.
const petersonWith =
  (barrier: Barrier): Announce =>
  (isa, flag, turn, other) => {
    isa.writeOnce(flag, 1);
    isa.storeRelease(turn, other);
    barrier(isa);
  };

/** Peterson's algorithm without its barrier. */
export const petersonUnfenced = classic({
  name: 'peterson-unfenced',
  wrong:
    "Peterson's algorithm without a barrier before the look at the other's flag: both stores wait in store buffers",
  source:
    'Peterson 1981, "Myths about the mutual exclusion problem"; Adve and Gharachorloo 1996, "Shared memory consistency models: a tutorial"',
  caughtBy: 'check',
  model: 'tso',
  cpus: 2,
  state: Peterson,
  check: counts(Peterson.count, 2),
  broken: { actors: peterson(petersonWith(none)) },
  fixed: { actors: peterson(petersonWith(full)) },
});

/** Peterson's algorithm with its two assignments in the other order. */
export const petersonSwapped = classic({
  name: 'peterson-swapped',
  wrong:
    "Peterson's algorithm gives the turn away before it raises the flag: the other takes the turn back and sees no flag",
  source:
    'Herlihy and Shavit 2008, "The Art of Multiprocessor Programming", section 2.3 (the proof needs the order)',
  caughtBy: 'check',
  cpus: 2,
  state: Peterson,
  check: counts(Peterson.count, 2),
  broken: {
    actors: peterson((isa, flag, turn, other) => {
      isa.store(turn, other);
      isa.store(flag, 1);
    }),
  },
  fixed: {
    actors: peterson((isa, flag, turn, other) => {
      isa.store(flag, 1);
      isa.store(turn, other);
    }),
  },
});

const Bakery = struct('bakery', { choosing: words(2), number: words(2), count: u32 });

const bakery =
  (announce: (isa: Isa, choosing: number, value: number) => void): Actor =>
  ({ isa, state, cpu }) => {
    const { choosing, number, count } = Bakery;
    const other = 1 - cpu.id;
    const theirs = state + number + 4 * other;
    announce(isa, state + choosing + 4 * cpu.id, 1);
    const mine = isa.load(theirs) + 1;
    isa.storeWake(state + number + 4 * cpu.id, mine);
    announce(isa, state + choosing + 4 * cpu.id, 0);
    if (isa.load(state + choosing + 4 * other) === 1) isa.spinWhile(state + choosing + 4 * other, 1);
    let seen = isa.load(theirs);
    while (seen !== 0 && (seen < mine || (seen === mine && other < cpu.id)))
      seen = isa.spinWhile(theirs, seen);
    visit(isa, state + count);
    isa.storeWake(state + number + 4 * cpu.id, 0);
  };

/** Lamport's bakery without the flag that says that a number is being drawn. */
export const bakeryNoChoosing = classic({
  name: 'bakery-no-choosing',
  wrong:
    'a customer that draws a number does not say so: another draws the same, sees none yet, goes in, and the first has precedence',
  source: 'Lamport 1974, "A new solution of Dijkstra\'s concurrent programming problem"',
  caughtBy: 'check',
  cpus: 2,
  state: Bakery,
  check: counts(Bakery.count, 2),
  broken: { actors: bakery(() => {}) },
  fixed: { actors: bakery((isa, choosing, value) => isa.storeWake(choosing, value)) },
});

const Guarded = struct('guarded', { lock: u32, count: u32, skipped: u32 });

const tryTake = (isa: Isa, state: number, cpu: number): boolean =>
  isa.compareExchange(state + Guarded.lock, 0, cpu + 1) === 0;

/** A failed trylock that ends in a release. */
export const trylockReleased = classic({
  name: 'trylock-released',
  wrong: 'the release stands where a failed trylock passes, too: it releases a lock that another holds',
  source:
    'CWE-832, "Unlock of a resource that is not locked"; Linux CONFIG_DEBUG_MUTEXES, Documentation/locking/mutex-design.rst',
  caughtBy: 'exception',
  cpus: 2,
  state: Guarded,
  check: ({ isa, state, fail }) => {
    if (isa.read(state + Guarded.count) + isa.read(state + Guarded.skipped) !== 2)
      fail('two were inside at once');
  },
  broken: {
    actors: ({ isa, state, cpu }) => {
      if (tryTake(isa, state, cpu.id)) visit(isa, state + Guarded.count);
      else isa.fetchAdd(state + Guarded.skipped, 1);
      giveOwn(isa, cpu, state + Guarded.lock);
    },
  },
  fixed: {
    actors: ({ isa, state, cpu }) => {
      if (!tryTake(isa, state, cpu.id)) {
        isa.fetchAdd(state + Guarded.skipped, 1);
        return;
      }
      visit(isa, state + Guarded.count);
      giveOwn(isa, cpu, state + Guarded.lock);
    },
  },
});

const guarded: Actor = ({ isa, state }) => {
  take(isa, state + Guarded.lock);
  visit(isa, state + Guarded.count);
  give(isa, state + Guarded.lock);
};

const release: Actor = ({ isa, state }) => give(isa, state + Guarded.lock);

/** A lock that is released twice; the first CPU has it when the episode begins. */
export const doubleUnlock = classic({
  name: 'double-unlock',
  wrong:
    'an error path releases the lock that its caller releases, too: the second release frees the lock of whoever has it by then',
  source: 'CWE-765, "Multiple unlocks of a critical resource"',
  caughtBy: 'check',
  state: Guarded,
  init: ({ isa, state }) => isa.write(state + Guarded.lock, 1),
  check: counts(Guarded.count, 2),
  broken: {
    actors: [
      (context) => {
        release(context);
        release(context);
      },
      guarded,
      guarded,
    ],
  },
  fixed: { actors: [release, guarded, guarded] },
});

const LATE = 1;
const HEIR = 2;
const NEXT = 3;

/** Takes the lock from the late holder, whose lease is over. */
const takeOver: Actor = ({ isa, state }) => {
  const lock = state + Guarded.lock;
  let seen = isa.load(lock);
  while (true) {
    if (seen === NEXT) seen = isa.spinWhile(lock, NEXT);
    const now = isa.compareExchange(lock, seen, HEIR);
    if (now === seen) break;
    seen = now;
  }
  visit(isa, state + Guarded.count);
  give(isa, lock);
};
const takeNext: Actor = ({ isa, state }) => {
  take(isa, state + Guarded.lock, NEXT);
  visit(isa, state + Guarded.count);
  give(isa, state + Guarded.lock);
};

/** A lease that is given back after it has gone to another. */
export const expiredLease = classic({
  name: 'expired-lease',
  wrong:
    'a holder whose lease has run out releases the lock without a look at whose it is: it frees that of its successor',
  source:
    'Kleppmann 2016, "How to do distributed locking"; Redis documentation, "Distributed locks with Redis"',
  caughtBy: 'check',
  state: Guarded,
  init: ({ isa, state }) => isa.write(state + Guarded.lock, LATE),
  check: counts(Guarded.count, 2),
  broken: { actors: [({ isa, state }) => give(isa, state + Guarded.lock), takeOver, takeNext] },
  fixed: {
    actors: [
      ({ isa, state }) => {
        if (isa.compareExchange(state + Guarded.lock, LATE, 0) === LATE) isa.wake(state + Guarded.lock, -1);
      },
      takeOver,
      takeNext,
    ],
  },
});
