/**
 * The exact order of conflicting accesses, on demand: version words, striped by address.
 *
 * Each address has a stripe (a hash; 256 of them, a line each), each stripe a version word: even when free, odd while a CPU writes.
 *
 *   store, read-modify-write   version v → v + 1 (compareExchange, spins while it is odd);  the access;  version → v + 2;  recorded with v + 2
 *   compareExchange, refused   the same, but version → v again: nothing was written;  recorded with v
 *   load                       version v, even;  the access;  version still v, or all of it again;  recorded with v
 *
 * Writes of a stripe exclude each other, so their versions are their order, without a gap. A load that saw v before and after was made while nobody
 * wrote: after the write that brought v and before the one that brings v + 2. So of any two accesses to a word of which one writes, the versions say which
 * came first. There is no counter that all CPUs share: CPUs meet on a stripe only where they meet on its words, or on another word of one hash.
 *
 * All of that is consistent with one order in time (each write at its access, each load at any moment between its two looks), and so is the
 * program order of each CPU. So program order and stripe orders together have no cycle, and any merge of them is an execution that every load agrees with:
 * reconstruct.ts. A cycle, a gap or a load that disagrees means that the trace is not what happened.
 *
 * Ordering: version words and accesses are all sequentially consistent. A plain store could become visible before the version that announces it,
 * a plain load could be made after the second look. So what runs in this order is sequentially consistent: failures that need a store buffer or a relaxed
 * load do not show here, and CPUs that go for one word get into each other's way more. The local ring has neither effect.
 *
 * A lock word is held for one access, and no interrupt, wait or delay comes between; a CPU that is preempted there makes the others of its stripe spin, and
 * then sleep for short times.
 *
 * What is accessed past `isa` (the CPU's own area, the parked counters of waiting) has no place in the order.
 */
import type { Addr } from '../../../src/arch/index.ts';
import { OP } from '../trace.ts';
import type { TracedOptions } from './access.ts';
import { TracedIsa } from './isa.ts';
import { stripeOf } from './ring.ts';

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
const WAIT_END = OP.waitEnd!;
// Numbers of ring.ts, see access.ts: the records of a ring, and the words from one stripe to the next.
const WORDS = 8191;
const COUNT = 8192;
const STRIPE = 16;
/** Looks at a version word before a CPU sleeps. */
const SPINS = 2000;
/** Milliseconds of that sleep. */
const NAP = 0.02;

/** {@link TracedIsa} whose records have versions. */
export class OrderedIsa extends TracedIsa {
  protected readonly stripes: Int32Array<SharedArrayBuffer>;
  /** Version of the stripe that this CPU writes. */
  protected held = 0;
  /** Its place. */
  protected stripe = 0;
  private readonly pillow = new Int32Array(new SharedArrayBuffer(4));

  constructor(options: TracedOptions) {
    super(options);
    this.stripes = options.rings.stripes;
  }

  /** @throws RangeError: what would trap may not do so while it holds a stripe */
  private placeOf(addr: Addr): number {
    if ((addr & 3) !== 0 || addr >>> 2 >= this.words.length)
      throw new RangeError(`address ${addr} is outside the memory, or no multiple of 4`);
    return stripeOf(addr) * STRIPE;
  }

  private patience(spins: number): void {
    if (spins % SPINS === SPINS - 1) Atomics.wait(this.pillow, 0, 0, NAP);
  }

  /** Before a load. @returns the version of its stripe */
  protected look(at: number): number {
    for (let spins = 0; ; spins += 1) {
      const version = Atomics.load(this.stripes, at);
      if ((version & 1) === 0) return version;
      this.patience(spins);
    }
  }

  protected override enter(addr: Addr): void {
    const at = this.placeOf(addr);
    for (let spins = 0; ; spins += 1) {
      const version = Atomics.load(this.stripes, at);
      if (
        (version & 1) === 0 &&
        Atomics.compareExchange(this.stripes, at, version, version + 1) === version
      ) {
        this.held = version;
        this.stripe = at;
        return;
      }
      this.patience(spins);
    }
  }

  /** Ends what {@link enter} began; the next record has this version. */
  protected leave(version: number): void {
    Atomics.store(this.stripes, this.stripe, version);
    this.version(version);
  }

  private version(version: number): void {
    const { ring } = this;
    ring[(ring[COUNT]! & WORDS) + 3] = version;
  }

  protected override wrote(head: number, value: number, before: number): void {
    if (head >>> 24 !== WAIT_END) this.leave((this.held + 2) | 0);
    super.wrote(head, value, before);
  }

  protected override refused(head: number, value: number): void {
    this.leave(this.held);
    super.refused(head, value);
  }

  protected override sees(operation: number, addr: Addr, _seen: number): number {
    const at = this.placeOf(addr);
    for (;;) {
      const version = this.look(at);
      const value = this.loadTo(addr);
      if (Atomics.load(this.stripes, at) !== version) continue;
      this.version(version);
      this.note(operation | (addr >>> 2), value);
      return value;
    }
  }

  private puts(operation: number, addr: Addr, value: number): void {
    this.enter(addr);
    const before = this.loadTo(addr);
    this.storeTo(addr, value);
    this.wrote(operation | (addr >>> 2), value | 0, before);
  }

  override read(addr: Addr): number {
    return this.sees(READ, addr, 0);
  }

  override readOnce(addr: Addr): number {
    return this.sees(READ_ONCE, addr, 0);
  }

  override loadAcquire(addr: Addr): number {
    return this.sees(LOAD_ACQUIRE, addr, 0);
  }

  override load(addr: Addr): number {
    return this.sees(LOAD, addr, 0);
  }

  override write(addr: Addr, value: number): void {
    this.puts(WRITE, addr, value);
  }

  override writeOnce(addr: Addr, value: number): void {
    this.puts(WRITE_ONCE, addr, value);
  }

  override storeRelease(addr: Addr, value: number): void {
    this.puts(STORE_RELEASE, addr, value);
  }

  override store(addr: Addr, value: number): void {
    this.puts(STORE, addr, value);
  }

  override storeWake(addr: Addr, value: number): void {
    this.puts(STORE_WAKE, addr, value);
    this.to.wake(addr, -1);
  }

  override storeWakeOne(addr: Addr, value: number): void {
    this.puts(STORE_WAKE_ONE, addr, value);
    this.to.wake(addr, 1);
  }
}
