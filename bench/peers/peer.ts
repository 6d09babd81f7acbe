/**
 * What a peer is: a lock that is neither lockrig's nor the user's, measured in the same run, in a process of its own.
 *
 * It goes round as lockrig's locks do: draw a lock, want it, have it for a section, give it up, stay away. A section is a loop of arithmetic (spin.ts, and the same in C), whose length each process measures for itself.
 * What it protects is counted: a lock that lets two in has no figure.
 */
import type { Peer, Setting, Times } from '../../harness/measure/schema.ts';

/** How long to measure, and how. Times in milliseconds. */
export interface PeerBudget {
  readonly warmup: number;
  /** All windows together, and how many there are. */
  readonly window: number;
  readonly blocks: number;
  /** One in so many acquisitions is timed, at random; 0: none. */
  readonly every: number;
  /** Cores that the CPUs take in turn; none: unpinned. */
  readonly pin: readonly number[];
  /** How much longer than its windows it may take until it is killed; a minute unless given. */
  readonly patience?: number | undefined;
  readonly signal?: AbortSignal | undefined;
}

/** What was found in one setting. */
export interface PeerSample {
  /** Sections a second of all CPUs, by window. */
  readonly throughput: readonly number[];
  /** Sections of each CPU, over all windows. */
  readonly shares: readonly number[];
  readonly latency?: Times;
  /** Sections to write, of whom (row) after whom (column). */
  readonly handoffs: readonly (readonly number[])[];
  /** What a section was measured to take, in nanoseconds, where one was asked for. */
  readonly section: number;
}

/** A lock to measure beside others. */
export interface SweepPeer extends Peer {
  /** `c/ticket`, `ck/mcs`, `npm/web-locks`. */
  readonly name: string;
  /** Whether readers share it. */
  readonly readers: boolean;
  /** Why it cannot be measured there; undefined: it can. */
  cannot(setting: Setting): string | undefined;
  /** Measures it. @throws PeerFailure */
  measure(setting: Setting, budget: PeerBudget): Promise<PeerSample>;
}

/** Peers that this machine has, and a sentence for each that it has not. */
export interface FoundPeers {
  readonly peers: readonly SweepPeer[];
  readonly absent: readonly string[];
}

/** Why a peer has no figure: it let two in, did not come to an end, or could not be run. */
export class PeerFailure extends Error {
  readonly code: 'ECOUNTER' | 'ESTUCK' | 'EPEER';
  constructor(code: PeerFailure['code'], message: string) {
    super(message);
    this.name = 'PeerFailure';
    this.code = code;
  }
}
