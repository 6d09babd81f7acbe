/**
 * Gated CPUs, as the main thread drives them: a machine with a subject, and sessions of executions on it.
 */
import { availableParallelism } from 'node:os';
import type { Kind } from '../../src/locking/kinds.ts';
import { CpuArea, type Machine } from '../../src/memory/index.ts';
import type { MemoryModel } from '../../src/scenario.ts';
import { CpuPool } from '../cpus/pool.ts';
import { type Detector, detectors } from '../detect/index.ts';
import { MODELS } from '../engines/gated/buffers.ts';
import { MARKED, STACKS } from '../engines/gated/capture.ts';
import { Cover, type Coverage } from '../engines/gated/coverage.ts';
import {
  ABORTS,
  type AbortReason,
  FAILURE_WORDS,
  focusBit,
  type GateArea,
  gateArea,
  Head,
  LINE_BYTES,
  Line,
  MAX_GATED,
  MAX_MUTED,
  SWITCH_WORDS,
  TRACED,
} from '../engines/gated/layout.ts';
import { SEARCH_WORDS, Search, type Searched } from '../engines/gated/search.ts';
import { RECORD_WORDS, Trace } from '../engines/trace.ts';
import { Control } from '../torture/area.ts';
import { ParameterError, type TortureParams, withDefaults } from '../torture/params.ts';
import { addressOf, type Place } from '../torture/places.ts';
import { readViolations, type Violation } from '../torture/result.ts';
import { prepare, SubjectError, startError, type Tortured, type TortureSetup } from '../torture/setup.ts';
import type { Said } from './explorer.ts';
import { POLICIES, type PolicyChoice, policyIndex, RECORDED } from './policies/index.ts';
import { APPLIED } from './policies/recorded.ts';
import type { ExploreSetup } from './program.ts';
import { recordingWords } from './recording.ts';
import { mapStacks, type Stacks } from './stacks.ts';
import { guard, type Pulse } from './stall.ts';
import { muteHash, tracedFor } from './watch.ts';

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
  readonly said: Omit<Said, 'stacks'>;
  /** The stacks that were asked for. */
  readonly stacks: Stacks;
}

/** How gated CPUs are set up. */
export interface ExplorationOptions {
  /** Unless given, as many as the scenario has, or as the broken lock says it takes; else 2. */
  readonly cpus?: number;
  /** Steps of each CPU in an execution, for locks. */
  readonly steps?: number;
  readonly url?: string;
  readonly params?: Partial<TortureParams>;
  /** Records of a trace. */
  readonly trace?: number;
  /** Seconds without an access that make a stall. */
  readonly stallAfter?: number;
  /** Names of detectors; those that are on by default unless given. */
  readonly detect?: readonly string[];
}

const STEPS = 2;
/** Kinds that need more to get anywhere: a ring that fills up, objects that are given back and used anew. */
const STEPS_OF: Partial<Record<Kind, number>> = { queue: 12, rcu: 4, condition: 4 };
/** Of hazard pointers, for each CPU: as many updates as it keeps objects before it looks at the slots, and as many reads. */
const HAZARD_STEPS = 30;
/** Share of reads there. */
const HAZARD_READS = 0.4;
/** Steps past those that fill a ring. */
const OVERFLOW = 8;
/** Items of a ring that executions can be long enough to fill. */
const MOST_ITEMS = 512;
/** A bound on bypasses that an execution can be long enough to exceed. */
const BYPASSABLE = 40;
const TRACE = 1 << 16;
/** Interleavings that are told apart. */
const COVERAGE = 1 << 18;
/** Accesses after which an execution is given up. */
const STEP_BOUND = 20_000;
/** Accesses that a step has time for where there are many. */
const STEP_ACCESSES = 200;

function programUrl(): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new URL(`./program.${extension}`, import.meta.url).href;
}

/** Steps that an execution needs for what the subject promises to be broken in it. */
export function stepsFor(subject: Tortured, cpus: number): number {
  if (subject.definition === 'scenario') return 1;
  const { bypass } = subject.promises;
  const bound = typeof bypass === 'function' ? bypass(cpus) : bypass;
  if (bound !== undefined && bound <= BYPASSABLE) return Math.max(STEPS, bound + 2);
  if (subject.kind === 'hazard') return HAZARD_STEPS * cpus;
  const { capacity, producers } = subject.promises;
  if (capacity !== undefined && producers === 1) return Math.min(capacity, MOST_ITEMS) + OVERFLOW;
  return STEPS_OF[subject.kind] ?? STEPS;
}

/** Seconds in a row without an access that make a stall. */
const STALL_AFTER = 10;

/** A machine whose CPUs are gated, with a subject on it. */
export class Exploration {
  readonly subject: Tortured;
  readonly cpus: number;
  readonly machine: Machine;
  readonly setup: TortureSetup;
  /** Steps of each CPU in an execution. */
  readonly steps: number;
  readonly words: Int32Array;
  readonly area: GateArea;
  /** Names of the detectors. */
  readonly detect: readonly string[];
  private readonly pool: CpuPool;
  private readonly stallAfter: number;
  private readonly traced: { readonly plain: number; readonly objects: number };

  private constructor(
    subject: Tortured,
    machine: Machine,
    setup: TortureSetup,
    words: Int32Array,
    area: GateArea,
    pool: CpuPool,
    steps: number,
    stallAfter: number,
    chosen: readonly Detector[],
  ) {
    this.stallAfter = stallAfter;
    this.detect = chosen.map(({ name }) => name);
    this.traced = tracedFor(chosen);
    this.steps = steps;
    this.subject = subject;
    this.machine = machine;
    this.cpus = machine.cpus;
    this.setup = setup;
    this.words = words;
    this.area = area;
    this.pool = pool;
  }

  /**
   * Starts the CPUs.
   * @throws ParameterError, SubjectError, CpuDied as a torture run does
   */
  static async open(subject: Tortured, options: ExplorationOptions = {}): Promise<Exploration> {
    if (subject.definition === 'lock' && (subject.share || subject.kind === 'async-mutex'))
      throw new ParameterError(
        `lock '${subject.name}' brings its own memory, which cannot be restored between executions: it can only run free, under lockrig torture`,
      );
    const scenario = subject.definition === 'scenario' ? subject : undefined;
    const one = scenario && { ...scenario, stride: 1, model: undefined };
    const params = withDefaults({
      try: 0.3,
      shortDelay: 0,
      ...(subject.definition === 'lock' && subject.kind === 'hazard' ? { reads: HAZARD_READS } : {}),
      ...options.params,
      cpus: options.cpus ?? (subject.definition === 'scenario' ? subject.cpus : subject.mutant?.cpus) ?? 2,
    });
    if (params.cpus > MAX_GATED)
      throw new ParameterError(`a gate schedules at most ${MAX_GATED} CPUs, not ${params.cpus}`);
    const { machine, setup } = await prepare(one ?? subject, params, options.url);
    const area = gateArea({
      cpus: machine.cpus,
      machineBytes: machine.words.byteLength,
      trace: options.trace ?? TRACE,
      coverage: COVERAGE,
      histories: scenario?.model === undefined ? 0 : recordingWords(machine.cpus),
    });
    const chosen = detectors(options.detect);
    const buffer = new SharedArrayBuffer(area.bytes);
    const words = new Int32Array(buffer);
    const spins = machine.cpus <= availableParallelism();
    const steps = options.steps ?? stepsFor(subject, machine.cpus);
    const booted: ExploreSetup = {
      torture: setup,
      gate: { buffer, area, spins },
      episode: { steps },
      detect: chosen.map(({ name }) => name),
    };
    machine.boot.store(setup.area.control + Control.quota, steps);
    const pool = await CpuPool.start({ machine, program: programUrl(), setup: booted }).catch(
      (error: Error) => {
        throw startError(error, subject, options.url);
      },
    );
    return new Exploration(
      subject,
      machine,
      setup,
      words,
      area,
      pool,
      steps,
      options.stallAfter ?? STALL_AFTER,
      chosen,
    );
  }

  private get(offset: number): number {
    return Atomics.load(this.words, (this.area.head + offset) >>> 2);
  }

  private set(offset: number, value: number): void {
    Atomics.store(this.words, (this.area.head + offset) >>> 2, value);
  }

  private begin(options: SessionOptions): void {
    for (const word of [
      Head.stop,
      Head.over,
      Head.failures,
      Head.failed,
      Head.ended,
      Head.portfolio,
      Head.undecided,
    ])
      this.set(word, 0);
    this.set(Head.accesses, 0);
    this.set(Head.accesses + 4, 0);
    this.set(Head.planned, 0);
    this.set(Head.heuristics, 0);
    for (let word = 0; word < SEARCH_WORDS; word += 1) this.set(Head.search + 4 * word, 0);
    this.set(Head.limit, options.executions);
    this.set(
      Head.stepBound,
      options.stepBound ?? Math.max(STEP_BOUND, STEP_ACCESSES * this.steps * this.cpus),
    );
    this.set(Head.model, MODELS.indexOf(options.model ?? 'sc'));
    const { plain, objects } = options.trace ? { plain: TRACED.all, objects: TRACED.all } : this.traced;
    this.set(Head.tracedPlain, plain);
    this.set(Head.tracedObjects, objects);
    if (options.longest !== undefined) this.set(Head.maxSteps, options.longest);
    this.set(Head.keepImage, options.trace ? 1 : 0);
    this.set(Head.covers, options.coverage ? 1 : 0);
    const { stacks } = options;
    this.set(Head.stacks, stacks === undefined ? STACKS.none : stacks === 'all' ? STACKS.all : STACKS.marked);
    if (Array.isArray(stacks)) this.mark(stacks, MARKED);
    this.set(Head.failFast, options.failFast ? 1 : 0);
    this.focusOn(options.focus);
    const { schedule, portfolio = [] } = options;
    this.set(Head.fixed, schedule ? 1 : 0);
    this.set(Head.base, schedule ? schedule.seed : (options.base ?? 1));
    if (!schedule) {
      this.set(Head.portfolio, portfolio.length);
      portfolio.forEach(({ policy, parameter }, at) => {
        this.set(Head.portfolio + 4 + 8 * at, policyIndex(policy));
        this.set(Head.portfolio + 8 + 8 * at, parameter);
      });
      return;
    }
    if ('switches' in schedule) {
      this.set(Head.policy, RECORDED);
      this.plan(schedule.switches);
    } else {
      this.set(Head.policy, policyIndex(schedule.policy));
      this.set(Head.parameter, schedule.parameter);
      this.set(Head.length, schedule.length);
    }
  }

  /** Writes over the heads of records. */
  private mark(places: readonly number[], mark: number): void {
    for (const place of places)
      if (place < this.area.maxTrace) this.words[(this.area.trace >>> 2) + place * RECORD_WORDS] = mark;
  }

  /** Stays as it is unless told otherwise: a replay of what was found is about the same words. */
  private focusOn(places: readonly Place[] | undefined): void {
    if (places === undefined) return;
    const first = (this.area.head + Head.focus) >>> 2;
    this.words.fill(0, first, first + 64);
    for (const place of places) {
      const addr = addressOf(this.setup, place);
      if (addr === undefined) continue;
      const bit = focusBit(addr);
      this.words[first + (bit >>> 5)]! |= 1 << (bit & 31);
    }
  }

  private plan(switches: readonly Switch[]): void {
    if (switches.length > this.area.maxPlan)
      throw new ParameterError(
        `a schedule has at most ${this.area.maxPlan} switches, not ${switches.length}`,
      );
    const first = this.area.plan >>> 2;
    switches.forEach(({ cpu, accesses, choice }, at) => {
      this.words.set([cpu, accesses, choice], first + at * SWITCH_WORDS);
    });
    this.set(Head.planned, switches.length);
  }

  /** Runs executions. */
  async session(options: SessionOptions): Promise<Session> {
    this.begin(options);
    const stop = (): void => this.set(Head.stop, 1);
    options.signal?.addEventListener('abort', stop, { once: true });
    if (options.signal?.aborted) stop();
    const began = performance.now();
    const watch = guard(this.subject, () => this.pulse(), this.stallAfter);
    try {
      const runs = Array.from({ length: this.cpus }, (_, cpu) => this.pool.run(cpu));
      await Promise.race([Promise.all(runs), watch.stuck]);
    } catch (error) {
      throw this.explained(error);
    } finally {
      watch.end();
      options.signal?.removeEventListener('abort', stop);
    }
    return {
      executions: this.get(Head.ended),
      failed: this.get(Head.failed),
      accesses: (this.get(Head.accesses) >>> 0) + this.get(Head.accesses + 4) * 2 ** 32,
      seconds: (performance.now() - began) / 1000,
      failures: this.failures(),
      maxSteps: this.get(Head.maxSteps),
      undecided: this.get(Head.undecided),
    };
  }

  private pulse(): Pulse {
    const beat = [Head.execution, Head.steps, Head.ended, Head.current].map((word) => this.get(word)).join();
    const acting = this.get(Head.running) > 0 ? 'actors' : 'check';
    return { beat, cpu: this.get(Head.current), phase: this.get(Head.execution) === 0 ? 'init' : acting };
  }

  /** What a CPU threw outside of executions: before the first, that was init. */
  private explained(error: unknown): unknown {
    const { definition, name } = this.subject;
    const { url } = this.setup.subject;
    if (this.get(Head.execution) > 0 || url === undefined || (error as { code?: string }).code !== undefined)
      return error;
    return new SubjectError(`init of ${definition} '${name}' throws`, error);
  }

  private failures(): Failed[] {
    const count = Math.min(this.get(Head.failures), this.area.maxFailures);
    return Array.from({ length: count }, (_, at) => {
      const base = (this.area.failures >>> 2) + at * FAILURE_WORDS;
      const [execution, seed, reason, detail, steps, , hash, policy, parameter, length, preemptions] =
        this.words.subarray(base, base + FAILURE_WORDS) as unknown as number[];
      return {
        execution: execution!,
        reason: ABORTS[reason!]!,
        detail: detail!,
        steps: steps!,
        hash: hash!,
        preemptions: preemptions!,
        schedule:
          policy === RECORDED
            ? { switches: [], seed: seed! }
            : { policy: POLICIES[policy!]!.name, parameter: parameter!, length: length!, seed: seed! },
      };
    });
  }

  /**
   * Runs one execution and keeps everything about it. With `stacks` it is the same run, and says besides who made the accesses at those places of its
   * trace, as found in an earlier execution of the same schedule.
   */
  async execution(schedule: Schedule, options: Partial<SessionOptions> = {}): Promise<Execution> {
    const { failures } = await this.session({ ...options, schedule, executions: 1, trace: true });
    const { words, area } = this;
    const records = this.get(Head.trace);
    const from = area.trace >>> 2;
    const trace = new Trace(words.slice(from, from + records * RECORD_WORDS), records);
    if (Array.isArray(options.stacks)) this.mark(options.stacks, 0);
    const said = await this.said();
    return {
      failed: failures[0],
      hash: this.get(Head.hash),
      steps: this.get(Head.steps),
      preemptions: this.get(Head.preemptions),
      switches: this.switches(),
      trace,
      violations: readViolations(this.machine, this.setup, this.subject.layout, 0),
      said: {
        thrown: said.flatMap(({ thrown }) => thrown),
        texts: said.flatMap(({ texts }) => texts),
        outcomes: said.flatMap(({ outcomes }) => outcomes),
        found: said.flatMap(({ found }) => found),
        leads: said.flatMap(({ leads }) => leads),
      },
      stacks: mapStacks(said.flatMap(({ stacks }) => stacks)),
    };
  }

  /** The decisions of the execution that ended last which were not the usual ones. */
  switches(): Switch[] {
    const { words, area } = this;
    const count = Math.min(this.get(Head.switches), area.maxSwitches);
    return Array.from({ length: count }, (_, at) => {
      const base = (area.switches >>> 2) + at * SWITCH_WORDS;
      return { cpu: words[base]!, accesses: words[base + 1]!, choice: words[base + 2]! };
    });
  }

  /** Decisions of the plan that applied in the execution that ended last. */
  get applied(): number {
    return this.get(Head.kept + 4 * APPLIED);
  }

  /** How often each outcome of a scenario came out in the last session. */
  async outcomes(): Promise<Map<string, number>> {
    const all = new Map<string, number>();
    for (const { outcomes } of await this.said())
      for (const [outcome, count] of outcomes) all.set(outcome, (all.get(outcome) ?? 0) + count);
    return all;
  }

  private async said(): Promise<Said[]> {
    return (await Promise.all(
      Array.from({ length: this.cpus }, (_, cpu) => this.pool.collect(cpu)),
    )) as Said[];
  }

  /** Interleavings of all sessions that counted them. */
  coverage(): Coverage {
    return new Cover(this.words, this.area, this.cpus).result();
  }

  /** What detectors found in the last session: what made executions failures, and leads. */
  async detected(): Promise<Pick<Said, 'found' | 'leads'>> {
    const said = await this.said();
    return {
      found: said.flatMap(({ found }) => found),
      leads: said.flatMap(({ leads }) => leads),
    };
  }

  /** Findings with this key are none any more. */
  mute(key: string): void {
    const count = this.get(Head.muted);
    if (count >= MAX_MUTED) return;
    this.set(Head.muted + 4 * (count + 1), muteHash(key));
    this.set(Head.muted, count + 1);
  }

  /** How far the last session's exhaustive search came, and what its executions relied on: bits of HEURISTICS. */
  searched(): Searched & { readonly relied: number } {
    return { ...new Search(this.words, this.area).result(), relied: this.get(Head.heuristics) };
  }

  /** Accesses of each CPU in the execution that ended last. */
  accesses(): number[] {
    return Array.from(
      { length: this.cpus },
      (_, cpu) => this.words[(this.area.lines + cpu * LINE_BYTES + Line.accesses) >>> 2]!,
    );
  }

  /** Whether a word of the machine counts executions, and is no part of one: heartbeats, and the round that clients see. */
  counts(index: number): boolean {
    const round = (this.setup.area.control + Control.round) >>> 2;
    if (index === round) return true;
    for (let cpu = 0; cpu < this.cpus; cpu += 1)
      if (index === (this.machine.areaOf(cpu) + CpuArea.heartbeat) >>> 2) return true;
    return false;
  }

  /** Ends the CPUs. */
  async close(): Promise<void> {
    await this.pool.destroy();
  }
}
