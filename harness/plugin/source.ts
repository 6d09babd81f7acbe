/**
 * Reads the user's own files into a bundle, and lets each of them go on seeing itself where it is on disk.
 *
 * A bundle is one module in a temporary folder, so `import.meta.url`, `dirname`, `filename` and `resolve`, and CommonJS's
 * `__filename` and `__dirname`, would all name that. They are replaced by literals, file by file, on the syntax tree (a string
 * or a comment that holds the same letters stays as it is). Literals, not variables: in an import cycle a function may run
 * before the variables of its own file have their values.
 *
 * Each file is read once, so that the bundle that runs and the one that is hashed are of the same content.
 */
import { readFile } from 'node:fs/promises';
import { basename, extname } from 'node:path';
import type { Loader, OnLoadResult, Plugin, TransformOptions } from 'esbuild';
import type { Naming, SelfNames } from './resolve.ts';

const LOADERS: Readonly<Record<string, Loader>> = {
  '.ts': 'ts',
  '.mts': 'ts',
  '.cts': 'ts',
  '.tsx': 'tsx',
  '.js': 'js',
  '.mjs': 'js',
  '.cjs': 'js',
  '.jsx': 'jsx',
  '.json': 'json',
};

/** Node keeps the two-argument `import.meta.resolve` behind a flag, so the one-argument form is written again. */
const RESOLVE = `
import { createRequire as __lockrigCreateRequire } from 'node:module';
import { isAbsolute as __lockrigIsAbsolute } from 'node:path';
import { pathToFileURL as __lockrigPathToFileURL } from 'node:url';
function __lockrigResolve(request) {
  if (/^\\.{0,2}\\//.test(request) || URL.canParse(request)) return new URL(request, FROM).href;
  const found = __lockrigCreateRequire(FROM).resolve(request);
  return __lockrigIsAbsolute(found) ? __lockrigPathToFileURL(found).href : \`node:\${found.replace(/^node:/, '')}\`;
}`;

/** How the error about a file begins that is there, but cannot be read; its code follows. */
export const UNREADABLE = 'Unreadable:';

/** The contents of the user's files by path, filled as they are read. */
export type Sources = Map<string, Promise<Uint8Array>>;

type Transform = (code: string, options: TransformOptions) => Promise<{ code: string }>;

/**
 * The esbuild plugin that reads the user's files.
 *
 * @param sources - what has been read so far; what is read now is added
 * @param naming - how a file's own URL is written down
 * @param transform - esbuild's
 * @returns the plugin
 */
export function reader(sources: Sources, naming: Naming, transform: Transform): Plugin {
  async function load(path: string, loader: Loader): Promise<OnLoadResult> {
    const contents = sources.get(path) ?? readFile(path);
    sources.set(path, contents);
    const bytes = await contents.catch((error: NodeJS.ErrnoException) => error);
    if (bytes instanceof Error) return { errors: [{ text: `${UNREADABLE} ${bytes.code}` }] };
    const code = Buffer.from(bytes).toString('utf8');
    if (loader === 'json' || !/\bimport\s*\.\s*meta\b|\b__(?:file|dir)name\b/.test(code))
      return { contents: code, loader };

    const self = naming.source(path);
    const options: TransformOptions = {
      loader,
      define: selfReferences(self),
      sourcefile: encodeURIComponent(basename(path)), // a source map names its sources by URL
      sourcemap: 'inline',
    };
    // A file that does not parse goes to the bundler unchanged: it reports the error with the right place.
    return transform(code, options).then(
      (done) => ({ contents: withResolve(done.code, self.url), loader: 'js' as const }),
      () => ({ contents: code, loader }),
    );
  }
  return {
    name: 'lockrig-source',
    setup(build) {
      build.onLoad({ filter: /.*/, namespace: 'file' }, ({ path }) => {
        const loader = LOADERS[extname(path)];
        return loader === undefined ? undefined : load(path, loader);
      });
    },
  };
}

/** Appended, so that no line moves. */
function withResolve(code: string, url: string): string {
  return code.includes('__lockrigResolve')
    ? `${code}${RESOLVE.replaceAll('FROM', () => JSON.stringify(url))}`
    : code;
}

function selfReferences({ url, filename, dirname }: SelfNames): Record<string, string> {
  return {
    'import.meta': JSON.stringify({ dirname, filename, url }),
    'import.meta.url': JSON.stringify(url),
    'import.meta.filename': JSON.stringify(filename),
    'import.meta.dirname': JSON.stringify(dirname),
    'import.meta.resolve': '__lockrigResolve',
    __filename: JSON.stringify(filename),
    __dirname: JSON.stringify(dirname),
  };
}
