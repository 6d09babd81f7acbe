/**
 * lockrig/mm: the mm model, for protocols, races and oracles of your own.
 *
 * `defineMmScenario` is the way in: a machine with address spaces, what each CPU does, what must hold. Every operation is that of a module, and every module can be replaced.
 */
export { createKernel, type Factory, type KernelEnv, MmModuleError, type Replacement } from './create.ts';
export { ERRNO, type ErrnoName, errnoName } from './errno.ts';
export {
  VM_FAULT_ERROR,
  VM_FAULT_MAJOR,
  VM_FAULT_MINOR,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  VM_FAULT_SIGSEGV,
} from './fault.ts';
export type { Base, BaseEnv, Kernel, MmLocks, Modules } from './kernel.ts';
export { initModel, modelBytes, type PlacedModel, placeModel, useModel } from './model.ts';
export { MREMAP_MAYMOVE } from './mremap.ts';
export {
  MmViolation,
  ORACLES,
  observer,
  type QuiescentOptions,
  quiescent,
  UnknownOracle,
} from './oracles/index.ts';
export * from './pte.ts';
export {
  type AnonRmap,
  type FileRmap,
  type Path,
  REGIMES,
  type Regime,
  regimeByName,
  type Taking,
} from './regime.ts';
export { SWAP_AGAIN, SWAP_FAIL, SWAP_SUCCESS } from './rmap/index.ts';
export { defineMmScenario, type MmContext, type MmScenarioSpec } from './scenario.ts';
export { DEFAULT_SPEC, type MmSpec, MmSpecError, mmSpec } from './spec.ts';
export * from './structs.ts';
export { defineMmWorkload, type MmMember, type MmWorkloadSpec } from './workload.ts';
export { MORE, type Operation, T0, T1 } from './workloads/operations.ts';
