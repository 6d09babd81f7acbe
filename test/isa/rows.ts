/**
 * A conformance row: a property of the instruction set, and a run on a subject that throws a `Violation` if
 * an engine does not have it. Rows are apart from the test files so that the same row judges the real engines
 * and the deliberately broken ones.
 */
import { CrewLate, type CrewOptions, type EngineRef, runCrew } from '../../bench/crew.ts';
import type { Subject } from './table.ts';

/** An engine breaks its contract. */
export class Violation extends Error {
  /** Survives the way from a worker, where the class is lost. */
  readonly code = 'EVIOLATION';
  constructor(message: string) {
    super(message);
    this.name = 'Violation';
  }
}

/** Throws a {@link Violation} unless the engine did what it must. */
export function must(holds: boolean, what: () => string): void {
  if (!holds) throw new Violation(what());
}

/** Whether an error is a {@link Violation}, thrown here or in a worker. */
export function isViolation(error: unknown): error is Error {
  return error instanceof Error && (error as { code?: unknown }).code === 'EVIOLATION';
}

/** How much to do, and from which seed. */
export interface Effort {
  /** Multiplies the rounds. */
  readonly times: number;
  readonly seed: number;
  /** Milliseconds without progress after which a sleeper whose word has changed counts as lost. */
  readonly patience: number;
}

/** One property. */
export interface Row {
  readonly name: string;
  readonly run: (subject: Subject, effort: Effort) => Promise<void>;
  /** By how much a long run multiplies its rounds; not run again unless given. */
  readonly long?: number;
  /** Whether it says something of CPUs on different engines, too. */
  readonly mixed?: boolean;
}

/** The engine of each CPU of a subject. */
export function engineFor(subject: Subject): (cpu: number) => EngineRef {
  return (cpu) => subject.engines[cpu % subject.engines.length]!;
}

/**
 * Runs a crew whose CPUs wait for each other: one that does not come to an end breaks a promise, too. Each CPU
 * gets a core of its own if there are enough: two that share one never meet.
 */
export async function runToEnd<Args, Result>(
  options: CrewOptions<Args>,
  { patience }: Effort,
): Promise<Result[]> {
  try {
    return await runCrew<Args, Result>({ deadline: 6 * patience, pin: true, ...options });
  } catch (error) {
    if (error instanceof CrewLate) throw new Violation(error.message);
    throw error;
  }
}

/** Sleeps on the calling thread. @param at index of a word that is 0 and that nobody notifies */
export function nap(words: Int32Array<SharedArrayBuffer>, at: number, milliseconds: number): void {
  Atomics.wait(words, at, 0, milliseconds);
}

/** A stream of numbers from 0 to 2^32 - 1 (xorshift32). */
export function stream(seed: number): () => number {
  let x = Math.imul(seed, 0x9e3779b9) | 1;
  return () => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return x >>> 0;
  };
}

/**
 * The values at which 32-bit arithmetic goes wrong first; the last three are the unsigned spelling of
 * negative words.
 */
export const EDGES: readonly number[] = [
  0, 1, -1, 2, 0x55555555, -0x55555556, 0x7fffffff, -0x80000000, -0x7fffffff, 0x80000000, 0xaaaaaaaa,
  0xffffffff,
];
