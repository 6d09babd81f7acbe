import { MODELS } from '../engines/gated/buffers.ts';
import { MARKED, STACKS } from '../engines/gated/capture.ts';
import { Cover, type Coverage } from '../engines/gated/coverage.ts';
import {
  ABORTS,
  FAILURE_WORDS,
  focusBit,
  type GateArea,
  Head,
  LINE_BYTES,
  Line,
  MAX_MUTED,
  SWITCH_WORDS,
  TRACED,
} from '../engines/gated/layout.ts';
import { SEARCH_WORDS, Search, type Searched } from '../engines/gated/search.ts';
import { RECORD_WORDS, Trace } from '../engines/trace.ts';
import { ParameterError } from '../torture/params.ts';
import { addressOf, type Place } from '../torture/places.ts';
import type { TortureSetup } from '../torture/setup.ts';
import type { Failed, SessionOptions, Switch } from './execution.ts';
import { POLICIES, policyIndex, RECORDED } from './policies/index.ts';
import { APPLIED } from './policies/recorded.ts';
import { muteHash } from './watch.ts';

/** What is recorded as long as no slab is used, and once one is: of TRACED. */
export interface Traced {
  readonly plain: number;
  readonly objects: number;
}

/** Accesses after which an execution is given up. */
const STEP_BOUND = 20_000;
/** Accesses that a step has time for where there are many. */
const STEP_ACCESSES = 200;

/** The scheduler's memory. */
export class GateWords {
  readonly words: Int32Array;
  readonly area: GateArea;
  private readonly cpus: number;
  private readonly setup: TortureSetup;

  constructor(words: Int32Array, area: GateArea, cpus: number, setup: TortureSetup) {
    this.words = words;
    this.area = area;
    this.cpus = cpus;
    this.setup = setup;
  }

  /** A word of {@link Head}. */
  get(offset: number): number {
    return Atomics.load(this.words, (this.area.head + offset) >>> 2);
  }

  /** Writes a word of {@link Head}. */
  set(offset: number, value: number): void {
    Atomics.store(this.words, (this.area.head + offset) >>> 2, value);
  }

  /** What the next session is asked for. @param traced what is recorded of executions that nobody asks a trace of */
  begin(options: SessionOptions, steps: number, traced: Traced): void {
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
    this.set(Head.stepBound, options.stepBound ?? Math.max(STEP_BOUND, STEP_ACCESSES * steps * this.cpus));
    this.set(Head.model, MODELS.indexOf(options.model ?? 'sc'));
    const { plain, objects } = options.trace ? { plain: TRACED.all, objects: TRACED.all } : traced;
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
  mark(places: readonly number[], mark: number): void {
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

  /** The failures of the session, as far as there was room. */
  failures(): Failed[] {
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

  /** The records of the last execution. */
  trace(): Trace {
    const records = this.get(Head.trace);
    const from = this.area.trace >>> 2;
    return new Trace(this.words.slice(from, from + records * RECORD_WORDS), records);
  }

  /** Interleavings of all sessions that counted them. */
  coverage(): Coverage {
    return new Cover(this.words, this.area, this.cpus).result();
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
}
