/**
 * One CPU of a litmus run.
 *
 * A batch of instances runs between two barriers, so both CPUs go through the same instances at about the
 * same time; how close they come is up to the cache: the lines of a batch travel between the cores, and a
 * store waits for its line while the loads behind it go on. In between each CPU looks at half of the
 * outcomes. A CPU leaves its two register bits of 16 instances in one word.
 *
 * Before each batch a CPU lets a random few loads pass (its seed decides how many), so that the two do not
 * fall into step.
 */
import type { Addr } from '../src/arch/index.ts';
import type { Member } from './crew.ts';
import {
  type Actor,
  bindRecipe,
  finalBits,
  type LitmusName,
  type LitmusTest,
  litmusTests,
  OUTCOMES,
  type Recipe,
} from './litmus-tests.ts';

/** What a CPU of a litmus run is told. */
export interface LitmusOrders {
  readonly test: LitmusName;
  readonly recipe: Recipe;
  readonly batches: number;
  /** Batches that do not count for the rate. */
  readonly warmup: number;
  readonly instancesPerBatch: number;
  /** Bytes from an instance to the next. */
  readonly stride: number;
  readonly x: Addr;
  readonly y: Addr;
  /** Where each CPU leaves its registers. */
  readonly registers: readonly [Addr, Addr];
  /** A line a CPU. */
  readonly own: readonly [Addr, Addr];
  readonly skew: number;
  readonly seed: number;
}

/** What a CPU reports of its half. */
export interface LitmusTally {
  /** By outcome bits. */
  readonly counts: Float64Array;
  /** Milliseconds of the batches after the warm-up. */
  readonly milliseconds: number;
  /** Milliseconds of the fastest {@link WINDOW} batches in a row. */
  readonly fastest: number;
}

/** Batches over which the peak rate is taken. */
export const WINDOW = 32;

function runBatch(actor: Actor, words: Int32Array, orders: LitmusOrders, base: number, into: number): void {
  const { stride, instancesPerBatch } = orders;
  let { x, y } = orders;
  let at = into;
  for (let left = instancesPerBatch; left > 0; left -= 16) {
    let bits = 0;
    for (let k = 0; k < 16; k += 1) {
      bits = (bits << 2) | actor(x, y, base);
      x += stride;
      y += stride;
    }
    words[at] = bits;
    at += 1;
  }
}

function tally(
  words: Int32Array,
  orders: LitmusOrders,
  base: number,
  id: number,
  counts: Float64Array,
): void {
  const test: LitmusTest = litmusTests[orders.test];
  const [first, second] = [orders.registers[0] >>> 2, orders.registers[1] >>> 2];
  const blocks = orders.instancesPerBatch / 16;
  const from = id === 0 ? 0 : blocks >>> 1;
  const to = id === 0 ? blocks >>> 1 : blocks;
  const finals = test.final.length > 0;
  for (let block = from; block < to; block += 1) {
    let p = words[first + block]!;
    let q = words[second + block]!;
    // The low bits are the block's last instance.
    for (let k = 15; k >= 0; k -= 1) {
      let bits = ((p & 3) << 2) | (q & 3);
      if (finals) {
        const offset = (block * 16 + k) * orders.stride;
        bits |= finalBits(test, words[(orders.x + offset) >>> 2]!, words[(orders.y + offset) >>> 2]!, base);
      }
      counts[bits]! += 1;
      p >>>= 2;
      q >>>= 2;
    }
  }
}

/** The job of both CPUs. */
export function litmusCpu({ isa, id, words, barrier, args }: Member<LitmusOrders>): LitmusTally {
  const own = args.own[id]!;
  const test: LitmusTest = litmusTests[args.test];
  const actor = test.bind(bindRecipe(isa, args.recipe, own))[id]!;
  const counts = new Float64Array(OUTCOMES);
  const into = args.registers[id]! >>> 2;
  let random = (args.seed ^ Math.imul(id + 1, 0x9e3779b9)) | 1;
  let started = performance.now();
  let window = started;
  let fastest = Number.POSITIVE_INFINITY;
  for (let batch = 1; batch <= args.batches; batch += 1) {
    const base = 2 * batch;
    random ^= random << 13;
    random ^= random >>> 17;
    random ^= random << 5;
    barrier();
    for (let wait = (random >>> 8) % args.skew; wait > 0; wait -= 1) Atomics.load(words, (own >>> 2) + 1);
    runBatch(actor, words, args, base, into);
    barrier();
    tally(words, args, base, id, counts);
    if (batch % WINDOW === 0) {
      const now = performance.now();
      if (batch - WINDOW >= args.warmup) fastest = Math.min(fastest, now - window);
      window = now;
    }
    if (batch === args.warmup) started = performance.now();
  }
  return { counts, milliseconds: performance.now() - started, fastest };
}
