/**
 * Peers of a sweep: locks that are neither lockrig's nor the user's, measured in the same settings of the same run.
 *
 * There are two kinds. A peer that can be written as a definition is measured like any lock, by the same loop, and only carries its origin: {@link PeerLock}. A
 * peer that runs elsewhere, in a native program for one, measures itself: {@link SweepPeer}. Once in each fork and setting it is asked for as many windows as
 * the others had, right after them.
 */
import type { Peer, Setting, Times } from '../../harness/measure/schema.ts';
import type { BenchSubject } from '../team.ts';

/** How long a peer measures. Times in milliseconds. */
export interface PeerBudget {
  readonly warmup: number;
  /** One window, and how many there are. */
  readonly window: number;
  readonly rounds: number;
  /** One in so many acquisitions is timed; 0: none. */
  readonly every: number;
  /** Cores that its threads take in turn; none: nothing is pinned. */
  readonly pin: readonly number[];
  readonly signal?: AbortSignal | undefined;
}

/** What a peer measured. */
export interface PeerFigures {
  /** Sections by the second, of all threads: one sample a window. */
  readonly throughput: readonly number[];
  /** Sections of each thread, over all windows; none: fairness is not known. */
  readonly shares?: readonly number[];
  /** From wanting the lock to having it, where the peer can tell. */
  readonly latency?: Times;
  /** From giving it up to the next thread having it, where that waited. */
  readonly handoff?: Times;
  /** Sections to write, of whom (row) after whom (column). */
  readonly handoffs?: readonly (readonly number[])[];
  /** What a section was measured to take, in nanoseconds, where one was asked for. */
  readonly section?: number;
}

/** A peer that measures itself. */
export interface SweepPeer extends Peer {
  /** `c/ticket`, `npm/web-locks`: what it is asked for by. */
  readonly name: string;
  /** Why it cannot be measured in a setting; undefined where it can. */
  cannot(setting: Setting): string | undefined;
  /**
   * Measures one fork, in threads or processes that are new.
   * @throws Error when it fails, with the code `ECOUNTER` when it let two in: the point is marked, and the sweep goes on
   */
  measure(setting: Setting, budget: PeerBudget): Promise<PeerFigures>;
}

/** A peer that is a definition, measured like any other lock. */
export interface PeerLock extends Peer {
  readonly name: string;
  readonly subject: BenchSubject;
}

/** The peers that this machine has, and a sentence for each that it has not. */
export interface FoundPeers {
  readonly peers: readonly (SweepPeer | PeerLock)[];
  readonly absent: readonly string[];
}
