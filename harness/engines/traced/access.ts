/**
 * The traced instruction set: each access is the machine's own instruction, made at full speed and in parallel, and a record of it in the CPU's ring.
 *
 * Nothing is shared and nothing waits, so CPUs race as they do untraced; what a record costs is a few stores to lines that only this CPU touches. The
 * record is written after its access, so a ring says what a CPU did and in which order, and nothing about the order between CPUs.
 *
 * The cost is as much the code as the stores: V8 inlines so many bytes into a loop and no more, so a load is its access and one small call. Subclasses put the
 * exact order (order.ts) and delays into that call; a thread binds one engine for life, so it has one target.
 *
 * Delays come after a record is written, which is before the next access: chaos.ts.
 *
 * Blocking is the engine's own below: waiting, parking and interrupts are as untraced. What a `spinWhile` returns is what it has seen.
 */
import { type Addr, type Isa, WAIT_NOT_EQUAL, type WaitResult } from '../../../src/arch/index.ts';
import { outside } from '../../../src/arch/isa.ts';
import { OP } from '../trace.ts';
import type { Rings } from './ring.ts';

/** An operation as it stands in a record. */
const op = (name: string): number => OP[name]! << 24;
const READ = op('read');
const WRITE = op('write');
const READ_ONCE = op('readOnce');
const WRITE_ONCE = op('writeOnce');
const LOAD_ACQUIRE = op('loadAcquire');
const STORE_RELEASE = op('storeRelease');
const LOAD = op('load');
const STORE = op('store');
const STORE_WAKE = op('storeWake');
const STORE_WAKE_ONE = op('storeWakeOne');
const SPIN_WHILE = op('spinWhile');
const SPIN_WHILE_ANY = op('spinWhileAny');
const SPIN_BRIEFLY = op('spinBriefly');
const MB = op('mb');
const RMB = op('rmb');
const WMB = op('wmb');
const WAIT = op('wait');
const WAIT_END = op('waitEnd');
const NOTIFY = op('notify');
const WAKE = op('wake');
const BLOCKED = op('blocked');
const PUBLISHED = op('published');
const CONSUMED = op('consumed');
const GRACE_PERIOD = op('gracePeriod');
const RACE_BEGIN = op('raceBegin');
const RACE_END = op('raceEnd');

/** What a traced CPU is made with. */
export interface TracedOptions {
  /** The engine whose instructions these are. */
  readonly to: Isa;
  /** The machine's memory. */
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly rings: Rings;
  readonly cpu: number;
}

/** Loads, stores, fences and waiting. */
export class TracedAccess {
  readonly engine: string;
  readonly words: Int32Array<SharedArrayBuffer>;
  protected readonly to: Isa;
  protected readonly ring: Int32Array<SharedArrayBuffer>;

  /** Passed on, and no record: it is one more at every acquisition, and no detector asks for it. */
  readonly queued: Isa['queued'];
  // The instructions, in fields of its own: the shape that V8 calls fastest.
  private readonly readOnceTo: Isa['readOnce'];
  private readonly writeOnceTo: Isa['writeOnce'];
  private readonly loadAcquireTo: Isa['loadAcquire'];
  private readonly storeReleaseTo: Isa['storeRelease'];
  protected readonly loadTo: Isa['load'];
  protected readonly storeTo: Isa['store'];
  protected readonly fetchAddTo: Isa['fetchAdd'];
  protected readonly fetchAndTo: Isa['fetchAnd'];
  protected readonly fetchOrTo: Isa['fetchOr'];
  protected readonly fetchXorTo: Isa['fetchXor'];
  protected readonly exchangeTo: Isa['exchange'];
  protected readonly compareExchangeTo: Isa['compareExchange'];

  constructor({ to, words, rings, cpu }: TracedOptions) {
    this.to = to;
    this.words = words;
    this.engine = `${to.engine}, traced`;
    this.ring = rings.ring(cpu);
    this.readOnceTo = to.readOnce;
    this.writeOnceTo = to.writeOnce;
    this.loadAcquireTo = to.loadAcquire;
    this.storeReleaseTo = to.storeRelease;
    this.loadTo = to.load;
    this.storeTo = to.store;
    this.queued = to.queued;
    this.fetchAddTo = to.fetchAdd;
    this.fetchAndTo = to.fetchAnd;
    this.fetchOrTo = to.fetchOr;
    this.fetchXorTo = to.fetchXor;
    this.exchangeTo = to.exchange;
    this.compareExchangeTo = to.compareExchange;
  }

  /** Before a store or read-modify-write: nothing, unless the exact order wants its turn. */
  protected enter(_addr: Addr): void {}

  /** A load, a store or what is no access. */
  protected note(head: number, value: number): void {
    // 8192 words of records, then their count, see ring.ts: as names these would be loaded and checked at every access.
    const { ring } = this;
    const at = ring[8192]!;
    const slot = at & 8191;
    ring[slot] = head;
    ring[slot + 1] = value;
    ring[8192] = at + 4;
  }

  /** A read-modify-write, which {@link enter} has begun. */
  protected wrote(head: number, value: number, before: number): void {
    this.ring[(this.ring[8192]! & 8191) + 2] = before;
    this.note(head, value);
  }

  /** A compareExchange, begun by {@link enter}, that found another value. */
  protected refused(head: number, value: number): void {
    this.note(head, value);
  }

  /** Writes a record that is no access. */
  annotate(operation: number, addr: Addr, value: number): void {
    this.note((operation << 24) | (addr >>> 2), value);
  }

  // Loads.

  read(addr: Addr): number {
    const value = this.words[addr >>> 2] ?? outside(addr);
    this.note(READ | (addr >>> 2), value);
    return value;
  }

  readOnce(addr: Addr): number {
    const value = this.readOnceTo(addr);
    this.note(READ_ONCE | (addr >>> 2), value);
    return value;
  }

  loadAcquire(addr: Addr): number {
    const value = this.loadAcquireTo(addr);
    this.note(LOAD_ACQUIRE | (addr >>> 2), value);
    return value;
  }

  load(addr: Addr): number {
    const value = this.loadTo(addr);
    this.note(LOAD | (addr >>> 2), value);
    return value;
  }

  // Stores.

  write(addr: Addr, value: number): void {
    this.words[addr >>> 2] = value;
    this.note(WRITE | (addr >>> 2), value);
  }

  writeOnce(addr: Addr, value: number): void {
    this.writeOnceTo(addr, value);
    this.note(WRITE_ONCE | (addr >>> 2), value);
  }

  storeRelease(addr: Addr, value: number): void {
    this.storeReleaseTo(addr, value);
    this.note(STORE_RELEASE | (addr >>> 2), value);
  }

  store(addr: Addr, value: number): void {
    this.storeTo(addr, value);
    this.note(STORE | (addr >>> 2), value);
  }

  storeWake(addr: Addr, value: number): void {
    this.to.storeWake(addr, value);
    this.note(STORE_WAKE | (addr >>> 2), value);
  }

  storeWakeOne(addr: Addr, value: number): void {
    this.to.storeWakeOne(addr, value);
    this.note(STORE_WAKE_ONE | (addr >>> 2), value);
  }

  wake(addr: Addr, count: number): void {
    this.to.wake(addr, count);
    this.note(WAKE | (addr >>> 2), count);
  }

  notify(addr: Addr, count: number): number {
    const woken = this.to.notify(addr, count);
    this.note(NOTIFY | (addr >>> 2), woken);
    return woken;
  }

  // Fences.

  mb(): void {
    this.to.mb();
    this.note(MB, 0);
  }

  rmb(): void {
    this.to.rmb();
    this.note(RMB, 0);
  }

  wmb(): void {
    this.to.wmb();
    this.note(WMB, 0);
  }

  // Waiting.

  /** A load of its own of what a wait has ended on; where no order is kept, what the wait has seen. */
  protected sees(operation: number, addr: Addr, seen: number): number {
    this.note(operation | (addr >>> 2), seen);
    return seen;
  }

  spinWhile(addr: Addr, value: number): number {
    const old = value | 0;
    for (let blocked = false; ; blocked = true) {
      let now = this.to.spinBriefly(addr, old);
      if (now === old) {
        if (!blocked) this.note(BLOCKED | (addr >>> 2), old);
        now = this.to.spinWhile(addr, old);
      }
      const seen = this.sees(SPIN_WHILE, addr, now);
      // It may have changed back before it was looked at again.
      if (seen !== old) return seen;
    }
  }

  spinWhileAny(pairs: readonly number[]): number {
    for (;;) {
      const which = this.to.spinWhileAny(pairs);
      const addr = pairs[2 * which]!;
      const seen = this.sees(SPIN_WHILE_ANY, addr, this.loadTo(addr));
      if (seen !== (pairs[2 * which + 1]! | 0)) return which;
    }
  }

  spinBriefly(addr: Addr, value: number): number {
    return this.sees(SPIN_BRIEFLY, addr, this.to.spinBriefly(addr, value));
  }

  wait(addr: Addr, value: number, timeout?: number): WaitResult {
    // The word is compared once more below; that it differed here is reason enough not to sleep.
    const seen = this.sees(WAIT, addr, this.loadTo(addr));
    const result = seen === (value | 0) ? this.to.wait(addr, value, timeout) : WAIT_NOT_EQUAL;
    this.wrote(WAIT_END | (addr >>> 2), 0, result);
    return result;
  }

  pause(): void {
    this.to.pause();
  }

  // Annotations.

  published(addr: Addr): void {
    this.note(PUBLISHED | (addr >>> 2), 0);
  }

  consumed(addr: Addr): void {
    this.note(CONSUMED | (addr >>> 2), 0);
  }

  gracePeriod(id: number): void {
    this.note(GRACE_PERIOD, id);
  }

  dataRace<T>(fn: () => T): T {
    this.note(RACE_BEGIN, 0);
    try {
      return fn();
    } finally {
      this.note(RACE_END, 0);
    }
  }
}
