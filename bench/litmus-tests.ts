/**
 * The litmus tests of two CPUs and two words, and the recipes of accesses they can be made of.
 *
 * An instance of a test is a pair of words x, y that nobody resets. Each batch has a `base` above everything
 * written before: what the literature writes as 1 and 2 is base + 1 and base + 2, and a read of anything up
 * to base is a read of the initial 0.
 *
 * Two accesses in program order make a pair: WW, RR, WR or RW. A recipe names the accesses that carry data
 * and those that synchronise:
 *
 *   WW   data write, then sync write      (send a message)        fence ww between
 *   RR   sync read, then data read        (receive it)            fence rr
 *   WR   sync write, then sync read       (store buffering)       fence wr
 *   RW   sync read, then sync write       (load buffering)        fence rw
 *
 * Names and forbidden outcomes are those of the literature (Alglave, Maranget, Tautschnig: Herding Cats,
 * 2014) and of the Linux kernel's tools/memory-model/litmus-tests.
 */
import type { Addr, Isa } from '../src/arch/index.ts';

/** An operation that writes a word. */
export type WriteOp =
  | 'write'
  | 'writeOnce'
  | 'store'
  | 'storeRelease'
  | 'storeWake'
  | 'storeWakeOne'
  | 'exchange'
  | 'exchangeAcquire'
  | 'exchangeRelease'
  | 'exchangeRelaxed';
/** An operation that reads a word; the read-modify-writes add 0. */
export type ReadOp =
  | 'read'
  | 'readOnce'
  | 'load'
  | 'loadAcquire'
  | 'fetchAdd'
  | 'fetchAddAcquire'
  | 'fetchAddRelease'
  | 'fetchAddRelaxed';
/**
 * What stands between the two accesses of a pair; `rmw` is a fully ordered read-modify-write of a word that
 * only this CPU uses.
 */
export type FenceOp = 'mb' | 'rmb' | 'wmb' | 'rmw';

/** The accesses of a test. */
export interface Recipe {
  readonly data: { readonly write: WriteOp; readonly read: ReadOp };
  readonly sync: { readonly write: WriteOp; readonly read: ReadOp };
  readonly fence?: {
    readonly ww?: FenceOp;
    readonly rr?: FenceOp;
    readonly wr?: FenceOp;
    readonly rw?: FenceOp;
  };
}

const plain = { write: 'write', read: 'read' } as const;
const once = { write: 'writeOnce', read: 'readOnce' } as const;
const seqcst = { write: 'store', read: 'load' } as const;
const relacq = { write: 'storeRelease', read: 'loadAcquire' } as const;
const everywhere = (op: FenceOp) => ({ ww: op, rr: op, wr: op, rw: op });

/** The recipes by name. */
export const recipes = {
  plain: { data: plain, sync: plain },
  once: { data: once, sync: once },
  seqcst: { data: seqcst, sync: seqcst },
  relacq: { data: once, sync: relacq },
  /** As locks do it: plain data under release and acquire. */
  'plain+relacq': { data: plain, sync: relacq },
  'once+mb': { data: once, sync: once, fence: everywhere('mb') },
  'plain+mb': { data: plain, sync: plain, fence: everywhere('mb') },
  'once+rmw': { data: once, sync: once, fence: everywhere('rmw') },
  'once+wmb+rmb': { data: once, sync: once, fence: { ww: 'wmb', rr: 'rmb' } },
  'plain+wmb+rmb': { data: plain, sync: plain, fence: { ww: 'wmb', rr: 'rmb' } },
  rmw: { data: plain, sync: { write: 'exchange', read: 'fetchAdd' } },
  'rmw-relacq': { data: plain, sync: { write: 'exchangeRelease', read: 'fetchAddAcquire' } },
  'storeWake+load': { data: plain, sync: { write: 'storeWake', read: 'load' } },
  'storeWakeOne+load': { data: plain, sync: { write: 'storeWakeOne', read: 'load' } },
} as const satisfies Record<string, Recipe>;

/** The name of a recipe. */
export type Access = keyof typeof recipes;

/** One CPU's part in an instance; its registers are the low two bits of the answer. */
export type Actor = (x: Addr, y: Addr, base: number) => number;

/** A test, bound to an engine and a recipe. */
export type Actors = readonly [Actor, Actor];

/** A litmus test. */
export interface LitmusTest {
  /** What the registers of each CPU are called, the higher bit first. */
  readonly registers: readonly [readonly string[], readonly string[]];
  /** Words whose final value (base + 1 or base + 2) belongs to the outcome. */
  readonly final: readonly ('x' | 'y')[];
  /** The outcome that no interleaving gives. */
  readonly weak: string;
  readonly bind: (to: Bound) => Actors;
}

/** A recipe bound to an engine. */
export interface Bound {
  readonly ww: (first: Addr, a: number, second: Addr, b: number) => void;
  /** Answers the first read in bit 1, the second in bit 0. */
  readonly rr: (first: Addr, second: Addr, base: number) => number;
  readonly wr: (written: Addr, value: number, read: Addr, base: number) => number;
  readonly rw: (read: Addr, written: Addr, value: number, base: number) => number;
  readonly w: (addr: Addr, value: number) => void;
}

/** 1 if a read saw this batch's write, 0 if it saw an older one. */
const seen = (value: number, base: number): number => (base - value) >>> 31;

/** Own fields are called as they are; what an engine has on its prototype is called on it. */
function writer(isa: Isa, op: WriteOp): (addr: Addr, value: number) => unknown {
  return Object.hasOwn(isa, op) ? isa[op] : (addr, value) => isa[op](addr, value);
}

function reader(isa: Isa, op: ReadOp): (addr: Addr) => number {
  if (op === 'read') return (addr) => isa.read(addr);
  if (op === 'readOnce' || op === 'load' || op === 'loadAcquire') return isa[op];
  const fetchAdd = isa[op];
  return (addr) => fetchAdd(addr, 0);
}

/** Binds a recipe to an engine. @param own a word that no other CPU uses */
export function bindRecipe(isa: Isa, recipe: Recipe, own: Addr): Bound {
  const dataWrite = writer(isa, recipe.data.write);
  const dataRead = reader(isa, recipe.data.read);
  const syncWrite = writer(isa, recipe.sync.write);
  const syncRead = reader(isa, recipe.sync.read);
  const fence = (op: FenceOp | undefined): (() => void) => {
    if (op === undefined) return () => {};
    if (op !== 'rmw') return isa[op];
    return () => {
      isa.fetchAdd(own, 1);
    };
  };
  const { ww, rr, wr, rw } = recipe.fence ?? {};
  const [fenceWw, fenceRr, fenceWr, fenceRw] = [fence(ww), fence(rr), fence(wr), fence(rw)];
  return {
    w: syncWrite,
    ww(first, a, second, b) {
      dataWrite(first, a);
      fenceWw();
      syncWrite(second, b);
    },
    rr(first, second, base) {
      const one = syncRead(first);
      fenceRr();
      const two = dataRead(second);
      return (seen(one, base) << 1) | seen(two, base);
    },
    wr(written, value, read, base) {
      syncWrite(written, value);
      fenceWr();
      return seen(syncRead(read), base);
    },
    rw(read, written, value, base) {
      const one = syncRead(read);
      fenceRw();
      syncWrite(written, value);
      return seen(one, base);
    },
  };
}

/** The tests by name. */
export const litmusTests = {
  /** Store buffering: each CPU writes its word and reads the other's. */
  SB: {
    registers: [['a'], ['a']],
    final: [],
    weak: '0:a=0; 1:a=0;',
    bind: ({ wr }) => [(x, y, base) => wr(x, base + 1, y, base), (x, y, base) => wr(y, base + 1, x, base)],
  },
  /** Message passing: y says that x is there. */
  MP: {
    registers: [[], ['a', 'b']],
    final: [],
    weak: '1:a=1; 1:b=0;',
    bind: ({ ww, rr }) => [
      (x, y, base) => {
        ww(x, base + 1, y, base + 1);
        return 0;
      },
      (x, y, base) => rr(y, x, base),
    ],
  },
  /** Load buffering: each CPU reads one word, then writes the other. */
  LB: {
    registers: [['a'], ['a']],
    final: [],
    weak: '0:a=1; 1:a=1;',
    bind: ({ rw }) => [(x, y, base) => rw(x, y, base + 1, base), (x, y, base) => rw(y, x, base + 1, base)],
  },
  S: {
    registers: [[], ['a']],
    final: ['x'],
    weak: '1:a=1; x=2;',
    bind: ({ ww, rw }) => [
      (x, y, base) => {
        ww(x, base + 2, y, base + 1);
        return 0;
      },
      (x, y, base) => rw(y, x, base + 1, base),
    ],
  },
  R: {
    registers: [[], ['a']],
    final: ['y'],
    weak: '1:a=0; y=2;',
    bind: ({ ww, wr }) => [
      (x, y, base) => {
        ww(x, base + 1, y, base + 1);
        return 0;
      },
      (x, y, base) => wr(y, base + 2, x, base),
    ],
  },
  '2+2W': {
    registers: [[], []],
    final: ['x', 'y'],
    weak: 'x=1; y=1;',
    bind: ({ ww }) => [
      (x, y, base) => {
        ww(x, base + 1, y, base + 2);
        return 0;
      },
      (x, y, base) => {
        ww(y, base + 1, x, base + 2);
        return 0;
      },
    ],
  },
  /** Coherence of two reads of one word. */
  CoRR: {
    registers: [[], ['a', 'b']],
    final: [],
    weak: '1:a=1; 1:b=0;',
    bind: ({ w, rr }) => [
      (x, _y, base) => {
        w(x, base + 1);
        return 0;
      },
      (x, _y, base) => rr(x, x, base),
    ],
  },
} as const satisfies Record<string, LitmusTest>;

/** The name of a test. */
export type LitmusName = keyof typeof litmusTests;

/**
 * Bits of an outcome: two of CPU 0, two of CPU 1, then one a final word, then whether a final word had a
 * value that nobody wrote.
 */
export const OUTCOMES = 128;
const LOST = 64;

/** Reads the final words of an instance into bits 4 to 6 of an outcome. */
export function finalBits(test: LitmusTest, x: number, y: number, base: number): number {
  let bits = 0;
  for (const [at, name] of test.final.entries()) {
    const value = (name === 'x' ? x : y) - base;
    if (value === 2) bits |= 16 << at;
    else if (value !== 1) bits |= LOST;
  }
  return bits;
}

/** An outcome in litmus7's notation, e.g. `0:a=0; 1:a=1;`. */
export function outcomeName(test: LitmusTest, bits: number): string {
  const parts: string[] = [];
  for (const [cpu, names] of test.registers.entries()) {
    const own = bits >>> (cpu === 0 ? 2 : 0);
    for (const [at, name] of names.entries())
      parts.push(`${cpu}:${name}=${(own >>> (names.length - 1 - at)) & 1};`);
  }
  for (const [at, name] of test.final.entries()) parts.push(`${name}=${bits & (16 << at) ? 2 : 1};`);
  if (bits & LOST) parts.push('a final write is lost;');
  return parts.join(' ');
}
