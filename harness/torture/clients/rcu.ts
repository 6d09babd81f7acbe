/**
 * Torture client of RCU and hazard pointers, after the Linux kernel's rcutorture: how old is what a reader sees?
 *
 * One word points at the current object. A writer publishes a new one and takes the old one away; from then on the old one ages: 1 when it is gone,
 * one more for every grace period after that. A reader may find a 0, or a 1 if it came before the object was gone; a 2 means that a grace period has
 * ended although the reader's section had begun before it. The ages that readers saw are counted, and stand in the summary as rcutorture's Reader Pipe. An
 * object is used anew only after that, and every use writes another number into all its words: a reader that sees them change was not waited for either.
 *
 * Writers wait for the grace period, for one of their own, or hand the object over as a callback, which makes it age in several grace periods; now and then
 * all they have at once (a flood). What was handed over and what has run are counted, and level when everybody is outside, after a barrier.
 *
 * Hazard pointers have no grace periods: an object that was given back to be reclaimed is 2, and no reader that protects it may see that.
 */
import type { Addr } from '../../../src/arch/index.ts';
import type { HazardOps, RcuOps } from '../../../src/locking/kinds.ts';
import {
  AGES,
  Control,
  CpuLine,
  Data,
  OBJECTS,
  objectAt,
  TORTURE_OBJECT_WORDS,
  TortureObject,
} from '../area.ts';
import type { Bench, Client, ClientOptions } from './context.ts';
import { longHold } from './exclusive.ts';

/** The oldest that a reader may see: taken away, and no grace period since. */
const GONE = 1;
/** Age at which an object that waits is used anew, and one that was called back. */
const OLDEST = AGES - 1;
const CALLED = 4;
const VECTOR = 0;
/** Times that a barrier may be needed at rest: each lets every callback that is under way age once. */
const BARRIERS = 8;

/** How a reader of either kind holds on to what it reads. */
interface Reading {
  begin(): Addr;
  end(): void;
}

/** How a writer gets rid of an object that nobody can find any more. */
interface Retiring {
  retire(object: Addr): void;
  /** By one CPU while all others are outside: all that was handed over has come back. */
  settle(): void;
}

function common(bench: Bench) {
  const { isa, cpu, data, area } = bench;
  const current = data + Data.head;
  const versions = data + Data.tenant;
  let next = 0;

  /** A free object of this CPU's; 0 when all are in use. */
  function allocate(): Addr {
    for (let looks = 0; looks < OBJECTS; looks += 1) {
      const object = objectAt(area, cpu.id, next);
      next = (next + 1) % OBJECTS;
      if (isa.load(object + TortureObject.used) === 0) {
        isa.write(object + TortureObject.used, 1);
        return object;
      }
    }
    return 0;
  }

  function fill(object: Addr): void {
    const version = isa.fetchAdd(versions, 1);
    for (let word = 0; word < TORTURE_OBJECT_WORDS; word += 1)
      bench.save(object + TortureObject.words + 4 * word, version);
    isa.store(object + TortureObject.age, 0);
  }

  return {
    current,
    allocate,
    /** Publishes an object. @returns the one before */
    publish(object: Addr): Addr {
      fill(object);
      const before = isa.exchange(current, object);
      isa.store(before + TortureObject.age, GONE);
      return before;
    },
    free: (object: Addr): void => isa.store(object + TortureObject.used, 0),
    age: (object: Addr): number => isa.fetchAdd(object + TortureObject.age, 1) + 1,
    /** Everybody is outside, all has come back: what is not current is free, be it lost with a CPU that has left or not. */
    reset(): void {
      const now = isa.load(current);
      for (let other = 0; other < cpu.count; other += 1)
        for (let at = 0; at < OBJECTS; at += 1) {
          const object = objectAt(area, other, at);
          isa.store(object + TortureObject.used, object === now ? 1 : 0);
        }
    },
  };
}

type Common = ReturnType<typeof common>;

function read(bench: Bench, reading: Reading, noise: readonly Addr[]): void {
  const { isa, cpu } = bench;
  bench.acquiredOnce();
  // Stores to lines that every CPU writes fill the store buffer: what is stored behind them without a barrier stays there while loads go ahead.
  if (bench.chance(0.5)) for (const line of noise) isa.writeOnce(line, cpu.id);
  const object = reading.begin();
  const first = object + TortureObject.words;
  const version = bench.load(first);
  bench.dawdle();
  // As long as a grace period takes, now and then: else hardly a reader would be in the way of one.
  if (bench.chance(1 / 4)) {
    const until = cpu.now() + cpu.below(bench.chance(1 / 4) ? 30_000 : 3000);
    while (cpu.now() < until) isa.pause();
  }
  longHold(bench);
  const age = isa.load(object + TortureObject.age);
  bench.count(CpuLine.ages + 8 * Math.min(age, OLDEST));
  if (age > GONE) bench.report('tooOld', { addr: object, expected: GONE, got: age });
  else
    for (let word = 0; word < TORTURE_OBJECT_WORDS; word += 1) {
      const now = bench.load(first + 4 * word);
      if (now === version) continue;
      bench.report('usedAnew', { addr: first + 4 * word, expected: version, got: now });
      break;
    }
  reading.end();
  bench.count(CpuLine.reads);
}

/** What both kinds do with it. */
function client(
  bench: Bench,
  params: ClientOptions['params'],
  parts: Common,
  reading: Reading,
  retiring: Retiring,
) {
  const { isa, cpu } = bench;
  const readersOnly = cpu.id < params.readers;
  const writersOnly = !readersOnly && cpu.id < params.readers + params.writers;
  // Lines of the words that a lock would protect; RCU does not need them.
  const noise = [
    Data.first,
    Data.second,
    Data.third,
    Data.fourth,
    Data.versionA,
    Data.versionB,
    Data.ring,
  ].map((line) => bench.data + line);

  function write(): void {
    bench.acquiredOnce();
    const object = parts.allocate();
    if (object === 0) {
      bench.count(CpuLine.retries);
      retiring.settle();
      return;
    }
    retiring.retire(parts.publish(object));
    bench.count(CpuLine.writes);
  }

  return {
    background: readersOnly,
    prepare() {
      const object = parts.allocate();
      isa.store(parts.current, object);
    },
    step() {
      if (!writersOnly && (readersOnly || bench.chance(params.reads))) read(bench, reading, noise);
      else write();
    },
  };
}

/** Creates the client of one CPU, for RCU. */
export function rcuClient(bench: Bench, options: ClientOptions<'rcu'>): Client {
  const { lock, params } = options;
  const ops: RcuOps = options.ops;
  const { isa, cpu, data } = bench;
  const parts = common(bench);
  const { callRcu, synchronizeExpedited, barrier, quiescent } = ops;
  const posted = data + Data.total;
  const run = data + Data.leaders;
  const tokens: number[] = [];
  let aging: Addr[] = [];
  let round = -1;

  function post(object: Addr): void {
    isa.fetchAdd(posted, 1);
    callRcu?.(lock, object + TortureObject.next, VECTOR);
  }

  ops.onCallback?.(VECTOR, (head) => {
    const object = head - TortureObject.next;
    isa.fetchAdd(run, 1);
    if (parts.age(object) < CALLED) post(object);
    else parts.free(object);
  });

  const reading: Reading = {
    begin() {
      tokens.push(ops.readLock(lock));
      const object = isa.load(parts.current);
      // Inner sections may end in any order, and nothing ends before the first one does.
      for (let depth = cpu.below(4); depth > 1; depth -= 1) tokens.push(ops.readLock(lock));
      while (tokens.length > 1) ops.readUnlock(lock, tokens.pop()!);
      return object;
    },
    end: () => ops.readUnlock(lock, tokens.pop()!),
  };

  function flood(): void {
    for (let posts = 0; posts < OBJECTS; posts += 1) {
      const object = parts.allocate();
      if (object === 0) break;
      isa.store(object + TortureObject.age, GONE);
      post(object);
    }
    bench.count(CpuLine.floods);
  }

  function wait(object: Addr): void {
    if (synchronizeExpedited && bench.chance(0.3)) synchronizeExpedited(lock);
    else ops.synchronize(lock);
    bench.count(CpuLine.gracePeriods);
    aging.push(object);
    aging = aging.filter((each) => {
      if (parts.age(each) < OLDEST) return true;
      parts.free(each);
      return false;
    });
  }

  const retiring: Retiring = {
    retire(object) {
      if (!callRcu || bench.chance(0.4)) wait(object);
      else post(object);
      if (callRcu && bench.chance(1 / 512)) flood();
    },
    settle() {
      if (barrier) barrier(lock);
      else ops.synchronize(lock);
    },
  };

  const all = client(bench, params, parts, reading, retiring);
  return {
    ...all,
    begin: () => ops.online?.(lock),
    end: () => ops.offline?.(lock),
    step() {
      const now = isa.read(bench.control + Control.round);
      if (now !== round) {
        // At the end of a round the leader has freed what this CPU let age.
        round = now;
        aging = [];
      }
      all.step();
      if (quiescent && bench.chance(0.5)) quiescent(lock);
      if ((now & 3) === 0) ops.poll?.(lock);
    },
    rest() {
      for (let times = 0; times < BARRIERS && isa.load(posted) !== isa.load(run); times += 1) barrier?.(lock);
      const [had, ran] = [isa.load(posted), isa.load(run)];
      if (had !== ran) bench.report('callbacksLost', { addr: lock, expected: had, got: ran });
      isa.store(posted, 0);
      isa.store(run, 0);
      parts.reset();
    },
  };
}

/** Creates the client of one CPU, for hazard pointers. */
export function hazardClient(bench: Bench, options: ClientOptions<'hazard'>): Client {
  const { lock, params } = options;
  const ops: HazardOps = options.ops;
  const { isa, cpu, data } = bench;
  const parts = common(bench);
  const retired = data + Data.total;
  const reclaimed = data + Data.leaders;
  let slot = 0;

  ops.onReclaim((object) => {
    parts.age(object);
    isa.fetchAdd(reclaimed, 1);
    parts.free(object);
  });

  const all = client(
    bench,
    params,
    parts,
    {
      begin() {
        slot = cpu.below(4);
        return ops.protect(lock, slot, parts.current);
      },
      end: () => ops.clear(lock, slot),
    },
    {
      retire(object) {
        isa.fetchAdd(retired, 1);
        ops.retire(lock, object);
      },
      settle: () => ops.flush(lock),
    },
  );
  return {
    ...all,
    rest() {
      ops.flush(lock);
      const [had, came] = [isa.load(retired), isa.load(reclaimed)];
      if (had !== came) bench.report('callbacksLost', { addr: lock, expected: had, got: came });
      isa.store(retired, 0);
      isa.store(reclaimed, 0);
      parts.reset();
    },
  };
}
