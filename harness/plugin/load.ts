/**
 * From a path on the command line to definitions that can be run: bundle, import on the main thread, check.
 *
 * The main thread imports the same bundle that the CPUs will, so a plugin that throws or exports the wrong thing is found
 * before a worker is started, where it would be the death of a CPU and not bad input.
 */
import { realpath } from 'node:fs/promises';
import { type BundleOptions, bundlePlugin, type PluginBundle } from './bundle.ts';
import { type Definitions, definitionsOf } from './definitions.ts';
import { PluginError, shown } from './errors.ts';
import { explainImport } from './explain.ts';

/** Where the running copy is, and how patient to be. */
export interface LoadOptions extends BundleOptions {
  /** Milliseconds that the import may take before it counts as stuck; 10,000 unless given. */
  deadline?: number;
}

/** A plugin that is ready to run: workers import `url` and call `definitionsOf` on what they get. */
export interface LoadedPlugin extends PluginBundle, Definitions {}

const DEADLINE = 10_000;
/** The exit code for bad input. */
const USAGE = 2;
/** The exit code of an interrupted run: it was not the plugin that left. */
const INTERRUPTED = 130;

/**
 * Loads a user's lock or scenario file.
 *
 * @param file - path of a .ts, .mts, .js or .mjs file
 * @param urls - where the entry points of lockrig lead
 * @returns the bundle's URL and hash, and the definitions in it
 * @throws PluginError with one sentence about whatever is wrong with the file
 */
export async function loadPlugin(file: string, urls: LoadOptions): Promise<LoadedPlugin> {
  const bundle = await bundlePlugin(file, urls);
  const module = await importBundle(bundle, urls);
  return { ...bundle, ...definitionsOf(module, bundle.file) };
}

async function importBundle(bundle: PluginBundle, urls: LoadOptions): Promise<object> {
  const { url, file, inputs } = bundle;
  const deadline = urls.deadline ?? DEADLINE;
  let timer: NodeJS.Timeout | undefined;
  const stuck = new Promise<never>((_, reject) => {
    // The timer also keeps the process alive: without it Node would leave with code 13 and not a word.
    timer = setTimeout(() => {
      const message = `${shown(file)} is still loading after ${deadline / 1000} s: remove the top-level await in it that never settles, if it has one; else the machine is too busy`;
      reject(new PluginError(file, 'evaluation', message));
    }, deadline);
  });
  // Otherwise a plugin that ends the process would choose its exit code, 0 for one.
  const leaving = (code: number): void => {
    if (code === INTERRUPTED) return;
    process.stderr.write(
      `lockrig: ${shown(file)} ends the process while it is imported: a plugin has to load\n`,
    );
    process.exitCode = USAGE;
  };
  process.once('exit', leaving);
  // A promise that nobody handles would end the process with a stack trace.
  let unhandled: (reason: unknown) => void = () => {};
  const rejected = new Promise<never>((_, reject) => {
    unhandled = reject;
  });
  process.on('unhandledRejection', unhandled);
  try {
    const module = Promise.race([import(url), stuck, rejected]);
    await module;
    // Promises that it left behind are looked at when all else that is due has run.
    await Promise.race([new Promise((done) => setImmediate(done)), rejected]);
    return (await module) as object;
  } catch (thrown) {
    if (thrown instanceof PluginError) throw thrown;
    const ours = new Map([
      [urls.lockrigUrl, 'lockrig'],
      [urls.harnessUrl, 'lockrig/harness'],
      [urls.mmUrl, 'lockrig/mm'],
    ]);
    await afterEcho();
    const entry = await realpath(file).catch(() => file);
    throw explainImport({ file, entry, inputs, ours }, thrown);
  } finally {
    clearTimeout(timer);
    process.off('unhandledRejection', unhandled);
    process.off('exit', leaving);
  }
}

/**
 * When CommonJS that a module imports throws, Node 20 rejects the import and then a promise of its own with the same error, which
 * nobody can handle (nodejs/node#51603). Left alone, it would end the process with a stack trace instead of the sentence.
 */
async function afterEcho(): Promise<void> {
  // What else was rejected meanwhile is of a file that is refused.
  const listener = (): void => {};
  process.on('unhandledRejection', listener);
  await new Promise((done) => setImmediate(done));
  process.off('unhandledRejection', listener);
}
