/**
 * lockrig/harness: what drives CPUs and judges locks, for tests and tools that call it themselves.
 */
export { CpuDied } from './cpus/pool.ts';
export { DEFAULTS, echo, ParameterError, type TortureParams } from './torture/params.ts';
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
export { summarize } from './torture/summary.ts';
