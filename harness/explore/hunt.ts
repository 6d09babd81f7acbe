/**
 * The hunt: executions under a budget, until one fails; then the failure made small, and a token for it.
 *
 * The memory models take turns in sessions of a few hundred executions, and within a session the policies do, so that none of them holds the others up.
 * What becomes of a failure is in finder.ts.
 */
import type { MemoryModel } from '../../src/scenario.ts';
import { ParameterError } from '../torture/params.ts';
import type { Tortured } from '../torture/setup.ts';
import { type Execution, Exploration, type Failed, type Schedule } from './exploration.ts';
import { scramble } from './explorer.ts';
import { difference, Finder, openedWith, type Seen } from './finder.ts';
import type { HuntFailure, HuntOptions, HuntResult } from './hunt-types.ts';
import { PORTFOLIO } from './policies/index.ts';

export type {
  HuntCounts,
  HuntFailure,
  HuntOptions,
  HuntProgress,
  HuntResult,
  HuntState,
} from './hunt-types.ts';

const CHUNK = 400;
const STEPS_OF_CHUNK = 16;
/** Failures of a session that are looked at for the right oracle. */
const EXAMINED = 24;
const EXECUTIONS = 10_000;
const MILLISECONDS = 30_000;
/** Seeds that are run twice, to see whether the subject is a function of shared memory: two CPUs that toss a coin are alike in one of four. */
const TWICE = 10;
/** Accesses of each that are compared: some go on to their bound. */
const COMPARED = 4000;

/** A hunt on CPUs that are there. */
export class Hunt {
  readonly finder: Finder;
  private readonly exploration: Exploration;
  private readonly options: HuntOptions;
  private readonly models: readonly MemoryModel[];
  private readonly seed: number;
  private readonly began = performance.now();
  private readonly spentBefore: number;
  private executions: number;
  private accesses: number;
  private longest: number;
  private undecided: number;
  private unwatched: number;

  constructor(exploration: Exploration, options: HuntOptions) {
    this.exploration = exploration;
    this.options = options;
    this.finder = new Finder(exploration, options);
    this.models = options.models ?? ['sc', 'tso'];
    this.seed = options.seed ?? 1;
    const { from } = options;
    this.executions = from?.executions ?? 0;
    this.accesses = from?.accesses ?? 0;
    this.longest = from?.longest ?? 0;
    this.undecided = from?.undecided ?? 0;
    this.unwatched = from?.unwatched ?? 0;
    this.spentBefore = (from?.seconds ?? 0) * 1000;
  }

  private get failures(): ReadonlyMap<string, HuntFailure> {
    return this.finder.failures;
  }

  private get elapsed(): number {
    return this.spentBefore + performance.now() - this.began;
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
    const { signal, all, from, oracles, focus = [], executions = Number.POSITIVE_INFINITY } = this.options;
    if (this.failures.size > 0 && !all) return this.result('found');
    const first = from?.chunk ?? 0;
    // One session at least, however long it took to begin.
    for (let chunk = first; (chunk === first || !this.spent) && !signal?.aborted; chunk += 1) {
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
        coverage: true,
        longest: this.longest,
        ...(signal ? { signal } : {}),
      });
      const detected = await this.finder.detected(session);
      this.executions += session.executions;
      this.accesses += session.accesses;
      this.undecided += session.undecided;
      this.unwatched += session.unwatched;
      // What replays, shrinking and measuring run in between has no part in it: a hunt that goes on later runs the same schedules.
      this.longest = session.maxSteps;
      // A session that was cut short is begun anew by whoever goes on.
      const cut = signal?.aborted === true;
      for (const failed of session.failures.slice(0, oracles ? EXAMINED : undefined)) {
        const differs = await this.finder.found(failed, this.seen(model), detected);
        if (differs !== undefined) return this.result('not deterministic', differs);
        if (!all && this.failures.size > 0) break;
      }
      if (!cut) this.progress(chunk + 1);
      if (this.failures.size > 0 && !all) break;
    }
    if (this.failures.size > 0) return this.result('found');
    return this.result(signal?.aborted ? 'interrupted' : 'clean');
  }

  private seen(model: MemoryModel): Seen {
    return { model, after: { executions: this.executions, seconds: this.elapsed / 1000 } };
  }

  private progress(chunk: number): void {
    const { executions, accesses, longest, undecided, unwatched } = this;
    const seconds = this.elapsed / 1000;
    this.options.onProgress?.({
      executions,
      seconds,
      failures: this.failures.size,
      state: { chunk, executions, accesses, seconds, longest, undecided, unwatched },
    });
  }

  /** Runs a few seeds twice, with others in between. @returns what differed */
  async twice(): Promise<string | undefined> {
    const schedules = Array.from(
      { length: TWICE },
      (_, at): Schedule => ({ policy: 'random', parameter: 4, length: 100, seed: scramble(this.seed + at) }),
    );
    const [model = 'sc'] = this.models;
    const options = { model, stepBound: COMPARED };
    const first: Execution[] = [];
    const over = (): boolean => this.options.signal?.aborted === true;
    for (const schedule of schedules) {
      if (over()) return undefined;
      first.push(await this.exploration.execution(schedule, options));
    }
    // The last first: what a subject remembers by counting is another number of executions old for each.
    for (const [at, schedule] of [...schedules.entries()].reverse()) {
      if (over()) return undefined;
      const again = await this.exploration.execution(schedule, options);
      if (again.hash !== first[at]!.hash)
        return difference(first[at]!.trace, again.trace) ?? 'the switches, and no access';
    }
    return undefined;
  }

  private async result(verdict: HuntResult['verdict'], differs?: string): Promise<HuntResult> {
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
      undecided: this.undecided,
      unwatched: this.unwatched,
      coverage: this.exploration.gate.coverage(),
      difference: differs,
      detect: this.exploration.detect,
      leads: [...this.finder.leads.values()],
      orders: await this.exploration.orders(),
      unused: this.finder.suppressing.unused,
    } as HuntResult;
  }
}

/**
 * Hunts a lock or a scenario.
 * @throws ParameterError, SubjectError, CpuDied as `torture` does
 */
export async function hunt(subject: Tortured, options: HuntOptions = {}): Promise<HuntResult> {
  if (options.policies?.some(({ policy }) => policy === 'exhaustive'))
    throw new ParameterError("the policy 'exhaustive' takes no turns with others: prove runs it");
  const exploration = await Exploration.open(subject, {
    ...openedWith(options),
    ...(options.cpus === undefined ? {} : { cpus: options.cpus }),
    ...(options.steps === undefined ? {} : { steps: options.steps }),
  });
  try {
    return await new Hunt(exploration, options).run();
  } finally {
    await exploration.close();
  }
}

/**
 * Shrinks and describes one failure of a session, as a hunt does.
 * @param after what it took to find it
 * @returns it, or undefined if it does not come back
 */
export async function describe(
  exploration: Exploration,
  failed: Failed,
  model: MemoryModel,
  options: HuntOptions,
  after: HuntFailure['after'],
): Promise<HuntFailure | undefined> {
  const finder = new Finder(exploration, options);
  await finder.found(failed, { model, after }, []);
  return [...finder.failures.values()][0];
}
