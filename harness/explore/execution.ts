/** What a session of gated executions is asked for, and what comes of it. */
import type { MemoryModel } from '../../src/scenario.ts';
import type { AbortReason } from '../engines/gated/layout.ts';
import type { Trace } from '../engines/trace.ts';
import type { Place } from '../torture/places.ts';
import type { Violation } from '../torture/result.ts';
import type { Said } from './explorer.ts';
import type { PolicyChoice } from './policies/index.ts';
import type { Stacks } from './stacks.ts';

/** A decision that was not the usual one: when CPU `cpu` had made `accesses`, `choice` happened. */
export interface Switch {
  readonly cpu: number;
  readonly accesses: number;
  readonly choice: number;
}

/** Who decides: a policy with a seed, or a recorded schedule. */
export type Schedule =
  | {
      readonly policy: string;
      readonly parameter: number;
      readonly length: number;
      readonly seed: number;
    }
  | { readonly switches: readonly Switch[]; readonly seed: number };

/** An execution that failed. */
export interface Failed {
  readonly execution: number;
  readonly reason: AbortReason;
  readonly detail: number;
  readonly steps: number;
  readonly hash: number;
  readonly preemptions: number;
  readonly schedule: Schedule;
}

/** What a session is asked for. */
export interface SessionOptions {
  readonly model?: MemoryModel;
  /** Futex waits that may end spuriously in one of four executions; 1 unless given. Policies that plan have a number of their own. */
  readonly spurious?: number;
  /** Executions at most. */
  readonly executions: number;
  readonly base?: number;
  readonly portfolio?: readonly PolicyChoice[];
  /** Replays this one, `executions` times. */
  readonly schedule?: Schedule;
  readonly failFast?: boolean;
  /** Places of words that policy `focus` is about. */
  readonly focus?: readonly Place[];
  readonly trace?: boolean;
  /** Counts interleavings; see `coverage`. */
  readonly coverage?: boolean;
  /** Takes stacks at these places of the trace, or at all; only with `trace`. */
  readonly stacks?: 'all' | readonly number[];
  readonly stepBound?: number;
  /** Accesses that policies expect an execution to have; those of the longest so far unless given. */
  readonly longest?: number;
  readonly signal?: AbortSignal;
}

/** What a session found. */
export interface Session {
  readonly executions: number;
  readonly failed: number;
  readonly accesses: number;
  readonly seconds: number;
  readonly failures: readonly Failed[];
  readonly maxSteps: number;
  /** Executions whose recorded operations were too much to be judged. */
  readonly undecided: number;
  /** Executions whose records were too many, so that no detector has seen them. */
  readonly unwatched: number;
}

/** One execution in full. */
export interface Execution {
  readonly failed: Failed | undefined;
  readonly hash: number;
  readonly steps: number;
  readonly preemptions: number;
  readonly switches: readonly Switch[];
  readonly trace: Trace;
  readonly violations: readonly Violation[];
  readonly said: Omit<Said, 'stacks' | 'orders'>;
  /** The stacks that were asked for. */
  readonly stacks: Stacks;
}
