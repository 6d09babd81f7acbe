/**
 * What a hunt is asked for and what it says.
 */
import type { OracleName } from '../../src/locking/define.ts';
import type { MemoryModel } from '../../src/scenario.ts';
import type { LockOrder } from '../detect/lock-graph.ts';
import type { Coverage } from '../engines/gated/coverage.ts';
import type { Place } from '../torture/places.ts';
import type { PolicyChoice } from './policies/index.ts';
import type { Rate } from './rate.ts';
import type { Suppression } from './suppress.ts';

/** How a hunt goes. */
export interface HuntOptions {
  readonly cpus?: number;
  /** Steps of each CPU in an execution, for locks. */
  readonly steps?: number;
  readonly seed?: number;
  /** Ends after so many executions, or milliseconds; of both the later one, unless only one is given. */
  readonly executions?: number;
  readonly milliseconds?: number;
  readonly models?: readonly MemoryModel[];
  /** Names of detectors; those that are on by default unless given. */
  readonly detect?: readonly string[];
  /** Races that are no failures. */
  readonly suppress?: readonly Suppression[];
  readonly policies?: readonly PolicyChoice[];
  /** Places of words that policy `focus` is about. */
  readonly focus?: readonly Place[];
  /** Only failures that one of these oracles found count; others are passed over. */
  readonly oracles?: readonly OracleName[];
  /** Goes on after a failure, and keeps each kind once. */
  readonly all?: boolean;
  /** Of a user's subject: its bundled module, and the hash of that. */
  readonly url?: string;
  readonly hash?: string;
  /** Executions that measure how frequent a failure is once it is found; it then has `rate` and `trace`, for `verifyFix`. */
  readonly measure?: number;
  /** Goes on where a hunt with the same options was. */
  readonly from?: HuntState;
  readonly signal?: AbortSignal;
  /** Told after every few hundred executions. */
  readonly onProgress?: (progress: HuntProgress) => void;
  /** Told of each failure when it has been shrunk. */
  readonly onFailure?: (failure: HuntFailure) => void;
}

/** A look at a hunt. */
export interface HuntProgress {
  readonly executions: number;
  readonly seconds: number;
  readonly failures: number;
  /** Where it is: with that and its failures another hunt goes on. */
  readonly state: Omit<HuntState, 'failures'>;
}

/** Where a hunt is, between two sessions. */
export interface HuntState {
  /** Sessions behind it. */
  readonly chunk: number;
  readonly executions: number;
  readonly accesses: number;
  readonly seconds: number;
  /** Accesses of its longest execution. */
  readonly longest: number;
  /** As in its counts. */
  readonly undecided: number;
  readonly unwatched: number;
  readonly failures: readonly HuntFailure[];
}

/** A failure that was found, shrunk. */
export interface HuntFailure {
  readonly oracle: OracleName;
  readonly text: string;
  /** What else there is to say, in lines: sites with their stacks, a chain of locks, who waits for whom. */
  readonly details: readonly string[];
  /** Equal for failures of one kind. */
  readonly key: string;
  /** Stands for the shrunk execution; see `lockrig replay`. */
  readonly token: string;
  readonly model: MemoryModel;
  /** CPUs and steps of the shrunk execution. */
  readonly cpus: number;
  readonly steps: number;
  /** Executions and seconds until it was first seen. */
  readonly after: { readonly executions: number; readonly seconds: number };
  /** Of the shrunk execution. */
  readonly preemptions: number;
  readonly switches: number;
  readonly accesses: number;
  /** Accesses that the columns show. */
  readonly shown: number;
  readonly columns: readonly string[];
  /** Preemptions before shrinking, and the replays and seconds that it took. */
  readonly shrunk: { readonly from: number; readonly replays: number; readonly seconds: number };
  /** How frequent it is, if that was measured. */
  readonly rate?: Rate;
  /** The accesses of the shrunk execution: CPU, operation, address, value. */
  readonly trace?: readonly string[];
}

/** What every hunt counts. */
export interface HuntCounts {
  readonly subject: string;
  readonly executions: number;
  readonly accesses: number;
  readonly seconds: number;
  readonly cpus: number;
  readonly models: readonly MemoryModel[];
  readonly seed: number;
  /** Executions whose recorded operations could be called neither linearizable nor not. */
  readonly undecided: number;
  /** Executions with too many accesses or events to be shown to detectors. */
  readonly unwatched: number;
  /** Distinct interleavings, and how many came once or twice; see `unseen` and `richness`. */
  readonly coverage: Coverage;
  /** Names of the detectors. */
  readonly detect: readonly string[];
  /** What is worth a look and no failure: accesses without the guard that their field declares. */
  readonly leads: readonly string[];
  /** The orders in which locks were taken, one while another was held; of a hunt that goes on, since it does. */
  readonly orders?: readonly LockOrder[];
  /** Suppressions that have matched nothing. */
  readonly unused: readonly Suppression[];
}

/** What a hunt found: failures, none within the budget, or that two runs of one schedule differ. */
export type HuntResult = HuntCounts &
  (
    | {
        readonly verdict: 'found';
        /** Each kind once, shrunk, in the order in which they were found. */
        readonly failures: readonly [HuntFailure, ...HuntFailure[]];
        readonly difference: undefined;
      }
    | {
        readonly verdict: 'clean' | 'interrupted';
        readonly failures: readonly HuntFailure[];
        readonly difference: undefined;
      }
    | {
        readonly verdict: 'not deterministic';
        readonly failures: readonly HuntFailure[];
        /** The first access that differed. */
        readonly difference: string;
      }
  );
