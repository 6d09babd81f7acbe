/**
 * The native peers: the same locks in C (bench/native), compiled on the user's machine with the user's compiler.
 *
 * They answer how much of a figure is the machine and how much is lockrig: same memory layout, same rounds, same batches between two looks at the stop word. Whatever is missing (a compiler, the sources, a
 * folder that may hold programs) becomes `available: false` and a sentence, and the rest of the benchmark runs without them. native-build.ts says how they are built.
 */
import { execFile, spawnSync } from 'node:child_process';
import { buildNative, type NativeBuild } from './native-build.ts';

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

const PEERS = { main: 'peers.c', headers: ['locks.h', 'threads.h'] } as const;

/**
 * Finds or builds the native peers. Blocks while the compiler works, a second or so the first time.
 * @returns how to run them, or the reason why they are not to be had; never throws
 */
export function nativePeers(build: NativeBuild = {}): NativePeers {
  try {
    const { path, compiler, listed } = buildNative<string[]>(PEERS, build);
    return {
      available: true,
      run: (options) => runPeers(path, options),
      calls: () => callCosts(path),
      compiler,
      locks: listed,
    };
  } catch (error) {
    return { available: false, reason: error instanceof Error ? error.message : String(error) };
  }
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
