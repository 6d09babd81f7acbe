/**
 * Runs the program of a peer: a child process that prints one line of JSON and is killed when it does not come to an end.
 */
import { execFile } from 'node:child_process';
import { PeerFailure } from './peer.ts';

/** What to run. */
export interface PeerProgram {
  /** What it is called in sentences. */
  readonly name: string;
  readonly program: string;
  readonly args: readonly string[];
  /** Milliseconds that its windows take; it has a minute more. */
  readonly ms: number;
  readonly patience?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

const PATIENCE = 60_000;

/** Runs it to its end. Exit 1 with a line on stdout is a result, too: of a lock that let two in. @throws PeerFailure; the signal's reason */
export function runPeerProgram<Result>(what: PeerProgram): Promise<Result> {
  const { name, program, args, ms, patience = PATIENCE, signal } = what;
  const timeout = Math.ceil(ms) + patience;
  return new Promise((resolve, reject) => {
    const limits = { timeout, killSignal: 'SIGKILL' as const, maxBuffer: 1 << 28, encoding: 'utf8' as const };
    execFile(program, [...args], { ...limits, ...(signal ? { signal } : {}) }, (error, stdout, stderr) => {
      const line = stdout.trim().split('\n').at(-1) ?? '';
      if (signal?.aborted) return reject(signal.reason as Error);
      if (error?.killed)
        return reject(new PeerFailure('ESTUCK', `'${name}' did not end within ${timeout} ms and was killed`));
      if ((error === null || error.code === 1) && line.startsWith('{'))
        return resolve(JSON.parse(line) as Result);
      const why = stderr.trim().split('\n')[0] || error?.message || 'it printed no result';
      reject(new PeerFailure('EPEER', `'${name}' could not be measured: ${why}`));
    });
  });
}

/** What is wrong with a count, as a sentence. */
export function letTwoIn(name: string, writes: number, counted: number, torn: number): PeerFailure {
  const seen =
    counted >>> 0 === writes >>> 0
      ? `${torn} times a section saw that another one wrote`
      : `its counter shows ${counted >>> 0} where ${writes >>> 0} was due`;
  return new PeerFailure('ECOUNTER', `'${name}' let two CPUs in: ${seen}`);
}
