/**
 * The trace of an execution: what every access and event was, in the order in which they happened.
 *
 * Engines write it, everything else reads it: detectors are passes over it, evidence is cut out of it, two runs are equal when theirs are. A record
 * has four words:
 *
 *   head     operation | CPU << 8
 *   addr     the word accessed, the lock, the object; 0 where there is none
 *   value    what a load returned, what a store or a read-modify-write left in the word; of a lock event the mode
 *   before   of a store or read-modify-write: what the word held; of a `waitEnd`: the result; of `alloc` and `free`: bytes; of `acquiring`,
 *            `acquired` and `released`: what the lock is, as far as it is known (src/locking/traits.ts); otherwise 0
 *
 * An access that failed to write (a compareExchange of another value) is recorded as a load of its own kind: `casFailed`.
 */
import type { Addr } from '../../src/arch/index.ts';

/** Words of a record. */
export const RECORD_WORDS = 4;

/** What the happens-before order makes of an operation. */
export interface Operation {
  readonly name: string;
  readonly reads: boolean;
  readonly writes: boolean;
  /** A plain access, which may race; every other access is marked. */
  readonly plain: boolean;
  readonly acquires: boolean;
  readonly releases: boolean;
  /** A fence: acts on what the CPU read or wrote before and after, at no address. */
  readonly fence: 'full' | 'read' | 'write' | undefined;
}

const NOT: Omit<Operation, 'name'> = {
  reads: false,
  writes: false,
  plain: false,
  acquires: false,
  releases: false,
  fence: undefined,
};

const op = (name: string, is: Partial<Operation> = {}): Operation => ({ ...NOT, name, ...is });
const rmw = (name: string): Operation[] => [
  op(name, { reads: true, writes: true, acquires: true, releases: true }),
  op(`${name}Acquire`, { reads: true, writes: true, acquires: true }),
  op(`${name}Release`, { reads: true, writes: true, releases: true }),
  op(`${name}Relaxed`, { reads: true, writes: true }),
];

/** All operations; a record's head has the index. */
export const OPERATIONS: readonly Operation[] = [
  op('none'),
  op('read', { reads: true, plain: true }),
  op('write', { writes: true, plain: true }),
  op('readOnce', { reads: true }),
  op('writeOnce', { writes: true }),
  op('loadAcquire', { reads: true, acquires: true }),
  op('storeRelease', { writes: true, releases: true }),
  op('load', { reads: true, acquires: true }),
  op('store', { writes: true, releases: true }),
  op('storeWake', { writes: true, releases: true }),
  op('storeWakeOne', { writes: true, releases: true }),
  // The value that ended it, or that was found.
  op('spinWhile', { reads: true, acquires: true }),
  op('spinWhileAny', { reads: true, acquires: true }),
  op('spinBriefly', { reads: true, acquires: true }),
  ...['fetchAdd', 'fetchAnd', 'fetchOr', 'fetchXor', 'exchange', 'compareExchange'].flatMap(rmw),
  // A compareExchange that found another value, in its four forms.
  op('casFailed', { reads: true, acquires: true }),
  op('casFailedAcquire', { reads: true, acquires: true }),
  op('casFailedRelease', { reads: true }),
  op('casFailedRelaxed', { reads: true }),
  op('mb', { fence: 'full' }),
  op('rmb', { fence: 'read' }),
  op('wmb', { fence: 'write' }),
  // Futex: `wait` compares (value: what the word held) and, if equal, sleeps; `waitEnd` returns (before: the result, value: who woke it + 1).
  op('wait', { reads: true, acquires: true }),
  op('waitEnd'),
  op('notify'),
  op('wake'),
  op('pause'),
  // A CPU begins to block in `spinWhile`: value is what it waits to see changed.
  op('blocked'),
  // Store buffers of the weaker models: a buffered store reaches memory.
  op('drain'),
  // Lock events, by tracking: addr is the lock, value the mode (1 exclusive, 2 shared).
  op('acquiring'),
  op('acquired'),
  op('gaveUp'),
  op('released'),
  // Annotations.
  op('queued'),
  op('published'),
  op('consumed'),
  op('gracePeriod'),
  op('raceBegin'),
  op('raceEnd'),
  // Interrupts: handlers run between enter and exit; value is the sender + 1.
  op('irqEnter'),
  op('irqExit'),
  op('irqOff'),
  op('irqOn'),
  // Objects of a slab: addr is the object, value the tag of its kind, before its bytes.
  op('alloc'),
  op('free'),
  // The actor of a CPU begins, and is done.
  op('begin'),
  op('end'),
];

/** Index of an operation by name. */
export const OP: Readonly<Record<string, number>> = Object.freeze(
  Object.fromEntries(OPERATIONS.map(({ name }, at) => [name, at])),
);

/** One record, decoded. */
export interface Event {
  /** Place in the trace, from 0. */
  readonly at: number;
  readonly cpu: number;
  readonly op: number;
  readonly addr: Addr;
  readonly value: number;
  readonly before: number;
}

/** The records of one execution, over the words that an engine has written. */
export class Trace {
  readonly words: Int32Array;
  readonly length: number;

  constructor(words: Int32Array, length: number) {
    this.words = words;
    this.length = length;
  }

  /** The operation of a record: an index of the operations. */
  op(at: number): number {
    return this.words[at * RECORD_WORDS]! & 0xff;
  }

  /** The CPU of a record. */
  cpu(at: number): number {
    return this.words[at * RECORD_WORDS]! >>> 8;
  }

  /** The address of a record. */
  addr(at: number): Addr {
    return this.words[at * RECORD_WORDS + 1]!;
  }

  /** The value of a record. */
  value(at: number): number {
    return this.words[at * RECORD_WORDS + 2]!;
  }

  /** What the word held before. */
  before(at: number): number {
    return this.words[at * RECORD_WORDS + 3]!;
  }

  /** A record, decoded. */
  event(at: number): Event {
    return {
      at,
      cpu: this.cpu(at),
      op: this.op(at),
      addr: this.addr(at),
      value: this.value(at),
      before: this.before(at),
    };
  }
}

/** A trace of events, for tests and for files. */
export function traceOf(events: readonly (Partial<Omit<Event, 'at' | 'op'>> & { op: string })[]): Trace {
  const words = new Int32Array(events.length * RECORD_WORDS);
  for (const [at, { op: name, cpu = 0, addr = 0, value = 0, before = 0 }] of events.entries()) {
    const index = OP[name];
    if (index === undefined) throw new RangeError(`no operation is called '${name}'`);
    words.set([index | (cpu << 8), addr, value, before], at * RECORD_WORDS);
  }
  return new Trace(words, events.length);
}
