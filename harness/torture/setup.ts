/**
 * Sets a machine up for a torture run, on the main thread, before any CPU runs.
 */
import type { Addr } from '../../src/arch/index.ts';
import type { AnyLock } from '../../src/locking/define.ts';
import { mutex3 } from '../../src/locking/mutex3.ts';
import { CpuArea, createMachine, LINE, type Machine, roundUp } from '../../src/memory/index.ts';
import { allocateArea, areaBytes, Control, CpuLine, cpuLine, type TortureArea } from './area.ts';
import { ParameterError, type TortureParams } from './params.ts';

/** What the CPUs are booted with; survives structured clone. */
export interface TortureSetup {
  /** Which lock: lockrig's own by name, a user's by name and the URL of its bundled module. */
  readonly subject: { readonly name: string; readonly url?: string };
  readonly lock: Addr;
  readonly nested: readonly Addr[];
  readonly mutexAddr: Addr;
  /** Start of the per-CPU bytes and their stride; 0 when the lock has none. */
  readonly perCpu: Addr;
  readonly perCpuStride: number;
  readonly area: TortureArea;
  readonly params: TortureParams;
  readonly shared: unknown;
  readonly value: number;
}

/** The most permits that a semaphore under torture has. */
const PERMITS = 3;

/** What a lock of this kind is initialised with. */
export function initialValue(definition: AnyLock, params: TortureParams): number {
  if (definition.kind === 'semaphore') return PERMITS;
  if (definition.kind === 'barrier') return params.cpus;
  return 0;
}

/**
 * Creates the machine, the locks and the torture's own memory.
 * @throws ParameterError when the parameters do not fit the kind or the memory
 */
export async function prepare(
  definition: AnyLock,
  params: TortureParams,
  url?: string,
): Promise<{ machine: Machine; setup: TortureSetup }> {
  const { cpus } = params;
  if (definition.kind === 'barrier' && params.hotplug > 0)
    throw new ParameterError('hotplug does not go with barriers: their number of parties is fixed');
  if (definition.kind === 'async-mutex' && params.hotplug > 0)
    throw new ParameterError('hotplug does not go with async locks: their CPUs do not meet in rounds');
  const inner = definition.kind === 'condition' ? 1 : params.nested;
  const bytes = roundUp(definition.size(cpus), LINE);
  const perCpuStride = roundUp(definition.perCpu, LINE);
  const heap = (1 + inner) * bytes + perCpuStride * cpus + areaBytes(cpus) + 4096;
  let machine: Machine;
  try {
    machine = createMachine({ cpus, bytes: heap });
  } catch (error) {
    throw new ParameterError(`lock '${definition.name}' does not fit: ${(error as Error).message}`);
  }
  const { boot } = machine;
  const lock = machine.alloc(bytes);
  const nested = Array.from({ length: inner }, () => machine.alloc(bytes));
  const mutexAddr = machine.alloc(mutex3.size(cpus));
  const perCpu = perCpuStride === 0 ? 0 : machine.alloc(perCpuStride * cpus);
  const area = allocateArea((size) => machine.alloc(size), cpus);
  const value = initialValue(definition, params);
  for (const each of [lock, ...nested]) definition.init(boot, each, cpus, value);
  mutex3.init(boot, mutexAddr, cpus, 0);
  for (let cpu = 0; cpu < cpus; cpu += 1) boot.store(cpuLine(area, cpu) + CpuLine.active, 1);
  boot.store(area.control + Control.expected, cpus);
  const shared = await definition.share?.();
  return {
    machine,
    setup: {
      subject: { name: definition.name, ...(url === undefined ? {} : { url }) },
      lock,
      nested,
      mutexAddr,
      perCpu,
      perCpuStride,
      area,
      params,
      shared,
      value,
    },
  };
}

/** Heartbeats of a CPU, for progress. */
export function heartbeat(machine: Machine, cpu: number): number {
  return machine.words[(machine.areaOf(cpu) + CpuArea.heartbeat) >>> 2] ?? 0;
}
