/**
 * What is found: replayed, told from what is known, made small, and kept with its token.
 *
 * What is found is replayed before anything is said about it: a failure that does not come back the same comes from a subject that is not a function of
 * shared memory, and that is the finding then. One execution may fail in several ways, by an oracle and by what detectors saw: each is a failure of its own.
 */
import type { MemoryModel } from '../../src/scenario.ts';
import type { Finding } from '../detect/index.ts';
import { OPERATIONS, type Trace } from '../engines/trace.ts';
import { evidence, plainly, stacksOf } from './evidence.ts';
import type { Execution, Exploration, ExplorationOptions, Failed, Session } from './exploration.ts';
import { DETECTED } from './explorer.ts';
import { type Failure, failureOfFinding, failuresOf } from './failure.ts';
import type { HuntFailure, HuntOptions } from './hunt-types.ts';
import { PORTFOLIO } from './policies/index.ts';
import { measureRate, traceLines } from './rate.ts';
import { reduce } from './reduce.ts';
import { columns, matters } from './show.ts';
import { type Found, shrink } from './shrink.ts';
import { Suppressing } from './suppressing.ts';
import { encode } from './token.ts';
import { keyOf } from './watch.ts';

/** What detectors found in a session, by execution. */
export type Detected = readonly { readonly execution: number; readonly finding: Finding }[];

/** When a failure was first seen, and under which memory model. */
export type Seen = Pick<HuntFailure, 'model' | 'after'>;

const NOTHING_COMMON = 'the run that failed and its replay, and no two replays';
/** Accesses that the columns show. */
const SHOWN = 15;

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

/** Options with which a machine of another size is opened. */
export function openedWith(options: HuntOptions): ExplorationOptions {
  return {
    ...(options.url === undefined ? {} : { url: options.url }),
    ...(options.detect === undefined ? {} : { detect: options.detect }),
  };
}

/** The failures of a hunt. */
export class Finder {
  /** What was found, by its kind. */
  readonly failures = new Map<string, HuntFailure>();
  readonly leads = new Map<string, string>();
  readonly suppressing: Suppressing;
  private readonly exploration: Exploration;
  private readonly options: HuntOptions;

  constructor(exploration: Exploration, options: HuntOptions) {
    this.exploration = exploration;
    this.options = options;
    this.suppressing = new Suppressing(exploration, options.suppress ?? []);
    for (const failure of options.from?.failures ?? []) this.failures.set(failure.key, failure);
  }

  /** What detectors have to say of a session, if anything. */
  async detected({ failures }: Session): Promise<Detected> {
    const asked = failures.some(({ detail }) => (detail & DETECTED) !== 0);
    if (!asked && !this.exploration.detect.includes('guard')) return [];
    const { found, leads } = await this.exploration.detected();
    for (const { key, text } of leads) this.leads.set(key, plainly(text));
    return found;
  }

  /** Replays, shrinks and keeps a failure. @returns what differed if it does not come back */
  async found(failed: Failed, seen: Seen, detected: Detected): Promise<string | undefined> {
    const { exploration } = this;
    const { model } = seen;
    const execution = await exploration.execution(failed.schedule, { model });
    const failures = failuresOf(exploration, execution);
    if (execution.hash === failed.hash && failures.length === 0) {
      // It was a failure by what earlier executions showed: an order of locks, one edge here and another there.
      const earlier = detected.find((each) => each.execution === failed.execution);
      if (earlier) this.several(failureOfFinding(earlier.finding), execution, seen, failed);
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
      if (this.options.oracles && !this.options.oracles.includes(failure.oracle)) continue;
      if (await this.suppressing.hides(failure, failed.schedule, model)) continue;
      await this.shrunk({ execution, failure, seed }, seen);
      if (!this.options.all) break;
    }
    return undefined;
  }

  private async shrunk(first: Found, seen: Seen): Promise<void> {
    const { model } = seen;
    const began = performance.now();
    const { found, trials } = await shrink(this.exploration, model, first);
    const reduced = await reduce(this.exploration, model, found, openedWith(this.options));
    try {
      await this.describe(reduced?.exploration ?? this.exploration, reduced?.found ?? found, {
        ...seen,
        shrunk: {
          from: first.execution.preemptions,
          replays: trials + (reduced?.replays ?? 0),
          seconds: (performance.now() - began) / 1000,
        },
      });
    } finally {
      await reduced?.exploration.close();
    }
  }

  private async describe(
    exploration: Exploration,
    { execution, failure, seed }: Found,
    about: Pick<HuntFailure, 'model' | 'after' | 'shrunk'>,
  ): Promise<void> {
    const { model } = about;
    const now = failuresOf(exploration, execution).find(({ key }) => key === failure.key) ?? failure;
    // Columns are of the memory as the run has left it, so they come before any other run.
    const plain = this.token(exploration, now, execution, { ...about, seed });
    const schedule = { switches: execution.switches, seed };
    const stacks = await stacksOf(exploration, now.finding ? [now.finding] : [], schedule, model);
    this.keep(now, {
      ...plain,
      details: evidence(now, execution, stacks),
      ...(await this.measured(now.key, model, execution)),
    });
  }

  /** Keeps what only several executions together show. */
  private several(failure: Failure, execution: Execution, seen: Seen, failed: Failed): void {
    if (this.failures.has(failure.key)) return;
    const { schedule, preemptions } = failed;
    const shrunk = { from: preemptions, replays: 0, seconds: 0 };
    const note = 'no single execution shows all of it: the token is of the one that closed the circle';
    const about = { ...seen, seed: schedule.seed, shrunk };
    this.keep(failure, {
      ...this.token(this.exploration, failure, execution, about),
      details: [...failure.details.map(plainly), note],
    });
  }

  /** How frequent the failure is where it was found, and its trace, if asked for. */
  private async measured(
    key: string,
    model: MemoryModel,
    { trace }: Execution,
  ): Promise<Pick<HuntFailure, 'rate' | 'trace'>> {
    const { measure: executions, policies = PORTFOLIO, seed = 1, signal } = this.options;
    if (executions === undefined) return {};
    const rate = await measureRate(this.exploration, {
      model,
      policies,
      seed,
      key,
      executions,
      ...(signal ? { signal } : {}),
    });
    return { rate, trace: traceLines(trace) };
  }

  private token(
    exploration: Exploration,
    failure: Failure,
    execution: Execution,
    about: Pick<HuntFailure, 'model' | 'after' | 'shrunk'> & { seed: number },
  ): Omit<HuntFailure, 'details'> {
    const { options } = this;
    const { seed, ...rest } = about;
    const { cpus, steps } = exploration;
    return {
      ...rest,
      oracle: failure.oracle,
      text: failure.text,
      key: failure.key,
      token: encode({
        subject: exploration.subject.name,
        cpus,
        steps,
        model: about.model,
        schedule: { switches: execution.switches, seed },
        ...(options.detect === undefined ? {} : { detect: exploration.detect }),
        subjectHash: options.hash ?? '',
        traceHash: execution.hash,
      }),
      cpus,
      steps,
      preemptions: execution.preemptions,
      switches: execution.switches.length,
      accesses: execution.steps,
      shown: matters(execution, SHOWN).length,
      columns: columns(exploration, execution, SHOWN),
    };
  }

  private keep(failure: Failure, kept: HuntFailure): void {
    this.failures.set(failure.key, kept);
    // What is kept is a failure no more: executions that show it again go on to show something else.
    if (failure.finding) this.exploration.gate.mute(keyOf(failure.finding));
    this.options.onFailure?.(kept);
  }
}
