/**
 * Which package a file belongs to. Decides what is bundled (the user's own files) and what stays where it was installed
 * (everyone else's), and gives an installed file a name that is the same on every machine.
 */
import { existsSync, readFileSync, realpathSync } from 'node:fs';
import { basename, dirname, join, relative, sep } from 'node:path';

/** The package.json above a file, as far as it matters here. */
export interface PackageInfo {
  root: string;
  name: string;
  version: string;
  /** It is made of locks or scenarios: it depends on lockrig. */
  onLockrig: boolean;
}

/**
 * Finds the nearest package.json above a file that has a name. One without (`{"type": "module"}` in a dist folder) only sets
 * the module format.
 *
 * @param path - absolute path of a file or a folder
 * @returns the package, or undefined if the file belongs to none
 */
export function packageOf(path: string): PackageInfo | undefined {
  for (let folder = path; folder !== dirname(folder); folder = dirname(folder)) {
    const info = readPackage(folder);
    if (info !== undefined) return info;
  }
  return undefined;
}

interface PackageFile {
  name?: string;
  version?: string;
  dependencies?: object;
  peerDependencies?: object;
}

function readPackage(root: string): PackageInfo | undefined {
  try {
    const fields = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as PackageFile;
    if (!fields.name) return undefined;
    const onLockrig = 'lockrig' in { ...fields.dependencies, ...fields.peerDependencies };
    return { root, name: fields.name, version: fields.version ?? '0', onLockrig };
  } catch {
    return undefined;
  }
}

/**
 * The package part of what an import asks for: `a` of `a/b/c`, `@s/a` of `@s/a/b`.
 *
 * @param request - a bare specifier
 * @returns the name of the package
 */
export function packageName(request: string): string {
  return request
    .split('/')
    .slice(0, request.startsWith('@') ? 2 : 1)
    .join('/');
}

/**
 * Where a package is installed, seen from a folder.
 *
 * @param name - the package's name
 * @param from - absolute path of the folder that asks
 * @returns the real path of the installed package, or undefined
 */
export function installed(name: string, from: string): string | undefined {
  for (let folder = from; ; folder = dirname(folder)) {
    const place = join(folder, 'node_modules', name);
    if (existsSync(place)) return realpathSync(place);
    if (folder === dirname(folder)) return undefined;
  }
}

/**
 * Is a resolved file someone else's published package? Not so are files of the importer's own package (a self reference, a
 * `#name`), what a `paths` entry of tsconfig.json points at, and packages of locks.
 *
 * @param path - the file the import resolved to
 * @param request - what the import asked for
 * @param from - the folder of the importing file
 * @returns true if the file is to stay where it is installed
 */
export function isForeign(path: string, request: string, from: string): boolean {
  const owner = packageOf(path);
  if (owner?.root === packageOf(from)?.root || owner?.onLockrig) return false;
  if (path.split(sep).includes('node_modules')) return true;
  const linked = request.startsWith('#') ? undefined : installed(packageName(request), from);
  return linked !== undefined && !relative(linked, path).startsWith('..');
}

/**
 * Names an installed file by what it is, so that the same dependency has the same name on every machine.
 *
 * @param path - absolute path of the file
 * @returns `name@version/path/in/package`
 */
export function portableName(path: string): string {
  const owner = packageOf(path);
  if (owner === undefined) return basename(path);
  return `${owner.name}@${owner.version}/${relative(owner.root, path).split(sep).join('/')}`;
}
