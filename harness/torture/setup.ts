/**
 * Sets a machine up for a torture run, on the main thread, before any CPU runs.
 */
import type { Addr } from '../../src/arch/index.ts';
import type { AnyLock } from '../../src/locking/define.ts';
import { mutex3 } from '../../src/locking/mutex3.ts';
import { createMachine, LINE, type Machine, roundUp } from '../../src/memory/index.ts';
import type { ScenarioDefinition } from '../../src/scenario.ts';
import { allocateArea, areaBytes, Control, CpuLine, cpuLine, type TortureArea } from './area.ts';
import { ParameterError, type TortureParams } from './params.ts';

/** What can be tortured. */
export type Tortured = AnyLock | ScenarioDefinition;

/** What the CPUs are booted with; survives structured clone. */
export interface TortureSetup {
  /** Which lock: lockrig's own by name, a user's by name and the URL of its bundled module. */
  readonly subject: {
    readonly definition: 'lock' | 'scenario';
    readonly name: string;
    readonly url?: string;
  };
  readonly lock: Addr;
  readonly nested: readonly Addr[];
  readonly mutexAddr: Addr;
  /** Start of the per-CPU bytes and their stride; 0 when the lock has none. */
  readonly perCpu: Addr;
  readonly perCpuStride: number;
  /** Bytes from one state of a scenario to the next, which begin at `lock`; 0 for locks. */
  readonly stateStride: number;
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

function refuse(subject: Tortured, params: TortureParams): void {
  const { cpus, hotplug } = params;
  if (subject.definition === 'scenario') {
    if (hotplug > 0)
      throw new ParameterError('hotplug does not go with scenarios: an episode needs all its CPUs');
    if (typeof subject.actors !== 'function' && subject.actors.length !== cpus)
      throw new ParameterError(
        `scenario '${subject.name}' has an actor for each of ${subject.actors.length} CPUs: it cannot run on ${cpus}`,
      );
    return;
  }
  if (subject.kind === 'barrier' && hotplug > 0)
    throw new ParameterError('hotplug does not go with barriers: their number of parties is fixed');
  if (subject.kind === 'async-mutex' && hotplug > 0)
    throw new ParameterError('hotplug does not go with async locks: their CPUs do not meet in rounds');
}

function createFor(subject: Tortured, cpus: number, bytes: number): Machine {
  try {
    return createMachine({ cpus, bytes });
  } catch (error) {
    throw new ParameterError(
      `${subject.definition} '${subject.name}' does not fit: ${(error as Error).message}`,
    );
  }
}

function startAll(machine: Machine, area: TortureArea): void {
  const { boot, cpus } = machine;
  for (let cpu = 0; cpu < cpus; cpu += 1) boot.store(cpuLine(area, cpu) + CpuLine.active, 1);
  boot.store(area.control + Control.expected, cpus);
}

/** A machine that is ready for its CPUs. */
export interface Prepared {
  readonly machine: Machine;
  readonly setup: TortureSetup;
}

/**
 * Creates the machine, the locks and the torture's own memory.
 * @throws ParameterError when the parameters do not fit the kind or the memory
 */
export async function prepare(subject: Tortured, params: TortureParams, url?: string): Promise<Prepared> {
  refuse(subject, params);
  const reference = {
    definition: subject.definition,
    name: subject.name,
    ...(url === undefined ? {} : { url }),
  };
  return subject.definition === 'lock'
    ? prepareLock(subject, params, reference)
    : prepareScenario(subject, params, reference);
}

async function prepareLock(
  lock: AnyLock,
  params: TortureParams,
  subject: TortureSetup['subject'],
): Promise<Prepared> {
  const { cpus } = params;
  const inner = lock.kind === 'condition' ? 1 : params.nested;
  const bytes = roundUp(lock.size(cpus), LINE);
  const perCpuStride = roundUp(lock.perCpu, LINE);
  const machine = createFor(lock, cpus, (1 + inner) * bytes + perCpuStride * cpus + areaBytes(cpus) + 4096);
  const { boot } = machine;
  const first = machine.alloc(bytes);
  const nested = Array.from({ length: inner }, () => machine.alloc(bytes));
  const mutexAddr = machine.alloc(mutex3.size(cpus));
  const perCpu = perCpuStride === 0 ? 0 : machine.alloc(perCpuStride * cpus);
  const area = allocateArea((size) => machine.alloc(size), cpus);
  const value = initialValue(lock, params);
  for (const each of [first, ...nested]) lock.init(boot, each, cpus, value);
  mutex3.init(boot, mutexAddr, cpus, 0);
  startAll(machine, area);
  const shared = await lock.share?.(cpus, value);
  const setup = {
    subject,
    lock: first,
    nested,
    mutexAddr,
    perCpu,
    perCpuStride,
    stateStride: 0,
    area,
    params,
    shared,
    value,
  };
  return { machine, setup };
}

function prepareScenario(
  scenario: ScenarioDefinition,
  params: TortureParams,
  subject: TortureSetup['subject'],
): Prepared {
  const { cpus } = params;
  const stateStride = roundUp(scenario.bytes, scenario.bytes > LINE / 2 ? LINE : 4);
  const bytes = stateStride * scenario.stride;
  const machine = createFor(scenario, cpus, bytes + areaBytes(cpus) + 4096);
  const lock = machine.alloc(bytes);
  const mutexAddr = machine.alloc(mutex3.size(cpus));
  const area = allocateArea((size) => machine.alloc(size), cpus);
  startAll(machine, area);
  const setup = {
    subject,
    lock,
    nested: [],
    mutexAddr,
    perCpu: 0,
    perCpuStride: 0,
    stateStride,
    area,
    params,
    shared: undefined,
    value: 0,
  };
  return { machine, setup };
}
