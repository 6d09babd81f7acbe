/**
 * `defineScenario`: an episode that can be repeated millions of times.
 *
 * An episode starts from zeroed state, `init` sets it up, every CPU runs its actor once, in parallel, and `check` looks at what is left while
 * all CPUs are at rest. Many episodes lie side by side in memory (the `stride`) between two meetings of the CPUs, so that meetings do not
 * dominate and the actors of one episode really overlap.
 *
 * Callbacks keep nothing in JavaScript variables from one call to the next: what an episode needs is in its state.
 *
 * With a `model` the operations that callbacks `record` are judged, too: is there an order of them, true to real time, in which the model returns what they
 * returned (linearizability)? What `init` records comes before all, what `check` records after all.
 */
import type { Addr, Isa } from './arch/index.ts';
import { isAsync, wrongName } from './definition.ts';
import type { MutantNote, OracleName } from './locking/define.ts';
import { type Cpu, sizeOf } from './memory/index.ts';
import type { ModelName, RecordedOp, ScenarioModel } from './model.ts';

/** How an outcome is graded, after jcstress. */
export type Grade = 'acceptable' | 'interesting' | 'forbidden';

/** What every callback receives. One object is reused: take what you need out of it at each call. */
export interface ScenarioContext<Tools = unknown> {
  readonly isa: Isa;
  /** Address of this episode's state. */
  readonly state: Addr;
  readonly cpu: Cpu;
  /** CPUs that take part. */
  readonly cpus: number;
  /** What `create` returned on this CPU. */
  readonly tools: Tools;
  /**
   * Performs an operation and records it for the scenario's `model`. What runs is not changed by that; without a model nothing is recorded.
   * @param op as the model understands it: `{ name: 'push', value: 1 }`
   * @param run performs it, and returns what the model would: a number, a string, true, false or nothing
   * @returns what `run` returned
   */
  record<Returned>(op: RecordedOp, run: () => Returned): Returned;
}

/** What `check` receives. */
export interface CheckContext<Tools = unknown> extends ScenarioContext<Tools> {
  /** Says what is wrong with this episode. */
  fail(what: string): void;
}

/** An actor: what one CPU does in an episode. */
export type Actor<Tools = unknown> = (context: ScenarioContext<Tools>) => void;

/** How stores and loads may be reordered: not at all, behind a first-in-first-out store buffer (x86), or as far as barriers allow. */
export type MemoryModel = 'sc' | 'tso' | 'weak';

/**
 * What can catch a scenario: `check` (or a forbidden outcome), `progress` (nobody can go on, or everybody goes on for ever), `exception`, `race` (a
 * data race by happens-before), `lifetime` (an object is used after it was given back), `linearizability` (no order explains what was recorded),
 * `lock-order` (locks are used as they must not be, whatever came of it), `starvation` (a CPU is passed more often than its lock promises).
 */
export type ScenarioOracle = Extract<
  OracleName,
  'check' | 'progress' | 'exception' | 'race' | 'lifetime' | 'linearizability' | 'lock-order' | 'starvation'
>;

/** What a scenario that is broken on purpose admits to. */
export interface ScenarioMutant extends Pick<MutantNote, 'of' | 'wrong'> {
  /** Where the bug is described: a paper, a book, a kernel document, a CVE. */
  readonly source: string;
  /** What must catch it. */
  readonly caughtBy: ScenarioOracle;
  /** How the failure must begin, where the catcher alone does not tell one defect from another: `O-MAP`. */
  readonly says?: string;
  /** Other ways in which it may be told of: by who comes upon the damage, where that goes several ways. */
  readonly or?: readonly Pick<ScenarioMutant, 'caughtBy' | 'says'>[];
  /** The strongest memory model under which it shows. */
  readonly model: MemoryModel;
}

/** An order in which locks have to be taken; a lock that is only tried for may be taken against it. */
export interface DeclaredOrder {
  /** Whose it is: `2.6.5`. */
  readonly name: string;
  /**
   * What kind of lock a word of a state is, from its address alone, as {@link ScenarioSpec.names} names it.
   * @returns undefined: none that the order is about
   */
  kindOf(lock: Addr, state: Addr, cpus: number): string | undefined;
  /** Whether a lock of one kind is to be taken before one of another. */
  before(kind: string, other: string): boolean;
}

/** What a scenario states. */
export interface ScenarioSpec<Tools = unknown> {
  name: string;
  /** CPUs of an episode; 2, or as many as there are actors, unless given. */
  cpus?: number;
  /** Layout of the state, or its bytes. */
  state: object | number;
  /**
   * Runs once on each CPU: operations of the locks that the actors use, for example. It accesses no shared memory.
   * @param state where the first state lies: the only one where the `stride` is 1
   */
  create?: (isa: Isa, cpu: Cpu, state: Addr) => Tools;
  /** Sets up a zeroed state. */
  init?: Actor<Tools>;
  /** One function for all CPUs, or one a CPU. */
  actors: Actor<Tools> | readonly Actor<Tools>[];
  /** Looks at the state when all actors are done. */
  check?: (context: CheckContext<Tools>) => void;
  /** Judges the operations that are recorded: the name of a ready-made model, or one of its own. */
  model?: ScenarioModel;
  /**
   * What may be left of its slabs' objects when `check` has run: `nothing`, or what is `reachable` by pointers, addresses that is, from the state or from another
   * such object. `lockrig hunt` judges it; unless given, nobody does.
   */
  keeps?: 'nothing' | 'reachable';
  /**
   * Names the words of a state, where `state` is no struct or says too little: `page[3]._refcount`. Everything that shows an address asks it: interleavings, findings, wait-for
   * graphs. It computes the name from the address alone, reads no memory, and takes part in no execution.
   * @param state where the state begins that the address lies in
   * @returns the name; undefined for an address that it knows nothing about
   */
  names?: (addr: Addr, state: Addr, cpus: number) => string | undefined;
  /** The order in which its locks are to be taken: `lockrig hunt` reports a lock that is waited for against it, though nobody met in a deadlock. Unless given, only orders that contradict each other are. */
  lockOrder?: DeclaredOrder | undefined;
  /** Names what came out, for a histogram. */
  outcome?: (context: ScenarioContext<Tools>) => string;
  /** Grades outcomes; one that is not listed is forbidden. Without it every outcome is acceptable. */
  grades?: Readonly<Record<string, Grade | readonly [Grade, string]>>;
  /** Episodes between two meetings of the CPUs, 1 to 65536; 256 unless given. */
  stride?: number;
  /** Set on scenarios that are broken on purpose. */
  mutant?: ScenarioMutant;
}

/** A scenario. */
export interface ScenarioDefinition<Tools = unknown> {
  readonly definition: 'scenario';
  readonly name: string;
  readonly cpus: number;
  readonly layout: object | undefined;
  readonly bytes: number;
  readonly stride: number;
  /** What the callbacks get as `tools` on one CPU. */
  readonly create: (isa: Isa, cpu: Cpu, state: Addr) => Tools;
  readonly init: Actor<Tools> | undefined;
  readonly actors: Actor<Tools> | readonly Actor<Tools>[];
  /** Judges one episode. */
  readonly check: ((context: CheckContext<Tools>) => void) | undefined;
  /** Judges what is recorded. */
  readonly model: ScenarioModel | undefined;
  /** What may be left of objects at the end; undefined: not judged. */
  readonly keeps: 'nothing' | 'reachable' | undefined;
  /** Names the words of a state. */
  readonly names: ((addr: Addr, state: Addr, cpus: number) => string | undefined) | undefined;
  /** The order in which its locks are to be taken; undefined: none is declared. */
  readonly lockOrder: DeclaredOrder | undefined;
  /** Names what came out of one episode. */
  readonly outcome: ((context: ScenarioContext<Tools>) => string) | undefined;
  readonly grades: Readonly<Record<string, Grade | readonly [Grade, string]>> | undefined;
  /** Set on scenarios that are broken on purpose. */
  readonly mutant: ScenarioMutant | undefined;
}

/** A scenario that cannot be used: says which one and what would be right. */
export class ScenarioDefinitionError extends TypeError {
  readonly code = 'ESCENARIODEFINITION';
  constructor(message: string) {
    super(message);
    this.name = 'ScenarioDefinitionError';
  }
}

const STRIDE = 256;
/** Names of the ready-made models. */
const MODEL_NAMES: readonly string[] = [
  'register',
  'casRegister',
  'counter',
  'fifoQueue',
  'stack',
  'set',
  'mutex',
] satisfies readonly ModelName[];

/** Whether something has what a model needs. */
function isModel(model: unknown): boolean {
  if (typeof model === 'string') return MODEL_NAMES.includes(model);
  const { init, apply, key } = (model ?? {}) as Record<string, unknown>;
  return [init, apply, key].every((part) => typeof part === 'function');
}

/** What every scenario states, whatever it is made of. */
interface Stated {
  readonly name: unknown;
  readonly actors: unknown;
  readonly cpus?: unknown;
}

/**
 * Looks at what has to be right before anything can be made of it: that something is stated, its name, its actors and its CPUs.
 * @param by the function that defines it
 * @returns its CPUs
 * @throws ScenarioDefinitionError
 */
export function scenarioCpus(stated: Stated, by: string): number {
  const { name, actors, cpus: given } = (stated ?? {}) as Stated;
  if (typeof name !== 'string' || name === '')
    throw new ScenarioDefinitionError(`a scenario needs a name: ${by}({ name: 'lost-update', … })`);
  const wrong = wrongName(name);
  if (wrong !== undefined) throw new ScenarioDefinitionError(`a scenario's name ${wrong}`);
  const fail = (what: string): never => {
    throw new ScenarioDefinitionError(`scenario '${name}' ${what}`);
  };
  const each: readonly unknown[] | undefined = Array.isArray(actors) ? actors : undefined;
  const functions = each ?? [actors];
  if (functions.length === 0 || functions.some((actor) => typeof actor !== 'function'))
    fail('has no actors: one function for all CPUs, or an array of one a CPU, is expected');
  const cpus = given ?? each?.length ?? 2;
  if (typeof cpus !== 'number' || !Number.isInteger(cpus) || cpus < 1)
    return fail(`has ${String(given)} CPUs: a whole number from 1 is expected`);
  if (each && each.length !== cpus)
    fail(`has ${each.length} actors for ${cpus} CPUs: one a CPU, or a single function for all, is expected`);
  return cpus;
}

/**
 * Defines a scenario.
 * @throws ScenarioDefinitionError when a part is missing or makes no sense
 */
export function defineScenario<Tools = undefined>(spec: ScenarioSpec<Tools>): ScenarioDefinition<Tools> {
  const cpus = scenarioCpus(spec, 'defineScenario');
  const {
    name,
    actors,
    state,
    stride = STRIDE,
    grades,
    outcome,
    check,
    model,
    keeps,
    names,
    lockOrder,
  } = spec;
  const fail = (what: string): never => {
    throw new ScenarioDefinitionError(`scenario '${name}' ${what}`);
  };
  const callbacks = {
    actors: typeof actors === 'function' ? [actors] : actors,
    init: [spec.init],
    check: [check],
    outcome: [outcome],
    names: [names],
    lockOrder: [lockOrder?.kindOf, lockOrder?.before],
  };
  for (const [part, callback] of Object.entries({ create: spec.create, init: spec.init, check, outcome }))
    if (callback !== undefined && typeof callback !== 'function')
      fail(`has ${typeof callback} for ${part}: a function is expected`);
  for (const [part, functions] of Object.entries(callbacks))
    if (functions.some(isAsync))
      fail(
        `has an async function for ${part}: a CPU waits for no promise, and what follows an await would be no part of the episode`,
      );
  const bytes =
    typeof state === 'number'
      ? state
      : typeof state === 'object' && state !== null
        ? sizeOf(state)
        : Number.NaN;
  if (!(bytes >= 4) || !Number.isFinite(bytes))
    fail('has no state: a struct layout, or a number of bytes from 4, is expected');
  if (!Number.isInteger(stride) || stride < 1 || stride > 65536)
    fail(`has the stride ${String(stride)}: a whole number from 1 to 65536 is expected`);
  if (!check && !outcome && model === undefined)
    fail('judges nothing: it needs check, or a model, or outcome with grades');
  if (model !== undefined && !isModel(model))
    fail(
      `has ${typeof model === 'string' ? `the model '${model}'` : 'something else'} for a model: one of ${MODEL_NAMES.join(', ')} is expected, or an object with init, apply and key`,
    );
  if (keeps !== undefined && keeps !== 'nothing' && keeps !== 'reachable')
    fail(`keeps ${String(keeps)}: 'nothing' or 'reachable' is expected`);
  if (names !== undefined && typeof names !== 'function')
    fail(`has ${typeof names} for names: a function from an address to the name of its word is expected`);
  if (lockOrder && [lockOrder.kindOf, lockOrder.before].some((part) => typeof part !== 'function'))
    fail('has a lockOrder that says too little: an object with name, kindOf and before is expected');
  if (grades && !outcome) fail('grades outcomes but has no outcome() that names them');
  return Object.freeze({
    definition: 'scenario' as const,
    name,
    cpus,
    layout: typeof state === 'object' ? state : undefined,
    bytes: Math.ceil(bytes),
    stride,
    create: spec.create ?? (() => undefined as Tools),
    init: spec.init,
    actors,
    check,
    model,
    keeps,
    names,
    lockOrder,
    outcome,
    grades,
    mutant: spec.mutant && Object.freeze({ ...spec.mutant }),
  });
}
