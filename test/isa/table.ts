/**
 * What every engine must do, may do and must show: the conformance table.
 *
 * A litmus row has up to three verdicts. `everywhere` is the contract of the instruction set (the Linux
 * kernel memory model for the weak operations, sequential consistency for `load` and `store`). `tso` is what
 * a processor that only delays its own stores (x86) keeps beyond it for accesses that no JIT may move.
 * `observed` names the engines on which such a processor, given two cores, must show the weak outcome: there
 * the machine is known to be weak, and a run that cannot see it would prove nothing about the rows that
 * forbid it.
 *
 * A further engine is a row in `subjects`.
 */
import { availableParallelism } from 'node:os';
import type { EngineRef } from '../../bench/crew.ts';
import type { Access, LitmusName } from '../../bench/litmus-tests.ts';

/** What an operation does with an address that is no multiple of 4, or beyond the memory. */
export interface AddressFaults {
  /** `down`: the word that the address lies in; `bytes`: the four bytes from there; else the error's name. */
  readonly misaligned: 'down' | 'bytes' | 'RuntimeError' | 'RangeError';
  /** The name of the error of a read. */
  readonly outside: 'RuntimeError' | 'RangeError';
}

/** An engine, or several on one memory, under test. */
export interface Subject {
  readonly name: string;
  /** CPU i runs on engine i, modulo their number. */
  readonly engines: readonly EngineRef[];
  /** By kind of access: plain; readOnce and writeOnce; all others. Not given where CPUs differ. */
  readonly addresses?: {
    readonly plain: AddressFaults;
    readonly once: AddressFaults;
    readonly atomic: AddressFaults;
  };
  /** Whether `readOnce` and `writeOnce` are relaxed to the machine, rather than something stronger. */
  readonly relaxedOnce: boolean;
}

const array: AddressFaults = { misaligned: 'down', outside: 'RangeError' };
const atomics: AddressFaults = { misaligned: 'down', outside: 'RangeError' };
const trap: AddressFaults = { misaligned: 'RuntimeError', outside: 'RuntimeError' };

/** The engines. */
export const subjects: readonly Subject[] = [
  {
    name: 'wasm',
    engines: ['wasm'],
    addresses: { plain: array, once: { misaligned: 'bytes', outside: 'RuntimeError' }, atomic: trap },
    relaxedOnce: true,
  },
  {
    name: 'atomics',
    engines: ['atomics'],
    addresses: { plain: array, once: atomics, atomic: atomics },
    relaxedOnce: false,
  },
  { name: 'wasm and atomics', engines: ['wasm', 'atomics'], relaxedOnce: false },
];

/** Whether this processor keeps everything in order but a store and a later load. */
export const tso: boolean = process.arch === 'x64' || process.arch === 'ia32';
/** Whether two CPUs can run at once. */
export const twoCores: boolean = availableParallelism() >= 2;

export type Verdict = 'forbidden' | 'allowed' | 'observed';

/** A litmus test with its recipe of accesses, and what is to be said of its weak outcome. */
export interface LitmusRow {
  readonly test: LitmusName;
  readonly access: Access;
  readonly everywhere: 'forbidden' | 'allowed';
  /** As `everywhere` unless given. */
  readonly tso?: 'forbidden';
  /** Must be seen on x86 with two cores: on every engine, or where `readOnce` is relaxed. */
  readonly observed?: 'always' | 'relaxed once';
  readonly instances: number;
}

const MILLION = 1_000_000;

/** Ten million rounds for each way to pass a message; `--long` runs do ten times as much of everything. */
export const litmusRows: readonly LitmusRow[] = [
  { test: 'SB', access: 'plain', everywhere: 'allowed', observed: 'always', instances: 2 * MILLION },
  { test: 'SB', access: 'once', everywhere: 'allowed', observed: 'relaxed once', instances: 2 * MILLION },
  { test: 'SB', access: 'relacq', everywhere: 'allowed', instances: MILLION },
  { test: 'SB', access: 'seqcst', everywhere: 'forbidden', instances: 5 * MILLION },
  { test: 'SB', access: 'once+mb', everywhere: 'forbidden', instances: 5 * MILLION },
  { test: 'SB', access: 'plain+mb', everywhere: 'forbidden', instances: 2 * MILLION },
  { test: 'SB', access: 'once+rmw', everywhere: 'forbidden', instances: 2 * MILLION },
  { test: 'SB', access: 'rmw', everywhere: 'forbidden', instances: 2 * MILLION },
  { test: 'SB', access: 'storeWake+load', everywhere: 'forbidden', instances: 2 * MILLION },
  { test: 'SB', access: 'storeWakeOne+load', everywhere: 'forbidden', instances: 2 * MILLION },

  { test: 'MP', access: 'plain', everywhere: 'allowed', instances: MILLION },
  { test: 'MP', access: 'once', everywhere: 'allowed', tso: 'forbidden', instances: MILLION },
  { test: 'MP', access: 'relacq', everywhere: 'forbidden', instances: 2 * MILLION },
  { test: 'MP', access: 'plain+relacq', everywhere: 'forbidden', instances: 10 * MILLION },
  { test: 'MP', access: 'seqcst', everywhere: 'forbidden', instances: 10 * MILLION },
  { test: 'MP', access: 'once+wmb+rmb', everywhere: 'forbidden', instances: 10 * MILLION },
  { test: 'MP', access: 'plain+wmb+rmb', everywhere: 'forbidden', instances: 2 * MILLION },
  { test: 'MP', access: 'once+mb', everywhere: 'forbidden', instances: MILLION },
  { test: 'MP', access: 'rmw-relacq', everywhere: 'forbidden', instances: MILLION },
  { test: 'MP', access: 'storeWake+load', everywhere: 'forbidden', instances: MILLION },

  { test: 'CoRR', access: 'once', everywhere: 'forbidden', instances: MILLION },
  { test: 'CoRR', access: 'seqcst', everywhere: 'forbidden', instances: MILLION },

  { test: 'LB', access: 'once', everywhere: 'allowed', tso: 'forbidden', instances: MILLION },
  { test: 'LB', access: 'relacq', everywhere: 'forbidden', instances: MILLION },
  { test: 'LB', access: 'seqcst', everywhere: 'forbidden', instances: MILLION },

  { test: 'S', access: 'once', everywhere: 'allowed', tso: 'forbidden', instances: MILLION },
  { test: 'S', access: 'relacq', everywhere: 'forbidden', instances: MILLION },

  { test: 'R', access: 'once', everywhere: 'allowed', instances: MILLION },
  { test: 'R', access: 'seqcst', everywhere: 'forbidden', instances: MILLION },
  { test: 'R', access: 'once+mb', everywhere: 'forbidden', instances: MILLION },

  { test: '2+2W', access: 'once', everywhere: 'allowed', tso: 'forbidden', instances: MILLION },
  { test: '2+2W', access: 'once+wmb+rmb', everywhere: 'forbidden', instances: MILLION },
  { test: '2+2W', access: 'seqcst', everywhere: 'forbidden', instances: MILLION },
];

/** What a row says of a subject on this machine. */
export function verdictOf(row: LitmusRow, subject: Subject): Verdict {
  if (row.everywhere === 'forbidden') return 'forbidden';
  if (tso && row.tso === 'forbidden') return 'forbidden';
  const shows = row.observed === 'always' || (row.observed === 'relaxed once' && subject.relaxedOnce);
  return tso && twoCores && shows ? 'observed' : 'allowed';
}
