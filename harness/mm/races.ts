/**
 * The table of races, measured: each row on gated CPUs by processes that have a core each, then on CPUs that run free, one row at a time, since these need all cores.
 *
 * A row reads as expected when its script and its hunt have found the race by the oracle that it names, every replay was the same, and the fixed variant was silent; a control when it was silent.
 * What free-running CPUs have seen decides nothing: many of these windows are a few instructions wide, and the memory of a processor has fewer orders than a model has.
 */
import { workOn } from './processes.ts';
import type { Free, RaceOptions, RaceResult } from './race-measure.ts';
import type { RaceRow } from './race-rows.ts';
import type { RaceOrder } from './races-child.ts';

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

/** What to measure, and how. */
export interface RacesOptions extends RaceOptions {
  readonly rows: readonly RaceRow[];
  /** Cores to be used, by their numbers. */
  readonly cores: readonly number[];
  /** Milliseconds for which broken variants run free; 0: they do not. */
  readonly free: number;
  /** No row is begun any more after so many milliseconds. */
  readonly budget?: number;
  readonly signal?: AbortSignal;
  readonly onProgress?: (what: string, done: number, all: number) => void;
}

/**
 * How a row reads.
 *
 *   as expected    found, or silent
 *   script only    the steps are enough, and the hunt has not found them
 *   against        not what was expected
 *   not run        interrupted, out of budget, or its process died
 */
export type RaceVerdict = 'as expected' | 'script only' | 'against' | 'not run';

/** A row, measured. */
export interface JudgedRace {
  readonly row: RaceRow;
  readonly verdict: RaceVerdict;
  /** What is not as expected, in a sentence. */
  readonly problem?: string;
  readonly result?: RaceResult;
  readonly free?: Free;
}

/** The table. */
export interface RacesResult {
  readonly races: readonly JudgedRace[];
  /** Whether every row was measured. */
  readonly complete: boolean;
  readonly seconds: number;
}

/** Milliseconds that a row may take: a hunt of some thousand executions takes seconds. */
const PATIENCE = 600_000;
/** Milliseconds that free CPUs may take longer than they are told. */
const FREE_PATIENCE = 30_000;

/** What is wrong with what came of the steps. */
function scriptProblem({ script, fixed }: RaceRow, { script: forced, twin }: RaceResult): string | undefined {
  if (script === undefined) return undefined;
  if (forced?.stopped) return `step ${forced.stopped.step} does not happen: ${forced.stopped.why}`;
  if (forced === undefined || !script[0].test(forced.says))
    return `its steps come to: ${forced?.says ?? 'nothing'}`;
  if (fixed && twin?.says !== 'nothing')
    return `its steps come to something in the fixed variant: ${twin?.says}`;
  return undefined;
}

/** How a row reads that was measured. */
export function judgeRace(row: RaceRow, result: RaceResult): Pick<JudgedRace, 'verdict' | 'problem'> {
  const { hunt, quiet } = result;
  const problem =
    scriptProblem(row, result) ??
    (quiet.silent
      ? undefined
      : `${row.fixed ? 'the fixed variant' : 'the control'} is not silent: ${quiet.problem}`) ??
    hunt?.problem;
  if (problem !== undefined) return { verdict: 'against', problem };
  if (hunt?.found === false)
    return row.script
      ? { verdict: 'script only', problem: `no hunt has found it in ${hunt.executions} executions` }
      : { verdict: 'against', problem: `not found in ${hunt.executions} executions` };
  return { verdict: 'as expected' };
}

/** Measures the table. */
export async function measureRaces(given: RacesOptions): Promise<RacesResult> {
  const { rows, cores, free, budget = Number.POSITIVE_INFINITY, signal, onProgress, ...rest } = given;
  const { executions, silent, replays, seed } = rest;
  const options: RaceOptions = { executions, silent, replays, seed };
  const began = performance.now();
  const program = new URL(`./races-child.${extension}`, import.meta.url);
  const gated = new Map<string, { result?: RaceResult; error?: string }>();
  const ran = new Map<string, Free>();
  await workOn<RaceOrder, RaceResult>({
    program,
    orders: rows.map(({ name }) => ({ name, options })),
    cores,
    budget,
    patience: PATIENCE,
    signal,
    onAnswer({ name }, answer) {
      gated.set(name, answer);
      onProgress?.('rows', gated.size, rows.length);
    },
  });
  const broken =
    free > 0 ? rows.filter(({ expected, name }) => expected === 'found' && gated.get(name)?.result) : [];
  let done = 0;
  await workOn<RaceOrder, Free>({
    program,
    orders: broken.map(({ name }) => ({ name, options, free })),
    cores: [],
    budget: budget - (performance.now() - began),
    patience: free + FREE_PATIENCE,
    signal,
    onAnswer({ name }, { result }) {
      if (result) ran.set(name, result);
      done += 1;
      onProgress?.('rows on free CPUs', done, broken.length);
    },
  });
  const why = signal?.aborted ? 'it was interrupted' : 'the budget was used up';
  const races = rows.map((row): JudgedRace => {
    const { result, error } = gated.get(row.name) ?? {};
    if (!result) return { row, verdict: 'not run', problem: error ?? why };
    const freely = ran.get(row.name);
    return { row, ...judgeRace(row, result), result, ...(freely ? { free: freely } : {}) };
  });
  return {
    races,
    complete: races.every(({ verdict }) => verdict !== 'not run') && ran.size === broken.length,
    seconds: (performance.now() - began) / 1000,
  };
}
