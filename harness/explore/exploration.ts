/**
 * Gated CPUs, as the main thread drives them: a machine with a subject, and sessions of executions on it.
 */
import { availableParallelism } from 'node:os';
import { CpuArea, type Machine } from '../../src/memory/index.ts';
import { CpuPool } from '../cpus/pool.ts';
import type { CpuThreads } from '../cpus/threads.ts';
import { type Detector, detectors } from '../detect/index.ts';
import { allOrders, type LockOrder } from '../detect/lock-graph.ts';
import { gateArea, Head, MAX_GATED } from '../engines/gated/layout.ts';
import { Control } from '../torture/area.ts';
import { ParameterError, type TortureParams, withDefaults } from '../torture/params.ts';
import { readViolations } from '../torture/result.ts';
import {
  prepare,
  runsFreeOnly,
  SubjectError,
  startError,
  type Tortured,
  type TortureSetup,
} from '../torture/setup.ts';
import type { Execution, Schedule, Session, SessionOptions } from './execution.ts';
import type { Said } from './explorer.ts';
import { GateWords, type Traced } from './gate-words.ts';
import type { ExploreSetup } from './program.ts';
import { recordingWords } from './recording.ts';
import { paramsFor, stepsFor } from './size.ts';
import { mapStacks } from './stacks.ts';
import { guard, type Pulse } from './stall.ts';
import { tracedFor } from './watch.ts';

export type { Execution, Failed, Schedule, Session, SessionOptions, Switch } from './execution.ts';

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
  /** Threads that are there already, as many as CPUs: a subject of which little is run is mostly start. Who gives them `leave`s the exploration, and ends them. */
  readonly threads?: CpuThreads;
}

const TRACE = 1 << 16;
/** Interleavings that are told apart. */
const COVERAGE = 1 << 18;
function programUrl(): string {
  const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
  return new URL(`./program.${extension}`, import.meta.url).href;
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
  /** The scheduler's memory. */
  readonly gate: GateWords;
  /** Names of the detectors. */
  readonly detect: readonly string[];
  private readonly pool: CpuPool;
  private readonly stallAfter: number;
  private readonly traced: Traced;

  private constructor(
    subject: Tortured,
    machine: Machine,
    setup: TortureSetup,
    gate: GateWords,
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
    this.gate = gate;
    this.pool = pool;
  }

  /**
   * Starts the CPUs.
   * @throws ParameterError, SubjectError, CpuDied as a torture run does
   */
  static async open(subject: Tortured, options: ExplorationOptions = {}): Promise<Exploration> {
    if (runsFreeOnly(subject))
      throw new ParameterError(
        subject.definition === 'workload'
          ? `workload '${subject.name}' goes on from what was before, and is never put back: it can only run free, under lockrig torture`
          : `lock '${subject.name}' brings its own memory, which cannot be restored between executions: it can only run free, under lockrig torture`,
      );
    const scenario = subject.definition === 'scenario' ? subject : undefined;
    const one = scenario && { ...scenario, stride: 1, model: undefined };
    const params = withDefaults({
      ...paramsFor(subject),
      ...options.params,
      cpus: options.cpus ?? (subject.definition === 'lock' ? subject.mutant?.cpus : subject.cpus) ?? 2,
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
    const spins = machine.cpus <= availableParallelism();
    const steps = options.steps ?? stepsFor(subject, machine.cpus);
    const booted: ExploreSetup = {
      torture: setup,
      gate: { buffer, area, spins },
      episode: { steps },
      detect: chosen.map(({ name }) => name),
    };
    machine.boot.store(setup.area.control + Control.quota, steps);
    const { threads } = options;
    const pool = await CpuPool.start({
      machine,
      program: programUrl(),
      setup: booted,
      ...(threads ? { threads } : {}),
    }).catch((error: Error) => {
      throw startError(error, subject, options.url);
    });
    return new Exploration(
      subject,
      machine,
      setup,
      new GateWords(new Int32Array(buffer), area, machine.cpus, setup),
      pool,
      steps,
      options.stallAfter ?? STALL_AFTER,
      chosen,
    );
  }

  /** Runs executions. */
  async session(options: SessionOptions): Promise<Session> {
    const { gate } = this;
    gate.begin(options, this.steps, this.traced);
    const stop = (): void => gate.set(Head.stop, 1);
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
      executions: gate.get(Head.ended),
      failed: gate.get(Head.failed),
      accesses: (gate.get(Head.accesses) >>> 0) + gate.get(Head.accesses + 4) * 2 ** 32,
      seconds: (performance.now() - began) / 1000,
      failures: gate.failures(),
      maxSteps: gate.get(Head.maxSteps),
      undecided: gate.get(Head.undecided),
      unwatched: gate.get(Head.unwatched),
    };
  }

  private pulse(): Pulse {
    const { gate } = this;
    const beat = [Head.execution, Head.steps, Head.ended, Head.current].map((word) => gate.get(word)).join();
    const acting = gate.get(Head.running) > 0 ? 'actors' : 'check';
    return {
      beat,
      cpu: gate.get(Head.current),
      phase: gate.get(Head.execution) === 0 ? 'init' : acting,
    };
  }

  /** What a CPU threw outside of executions: before the first, that was init. */
  private explained(error: unknown): unknown {
    const { definition, name } = this.subject;
    const { url } = this.setup.subject;
    const begun = this.gate.get(Head.execution) > 0;
    if (begun || url === undefined || (error as { code?: string }).code !== undefined) return error;
    return new SubjectError(`init of ${definition} '${name}' throws`, error);
  }

  /**
   * Runs one execution and keeps everything about it. With `stacks` it is the same run, and says besides who made the accesses at those places of its
   * trace, as found in an earlier execution of the same schedule.
   */
  async execution(schedule: Schedule, options: Partial<SessionOptions> = {}): Promise<Execution> {
    const { failures } = await this.session({ ...options, schedule, executions: 1, trace: true });
    const { gate } = this;
    const trace = gate.trace();
    if (Array.isArray(options.stacks)) gate.mark(options.stacks, 0);
    const said = await this.said();
    return {
      failed: failures[0],
      hash: gate.get(Head.hash),
      steps: gate.get(Head.steps),
      preemptions: gate.get(Head.preemptions),
      switches: gate.switches(),
      trace,
      violations: readViolations(this.machine, this.setup, this.subject, 0),
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

  /** What detectors found in the last session: what made executions failures, and leads. */
  async detected(): Promise<Pick<Said, 'found' | 'leads'>> {
    const said = await this.said();
    return {
      found: said.flatMap(({ found }) => found),
      leads: said.flatMap(({ leads }) => leads),
    };
  }

  /** The orders in which locks were taken in all executions that were watched. */
  async orders(): Promise<LockOrder[]> {
    if (!this.detect.includes('lockorder')) return [];
    return allOrders((await this.said()).flatMap(({ orders }) => orders));
  }

  /** Whether a word of the machine counts executions, and is no part of one: heartbeats, and the round that clients see. */
  counts(index: number): boolean {
    const round = (this.setup.area.control + Control.round) >>> 2;
    if (index === round) return true;
    for (let cpu = 0; cpu < this.cpus; cpu += 1)
      if (index === (this.machine.areaOf(cpu) + CpuArea.heartbeat) >>> 2) return true;
    return false;
  }

  /** Takes the CPUs offline; their threads stay, for the next exploration. */
  async leave(): Promise<void> {
    await Promise.all(Array.from({ length: this.cpus }, (_, cpu) => this.pool.leave(cpu)));
  }

  /** Ends the CPUs. */
  async close(): Promise<void> {
    await this.pool.destroy();
  }
}
