/**
 * What is measured of one cell of the table of regimes, on gated CPUs:
 *
 *   1. every schedule with at most one preemption, under sequential consistency
 *   2. executions by the policies of a hunt, which preempt more often, under TSO
 *   3. some of these once more with their traces, to see whether reader and writer met
 *
 * The first failure ends it; it is replayed, shrunk and kept with its token, as a hunt does. What the thread says of the cell plays no part: it is not known here.
 */

import type { Regime } from '../../src/mm/regime.ts';
import { cell, READING, type Reader, type Writer } from '../../src/mm/regimes/cells.ts';
import { Cell } from '../../src/mm/regimes/place.ts';
import type { MemoryModel } from '../../src/scenario.ts';
import type { CpuThreads } from '../cpus/threads.ts';
import { Exploration, type Failed } from '../explore/exploration.ts';
import { scramble } from '../explore/explorer.ts';
import { type Detected, Finder } from '../explore/finder.ts';
import type { HuntFailure } from '../explore/hunt-types.ts';
import { PORTFOLIO } from '../explore/policies/index.ts';
import { prove } from '../explore/prove.ts';
import type { Tortured } from '../torture/setup.ts';
import { meeting } from './overlap.ts';

/** Preemptions up to which all schedules are run. */
export const BOUND = 1;
/** Executions that are looked at to see whether reader and writer met. */
export const SAMPLED = 24;
/** Of so many one, at least, has to have a meeting; else the cell was not exercised. */
export const ONE_IN = 8;
/** Executions by the policies of a hunt, unless told otherwise. */
export const EXECUTIONS = 300;

/** What a cell reads. */
export type CellVerdict = 'unsafe' | 'proved' | 'no failure' | 'not exercised' | 'not run';

/** What was measured of a cell. */
export interface CellResult {
  /** Of its scenario. */
  readonly name: string;
  readonly regime: string;
  readonly reader: string;
  readonly writer: string;
  readonly verdict: CellVerdict;
  /** Of all kinds; what was replayed or sampled does not count. */
  readonly executions: number;
  /** Distinct orders of conflicting accesses among them. */
  readonly orders: number;
  /** All schedules with at most so many preemptions were run, that many of them; -1: not even those without one. */
  readonly proof: { readonly bound: number; readonly executions: number; readonly gaps: readonly string[] };
  /** Executions that were sampled, and those in which reader and writer met; not measured where it failed. */
  readonly overlap?: { readonly sampled: number; readonly met: number };
  readonly failure?: Pick<HuntFailure, 'oracle' | 'text' | 'token' | 'model' | 'preemptions' | 'accesses'>;
  /** The regime whose measurement this is: it has the same locks on all paths. */
  readonly sameAs?: string;
  /** Why it could not be measured. */
  readonly problem?: string;
  readonly seconds: number;
}

/** How cells are measured. */
export interface MeasureOptions {
  /** Executions by the policies of a hunt. */
  readonly executions?: number;
  readonly seed?: number;
  /** Two threads to run on, which stay there for the next cell: starting threads takes longer than a cell does. */
  readonly threads?: CpuThreads;
  readonly signal?: AbortSignal;
}

/** A cell on its CPUs, while it is measured. */
class Measurement {
  private readonly exploration: Exploration;
  private readonly finder: Finder;
  private readonly seed: number;
  private readonly signal: AbortSignal | undefined;
  private executions = 0;
  private longest = 0;
  /** What differed between two runs of one schedule. */
  difference: string | undefined;

  constructor(exploration: Exploration, { seed = 1, signal }: MeasureOptions) {
    this.exploration = exploration;
    this.finder = new Finder(exploration, {});
    this.seed = seed;
    this.signal = signal;
  }

  get failure(): HuntFailure | undefined {
    return [...this.finder.failures.values()][0];
  }

  get counts(): Pick<CellResult, 'executions' | 'orders'> {
    return { executions: this.executions, orders: this.exploration.gate.coverage().interleavings };
  }

  private async failed(failed: Failed, model: MemoryModel, detected: Detected): Promise<void> {
    const after = { executions: this.executions, seconds: 0 };
    this.difference = await this.finder.found(failed, { model, after }, detected);
  }

  /** Every schedule with few preemptions. */
  async search(): Promise<CellResult['proof']> {
    const { exploration, seed, signal } = this;
    const { failure, bound, executions, gaps, exhausted } = await prove(exploration, {
      bound: BOUND,
      seed,
      coverage: true,
      ...(signal ? { signal } : {}),
    });
    this.executions += executions;
    if (failure) await this.failed(failure, 'sc', []);
    return { bound: exhausted ? BOUND : bound, executions, gaps };
  }

  /** Executions by the policies of a hunt. */
  async hunt(executions: number): Promise<void> {
    const session = await this.exploration.session({
      model: 'tso',
      executions,
      base: scramble(this.seed),
      portfolio: PORTFOLIO,
      failFast: true,
      coverage: true,
      ...(this.signal ? { signal: this.signal } : {}),
    });
    const detected = await this.finder.detected(session);
    this.executions += session.executions;
    this.longest = session.maxSteps;
    const [first] = session.failures;
    if (first) await this.failed(first, 'tso', detected);
  }

  /** In how many executions reader and writer met. */
  async overlap(meets: Writer['meets']): Promise<NonNullable<CellResult['overlap']>> {
    const { exploration, seed, longest } = this;
    const { setup, subject, cpus, machine } = exploration;
    const names = subject.definition === 'scenario' ? subject.names : undefined;
    // As the memory is between executions: nobody has changed anything.
    const victim = machine.words[(setup.lock + Cell.before) >>> 2]!;
    const nameOf = (addr: number): string | undefined => names?.(addr, setup.lock, cpus);
    const met = meeting(nameOf, READING, meets, meets === 'vma' ? victim : undefined);
    let count = 0;
    let sampled = 0;
    for (; sampled < SAMPLED && !this.signal?.aborted; sampled += 1) {
      const choice = PORTFOLIO[sampled % PORTFOLIO.length]!;
      const schedule = {
        ...choice,
        length: Math.max(1, longest),
        seed: scramble(scramble(seed) ^ scramble(sampled)),
      };
      const { trace } = await exploration.execution(schedule, { model: 'tso' });
      if (met(trace)) count += 1;
    }
    return { sampled, met: count };
  }
}

/** Measures a cell on an open exploration. */
async function measured(
  exploration: Exploration,
  { meets }: Writer,
  options: MeasureOptions,
): Promise<Omit<CellResult, 'name' | 'regime' | 'reader' | 'writer' | 'seconds'>> {
  const at = new Measurement(exploration, options);
  const { executions = EXECUTIONS, signal } = options;
  const proof = await at.search();
  if (!at.failure && at.difference === undefined && executions > 0) await at.hunt(executions);
  if (at.difference !== undefined)
    return {
      verdict: 'not run',
      problem: `two runs of one schedule differ at ${at.difference}`,
      proof,
      ...at.counts,
    };
  const { failure } = at;
  if (failure) {
    const { oracle, text, token, model, preemptions, accesses } = failure;
    return {
      verdict: 'unsafe',
      proof,
      ...at.counts,
      failure: { oracle, text, token, model, preemptions, accesses },
    };
  }
  const { counts } = at;
  const overlap = await at.overlap(meets);
  if (signal?.aborted) return { verdict: 'not run', problem: 'it was interrupted', proof, ...counts };
  const enough = overlap.met * ONE_IN >= overlap.sampled;
  const proved = proof.bound >= BOUND && proof.gaps.length === 0;
  const verdict = !enough ? 'not exercised' : proved ? 'proved' : 'no failure';
  return { verdict, proof, ...counts, overlap };
}

/**
 * Measures a cell.
 * @throws CpuDied as a hunt does
 */
export async function measureCell(
  regime: Regime,
  reader: Reader,
  writer: Writer,
  options: MeasureOptions = {},
): Promise<CellResult> {
  const began = performance.now();
  const scenario = cell(regime, reader, writer);
  const { threads } = options;
  const exploration = await Exploration.open(scenario as Tortured, threads ? { threads } : {});
  try {
    const result = await measured(exploration, writer, options);
    return {
      name: scenario.name,
      regime: regime.name,
      reader: reader.name,
      writer: writer.name,
      ...result,
      seconds: (performance.now() - began) / 1000,
    };
  } finally {
    if (threads) await exploration.leave();
    else await exploration.close();
  }
}
