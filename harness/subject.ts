/**
 * Subjects for programs: what `hunt`, `replay`, `prove` and `torture` of lockrig/harness work on.
 *
 * CPUs are threads, so a definition reaches them by its name, if it is lockrig's own, or in the module that defines it. A definition of a user's is therefore
 * loaded from its file: bundled, checked, and known by the hash of the bundle, which tokens carry.
 */
import type { Tortured } from './torture/setup.ts';

/** A lock, a scenario or a workload of a file. */
export interface LoadedSubject {
  /** The definition, as this thread has it. */
  readonly subject: Tortured;
  /** URL of the bundled module, which CPUs import. */
  readonly url: string;
  /** Hash of the bundle. */
  readonly hash: string;
  /** Absolute path. */
  readonly file: string;
}

/** A lock, a scenario or a workload: lockrig's own by its definition, a user's as it was loaded from its file. */
export type Subject = Tortured | LoadedSubject;

/** More than one definition, or none of that name. */
export class SubjectChoiceError extends Error {
  readonly code = 'ESUBJECT';
  constructor(message: string) {
    super(message);
    this.name = 'SubjectChoiceError';
  }
}

function here(path: string): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new URL(`../${path}.${extension}`, import.meta.url).href;
}

/**
 * Loads every lock, scenario and workload that a file defines.
 * @param file path of a .ts, .mts, .js or .mjs file, or its file: URL
 * @throws PluginError, in one sentence, when the file cannot be used
 */
export async function loadSubjects(file: string | URL): Promise<LoadedSubject[]> {
  const { loadPlugin } = await import('./plugin/load.ts');
  const { defineLock } = await import('../src/locking/define.ts');
  const { defineScenario } = await import('../src/scenario.ts');
  const { defineWorkload } = await import('../src/workload.ts');
  const { fileURLToPath } = await import('node:url');
  const path = file instanceof URL || file.startsWith('file:') ? fileURLToPath(file) : file;
  const plugin = await loadPlugin(path, {
    lockrigUrl: here('src/index'),
    harnessUrl: here('harness/index'),
    mmUrl: here('src/mm/index'),
  });
  const { url, hash } = plugin;
  // Checks what a structural look cannot: kinds and sizes. A definition made by defineLock or defineScenario is frozen, and passes as it is.
  const made = (given: object, define: (spec: never) => unknown): LoadedSubject => ({
    subject: (Object.isFrozen(given) ? given : define(given as never)) as Tortured,
    url,
    hash,
    file: plugin.file,
  });
  return [
    ...plugin.locks.map((lock) => made(lock, defineLock)),
    ...plugin.scenarios.map((scenario) => made(scenario, defineScenario)),
    ...plugin.workloads.map((workload) => made(workload, defineWorkload)),
  ];
}

/**
 * Loads the lock or the scenario of a file.
 * @param file path of a .ts, .mts, .js or .mjs file, or its file: URL: `new URL('./my-lock.ts', import.meta.url)`
 * @param name its name, where the file defines several
 * @throws PluginError when the file cannot be used; SubjectChoiceError when it does not define one of that name, or several and none was named
 */
export async function loadSubject(file: string | URL, name?: string): Promise<LoadedSubject> {
  const all = await loadSubjects(file);
  const names = all.map(({ subject }) => subject.name).join(', ');
  const found = all.filter(({ subject }) => name === undefined || subject.name === name);
  if (found.length === 0)
    throw new SubjectChoiceError(`${String(file)} defines no '${name}': it has ${names}`);
  if (found.length > 1)
    throw new SubjectChoiceError(
      `${String(file)} defines ${names}: say which, as in loadSubject(file, name)`,
    );
  return found[0]!;
}

/** A subject's definition, and how CPUs find it. */
export function unfold(subject: Subject): {
  readonly definition: Tortured;
  readonly from: { readonly url?: string; readonly hash?: string };
} {
  if (!('subject' in subject)) return { definition: subject, from: {} };
  const { url, hash } = subject;
  return { definition: subject.subject, from: { url, hash } };
}
