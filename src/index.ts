/**
 * lockrig: locks, memory and CPUs for programs whose worker threads share memory.
 *
 * Everything here runs on any engine, in Node and in browsers. What drives, tortures and measures it is `lockrig/harness`.
 */

export type { WasmMemory } from './arch/index.ts';
export {
  type Addr,
  type Cas,
  type Isa,
  type Load,
  type Rmw,
  type Store,
  ult,
  WAIT_NOT_EQUAL,
  WAIT_TIMED_OUT,
  WAIT_WOKEN,
  type WaitingPolicy,
  type WaitResult,
} from './arch/index.ts';
export {
  type AnyLock,
  defineLock,
  type LockDefinition,
  LockDefinitionError,
  type LockEnv,
  type LockSpec,
  type MutantNote,
  type OracleName,
} from './locking/define.ts';
export { NotOwner } from './locking/errors.ts';
export * from './locking/index.ts';
export type {
  AsyncMutexOps,
  BarrierOps,
  CompletionOps,
  ConditionOps,
  HazardOps,
  Kind,
  MutexOps,
  OpsByKind,
  Promises,
  QueueOps,
  RcuOps,
  RwOps,
  SemaphoreOps,
  SeqOps,
} from './locking/kinds.ts';
export { track } from './locking/track.ts';
export * from './locks.ts';
export * from './memory/index.ts';
export type {
  ModelName,
  Operation,
  Outcome,
  RecordedOp,
  Result,
  ScenarioModel,
  SequentialModel,
} from './model.ts';
export { type PlacedLock, placeLock, useLock } from './place.ts';
export * from './rcu/index.ts';
export {
  type Actor,
  type CheckContext,
  type DeclaredOrder,
  defineScenario,
  type Grade,
  type MemoryModel,
  type ScenarioContext,
  type ScenarioDefinition,
  ScenarioDefinitionError,
  type ScenarioMutant,
  type ScenarioOracle,
  type ScenarioSpec,
} from './scenario.ts';
export {
  defineWorkload,
  type RestContext,
  type WorkloadContext,
  type WorkloadDefinition,
  WorkloadDefinitionError,
  type WorkloadOperation,
  type WorkloadSettings,
  type WorkloadSize,
  type WorkloadSpec,
} from './workload.ts';
