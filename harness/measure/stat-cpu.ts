/**
 * Lock statistics of one CPU: put between a CPU and the operations of its locks, before they are made.
 *
 * Everything is seen in two places. Tracking (src/locking/track.ts) says what is wanted, had and given up, of every lock that is made for the CPU, those inside
 * of structs included. And who has to wait says so by itself: it calls a waiting operation of the instruction set (spinWhile, spinWhileAny, spinBriefly, wait,
 * pause). So contentions are counted one by one where a CPU had to wait anyway, and an acquisition that finds its lock free pays for a counter and a few
 * comparisons that come out as usual.
 *
 *   waiting    this CPU has waited                       had        counter -= 1; look up, if it has run out, another CPU had the lock last, or this one has waited
 *   wanted     it has not, for this lock so far          given up   look up, if anything is timed or asked for
 *
 * Who had a lock last is written when it changes, by exclusive acquisitions only: readers that scale would no longer. So a bounce of a read is one where
 * another CPU was the last to write. It is read when the lock is had: a contention is put down to whoever had it before. Where a lock passes from CPU to CPU it is
 * written by some of them only (stat-contended.ts).
 *
 * Clocks cost more than locks: of holds, and of waits that a short spin ends, one in so many is timed, so many that a class is looked at about every
 * {@link PERIOD} or {@link WAIT_PERIOD} ns, drawn at random around that, and a sample stands for all since the one before. A wait that outlasts the short spin is always timed, from
 * an estimate of when it began. What the clock itself takes is subtracted.
 *
 * Where who waits was called from is looked up in some of the waits that are timed; who holds the lock then is asked to say where it gives it up.
 */
import type { Addr } from '../../src/arch/index.ts';
import { type Cpu, CpuArea, cpuArea, MAX_HELD, MODE_READ, MODE_WRITE } from '../../src/memory/index.ts';
import { clock } from './clock.ts';
import {
  Asked,
  CLASS_SHIFT,
  ClassField,
  HOT_WORDS,
  HotField,
  MODE_NUMBERS,
  OWNER,
  PASSED_ON,
  Registry,
  SEEN,
  StatArea,
  type StatHandle,
  TO_HOT,
} from './stat-area.ts';
import { contentionsOf, isBounce } from './stat-contended.ts';
import { HoldsInProgress } from './stat-holds.ts';
import { pointsOf } from './stat-points.ts';
import { hearWaiting } from './stat-waiting.ts';

/** How the statistics of a CPU are kept. */
export interface StatCpuOptions {
  /** The class of a lock; asked once for each lock. */
  readonly classOf: (lock: Addr) => string;
  /** Whether the CPU's area goes on saying which locks it holds and waits for; true unless given. */
  readonly keep?: boolean;
}

/** Nanoseconds between two samples of a class, where there are two classes: of holds, and of waits that are short, in which others wait, too. */
const PERIOD = 50_000;
const WAIT_PERIOD = 200_000;
const MOST_GAP = 65_536;

/** The CPU, plus 1, that says that it holds a lock; 0: none. */
function holderOf({ isa, count, id }: Cpu, lock: Addr): number {
  for (let other = 0; other < count; other += 1) {
    if (other === id) continue;
    const area = cpuArea(other);
    for (let held = Math.min(MAX_HELD, isa.read(area + CpuArea.held)) - 1; held >= 0; held -= 1)
      if (isa.read(area + CpuArea.heldLocks + 8 * held) === lock) return other + 1;
  }
  return 0;
}

/** Keeps the statistics of a CPU, from now on; before the operations of its locks are made, and once. */
export function statCpu(handle: StatHandle, cpu: Cpu, { classOf, keep = true }: StatCpuOptions): void {
  const area = new StatArea(handle);
  const { numbers, locks, control } = area;
  const hot = area.hotOf(cpu.id);
  const block = area.block(cpu.id);
  const me = cpu.id + 1;
  const bell = area.asked(cpu.id, Asked.bell);
  const askedFor = area.asked(cpu.id, Asked.lock);
  const window = area.registry(Registry.window);
  const points = pointsOf(area, cpu.id);
  const holds = new HoldsInProgress(area, cpu.id);
  /** Classes in their modes that this CPU has timed. */
  const seen = new Set<number>();
  let windowSeen = 0;
  let dice = 0x9e3779b9 ^ Math.imul(cpu.id + 1, 0x85ebca6b);

  const waiting = hearWaiting(cpu.isa, me, {
    rare: (elapsed, count) => gap(elapsed, count, WAIT_PERIOD),
    look: () => {
      const lock = keep ? cpu.isa.read(cpu.area + CpuArea.waitingFor) : 0;
      const last = lock === 0 ? 0 : locks[lock >>> 2]! & OWNER;
      const owner = last >= SEEN ? holderOf(cpu, lock) : last;
      if (owner !== 0 && owner !== me) {
        control[area.asked(owner - 1, Asked.lock)] = lock;
        control[area.asked(owner - 1, Asked.bell)] = 1;
      }
      return points.here();
    },
  });
  const { state } = waiting;
  const contentions = contentionsOf(area, me, { state, cost: holds.cost, waited: points.waited });

  const offsetOf = (word: number, mode: number): number =>
    block + area.offset(word >>> CLASS_SHIFT) + (mode === MODE_READ ? MODE_NUMBERS : 0);
  /** The line of a class to write comes first, then that to read. */
  const lineOf = (word: number, mode: number): number => (word >>> TO_HOT) + HOT_WORDS * (mode - MODE_WRITE);

  /** A lock that nobody has had so far. */
  function register(lock: Addr): number {
    const word = (area.addClass(classOf(lock)) << CLASS_SHIFT) | (locks[lock >>> 2]! & OWNER);
    locks[lock >>> 2] = word;
    return word;
  }

  /** How many to let pass before the next sample, when it took so long for so many. */
  function gap(elapsed: number, count: number, period = PERIOD): number {
    if (control[window] !== 0) return 1;
    dice ^= dice << 13;
    dice ^= dice >>> 17;
    dice ^= dice << 5;
    const mean = (Math.max(1, seen.size / 2) * period * count) / Math.max(1, elapsed);
    return Math.round(Math.min(MOST_GAP, Math.max(1, mean * (0.5 + (dice >>> 0) / 2 ** 32))));
  }

  /** In a window everything is timed: from the first sample on that comes after it was opened. */
  function lookAtWindow(): void {
    windowSeen = control[window]!;
    if (windowSeen === 0) return;
    for (const line of seen) {
      const passed = hot[line + HotField.gap]! - hot[line + HotField.left]!;
      hot[line + HotField.gap] = passed + 1;
      hot[line + HotField.left] = 1;
    }
  }

  /** Another CPU had it last, or this one has waited: for a lock that is passed on, mostly, and nobody times it. What there is to count can wait then. */
  function notExpected(lock: Addr, mode: number, word: number, left: number): void {
    if ((word & OWNER) !== PASSED_ON || !state.waited || state.since !== 0 || left <= 0) {
      acquiredSlowly(lock, mode);
      return;
    }
    hot[lineOf(word, mode) + HotField.passed]! += 1;
    // waiting.clear(), where nobody has looked.
    state.waited = false;
    state.expected = me;
  }

  /**
   * The counter has run out, another CPU had it last, this one has waited, or the lock is new. All in one: V8 would put a smaller function into every place
   * where a lock is taken, and the usual case would pay for it.
   */
  function acquiredSlowly(lock: Addr, mode: number): void {
    let word = locks[lock >>> 2]!;
    if (word >>> CLASS_SHIFT === 0) {
      word = register(lock);
      hot[lineOf(word, mode)]! -= 1;
    }
    const owner = word & OWNER;
    const at = offsetOf(word, mode);
    const line = lineOf(word, mode);
    const from = state.since;
    const next = contentions.next(lock, hot[line]!, owner);
    if (state.waited) {
      contentions.settle(at, line);
      contentions.count(at, owner);
      waiting.clear();
    }
    if (isBounce(owner, me)) numbers[at + ClassField.acquisitionBounces]! += 1;
    if (owner !== next && mode !== MODE_READ) locks[lock >>> 2] = (word & ~OWNER) | next;
    if (hot[line]! > 0) return;
    const now = clock();
    // The first one in this class and mode finds a counter that was never set.
    const uncounted = Math.max(1, hot[line + HotField.gap]!);
    numbers[at + ClassField.acquisitions]! += uncounted;
    seen.add(line);
    if (control[window] !== windowSeen) lookAtWindow();
    const ahead = gap(now - numbers[at + ClassField.timedAt]!, uncounted);
    hot[line + HotField.gap] = ahead;
    hot[line + HotField.left] = ahead;
    numbers[at + ClassField.timedAt] = now;
    control[bell] = 1;
    holds.begin(lock, at, uncounted, from);
  }

  /** Something is timed, or asked for. */
  function releasedSlowly(lock: Addr, mode: number): void {
    // First of all: what comes after it belongs to no hold.
    const now = clock();
    const at = offsetOf(locks[lock >>> 2]!, mode);
    holds.end(lock, at, now, windowSeen !== 0);
    const asked = control[askedFor]!;
    // Somebody who asks meanwhile goes without an answer: there will be another look.
    control[bell] = holds.some ? 1 : 0;
    if (asked === 0) return;
    control[askedFor] = 0;
    if (asked === lock) points.held(at - block, points.here());
  }

  const stat = {
    waitsFor(): void {
      if (state.waited) waiting.clear();
    },
    acquired(lock: Addr, mode: number): void {
      const word = locks[lock >>> 2]!;
      // lineOf(word, mode) and word & OWNER, in as few bytecodes as there can be: V8 inlines only so many into one function.
      const line = (word >>> 11) + ((mode - 1) << 4);
      const left = (hot[line]! - 1) | 0;
      hot[line] = left;
      if (left <= 0 || (word & 2047) !== state.expected) notExpected(lock, mode, word, left);
    },
    released(lock: Addr, mode: number): void {
      if (control[bell] !== 0) releasedSlowly(lock, mode);
    },
  };

  function took(lock: Addr, mode: number): void {
    if (state.waited) waiting.clear();
    stat.acquired(lock, mode);
  }

  function refused(lock: Addr, mode: number): void {
    const word = locks[lock >>> 2]!;
    numbers[offsetOf(word >>> CLASS_SHIFT === 0 ? register(lock) : word, mode) + ClassField.tryFailures]! +=
      1;
  }

  /** Who awaits something never has it: what it awaits is noted, and how often it had waited before, since it may take locks meanwhile. Every such wait is timed. */
  const awaited: [lock: Addr, mode: number, waits: number, since: number][] = [];
  function awaits(lock: Addr, mode: number): void {
    if (state.waited) waiting.clear();
    awaited.push([lock, mode, waiting.waits, clock()]);
    waiting.push();
  }
  function gaveUp(): void {
    const [lock, mode, waits, since] = awaited.pop() ?? [0, 0, 0, 0];
    if (lock === 0) return;
    const { place } = state;
    waiting.pop();
    if (waiting.waits !== waits) Object.assign(state, { waited: true, long: true, since, place });
    let word = locks[lock >>> 2]!;
    if (word >>> CLASS_SHIFT === 0) word = register(lock);
    const at = offsetOf(word, mode);
    numbers[at + ClassField.acquisitions]! += 1;
    if (state.waited) contentions.count(at, word & OWNER);
    waiting.clear();
  }

  const { tracking } = cpu;
  const counted = { ...stat, took, refused, awaits, gaveUp };
  const both: typeof tracking = {
    ...tracking,
    waitsFor(lock, mode, traits) {
      tracking.waitsFor(lock, mode, traits);
      stat.waitsFor();
    },
    acquired(lock, mode, traits) {
      tracking.acquired(lock, mode, traits);
      stat.acquired(lock, mode);
    },
    released(lock, mode, traits) {
      stat.released(lock, mode);
      return tracking.released(lock, mode, traits);
    },
    took(lock, mode, traits) {
      tracking.acquired(lock, mode, traits);
      took(lock, mode);
    },
    refused,
    awaits(lock, mode, traits) {
      tracking.waitsFor(lock, mode, traits);
      awaits(lock, mode);
    },
    gaveUp() {
      gaveUp();
      tracking.gaveUp();
    },
  };
  const told = keep ? both : { ...tracking, ...counted };
  Object.assign(cpu, { tracking: { ...told, sections: stat, waits: { awaits, gaveUp } } });
}
