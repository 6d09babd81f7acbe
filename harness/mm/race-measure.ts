/**
 * What is measured of one row of the table of races:
 *
 *   by script    the numbered steps, forced on the broken variant and on the fixed one
 *   by hunt      the policies of a hunt, which know nothing of the steps, under the memory model that the race names; its token, replayed; and as many executions of the fixed variant or the control
 *                under every memory model, with every detector
 *   by torture   the broken variant on CPUs that run free
 */
import type { OracleName } from '../../src/locking/define.ts';
import type { CpuThreads } from '../cpus/threads.ts';
import { DETECTORS } from '../detect/index.ts';
import { Exploration } from '../explore/exploration.ts';
import { Hunt } from '../explore/hunt.ts';
import type { HuntResult } from '../explore/hunt-types.ts';
import { replay } from '../explore/replay.ts';
import { isTold } from '../explore/telling.ts';
import { decode } from '../explore/token.ts';
import { torture } from '../torture/run.ts';
import type { RaceRow } from './race-rows.ts';
import { type Forced, forced } from './told.ts';

/** How a row is measured. */
export interface RaceOptions {
  /** Executions of a hunt of a broken variant at most. */
  readonly executions: number;
  /** Executions of a fixed variant or a control. */
  readonly silent: number;
  readonly replays: number;
  readonly seed: number;
}

/** A hunt that was to find something. */
export interface Found {
  readonly found: boolean;
  /** Executions and seconds until it was first seen; of a hunt that found nothing, all of them. */
  readonly executions: number;
  readonly seconds: number;
  readonly oracle?: OracleName;
  readonly text?: string;
  readonly token?: string;
  readonly preemptions?: number;
  readonly replays?: number;
  /** Replays that were the same, access by access. */
  readonly same?: number;
  /** Why it is not what was expected. */
  readonly problem?: string;
}

/** A hunt that was to find nothing. */
export interface Quiet {
  readonly silent: boolean;
  readonly executions: number;
  readonly problem?: string;
}

/** CPUs that ran free. */
export interface Free {
  readonly seen: boolean;
  /** Until it was seen, or all of it. */
  readonly seconds: number;
  readonly oracle?: OracleName;
}

/** What was measured of a row on gated CPUs. */
export interface RaceResult {
  readonly name: string;
  readonly script?: Forced;
  /** Of the fixed variant. */
  readonly twin?: Forced;
  readonly hunt?: Found;
  readonly quiet: Quiet;
  readonly seconds: number;
}

/** Threads for so many CPUs, which stay there for the next row. */
export type Threads = (cpus: number) => CpuThreads;

const EVERY = DETECTORS.map(({ name }) => name);

async function hunting(
  { scenario }: Pick<RaceRow, 'scenario'>,
  threads: Threads,
  options: ConstructorParameters<typeof Hunt>[1],
): Promise<HuntResult> {
  const exploration = await Exploration.open(scenario, {
    threads: threads(scenario.cpus),
    ...(options.detect === undefined ? {} : { detect: options.detect }),
  });
  try {
    return await new Hunt(exploration, options).run();
  } finally {
    await exploration.leave();
  }
}

async function found(
  row: RaceRow,
  threads: Threads,
  { executions, seed, replays }: RaceOptions,
): Promise<Found> {
  const mutant = row.scenario.mutant!;
  const result = await hunting(row, threads, { executions, seed, models: [mutant.model] });
  const [failure] = result.failures;
  if (!failure) {
    const problem =
      result.difference === undefined ? {} : { problem: `not deterministic: ${result.difference}` };
    return { found: false, executions: result.executions, seconds: result.seconds, ...problem };
  }
  const { oracle, text, token, preemptions, after } = failure;
  const expected = isTold(mutant, failure);
  const { same } = await replay(row.scenario, decode(token), { times: replays });
  const problem = !expected
    ? `found by ${oracle}: ${text}`
    : same < replays
      ? `${same} of ${replays} replays were the same`
      : undefined;
  return {
    found: expected,
    ...after,
    oracle,
    text,
    token,
    preemptions,
    replays,
    same,
    ...(problem === undefined ? {} : { problem }),
  };
}

async function quiet(row: RaceRow, threads: Threads, { silent, seed }: RaceOptions): Promise<Quiet> {
  const scenario = row.fixed ?? row.scenario;
  const { verdict, failures, leads, executions, difference } = await hunting({ scenario }, threads, {
    executions: silent,
    seed,
    models: ['sc', 'tso', 'weak'],
    detect: EVERY,
  });
  const problem = difference ?? failures[0]?.text ?? leads[0];
  return {
    silent: verdict === 'clean' && problem === undefined,
    executions,
    ...(problem ? { problem } : {}),
  };
}

/** Measures a row on gated CPUs. @throws CpuDied as a hunt does */
export async function measureRace(row: RaceRow, threads: Threads, options: RaceOptions): Promise<RaceResult> {
  const began = performance.now();
  const { name, script, scenario, fixed, expected } = row;
  const told = script?.slice(1) as Parameters<typeof forced>[1] | undefined;
  const on = (of: typeof scenario, detect: readonly string[] = []): ReturnType<typeof forced> =>
    forced(of, told!, { threads: threads(of.cpus), ...(detect.length > 0 ? { detect } : {}) });
  const result: { -readonly [Key in keyof RaceResult]: RaceResult[Key] } = {
    name,
    ...(told ? { script: await on(scenario) } : {}),
    ...(told && fixed ? { twin: await on(fixed, EVERY) } : {}),
    ...(expected === 'found' ? { hunt: await found(row, threads, options) } : {}),
    quiet: await quiet(row, threads, options),
    seconds: 0,
  };
  return { ...result, seconds: (performance.now() - began) / 1000 };
}

/** Runs the broken variant, or a control, on CPUs that run free. */
export async function runFree({ scenario }: RaceRow, milliseconds: number, seed: number): Promise<Free> {
  const { verdict, oracle, stall, detectedMs, seconds } = await torture(
    scenario,
    { cpus: scenario.cpus, duration: milliseconds, seed, failFast: true, stallAfter: 1000 },
    { stacks: false },
  );
  const seen = verdict === 'failure' || verdict === 'stall';
  const by = oracle ?? stall?.oracle;
  return {
    seen,
    seconds: seen && detectedMs !== undefined ? detectedMs / 1000 : seconds,
    ...(seen && by !== undefined ? { oracle: by } : {}),
  };
}
