/**
 * The native peers: the same locks in C (bench/native), compiled on the user's machine with the user's compiler.
 *
 * They answer how much of a figure is the machine and how much is lockrig: same memory layout, same rounds, same batches between two
 * looks at the stop word. They are never required. Whatever is missing (a compiler, the sources, a folder that may hold programs)
 * becomes `available: false` and a sentence, and the rest of the benchmark runs without them.
 *
 * The program is built once into a folder of this user under the system's temporary folder, named by a hash of sources, flags and
 * compiler version, written under another name and renamed, so two builds at a time do no harm. Others may write to the temporary
 * folder too, so a folder that is not ours alone is refused: we would run what somebody else left there.
 */
import { execFile, spawnSync } from 'node:child_process';
import { createHash } from 'node:crypto';
import { existsSync, lstatSync, mkdirSync, readFileSync, renameSync, rmSync } from 'node:fs';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { fileURLToPath } from 'node:url';
import { threadId } from 'node:worker_threads';

/** What the native program measures, and how. */
export interface NativeRun {
  /** One of the `locks` of the peers at hand. */
  lock: string;
  /** Threads that compete, 1 to 256; 2 unless given. */
  threads?: number;
  /** Milliseconds of all blocks together; 500 unless given. A warm-up comes on top. */
  ms?: number;
  /** Number of measured blocks; 20 unless given. */
  blocks?: number;
  /** Rounds between two looks at the stop word; 64 unless given. Few, if a round can take milliseconds. */
  batch?: number;
  /** Cores for the threads, in turn (Linux); unpinned unless given. */
  pin?: readonly number[];
  /** One thread alone, in nanoseconds a round. */
  uncontended?: boolean;
  /** The processor's pause instruction in waiting loops, which WebAssembly has not. */
  pause?: boolean;
  /** The store that frees a lock: `release`, C at its best (unless given), or `seqcst`, what WebAssembly does. */
  order?: 'release' | 'seqcst';
  /** Milliseconds until a run that does not end is killed; a minute more than `ms` unless given. */
  timeoutMs?: number;
}

/** What it measured. The increments of the protected counter were found to add up. */
export interface NativeResult {
  lock: string;
  threads: number;
  mode: 'contended' | 'uncontended';
  unit: 'acquisitions/s' | 'ns/op';
  /** `own`: the library's lock, whose ordering cannot be chosen. */
  order: 'release' | 'seqcst' | 'own';
  pause: boolean;
  batch: number;
  /** The core of each thread; empty if they were not pinned. */
  pinned: number[];
  /** One figure a block, in `unit`. */
  blocks: number[];
  /** Rounds of each thread over all measured blocks. */
  perThread: number[];
  /** Rounds of each thread in each block: `perBlock[block][thread]`. */
  perBlock: number[][];
  /** Rounds of all threads, warm-up included. */
  total: number;
  /** The protected counter at the end: `total` modulo 2^32. */
  counter: number;
  counterOk: true;
}

/** The native peers if they can be had here, or why not. */
export type NativePeers =
  | {
      available: true;
      run: (options: NativeRun) => Promise<NativeResult>;
      /** What calls take here; undefined where the program does not say. */
      calls: () => CallCosts | undefined;
      compiler: string;
      locks: string[];
    }
  | { available: false; reason: string };

/** Nanoseconds of a call of an empty C function. */
export interface CallCosts {
  readonly direct: number;
  readonly indirect: number;
}

/** Where to build from and with what; every field has its default. */
export interface NativeBuild {
  /** Command, with arguments if need be; `$CC`, else `cc`. */
  compiler?: string;
  /** Folder with peers.c and locks.h; the package's own. */
  sources?: string;
  /** Folder for built programs; one under the system's temporary folder. */
  cache?: string;
}

/** Why a native run has no result. */
export type NativeFailure = 'counter-mismatch' | 'bad-options' | 'timeout' | 'failed';

/** A native run without a result. */
export class NativePeerError extends Error {
  override readonly name = 'NativePeerError';
  readonly code: NativeFailure;
  readonly options: NativeRun;

  constructor(code: NativeFailure, message: string, options: NativeRun) {
    super(message);
    this.code = code;
    this.options = options;
  }
}

const SOURCES = ['peers.c', 'locks.h'];
const FLAGS = ['-std=c11', '-O2', '-pthread'];
const BUILD_TIMEOUT = 60_000;

/**
 * Finds or builds the native peers. Blocks while the compiler works, a second or so the first time.
 * @returns how to run them, or the reason why they are not to be had; never throws
 */
export function nativePeers(build: NativeBuild = {}): NativePeers {
  try {
    const sources = build.sources ?? packageSources();
    const command = (build.compiler ?? (process.env.CC?.trim() || 'cc')).trim().split(/\s+/);
    const compiler = compilerVersion(command);
    const cache = build.cache ?? join(tmpdir(), `lockrig-native-${process.getuid?.() ?? 'user'}`);
    ownFolder(cache);
    const program = join(cache, `peers-${buildKey(sources, command, compiler)}`);
    const locks = lockNames(program) ?? compile(command, sources, program);
    return {
      available: true,
      run: (options) => runPeers(program, options),
      calls: () => callCosts(program),
      compiler,
      locks,
    };
  } catch (error) {
    return { available: false, reason: error instanceof Error ? error.message : String(error) };
  }
}

/** The folder of the C sources. This file is bench/native.ts, or dist/bench/native.js: the package is one or two levels up. */
export function packageSources(): string {
  const candidates = ['./native/', '../../bench/native/'].map((path) =>
    fileURLToPath(new URL(path, import.meta.url)),
  );
  const found = candidates.find((folder) => SOURCES.every((file) => existsSync(join(folder, file))));
  if (found === undefined)
    throw new Error(`the C sources (${SOURCES.join(', ')}) are not in ${candidates.join(' or ')}`);
  return found;
}

function compilerVersion([program = 'cc', ...args]: string[]): string {
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

function buildKey(sources: string, command: string[], compiler: string): string {
  const hash = createHash('sha256').update(
    JSON.stringify([command, compiler, FLAGS, process.platform, process.arch]),
  );
  for (const file of SOURCES) hash.update(readFileSync(join(sources, file)));
  return hash.digest('hex').slice(0, 24);
}

function compile([cc = 'cc', ...args]: string[], sources: string, program: string): string[] {
  const fresh = `${program}.${process.pid}.${threadId}`;
  try {
    const built = spawnSync(cc, [...args, ...FLAGS, '-o', fresh, join(sources, 'peers.c')], {
      encoding: 'utf8',
      timeout: BUILD_TIMEOUT,
    });
    if (built.error !== undefined || built.status !== 0) {
      const lines = (built.stderr ?? '').split('\n').filter((line) => line.trim() !== '');
      const why =
        lines.find((line) => line.includes('error')) ?? lines[0] ?? built.error?.message ?? 'no message';
      throw new Error(`'${cc}' could not compile the native peers: ${why.trim()}`);
    }
    const locks = lockNames(fresh);
    if (locks === undefined) throw new Error(`'${cc}' built ${fresh}, but it does not run here`);
    renameSync(fresh, program);
    return locks;
  } finally {
    rmSync(fresh, { force: true });
  }
}

/** Asking a program for its locks shows that it is there and runs: not on a file system without programs, not for another processor. */
function lockNames(program: string): string[] | undefined {
  const { status, stdout } = spawnSync(program, ['--list'], { encoding: 'utf8', timeout: 10_000 });
  return status === 0 ? (JSON.parse(stdout) as string[]) : undefined;
}

function callCosts(program: string): CallCosts | undefined {
  const { status, stdout } = spawnSync(program, ['--calls'], { encoding: 'utf8', timeout: 10_000 });
  return status === 0 ? (JSON.parse(stdout) as CallCosts) : undefined;
}

function runPeers(program: string, options: NativeRun): Promise<NativeResult> {
  const { ms = 500, timeoutMs = 60_000 + (Number.isFinite(ms) ? Math.ceil(ms) : 0) } = options;
  return new Promise((resolve, reject) => {
    if (!Number.isSafeInteger(timeoutMs) || timeoutMs < 1) {
      const message = `timeoutMs needs a whole number of milliseconds from 1, got '${timeoutMs}'`;
      return reject(new NativePeerError('bad-options', message, options));
    }
    const limits = { timeout: timeoutMs, killSignal: 'SIGKILL' as const, maxBuffer: 1 << 26 };
    execFile(program, runArguments(options), limits, (error, stdout, stderr) => {
      if (error === null) return resolve(JSON.parse(stdout) as NativeResult);
      reject(runError(options, error, timeoutMs, stdout, stderr.trim()));
    });
  });
}

function runArguments(options: NativeRun): string[] {
  const args = ['--lock', options.lock];
  const { threads, ms, blocks, batch, order } = options;
  for (const [name, value] of Object.entries({ threads, ms, blocks, batch, order })) {
    if (value !== undefined) args.push(`--${name}`, String(value));
  }
  if (options.pin !== undefined && options.pin.length > 0) args.push('--pin', options.pin.join());
  if (options.uncontended) args.push('--uncontended');
  if (options.pause) args.push('--pause');
  return args;
}

type ExecError = Parameters<NonNullable<Parameters<typeof execFile>[3]>>[0];

function runError(
  options: NativeRun,
  error: NonNullable<ExecError>,
  timeout: number,
  stdout: string,
  stderr: string,
): NativePeerError {
  if (error.killed) {
    return new NativePeerError(
      'timeout',
      `native ${options.lock} did not end within ${timeout} ms and was killed`,
      options,
    );
  }
  if (error.code === 1 && stdout !== '') {
    const { total, counter } = JSON.parse(stdout) as { total: number; counter: number };
    const message = `native ${options.lock} let two threads in: ${total} increments left the counter at ${counter}`;
    return new NativePeerError('counter-mismatch', message, options);
  }
  if (error.code === 2) return new NativePeerError('bad-options', stderr, options);
  return new NativePeerError('failed', `native ${options.lock} failed: ${stderr || error.message}`, options);
}
