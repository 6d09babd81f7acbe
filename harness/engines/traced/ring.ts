/**
 * The memory of the traced engine: beside the machine's, so that what is traced holds nothing but itself.
 *
 *   line      of the whole: who kept the evidence, and whether it is kept
 *   stripes   version words of the exact order, a line each; see order.ts
 *   targets   a word an address hash: accesses to these addresses are delayed more often
 *   rings     of each CPU: the records, a power of two of them, then a line whose first word counts the words written
 *   kept      of each CPU: a copy of its last records when the first violation was noticed
 *
 * A record has four words, of which most write two:
 *
 *   operation << 24 | address / 4     value     before     version
 *
 * `before` counts for read-modify-writes, and in an exact order for stores; `version` only in an exact order: what is left there of a lap ago is never read. The address
 * has 24 bits, so a machine that is traced has at most 64 MiB.
 *
 * Only the CPU itself writes its ring, plainly: no counter is shared and nothing waits. Whoever copies it while its CPU goes on takes the count, copies, and takes the
 * count again: what may have been overwritten meanwhile is dropped. The record that is being written may come out torn where the processor does not keep stores
 * in order; it is a hint about the last access. Where every record counts, rings are read when their CPUs have stopped.
 */
import type { Addr } from '../../../src/arch/index.ts';
import { OP, OPERATIONS, RECORD_WORDS, Trace } from '../trace.ts';

/** Records of a ring: a power of two. */
export const RING_RECORDS = 2048;
/** Records of each CPU that are kept as evidence. */
export const KEPT_RECORDS = 1024;
/** Version words. */
export const STRIPES = 256;
/** Words of the table of targets. */
export const TARGETS = 1024;
/** The largest machine whose addresses fit a record. */
export const MAX_TRACED_BYTES = 2 ** 26;

/** Words of a line. */
export const LINE_WORDS = 16;
const STRIPE_WORDS = STRIPES * LINE_WORDS;
const WAIT_END = OP.waitEnd!;
const KEEPER = 0;
const IS_KEPT = 1;

/** What the CPUs of a traced machine share; survives structured clone. */
export interface TraceHandle {
  readonly memory: SharedArrayBuffer;
  readonly cpus: number;
  /** Whether records have versions. */
  readonly ordered: boolean;
}

/** One record of a ring. */
export interface RingRecord {
  readonly cpu: number;
  readonly op: number;
  readonly addr: Addr;
  readonly value: number;
  readonly before: number;
  readonly version: number;
}

/** Which version word an address has. */
export function stripeOf(addr: Addr): number {
  return Math.imul(addr >>> 2, 0x9e3779b1) >>> 24;
}

/** Which word of the table of targets. */
export function targetOf(addr: Addr): number {
  return Math.imul(addr >>> 2, 0x9e3779b1) >>> 22;
}

const first = LINE_WORDS;
const targetsAt = first + STRIPE_WORDS;
const ringsAt = targetsAt + TARGETS;
const ringWords = (records: number): number => records * RECORD_WORDS + LINE_WORDS;
/** Word of a ring that counts the words written, modulo 2^32. */
const COUNT = RING_RECORDS * RECORD_WORDS;

/** Makes the memory of a machine with so many CPUs. */
export function traceMemory(cpus: number, ordered: boolean): TraceHandle {
  const words = ringsAt + cpus * (ringWords(RING_RECORDS) + ringWords(KEPT_RECORDS));
  return { memory: new SharedArrayBuffer(4 * words), cpus, ordered };
}

/** The memory of the traced engine, as one thread sees it. */
export class Rings {
  readonly handle: TraceHandle;
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly stripes: Int32Array<SharedArrayBuffer>;
  readonly targets: Int32Array<SharedArrayBuffer>;

  constructor(handle: TraceHandle) {
    this.handle = handle;
    this.words = new Int32Array(handle.memory);
    this.stripes = this.words.subarray(first, first + STRIPE_WORDS);
    this.targets = this.words.subarray(targetsAt, targetsAt + TARGETS);
  }

  /** The ring of a CPU: its records, then a line whose first word counts the words written. */
  ring(cpu: number): Int32Array<SharedArrayBuffer> {
    const size = ringWords(RING_RECORDS);
    return this.words.subarray(ringsAt + cpu * size, ringsAt + (cpu + 1) * size);
  }

  private copy(cpu: number): Int32Array<SharedArrayBuffer> {
    const { cpus } = this.handle;
    const size = ringWords(KEPT_RECORDS);
    const at = ringsAt + cpus * ringWords(RING_RECORDS) + cpu * size;
    return this.words.subarray(at, at + size);
  }

  /** Keeps the last records of all CPUs, if nobody has: the evidence of the first violation. */
  keep(cpu: number): void {
    const { words } = this;
    if (Atomics.compareExchange(words, KEEPER, 0, cpu + 1) !== 0) return;
    const { cpus } = this.handle;
    for (let other = 0; other < cpus; other += 1) {
      const ring = this.ring(other);
      const copy = this.copy(other);
      const end = Atomics.load(ring, COUNT) >>> 2;
      for (let back = 1; back <= KEPT_RECORDS; back += 1) {
        const from = ((end - back) & (RING_RECORDS - 1)) * RECORD_WORDS;
        const to = (KEPT_RECORDS - back) * RECORD_WORDS;
        for (let word = 0; word < RECORD_WORDS; word += 1) copy[to + word] = ring[from + word]!;
      }
      // The one that is being written is no record yet.
      const passed = (((Atomics.load(ring, COUNT) >>> 2) - end) & 0x3fffffff) + 1;
      const whole = other === cpu ? KEPT_RECORDS : Math.max(0, Math.min(KEPT_RECORDS, RING_RECORDS - passed));
      for (let gone = 0; gone < KEPT_RECORDS - whole; gone += 1) copy[gone * RECORD_WORDS] = 0;
    }
    Atomics.store(words, IS_KEPT, 1);
  }

  /** Forgets what was kept: the next violation is kept. */
  reset(): void {
    Atomics.store(this.words, IS_KEPT, 0);
    Atomics.store(this.words, KEEPER, 0);
  }

  /** Whether a violation has been kept. */
  get kept(): boolean {
    return Atomics.load(this.words, IS_KEPT) !== 0;
  }

  /** The records of a CPU, the oldest first: those that were kept at the first violation, or what its ring has now. */
  records(cpu: number, kept = this.kept): RingRecord[] {
    const from = kept ? this.copy(cpu) : this.ring(cpu);
    const size = kept ? KEPT_RECORDS : RING_RECORDS;
    const end = kept ? size : Atomics.load(from, COUNT) >>> 2;
    const found: RingRecord[] = [];
    for (let back = size; back > 0; back -= 1) {
      const at = ((end - back) & (size - 1)) * RECORD_WORDS;
      const head = from[at]!;
      if (head === 0) continue;
      const op = head >>> 24;
      const { reads, writes } = OPERATIONS[op]!;
      found.push({
        cpu,
        op,
        addr: (head & 0xffffff) << 2,
        value: from[at + 1]!,
        before: (writes && (reads || this.handle.ordered)) || op === WAIT_END ? from[at + 2]! : 0,
        version: this.handle.ordered ? from[at + 3]! : 0,
      });
    }
    return found;
  }

  /** Sets the addresses whose accesses are delayed more often. */
  aim(addresses: Iterable<Addr>): void {
    const table = new Set([...addresses].map(targetOf));
    for (let at = 0; at < TARGETS; at += 1) this.targets[at] = table.has(at) ? 1 : 0;
  }
}

/** Records as a trace, in the order given. */
export function traceFrom(records: readonly RingRecord[]): Trace {
  const words = new Int32Array(records.length * RECORD_WORDS);
  for (const [at, { cpu, op, addr, value, before }] of records.entries())
    words.set([op | (cpu << 8), addr, value, before], at * RECORD_WORDS);
  return new Trace(words, records.length);
}

/** A word that several CPUs access and one of them writes. */
export interface Conflict {
  readonly addr: Addr;
  /** Accesses to it that were recorded. */
  readonly accesses: number;
}

/** Words in conflict, the most accessed first. */
export function conflicts(records: Iterable<RingRecord>): Conflict[] {
  const by = new Map<Addr, { cpus: Set<number>; accesses: number; written: boolean }>();
  for (const { cpu, op, addr } of records) {
    const { reads, writes } = OPERATIONS[op]!;
    if (!reads && !writes) continue;
    const word = by.get(addr) ?? { cpus: new Set(), accesses: 0, written: false };
    word.cpus.add(cpu);
    word.accesses += 1;
    word.written ||= writes;
    by.set(addr, word);
  }
  return [...by]
    .filter(([, { cpus, written }]) => written && cpus.size > 1)
    .map(([addr, { accesses }]) => ({ addr, accesses }))
    .sort((a, b) => b.accesses - a.accesses || a.addr - b.addr);
}
