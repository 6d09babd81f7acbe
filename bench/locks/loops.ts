/**
 * The loops of a sweep: sections of a length, with time outside of them, reads and writes by share, on one of several locks.
 *
 * What the lock protects is a word. A writer reads it, works, and writes back one more; at rest it must show as many as writers say they were. A reader reads
 * it before and after its work, and must find the same. So a lock that lets two in is found by what it protects.
 *
 *   fast    nothing is added: throughput and shares are counted here
 *   timed   one section in `every` looks at the clock, in turn for how long it waited and for how long it stayed
 *
 * Hand-offs, in `timed`: who times how long it waits says so in the word `want`. Whoever leaves a section while somebody does writes the time into the line of
 * what is protected, right before it gives the lock up. The one that waited reads it when it is in: where that time is later than its own first look, it waited
 * when the lock was given up, and the difference to now is the hand-off. A time of a section earlier is never taken for one: as long as somebody is in
 * `want`, all who leave write theirs. Clocks are the process's, one for all threads; what a look costs is taken off.
 */
import type { Addr, Isa } from '../../src/arch/index.ts';
import { LINE } from '../../src/memory/index.ts';
import type { Pairs } from './sections.ts';
import type { Histogram } from './times.ts';
import { work } from './work.ts';

/** Bytes from one lock's data to the next's. */
export const DATA_STRIDE = 2 * LINE;
/** What is protected: the word, who had it last, when it was given up. */
export const DATA = { value: 0, last: 4, stamp: 8 } as const;

/** Where a CPU works, and on what. */
export interface LoopOn {
  readonly isa: Isa;
  readonly cpu: number;
  readonly cpus: number;
  readonly locks: number;
  readonly firstLock: Addr;
  readonly lockStride: number;
  readonly firstData: Addr;
  /** How many time their wait right now. */
  readonly want: Addr;
  /** Where this CPU's sections are counted. */
  readonly count: Addr;
  /** Of 65536: reads. */
  readonly reads: number;
  /** Nanoseconds of a look at the clock. */
  readonly clock: number;
}

/** Turns of work in a section and outside; one section in `every` is timed. */
export interface Lengths {
  section: number;
  outside: number;
  every: number;
}

/** What a CPU did since it was booted. */
export interface Tally {
  writes: number;
  /** Reads that saw a writer at work. */
  torn: number;
}

/** Times of one CPU. */
export interface Clocks {
  readonly wait: Histogram;
  readonly hold: Histogram;
  readonly handoff: Histogram;
  /** By CPU: from whom it got the lock when it had waited. */
  readonly from: number[];
}

/** The loops of one CPU. */
export interface Loops {
  /** Sections that nobody times. */
  fast(sections: number): void;
  /** Sections of which one in `every` is timed. */
  timed(sections: number): void;
}

/** A xorshift step (Marsaglia 2003). */
function step(x: number): number {
  let next = x ^ (x << 13);
  next ^= next >>> 17;
  return next ^ (next << 5);
}

/** Nanoseconds of the process's clock, modulo 2^32. */
const ticks = (): number => (performance.now() * 1e6) | 0;

/** Makes the loops of a CPU; once, so that V8 knows the operations as constants. */
export function loopsOf(on: LoopOn, pairs: Pairs, lengths: Lengths, tally: Tally, clocks: Clocks): Loops {
  const { isa, cpu, locks, firstLock, lockStride, firstData, want, count, reads, clock } = on;
  const { write, read } = pairs;
  const { wait, hold, handoff, from } = clocks;
  const draws = locks > 1 || reads > 0;
  let random = Math.imul(cpu + 1, 0x9e3779b9) | 1;
  let x = cpu;
  let done = 0;
  let until = 1;
  let turn = 0;

  /** A section that only reads, until nobody has disturbed it. */
  function readThrough(lock: Addr, data: Addr, section: number): void {
    let torn: boolean;
    let token: number;
    do {
      token = read.enter(lock);
      const seen = isa.read(data);
      x = work(x, section);
      torn = isa.read(data) !== seen;
    } while (read.leave(lock, token));
    if (torn) tally.torn += 1;
  }

  function fast(sections: number): void {
    const { section, outside } = lengths;
    let at = 0;
    for (let left = sections; left > 0; left -= 1) {
      if (draws) {
        random = step(random);
        at = locks > 1 ? (random >>> 16) % locks : 0;
      }
      const lock = firstLock + at * lockStride;
      const data = firstData + at * DATA_STRIDE;
      if (reads > 0 && (random & 0xffff) < reads) {
        readThrough(lock, data, section);
      } else {
        write.enter(lock);
        const value = isa.read(data);
        x = work(x, section);
        isa.write(data, value + 1);
        write.leave(lock, 0);
        tally.writes += 1;
      }
      x = work(x, outside);
      done = (done + 1) | 0;
      isa.write(count, done);
    }
  }

  /** A section whose wait is timed. */
  function waited(lock: Addr, data: Addr, reading: boolean): void {
    const pair = reading ? read : write;
    isa.fetchAdd(want, 1);
    const wanted = performance.now();
    let token = pair.enter(lock);
    const had = performance.now();
    isa.fetchAdd(want, -1);
    wait.add((had - wanted) * 1e6 - clock);
    if (!reading && reads === 0) {
      const ago = ((had * 1e6) | 0) - isa.read(data + DATA.stamp);
      const waitedFor = (had - wanted) * 1e6;
      if ((ago | 0) > 0 && (ago | 0) < waitedFor) {
        handoff.add((ago | 0) - clock);
        const giver = isa.read(data + DATA.last);
        if (giver !== cpu) from[giver]! += 1;
      }
    }
    let torn: boolean;
    for (;;) {
      const seen = isa.read(data);
      x = work(x, lengths.section);
      torn = reading && isa.read(data) !== seen;
      if (!reading) isa.write(data, seen + 1);
      if (!reading) giveUp(data);
      if (!pair.leave(lock, token)) break;
      token = pair.enter(lock);
    }
    if (torn) tally.torn += 1;
  }

  /** A section whose length is timed. */
  function held(lock: Addr, data: Addr, reading: boolean): void {
    const pair = reading ? read : write;
    let torn: boolean;
    let token: number;
    do {
      token = pair.enter(lock);
      const had = performance.now();
      const seen = isa.read(data);
      x = work(x, lengths.section);
      torn = reading && isa.read(data) !== seen;
      if (!reading) isa.write(data, seen + 1);
      hold.add((performance.now() - had) * 1e6 - clock);
      if (!reading) giveUp(data);
    } while (pair.leave(lock, token));
    if (torn) tally.torn += 1;
  }

  /** Says who gives it up, and when, if somebody wants to know. */
  function giveUp(data: Addr): void {
    isa.write(data + DATA.last, cpu);
    if (isa.load(want) > 0) isa.write(data + DATA.stamp, ticks());
  }

  function timed(sections: number): void {
    const { section, outside, every } = lengths;
    let at = 0;
    for (let left = sections; left > 0; left -= 1) {
      random = step(random);
      if (locks > 1) at = (random >>> 16) % locks;
      const lock = firstLock + at * lockStride;
      const data = firstData + at * DATA_STRIDE;
      const reading = reads > 0 && (random & 0xffff) < reads;
      until -= 1;
      if (until <= 0) {
        // At random distances, so that no rhythm of the CPUs is sampled.
        until = 1 + ((random >>> 8) % (2 * every - 1));
        turn ^= 1;
        if (turn === 0) held(lock, data, reading);
        else waited(lock, data, reading);
      } else if (reading) {
        readThrough(lock, data, section);
      } else {
        write.enter(lock);
        const value = isa.read(data);
        x = work(x, section);
        isa.write(data, value + 1);
        giveUp(data);
        write.leave(lock, 0);
      }
      if (!reading) tally.writes += 1;
      x = work(x, outside);
      done = (done + 1) | 0;
      isa.write(count, done);
    }
    isa.write(count + 4, x);
  }

  return { fast, timed };
}
