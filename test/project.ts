/** The project's own files, for tests about the project: sources, not what was built from them. */
import { existsSync, readdirSync, readFileSync } from 'node:fs';
import { dirname, join, relative, sep } from 'node:path';
import { fileURLToPath } from 'node:url';

const SKIPPED = new Set(['node_modules', 'dist', 'results', '.git']);

function findRoot(): string {
  let folder = dirname(fileURLToPath(import.meta.url));
  while (!existsSync(join(folder, 'package.json'))) {
    if (folder === dirname(folder)) throw new Error(`no package.json above ${import.meta.url}`);
    folder = dirname(folder);
  }
  return folder;
}

export const root = findRoot();

/**
 * @param folder relative to the project, with slashes
 * @returns paths of all files below, relative to the project, with slashes, sorted; none if there is no such folder
 */
export function filesIn(folder: string): string[] {
  const start = join(root, folder);
  if (!existsSync(start)) return [];
  const found: string[] = [];
  for (const entry of readdirSync(start, { withFileTypes: true })) {
    if (SKIPPED.has(entry.name)) continue;
    const path = relative(root, join(start, entry.name)).split(sep).join('/');
    if (entry.isDirectory()) found.push(...filesIn(path));
    else if (entry.isFile()) found.push(path);
  }
  return found.sort();
}

export const read = (path: string): string => readFileSync(join(root, path), 'utf8');
