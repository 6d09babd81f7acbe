/**
 * Why a plugin cannot be bundled or imported, in one sentence with the place in the user's file.
 *
 * The bundler and Node word the same mistake in their own ways, over several lines and in terms of the bundle. What the user
 * needs is the file and line that they wrote, the name that is wrong, and the next step.
 */
import { dirname, resolve } from 'node:path';
import { fileURLToPath } from 'node:url';
import { types } from 'node:util';
import type { BuildFailure, Location, Message } from 'esbuild';
import { type Missing, oneLine, PluginError, reason, shown, stackOf } from './errors.ts';
import { installed, packageName, packageOf } from './packages.ts';
import { UNREADABLE } from './source.ts';
import { framesOf, originalPlace, type Place } from './trace.ts';

/** Errors of definitions that say themselves what would be right, and what they are about. */
const DEFINED: Readonly<Record<string, string | undefined>> = {
  ELOCKDEFINITION: 'lock',
  ESCENARIODEFINITION: 'scenario',
  EWORKLOADDEFINITION: 'workload',
};

/**
 * Why a file could not be bundled.
 *
 * @param path - the file as the user named it, absolute
 * @param entry - its real path
 * @param cause - what the bundler threw
 * @returns the error, or undefined if the bundler itself failed
 */
export function explainBundling(path: string, entry: string, cause: unknown): PluginError | undefined {
  const [first, ...more] = (cause as Partial<BuildFailure>).errors ?? [];
  if (first === undefined) return undefined;
  const place = placeOf(first.location, dirname(entry));
  const where = place === undefined ? shown(path) : showPlace(place, path, entry);
  const [missing, problem] = problemOf(first, place?.file ?? entry);
  const rest =
    more.length === 0 ? '' : ` (and ${more.length} more ${more.length === 1 ? 'error' : 'errors'})`;
  return new PluginError(path, missing, `${where} ${problem}${rest}`, { cause });
}

/** esbuild counts lines from 1, but columns from 0 and in bytes of UTF-8. */
function placeOf(location: Location | null, folder: string): Place | undefined {
  if (location === null || location.file === '') return undefined;
  const before = Buffer.from(location.lineText).subarray(0, location.column).toString('utf8');
  return { file: resolve(folder, location.file), line: location.line, column: before.length + 1 };
}

/** The file that the user named is shown under the name the user gave it, even if that is a link. */
function showPlace({ file, line, column }: Place, path: string, entry: string): string {
  return `${shown(file === entry ? path : file)}:${line}:${column}`;
}

function problemOf({ text }: Message, importer: string): [Missing, string] {
  const unresolved = /^Could not resolve "(.*)"/.exec(text)?.[1];
  if (unresolved !== undefined)
    return ['import', `imports '${unresolved}', ${unresolvedBecause(unresolved, importer)}`];
  const noExport = /^No matching export in "(.*)" for import "(.*)"/.exec(text);
  if (noExport !== null) {
    const [, from, name] = noExport;
    return [
      'import',
      `imports '${name}' from '${from}', which has no export of that name: correct the name or export it`,
    ];
  }
  const noLoader = /^No loader is configured for "(.*)" files/.exec(text)?.[1];
  if (noLoader !== undefined) {
    return [
      'import',
      `imports a ${noLoader} file: import TypeScript, JavaScript or .json, or read it with node:fs`,
    ];
  }
  if (text.startsWith(UNREADABLE)) {
    const code = text.slice(UNREADABLE.length).trim();
    return ['permission', `imports a file that cannot be read (${code}): give yourself read permission`];
  }
  const language = /\.[cm]?(ts|js)x?$/.exec(importer)?.[1];
  const name = language === undefined ? 'JSON' : language === 'ts' ? 'TypeScript' : 'JavaScript';
  return ['syntax', `is not valid ${name}: ${oneLine(text)}`];
}

function unresolvedBecause(request: string, importer: string): string {
  if (request.startsWith('node:'))
    return `but Node ${process.versions.node} has no such built-in module: correct the name`;
  if (/^https?:/.test(request))
    return 'but Node does not import over the network: install it and import it by name';
  if (/^[./]/.test(request)) return 'which does not exist: correct the path or create the file';
  if (request.startsWith('#'))
    return `which no "imports" field of a package.json above it defines: add it there`;
  if (packageName(request) === 'lockrig')
    return `but lockrig offers only 'lockrig' and 'lockrig/harness': import one of these`;
  const folder = dirname(importer);
  const name = packageName(request);
  if (installed(name, folder) !== undefined) {
    return `but the installed package '${name}' does not offer that to an import: import a path that it exports`;
  }
  const root = packageOf(folder)?.root ?? folder;
  return `which is not installed there: run npm install ${name} in ${shown(root)}`;
}

/** Frames from this folder on are those that asked for the import, and none of the user's business. */
const HERE = dirname(fileURLToPath(import.meta.url));

/** The bundle that was imported, and what its imports of the running copy look like to the user. */
export interface Imported {
  /** The file as the user named it, absolute. */
  file: string;
  entry: string;
  inputs: readonly string[];
  /** `lockrig` and `lockrig/harness` by the URL of the running copy. */
  ours: ReadonlyMap<string, string>;
}

/**
 * Why a bundle could not be imported.
 *
 * @param imported - the bundle
 * @param cause - what the import threw
 * @returns the error, at the place in the user's file that threw or whose import failed
 */
export function explainImport(imported: Imported, cause: unknown): PluginError {
  const { file, entry, inputs } = imported;
  const stack = stackOf(cause);
  const unlinked = unlinkedName(cause);
  if (unlinked !== undefined) {
    const place = arrowPlace(stack);
    const where = place === undefined ? shown(file) : showPlace(place, file, entry);
    const from = imported.ours.get(unlinked.from) ?? foreignName(unlinked.from);
    const right = imported.ours.has(unlinked.from)
      ? 'correct the name'
      : 'correct the name, or import its default export';
    const message = `${where} imports '${unlinked.name}' from '${from}', which has no export of that name: ${right}`;
    return new PluginError(file, 'import', message, { cause });
  }
  const all = framesOf(stack);
  const asked = all.findIndex((frame) => dirname(frame.file) === HERE);
  const frames = asked < 0 ? all : all.slice(0, asked);
  const own = frames.find((frame) => frame.bundled || inputs.includes(frame.file));
  const code = types.isNativeError(cause) ? (cause as NodeJS.ErrnoException).code : undefined;
  if (own === undefined && code?.startsWith('ERR_')) {
    const message = `${shown(file)} cannot be imported (${reason(cause)}): everything it imports has to be installed`;
    return new PluginError(file, 'import', message, { cause });
  }
  const other = frames[0] ?? arrowPlace(stack);
  if (own === undefined && other === undefined && cause instanceof SyntaxError) {
    // Node does not tell where; the bundle itself parses, so it is a module outside it.
    const message = `${shown(file)} imports a package that is not valid JavaScript (${reason(cause)}): install another version of it`;
    return new PluginError(file, 'import', message, { cause });
  }
  const where =
    own !== undefined
      ? `${showPlace(own, file, entry)} throws while it is imported`
      : other !== undefined
        ? `${shown(file)} imports ${showPlace(other, file, entry)}, which throws`
        : `${shown(file)} throws while it is imported`;
  const defined = DEFINED[String(code)];
  if (own !== undefined && defined !== undefined) {
    // It says itself what would be right.
    const message = `${showPlace(own, file, entry)} defines a ${defined} that cannot be used: ${(cause as Error).message}`;
    return new PluginError(file, 'definition', message, { cause });
  }
  const message = `${where} (${reason(cause)}): a plugin has to load without errors`;
  return new PluginError(file, 'evaluation', message, { cause });
}

function unlinkedName(cause: unknown): { name: string; from: string } | undefined {
  if (!(cause instanceof SyntaxError)) return undefined;
  const module = /The requested module '([^']+)' does not provide an export named '([^']+)'/.exec(
    cause.message,
  );
  if (module?.[1] !== undefined && module[2] !== undefined) return { from: module[1], name: module[2] };
  const commonjs = /^Named export '([^']+)' not found. The requested module '([^']+)'/.exec(cause.message);
  if (commonjs?.[1] !== undefined && commonjs[2] !== undefined)
    return { name: commonjs[1], from: commonjs[2] };
  return undefined;
}

/** Node puts the place of what it cannot link or parse above the message: file and line, the line itself, and an arrow. */
function arrowPlace(stack: string): Place | undefined {
  const [head = '', , arrow = ''] = stack.split('\n');
  const found = /^((?:file:|[A-Za-z]:\\|\/).*):(\d+)$/.exec(head);
  if (found?.[1] === undefined) return undefined;
  const [where, line, column] = [found[1], Number(found[2]), Math.max(1, arrow.indexOf('^') + 1)];
  if (!where.startsWith('file:')) return { file: where, line, column };
  return originalPlace(where, line, column) ?? { file: fileURLToPath(where), line, column };
}

function foreignName(url: string): string {
  if (!url.startsWith('file:')) return url;
  const path = fileURLToPath(url);
  return packageOf(path)?.name ?? shown(path);
}
