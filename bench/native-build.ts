/**
 * Native programs, built on the user's machine with the user's compiler, and never required: whatever is missing becomes an error with a sentence, which callers report as "skipped".
 *
 * A program is built once into a folder of this user under the system's temporary folder, named by a hash of sources, flags and compiler version, written under another name and renamed, so two builds at a
 * time do no harm. Others may write to the temporary folder too, so a folder that is not ours alone is refused: we would run what somebody else left there.
 */
import { spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { threadId } from 'node:worker_threads';
import { PACKAGE_ROOT } from '../harness/package.ts';

/** Where to build from and with what; every field has its default. */
export interface NativeBuild {
  /** Command, with arguments if need be; `$CC`, else `cc`. */
  compiler?: string;
  /** Folder with the C sources; the package's own. */
  sources?: string;
  /** Folder for built programs; one under the system's temporary folder. */
  cache?: string;
}

/** A program to build. */
export interface NativeSource {
  /** What is compiled, `peers.c`; its name, too. */
  readonly main: string;
  /** Headers of ours that it includes. */
  readonly headers: readonly string[];
  readonly flags?: readonly string[];
  readonly libraries?: readonly string[];
  /** The version of what it is built with: of another one it is built anew. */
  readonly version?: string;
}

/** A program that was built and runs here. */
export interface NativeProgram<Listed> {
  readonly path: string;
  readonly compiler: string;
  /** What it answers to `--list`. */
  readonly listed: Listed;
}

const FLAGS = ['-std=c11', '-O2', '-pthread'];
const BUILD_TIMEOUT = 60_000;

/**
 * Finds or builds a program. Blocks while the compiler works, a second or so the first time.
 * @throws Error with a sentence that says what is missing
 */
export function buildNative<Listed>(source: NativeSource, build: NativeBuild = {}): NativeProgram<Listed> {
  const folder = build.sources ?? packageSources([source.main, ...source.headers]);
  const command = compilerCommand(build.compiler);
  const compiler = compilerVersion(command);
  const cache = build.cache ?? join(tmpdir(), `lockrig-native-${process.getuid?.() ?? 'user'}`);
  ownFolder(cache);
  const name = source.main.replace(/\.c$/, '');
  const path = join(cache, `${name}-${buildKey(source, folder, command, compiler)}`);
  return { path, compiler, listed: ask<Listed>(path) ?? compile<Listed>(source, command, folder, path) };
}

/** The compiler and its arguments. @param given else `$CC`, else `cc` */
export function compilerCommand(given: string = process.env.CC?.trim() || 'cc'): string[] {
  return given.trim().split(/\s+/);
}

/** The folder of the C sources. This file is bench/native-build.ts, or dist/bench/native-build.js: the package is one or two levels up. */
export function packageSources(files: readonly string[] = ['peers.c', 'locks.h']): string {
  const folder = join(PACKAGE_ROOT, 'bench', 'native');
  if (!files.every((file) => existsSync(join(folder, file))))
    throw new Error(`the C sources (${files.join(', ')}) are not in ${folder}`);
  return folder;
}

/** The first line of what a compiler says of its version. @throws Error with a sentence when there is none */
export function compilerVersion([program = 'cc', ...args]: string[]): string {
  const { error, status, stdout } = spawnSync(program, [...args, '--version'], {
    encoding: 'utf8',
    timeout: BUILD_TIMEOUT,
  });
  if (error !== undefined && 'code' in error && error.code === 'ENOENT') {
    throw new Error(`no C compiler: '${program}' was not found; install one or name one in $CC`);
  }
  if (error !== undefined || status !== 0) {
    throw new Error(
      `'${program} --version' does not work${error ? ` (${error.message})` : ''}; name a C compiler in $CC`,
    );
  }
  return stdout.split('\n', 1)[0]?.trim() || program;
}

function ownFolder(folder: string): void {
  mkdirSync(folder, { recursive: true, mode: 0o700 });
  const stat = lstatSync(folder);
  const mine = process.getuid === undefined || (stat.uid === process.getuid() && (stat.mode & 0o022) === 0);
  if (!stat.isDirectory() || !mine) {
    throw new Error(`${folder} is not a folder that only this user can write to; remove it or set TMPDIR`);
  }
}

function buildKey(
  { main, headers, flags = [], libraries = [], version = '' }: NativeSource,
  folder: string,
  command: string[],
  compiler: string,
): string {
  const how = [command, compiler, FLAGS, flags, libraries, version, process.platform, process.arch];
  const hash = createHash('sha256').update(JSON.stringify(how));
  for (const file of [main, ...headers]) hash.update(readFileSync(join(folder, file)));
  return hash.digest('hex').slice(0, 24);
}

function compile<Listed>(
  { main, flags = [], libraries = [] }: NativeSource,
  [cc = 'cc', ...args]: string[],
  folder: string,
  path: string,
): Listed {
  const fresh = `${path}.${process.pid}.${threadId}`;
  try {
    const all = [...args, ...FLAGS, ...flags, '-o', fresh, join(folder, main), ...libraries];
    const built = spawnSync(cc, all, { encoding: 'utf8', timeout: BUILD_TIMEOUT });
    if (built.error !== undefined || built.status !== 0) {
      // Of where lockrig lies nobody need know.
      const lines = (built.stderr ?? '')
        .replaceAll(PACKAGE_ROOT, '')
        .split('\n')
        .filter((line) => line.trim() !== '');
      const why =
        lines.find((line) => line.includes('error')) ?? lines[0] ?? built.error?.message ?? 'no message';
      throw new Error(`'${cc}' could not compile the native peers: ${why.trim()}`);
    }
    const listed = ask<Listed>(fresh);
    if (listed === undefined) throw new Error(`'${cc}' built ${fresh}, but it does not run here`);
    renameSync(fresh, path);
    return listed;
  } finally {
    rmSync(fresh, { force: true });
  }
}

/** Asking a program what it has shows that it is there and runs: not on a file system without programs, not for another processor. */
function ask<Listed>(program: string): Listed | undefined {
  const { status, stdout } = spawnSync(program, ['--list'], { encoding: 'utf8', timeout: 10_000 });
  return status === 0 ? (JSON.parse(stdout) as Listed) : undefined;
}
