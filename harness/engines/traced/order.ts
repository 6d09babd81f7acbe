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
import { OP, RECORD_WORDS } from '../trace.ts';
import type { TracedOptions } from './access.ts';
import { TracedIsa } from './isa.ts';
import { LINE_WORDS, stripeOf } from './ring.ts';

const READ = OP.read!;
const WRITE = OP.write!;
/** Looks at a version word before a CPU sleeps. */
const SPINS = 2000;
/** Milliseconds of that sleep. */
const NAP = 0.02;

/** {@link TracedIsa} whose records have versions. */
export class OrderedIsa extends TracedIsa {
  protected readonly stripes: Int32Array<SharedArrayBuffer>;
  /** Version of the stripe that this CPU writes. */
  protected held = 0;
  private readonly pillow = new Int32Array(new SharedArrayBuffer(4));

  constructor(options: TracedOptions) {
    super(options, 'sequential');
    this.stripes = options.rings.stripes;
  }

  /** @throws RangeError: what would trap may not do so while it holds a stripe */
  private placeOf(addr: Addr): number {
    if ((addr & 3) !== 0 || addr >>> 2 >= this.words.length)
      throw new RangeError(`address ${addr} is outside the memory, or no multiple of 4`);
    return stripeOf(addr) * LINE_WORDS;
  }

  private patience(spins: number): void {
    if (spins % SPINS === SPINS - 1) Atomics.wait(this.pillow, 0, 0, NAP);
  }

  protected override look(addr: Addr): number {
    const at = this.placeOf(addr);
    for (let spins = 0; ; spins += 1) {
      const version = Atomics.load(this.stripes, at);
      if ((version & 1) === 0) return version;
      this.patience(spins);
    }
  }

  protected override torn(addr: Addr, version: number): boolean {
    return Atomics.load(this.stripes, stripeOf(addr) * LINE_WORDS) !== version;
  }

  protected override enter(addr: Addr): number {
    const at = this.placeOf(addr);
    for (let spins = 0; ; spins += 1) {
      const version = Atomics.load(this.stripes, at);
      if (
        (version & 1) === 0 &&
        Atomics.compareExchange(this.stripes, at, version, version + 1) === version
      ) {
        this.held = version;
        return Atomics.load(this.words, addr >>> 2);
      }
      this.patience(spins);
    }
  }

  private version(version: number): void {
    const { ring } = this;
    ring[LINE_WORDS + (ring[0]! & this.mask) * RECORD_WORDS + 3] = version;
  }

  protected override loaded(operation: number, addr: Addr, value: number, version: number): void {
    this.version(version);
    super.loaded(operation, addr, value, version);
  }

  protected override wrote(operation: number, addr: Addr, value: number, before: number): void {
    const version = (this.held + 2) | 0;
    Atomics.store(this.stripes, stripeOf(addr) * LINE_WORDS, version);
    this.version(version);
    super.wrote(operation, addr, value | 0, before);
  }

  protected override refused(operation: number, addr: Addr, value: number): void {
    const { held } = this;
    Atomics.store(this.stripes, stripeOf(addr) * LINE_WORDS, held);
    this.loaded(operation, addr, value, held);
  }

  protected override sees(operation: number, addr: Addr, _seen: number): number {
    for (;;) {
      const version = this.look(addr);
      const value = this.loadTo(addr);
      if (this.torn(addr, version)) continue;
      this.loaded(operation, addr, value, version);
      return value;
    }
  }

  override read(addr: Addr): number {
    return this.sees(READ, addr, 0);
  }

  override write(addr: Addr, value: number): void {
    const before = this.enter(addr);
    this.storeTo(addr, value);
    this.wrote(WRITE, addr, value, before);
  }
}
