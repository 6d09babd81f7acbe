/**
 * `defineWorkload`: operations that CPUs draw for as long as a run lasts, over state that is never put back.
 *
 * A scenario repeats one short episode from the same beginning. A workload goes on: what an operation finds is what all before it have left, so it comes to states that nobody would write down. `init` sets the
 * state up once; each CPU draws operation after operation by their weights; every so often all CPUs meet, and `rest` judges the state while nothing happens. `lockrig torture` runs it; it has no
 * executions that could be repeated, so nothing else does.
 *
 * Callbacks keep nothing in JavaScript variables from one call to the next: what is to last is in the state.
 */
import type { Addr, Isa } from './arch/index.ts';
import { isAsync, wrongName } from './definition.ts';
import { type Cpu, MAX_CPUS, sizeOf } from './memory/index.ts';

/** What a run has chosen. */
export interface WorkloadSettings {
  /** One of `regimes`; empty where there are none. */
  readonly regime: string;
  /** All of `sizes`. */
  readonly sizes: Readonly<Record<string, number>>;
}

/** What every callback receives. One object is reused: take what you need out of it at each call. */
export interface WorkloadContext<Tools = unknown> {
  readonly isa: Isa;
  /** Address of the state. */
  readonly state: Addr;
  readonly cpu: Cpu;
  /** CPUs that take part. */
  readonly cpus: number;
  /** What `create` returned on this CPU. */
  readonly tools: Tools;
}

/** What `rest` receives. */
export interface RestContext<Tools = unknown> extends WorkloadContext<Tools> {
  /** Says what is wrong. The run ends: what comes after damage says nothing. */
  fail(what: string): void;
}

/** Something that a CPU may do. */
export interface WorkloadOperation<Tools = unknown> {
  /** How often it is drawn, beside the others: a whole number from 0. A run may say otherwise. */
  readonly weight: number;
  /**
   * Does it.
   * @returns false when it came to nothing, refused for want of memory for example: counted apart
   * @throws whatever it finds to be wrong; the run ends with that
   */
  run(context: WorkloadContext<Tools>): unknown;
}

/** A number that a run may choose. */
export interface WorkloadSize {
  /** What it is unless the run says otherwise. */
  readonly value: number;
  readonly least: number;
  readonly most: number;
}

/** What a workload states. */
export interface WorkloadSpec<Tools = unknown> {
  name: string;
  /** CPUs of a run that does not say how many; 2 unless given. */
  cpus?: number;
  /** CPUs that a run can have at most; as many as a machine unless given. */
  mostCpus?: number;
  /** Layout of the state, its bytes, or a function that knows them. */
  state: object | number | ((cpus: number, settings: WorkloadSettings) => number);
  /** Forms of what is under load, by name, of which a run chooses one; the first unless it says. */
  regimes?: readonly string[];
  sizes?: Readonly<Record<string, WorkloadSize>>;
  /** Runs once on each CPU, and accesses no shared memory. */
  create?: (isa: Isa, cpu: Cpu, state: Addr, settings: WorkloadSettings) => Tools;
  /** Sets the zeroed state up; once, on one CPU, before any operation. */
  init?: (context: WorkloadContext<Tools>) => void;
  /** By name. */
  operations: Readonly<Record<string, WorkloadOperation<Tools>>>;
  /** Judges the state, on one CPU, while all others wait between two operations. */
  rest: (context: RestContext<Tools>) => void;
  /** Asked on one CPU when the run has ended without an exception. @returns sentences that are worth knowing of it, and no violations */
  notes?: (context: WorkloadContext<Tools>) => readonly string[];
  /** Names the words of the state; see `ScenarioSpec.names`. */
  names?: (addr: Addr, state: Addr, cpus: number, settings: WorkloadSettings) => string | undefined;
}

/** A workload. */
export interface WorkloadDefinition<Tools = unknown> {
  readonly definition: 'workload';
  readonly name: string;
  readonly cpus: number;
  /** CPUs that a run can have at most. */
  readonly mostCpus: number;
  readonly layout: object | undefined;
  /** Bytes of the state. */
  readonly bytes: (cpus: number, settings: WorkloadSettings) => number;
  readonly regimes: readonly string[];
  readonly sizes: Readonly<Record<string, WorkloadSize>>;
  /** Makes what callbacks work with, on one CPU. */
  readonly create: (isa: Isa, cpu: Cpu, state: Addr, settings: WorkloadSettings) => Tools;
  /** Sets the state up. */
  readonly init: ((context: WorkloadContext<Tools>) => void) | undefined;
  readonly operations: Readonly<Record<string, WorkloadOperation<Tools>>>;
  /** Judges the state. */
  readonly rest: (context: RestContext<Tools>) => void;
  /** What is worth knowing of a run, and no violation. */
  readonly notes: WorkloadSpec<Tools>['notes'];
  /** Names the words of the state. */
  readonly names: WorkloadSpec<Tools>['names'];
}

/** A workload that cannot be used: says which one and what would be right. */
export class WorkloadDefinitionError extends TypeError {
  readonly code = 'EWORKLOADDEFINITION';
  constructor(message: string) {
    super(message);
    this.name = 'WorkloadDefinitionError';
  }
}

const whole = (value: unknown): boolean => Number.isInteger(value) && (value as number) >= 0;

function wrongSize({ value, least, most }: WorkloadSize): boolean {
  return ![value, least, most].every(Number.isInteger) || value < least || value > most;
}

/**
 * Looks at what has to be right before anything else can be said of it.
 * @param by the function that defines it
 * @returns its name
 * @throws WorkloadDefinitionError
 */
export function workloadName(spec: { readonly name: unknown }, by: string): string {
  const { name } = (spec ?? {}) as { readonly name?: unknown };
  if (typeof name !== 'string' || name === '')
    throw new WorkloadDefinitionError(`a workload needs a name: ${by}({ name: 'my-mix', … })`);
  const wrong = wrongName(name);
  if (wrong !== undefined) throw new WorkloadDefinitionError(`a workload's name ${wrong}`);
  return name;
}

/**
 * Defines a workload.
 * @throws WorkloadDefinitionError when a part is missing or makes no sense
 */
export function defineWorkload<Tools = undefined>(spec: WorkloadSpec<Tools>): WorkloadDefinition<Tools> {
  const name = workloadName(spec, 'defineWorkload');
  const { cpus = 2, state, regimes = [], sizes = {}, operations, rest, notes, names } = spec;
  const fail = (what: string): never => {
    throw new WorkloadDefinitionError(`workload '${name}' ${what}`);
  };
  const all = Object.entries(operations ?? {});
  if (all.length === 0) fail('has no operations: operations: { mine: { weight: 1, run } } is expected');
  for (const [operation, stated] of all) {
    const { weight, run } = stated ?? {};
    if (typeof run !== 'function') fail(`has no run in the operation '${operation}'`);
    if (!whole(weight))
      fail(`draws '${operation}' with the weight ${String(weight)}: a whole number from 0 is expected`);
  }
  if (!Array.isArray(regimes) || regimes.some((each) => typeof each !== 'string'))
    fail('has something else than a list of names for regimes');
  if (all.every(([, { weight }]) => weight === 0)) fail('draws nothing: all weights are 0');
  if (typeof rest !== 'function') fail('judges nothing: it needs rest');
  for (const [part, one] of Object.entries({ create: spec.create, init: spec.init, rest, notes, names }))
    if (isAsync(one)) fail(`has an async function for ${part}: a CPU waits for no promise`);
  for (const [operation, { run }] of all)
    if (isAsync(run))
      fail(`has an async function for the operation '${operation}': a CPU waits for no promise`);
  if (!Number.isInteger(cpus) || cpus < 1)
    fail(`has ${String(spec.cpus)} CPUs: a whole number from 1 is expected`);
  const { mostCpus = MAX_CPUS } = spec;
  if (!Number.isInteger(mostCpus) || mostCpus < cpus || mostCpus > MAX_CPUS)
    fail(`has at most ${String(mostCpus)} CPUs: a whole number from ${cpus} to ${MAX_CPUS} is expected`);
  for (const [size, stated] of Object.entries(sizes))
    if (wrongSize(stated))
      fail(`has no sense in the size '${size}': whole numbers least ≤ value ≤ most are expected`);
  const layout = typeof state === 'object' && state !== null ? state : undefined;
  const bytes = typeof state === 'number' ? state : layout ? sizeOf(layout) : undefined;
  if (typeof state !== 'function' && !(bytes !== undefined && bytes >= 4 && Number.isFinite(bytes)))
    fail('has no state: a struct layout, bytes from 4, or a function (cpus, settings) => bytes is expected');
  return Object.freeze({
    definition: 'workload' as const,
    name,
    cpus,
    mostCpus,
    layout,
    bytes: typeof state === 'function' ? (state as WorkloadDefinition['bytes']) : () => Math.ceil(bytes!),
    regimes: Object.freeze([...regimes]),
    sizes: Object.freeze({ ...sizes }),
    create: spec.create ?? (() => undefined as Tools),
    init: spec.init,
    operations: Object.freeze({ ...operations }),
    rest,
    notes,
    names,
  });
}
