/**
 * The hunt: executions under a budget, until one fails; then the failure made small, and a token for it.
 *
 * The memory models take turns in sessions of a few hundred executions, and within a session the policies do, so that none of them holds the others up. What
 * is found is replayed before anything is said about it: a failure that does not come back the same comes from a subject that is not a function of
 * shared memory, and that is the finding then.
 */

import type { OracleName } from '../../src/locking/define.ts';
import type { MemoryModel } from '../../src/scenario.ts';
import { OPERATIONS, type Trace } from '../engines/trace.ts';
import type { Place } from '../torture/places.ts';
import type { Tortured } from '../torture/setup.ts';
import { type Execution, Exploration, type Failed, type Schedule } from './exploration.ts';
import { scramble } from './explorer.ts';
import { type Failure, failureOf } from './failure.ts';
import { PORTFOLIO, type PolicyChoice } from './policies/index.ts';
import { columns, matters } from './show.ts';
import { shrink } from './shrink.ts';
import { encode } from './token.ts';

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
}

/** A failure that was found, shrunk. */
export interface HuntFailure {
  readonly oracle: OracleName;
  readonly text: string;
  /** Equal for failures of one kind. */
  readonly key: string;
  /** Stands for the shrunk execution; see `lockrig replay`. */
  readonly token: string;
  readonly model: MemoryModel;
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
}

/** What a hunt found. */
export interface HuntResult {
  readonly subject: string;
  readonly verdict: 'found' | 'clean' | 'interrupted' | 'not deterministic';
  readonly failures: readonly HuntFailure[];
  readonly executions: number;
  readonly accesses: number;
  readonly seconds: number;
  readonly cpus: number;
  readonly models: readonly MemoryModel[];
  readonly seed: number;
  /** What differed, where two runs of one seed did. */
  readonly difference: string | undefined;
}

const CHUNK = 400;
const STEPS_OF_CHUNK = 16;
/** Failures of a session that are looked at for the right oracle. */
const EXAMINED = 24;
const EXECUTIONS = 10_000;
const MILLISECONDS = 30_000;
/** Seeds that are run twice, to see whether the subject is a function of shared memory. */
const TWICE = 3;

/** The first record in which two traces differ, in words. */
export function difference(one: Trace, other: Trace): string | undefined {
  const show = (trace: Trace, at: number): string => {
    if (at >= trace.length) return 'the end';
    const { cpu, op, addr, value } = trace.event(at);
    return `CPU ${cpu} ${OPERATIONS[op]!.name} 0x${addr.toString(16)} = ${value}`;
  };
  for (let at = 0; at < Math.max(one.length, other.length); at += 1) {
    const [first, second] = [show(one, at), show(other, at)];
    if (first !== second) return `access ${at}: ${first} the first time, ${second} the second`;
  }
  return undefined;
}

class Hunt {
  private readonly exploration: Exploration;
  private readonly options: HuntOptions;
  private readonly models: readonly MemoryModel[];
  private readonly seed: number;
  private readonly began = performance.now();
  private readonly failures = new Map<string, HuntFailure>();
  private executions = 0;
  private accesses = 0;

  constructor(exploration: Exploration, options: HuntOptions) {
    this.exploration = exploration;
    this.options = options;
    this.models = options.models ?? ['sc', 'tso'];
    this.seed = options.seed ?? 1;
  }

  private get elapsed(): number {
    return performance.now() - this.began;
  }

  /** Executions of a session: fewer where each is long, so that budgets are kept. */
  private get chunk(): number {
    return Math.max(16, Math.min(CHUNK, Math.floor((CHUNK * STEPS_OF_CHUNK) / this.exploration.steps)));
  }

  private get spent(): boolean {
    const { executions, milliseconds } = this.options;
    if (executions === undefined && milliseconds === undefined)
      return this.executions >= EXECUTIONS && this.elapsed >= MILLISECONDS;
    return (
      (executions === undefined || this.executions >= executions) &&
      (milliseconds === undefined || this.elapsed >= milliseconds)
    );
  }

  async run(): Promise<HuntResult> {
    const differs = await this.twice();
    if (differs !== undefined) return this.result('not deterministic', differs);
    const { signal, all, oracles, focus = [], executions = Number.POSITIVE_INFINITY } = this.options;
    for (let chunk = 0; !this.spent && !signal?.aborted; chunk += 1) {
      const model = this.models[chunk % this.models.length]!;
      const session = await this.exploration.session({
        model,
        executions: Math.max(
          1,
          Math.min(this.chunk, this.options.milliseconds ? this.chunk : executions - this.executions),
        ),
        base: scramble(this.seed ^ scramble(chunk)),
        portfolio: this.options.policies ?? PORTFOLIO,
        failFast: !all && !oracles,
        focus,
        ...(signal ? { signal } : {}),
      });
      const before = this.executions;
      this.executions += session.executions;
      this.accesses += session.accesses;
      for (const failed of session.failures.slice(0, oracles ? EXAMINED : undefined)) {
        const after = before + session.executions;
        const differs = await this.found(failed, model, after);
        if (differs !== undefined) return this.result('not deterministic', differs);
        if (!all && this.failures.size > 0) break;
      }
      this.options.onProgress?.({
        executions: this.executions,
        seconds: this.elapsed / 1000,
        failures: this.failures.size,
      });
      if (this.failures.size > 0 && !all) break;
    }
    if (this.failures.size > 0) return this.result('found');
    return this.result(signal?.aborted ? 'interrupted' : 'clean');
  }

  /** Runs a few seeds twice, with others in between. @returns what differed */
  private async twice(): Promise<string | undefined> {
    const schedules = Array.from(
      { length: TWICE },
      (_, at): Schedule => ({ policy: 'random', parameter: 4, length: 100, seed: scramble(this.seed + at) }),
    );
    const [model = 'sc'] = this.models;
    const first: Execution[] = [];
    for (const schedule of schedules) first.push(await this.exploration.execution(schedule, { model }));
    for (const [at, schedule] of schedules.entries()) {
      const again = await this.exploration.execution(schedule, { model });
      if (again.hash !== first[at]!.hash)
        return difference(first[at]!.trace, again.trace) ?? 'the switches, and no access';
    }
    return undefined;
  }

  /** Replays, shrinks and keeps a failure. @returns what differed if it does not come back */
  private async found(failed: Failed, model: MemoryModel, executions: number): Promise<string | undefined> {
    const { exploration } = this;
    const seconds = this.elapsed / 1000;
    const execution = await exploration.execution(failed.schedule, { model });
    const failure = failureOf(exploration, execution);
    if (!failure || execution.hash !== failed.hash) {
      const again = await exploration.execution(failed.schedule, { model });
      return (
        difference(execution.trace, again.trace) ?? 'the run that failed and its replay, and no two replays'
      );
    }
    if (this.failures.has(failure.key)) return undefined;
    if (this.options.oracles && !this.options.oracles.includes(failure.oracle)) return undefined;
    const began = performance.now();
    const { found, trials } = await shrink(exploration, model, {
      execution,
      failure,
      seed: failed.schedule.seed,
    });
    const kept = this.keep(failure, found.execution, {
      model,
      seed: found.seed,
      after: { executions, seconds },
      shrunk: {
        from: execution.preemptions,
        replays: trials,
        seconds: (performance.now() - began) / 1000,
      },
    });
    this.failures.set(failure.key, kept);
    this.options.onFailure?.(kept);
    return undefined;
  }

  private keep(
    failure: Failure,
    execution: Execution,
    about: Pick<HuntFailure, 'model' | 'after' | 'shrunk'> & { seed: number },
  ): HuntFailure {
    const { exploration, options } = this;
    const { seed, ...rest } = about;
    const shown = matters(execution, SHOWN);
    return {
      ...rest,
      oracle: failure.oracle,
      text: failureOf(exploration, execution)?.text ?? failure.text,
      key: failure.key,
      token: encode({
        subject: exploration.subject.name,
        cpus: exploration.cpus,
        steps: exploration.steps,
        model: about.model,
        schedule: { switches: execution.switches, seed },
        subjectHash: options.hash ?? '',
        traceHash: execution.hash,
      }),
      preemptions: execution.preemptions,
      switches: execution.switches.length,
      accesses: execution.steps,
      shown: shown.length,
      columns: columns(exploration, execution, SHOWN),
    };
  }

  private result(verdict: HuntResult['verdict'], differs?: string): HuntResult {
    return {
      subject: this.exploration.subject.name,
      verdict,
      failures: [...this.failures.values()],
      executions: this.executions,
      accesses: this.accesses,
      seconds: this.elapsed / 1000,
      cpus: this.exploration.cpus,
      models: this.models,
      seed: this.seed,
      difference: differs,
    };
  }
}

/** Accesses that the columns show. */
const SHOWN = 15;

/**
 * Hunts a lock or a scenario.
 * @throws ParameterError, SubjectError, CpuDied as `torture` does
 */
export async function hunt(subject: Tortured, options: HuntOptions = {}): Promise<HuntResult> {
  const mutantCpus = subject.definition === 'lock' ? subject.mutant?.cpus : undefined;
  const cpus = options.cpus ?? mutantCpus;
  const exploration = await Exploration.open(subject, {
    ...(cpus === undefined ? {} : { cpus }),
    ...(options.steps === undefined ? {} : { steps: options.steps }),
    ...(options.url === undefined ? {} : { url: options.url }),
  });
  try {
    return await new Hunt(exploration, options).run();
  } finally {
    await exploration.close();
  }
}
