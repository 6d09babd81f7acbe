/**
 * lockrig/harness: what drives CPUs and judges locks, for tests and tools that call it themselves.
 */

export type { WaitEdge } from './cpus/graph.ts';
export { CpuDied } from './cpus/pool.ts';
export type { StackFrame } from './cpus/source-map.ts';
export type { CpuState, HeldLock } from './cpus/watchdog.ts';
export type { Schedule, Switch } from './explore/exploration.ts';
export type { Failure } from './explore/failure.ts';
export { type Reproduced, type ReproduceOptions, reproduce, type Seen } from './explore/focus.ts';
export {
  type HuntFailure,
  type HuntOptions,
  type HuntProgress,
  type HuntResult,
  hunt,
} from './explore/hunt.ts';
export type { PolicyChoice } from './explore/policies/index.ts';
export { type ReplayOptions, type ReplayResult, replay } from './explore/replay.ts';
export { decode, encode, type Run, TokenError } from './explore/token.ts';
export type { OutcomeRow, ScenarioOutcomes } from './torture/outcomes.ts';
export { DEFAULTS, echo, ParameterError, type TortureParams } from './torture/params.ts';
export type { Part, Place } from './torture/places.ts';
export type {
  CpuCounts,
  DeathReport,
  Environment,
  StallReport,
  TortureResult,
  Verdict,
  Violation,
} from './torture/result.ts';
export { type Progress, type TortureOptions, torture } from './torture/run.ts';
export { type MutantOutcome, type SelfTest, type SelfTestOptions, selfTest } from './torture/selftest.ts';
export type { Tortured } from './torture/setup.ts';
export { summarize } from './torture/summary.ts';
export type { ConflictReport, TraceReport } from './torture/traces.ts';
