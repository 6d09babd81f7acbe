/**
 * How frequent a failure is, measured: executions of the policies that have found it, without an end at the first failure, and each failure replayed to see whether it
 * is the one in question. Enough of them end it early.
 */
import type { MemoryModel } from '../../src/scenario.ts';
import { OPERATIONS, type Trace } from '../engines/trace.ts';
import type { Exploration } from './exploration.ts';
import { scramble } from './explorer.ts';
import { failuresOf } from './failure.ts';
import type { PolicyChoice } from './policies/index.ts';

/** How frequent a failure was. */
export interface Rate {
  readonly failures: number;
  readonly executions: number;
  /** What decided in them. */
  readonly policies: readonly PolicyChoice[];
}

/** What is measured, and how long. */
export interface RateOptions {
  readonly model: MemoryModel;
  readonly policies: readonly PolicyChoice[];
  readonly seed: number;
  /** The failure in question; see {@link failuresOf}. */
  readonly key: string;
  /** Executions at most. */
  readonly executions: number;
  readonly signal?: AbortSignal;
}

/** No more than the gate keeps failures of a session. */
const CHUNK = 200;
const ENOUGH = 50;
/** Seeds other than those that found it: those would have been chosen by what they found. */
const SALT = 0x5eed;

/** Measures the rate of a failure. */
export async function measureRate(exploration: Exploration, options: RateOptions): Promise<Rate> {
  const { model, policies, seed, key, signal } = options;
  let failures = 0;
  let executions = 0;
  for (let chunk = 0; executions < options.executions && failures < ENOUGH && !signal?.aborted; chunk += 1) {
    const session = await exploration.session({
      model,
      portfolio: policies,
      base: scramble(scramble(seed ^ SALT) + chunk),
      executions: Math.min(CHUNK, options.executions - executions),
      ...(signal ? { signal } : {}),
    });
    executions += session.executions;
    for (const { schedule } of session.failures) {
      const execution = await exploration.execution(schedule, { model });
      if (failuresOf(exploration, execution).some((each) => each.key === key)) failures += 1;
    }
  }
  return { failures, executions, policies };
}

/** A trace as lines, to be kept in a file and compared with that of another program: CPU, operation, address and value. */
export function traceLines(trace: Trace, most = 2000): string[] {
  return Array.from({ length: Math.min(most, trace.length) }, (_, at) => {
    const { cpu, op, addr, value } = trace.event(at);
    return `${cpu} ${OPERATIONS[op]!.name} ${addr} ${value}`;
  });
}
