/**
 * The torture's own shared memory: rounds, what each CPU counts, and the violations found.
 *
 * Words with different writers stand on different lines, so that the torture adds no cache traffic that a lock would be blamed for: control words
 * that the leader of a round writes, the stop word that the main thread writes, and two lines a CPU, one that only it touches and one that
 * the others read.
 */
import type { Addr } from '../../src/arch/index.ts';
import { sizeOf, struct, u32, words } from '../../src/memory/index.ts';

/** Control words. */
export const Control = struct('torture', {
  phase: u32.ownLine(),
  arrived: u32.ownLine(),
  // Written by the leader of a round while nobody else runs.
  expected: u32,
  go: u32,
  quota: u32,
  profile: u32,
  round: u32,
  longHoldCpu: u32,
  longHoldStep: u32,
  /** When the round began, in microseconds; when the last pause ended and the last long hold was planned, in milliseconds. */
  began: u32,
  paused: u32,
  held: u32,
  // Writers that have not done their steps yet; counted down by them.
  writersLeft: u32.ownLine(),
  // Written by the main thread.
  stop: u32.ownLine(),
  // Drawn by every CPU in rounds that check order.
  clock: u32.ownLine(),
  violations: u32.ownLine(),
  byOracle: words(16),
  firstAcquisition: u32.ownLine(),
});

/** `go`: another round. */
export const GO_ON = 0;
/** `go`: the run is over. */
export const GO_STOP = 1;

/** Ages of an object that are counted apart; the last one for all older ones, too. */
export const AGES = 11;

/** Lines of one CPU. */
export const CpuLine = struct('torture_cpu', {
  // Read by others.
  queued: u32.ownLine(),
  reading: u32,
  wants: u32,
  left: u32,
  overtaken: u32,
  phase: u32,
  // Requests: written by the main thread and the leader.
  active: u32.ownLine(),
  joins: u32,
  leaves: u32,
  /** Whether it takes part in the round; the leader writes it between rounds. */
  member: u32,
  // Its own counters; 64 bits are two words, the lower first.
  writes: words(2).ownLine(),
  reads: words(2),
  tries: words(2),
  tryFails: words(2),
  retries: words(2),
  contended: words(2),
  handoffs: words(2),
  // More of its own.
  writesMax: u32.ownLine(),
  overtakenMax: u32,
  readersMax: u32,
  waitMaxUs: u32,
  downgrades: u32,
  upgrades: u32,
  longHolds: u32,
  // Of RCU: ages that readers saw, two words each.
  ages: words(2 * AGES).ownLine(),
  gracePeriods: words(2),
  floods: words(2),
  /** Of a queue's items: put minus taken, modulo 2^32. */
  sum: u32,
});

/** Words of the lock that a violation keeps. */
export const SNAPSHOT_WORDS = 16;

/** One recorded violation. */
export const Record = struct('violation', {
  ready: u32.ownLine(),
  detail: u32,
  cpu: u32,
  other: u32,
  addr: u32,
  expected: u32,
  got: u32,
  lock: u32,
  round: u32,
  microseconds: words(2),
  snapshot: words(SNAPSHOT_WORDS),
});
/** Violations kept with evidence; later ones are only counted. */
export const MAX_RECORDS = 32;

/** Words of the data that the lock under torture protects: four lines for increments, two for versions, one for the owner. */
export const Data = struct('protected', {
  owner: u32.ownLine(),
  first: words(16).ownLine(),
  second: words(16).ownLine(),
  third: words(16).ownLine(),
  fourth: words(16).ownLine(),
  versionA: words(16).ownLine(),
  versionB: words(16).ownLine(),
  inside: u32.ownLine(),
  total: u32,
  head: u32,
  tail: u32,
  leaders: u32,
  tenant: u32.ownLine(),
  ring: words(16).ownLine(),
});

/** Words of an object that readers of RCU look at. */
export const TORTURE_OBJECT_WORDS = 8;
/** An object that is published, taken away and used anew. */
export const TortureObject = struct('object', {
  age: u32.ownLine(),
  used: u32,
  // The two words by which it is handed over.
  next: u32,
  vector: u32,
  words: words(TORTURE_OBJECT_WORDS),
});
/** Objects of each CPU. */
export const OBJECTS = 48;

/** Byte offsets of the parts. */
export interface TortureArea {
  readonly control: Addr;
  readonly lines: Addr;
  readonly records: Addr;
  readonly data: Addr;
  readonly objects: Addr;
}

/** Allocates the parts. */
export function allocateArea(alloc: (bytes: number) => Addr, cpus: number): TortureArea {
  return {
    control: alloc(sizeOf(Control)),
    lines: alloc(sizeOf(CpuLine) * cpus),
    records: alloc(sizeOf(Record) * MAX_RECORDS),
    data: alloc(sizeOf(Data)),
    objects: alloc(sizeOf(TortureObject) * OBJECTS * cpus),
  };
}

/** Bytes that {@link allocateArea} takes. */
export function areaBytes(cpus: number): number {
  const eachCpu = sizeOf(CpuLine) + sizeOf(TortureObject) * OBJECTS;
  return sizeOf(Control) + eachCpu * cpus + sizeOf(Record) * MAX_RECORDS + sizeOf(Data) + 512;
}

const LINE_BYTES = sizeOf(CpuLine);

/** Byte offset of a CPU's lines. */
export function cpuLine(area: TortureArea, cpu: number): Addr {
  return area.lines + cpu * LINE_BYTES;
}

/** Byte offset of an object of a CPU. */
export function objectAt(area: TortureArea, cpu: number, index: number): Addr {
  return area.objects + sizeOf(TortureObject) * (cpu * OBJECTS + index);
}
