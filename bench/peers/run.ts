/**
 * Runs the program of a peer: a child process that prints one line of JSON and is killed when it does not come to an end.
 */
import { execFile } from 'node:child_process';
import type { PeerBudget, PeerFigures, SweepPeer } from '../locks/peer.ts';
import { type Counted, timesOf } from '../locks/times.ts';

/** Why a peer has no figure: it let two in, did not come to an end, or could not be run. */
export class PeerFailure extends Error {
  readonly code: 'ECOUNTER' | 'ESTUCK' | 'EPEER';
  constructor(code: PeerFailure['code'], message: string) {
    super(message);
    this.name = 'PeerFailure';
    this.code = code;
  }
}

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

/** What a program says of what was protected. */
export interface Protected {
  readonly writes: number;
  readonly counted: number;
  readonly torn: number;
}

/** Holds what was protected against what was done; counters wrap at 2^32. @throws PeerFailure */
export function verify(name: string, { writes, counted, torn }: Protected): void {
  if (counted >>> 0 !== writes >>> 0)
    throw new PeerFailure(
      'ECOUNTER',
      `'${name}' let two CPUs in: what it protects shows ${counted >>> 0} where ${writes >>> 0} was due`,
    );
  if (torn > 0)
    throw new PeerFailure('ECOUNTER', `'${name}' let a writer in with readers: ${torn} reads saw it at work`);
}

/** What a program measured. */
export interface Measurements {
  readonly rates: readonly number[];
  readonly shares: readonly number[];
  readonly from: readonly (readonly number[])[];
  readonly wait: Counted;
  /** Nanoseconds. */
  readonly section: number;
}

/** As a sweep has it: who had the lock twice in a row has handed nothing over. */
export function figuresOf({ rates, shares, from, wait, section }: Measurements, every: number): PeerFigures {
  return {
    throughput: rates,
    shares,
    ...(wait.samples > 0 ? { latency: timesOf(wait, every) } : {}),
    ...(from.length > 1
      ? { handoffs: from.map((row, cpu) => row.map((count, other) => (other === cpu ? 0 : count))) }
      : {}),
    section,
  };
}

/** Milliseconds that a program takes for its windows: each twice, without a look at the clock and with. */
export const millisecondsOf = ({ warmup, window, rounds }: PeerBudget): number =>
  warmup + rounds * (2 * window + warmup / 8);

/** Peers that measure themselves, and a sentence for each that this machine has not. */
export interface Found {
  readonly peers: readonly SweepPeer[];
  readonly absent: readonly string[];
}

/** Whether a family of peers is asked for: the part of a name before the slash. */
export type Wants = (family: string) => boolean;
