/**
 * The hunt: executions under a budget, until one fails; then the failure made small, and a token for it.
 *
 * The memory models take turns in sessions of a few hundred executions, and within a session the policies do, so that none of them holds the others up. What
 * is found is replayed before anything is said about it: a failure that does not come back the same comes from a subject that is not a function of
 * shared memory, and that is the finding then.
 */

import type { OracleName } from '../../src/locking/define.ts';
import type { MemoryModel } from '../../src/scenario.ts';
import type { Finding } from '../detect/index.ts';
import { OPERATIONS, type Trace } from '../engines/trace.ts';
import type { Tortured } from '../torture/setup.ts';
import { evidence, plainly, stacksOf } from './evidence.ts';
import { type Execution, Exploration, type Failed, type Schedule, type Session } from './exploration.ts';
import { DETECTED, scramble } from './explorer.ts';
import { type Failure, failureOfFinding, failuresOf } from './failure.ts';
import { PORTFOLIO, type PolicyChoice } from './policies/index.ts';
import { columns, matters } from './show.ts';
import { shrink } from './shrink.ts';
import type { Suppression } from './suppress.ts';
import { Suppressing } from './suppressing.ts';
import { encode } from './token.ts';
import { keyOf } from './watch.ts';

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
  /** What else there is to say, in lines: sites with their stacks, a chain of locks, who waits for whom. */
  readonly details: readonly string[];
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
  /** Names of the detectors. */
  readonly detect: readonly string[];
  /** What is worth a look and no failure: accesses without the guard that their field declares. */
  readonly leads: readonly string[];
  /** Suppressions that have matched nothing. */
  readonly unused: readonly Suppression[];
}

type Detected = readonly { readonly execution: number; readonly finding: Finding }[];

const NOTHING_COMMON = 'the run that failed and its replay, and no two replays';
const CHUNK = 400;
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
  private readonly leads = new Map<string, string>();
  private readonly suppressing: Suppressing;
  private executions = 0;
  private accesses = 0;

  constructor(exploration: Exploration, options: HuntOptions) {
    this.exploration = exploration;
    this.options = options;
    this.suppressing = new Suppressing(exploration, options.suppress ?? []);
    this.models = options.models ?? ['sc', 'tso'];
    this.seed = options.seed ?? 1;
  }

  private get elapsed(): number {
    return performance.now() - this.began;
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
    const { signal, all, executions = Number.POSITIVE_INFINITY } = this.options;
    for (let chunk = 0; !this.spent && !signal?.aborted; chunk += 1) {
      const model = this.models[chunk % this.models.length]!;
      const session = await this.exploration.session({
        model,
        executions: Math.max(
          1,
          Math.min(CHUNK, this.options.milliseconds ? CHUNK : executions - this.executions),
        ),
        base: scramble(this.seed ^ scramble(chunk)),
        portfolio: this.options.policies ?? PORTFOLIO,
        failFast: !all,
        ...(signal ? { signal } : {}),
      });
      const detected = await this.detected(session);
      const before = this.executions;
      this.executions += session.executions;
      this.accesses += session.accesses;
      for (const failed of session.failures) {
        const after = before + session.executions;
        const differs = await this.found(failed, model, after, detected);
        if (differs !== undefined) return this.result('not deterministic', differs);
        if (!all) break;
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

  /** What detectors have to say of a session, if anything. */
  private async detected({ failures }: Session): Promise<Detected> {
    const asked = failures.some(({ detail }) => (detail & DETECTED) !== 0);
    if (!asked && !this.exploration.detect.includes('guard')) return [];
    const { found, leads } = await this.exploration.detected();
    for (const { key, text } of leads) this.leads.set(key, plainly(text));
    return found;
  }

  /** Replays, shrinks and keeps a failure. @returns what differed if it does not come back */
  private async found(
    failed: Failed,
    model: MemoryModel,
    executions: number,
    detected: Detected,
  ): Promise<string | undefined> {
    const { exploration } = this;
    const after = { executions, seconds: this.elapsed / 1000 };
    const execution = await exploration.execution(failed.schedule, { model });
    const failures = failuresOf(exploration, execution);
    if (execution.hash === failed.hash && failures.length === 0) {
      // It was a failure by what earlier executions showed: an order of locks, one edge here and another there.
      const earlier = detected.find((each) => each.execution === failed.execution);
      if (earlier) this.several(failureOfFinding(earlier.finding), execution, { model, after }, failed);
      else if ((failed.detail & DETECTED) === 0) return NOTHING_COMMON;
      return undefined;
    }
    if (failures.length === 0 || execution.hash !== failed.hash) {
      const again = await exploration.execution(failed.schedule, { model });
      return difference(execution.trace, again.trace) ?? NOTHING_COMMON;
    }
    const { seed } = failed.schedule;
    for (const failure of failures) {
      if (this.failures.has(failure.key)) continue;
      if (await this.suppressing.hides(failure, failed.schedule, model)) continue;
      await this.shrunk(failure, { execution, seed, model, after });
      if (!this.options.all) break;
    }
    return undefined;
  }

  private async shrunk(
    failure: Failure,
    about: Pick<HuntFailure, 'model' | 'after'> & { execution: Execution; seed: number },
  ): Promise<void> {
    const { exploration } = this;
    const { execution, model, after } = about;
    const began = performance.now();
    const { found, trials } = await shrink(exploration, model, { execution, failure, seed: about.seed });
    const { seed } = found;
    const now = failuresOf(exploration, found.execution).find(({ key }) => key === failure.key) ?? failure;
    const schedule = { switches: found.execution.switches, seed };
    const stacks = await stacksOf(exploration, now.finding ? [now.finding] : [], schedule, model);
    this.keep(now, evidence(now, found.execution, stacks), found.execution, {
      model,
      seed,
      after,
      shrunk: {
        from: execution.preemptions,
        replays: trials,
        seconds: (performance.now() - began) / 1000,
      },
    });
  }

  /** Keeps what only several executions together show. */
  private several(
    failure: Failure,
    execution: Execution,
    about: Pick<HuntFailure, 'model' | 'after'>,
    { schedule: { seed }, preemptions }: Failed,
  ): void {
    if (this.failures.has(failure.key)) return;
    const shrunk = { from: preemptions, replays: 0, seconds: 0 };
    const note = 'no single execution shows all of it: the token is of the one that closed the circle';
    const details = failure.details.map(plainly);
    this.keep(failure, [...details, note], execution, { ...about, seed, shrunk });
  }

  private keep(
    failure: Failure,
    details: readonly string[],
    execution: Execution,
    about: Pick<HuntFailure, 'model' | 'after' | 'shrunk'> & { seed: number },
  ): void {
    const { exploration, options } = this;
    const { seed, ...rest } = about;
    const kept: HuntFailure = {
      ...rest,
      oracle: failure.oracle,
      text: failure.text,
      details,
      key: failure.key,
      token: encode({
        subject: exploration.subject.name,
        cpus: exploration.cpus,
        steps: exploration.steps,
        model: about.model,
        schedule: { switches: execution.switches, seed },
        ...(options.detect === undefined ? {} : { detect: exploration.detect }),
        subjectHash: options.hash ?? '',
        traceHash: execution.hash,
      }),
      preemptions: execution.preemptions,
      switches: execution.switches.length,
      accesses: execution.steps,
      shown: matters(execution, SHOWN).length,
      columns: columns(exploration, execution, SHOWN),
    };
    this.failures.set(failure.key, kept);
    // What is kept is a failure no more: executions that show it again go on to show something else.
    if (failure.finding) exploration.mute(keyOf(failure.finding));
    options.onFailure?.(kept);
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
      detect: this.exploration.detect,
      leads: [...this.leads.values()],
      unused: this.suppressing.unused,
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
    ...(options.detect === undefined ? {} : { detect: options.detect }),
  });
  try {
    return await new Hunt(exploration, options).run();
  } finally {
    await exploration.close();
  }
}
