/**
 * One user's file, with what it imports, as one module that every CPU can load.
 *
 * Node cannot load TypeScript on every supported version, and a loader hook would have to be installed in each worker. So
 * the main thread bundles once and the workers import the result by URL. It goes to a folder that only this process uses
 * (0700, a random name: what others could write there would be executed), under a name made of its content: another
 * content is another URL, which matters because a module once imported is never loaded again.
 *
 * The hash identifies the subject in tokens and must not depend on where it lies. So it is taken of a second bundle of the
 * same sources, without white space and names of variables, in which every path is replaced by what it stands for.
 */
import { createHash } from 'node:crypto';
import { rmSync } from 'node:fs';
import { mkdir, mkdtemp, rename, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { dirname, join, parse, posix, relative, resolve, sep } from 'node:path';
import { pathToFileURL } from 'node:url';
import type { BuildOptions, OutputFile } from 'esbuild';
import { entryFile } from './entry.ts';
import { PluginError, reason, shown } from './errors.ts';
import { explainBundling } from './explain.ts';
import { portableName } from './packages.ts';
import { CONDITIONS, type Naming, resolver } from './resolve.ts';
import { reader, type Sources } from './source.ts';
import { FOLDER_PREFIX, MAP_COMMENT } from './trace.ts';

/** Where the running copy of lockrig is. */
export interface BundleOptions {
  /** File URL of the running `lockrig`. */
  lockrigUrl: string;
  /** File URL of the running `lockrig/harness`. */
  harnessUrl: string;
  /** File URL of the running `lockrig/mm`. */
  mmUrl: string;
}

/** A bundled plugin. */
export interface PluginBundle {
  /** File URL of the bundle: import it on any thread of this process until the process ends. */
  url: string;
  /** 16 hexadecimal digits that depend on the content and on the versions of imported packages, not on places. */
  hash: string;
  /** Absolute path of the file the user named. */
  file: string;
  /** Real paths of all files that are in the bundle, sorted. */
  inputs: string[];
}

type Esbuild = typeof import('esbuild');

/**
 * Bundles a user's lock or scenario.
 *
 * @param file - path of a .ts, .mts, .js or .mjs file
 * @param options - where the entry points of lockrig lead
 * @returns the bundle on disk; it is removed when the process (or the worker that made it) exits
 * @throws PluginError if there is no such file, it does not compile, or it imports what is not there
 */
export async function bundlePlugin(file: string, options: BundleOptions): Promise<PluginBundle> {
  const path = resolve(file);
  const entry = await entryFile(path);
  const esbuild = await import('esbuild').catch((cause: unknown) => {
    throw noBundler(path, cause);
  });
  const sources: Sources = new Map();
  const { code, map } = await build(esbuild, path, entry, sources, local(options), false);
  const bare = await build(esbuild, path, entry, sources, portable(entry), true);

  const text = `${code}${MAP_COMMENT}${Buffer.from(absoluteSources(map, dirname(entry))).toString('base64')}\n`;
  return {
    url: pathToFileURL(await store(path, parse(entry).name, text)).href,
    hash: digest(bare.code),
    file: path,
    inputs: [...sources.keys()].sort(),
  };
}

/** Everything by the place it has on this machine. */
function local({ lockrigUrl, harnessUrl, mmUrl }: BundleOptions): Naming {
  return {
    entries: { lockrig: lockrigUrl, 'lockrig/harness': harnessUrl, 'lockrig/mm': mmUrl },
    imported: (path) => pathToFileURL(path).href,
    required: (path) => path,
    source: (path) => ({ url: pathToFileURL(path).href, filename: path, dirname: dirname(path) }),
  };
}

/** Everything by what it is: packages by name and version, the user's files by their place relative to the plugin. */
function portable(entry: string): Naming {
  const placed = (path: string) => {
    const steps = relative(dirname(entry), path).split(sep);
    return `/plugin/${steps.map((step) => (step === '..' ? 'up' : step)).join('/')}`;
  };
  return {
    entries: { lockrig: 'lockrig', 'lockrig/harness': 'lockrig/harness', 'lockrig/mm': 'lockrig/mm' },
    imported: portableName,
    required: portableName,
    source: (path) => ({
      url: `file://${placed(path)}`,
      filename: placed(path),
      dirname: posix.dirname(placed(path)),
    }),
  };
}

async function build(
  esbuild: Esbuild,
  path: string,
  entry: string,
  sources: Sources,
  naming: Naming,
  bare: boolean,
): Promise<{ code: string; map: string }> {
  // `require` stays in the output for CommonJS packages and for names computed at run time; esbuild renames a user's own.
  const banner = `import { createRequire as __lockrigRequire } from 'node:module';
const require = __lockrigRequire(${JSON.stringify(naming.source(entry).url)});`;
  const settings: BuildOptions & { write: false } = {
    entryPoints: [entry],
    absWorkingDir: dirname(entry),
    outfile: join(dirname(entry), 'bundle.mjs'),
    write: false,
    bundle: true,
    format: 'esm',
    platform: 'node',
    target: 'node20.19',
    conditions: [...CONDITIONS],
    mainFields: ['main'],
    ignoreAnnotations: true, // a file imported for its effects is run even if its package says that it has none
    charset: 'utf8',
    legalComments: 'none',
    minifyWhitespace: bare,
    minifyIdentifiers: bare, // some are made of file names
    sourcemap: bare ? false : 'external',
    sourcesContent: true,
    banner: bare ? {} : { js: banner },
    logLevel: 'silent',
    plugins: [resolver(naming), reader(sources, naming, (code, how) => esbuild.transform(code, how))],
  };
  const built = await esbuild.build(settings).catch((cause: unknown) => {
    throw explainBundling(path, entry, cause) ?? noBundler(path, cause);
  });
  const text = (ending: string) =>
    built.outputFiles.find((out: OutputFile) => out.path.endsWith(ending))?.text ?? '';
  return { code: text('.mjs'), map: text('.map') };
}

function noBundler(path: string, cause: unknown): PluginError {
  const message = `${shown(path)} cannot be bundled because esbuild does not run here (${reason(cause)}): install lockrig again with its optional dependencies`;
  return new PluginError(path, 'import', message, { cause });
}

/** The bundle moves away from its sources, so the map names them by URL. */
function absoluteSources(map: string, folder: string): string {
  const fields = JSON.parse(map) as { sources: string[] };
  const base = pathToFileURL(`${folder}${sep}`);
  return JSON.stringify({ ...fields, sources: fields.sources.map((source) => new URL(source, base).href) });
}

function digest(text: string): string {
  return createHash('sha256').update(text).digest('hex').slice(0, 16);
}

let folder: Promise<string> | undefined;

async function privateFolder(): Promise<string> {
  const made = await mkdtemp(join(tmpdir(), FOLDER_PREFIX));
  process.once('exit', () => {
    try {
      rmSync(made, { recursive: true, force: true });
    } catch {
      // Best effort: what is left is a few kilobytes in the temporary folder.
    }
  });
  return made;
}

async function store(path: string, name: string, text: string): Promise<string> {
  try {
    folder ??= privateFolder();
    const place = join(await folder, digest(text));
    await mkdir(place, { recursive: true });
    const target = join(place, `${name.replace(/[^\w.-]/g, '_')}.mjs`);
    const half = `${target}.${process.hrtime.bigint()}.tmp`;
    await writeFile(half, text, { flag: 'wx' });
    await rename(half, target);
    return target;
  } catch (cause) {
    folder = undefined;
    const message = `${shown(path)} cannot be bundled into ${tmpdir()} (${reason(cause)}): set TMPDIR to a folder you may write to`;
    throw new PluginError(path, 'folder', message, { cause });
  }
}
