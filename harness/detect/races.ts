/**
 * Data races: two accesses to one word by two CPUs, at least one of them a write and at least one of them plain, that the happens-before order
 * (order.ts) leaves unordered. The method is FastTrack's (Flanagan and Freund 2009), told apart by what may race:
 *
 *   a plain read     with plain and marked writes        a marked read     with plain writes
 *   a plain write    with everything                     a marked write    with plain reads and writes
 *
 * For each word and each of these four kinds the latest access is kept as an epoch (the CPU and its clock then). An access that is ordered after the one kept
 * replaces it: what is unordered with the older one is unordered with the newer one. Two that are unordered widen the kind into one epoch a CPU.
 * So the pass finds a word, kind and kind exactly when two such accesses are unordered; a race does not blind it for the next one.
 *
 * A race is found although both accesses are far apart in this execution, and although the values came out right: that is the use of it. What it reports is
 * what KCSAN does: both accesses, their CPUs, the word, and how its value changed. Accesses in `dataRace` are not looked at, from neither side; the edges that marked
 * accesses make there count. An interrupt handler stands outside the bracket it interrupts; it is ordered with its own CPU.
 *
 * At most {@link MAX_RACES} races of an execution are kept, one for each word and pair of kinds.
 */
import type { Addr } from '../../src/arch/index.ts';
import { RCU } from '../../src/locking/traits.ts';
import { OPERATIONS, type Operation, RECORD_WORDS, type Trace } from '../engines/trace.ts';
import { type Finding, hex, NOTHING, type Pass } from './finding.ts';
import { CPU_BITS, Order, REPORTED } from './order.ts';

/** Races that are kept of one execution. */
export const MAX_RACES = 64;

// Kinds of access; a kind has two words in a slot: the epoch (or minus the place of its epochs in the pool), and where it was made.
const PLAIN_READ = 0;
const PLAIN_WRITE = 2;
const MARKED_READ = 4;
const MARKED_WRITE = 6;

/** Bit of the kinds that write. */
const WRITING = 2;
const CPU_MASK = (1 << CPU_BITS) - 1;

// What the pass does at an operation. Accesses come first.
const IGNORE = 0;
const READS = 1;
const WRITES = 2;
const RELAXED_LOAD = 3;
const ACQUIRE_LOAD = 4;
const RELAXED_STORE = 5;
const RELEASE_STORE = 6;
const STORE = 7;
// Plus 1 if it acquires, plus 2 if it releases.
const RMW = 8;
const RMW_RELEASE = 10;
const LAST_ACCESS = 11;
const FENCE_FULL = 12;
const FENCE_READ = 13;
const FENCE_WRITE = 14;
const WAIT_END = 15;
const NOTIFY = 16;
const DRAIN = 17;
const PUBLISHED = 18;
const CONSUMED = 19;
const GRACE_PERIOD = 20;
const RELEASED = 21;
const RACE_BEGIN = 22;
const RACE_END = 23;
const IRQ_ENTER = 24;
const IRQ_EXIT = 25;
const BEGIN = 26;
const EVENTS: Readonly<Record<string, number>> = {
  waitEnd: WAIT_END,
  notify: NOTIFY,
  drain: DRAIN,
  published: PUBLISHED,
  consumed: CONSUMED,
  gracePeriod: GRACE_PERIOD,
  released: RELEASED,
  raceBegin: RACE_BEGIN,
  raceEnd: RACE_END,
  irqEnter: IRQ_ENTER,
  irqExit: IRQ_EXIT,
  begin: BEGIN,
};

function action({ name, reads, writes, plain, acquires, releases, fence }: Operation): number {
  if (fence) return { full: FENCE_FULL, read: FENCE_READ, write: FENCE_WRITE }[fence];
  if (reads && writes) return RMW + (acquires ? 1 : 0) + (releases ? 2 : 0);
  if (reads) return plain ? READS : acquires ? ACQUIRE_LOAD : RELAXED_LOAD;
  if (writes) {
    if (plain) return WRITES;
    if (!releases) return RELAXED_STORE;
    return name === 'storeRelease' ? RELEASE_STORE : STORE;
  }
  return EVENTS[name] ?? IGNORE;
}
const ACTIONS = Uint8Array.from({ length: 256 }, (_, op) =>
  op < OPERATIONS.length ? action(OPERATIONS[op]!) : IGNORE,
);
/** The kind of access of an action. */
const KINDS = Uint8Array.from({ length: LAST_ACCESS + 1 }, (_, act) => {
  if (act <= WRITES) return act === READS ? PLAIN_READ : PLAIN_WRITE;
  return act <= ACQUIRE_LOAD ? MARKED_READ : MARKED_WRITE;
});
const SHARED = 2;
const NO_LOCK = (): boolean => false;

/** What the pass is made for. */
export interface RaceOptions {
  readonly cpus: number;
  /** Bytes of the memory that traces are about. */
  readonly bytes: number;
  /** Names a word, for the text and the key. */
  readonly name?: ((addr: Addr) => string) | undefined;
  /** Whether a lock is an RCU, whose shared holders are read sections. */
  readonly rcu?: ((lock: Addr) => boolean) | undefined;
}

/** Finds data races. */
export class Races implements Pass {
  /** How many races the last execution had, but no more than are kept. */
  count = 0;
  /** Places of the two accesses of each, the earlier first. */
  readonly pairs = new Int32Array(2 * MAX_RACES);
  private readonly order: Order;
  private readonly name: (addr: Addr) => string;
  private readonly rcu: (lock: Addr) => boolean;
  private readonly benign: Int32Array;
  private readonly interrupted: Int32Array;

  constructor({ cpus, bytes, name = hex, rcu = NO_LOCK }: RaceOptions) {
    this.order = new Order(cpus, bytes);
    this.name = name;
    this.rcu = rcu;
    this.benign = new Int32Array(cpus);
    this.interrupted = new Int32Array(cpus);
  }

  run(trace: Trace): readonly Finding[] {
    return this.scan(trace) === 0 ? NOTHING : this.findings(trace);
  }

  /** Reads an execution. @returns how many races it has */
  scan(trace: Trace): number {
    if (!this.pass(trace, false)) this.pass(trace, true);
    return this.count;
  }

  /** @returns false when the trace is of a model with store buffers and was not read as such */
  private pass(trace: Trace, buffered: boolean): boolean {
    const { words, length } = trace;
    const { order, benign } = this;
    order.start(length, buffered);
    // None of these is replaced before the next start.
    const { slots, clocks, epochs, cpus } = order;
    this.count = 0;
    benign.fill(0);
    const end = length * RECORD_WORDS;
    for (let base = 0; base < end; base += RECORD_WORDS) {
      const head = words[base]!;
      const act = ACTIONS[head & 0xff]!;
      if (act === IGNORE) continue;
      const cpu = head >>> 8;
      if (act > LAST_ACCESS) {
        if (act === DRAIN && !buffered) return false;
        this.event(act, cpu, words[base + 1]!, words[base + 2]!, words[base + 3]!);
        continue;
      }
      const slot = order.slot(words[base + 1]!);
      const value = words[base + 2]!;
      if (act === ACQUIRE_LOAD) order.acquire(cpu, slot, value);
      else if (act === RELAXED_LOAD) order.relaxed(cpu, slot, value);
      else if (act >= RMW) order.rmwReads(cpu, slot, (act & 1) !== 0);
      if (benign[cpu] === 0) {
        const at = base >>> 2;
        const row = cpu * cpus;
        const mine = KINDS[act]!;
        // A wide kind has a negative word, which as a clock is later than any; the slow path looks closer.
        // What it conflicts with: everything, but that reads do not with reads nor marked accesses with marked ones.
        let epoch = slots[slot + PLAIN_WRITE]!;
        if (epoch >>> CPU_BITS > clocks[row + (epoch & CPU_MASK)]!)
          this.unordered(row, slot, mine, PLAIN_WRITE, at);
        if (mine <= PLAIN_WRITE) {
          epoch = slots[slot + MARKED_WRITE]!;
          if (epoch >>> CPU_BITS > clocks[row + (epoch & CPU_MASK)]!)
            this.unordered(row, slot, mine, MARKED_WRITE, at);
        }
        if ((mine & WRITING) !== 0) {
          epoch = slots[slot + PLAIN_READ]!;
          if (epoch >>> CPU_BITS > clocks[row + (epoch & CPU_MASK)]!)
            this.unordered(row, slot, mine, PLAIN_READ, at);
          if (mine === PLAIN_WRITE) {
            epoch = slots[slot + MARKED_READ]!;
            if (epoch >>> CPU_BITS > clocks[row + (epoch & CPU_MASK)]!)
              this.unordered(row, slot, mine, MARKED_READ, at);
          }
        }
        epoch = slots[slot + mine]!;
        if (epoch >>> CPU_BITS <= clocks[row + (epoch & CPU_MASK)]!) {
          slots[slot + mine] = epochs[cpu]!;
          slots[slot + mine + 1] = at;
        } else this.keep(cpu, slot + mine, at);
      }
      if (act === WRITES) order.plainStore(cpu, slot, value);
      else if (act >= RMW) order.rmwWrites(cpu, slot, value, act >= RMW_RELEASE);
      else if (act === STORE) order.releaseNow(cpu, slot, value);
      else if (act === RELEASE_STORE) order.release(cpu, slot, value);
      else if (act === RELAXED_STORE) order.relaxedStore(cpu, slot, value);
    }
    return true;
  }

  private event(act: number, cpu: number, addr: Addr, value: number, traits: number): void {
    const { order } = this;
    switch (act) {
      case FENCE_FULL:
      case FENCE_READ:
      case FENCE_WRITE:
        order.fence(cpu, act !== FENCE_WRITE, act !== FENCE_READ);
        break;
      case WAIT_END:
        order.woken(cpu, value - 1);
        break;
      case NOTIFY:
        order.notify(cpu);
        break;
      case DRAIN:
        order.drain(cpu, order.slot(addr));
        break;
      case PUBLISHED:
        order.published(cpu, order.slot(addr));
        break;
      case CONSUMED:
        order.consumed(cpu, order.slot(addr), addr);
        break;
      case GRACE_PERIOD:
        order.gracePeriod(cpu);
        break;
      case RELEASED:
        if (value === SHARED && ((traits & RCU) !== 0 || this.rcu(addr))) order.readSectionEnds(cpu);
        break;
      case RACE_BEGIN:
        this.benign[cpu]! += 1;
        break;
      case RACE_END:
        this.benign[cpu]! -= 1;
        break;
      case IRQ_ENTER:
        order.interrupted(cpu, value - 1);
        this.interrupted[cpu] = this.benign[cpu]!;
        this.benign[cpu] = 0;
        break;
      case IRQ_EXIT:
        this.benign[cpu] = this.interrupted[cpu]!;
        break;
      default:
        order.begin(cpu);
    }
  }

  /** An access kept of a kind is not ordered before this one, or may not be: the kind is wide. */
  private unordered(row: number, slot: number, mine: number, kind: number, at: number): void {
    const { slots, pool, clocks, cpus } = this.order;
    const epoch = slots[slot + kind]!;
    if (epoch >= 0) {
      this.race(slot, mine, kind, slots[slot + kind + 1]!, at);
      return;
    }
    for (let other = 0; other < cpus; other += 1) {
      if (pool[2 * other - epoch]! <= clocks[row + other]!) continue;
      this.race(slot, mine, kind, pool[2 * other - epoch + 1]!, at);
      return;
    }
  }

  /** Keeps an access of a kind that is wide, or becomes so. */
  private keep(cpu: number, field: number, at: number): void {
    const { order } = this;
    const { slots, pool, cpus } = order;
    const epoch = slots[field]!;
    if (epoch > 0) {
      const place = order.take(2 * cpus);
      for (let each = 0; each < 2 * cpus; each += 1) pool[place + each] = 0;
      const other = epoch & CPU_MASK;
      pool[place + 2 * other] = epoch >>> CPU_BITS;
      pool[place + 2 * other + 1] = slots[field + 1]!;
      slots[field] = -place;
    }
    const place = 2 * cpu - slots[field]!;
    pool[place] = order.epochs[cpu]! >>> CPU_BITS;
    pool[place + 1] = at;
  }

  private race(slot: number, mine: number, kind: number, before: number, at: number): void {
    const { slots } = this.order;
    const bit = 1 << ((mine << 1) | (kind >>> 1));
    if ((slots[slot + REPORTED]! & bit) !== 0 || this.count === MAX_RACES) return;
    slots[slot + REPORTED]! |= bit;
    this.pairs[2 * this.count] = before;
    this.pairs[2 * this.count + 1] = at;
    this.count += 1;
  }

  /** The races of the execution just read. */
  private findings(trace: Trace): readonly Finding[] {
    const found = Array.from({ length: this.count }, (_, index): Finding => {
      const first = trace.event(this.pairs[2 * index]!);
      const second = trace.event(this.pairs[2 * index + 1]!);
      const word = this.name(second.addr);
      const [one, other] = [OPERATIONS[first.op]!, OPERATIONS[second.op]!];
      const write = other.writes ? second : first;
      return {
        detector: 'races',
        key: `race ${word} ${[one.name, other.name].sort().join(' ')}`,
        text: `data race on ${word}: nothing orders ${one.name} by CPU ${first.cpu} and ${other.name} by CPU ${second.cpu}`,
        details: [
          `${one.name} of ${word} by CPU ${first.cpu} at ${first.at}`,
          `${other.name} of ${word} by CPU ${second.cpu} at ${second.at}`,
          `value changed by CPU ${write.cpu}: ${hex(write.before)} -> ${hex(write.value)}`,
        ],
        at: [
          { at: first.at, cpu: first.cpu },
          { at: second.at, cpu: second.cpu },
        ],
        addresses: [second.addr],
      };
    });
    // A read before a write and one after it are the same mistake.
    return found.filter(({ key }, index) => found.findIndex((each) => each.key === key) === index);
  }
}
