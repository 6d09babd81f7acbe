/**
 * The happens-before order of a trace, by vector clocks (Mattern 1989; Fidge 1988), with the edges of C11 as the kernel's operations map to them.
 *
 *   clock of a CPU    what of every CPU has happened before its next record; its own entry grows after each release
 *   entry             what a store published: value, the store before it in memory order, and a clock (all zeros: nothing)
 *
 * Edges, from what was done before the first to what is done after the second:
 *
 *   release store or RMW      an acquire load that reads from it, or from an RMW of its release sequence
 *   fence (mb, wmb), store    the same, where the store is relaxed; the store itself is not ordered
 *   load, fence (mb, rmb)     the same, where the load is relaxed: the edge ends at the fence
 *   notify                    `waitEnd` of whom it woke, taken to be the waker's latest notify
 *   published                 `consumed` of that object; `consumed` also acquires what the CPU's last relaxed load read, if it read that address: a
 *                             dependency orders what hangs on the pointer
 *   end of a read section     `gracePeriod` after it, of any RCU (`released` of a lock that `rcu` knows, mode shared)
 *   sender, up to now         `irqEnter`
 *   all before the first      `begin`: initialisation
 *
 * Locks make no edges; the accesses that they are made of do. So a lock that lacks an acquire or a release is found by the races that it lets in.
 *
 * Reads-from. Stores take effect in memory order: at their record, or, in a trace that has `drain` records, at the drain for `write`, `writeOnce` and
 * `storeRelease`; until then only their own CPU sees them, which needs no edge. The n-th drain of a CPU at a word belongs to its n-th such store there. A load reads
 * from the latest store that left the value it returned. A stale load of the weak model so finds its store; where a word held a value
 * twice it finds the later one, which can hide a race and never invents one.
 *
 * Deliberately lenient, for a false alarm costs more than a miss that another schedule shows: wmb also orders earlier loads and rmb later stores, as a C11 fence
 * would (a branch on the loaded value orders stores, and no trace shows branches), and `consumed` orders all that follows.
 *
 * Clocks and entries lie in typed arrays that grow and are never cleared: a word gets a dense slot when an execution first touches it, and slots of earlier
 * executions are told by their number.
 */
import type { Addr } from '../../src/arch/index.ts';

/** The most CPUs: an epoch keeps its CPU in four bits. */
export const MAX_ORDERED = 16;
/** Bits of an epoch below the clock. */
export const CPU_BITS = 4;
/** Words that a slot has; the first eight are the race detector's. */
const SLOT = 16;
const SYNC = 8;
const PUBLISHED = 9;
/** The word of a slot in which the race detector notes what it has reported. */
export const REPORTED = 10;

const VALUE = 0;
const NEXT = 1;
const WHERE = 2;
const CLOCK = 3;

/** The order of one execution at a time. */
export class Order {
  readonly cpus: number;
  /** clocks[cpu * cpus + other]: what `cpu` knows of `other`. */
  readonly clocks: Int32Array;
  /** The CPU's own clock and its number in one word. */
  readonly epochs: Int32Array;
  /** SLOT words for each word that the execution has touched. */
  slots: Int32Array;
  /** Bump-allocated: entries, and whatever the race detector puts there. */
  pool: Int32Array;
  private top = 0;
  private readonly slotAt: Int32Array;
  private base = 1;
  private used = 0;
  private readonly entry: number;
  private readonly fences: Int32Array;
  private readonly seen: Int32Array;
  private readonly notified: Int32Array;
  private readonly graced: Int32Array;
  private readonly started: Int32Array;
  private readonly lastRead: Int32Array;
  private readonly lastValue: Int32Array;
  private readonly oldest: Int32Array;
  private readonly newest: Int32Array;
  private buffered = false;
  private begun = false;

  constructor(cpus: number, bytes: number) {
    if (!Number.isInteger(cpus) || cpus < 1 || cpus > MAX_ORDERED)
      throw new RangeError(`the happens-before order has 1 to ${MAX_ORDERED} CPUs, not ${cpus}`);
    this.cpus = cpus;
    // Padded: the low bits of a word that is no epoch may be looked up, too.
    this.clocks = new Int32Array(cpus * cpus + MAX_ORDERED);
    this.epochs = new Int32Array(cpus);
    this.entry = CLOCK + cpus;
    this.slotAt = new Int32Array(bytes >>> 2);
    this.slots = new Int32Array(0);
    this.pool = new Int32Array(0);
    this.fences = new Int32Array(cpus * cpus);
    this.seen = new Int32Array(cpus * cpus);
    this.notified = new Int32Array(cpus * cpus);
    this.graced = new Int32Array(cpus);
    this.started = new Int32Array(cpus);
    this.lastRead = new Int32Array(cpus);
    this.lastValue = new Int32Array(cpus);
    this.oldest = new Int32Array(cpus);
    this.newest = new Int32Array(cpus);
  }

  /**
   * An execution begins.
   * @param records that it has at most
   * @param buffered whether plain, relaxed and release stores reach memory at their drain
   */
  start(records: number, buffered: boolean): void {
    const room = (records + 2) * (this.entry + 2 * this.cpus);
    if (this.pool.length < room) this.pool = new Int32Array(2 * room);
    if (this.slots.length < (records + 1) * SLOT) this.slots = new Int32Array(2 * (records + 1) * SLOT);
    this.base += this.used;
    if (this.base > 0x3fffffff) {
      this.slotAt.fill(0);
      this.base = 1;
    }
    this.used = 0;
    // Offset 0 stands for no entry.
    this.top = 1;
    this.buffered = buffered;
    this.begun = false;
    for (const each of [this.clocks, this.fences, this.seen, this.notified, this.graced]) each.fill(0);
    for (const each of [this.lastRead, this.oldest, this.newest]) each.fill(0);
    for (let cpu = 0; cpu < this.cpus; cpu += 1) {
      this.clocks[cpu * this.cpus + cpu] = 1;
      this.epochs[cpu] = (1 << CPU_BITS) | cpu;
    }
  }

  /** Where the slot of a word begins. */
  slot(addr: Addr): number {
    const word = addr >>> 2;
    const known = this.slotAt[word]! - this.base;
    if (known >= 0) return known * SLOT;
    return this.newSlot(word);
  }

  private newSlot(word: number): number {
    if (word >= this.slotAt.length)
      throw new RangeError(`word ${word} of a trace lies outside the ${4 * this.slotAt.length} bytes given`);
    const slot = this.used;
    this.used = slot + 1;
    this.slotAt[word] = this.base + slot;
    const end = slot * SLOT + REPORTED + 1;
    for (let at = slot * SLOT; at < end; at += 1) this.slots[at] = 0;
    return slot * SLOT;
  }

  /** Takes words of the pool, which are not zeroed. */
  take(count: number): number {
    const at = this.top;
    this.top = at + count;
    return at;
  }

  /** What follows is in a new epoch: what was published does not hold for it. */
  private tick(cpu: number): void {
    this.clocks[cpu * this.cpus + cpu]! += 1;
    this.epochs[cpu]! += 1 << CPU_BITS;
  }

  private join(to: Int32Array, toAt: number, from: Int32Array, fromAt: number): void {
    for (let at = 0; at < this.cpus; at += 1) {
      const value = from[fromAt + at]!;
      if (value > to[toAt + at]!) to[toAt + at] = value;
    }
  }

  private copy(to: Int32Array, toAt: number, from: Int32Array, fromAt: number): void {
    for (let at = 0; at < this.cpus; at += 1) to[toAt + at] = from[fromAt + at]!;
  }

  /** The entry that a load of this value read from; 0: none, or the CPU's own. */
  private source(cpu: number, slot: number, value: number): number {
    if (this.buffered) {
      for (let own = this.oldest[cpu]!; own !== 0; own = this.pool[own + NEXT]!)
        if (this.pool[own + WHERE] === slot) return 0;
    }
    let entry = this.slots[slot + SYNC]!;
    while (entry !== 0 && this.pool[entry + VALUE] !== value) entry = this.pool[entry + NEXT]!;
    return entry;
  }

  /** A load that acquires. */
  acquire(cpu: number, slot: number, value: number): void {
    if (this.slots[slot + SYNC] === 0) return;
    const entry = this.source(cpu, slot, value);
    if (entry !== 0) this.join(this.clocks, cpu * this.cpus, this.pool, entry + CLOCK);
  }

  /** A load that does not; a fence may acquire it later. */
  relaxed(cpu: number, slot: number, value: number): void {
    this.lastRead[cpu] = 0;
    if (this.slots[slot + SYNC] === 0) return;
    const entry = this.source(cpu, slot, value);
    if (entry === 0) return;
    this.lastRead[cpu] = entry;
    this.lastValue[cpu] = value;
    this.join(this.seen, cpu * this.cpus, this.pool, entry + CLOCK);
  }

  /** A store that publishes `from`; it has taken effect unless it is buffered. */
  private publish(cpu: number, slot: number, value: number, from: Int32Array, fromAt: number): void {
    const entry = this.take(this.entry);
    const { pool } = this;
    pool[entry + VALUE] = value;
    this.copy(pool, entry + CLOCK, from, fromAt);
    if (this.buffered) this.enqueue(cpu, slot, entry);
    else {
      pool[entry + NEXT] = this.slots[slot + SYNC]!;
      this.slots[slot + SYNC] = entry;
    }
  }

  private enqueue(cpu: number, slot: number, entry: number): void {
    const { pool } = this;
    pool[entry + NEXT] = 0;
    pool[entry + WHERE] = slot;
    if (this.oldest[cpu] === 0) this.oldest[cpu] = entry;
    else pool[this.newest[cpu]! + NEXT] = entry;
    this.newest[cpu] = entry;
  }

  /** The oldest buffered store of a CPU to a word reaches memory. */
  drain(cpu: number, slot: number): void {
    const { pool } = this;
    let before = 0;
    let entry = this.oldest[cpu]!;
    while (entry !== 0 && pool[entry + WHERE] !== slot) {
      before = entry;
      entry = pool[entry + NEXT]!;
    }
    if (entry === 0) return;
    if (before === 0) this.oldest[cpu] = pool[entry + NEXT]!;
    else pool[before + NEXT] = pool[entry + NEXT]!;
    if (this.newest[cpu] === entry) this.newest[cpu] = before;
    pool[entry + NEXT] = this.slots[slot + SYNC]!;
    this.slots[slot + SYNC] = entry;
  }

  /** `writeOnce`: publishes what a fence before it covers. */
  relaxedStore(cpu: number, slot: number, value: number): void {
    const row = cpu * this.cpus;
    // The CPU's own entry is 0 before its first fence.
    if (this.buffered || this.fences[row + cpu] !== 0) this.publish(cpu, slot, value, this.fences, row);
    else this.slots[slot + SYNC] = 0;
  }

  /** `write`: publishes nothing, whatever stands before it. */
  plainStore(cpu: number, slot: number, value: number): void {
    if (this.buffered) this.publish(cpu, slot, value, ZEROS, 0);
    else this.slots[slot + SYNC] = 0;
  }

  /** `storeRelease`. Call it after the store itself is accounted for: the CPU is in a new epoch then. */
  release(cpu: number, slot: number, value: number): void {
    this.publish(cpu, slot, value, this.clocks, cpu * this.cpus);
    this.tick(cpu);
  }

  /** `store` and its kin, which never stay in a buffer. */
  releaseNow(cpu: number, slot: number, value: number): void {
    const { buffered } = this;
    this.buffered = false;
    this.release(cpu, slot, value);
    this.buffered = buffered;
  }

  /** The reading half of a read-modify-write. */
  rmwReads(cpu: number, slot: number, acquires: boolean): void {
    const entry = this.slots[slot + SYNC]!;
    if (entry === 0) return;
    const to = acquires ? this.clocks : this.seen;
    this.join(to, cpu * this.cpus, this.pool, entry + CLOCK);
  }

  /** The writing half: goes on with the release sequence of what it read. */
  rmwWrites(cpu: number, slot: number, value: number, releases: boolean): void {
    const old = this.slots[slot + SYNC]!;
    const row = cpu * this.cpus;
    if (!releases && old === 0 && !this.buffered && this.fences[row + cpu] === 0) return;
    const entry = this.take(this.entry);
    const { pool } = this;
    pool[entry + VALUE] = value;
    pool[entry + NEXT] = old;
    this.copy(pool, entry + CLOCK, releases ? this.clocks : this.fences, row);
    if (old !== 0) this.join(pool, entry + CLOCK, pool, old + CLOCK);
    this.slots[slot + SYNC] = entry;
    if (releases) this.tick(cpu);
  }

  fence(cpu: number, acquires: boolean, releases: boolean): void {
    const row = cpu * this.cpus;
    if (acquires) this.join(this.clocks, row, this.seen, row);
    if (!releases) return;
    this.copy(this.fences, row, this.clocks, row);
    this.tick(cpu);
  }

  notify(cpu: number): void {
    this.copy(this.notified, cpu * this.cpus, this.clocks, cpu * this.cpus);
    this.tick(cpu);
  }

  woken(cpu: number, by: number): void {
    if (by >= 0 && by < this.cpus) this.join(this.clocks, cpu * this.cpus, this.notified, by * this.cpus);
  }

  published(cpu: number, slot: number): void {
    const entry = this.take(this.entry);
    this.copy(this.pool, entry + CLOCK, this.clocks, cpu * this.cpus);
    this.slots[slot + PUBLISHED] = entry;
    this.tick(cpu);
  }

  consumed(cpu: number, slot: number, addr: Addr): void {
    const row = cpu * this.cpus;
    const entry = this.slots[slot + PUBLISHED]!;
    if (entry !== 0) this.join(this.clocks, row, this.pool, entry + CLOCK);
    const read = this.lastRead[cpu]!;
    // Objects lie on multiples of 4: what the low bits of a pointer hold is a tag.
    if (read !== 0 && (this.lastValue[cpu]! & ~3) === addr)
      this.join(this.clocks, row, this.pool, read + CLOCK);
  }

  readSectionEnds(cpu: number): void {
    this.join(this.graced, 0, this.clocks, cpu * this.cpus);
    this.tick(cpu);
  }

  gracePeriod(cpu: number): void {
    this.join(this.clocks, cpu * this.cpus, this.graced, 0);
  }

  interrupted(cpu: number, by: number): void {
    if (by < 0 || by >= this.cpus || by === cpu) return;
    this.join(this.clocks, cpu * this.cpus, this.clocks, by * this.cpus);
    this.tick(by);
  }

  begin(cpu: number): void {
    if (!this.begun) {
      this.begun = true;
      this.started.fill(0);
      for (let each = 0; each < this.cpus; each += 1) {
        this.join(this.started, 0, this.clocks, each * this.cpus);
      }
      for (let each = 0; each < this.cpus; each += 1) this.tick(each);
    }
    this.join(this.clocks, cpu * this.cpus, this.started, 0);
  }
}

const ZEROS = new Int32Array(MAX_ORDERED);
