/**
 * Guards: which locks make an access to a field legal, as data.
 *
 * A regime is one era's or one design's answer to "which lock protects what"; the same struct has as many as are compared. A guard names locks
 * by the path from the object to them: `vm_mm.mmap_lock` is the word `mmap_lock` of the object that the field `vm_mm` points to. The tables in
 * the documentation, and whatever checks accesses, are made from the same declaration.
 *
 * The form follows Linux' Documentation/mm/process_addrs.rst: a field has a guard for reading and one for writing. The classic pair is "a writer
 * holds both locks, a reader either of them"; a guard that asks readers for a lock that its writers need not hold protects nothing.
 *
 * That a guard is not met is a lead, not the finding of a race: the object may not be reachable for others yet, or no longer.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { infoOf, membersOf } from './struct.ts';
import { type LockMode, MODE_READ, MODE_WRITE } from './tracking.ts';

/** What must be the case when a field is accessed. Plain data: survives structured clone and JSON. */
export type Guard =
  | {
      readonly rule: 'held';
      readonly path: string;
      readonly mode: 'read' | 'write';
      /** Met, too, where the path ends in NULL. */
      readonly ifAny?: true;
    }
  | { readonly rule: 'any' | 'all'; readonly of: readonly Guard[] }
  | { readonly rule: 'atomic' }
  | { readonly rule: 'after-init' };

/** The guards of one field. */
export interface FieldGuards {
  readonly read: Guard;
  readonly write: Guard;
}

/** A regime that cannot be: says which struct and field, and what would be right. */
export class GuardError extends TypeError {
  readonly code = 'EGUARD';
  constructor(message: string) {
    super(message);
    this.name = 'GuardError';
  }
}

/**
 * This lock is held.
 * @param path from the object: pointer fields, then the field that is the lock
 * @param mode `write`, held exclusively, unless given; a lock held exclusively is also held for reading
 */
export function held(path: string, mode: 'read' | 'write' = 'write'): Guard {
  if (!/^\w+(\.\w+)*$/.test(path))
    throw new GuardError(`'${path}' is no path to a lock: use field names with dots between them`);
  return { rule: 'held', path, mode };
}

/**
 * This lock is held, if there is one: where a pointer on the path is NULL the guard is met. For a file's lock of a mapping that may have no file.
 * @param path as for {@link held}
 */
export function heldIfAny(path: string, mode: 'read' | 'write' = 'write'): Guard {
  return { ...(held(path, mode) as Extract<Guard, { rule: 'held' }>), ifAny: true };
}

/** One of these suffices. */
export function any(...of: Guard[]): Guard {
  if (of.length === 0) throw new GuardError('any() of nothing can never be met: name a guard');
  return { rule: 'any', of };
}

/** All of these; `all()` of nothing is always met: no lock is needed. */
export function all(...of: Guard[]): Guard {
  return { rule: 'all', of };
}

/** The field is accessed by atomic operations and by `readOnce` and `writeOnce`, never plainly; no lock is needed. */
export function atomicAccess(): Guard {
  return { rule: 'atomic' };
}

/** The field is written before the object is reachable for others, and constant from there on. */
export function afterInit(): Guard {
  return { rule: 'after-init' };
}

type Regimes = Map<string, Readonly<Record<string, FieldGuards>>>;
const regimes = new WeakMap<object, Regimes>();

/**
 * Declares what protects the fields of a struct under one regime. A single guard in place of `{ read, write }` stands for both.
 * @throws GuardError when a field does not exist or the regime is already declared for this struct
 */
export function guards<Names extends string>(
  layout: Readonly<Record<Names, Addr>>,
  spec: { regime: string; fields: Partial<Record<NoInfer<Names>, Guard | FieldGuards>> },
): void {
  const { name } = infoOf(layout);
  const known = regimes.get(layout) ?? new Map();
  if (known.has(spec.regime))
    throw new GuardError(`the regime '${spec.regime}' is already declared for struct '${name}'`);
  const fields: Record<string, FieldGuards> = {};
  const names = membersOf(layout).map((each) => each.name);
  for (const [field, value] of Object.entries<Guard | FieldGuards | undefined>(spec.fields)) {
    if (value === undefined) continue;
    if (!names.includes(field)) {
      throw new GuardError(`struct '${name}' has no field '${field}' to guard: it has ${names.join(', ')}`);
    }
    fields[field] =
      'rule' in value ? { read: value, write: value } : { read: value.read, write: value.write };
  }
  known.set(spec.regime, Object.freeze(fields));
  regimes.set(layout, known);
}

/** The guards of a struct's fields under a regime; undefined where the struct is not declared for it. */
export function guardsOf(layout: object, regime: string): Readonly<Record<string, FieldGuards>> | undefined {
  return regimes.get(layout)?.get(regime);
}

/** The regimes that a struct is declared for, in order of declaration. */
export function regimesOf(layout: object): string[] {
  return [...(regimes.get(layout)?.keys() ?? [])];
}

/** A lock that a CPU holds, as `cpu.held()` lists them. */
export interface HeldLock {
  readonly lock: Addr;
  readonly mode: LockMode;
}

/** What a guard may ask about an access besides the locks held. */
export interface Access {
  /** Whether it is a write. */
  readonly write?: boolean;
  /** Whether it is anything but a plain read or write. */
  readonly atomic?: boolean;
  /** Whether the object has been reachable for other CPUs. */
  readonly published?: boolean;
}

/**
 * Whether a guard is met.
 * @param locks what the CPU holds
 * @param resolve the address of the lock at the end of a path; 0 where the path ends in NULL
 * @param access an unpublished plain read unless given
 */
export function allows(
  guard: Guard,
  locks: readonly HeldLock[],
  resolve: (path: string) => Addr,
  access: Access = {},
): boolean {
  switch (guard.rule) {
    case 'held': {
      const lock = resolve(guard.path);
      if (lock === 0) return guard.ifAny === true;
      return locks.some(
        (each) =>
          each.lock === lock &&
          (each.mode === MODE_WRITE || (guard.mode === 'read' && each.mode === MODE_READ)),
      );
    }
    case 'any':
      return guard.of.some((each) => allows(each, locks, resolve, access));
    case 'all':
      return guard.of.every((each) => allows(each, locks, resolve, access));
    case 'atomic':
      return access.atomic === true;
    case 'after-init':
      return access.write !== true || access.published !== true;
  }
}

type Locks = ReadonlyMap<string, 'read' | 'write'>;

/** The sets of locks that meet a guard, by path; what is no lock counts as one of its own. */
function waysToMeet(guard: Guard): Locks[] {
  switch (guard.rule) {
    case 'held':
      return [new Map([[guard.path, guard.mode]])];
    case 'any':
      return guard.of.flatMap(waysToMeet);
    case 'all':
      return guard.of.map(waysToMeet).reduce<Locks[]>(
        (sofar, ways) =>
          sofar.flatMap((one) =>
            ways.map((other) => {
              const both = new Map(one);
              for (const [path, mode] of other) if (both.get(path) !== 'write') both.set(path, mode);
              return both;
            }),
          ),
        [new Map()],
      );
    default:
      return [new Map([[`(${guard.rule})`, 'write']])];
  }
}

/**
 * Whether two guards can never be met by two CPUs at once, going by paths: the guards of a field protect it if its write guard excludes
 * itself and its read guard. Two atomic accesses do not disturb each other and count as exclusive.
 */
export function excludes(one: Guard, other: Guard): boolean {
  const others = waysToMeet(other);
  return waysToMeet(one).every((mine) =>
    others.every((theirs) =>
      [...mine].some(
        ([path, mode]) => theirs.has(path) && (mode === 'write' || theirs.get(path) === 'write'),
      ),
    ),
  );
}

/**
 * The usual resolver: follows the pointers in memory.
 * @param layouts the structs on the paths; a `ptr` says which it points to
 * @param globals locks that belong to no object, by the name that paths begin with
 * @returns for an object of a layout: path → address, 0 when a pointer is NULL
 */
export function pathResolver(
  isa: Pick<Isa, 'readOnce'>,
  layouts: readonly object[],
  globals: Readonly<Record<string, Addr>> = {},
): (layout: object, object: Addr) => (path: string) => Addr {
  const byName = new Map(layouts.map((layout) => [infoOf(layout).name, layout]));
  return (layout, object) => (path) => {
    const steps = path.split('.');
    const last = steps.pop()!;
    let here: Addr = object;
    let what = layout;
    if (steps.length === 0 && !Object.hasOwn(what, last) && Object.hasOwn(globals, last))
      return globals[last]!;
    for (const step of steps) {
      const { name } = infoOf(what);
      const entry = membersOf(what).find((each) => each.name === step);
      if (entry?.field.type !== 'ptr')
        throw new GuardError(
          `the path '${path}' goes through '${step}', which is no pointer field of struct '${name}'`,
        );
      const next = byName.get(entry.field.to ?? '');
      if (!next)
        throw new GuardError(
          `the path '${path}' goes through '${name}.${step}', a pointer to ${entry.field.to ? `struct '${entry.field.to}', which was not given` : 'nothing declared: use ptr(layout)'}`,
        );
      // Objects lie on multiples of 4: what the low bits hold is a tag. The pointer may change under us; the caller asks about one moment.
      here = isa.readOnce(here + entry.offset) & ~3;
      if (here === 0) return 0;
      what = next;
    }
    const offset = (what as Record<string, Addr>)[last];
    if (offset === undefined)
      throw new GuardError(
        `the path '${path}' ends in '${last}', which is no field of struct '${infoOf(what).name}'`,
      );
    return here + offset;
  };
}

/** A guard in words: `vm_mm.mmap_lock (read) or vm_mm.page_table_lock`. */
export function describeGuard(guard: Guard, name: (path: string) => string = (path) => path): string {
  switch (guard.rule) {
    case 'held':
      return `${name(guard.path)}${guard.mode === 'read' ? ' (read)' : ''}${guard.ifAny ? ', if there is one' : ''}`;
    case 'atomic':
      return 'atomic access';
    case 'after-init':
      return 'constant after init';
    default: {
      if (guard.of.length === 0) return 'no lock';
      const inner = guard.of.map((each) => {
        const text = describeGuard(each, name);
        return 'of' in each && each.of.length > 1 && each.rule !== guard.rule ? `(${text})` : text;
      });
      return inner.join(guard.rule === 'any' ? ' or ' : ' and ');
    }
  }
}

/**
 * The field-to-lock table in Markdown: one table a struct and regime, the fields in the order of the layout. A field that the regime says
 * nothing about is shown as such, so that the table is also the list of what is missing.
 * @param regime only this one
 */
export function guardTable(layouts: readonly object[], regime?: string): string {
  const code = (path: string): string => `\`${path}\``;
  const tables: string[] = [];
  for (const layout of layouts) {
    for (const each of regimesOf(layout)) {
      if (regime !== undefined && each !== regime) continue;
      const { name } = infoOf(layout);
      const declared = guardsOf(layout, each)!;
      const rows = membersOf(layout).map(({ name: field, state }) => {
        const guard = declared[field];
        const label = state === undefined ? code(field) : `${code(field)} (${state})`;
        if (!guard) return `| ${label} | not stated | not stated |`;
        return `| ${label} | ${describeGuard(guard.read, code)} | ${describeGuard(guard.write, code)} |`;
      });
      tables.push(
        [`### ${name} (${each})`, '', '| field | to read | to write |', '|---|---|---|', ...rows, ''].join(
          '\n',
        ),
      );
    }
  }
  return tables.join('\n');
}
