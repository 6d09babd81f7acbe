/** The versions of what peers come from: exactly, or said to be unknown. */
import { spawnSync } from 'node:child_process';
import { existsSync, readFileSync } from 'node:fs';
import { createRequire } from 'node:module';
import { dirname, join } from 'node:path';

const run = (program: string, args: readonly string[]): string => {
  const { status, stdout } = spawnSync(program, args, { encoding: 'utf8', timeout: 10_000 });
  return status === 0 ? stdout.trim() : '';
};

/** The version of a library of the system: as its Debian package has it, or else as pkg-config says. */
export function libraryVersion(debian: string, pkgConfig: string): string {
  const fields = ['db:Status-Status', 'Version'].map((field) => `\${${field}}`);
  const [status, version] = run('dpkg-query', ['-W', '-f', fields.join(' '), debian]).split(' ');
  if (status === 'installed' && version !== undefined) return `${debian} ${version}`;
  return `${pkgConfig} ${run('pkg-config', ['--modversion', pkgConfig]) || 'of unknown version'}`;
}

/** The C library, as the system names it: `glibc 2.36`. */
export const libcVersion = (): string =>
  run('getconf', ['GNU_LIBC_VERSION']) || 'a C library of unknown version';

/** The file that importing an npm package loads, and the package's version. @throws Error when it is not installed */
export function packageAt(name: string, from: string): { readonly main: string; readonly version: string } {
  const main = createRequire(join(from, 'x.js')).resolve(name);
  for (let folder = dirname(main); folder !== dirname(folder); folder = dirname(folder)) {
    const file = join(folder, 'package.json');
    if (!existsSync(file)) continue;
    const { name: of, version } = JSON.parse(readFileSync(file, 'utf8')) as {
      name?: string;
      version?: string;
    };
    if (of === name && version !== undefined) return { main, version };
  }
  throw new Error(`${main} belongs to no package ${name}`);
}
