/**
 * Gated CPUs, as the main thread drives them: a machine with a subject, and sessions of executions on it.
 */
import { availableParallelism } from 'node:os';
import { webAssembly } from '../../src/arch/index.ts';
import type { Kind } from '../../src/locking/kinds.ts';
import { CpuArea, type Machine } from '../../src/memory/index.ts';
import type { MemoryModel } from '../../src/scenario.ts';
import { CpuPool } from '../cpus/pool.ts';
import { MODELS } from '../engines/gated/buffers.ts';
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
  SWITCH_WORDS,
} from '../engines/gated/layout.ts';
import { SEARCH_WORDS, Search, type Searched } from '../engines/gated/search.ts';
import { RECORD_WORDS, Trace } from '../engines/trace.ts';
import { Control } from '../torture/area.ts';
import { ParameterError, type TortureParams, withDefaults } from '../torture/params.ts';
import { addressOf, type Place } from '../torture/places.ts';
import { readViolations, type Violation } from '../torture/result.ts';
import { prepare, type Tortured, type TortureSetup } from '../torture/setup.ts';
import type { Said } from './explorer.ts';
import { POLICIES, type PolicyChoice, policyIndex, RECORDED } from './policies/index.ts';
import type { ExploreSetup } from './program.ts';

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
  readonly stepBound?: number;
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
  readonly said: Said;
}

/** How gated CPUs are set up. */
export interface ExplorationOptions {
  readonly cpus?: number;
  /** Steps of each CPU in an execution, for locks. */
  readonly steps?: number;
  readonly url?: string;
  readonly params?: Partial<TortureParams>;
  /** Records of a trace. */
  readonly trace?: number;
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
const SILENT_LOOKS = 10;

/** A CPU that has the turn makes no access, and does not end. */
export class ExplorationStalled extends Error {
  readonly code = 'ESTALL';
  readonly cpu: number;
  constructor(subject: string, cpu: number, seconds: number) {
    super(
      `'${subject}': CPU ${cpu} has the turn and has made no access for ${seconds} s: it is in a loop without any, or its create or check does not return`,
    );
    this.name = 'ExplorationStalled';
    this.cpu = cpu;
  }
}

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
  private readonly pool: CpuPool;

  private constructor(
    subject: Tortured,
    machine: Machine,
    setup: TortureSetup,
    words: Int32Array,
    area: GateArea,
    pool: CpuPool,
    steps: number,
  ) {
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
    const one = scenario && { ...scenario, stride: 1 };
    const params = withDefaults({
      try: 0.3,
      shortDelay: 0,
      ...(subject.definition === 'lock' && subject.kind === 'hazard' ? { reads: HAZARD_READS } : {}),
      ...options.params,
      cpus: options.cpus ?? scenario?.cpus ?? 2,
    });
    if (params.cpus > MAX_GATED)
      throw new ParameterError(`a gate schedules at most ${MAX_GATED} CPUs, not ${params.cpus}`);
    const { machine, setup } = await prepare(one ?? subject, params, options.url);
    const area = gateArea({
      cpus: machine.cpus,
      machineBytes: machine.words.byteLength,
      trace: options.trace ?? TRACE,
      coverage: 0,
    });
    if (!webAssembly) throw new ParameterError('this host has no WebAssembly, which gated CPUs need');
    const pages = Math.ceil(area.bytes / 65536);
    const memory = new webAssembly.Memory({ initial: pages, maximum: pages, shared: true });
    const words = new Int32Array(memory.buffer);
    const spins = machine.cpus <= availableParallelism();
    const steps = options.steps ?? stepsFor(subject, machine.cpus);
    const booted: ExploreSetup = {
      torture: setup,
      gate: { memory, area, spins },
      episode: { steps },
    };
    machine.boot.store(setup.area.control + Control.quota, steps);
    const pool = await CpuPool.start({ machine, program: programUrl(), setup: booted });
    return new Exploration(subject, machine, setup, words, area, pool, steps);
  }

  private get(offset: number): number {
    return Atomics.load(this.words, (this.area.head + offset) >>> 2);
  }

  private set(offset: number, value: number): void {
    Atomics.store(this.words, (this.area.head + offset) >>> 2, value);
  }

  private begin(options: SessionOptions): void {
    for (const word of [Head.stop, Head.over, Head.failures, Head.failed, Head.ended, Head.portfolio])
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
    this.set(Head.traced, options.trace ? 1 : 0);
    this.set(Head.keepImage, options.trace ? 1 : 0);
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
    const guard = this.guard();
    try {
      const runs = Array.from({ length: this.cpus }, (_, cpu) => this.pool.run(cpu));
      await Promise.race([Promise.all(runs), guard.stuck]);
    } finally {
      guard.end();
      options.signal?.removeEventListener('abort', stop);
    }
    return {
      executions: this.get(Head.ended),
      failed: this.get(Head.failed),
      accesses: (this.get(Head.accesses) >>> 0) + this.get(Head.accesses + 4) * 2 ** 32,
      seconds: (performance.now() - began) / 1000,
      failures: this.failures(),
      maxSteps: this.get(Head.maxSteps),
    };
  }

  /** Watches for a CPU that has the turn and makes no access. */
  private guard(): { readonly stuck: Promise<never>; end(): void } {
    let reject: (error: Error) => void = () => {};
    const stuck = new Promise<never>((_resolve, fail) => {
      reject = fail;
    });
    stuck.catch(() => {});
    let last = '';
    let silent = 0;
    const timer = setInterval(() => {
      const now = [Head.execution, Head.steps, Head.ended, Head.current].map((word) => this.get(word)).join();
      silent = now === last ? silent + 1 : 0;
      last = now;
      if (silent >= SILENT_LOOKS)
        reject(new ExplorationStalled(this.subject.name, this.get(Head.current), silent));
    }, 1000);
    return { stuck, end: () => clearInterval(timer) };
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

  /** Runs one execution and keeps everything about it. */
  async execution(schedule: Schedule, options: Partial<SessionOptions> = {}): Promise<Execution> {
    const { failures } = await this.session({ ...options, schedule, executions: 1, trace: true });
    const { words, area } = this;
    const records = this.get(Head.trace);
    const from = area.trace >>> 2;
    const said = await this.said();
    return {
      failed: failures[0],
      hash: this.get(Head.hash),
      steps: this.get(Head.steps),
      preemptions: this.get(Head.preemptions),
      switches: this.switches(),
      trace: new Trace(words.slice(from, from + records * RECORD_WORDS), records),
      violations: readViolations(this.machine, this.setup, this.subject.layout, 0),
      said: {
        thrown: said.flatMap(({ thrown }) => thrown),
        texts: said.flatMap(({ texts }) => texts),
        outcomes: said.flatMap(({ outcomes }) => outcomes),
      },
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
