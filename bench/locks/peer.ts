/**
 * Peers of a sweep: locks that are not lockrig's, measured in the same settings of the same run.
 *
 * There are two kinds. A peer that can be written as a definition (most npm packages can) is measured like any lock, by the same loop, and only
 * carries its origin: {@link PeerLock}. A peer that runs elsewhere, in a native program for one, measures itself: {@link SweepPeer}. Once in each fork and
 * setting it is asked for as many windows as the others had, right after them.
 */
import type { Peer, Setting, Times } from '../../harness/measure/schema.ts';
import type { BenchSubject } from '../team.ts';

/** How long a peer measures. Times in milliseconds. */
export interface PeerBudget {
  readonly warmup: number;
  /** Windows, and how long each lasts. */
  readonly rounds: number;
  readonly window: number;
  /** Cores that its threads take in turn; none: nothing is pinned. */
  readonly pin: readonly number[];
  readonly signal?: AbortSignal;
}

/** What a peer measured. */
export interface PeerFigures {
  /** Sections by the second, of all threads: one sample a window. */
  readonly throughput: readonly number[];
  /** From wanting the lock to having it, where the peer can tell. */
  readonly latency?: Times;
  /** From giving it up to the next thread having it, where that waited. */
  readonly handoff?: Times;
  /** Sections of each thread, over all windows; none: fairness is not known. */
  readonly shares?: readonly number[];
  /** How long sections and the time outside were, by the peer's own calibration, in nanoseconds. */
  readonly calibrated?: { readonly section: number; readonly outside: number };
}

/** A peer that measures itself. */
export interface SweepPeer extends Peer {
  readonly name: string;
  /** Why it cannot be measured in a setting; undefined where it can. */
  cannot(setting: Setting): string | undefined;
  /**
   * Measures one fork, in threads or processes that are new.
   * @throws Error when it fails: the point is marked, and the sweep goes on
   */
  measure(setting: Setting, budget: PeerBudget): Promise<PeerFigures>;
}

/** A peer that is a definition, measured like any other lock. */
export interface PeerLock extends Peer {
  readonly name: string;
  readonly subject: BenchSubject;
}

/** The peers that were asked for. */
export interface FoundPeers {
  readonly peers: readonly (SweepPeer | PeerLock)[];
  /** What this machine does not have, and why. */
  readonly absent: readonly string[];
  /** Names that are nobody's. */
  readonly unknown: readonly string[];
}

/** Finds peers by name. */
export type PeerFinder = (names: readonly string[]) => Promise<FoundPeers>;
