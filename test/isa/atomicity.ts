/**
 * Two CPUs, one word: no read-modify-write loses another's.
 *
 * Each property is exact, so that one lost operation in a run is enough:
 *
 *   fetchAdd          both add 1: every old value is answered once, so their sum is known
 *   fetchOr, fetchAnd each CPU sets and clears a bit of its own and must find it as it left it
 *   fetchXor          the same with toggling
 *   exchange          each CPU holds a token and trades it for the word's: no token is doubled or lost
 *   compareExchange   both count up from what they read: as many successes as the word has grown
 *
 * The counts cross 2^31.
 */
import type { Job } from '../../bench/crew.ts';
import { createMachine } from '../../src/memory/index.ts';
import { engineFor, must, type Row, runToEnd } from './rows.ts';

const suffixes = ['', 'Acquire', 'Release', 'Relaxed'] as const;
const ROUNDS = 100_000;

interface AtomicityOrders {
  readonly rounds: number;
  /** A line for each form. */
  readonly at: number;
}

/** What a CPU found, by form; summed modulo 2^32 where it counts. */
type Findings = readonly number[];
type AtomicityJob = Job<AtomicityOrders, Findings>;

const line = (orders: AtomicityOrders, form: number): number => orders.at + 64 * form;

export const addBoth: AtomicityJob = ({ isa, barrier, args }) =>
  suffixes.map((suffix, form) => {
    const op = isa[`fetchAdd${suffix}`];
    const at = line(args, form);
    let sum = 0;
    barrier();
    for (let round = 0; round < args.rounds; round += 1) sum = (sum + op(at, 1)) | 0;
    return sum;
  });

export const toggleBits: AtomicityJob = ({ isa, id, barrier, args }) =>
  suffixes.map((suffix, form) => {
    const or = isa[`fetchOr${suffix}`];
    const and = isa[`fetchAnd${suffix}`];
    const at = line(args, form);
    const bit = id === 0 ? 1 : -0x80000000;
    let wrong = 0;
    barrier();
    for (let round = 0; round < args.rounds; round += 1) {
      if ((or(at, bit) & bit) !== 0) wrong += 1;
      if ((and(at, ~bit) & bit) === 0) wrong += 1;
    }
    return wrong;
  });

export const flipBits: AtomicityJob = ({ isa, id, barrier, args }) =>
  suffixes.map((suffix, form) => {
    const op = isa[`fetchXor${suffix}`];
    const at = line(args, form);
    const bit = id === 0 ? 1 : -0x80000000;
    let wrong = 0;
    barrier();
    for (let round = 0; round < args.rounds; round += 1) {
      if ((op(at, bit) & bit) !== ((round & 1) === 0 ? 0 : bit)) wrong += 1;
    }
    return wrong;
  });

export const tradeTokens: AtomicityJob = ({ isa, id, barrier, args }) =>
  suffixes.map((suffix, form) => {
    const op = isa[`exchange${suffix}`];
    const at = line(args, form);
    let hand = id + 1;
    barrier();
    for (let round = 0; round < args.rounds; round += 1) hand = op(at, hand);
    return hand;
  });

export const countByCompare: AtomicityJob = ({ isa, barrier, args }) =>
  suffixes.map((suffix, form) => {
    const op = isa[`compareExchange${suffix}`];
    const at = line(args, form);
    let tries = 0;
    barrier();
    for (let round = 0; round < args.rounds; round += 1) {
      for (let old = isa.readOnce(at); ; tries += 1) {
        const now = op(at, old, (old + 1) | 0);
        if (now === old) break;
        old = now;
      }
    }
    return tries;
  });

type Judge = (word: number, found: readonly number[], rounds: number, first: number) => string | undefined;

function row(name: string, jobName: string, first: (rounds: number) => number, judge: Judge): Row {
  return {
    name,
    mixed: true,
    long: 10,
    async run(subject, effort) {
      const rounds = Math.round(ROUNDS * effort.times);
      const machine = createMachine({ cpus: 2 });
      const at = machine.alloc(64 * suffixes.length);
      for (const [form] of suffixes.entries()) machine.words[(at + 64 * form) >>> 2] = first(rounds);
      const job = { module: import.meta.url, name: jobName };
      const args: AtomicityOrders = { rounds, at };
      const crew = { machine, engine: engineFor(subject), job, args };
      const found = await runToEnd<AtomicityOrders, Findings>(crew, effort);
      for (const [form, suffix] of suffixes.entries()) {
        const word = machine.words[(at + 64 * form) >>> 2]!;
        const each = found.map((forms) => forms[form]!);
        const wrong = judge(word, each, rounds, first(rounds));
        must(wrong === undefined, () => `${suffix || 'full'} form: ${wrong}`);
      }
    },
  };
}

const zero = (): number => 0;
const nearSignChange = (rounds: number): number => (0x7fffffff - rounds) | 0;

/** The sum of n old values from first on, modulo 2^32. */
function sumFrom(first: number, n: number): number {
  return Number(BigInt.asIntN(32, BigInt(n) * BigInt(first) + (BigInt(n) * BigInt(n - 1)) / 2n));
}

function bitsKept(word: number, found: readonly number[]): string | undefined {
  const wrong = found.reduce((a, b) => a + b, 0);
  if (wrong > 0) return `a CPU found its own bit changed ${wrong} times`;
  return word === 0 ? undefined : `the word is ${word} after every bit was cleared`;
}

export const atomicityRows: readonly Row[] = [
  row('fetchAdd of two CPUs loses nothing', 'addBoth', nearSignChange, (word, found, rounds, first) => {
    const expected = (first + 2 * rounds) | 0;
    if (word !== expected)
      return `the word is ${word}, not ${expected}: ${(expected - word) | 0} additions are lost`;
    const sum = found.reduce((a, b) => (a + b) | 0, 0);
    return sum === sumFrom(first, 2 * rounds) ? undefined : 'an old value was answered twice';
  }),
  row('fetchOr and fetchAnd of two CPUs lose nothing', 'toggleBits', zero, bitsKept),
  row('fetchXor of two CPUs loses nothing', 'flipBits', zero, bitsKept),
  row(
    'exchange of two CPUs neither loses nor doubles a value',
    'tradeTokens',
    () => 3,
    (word, found) => {
      const tokens = [...found, word].sort((a, b) => a - b);
      return tokens.join() === '1,2,3'
        ? undefined
        : `of the tokens 1, 2 and 3 there are ${tokens.join(', ')}`;
    },
  ),
  row(
    'compareExchange of two CPUs succeeds once for each value',
    'countByCompare',
    nearSignChange,
    (word, _found, rounds, first) => {
      const expected = (first + 2 * rounds) | 0;
      return word === expected
        ? undefined
        : `the word is ${word}, not ${expected}: two CPUs succeeded on one value`;
    },
  ),
];
