/**
 * Where the imports of a user's file lead.
 *
 * `lockrig` and its other entry points are the copy that is running, by its URL: a second copy would have its own types and its own
 * shared memory layouts. The user's own files are bundled. Other packages stay where they are installed, by absolute URL,
 * resolved as Node would from the importing file: a published library may start workers or read files beside itself, and
 * inside a bundle its `import.meta.url` would lie. Two sorts of package are bundled after all: those that depend on lockrig,
 * because they have to get the running copy too, and those that ship only TypeScript, which not every Node can load.
 *
 * esbuild resolves. It is told Node's own conditions, because left to itself it adds `module`, which Node does not know.
 */
import { isBuiltin } from 'node:module';
import { extname, isAbsolute } from 'node:path';
import { fileURLToPath } from 'node:url';
import type { OnResolveArgs, OnResolveResult, Plugin, PluginBuild } from 'esbuild';
import { isForeign } from './packages.ts';

/** How a bundle writes down what lies outside it: as places on this machine or, for the hash, as what they are. */
export interface Naming {
  /** URLs of the running copy, by the entry points that are imported. */
  entries: Readonly<Record<string, string>>;
  /** URL for an import of a package's file. */
  imported(path: string): string;
  /** Path for a `require` of a package's file. */
  required(path: string): string;
  /** What a user's own file is told about itself. */
  source(path: string): SelfNames;
}

/** What `import.meta` says about a file. */
export interface SelfNames {
  url: string;
  filename: string;
  dirname: string;
}

/** Conditions that Node adds to `node`, `import` and `require` when it reads a package's `exports`. */
export const CONDITIONS: readonly string[] = ['node-addons', 'module-sync'];

const BUNDLED = new Set(['.ts', '.mts', '.cts', '.tsx', '.jsx', '.json']);
const OURS = 'lockrig';

/**
 * The esbuild plugin that decides for every import whether it is bundled.
 *
 * @param naming - how to write down what is not
 * @returns the plugin
 */
export function resolver(naming: Naming): Plugin {
  return {
    name: 'lockrig-resolve',
    setup(build) {
      build.onResolve({ filter: /.*/ }, (args) => resolveImport(build, naming, args));
      // `require('lockrig')`: a CommonJS wrapper around the same ES module instance that an import gets.
      build.onLoad({ filter: /.*/, namespace: OURS }, ({ path }) => ({
        contents: `export * from ${JSON.stringify(path)};`,
        loader: 'js',
      }));
    },
  };
}

async function resolveImport(
  build: PluginBuild,
  naming: Naming,
  args: OnResolveArgs,
): Promise<OnResolveResult | undefined> {
  const { path: request, kind } = args;
  const again = (args.pluginData as { again?: boolean } | undefined)?.again === true;
  if (again || kind === 'entry-point') return undefined;
  const running = Object.hasOwn(naming.entries, request) ? naming.entries[request] : undefined;
  if (running !== undefined)
    return kind === 'require-call' ? { path: request, namespace: OURS } : { path: running, external: true };
  if (isBuiltin(request))
    return { path: request.startsWith('node:') ? request : `node:${request}`, external: true };
  if (request.startsWith('file:')) return { path: fileURLToPath(request) };
  if (/^(node|https?):/.test(request)) return { errors: [{ text: `Could not resolve "${request}"` }] };
  if (request.startsWith('.') || isAbsolute(request) || request.startsWith('data:')) return undefined;

  const found = await build.resolve(request, {
    kind,
    importer: args.importer,
    resolveDir: args.resolveDir,
    pluginData: { again: true },
  });
  // Undefined lets esbuild resolve once more: it then reports the failure with its place, or knows that a `try` forgives it.
  if (found.errors.length > 0 || BUNDLED.has(extname(found.path))) return undefined;
  if (!isForeign(found.path, request, args.resolveDir)) return undefined;
  const required = kind === 'require-call' || kind === 'require-resolve';
  return { path: required ? naming.required(found.path) : naming.imported(found.path), external: true };
}
