/**
 * Is this path a file that can be a plugin at all? Asked before anything is bundled, so that a mistyped path gets an answer
 * about the path and not one about a bundler.
 */
import { constants } from 'node:fs';
import { access, readdir, realpath, stat } from 'node:fs/promises';
import { basename, dirname, extname, join, resolve } from 'node:path';
import { closest, distance } from 'fastest-levenshtein';
import { PluginError, shown } from './errors.ts';

/** The extensions a plugin may have. */
export const EXTENSIONS: readonly string[] = ['.ts', '.mts', '.js', '.mjs'];

/** The extensions as a sentence lists them. */
export const EXTENSION_LIST = '.ts, .mts, .js or .mjs';

/** A mistyped name is this many letters away from the right one at most. */
const TYPO = 2;

/**
 * Checks the path of a plugin.
 *
 * @param file - the path as the user gave it
 * @returns the real path of a readable file with one of the known extensions
 * @throws PluginError if it is anything else
 */
export async function entryFile(file: string): Promise<string> {
  const path = resolve(file);
  const found = await stat(path).catch((error: NodeJS.ErrnoException) => error);
  if (found instanceof Error) throw await unreachable(path, found);
  if (found.isDirectory()) {
    const inside = await pluginsIn(path);
    const example = inside[0] === undefined ? '' : `, ${shown(join(path, inside[0]))} for one`;
    throw new PluginError(
      path,
      'file',
      `${shown(path)} is a directory: name a ${EXTENSION_LIST} file${example}`,
    );
  }
  if (!EXTENSIONS.includes(extname(path))) {
    const has = extname(path) === '' ? 'no extension' : `the extension ${extname(path)}`;
    throw new PluginError(
      path,
      'extension',
      `${shown(path)} has ${has}: a plugin is a ${EXTENSION_LIST} file`,
    );
  }
  if (!found.isFile())
    throw new PluginError(path, 'file', `${shown(path)} is not a regular file: a plugin has to be one`);
  try {
    await access(path, constants.R_OK);
  } catch (cause) {
    throw new PluginError(
      path,
      'permission',
      `${shown(path)} may not be read: give yourself read permission`,
      { cause },
    );
  }
  return realpath(path);
}

async function unreachable(path: string, cause: NodeJS.ErrnoException): Promise<PluginError> {
  if (cause.code !== 'ENOENT' && cause.code !== 'ENOTDIR') {
    return new PluginError(
      path,
      'permission',
      `${shown(path)} cannot be opened (${cause.code}): name a readable file`,
      {
        cause,
      },
    );
  }
  const names = await pluginsIn(dirname(path));
  const near = names.length === 0 ? undefined : closest(basename(path), names);
  const meant = near !== undefined && distance(near, basename(path)) <= TYPO ? near : undefined;
  const right =
    meant === undefined
      ? `name a ${EXTENSION_LIST} file that exports a lock or a scenario`
      : `did you mean ${shown(join(dirname(path), meant))}?`;
  return new PluginError(path, 'file', `${shown(path)} does not exist: ${right}`, { cause });
}

async function pluginsIn(folder: string): Promise<string[]> {
  const names = await readdir(folder).catch(() => [] as string[]);
  return names.filter((name) => EXTENSIONS.includes(extname(name)) && !/\.d\.m?ts$/.test(name)).sort();
}
