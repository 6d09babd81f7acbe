/**
 * Locks for programs of their own: where a lock lies, and its operations on a CPU.
 *
 * The thread that creates the machine places a lock; what it gets survives `postMessage`. Each worker that is a CPU makes the operations from
 * that. A lock's class has bytes of its own on each CPU, if it asks for any; they are placed with the lock.
 */
import type { Addr } from './arch/index.ts';
import type { LockDefinition, LockEnv } from './locking/define.ts';
import type { Kind, OpsByKind } from './locking/kinds.ts';
import { type Cpu, LINE, type Machine, roundUp } from './memory/index.ts';

/** Where a lock lies; survives structured clone. */
export interface PlacedLock {
  /** The name of its class. */
  readonly name: string;
  /** What its operations take. */
  readonly lock: Addr;
  /** Start of the class's bytes of each CPU, and their stride; 0 when it has none. */
  readonly perCpu: Addr;
  readonly perCpuStride: number;
  /** What `share` returned. */
  readonly shared: unknown;
}

/**
 * Takes memory for a lock and sets it up, before any CPU uses it.
 * @param value permits of a semaphore, parties of a barrier
 * @throws OutOfMemory
 */
export function placeLock<K extends Kind>(
  machine: Machine,
  definition: LockDefinition<K>,
  value = 0,
): PlacedLock {
  const { boot, cpus } = machine;
  const lock = machine.alloc(definition.size(cpus));
  const perCpuStride = roundUp(definition.perCpu, LINE);
  const perCpu = perCpuStride === 0 ? 0 : machine.alloc(perCpuStride * cpus);
  definition.init(boot, lock, cpus, value);
  const shared = definition.share?.(cpus, value);
  return { name: definition.name, lock, perCpu, perCpuStride, shared };
}

/**
 * The operations of a placed lock on one CPU.
 * @param environment for kind `condition`: the operations of the mutex that it is used with
 * @throws TypeError when something else was placed there
 */
export function useLock<K extends Kind>(
  cpu: Cpu,
  definition: LockDefinition<K>,
  placed: PlacedLock,
  environment: Pick<LockEnv, 'mutex'> = {},
): OpsByKind[K] {
  if (placed.name !== definition.name)
    throw new TypeError(`a ${placed.name} was placed there, not a ${definition.name}`);
  const { perCpu, perCpuStride, shared } = placed;
  const areaOf = (other: number): Addr => (perCpu === 0 ? 0 : perCpu + other * perCpuStride);
  return definition.create(cpu.isa, cpu, { area: areaOf(cpu.id), areaOf, shared, ...environment });
}
