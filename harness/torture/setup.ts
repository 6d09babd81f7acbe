/**
 * Sets a machine up for a torture run, on the main thread, before any CPU runs.
 */
import { availableParallelism } from 'node:os';
import type { Addr } from '../../src/arch/index.ts';
import { type AnyLock, LockDefinitionError } from '../../src/locking/define.ts';
import { mutex3 } from '../../src/locking/mutex3.ts';
import { createMachine, LINE, type Machine, roundUp } from '../../src/memory/index.ts';
import { heapStart } from '../../src/memory/layout.ts';
import type { ScenarioDefinition } from '../../src/scenario.ts';
import type { WorkloadDefinition } from '../../src/workload.ts';
import { ControlTimeout, CpuDied } from '../cpus/pool.ts';
import { logWords } from '../detect/history-log.ts';
import type { Tracing } from '../engines/traced/cpu.ts';
import { type HbHandle, hbMemory, hbSize, MAX_WATCHED } from '../engines/traced/hb-layout.ts';
import type { StatHandle } from '../measure/stat-area.ts';
import { reason, shown, stackOf } from '../plugin/errors.ts';
import { framesOf, mapStack } from '../plugin/trace.ts';
import { allocateArea, areaBytes, Control, CpuLine, cpuLine, type TortureArea } from './area.ts';
import { ParameterError, type TortureParams } from './params.ts';
import { counterStride, refuseChoices, settingsOf, type WorkloadCounters } from './workload.ts';

/** What has executions that can be repeated: it can be hunted, too. */
export type Repeatable = AnyLock | ScenarioDefinition;

/** What can be tortured. */
export type Tortured = Repeatable | WorkloadDefinition;

/** What the CPUs are booted with; survives structured clone. */
export interface TortureSetup {
  /** Which lock: lockrig's own by name, a user's by name and the URL of its bundled module. */
  readonly subject: {
    readonly definition: Tortured['definition'];
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
  /** Where a scenario with a model records operations: clock, first episode's log, words of a log and of a CPU's section. */
  readonly histories?: {
    readonly clock: Addr;
    readonly first: Addr;
    readonly words: number;
    readonly section: number;
  };
  /** Where a workload's CPUs count what they do. */
  readonly counters?: WorkloadCounters;
  readonly area: TortureArea;
  readonly params: TortureParams;
  readonly shared: unknown;
  readonly value: number;
  /** Accesses are recorded, or delayed. */
  readonly tracing?: Tracing;
  /** Accesses are watched for data races. */
  readonly watched?: HbHandle;
  /** Lock statistics are kept. */
  readonly stat?: StatHandle;
}

/** A part of a user's definition threw, or answered what cannot be used, before any CPU ran: bad input. */
export class SubjectError extends Error {
  readonly code = 'ESUBJECT';
  /** @param what a sentence; what was thrown, and where, is added to it */
  constructor(what: string, thrown?: unknown) {
    super(thrown === undefined ? what : `${what} (${reason(thrown)})${placeOf(thrown)}`, { cause: thrown });
    this.name = 'SubjectError';
    if (thrown !== undefined) this.stack = mapStack(stackOf(thrown));
  }
}

function placeOf(thrown: unknown): string {
  const place = framesOf(stackOf(thrown)).find(({ bundled }) => bundled);
  return place === undefined ? '' : ` at ${shown(place.file)}:${place.line}:${place.column}`;
}

/** Why the CPUs could not be started: the user's code threw while it was created, or lockrig failed. */
export function startError(error: Error, definition: Tortured, url: string | undefined): Error {
  if (url === undefined || error instanceof CpuDied || error instanceof ControlTimeout) return error;
  const subject = `${definition.definition} '${definition.name}'`;
  if (error.name === 'DataCloneError')
    return new SubjectError(
      `share of ${subject} returns what cannot be sent to other threads: ${error.message}`,
    );
  // It says itself which operation is missing.
  if (error.name === 'LockDefinitionError') return new SubjectError(error.message);
  return new SubjectError(`${subject} cannot be created on a CPU`, error);
}

/** Milliseconds that `share` may take. */
const PATIENCE = 10_000;

/** The most permits that a semaphore under torture has. */
const PERMITS = 3;

/** What a lock of this kind is initialised with. */
export function initialValue(definition: AnyLock, params: TortureParams): number {
  if (definition.kind === 'semaphore') return PERMITS;
  if (definition.kind === 'barrier') return params.cpus;
  return 0;
}

/** Whether something runs free, and nothing else: a workload, whose state is never put back, or a lock that brings memory of its own, which nobody can put back between executions. */
export function runsFreeOnly(subject: Tortured): boolean {
  if (subject.definition === 'workload') return true;
  return subject.definition === 'lock' && (subject.share !== undefined || subject.kind === 'async-mutex');
}

/** @throws ParameterError when the parameters do not go with the subject */
export function refuse(subject: Tortured, params: TortureParams): void {
  const { cpus, hotplug } = params;
  if (params.detect.length > 0) refuseWatching(subject, params);
  if (subject.definition === 'workload') {
    if (hotplug > 0)
      throw new ParameterError(
        'hotplug does not go with workloads: a CPU that is gone would still have what it has drawn',
      );
    return;
  }
  refuseChoices(subject.name, params);
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

/** Of a lock whose memory is its own nothing is seen of what it orders: all that it protects would race. */
function refuseWatching(subject: Tortured, { cpus, engine, trace, chaos }: TortureParams): void {
  if (subject.definition === 'lock' && subject.share !== undefined)
    throw new ParameterError(
      `lock '${subject.name}' brings memory of its own, where nobody sees what it orders: races cannot be told with it`,
    );
  if (cpus > MAX_WATCHED)
    throw new ParameterError(`races are watched for on up to ${MAX_WATCHED} CPUs, not ${cpus}`);
  if (engine !== 'wasm') throw new ParameterError('races are watched for by the wasm engine only');
  if (trace !== 'off' || chaos !== 'none')
    throw new ParameterError(
      'watching for races goes with neither records of accesses nor delays: give one of them',
    );
}

/** Bytes that a thread of Node takes before it has done anything. */
const THREAD_BYTES = 12 * 2 ** 20;

function refuseThreads(cpus: number): void {
  const free = process.availableMemory();
  if (cpus * THREAD_BYTES <= free) return;
  const gib = (bytes: number): string => `${(bytes / 2 ** 30).toFixed(1)} GiB`;
  throw new ParameterError(
    `${cpus} CPUs do not fit: their threads need about ${gib(cpus * THREAD_BYTES)} of memory and ${gib(free)} are free, enough for ${Math.floor(free / THREAD_BYTES)}`,
  );
}

/** Runs a part of a user's definition, which may throw, or never settle. */
async function part<Result>(
  subject: Tortured,
  name: string,
  run: () => Result | Promise<Result>,
): Promise<Result> {
  let timer: NodeJS.Timeout | undefined;
  const late = new Promise<never>((_resolve, reject) => {
    timer = setTimeout(
      () => reject(new SubjectError(`${name} of ${subject.definition} '${subject.name}' does not settle`)),
      PATIENCE,
    );
  });
  try {
    return await Promise.race([run(), late]);
  } catch (thrown) {
    if (thrown instanceof SubjectError || thrown instanceof LockDefinitionError) throw thrown;
    throw new SubjectError(`${name} of ${subject.definition} '${subject.name}' throws`, thrown);
  } finally {
    clearTimeout(timer);
  }
}

/** @param apart bytes that are not watched for races */
function createFor(subject: Tortured, params: TortureParams, bytes: number, apart = 0): Machine {
  const { cpus } = params;
  const watching = params.detect.length === 0 ? 0 : hbSize(cpus, heapStart(cpus) + bytes);
  try {
    return createMachine({ cpus, bytes: bytes + apart + watching, cores: availableParallelism() });
  } catch (error) {
    throw new ParameterError(
      `${subject.definition} '${subject.name}' does not fit: ${(error as Error).message}`,
    );
  }
}

/** Everything that has been allocated by now is watched. */
function watching(
  machine: Machine,
  { detect }: TortureParams,
  repeats?: HbHandle['repeats'],
): { readonly watched?: HbHandle } {
  if (detect.length === 0) return {};
  return {
    watched: { ...hbMemory(machine, machine.alloc(LINE)), ...(repeats === undefined ? {} : { repeats }) },
  };
}

function startAll(machine: Machine, area: TortureArea): void {
  const { boot, cpus } = machine;
  for (let cpu = 0; cpu < cpus; cpu += 1) {
    boot.store(cpuLine(area, cpu) + CpuLine.active, 1);
    boot.store(cpuLine(area, cpu) + CpuLine.member, 1);
  }
  boot.store(area.control + Control.expected, cpus);
}

/** Of subjects that the harness takes no lock around. */
const UNLOCKED = { nested: [], perCpu: 0, perCpuStride: 0, shared: undefined, value: 0 };

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
  refuseThreads(params.cpus);
  const reference = {
    definition: subject.definition,
    name: subject.name,
    ...(url === undefined ? {} : { url }),
  };
  switch (subject.definition) {
    case 'lock':
      return prepareLock(subject, params, reference);
    case 'scenario':
      return prepareScenario(subject, params, reference);
    case 'workload':
      return prepareWorkload(subject, params, reference);
  }
}

async function prepareWorkload(
  workload: WorkloadDefinition,
  params: TortureParams,
  subject: TortureSetup['subject'],
): Promise<Prepared> {
  const { cpus } = params;
  const bytes = await part(workload, 'state', () => workload.bytes(cpus, settingsOf(params)));
  if (!(bytes >= 4) || !Number.isFinite(bytes))
    throw new SubjectError(
      `state of workload '${workload.name}' is ${String(bytes)} at ${cpus} CPUs: bytes from 4 are expected`,
    );
  const stateStride = roundUp(Math.ceil(bytes), LINE);
  const stride = counterStride(workload);
  const machine = createFor(workload, params, stateStride + areaBytes(cpus) + 4096, stride * cpus + LINE);
  const lock = machine.alloc(stateStride);
  const mutexAddr = machine.alloc(mutex3.size(cpus));
  const area = allocateArea((size) => machine.alloc(size), cpus);
  startAll(machine, area);
  const watched = watching(machine, params);
  const counters = { first: machine.alloc(stride * cpus), stride };
  const setup = {
    ...UNLOCKED,
    ...watched,
    subject,
    lock,
    counters,
    mutexAddr,
    stateStride,
    area,
    params,
  };
  return { machine, setup };
}

async function prepareLock(
  lock: AnyLock,
  params: TortureParams,
  subject: TortureSetup['subject'],
): Promise<Prepared> {
  const { cpus } = params;
  const inner = lock.kind === 'condition' || lock.kind === 'completion' ? 1 : params.nested;
  const bytes = roundUp(await part(lock, 'size', () => lock.size(cpus)), LINE);
  const { bypass } = lock.promises;
  const bound =
    typeof bypass === 'function' ? await part(lock, 'promises.bypass', () => bypass(cpus)) : bypass;
  if (bound !== undefined && !(bound >= 0))
    throw new SubjectError(
      `lock '${lock.name}' promises bypass ${String(bound)} at ${cpus} CPUs: a number from 0 is expected`,
    );
  const perCpuStride = roundUp(lock.perCpu, LINE);
  const machine = createFor(lock, params, (1 + inner) * bytes + perCpuStride * cpus + areaBytes(cpus) + 4096);
  const { boot } = machine;
  const first = machine.alloc(bytes);
  const nested = Array.from({ length: inner }, () => machine.alloc(bytes));
  const mutexAddr = machine.alloc(mutex3.size(cpus));
  const perCpu = perCpuStride === 0 ? 0 : machine.alloc(perCpuStride * cpus);
  const area = allocateArea((size) => machine.alloc(size), cpus);
  const watched = watching(machine, params);
  const value = initialValue(lock, params);
  await part(lock, 'init', () => {
    for (const each of [first, ...nested]) lock.init(boot, each, cpus, value);
  });
  mutex3.init(boot, mutexAddr, cpus, 0);
  startAll(machine, area);
  const shared = await part(lock, 'share', () => lock.share?.(cpus, value));
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
    ...watched,
  };
  return { machine, setup };
}

/** Words that all recorded operations of a round may take, and a CPU's of an episode at most and at least. */
const HISTORY_WORDS = 1 << 21;
const SECTION_WORDS = [128, 8192] as const;

/** Words of a CPU's section: many episodes lie side by side, and share what there is. */
function sectionWords({ model, stride }: ScenarioDefinition, cpus: number): number {
  if (model === undefined) return 0;
  const share = Math.floor(HISTORY_WORDS / (stride * (cpus + 1)));
  return Math.min(SECTION_WORDS[1], Math.max(SECTION_WORDS[0], share));
}

function prepareScenario(
  scenario: ScenarioDefinition,
  params: TortureParams,
  subject: TortureSetup['subject'],
): Prepared {
  const { cpus } = params;
  const stateStride = roundUp(scenario.bytes, scenario.bytes > LINE / 2 ? LINE : 4);
  const bytes = stateStride * scenario.stride;
  const section = sectionWords(scenario, cpus);
  const words = section === 0 ? 0 : logWords(cpus, section);
  const recorded = 4 * words * scenario.stride;
  const machine = createFor(scenario, params, bytes + areaBytes(cpus) + 4096, recorded + LINE);
  const lock = machine.alloc(bytes);
  const mutexAddr = machine.alloc(mutex3.size(cpus));
  const area = allocateArea((size) => machine.alloc(size), cpus);
  startAll(machine, area);
  const watched = watching(machine, params, { from: lock, to: lock + bytes, stride: stateStride });
  const histories =
    section === 0
      ? {}
      : { histories: { clock: machine.alloc(LINE), first: machine.alloc(recorded), words, section } };
  const setup = {
    ...UNLOCKED,
    ...histories,
    ...watched,
    subject,
    lock,
    mutexAddr,
    stateStride,
    area,
    params,
  };
  return { machine, setup };
}
