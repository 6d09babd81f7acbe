/**
 * The locks, scenarios and workloads that a module exports.
 *
 * A definition is an object with `definition: 'lock' | 'scenario' | 'workload'` on it, as defineLock, defineScenario and defineWorkload return. It is known
 * by that and by its fields, not by identity, because a published package of locks brings its own copy of lockrig. It may be
 * the default export, a named one, or an item of an exported array; exports that are something else are helpers and are left
 * alone, unless they look like a definition that someone forgot to wrap.
 *
 * Only the shape is checked here. What the operations of each kind are is for the types, and for the first run.
 */
import { resolve } from 'node:path';
import { type Missing, PluginError, reason, shown } from './errors.ts';

/** What a definition can be of. */
type Sort = 'lock' | 'scenario' | 'workload';

/** What every lock, scenario and workload has. */
export interface Definition {
  readonly definition: Sort;
  readonly name: string;
  readonly [field: string]: unknown;
}

/** What a module offers. */
export interface Definitions {
  locks: Definition[];
  scenarios: Definition[];
  workloads: Definition[];
}

type Fields = Record<string, unknown>;
type Found = { value: unknown; label: string };

const SORTS: readonly Sort[] = ['lock', 'scenario', 'workload'];
const WRAPPERS: Readonly<Record<Sort, string>> = {
  lock: 'defineLock',
  scenario: 'defineScenario',
  workload: 'defineWorkload',
};

/** A lock's size may depend on the number of CPUs: it is asked for these. */
const CPU_COUNTS = [1, 2, 3, 4, 8, 64];
const SIZE_RULE = 'give the bytes it needs, a whole number above 0 or a function (cpus) => bytes';

/**
 * Picks the definitions out of a module and checks them. For workers too: it needs only what they have imported.
 *
 * @param module - what `import(url)` gave
 * @param file - the file the user named, for messages
 * @returns the definitions in the order of their export names, each once
 * @throws PluginError if there is none, or one is not complete
 */
export function definitionsOf(module: object, file: string): Definitions {
  try {
    return collect(module, file);
  } catch (thrown) {
    if (thrown instanceof PluginError) throw thrown;
    const problem = `exports something that throws when it is read (${reason(thrown)}): export plain definitions`;
    throw new PluginError(resolve(file), 'definition', `${shown(resolve(file))} ${problem}`, {
      cause: thrown,
    });
  }
}

function collect(module: object, file: string): Definitions {
  const found = candidates(Object.entries(module));
  const result: Definitions = { locks: [], scenarios: [], workloads: [] };
  const seen = new Set<unknown>();
  for (const { value, label } of found) {
    if (seen.has(value)) continue;
    seen.add(value);
    const definition = checked(value, label, file);
    const list = result[`${definition.definition}s`];
    if (list.some((other) => other.name === definition.name)) {
      fail(
        file,
        'name',
        `defines two ${definition.definition}s named '${definition.name}': give each a name of its own`,
      );
    }
    list.push(definition);
  }
  if (seen.size === 0) {
    const names = Object.keys(module).map((name) => `'${name}'`);
    const instead = names.length === 0 ? 'nothing' : `only ${names.join(', ')}`;
    const right = 'write export default defineLock({ … }) or defineScenario({ … })';
    fail(file, 'definition', `exports no lock and no scenario (it exports ${instead}): ${right}`);
  }
  return result;
}

function candidates(exported: [string, unknown][]): Found[] {
  return exported.flatMap(([key, value]): Found[] => {
    const label = key === 'default' ? 'the default export' : `the export '${key}'`;
    if (isBranded(value) || resemblance(value) !== undefined) return [{ value, label }];
    if (Array.isArray(value)) {
      const meant = value.some((item) => isBranded(item) || resemblance(item) !== undefined);
      return meant
        ? value.map((item: unknown, index) => ({ value: item, label: `item ${index} of ${label}` }))
        : [];
    }
    // The default export of a CommonJS file is its module.exports, with the named exports inside.
    const inside = key === 'default' && isObject(value) ? Object.entries(value) : [];
    return inside.some(([, item]) => isBranded(item))
      ? candidates(inside.filter(([, item]) => item !== value))
      : [];
  });
}

function isObject(value: unknown): value is Fields {
  return (typeof value === 'object' && value !== null) || typeof value === 'function';
}

function isBranded(value: unknown): value is Fields {
  return isObject(value) && SORTS.includes(value.definition as Sort);
}

/** What an unwrapped object was probably meant to be. */
function resemblance(value: unknown): Sort | undefined {
  if (!isObject(value) || Array.isArray(value)) return undefined;
  if (typeof value.create === 'function' && ('kind' in value || 'size' in value)) return 'lock';
  if (typeof value.actors === 'function' || Array.isArray(value.actors)) return 'scenario';
  return isObject(value.operations) && typeof value.rest === 'function' ? 'workload' : undefined;
}

function checked(value: unknown, label: string, file: string): Definition {
  if (!isBranded(value)) {
    const like = resemblance(value);
    if (like === undefined)
      fail(file, 'definition', `has ${describe(value)} as ${label}: put only definitions into that list`);
    const wrapper = WRAPPERS[like];
    fail(
      file,
      'definition',
      `has a plain object that looks like a ${like} as ${label}: wrap it in ${wrapper}({ … })`,
    );
  }
  const kind = value.definition as Sort;
  if (typeof value.name !== 'string' || value.name.trim() === '') {
    const has = value.name === undefined ? 'no name' : `${describe(value.name)} for a name`;
    fail(file, 'name', `has a ${kind} with ${has} as ${label}: give it a name, a string that is not empty`);
  }
  const complain = (missing: Missing, problem: string): never =>
    fail(file, missing, `has the ${kind} '${String(value.name)}' ${problem}`);
  if (kind === 'lock') checkLock(value, complain);
  else if (kind === 'scenario') checkScenario(value, complain);
  else checkWorkload(value, complain);
  return value as Fields & Definition;
}

function checkLock(lock: Fields, complain: (missing: Missing, problem: string) => never): void {
  if (typeof lock.kind !== 'string' || lock.kind === '') {
    complain('kind', `${without('kind', lock.kind)}: say which it is, as in kind: 'mutex'`);
  }
  if (typeof lock.size === 'function') checkSizes(lock.size as (cpus: number) => unknown, complain);
  else if (!isSize(lock.size)) complain('size', `${without('size', lock.size)}: ${SIZE_RULE}`);
  if (typeof lock.create !== 'function') {
    const right = 'add create: (isa, cpu) => ({ … }) that returns its operations';
    complain('create', `${without('create', lock.create)}: ${right}`);
  }
}

function checkSizes(
  size: (cpus: number) => unknown,
  complain: (missing: Missing, problem: string) => never,
): void {
  for (const cpus of CPU_COUNTS) {
    let bytes: unknown;
    try {
      bytes = size(cpus);
    } catch (thrown) {
      complain('size', `whose size(${cpus}) throws (${reason(thrown)}): ${SIZE_RULE}`);
    }
    if (!isSize(bytes)) complain('size', `whose size(${cpus}) is ${describe(bytes)}: ${SIZE_RULE}`);
  }
}

function checkScenario({ actors }: Fields, complain: (missing: Missing, problem: string) => never): void {
  const list: unknown[] = Array.isArray(actors) ? actors : [actors];
  if (list.length > 0 && list.every((actor) => typeof actor === 'function')) return;
  complain(
    'actors',
    `${without('actors', actors)}: give one function that every CPU runs, or a list with one a CPU`,
  );
}

function checkWorkload(
  { operations, rest }: Fields,
  complain: (missing: Missing, problem: string) => never,
): void {
  if (!isObject(operations))
    complain('operations', `${without('operations', operations)}: give them by name, each { weight, run }`);
  if (typeof rest !== 'function')
    complain('rest', `${without('rest', rest)}: give a function that judges the state at rest`);
}

function isSize(value: unknown): boolean {
  return typeof value === 'number' && Number.isSafeInteger(value) && value > 0;
}

function without(field: string, value: unknown): string {
  return value === undefined ? `without ${field}` : `with ${describe(value)} for ${field}`;
}

function describe(value: unknown): string {
  if (typeof value === 'string') return value === '' ? 'an empty string' : `the string '${value}'`;
  if (typeof value === 'number' || typeof value === 'boolean' || value === null) return String(value);
  if (value === undefined) return 'undefined';
  if (Array.isArray(value)) return value.length === 0 ? 'an empty list' : 'a list';
  return typeof value === 'function'
    ? 'a function'
    : typeof value === 'object'
      ? 'an object'
      : `a ${typeof value}`;
}

function fail(file: string, missing: Missing, problem: string): never {
  const path = resolve(file);
  throw new PluginError(path, missing, `${shown(path)} ${problem}`);
}
