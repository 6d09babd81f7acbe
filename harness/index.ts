/**
 * lockrig/harness: what drives CPUs and judges locks, for tests and tools that call it themselves.
 */

export {
  describeHunt,
  hunt,
  prove,
  replay,
  torture,
} from './api.ts';
export type { WaitEdge } from './cpus/graph.ts';
export { CpuDied } from './cpus/pool.ts';
export type { StackFrame } from './cpus/source-map.ts';
export type { CpuState, HeldLock } from './cpus/watchdog.ts';
export type { GuardOptions, Resolved } from './detect/guards.ts';
export {
  DETECTORS,
  type Detector,
  detectors,
  type Finding,
  type LockClass,
  type Pass,
  type Place as FindingPlace,
  type Watched,
} from './detect/index.ts';
export type { Left } from './detect/leaks.ts';
export type { LifetimeOptions } from './detect/lifetime.ts';
export type { Failure as LinearizabilityFailure } from './detect/linearizability/explain.ts';
export {
  checkLinearizable,
  describeOp,
  explainFailure,
  HistoryError,
  type Linearizability,
  type LinearizabilityOptions,
  type LinearizabilityWork,
  type Operation,
  type Outcome,
  type Result,
  type SequentialModel,
} from './detect/linearizability.ts';
export type { LockOrder } from './detect/lock-graph.ts';
export * from './detect/models.ts';
export { type Coverage, richness, unseen } from './engines/gated/coverage.ts';
export { type Event, Trace, traceOf } from './engines/trace.ts';
export type { Chaos } from './engines/traced/chaos.ts';
export type { Failed, Schedule, Switch } from './explore/exploration.ts';
export type { Failure } from './explore/failure.ts';
export { type Reproduced, type ReproduceOptions, reproduce, type Seen } from './explore/focus.ts';
export type {
  HuntCounts,
  HuntFailure,
  HuntOptions,
  HuntProgress,
  HuntResult,
  HuntState,
} from './explore/hunt.ts';
export type { PolicyChoice } from './explore/policies/index.ts';
export type { ProofOptions, SubjectProof } from './explore/proof.ts';
export type { Rate } from './explore/rate.ts';
export type { ReplayOptions, ReplayResult, ReplaySite } from './explore/replay.ts';
export { type Suppression, SuppressionError, suppressions } from './explore/suppress.ts';
export { decode, decodeChanged, encode, type Run, TokenError } from './explore/token.ts';
export {
  type Code,
  type KnownRate,
  type VerifyOptions,
  type VerifyResult,
  verifyFix,
} from './explore/verify.ts';
export { DocumentError, readStatDocument } from './measure/documents.ts';
export type {
  ContentionPoint,
  LockClassStats,
  LockMode,
  LockStatDocument,
  Span,
  TimelineDocument,
  Times,
} from './measure/schema.ts';
export {
  closeWindow,
  openWindow,
  readStat,
  readWindow,
  type StatCpuOptions,
  type StatHandle,
  type StatOptions,
  statCpu,
  statMemory,
  type Window,
} from './measure/stat.ts';
export { lockStatCsv, lockStatText } from './measure/stat-text.ts';
export {
  type LoadedSubject,
  loadSubject,
  loadSubjects,
  type Subject,
  SubjectChoiceError,
} from './subject.ts';
export type { OutcomeRow, ScenarioOutcomes } from './torture/outcomes.ts';
export { DEFAULTS, echo, ParameterError, type TortureParams } from './torture/params.ts';
export type { Part, Place } from './torture/places.ts';
export type { RaceReport } from './torture/races.ts';
export type {
  CpuCounts,
  DeathReport,
  Environment,
  StallReport,
  TortureResult,
  Verdict,
  Violation,
} from './torture/result.ts';
export type { Progress, StatRun, TortureOptions } from './torture/run.ts';
export { type MutantOutcome, type SelfTest, type SelfTestOptions, selfTest } from './torture/selftest.ts';
export type { Repeatable, Tortured } from './torture/setup.ts';
export { summarize } from './torture/summary.ts';
export type { ConflictReport, TraceReport } from './torture/traces.ts';
export type { OperationCount } from './torture/workload.ts';
