/**
 * The traced instruction set: each access is the machine's own instruction, made at full speed and in parallel, and a record of it in the CPU's ring.
 *
 * Nothing is shared and nothing waits, so CPUs race as they do untraced; what a record costs is a few stores to lines that only this CPU touches. The
 * record is written after its access, so a ring says what a CPU did and in which order, and nothing about the order between CPUs. Subclasses fill in what
 * the exact order needs (order.ts): a look before a load, whether what was read must be read again, a turn before a store. Here these do nothing, and V8
 * inlines them away: a thread binds one engine for life, so every call has one target.
 *
 * A delay is due when the count of records reaches `due`, one compare an access: {@link Delays} says when that is next. It strikes after an access, which is
 * before the next one.
 *
 * Blocking is the engine's own below: waiting, parking and interrupts are as untraced. What a `spinWhile` returns is what it has seen.
 */
import { type Addr, type Isa, WAIT_NOT_EQUAL, type WaitResult } from '../../../src/arch/index.ts';
import { outside } from '../../../src/arch/isa.ts';
import { OP, RECORD_WORDS } from '../trace.ts';
import type { Delays } from './chaos.ts';
import { LINE_WORDS, type Rings } from './ring.ts';

const op = (name: string): number => OP[name]!;
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
const QUEUED = op('queued');
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
  readonly delays?: Delays | undefined;
}

/** Whether an engine makes every access sequentially consistent. */
export type Strength = 'as asked' | 'sequential';

/** Loads, stores, fences and waiting. */
export class TracedAccess {
  readonly engine: string;
  readonly words: Int32Array<SharedArrayBuffer>;
  protected readonly to: Isa;
  protected readonly ring: Int32Array<SharedArrayBuffer>;
  protected readonly mask: number;
  /** Count of records at which a delay is due. */
  protected due: number;
  private readonly delays: Delays | undefined;

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

  constructor({ to, words, rings, cpu, delays }: TracedOptions, strength: Strength = 'as asked') {
    this.to = to;
    this.words = words;
    this.engine = `${to.engine}, traced`;
    this.ring = rings.ring(cpu);
    this.mask = rings.handle.records - 1;
    this.delays = delays;
    this.due = delays ? delays.next(this.ring[0]!) : -1;
    const strong = strength === 'sequential';
    this.readOnceTo = strong ? to.load : to.readOnce;
    this.writeOnceTo = strong ? to.store : to.writeOnce;
    this.loadAcquireTo = to.loadAcquire;
    this.storeReleaseTo = strong ? to.store : to.storeRelease;
    this.loadTo = to.load;
    this.storeTo = to.store;
    this.fetchAddTo = to.fetchAdd;
    this.fetchAndTo = to.fetchAnd;
    this.fetchOrTo = to.fetchOr;
    this.fetchXorTo = to.fetchXor;
    this.exchangeTo = to.exchange;
    this.compareExchangeTo = to.compareExchange;
  }

  // What the exact order fills in.

  /** Before a load. @returns a version */
  protected look(_addr: Addr): number {
    return 0;
  }

  /** After a load: whether it must be made again. */
  protected torn(_addr: Addr, _version: number): boolean {
    return false;
  }

  /** Before a store or read-modify-write. @returns what the word holds, for stores, where that is known */
  protected enter(_addr: Addr): number {
    return 0;
  }

  // Records.

  /** A load. */
  protected loaded(operation: number, addr: Addr, value: number, _version: number): void {
    const { ring } = this;
    const count = ring[0]!;
    const at = LINE_WORDS + (count & this.mask) * RECORD_WORDS;
    ring[at] = (operation << 24) | (addr >>> 2);
    ring[at + 1] = value;
    ring[0] = count + 1;
    if (count === this.due) this.delay(addr);
  }

  /** A store or a read-modify-write, which {@link enter} has begun. */
  protected wrote(operation: number, addr: Addr, value: number, before: number): void {
    const { ring } = this;
    const count = ring[0]!;
    const at = LINE_WORDS + (count & this.mask) * RECORD_WORDS;
    ring[at] = (operation << 24) | (addr >>> 2);
    ring[at + 1] = value;
    ring[at + 2] = before;
    ring[0] = count + 1;
    if (count === this.due) this.delay(addr);
  }

  /** A compareExchange, begun by {@link enter}, that found another value. */
  protected refused(operation: number, addr: Addr, value: number): void {
    this.loaded(operation, addr, value, 0);
  }

  /** Writes a record that is no access. */
  annotate(operation: number, addr: Addr, value: number, before = 0): void {
    const { ring } = this;
    const count = ring[0]!;
    const at = LINE_WORDS + (count & this.mask) * RECORD_WORDS;
    ring[at] = (operation << 24) | (addr >>> 2);
    ring[at + 1] = value;
    ring[at + 2] = before;
    ring[0] = count + 1;
    if (count === this.due) this.due = count + 1;
  }

  private delay(addr: Addr): void {
    this.delays?.strike(addr);
    this.due = this.delays?.next(this.ring[0]!) ?? -1;
  }

  // Loads.

  read(addr: Addr): number {
    for (;;) {
      const version = this.look(addr);
      const value = this.words[addr >>> 2] ?? outside(addr);
      if (this.torn(addr, version)) continue;
      this.loaded(READ, addr, value, version);
      return value;
    }
  }

  readOnce(addr: Addr): number {
    for (;;) {
      const version = this.look(addr);
      const value = this.readOnceTo(addr);
      if (this.torn(addr, version)) continue;
      this.loaded(READ_ONCE, addr, value, version);
      return value;
    }
  }

  loadAcquire(addr: Addr): number {
    for (;;) {
      const version = this.look(addr);
      const value = this.loadAcquireTo(addr);
      if (this.torn(addr, version)) continue;
      this.loaded(LOAD_ACQUIRE, addr, value, version);
      return value;
    }
  }

  load(addr: Addr): number {
    for (;;) {
      const version = this.look(addr);
      const value = this.loadTo(addr);
      if (this.torn(addr, version)) continue;
      this.loaded(LOAD, addr, value, version);
      return value;
    }
  }

  // Stores.

  write(addr: Addr, value: number): void {
    const before = this.enter(addr);
    this.words[addr >>> 2] = value;
    this.wrote(WRITE, addr, value, before);
  }

  writeOnce(addr: Addr, value: number): void {
    const before = this.enter(addr);
    this.writeOnceTo(addr, value);
    this.wrote(WRITE_ONCE, addr, value, before);
  }

  storeRelease(addr: Addr, value: number): void {
    const before = this.enter(addr);
    this.storeReleaseTo(addr, value);
    this.wrote(STORE_RELEASE, addr, value, before);
  }

  store(addr: Addr, value: number): void {
    const before = this.enter(addr);
    this.storeTo(addr, value);
    this.wrote(STORE, addr, value, before);
  }

  storeWake(addr: Addr, value: number): void {
    const before = this.enter(addr);
    this.storeTo(addr, value);
    this.wrote(STORE_WAKE, addr, value, before);
    this.to.wake(addr, -1);
  }

  storeWakeOne(addr: Addr, value: number): void {
    const before = this.enter(addr);
    this.storeTo(addr, value);
    this.wrote(STORE_WAKE_ONE, addr, value, before);
    this.to.wake(addr, 1);
  }

  wake(addr: Addr, count: number): void {
    this.to.wake(addr, count);
    this.annotate(WAKE, addr, count);
  }

  notify(addr: Addr, count: number): number {
    const woken = this.to.notify(addr, count);
    this.annotate(NOTIFY, addr, woken);
    return woken;
  }

  // Fences.

  mb(): void {
    this.to.mb();
    this.annotate(MB, 0, 0);
  }

  rmb(): void {
    this.to.rmb();
    this.annotate(RMB, 0, 0);
  }

  wmb(): void {
    this.to.wmb();
    this.annotate(WMB, 0, 0);
  }

  // Waiting.

  /** A load of its own of what a wait has ended on; where no order is kept, what the wait has seen. */
  protected sees(operation: number, addr: Addr, seen: number): number {
    this.loaded(operation, addr, seen, 0);
    return seen;
  }

  spinWhile(addr: Addr, value: number): number {
    const old = value | 0;
    for (let blocked = false; ; blocked = true) {
      let now = this.to.spinBriefly(addr, old);
      if (now === old) {
        if (!blocked) this.annotate(BLOCKED, addr, old);
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
    this.annotate(WAIT_END, addr, 0, result);
    return result;
  }

  pause(): void {
    this.to.pause();
  }

  // Annotations.

  queued(lock: Addr): void {
    this.annotate(QUEUED, lock, 0);
    this.to.queued(lock);
  }

  published(addr: Addr): void {
    this.annotate(PUBLISHED, addr, 0);
  }

  consumed(addr: Addr): void {
    this.annotate(CONSUMED, addr, 0);
  }

  gracePeriod(id: number): void {
    this.annotate(GRACE_PERIOD, 0, id);
  }

  dataRace<T>(fn: () => T): T {
    this.annotate(RACE_BEGIN, 0, 0);
    try {
      return fn();
    } finally {
      this.annotate(RACE_END, 0, 0);
    }
  }
}
