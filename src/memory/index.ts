/** Memory of a machine: layouts, CPUs, allocation. */
export { Cpu } from './cpu.ts';
export { decode } from './decode.ts';
export {
  createFrames,
  type FrameAllocator,
  FrameError,
  type FramesSpec,
  frames,
  framesBytes,
  initFrames,
  OutOfFrames,
} from './frames.ts';
export {
  type Access,
  afterInit,
  all,
  allows,
  any,
  atomicAccess,
  describeGuard,
  excludes,
  type FieldGuards,
  type Guard,
  GuardError,
  guards,
  guardsOf,
  guardTable,
  type HeldLock,
  held,
  pathResolver,
  regimesOf,
} from './guards.ts';
export type { InterruptHandler } from './interrupts.ts';
export {
  CPU_AREA_BYTES,
  CPU_LEAVING,
  CPU_LOCAL_BYTES,
  CPU_OFFLINE,
  CPU_ONLINE,
  CpuArea,
  cpuArea,
  LINE,
  MAX_HELD,
  roundUp,
} from './layout.ts';
export { MAX_CPUS, MAX_MACHINE_BYTES } from './limits.ts';
export { LIST_POISON_NEXT, LIST_POISON_PREV, ListError, type Lists, listHead, lists } from './list.ts';
export {
  type AttachOptions,
  createMachine,
  type Engine,
  Machine,
  type MachineHandle,
  OutOfMemory,
} from './machine.ts';
export { createObjectTable, type Found, layoutOf, type Objects, objects, tagOf } from './objects.ts';
export { type PerCpu, perCpu } from './percpu.ts';
export {
  createSlab,
  initSlab,
  OutOfObjects,
  type Slab,
  SlabError,
  type SlabSetup,
  type SlabSpec,
  type SlabUser,
  slab,
  slabAt,
  slabBytes,
  slabPlaces,
} from './slab.ts';
export { isTypeStable, typeStable } from './stable.ts';
export {
  type BitField,
  type BitsField,
  bits,
  bitsOf,
  type Field,
  type FieldInfo,
  type Fields,
  type Forms,
  fieldAt,
  i32,
  infoOf,
  type KeysOfEach,
  LayoutError,
  type MemberInfo,
  membersOf,
  type NamesIn,
  nameOf,
  type Overlays,
  ptr,
  type StructInfo,
  type StructLayout,
  sizeOf,
  struct,
  type UnionField,
  u32,
  union,
  words,
} from './struct.ts';
export { type LockMode, MODE_READ, MODE_WRITE, TooManyLocks, type Tracking } from './tracking.ts';
