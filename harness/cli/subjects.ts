/**
 * What a command is about: names, globs and files from the command line become lock definitions.
 */
import { existsSync } from 'node:fs';
import {
  loadLock,
  loadScenario,
  loadWorkload,
  lockNames,
  mutantNames,
  scenarioNames,
  workloadNames,
} from '../../src/catalog.ts';
import type { Tortured } from '../torture/setup.ts';
import { UsageError } from './errors.ts';

/** A lock to work on. */
export interface Subject {
  readonly lock: Tortured;
  /** URL of the bundled module and its hash, for users' locks. */
  readonly url?: string;
  readonly hash?: string;
  readonly file?: string;
}

/** What the names of the cells of the table of regimes begin with. */
const CELLS = 'mm/regimes/';

/** A file, or one definition of a file: ./locks.ts#mine. */
const FILE_AND_NAME = /^(.+\.[mc]?[jt]sx?)(?:#(.+))?$/;

async function fromFile(argument: string): Promise<Subject[]> {
  const [, file = argument, wanted] = existsSync(argument) ? [] : (FILE_AND_NAME.exec(argument) ?? []);
  const { loadSubjects } = await import('../subject.ts');
  const all = (await loadSubjects(file)).map(({ subject, ...from }) => ({ lock: subject, ...from }));
  if (all.length === 0)
    throw new UsageError(
      `${file} defines no lock and no scenario: export one with export default defineLock({ … })`,
    );
  if (wanted === undefined) return all;
  const named = all.filter(({ lock }) => lock.name === wanted);
  if (named.length === 0)
    throw new UsageError(
      `${file} defines no '${wanted}': it has ${all.map(({ lock }) => lock.name).join(', ')}`,
    );
  return named;
}

async function cells(): Promise<readonly string[]> {
  const { cellNames } = await import('../../src/mm/regimes/cells.ts');
  return cellNames();
}

/** The scenarios that a glob could stand for: cells of the table of regimes are many, and asked for by their prefix. */
async function scenariosLike(glob: string): Promise<readonly string[]> {
  return glob.startsWith(CELLS) ? cells() : scenarioNames();
}

async function nearest(name: string): Promise<string[]> {
  const { distance } = await import('fastest-levenshtein');
  // A cell's name may be wrong in the part that makes it one.
  const others = name.startsWith('mm/') ? await cells() : [];
  return [...lockNames, ...mutantNames, ...workloadNames, ...(await scenarioNames()), ...others]
    .map((known) => ({
      name: known,
      far: Math.min(distance(name, known), distance(name, known.replace('busted/', ''))),
    }))
    .sort((a, b) => a.far - b.far)
    .slice(0, 3)
    .map((each) => each.name);
}

/** A lock, a workload or a scenario of lockrig's own; scenarios are loaded for a name that could be one and no file's. */
async function named(name: string): Promise<Tortured | undefined> {
  const lock = (await loadLock(name)) ?? (await loadWorkload(name));
  if (lock || !/^(?:busted\/)?(?:mm\/[\w-]+\/)?(?:[\w-]+\/){0,2}[\w-]+$/.test(name)) return lock;
  return loadScenario(name);
}

/** What a glob stands for besides locks; by their names, scenarios and workloads are always found. */
export interface Globbed {
  /** Scenarios that ship. */
  readonly scenarios?: boolean;
  /** Workloads that ship. */
  readonly workloads?: boolean;
}

/** The names that a glob stands for. */
async function matching(glob: string, { scenarios = false, workloads = false }: Globbed): Promise<string[]> {
  const { default: picomatch } = await import('picomatch');
  if (!picomatch.scan(glob).isGlob) return [];
  const matches = picomatch(glob);
  const all = [
    ...lockNames,
    ...mutantNames,
    ...(workloads ? workloadNames : []),
    ...(scenarios ? await scenariosLike(glob) : []),
  ];
  return all.filter((name) => matches(name));
}

/** What is wrong with a name that nothing has, or with a glob that stands for nothing here. */
async function unknown(name: string, globbed: Globbed): Promise<string> {
  const scenarios = globbed.scenarios ? [] : await matching(name, { scenarios: true });
  if (scenarios.length > 0)
    return `'${name}' stands for scenarios only, ${scenarios.length} of them: here they are named one by one, as in ${scenarios[0]} (lockrig hunt takes them by glob)`;
  const workloads = globbed.workloads ? [] : await matching(name, { workloads: true });
  if (workloads.length > 0)
    return `'${name}' stands for workloads only (${workloads.join(', ')}): lockrig torture runs them, and nothing else does; '**' stands for deeper names, as in mm/**`;
  return `there is no lock, no scenario and no workload '${name}'; the nearest are ${(await nearest(name)).join(', ')} (lockrig list shows all; a file is named with its ending, as in ./my-lock.ts)`;
}

/**
 * Finds what was asked for.
 * @param globbed what a glob stands for besides locks
 * @throws UsageError when a name is unknown or a glob matches nothing; PluginError when a file cannot be used
 */
export async function findSubjects(names: readonly string[], globbed: Globbed = {}): Promise<Subject[]> {
  const found: Subject[] = [];
  for (const name of names) {
    const exact = await named(name);
    if (exact) found.push({ lock: exact });
    else if (FILE_AND_NAME.test(name) || existsSync(name)) found.push(...(await fromFile(name)));
    else {
      const matches = await matching(name, globbed);
      if (matches.length === 0) throw new UsageError(await unknown(name, globbed));
      for (const match of matches) found.push({ lock: (await named(match)) as Tortured });
    }
  }
  return [
    ...new Map(
      found.map((subject) => [
        `${subject.url ?? ''}#${subject.lock.definition}#${subject.lock.name}`,
        subject,
      ]),
    ).values(),
  ];
}
