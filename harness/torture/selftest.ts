/**
 * The self-test: is the torture any good? Every mutant must be caught by the oracle that it names; being caught by another is "caught otherwise" and does not
 * count. Then all mutants run once more with every oracle off, and none may be reported: if one were, something other than an oracle would be
 * doing the catching.
 */
import type { AnyLock, MutantNote, OracleName } from '../../src/locking/define.ts';
import { mutants } from '../../src/locks.ts';
import { ORACLES } from './oracles.ts';
import { torture } from './run.ts';

/** How one mutant fared. */
export interface MutantOutcome {
  readonly name: string;
  readonly note: MutantNote;
  readonly fate: 'caught' | 'caught otherwise' | 'survived';
  readonly by: OracleName | undefined;
  /** Milliseconds after the CPUs were up. */
  readonly afterMs: number | undefined;
  /** Runs that it took; each further one has another seed. */
  readonly runs: number;
  /** Wall seconds with starting and ending the CPUs. */
  readonly seconds: number;
}

/** The result of a self-test. */
export interface SelfTest {
  readonly outcomes: readonly MutantOutcome[];
  readonly caught: number;
  readonly medianMs: number;
  readonly seconds: number;
  /** Mutants that were reported although every oracle was off. */
  readonly withoutOracles: readonly string[];
}

/** What a self-test may be told. */
export interface SelfTestOptions {
  readonly seed?: number;
  /** Names of mutants; all unless given. */
  readonly only?: readonly string[];
  /** Milliseconds that a mutant may take to be caught. */
  readonly patience?: number;
  readonly disabled?: readonly OracleName[];
  readonly signal?: AbortSignal;
  /** Told of each mutant when it is through. */
  readonly onOutcome?: (outcome: MutantOutcome) => void;
  /** Whether to run the second half, without oracles. */
  readonly control?: boolean;
}

const PATIENCE = 4000;
const RUNS = 8;
/** Milliseconds of a run whose oracles are off. */
const BLIND = 150;

/**
 * A mutant that did not show, or showed in another way first, runs again with another seed: on a busy machine two CPUs may hardly ever run at the
 * same time, and what a preempted CPU leaves behind is not what two parallel ones do.
 */
async function one(lock: AnyLock, options: SelfTestOptions): Promise<MutantOutcome> {
  let outcome: MutantOutcome | undefined;
  for (let run = 1; run <= RUNS && !options.signal?.aborted; run += 1) {
    outcome = await once(lock, { ...options, seed: (options.seed ?? 1) + run - 1 }, run);
    if (outcome.fate === 'caught') break;
  }
  return outcome as MutantOutcome;
}

async function once(lock: AnyLock, options: SelfTestOptions, runs: number): Promise<MutantOutcome> {
  const note = lock.mutant as MutantNote;
  const began = performance.now();
  const result = await torture(
    lock,
    {
      cpus: note.cpus ?? 2,
      duration: options.patience ?? PATIENCE,
      seed: options.seed ?? 1,
      failFast: true,
      stallAfter: 2000,
      disabled: options.disabled ?? [],
    },
    { stacks: false, ...(options.signal ? { signal: options.signal } : {}) },
  );
  const by = result.oracle;
  const fate = by === undefined ? 'survived' : by === note.caughtBy ? 'caught' : 'caught otherwise';
  return {
    name: lock.name,
    note,
    fate,
    by,
    afterMs: by === undefined ? undefined : result.detectedMs,
    runs,
    seconds: (performance.now() - began) / 1000,
  };
}

/** The middle value. */
export function median(values: readonly number[]): number {
  const sorted = [...values].sort((a, b) => a - b);
  const half = sorted.length >> 1;
  return sorted.length === 0
    ? Number.NaN
    : sorted.length % 2 === 1
      ? sorted[half]!
      : (sorted[half - 1]! + sorted[half]!) / 2;
}

/** Runs every mutant, or those that are named. */
export async function selfTest(options: SelfTestOptions = {}): Promise<SelfTest> {
  const began = performance.now();
  const outcomes: MutantOutcome[] = [];
  const chosen = mutants.filter(({ name }) => options.only?.includes(name) ?? true);
  for (const lock of chosen) {
    if (options.signal?.aborted) break;
    const outcome = await one(lock, options);
    // It was not given its time.
    if (options.signal?.aborted && outcome.fate === 'survived') break;
    outcomes.push(outcome);
    options.onOutcome?.(outcome);
  }
  const withoutOracles: string[] = [];
  if (options.control ?? true) {
    for (const lock of chosen) {
      if (options.signal?.aborted) break;
      const note = lock.mutant as MutantNote;
      const blind = await torture(
        lock,
        {
          cpus: note.cpus ?? 2,
          duration: BLIND,
          seed: options.seed ?? 1,
          failFast: true,
          stallAfter: 300,
          disabled: ORACLES,
        },
        { stacks: false },
      );
      if (blind.oracle !== undefined) withoutOracles.push(lock.name);
    }
  }
  return {
    outcomes,
    caught: outcomes.filter(({ fate }) => fate === 'caught').length,
    medianMs: median(outcomes.flatMap(({ afterMs }) => (afterMs === undefined ? [] : [afterMs]))),
    seconds: (performance.now() - began) / 1000,
    withoutOracles,
  };
}
