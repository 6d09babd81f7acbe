/**
 * `defineLock`: how lockrig is told of a lock, its own or a user's.
 *
 * A definition is a class of locks: `create` runs once on each CPU and returns the operations, each of which takes a lock's address. A lock keeps
 * nothing in JavaScript variables from one call to the next; its state lies at its address, in its per-CPU bytes, or in `cpu.local`.
 *
 * `defineMutant` derives a deliberately broken twin: it states what is wrong and which oracle must catch it, and replaces only the operations
 * that differ.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { isAsync, wrongName } from '../definition.ts';
import { type Cpu, MAX_MACHINE_BYTES, sizeOf } from '../memory/index.ts';
import { type Kind, type OpsByKind, type Promises, REQUIRED } from './kinds.ts';
import { declareTraits, traitsOf } from './traits.ts';

/** What `create` can use besides `isa` and `cpu`. */
export interface LockEnv {
  /** Byte offset of this CPU's `perCpu` bytes; 0 when none were asked for. */
  readonly area: Addr;
  /** Byte offset of the `perCpu` bytes of any CPU. */
  readonly areaOf: (cpu: number) => Addr;
  /** What `share()` returned, as it arrived on this thread. */
  readonly shared: unknown;
  /** For kind `condition`: the operations of the mutex it is used with. */
  readonly mutex?: OpsByKind['mutex'];
}

/** What a definition states, in the order of the template. */
export interface LockSpec<K extends Kind> {
  name: string;
  kind: K;
  /** Bytes of one lock, or a function of the number of CPUs; zeroed, cache-line aligned. Left out where `layout` says it. */
  size?: number | ((cpus: number) => number);
  /** The lock's fields: gives the size, and lets evidence show the lock's state by name. */
  layout?: object;
  /** Bytes that each CPU has for this class of locks; zeroed, on lines of their own. */
  perCpu?: number;
  promises?: Promises;
  /** Sets up one lock before any CPU uses it. `value`: permits of a semaphore, parties of a barrier. */
  init?: (isa: Isa, lock: Addr, cpus: number, value: number) => void;
  /**
   * Runs once, on the main thread, for locks that bring their own SharedArrayBuffer; the result is cloned to each CPU. `value` as for `init`.
   */
  share?: (cpus: number, value: number) => unknown;
  /** The operations of one CPU. */
  create: (isa: Isa, cpu: Cpu, env: LockEnv) => OpsByKind[K];
}

/** What can catch a lock: the oracles, see docs/verdicts.md, and the last four by way of detectors, see docs/hunt.md. */
export type OracleName =
  | 'exclusion'
  | 'snapshot'
  | 'order'
  | 'bypass'
  | 'counts'
  | 'grace-period'
  | 'wakeup'
  | 'progress'
  | 'ownership'
  | 'at-rest'
  | 'exception'
  | 'check'
  | 'linearizability'
  | 'race'
  | 'lock-order'
  | 'lifetime'
  | 'starvation';

/** What a mutant admits to. */
export interface MutantNote {
  /** The correct twin's name. */
  readonly of: string;
  /** What is wrong, in a sentence, with its source where it has one. */
  readonly wrong: string;
  /** The oracle that must catch it. */
  readonly caughtBy: OracleName;
  /** CPUs that it takes to show; 2 unless stated. */
  readonly cpus?: number;
}

/** A class of locks. */
export interface LockDefinition<K extends Kind = Kind> {
  readonly definition: 'lock';
  readonly name: string;
  readonly kind: K;
  /** Bytes of one lock. */
  readonly size: (cpus: number) => number;
  readonly layout: object | undefined;
  readonly perCpu: number;
  readonly promises: Promises;
  /** Sets one lock up. */
  readonly init: (isa: Isa, lock: Addr, cpus: number, value: number) => void;
  /** Makes what all CPUs share beside the machine's memory. */
  readonly share: ((cpus: number, value: number) => unknown) | undefined;
  /** The operations of one CPU. */
  readonly create: (isa: Isa, cpu: Cpu, env?: Partial<LockEnv>) => OpsByKind[K];
  /** Set on locks that are broken on purpose. */
  readonly mutant: MutantNote | undefined;
}

/** A definition of any kind. */
export type AnyLock = { [K in Kind]: LockDefinition<K> }[Kind];

/** A definition that cannot be used: says which lock and what would be right. */
export class LockDefinitionError extends TypeError {
  readonly code = 'ELOCKDEFINITION';
  constructor(message: string) {
    super(message);
    this.name = 'LockDefinitionError';
  }
}

const nothing = (): void => {};

const PROMISES: readonly string[] = [
  'fifo',
  'bypass',
  'recursive',
  'sleeps',
  'spins',
  'irqSafe',
  'owned',
  'producers',
  'consumers',
  'writers',
  'capacity',
] satisfies readonly (keyof Promises)[];

/** Promises that are numbers, of CPUs and of items. */
const COUNTED: readonly string[] = ['producers', 'consumers', 'writers', 'capacity'];

function expectedOf(promise: string): string {
  if (promise === 'bypass') return 'a whole number from 0, or a function of the number of CPUs,';
  return COUNTED.includes(promise) ? 'a whole number from 1' : 'true or false';
}

/** A promise that is misspelt would never be judged, and the lock would seem to keep it. */
function checkPromises(kind: Kind, promises: unknown, fail: (what: string) => never): void {
  if (promises === undefined) return;
  if (typeof promises !== 'object' || promises === null)
    fail(`has ${String(promises)} for promises: an object such as { fifo: true } is expected`);
  for (const [name, value] of Object.entries(promises as object)) {
    if (!PROMISES.includes(name))
      fail(`promises ${name}, which nobody judges: one of ${PROMISES.join(', ')} is expected`);
    const fits =
      value === undefined ||
      (name === 'bypass'
        ? typeof value === 'function' || (Number.isInteger(value) && value >= 0)
        : COUNTED.includes(name)
          ? Number.isInteger(value) && value >= 1
          : typeof value === 'boolean');
    if (!fits) fail(`promises ${name}: ${String(value)}: ${expectedOf(name)} is expected`);
  }
  const { sleeps, spins } = promises as Promises;
  // Of RCU it is the writer who sleeps, and the reader who must not.
  if (sleeps && spins && kind !== 'rcu')
    fail('promises sleeps and spins: who waits for it does one of the two');
}

/**
 * Defines a lock.
 * @throws LockDefinitionError when a part is missing or makes no sense
 */
export function defineLock<K extends Kind>(spec: LockSpec<K>): LockDefinition<K> {
  const fail = (what: string): never => {
    throw new LockDefinitionError(`lock '${spec.name}' ${what}`);
  };
  if (typeof spec?.name !== 'string' || spec.name === '')
    throw new LockDefinitionError("a lock needs a name: defineLock({ name: 'my-lock', … })");
  const wrong = wrongName(spec.name);
  if (wrong !== undefined) throw new LockDefinitionError(`a lock's name ${wrong}`);
  if (!Object.hasOwn(REQUIRED, spec.kind))
    fail(
      `has the unknown kind '${String(spec.kind)}': one of ${Object.keys(REQUIRED).join(', ')} is expected`,
    );
  if (typeof spec.create !== 'function') fail('has no create(isa, cpu) that returns its operations');
  const stated = spec.size ?? (spec.layout ? sizeOf(spec.layout) : undefined);
  const size = (cpus: number): number => {
    const bytes = typeof stated === 'function' ? stated(cpus) : stated;
    if (typeof bytes !== 'number' || !(bytes >= 4))
      return fail(`takes ${String(bytes)} bytes: its size must be at least 4`);
    if (bytes > MAX_MACHINE_BYTES)
      return fail(`takes ${bytes} bytes: a machine has ${MAX_MACHINE_BYTES} in all`);
    return Math.ceil(bytes);
  };
  size(1);
  const perCpu = spec.perCpu ?? 0;
  if (!Number.isInteger(perCpu) || perCpu < 0 || perCpu > MAX_MACHINE_BYTES)
    fail(`has ${String(perCpu)} for perCpu: a whole number of bytes, 0 to ${MAX_MACHINE_BYTES}, is expected`);
  for (const part of ['init', 'share'] as const)
    if (spec[part] !== undefined && typeof spec[part] !== 'function')
      fail(`has ${String(spec[part])} for ${part}: a function is expected`);
  checkPromises(spec.kind, spec.promises, fail);
  const create = (isa: Isa, cpu: Cpu, env: Partial<LockEnv> = {}): OpsByKind[K] => {
    if (perCpu > 0 && !env.areaOf)
      fail(`has ${perCpu} bytes on each CPU: placeLock makes room for them, useLock finds them`);
    const ops = spec.create(isa, cpu, { area: 0, areaOf: () => 0, shared: undefined, ...env });
    for (const name of REQUIRED[spec.kind]) {
      if (typeof (ops as unknown as Record<string, unknown> | undefined)?.[name] !== 'function')
        fail(`of kind ${spec.kind} has no operation ${name}: create must return it`);
      if (spec.kind !== 'async-mutex' && isAsync((ops as unknown as Record<string, unknown>)[name]))
        fail(
          `has an async ${name}: a CPU waits for no promise; the kind async-mutex is for locks that return one`,
        );
    }
    declareTraits(ops, traitsOf(spec.kind, spec.promises ?? {}, cpu.count));
    return ops;
  };
  return Object.freeze({
    definition: 'lock' as const,
    name: spec.name,
    kind: spec.kind,
    size,
    layout: spec.layout,
    perCpu,
    promises: Object.freeze({ ...spec.promises }),
    init: spec.init ?? nothing,
    share: spec.share,
    create,
    mutant: undefined,
  });
}

/**
 * Derives a lock that is broken on purpose.
 * @param twin the correct lock
 * @param note its name (`busted/…`), what is wrong, and the oracle that must catch it
 * @param broken the operations (or promises, init) that differ; `ops` are the twin's
 */
export function defineMutant<K extends Kind>(
  twin: LockDefinition<K>,
  note: {
    name: string;
    wrong: string;
    caughtBy: OracleName;
    cpus?: number;
    promises?: Promises;
    init?: LockSpec<K>['init'];
  },
  broken: (isa: Isa, cpu: Cpu, ops: OpsByKind[K], env: Partial<LockEnv>) => Partial<OpsByKind[K]>,
): LockDefinition<K> {
  const promises = Object.freeze({ ...twin.promises, ...note.promises });
  return Object.freeze({
    ...twin,
    name: note.name,
    promises,
    init: note.init ?? twin.init,
    create: (isa: Isa, cpu: Cpu, env: Partial<LockEnv> = {}): OpsByKind[K] => {
      const ops = twin.create(isa, cpu, env);
      const changed = { ...ops, ...broken(isa, cpu, ops, env) };
      declareTraits(changed, traitsOf(twin.kind, promises, cpu.count));
      return changed;
    },
    mutant: Object.freeze({
      of: twin.name,
      wrong: note.wrong,
      caughtBy: note.caughtBy,
      ...(note.cpus === undefined ? {} : { cpus: note.cpus }),
    }),
  });
}
