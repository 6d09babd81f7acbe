/**
 * What a report is made of: the results of a folder, as far as they could be read.
 */
import type { LockOrder } from '../../detect/lock-graph.ts';
import type { Advice, Comparison, LockClassStats, Span, SweepPoint } from '../../measure/schema.ts';
import type { Environment, TortureResult } from '../../torture/result.ts';

/** Where results come from. */
export interface Told {
  readonly file: string;
  readonly command: string;
  readonly complete: boolean;
  /** Any field of it may be missing. */
  readonly environment: Partial<Environment> | undefined;
}

/** Costs of locks. */
export interface Sweep extends Told {
  readonly options: Readonly<Record<string, unknown>>;
  readonly locks: readonly string[];
  readonly absent: readonly string[];
  readonly noise: string;
  readonly points: readonly SweepPoint[];
  readonly advice: readonly Advice[];
  readonly comparison?: Comparison;
}

/** lock_stat. */
export interface LockStat extends Told {
  readonly subject: string;
  readonly cpus: number;
  readonly seconds: number;
  readonly classes: readonly LockClassStats[];
}

/** Who wanted, had and gave up which lock, and when. */
export interface Timeline extends Told {
  readonly subject: string;
  readonly cpus: number;
  readonly nanoseconds: number;
  readonly lost: number;
  readonly spans: readonly Span[];
}

/** One run of a torture: fields that older files lack may be missing. */
export type TortureRun = Pick<
  TortureResult,
  'lock' | 'verdict' | 'oracle' | 'params' | 'violations' | 'seconds' | 'acquisitions' | 'cpus'
> &
  Partial<TortureResult>;

/** A torture. */
export interface Torture extends Told {
  readonly runs: readonly TortureRun[];
}

/** A failure of a hunt, as its file has it. */
export interface FoundFailure {
  readonly oracle: string;
  readonly text: string;
  readonly key: string;
  readonly token: string;
  readonly model: string;
  readonly cpus: number;
  readonly columns: readonly string[];
  readonly details: readonly string[];
  readonly after: { readonly executions: number; readonly seconds: number };
  readonly accesses: number;
  readonly preemptions: number;
  readonly shrunk?: { readonly from: number };
  readonly rate?: { readonly failures: number; readonly executions: number };
}

/** What a hunt says of one subject. */
export interface HuntedSubject {
  readonly subject: string;
  readonly verdict: string;
  readonly failures: readonly FoundFailure[];
  readonly executions: number;
  readonly seconds: number;
  readonly orders?: readonly LockOrder[];
}

/** A hunt. */
export interface Hunted extends Told {
  readonly subjects: readonly HuntedSubject[];
}

/** A row of a section of `lockrig bench`. */
export interface BenchRow {
  readonly name: string;
  readonly parties: Readonly<
    Record<string, { readonly unit?: string; readonly median?: number; readonly spread?: number }>
  >;
  readonly figures: Readonly<
    Record<string, { readonly value?: number; readonly low?: number; readonly high?: number }>
  >;
  readonly problem?: string;
}

/** `lockrig bench --json`. */
export interface BenchDocument extends Told {
  readonly sections: Readonly<Record<string, readonly BenchRow[]>>;
  readonly outcomes: readonly Readonly<Record<string, unknown>>[];
  readonly noise: string;
}

/** All of a folder. */
export interface Results {
  readonly sweeps: Sweep[];
  readonly stats: LockStat[];
  readonly timelines: Timeline[];
  readonly tortures: Torture[];
  readonly hunts: Hunted[];
  readonly benches: BenchDocument[];
  readonly files: { readonly name: string; readonly what: string; readonly used: boolean }[];
  /** What could not be read, a sentence each. */
  readonly problems: string[];
  /** Files of runs that did not come to their end. */
  readonly unfinished: string[];
}
