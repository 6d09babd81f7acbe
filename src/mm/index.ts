/**
 * lockrig/mm: the mm model, for protocols, races and oracles of your own.
 *
 * `defineMmScenario` is the way in: a machine with address spaces, what each CPU does, what must hold. Every operation is that of a module, and every module can be replaced.
 */

export type { AnonVmaForm, AnonVmas } from './anon-vma.ts';
export type {
  AnonVmaKernel,
  AnonVmaLocking,
  AnonVmaRefs,
  LookUp,
  PageLock,
  Retiring,
} from './anon-vma-form.ts';
export { COLLAPSE_RULES, type Collapse, type CollapseRules, collapse } from './collapse.ts';
export {
  COMPACTION_DESIGNS,
  type Compacted,
  type Compaction,
  type CompactionRules,
  compaction,
  type Scanned,
} from './compaction.ts';
export {
  createKernel,
  type Factory,
  type KernelEnv,
  MmMlockError,
  MmModuleError,
  MmSpfError,
  type Replacement,
} from './create.ts';
export { type Balloon, virtioBalloon } from './drivers/balloon.ts';
export {
  BALLOON_DESIGNS,
  type BalloonName,
  type BalloonRules,
  ZS_DESIGNS,
  type ZsName,
  type ZsRules,
} from './drivers/rules.ts';
export type { DriverSlabName } from './drivers/slabs.ts';
export { type SizeClassShape, ZS_CLASSES } from './drivers/structs.ts';
export { type Zram, type ZramSize, zram, zramBytes } from './drivers/zram.ts';
export { type Zs, type ZsMapped, type ZsRead, zsmalloc } from './drivers/zs.ts';
export { ERRNO, type ErrnoName, errnoName } from './errno.ts';
export {
  type Faults,
  faults,
  NOPAGE_RULES,
  type NopageRules,
  VM_FAULT_ERROR,
  VM_FAULT_MAJOR,
  VM_FAULT_MINOR,
  VM_FAULT_OOM,
  VM_FAULT_RETRY,
  VM_FAULT_SIGBUS,
  VM_FAULT_SIGSEGV,
} from './fault.ts';
export type { Mms } from './fork.ts';
export type { Fremap } from './fremap.ts';
export type { IMmap } from './i-mmap.ts';
export type { Base, BaseEnv, Kernel, MmLocks, Modules } from './kernel.ts';
export { declaredOrder, ERAS, type Era, eraOf, type Tried } from './lock-order.ts';
export type { Lru } from './lru.ts';
export { MIGRATE_DESIGNS, type MigrateRules } from './migrate/rules.ts';
export { type Migrate, type Migrated, migrate, type NewPage } from './migrate.ts';
export type { Mlock } from './mlock/design.ts';
export { MLOCK_DESIGNS, type MlockDesign, type MlockKernel, type MlockName } from './mlock/index.ts';
export type { MlockPages } from './mlock/pages.ts';
export type { MapArgs, Maps } from './mmap.ts';
export type { Gather, MmuGather } from './mmu-gather.ts';
export { initModel, modelBytes, type PlacedModel, placeModel, useModel } from './model.ts';
export {
  DRIVERS,
  type Drivers,
  type DriverType,
  driverBytes,
  drivers,
  type MigrateMode,
  type MovableDriver,
  type MovableOps,
} from './movable/driver.ts';
export { balloonHooks, HOOKS } from './movable/hooks.ts';
export { type Pool, pool } from './movable/pool.ts';
export { MOVABLE_DESIGNS, type MovableName, type MovableRules } from './movable/rules.ts';
export { type Movable, movable } from './movable.ts';
export type { Mremap } from './mremap.ts';
export { MREMAP_MAYMOVE } from './mremap.ts';
export type { Cached, Entry, Frame, Reached } from './oracles/census.ts';
export type { Chain } from './oracles/chains.ts';
export type { Asked, Census, Ledger, Observed, Oracle, RmapOf, Subject } from './oracles/index.ts';
export {
  MmViolation,
  ORACLES,
  observer,
  type QuiescentOptions,
  quiescent,
  UnknownOracle,
} from './oracles/index.ts';
export type { Written } from './oracles/ledger.ts';
export type { OracleName } from './oracles/oracle.ts';
export { pteHistory } from './oracles/pte-history.ts';
export type { Mappers, RmapDesigns } from './oracles/rmap.ts';
export type { Thing, Things } from './oracles/things.ts';
export type { PageAlloc } from './page-alloc.ts';
export type { PageCache } from './page-cache.ts';
export type { PageTables, TableLevel } from './page-table.ts';
export type { Pages } from './pages.ts';
export * from './pte.ts';
export type { RbLook } from './rb-check.ts';
export type { RbAugment, RbTree } from './rbtree.ts';
export type { Reclaim } from './reclaim.ts';
export {
  type AnonRmap,
  type FileRmap,
  type Path,
  REGIMES,
  type Regime,
  regimeByName,
  type Taking,
} from './regime.ts';
export type { AnonDesign, Rmap, Visit } from './rmap/design.ts';
export { SWAP_AGAIN, SWAP_FAIL, SWAP_SUCCESS } from './rmap/index.ts';
export { defineMmScenario, type MmContext, type MmScenarioSpec } from './scenario.ts';
export type { SectionOf, Sections } from './sections.ts';
export { DEFAULT_SPEC, type MmSpec, MmSpecError, mmSpec } from './spec.ts';
export { SPF_ABORTS, type SpfAbort, type SpfCounters } from './spf/counters.ts';
export type { SpfVmas } from './spf/lookup.ts';
export {
  SPF_DESIGNS,
  type SpfLookup,
  type SpfName,
  type SpfRules,
  type SpfWriters,
  type UnmapSame,
} from './spf/rules.ts';
export { VM_FAULT_PTNOTSAME } from './spf/swap.ts';
export type { Around, SpfHooks, SpfWriter } from './spf/writers.ts';
export { type Spf, spf } from './spf.ts';
export type { Stack } from './stack.ts';
export * from './structs.ts';
export type { Swap } from './swap.ts';
export type { Swapoff } from './swapoff.ts';
export type { Tlb } from './tlb.ts';
export {
  type StampRules,
  TRUNCATE_DESIGNS,
  type TruncateName,
  type TruncateRules,
} from './truncate/rules.ts';
export type { Stamps } from './truncate/stamps.ts';
export { type Truncate, truncate } from './truncate.ts';
export type { Unmappable } from './unmappable.ts';
export type { User, UserRead } from './user.ts';
export type { VmaSpec, Vmas } from './vma.ts';
export type { VmaPlace, VmaTree } from './vma-tree.ts';
export { defineMmWorkload, type MmDesign, type MmMember, type MmWorkloadSpec } from './workload.ts';
export { T2 } from './workloads/files.ts';
export { type MigrationMix, type MigrationRules, migrationMix, T4 } from './workloads/migrate.ts';
export { type Member, MORE, type Operation, T0, T1, type WeighedOperation } from './workloads/operations.ts';
export type { Area, Party } from './workloads/party.ts';
export { T3 } from './workloads/spf.ts';
export type { Users } from './workloads/users.ts';
export type { SlabSpecs, World } from './world.ts';
export type { Zap, ZapDetails } from './zap.ts';
