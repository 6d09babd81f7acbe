/**
 * Delays at accesses, random and seeded: what a scheduler, a cache miss or an interrupt does to a CPU at a bad moment, more often.
 *
 *   none       none
 *   uniform    after each access with the same probability
 *   targeted   the same, and a much higher probability after accesses to words that are known to be in conflict: seen in an earlier trace, or named
 *
 * How many accesses pass until the next delay is drawn beforehand (a geometric number) and counted down; an access to a target counts for many. A delay lasts a
 * random number of loads, up to `loads`; one in 64 is a sleep, which gives the core to somebody else: with more CPUs than cores a CPU that only spins
 * holds up the very one that it should let pass.
 *
 * Targets are found by a table of hashes in shared memory, which the main thread may set while the CPUs run: it looks at the rings now and then for words that several
 * CPUs access and one writes. Which accesses are delayed is a function of the seed, of the accesses that this CPU makes, and of what the table holds at the time;
 * CPUs that run free do not come out the same twice even so.
 */
import type { TracedOptions } from './access.ts';
import { TracedIsa } from './isa.ts';
import { OrderedIsa } from './order.ts';
import { targetOf } from './ring.ts';

/** Which delays. */
export type Chaos = 'none' | 'uniform' | 'targeted';

/** What delays are made with. */
export interface ChaosOptions {
  readonly chaos: Chaos;
  readonly seed: number;
  /** One access in so many is delayed. */
  readonly oneIn?: number;
  /** Loads of the longest delay that only spins. */
  readonly loads?: number;
}

/** One access in so many is delayed, unless told otherwise. */
export const ONE_IN = 256;
/** Loads of the longest delay. */
export const DELAY_LOADS = 4000;
/** One access to a target in so many is delayed. */
const ONE_TARGET_IN = 8;
/** Milliseconds of a sleep; the host may make it longer. */
const SLEEP = 0.05;

/** The delays of one CPU. */
export class Delays {
  /** Delays made. */
  struck = 0;
  /** Of those, at targets. */
  aimed = 0;
  private state: number;
  private readonly oneIn: number;
  private readonly loads: number;
  private readonly targets: Int32Array<SharedArrayBuffer>;
  private readonly pillow = new Int32Array(new SharedArrayBuffer(4));
  private readonly aims: boolean;
  private readonly weight: number;
  private left: number;

  constructor({ chaos, seed, oneIn, loads }: ChaosOptions, targets: Int32Array<SharedArrayBuffer>) {
    this.aims = chaos === 'targeted';
    this.state = (Math.imul(seed, 0x9e3779b1) ^ 0x5bd1e995) | 0;
    if (this.state === 0) this.state = 1;
    this.oneIn = Math.max(1, oneIn ?? ONE_IN);
    this.loads = Math.max(1, loads ?? DELAY_LOADS);
    this.targets = targets;
    this.weight = Math.max(1, this.oneIn / ONE_TARGET_IN);
    this.left = this.gap(this.oneIn);
  }

  private random(): number {
    let x = this.state;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.state = x;
    return x >>> 0;
  }

  /** Accesses until the next of events that one in `mean` is. */
  private gap(mean: number): number {
    if (mean <= 1) return 1;
    const part = (this.random() + 1) / 2 ** 32;
    return 1 + Math.floor(Math.log(part) / Math.log(1 - 1 / mean));
  }

  /** An access has been made, with this head of a record. */
  pass(head: number): void {
    if (this.aims && this.targets[targetOf((head & 0xffffff) << 2)] !== 0) {
      this.left -= this.weight;
      if (this.left <= 0) {
        this.aimed += 1;
        this.strike();
      }
      return;
    }
    this.left -= 1;
    if (this.left <= 0) this.strike();
  }

  private strike(): void {
    this.left = this.gap(this.oneIn);
    this.struck += 1;
    const dice = this.random();
    if ((dice & 63) === 0) {
      Atomics.wait(this.pillow, 0, 0, SLEEP);
      return;
    }
    for (let loads = (dice >>> 6) % this.loads; loads > 0; loads -= 1) Atomics.load(this.pillow, 0);
  }
}

/** {@link TracedIsa} with delays. */
export class DelayedIsa extends TracedIsa {
  private readonly delays: Delays;

  constructor(options: TracedOptions, delays: Delays) {
    super(options);
    this.delays = delays;
  }

  protected override note(head: number, value: number): void {
    super.note(head, value);
    this.delays.pass(head);
  }
}

/** {@link OrderedIsa} with delays. */
export class DelayedOrderedIsa extends OrderedIsa {
  private readonly delays: Delays;

  constructor(options: TracedOptions, delays: Delays) {
    super(options);
    this.delays = delays;
  }

  protected override note(head: number, value: number): void {
    super.note(head, value);
    this.delays.pass(head);
  }
}
