/**
 * Executions, one after the other, on one CPU.
 *
 * All CPUs run this loop. Whoever finishes an execution as the last judges it, restores the memory, draws the next seed and starts the next one; so between two
 * executions nothing has to meet, and the turn just goes on.
 *
 * An execution is a function of subject, CPUs, memory model, policy, its parameter and length, and seed. Whatever is drawn comes from the seed: the stream of
 * the policy, and that of each CPU's own random numbers.
 */
import type { Machine } from '../../src/memory/index.ts';
import { CpuArea } from '../../src/memory/index.ts';
import type { Finding } from '../detect/index.ts';
import type { LockOrder } from '../detect/lock-graph.ts';
import { WouldBlock } from '../engines/gated/access.ts';
import { STACKS, StackCapture, type TakenStack } from '../engines/gated/capture.ts';
import { Cover } from '../engines/gated/coverage.ts';
import type { GatedCpu } from '../engines/gated/cpu.ts';
import { Aborted } from '../engines/gated/gate.ts';
import { Head, LINE_BYTES, Line } from '../engines/gated/layout.ts';
import { OP } from '../engines/trace.ts';
import { Control } from '../torture/area.ts';
import type { Bench } from '../torture/clients/context.ts';
import type { TortureSetup } from '../torture/setup.ts';
import type { Episode } from './subject.ts';
import type { Watch } from './watch.ts';

/** Details of a failure beyond the violations that an oracle recorded: `judge` would have blocked. */
export const STUCK_AT_REST = 1;
/** `judge` threw. */
export const THREW_AT_REST = 2;
/** A detector has found something. */
export const DETECTED = 4;

/** What a CPU has to say after a session. */
export interface Said {
  /** What its actor threw, with its stack, and what the checks said. */
  readonly thrown: readonly { readonly message: string; readonly stack: string }[];
  readonly texts: readonly string[];
  /** The outcomes that it has seen as the last to finish, and how often each. */
  readonly outcomes: readonly (readonly [outcome: string, count: number])[];
  /** Stacks that were asked for. */
  readonly stacks: readonly TakenStack[];
  /** What detectors have found, in which execution; and what they think worth a look. */
  readonly found: readonly { readonly execution: number; readonly finding: Finding }[];
  readonly leads: readonly Finding[];
  /** The orders in which locks were taken. */
  readonly orders: readonly LockOrder[];
}

const TEXTS = 8;
/** Accesses that judging may take: a queue that was made a ring has no end. */
const JUDGE_ACCESSES = 1_000_000;
/** Accesses that an execution is expected to have, before one has ended. */
const FIRST_LENGTH = 100;

/** A number that does not look like its neighbours' (splitmix32). */
export function scramble(number: number): number {
  let z = (number + 0x9e3779b9) | 0;
  z = Math.imul(z ^ (z >>> 16), 0x21f0aaad);
  z = Math.imul(z ^ (z >>> 15), 0x735a2d97);
  return (z ^ (z >>> 15)) | 0;
}

/** The executions of one CPU. */
export class Explorer {
  private readonly cpu: GatedCpu;
  private readonly machine: Machine;
  private readonly bench: Bench;
  private readonly episode: Episode;
  private readonly setup: TortureSetup;
  private readonly cover: Cover;
  private readonly watch: Watch;
  private prepared = false;
  private thrown: { message: string; stack: string }[] = [];
  private texts: string[] = [];
  private readonly outcomes = new Map<string, number>();

  constructor(
    machine: Machine,
    cpu: GatedCpu,
    bench: Bench,
    episode: Episode,
    setup: TortureSetup,
    watch: Watch,
  ) {
    this.watch = watch;
    this.bench = bench;
    this.machine = machine;
    this.cpu = cpu;
    this.episode = episode;
    this.setup = setup;
    this.cover = new Cover(cpu.gated.gate.w, cpu.gated.gate.area, cpu.count);
    const { gate } = cpu.gated;
    bench.onReport = () => {
      if (gate.get(Head.firedAt) === 0) gate.set(Head.firedAt, gate.get(Head.trace) + 1);
    };
  }

  /** Runs one session: executions until the limit, a failure, or the main thread ends it. */
  run(): void {
    const { cpu } = this;
    const { gate } = cpu.gated;
    this.thrown = [];
    this.texts = [];
    this.outcomes.clear();
    gate.buffers.weakness = gate.get(Head.model);
    this.watch.begin(gate.get(Head.keepImage) !== 0);
    const stacks = gate.get(Head.stacks);
    cpu.gated.capture = stacks === STACKS.none ? undefined : new StackCapture(stacks === STACKS.all);
    if (cpu.id === 0) {
      this.prepare();
      if (!this.next()) {
        gate.endAll();
        return;
      }
    } else gate.await();
    while (gate.get(Head.over) === 0) {
      let used = this.act();
      let last = gate.finish(used);
      while (!last && gate.recalled) {
        used = this.served();
        last = gate.finish(used);
      }
      if (!last) continue;
      this.end();
      if (this.next()) continue;
      gate.endAll();
      return;
    }
  }

  /** What was thrown and said. */
  collect(): Said {
    return {
      thrown: this.thrown,
      texts: this.texts,
      outcomes: [...this.outcomes],
      stacks: this.cpu.gated.capture?.taken ?? [],
      found: this.watch.found,
      leads: [...this.watch.leads.values()],
      orders: this.watch.orders(),
    };
  }

  private prepare(): void {
    const { memory, gate } = this.cpu.gated;
    if (gate.get(Head.undo) > 0) memory.restore();
    if (this.prepared) return;
    this.prepared = true;
    this.episode.prepare();
    memory.keep();
  }

  /** This CPU's part of the execution. @returns accesses to account for */
  private act(): number {
    const { cpu, episode } = this;
    const { gated } = cpu;
    const { gate } = gated;
    gated.memory.execution = gate.get(Head.execution);
    if (gate.get(Head.abort) !== 0) return 0;
    cpu.seed(gate.get(Head.seed));
    try {
      gated.enter();
      episode.act();
    } catch (error) {
      this.gaveUp(error);
    }
    gated.annotate(OP.end!, 0, 0);
    const used = gated.leave();
    return used;
  }

  /** This CPU's actor has returned, and an interrupt is delivered. @returns accesses to account for */
  private served(): number {
    const { gated } = this.cpu;
    if (gated.gate.get(Head.abort) !== 0) return 0;
    try {
      gated.resume();
    } catch (error) {
      this.gaveUp(error);
    }
    return gated.leave();
  }

  private gaveUp(error: unknown): void {
    const { gate } = this.cpu.gated;
    if (!(error instanceof Aborted) && gate.get(Head.abort) === 0) {
      gate.giveUp('exception');
      this.keep(error);
    }
    this.episode.renew();
  }

  private keep(error: unknown): void {
    if (this.thrown.length >= TEXTS) return;
    const { message, stack } = error instanceof Error ? error : new Error(String(error));
    this.thrown.push({ message, stack: stack ?? '' });
  }

  /** All CPUs are done: judges, counts, restores. */
  private end(): void {
    const { cpu, machine, setup, episode } = this;
    const { gate, memory } = cpu.gated;
    for (let other = 0; other < cpu.count; other += 1) gate.buffers.flush(other);
    const reason = gate.get(Head.abort);
    let detail = 0;
    if (reason === 0) {
      try {
        this.judgeWakes();
        cpu.gated.limit(JUDGE_ACCESSES, () => {
          const outcome = episode.judge();
          if (outcome !== undefined) this.outcomes.set(outcome, (this.outcomes.get(outcome) ?? 0) + 1);
        });
      } catch (error) {
        if (error instanceof WouldBlock) detail = STUCK_AT_REST;
        else {
          detail = THREW_AT_REST;
          gate.giveUp('exception');
        }
        this.keep(error);
        episode.renew();
      }
    }
    if (gate.get(Head.abort) === 0 && this.watch.judges()) detail |= DETECTED;
    for (const text of episode.said()) if (this.texts.length < TEXTS) this.texts.push(text);
    gate.set(Head.hash, this.hash());
    const violations = machine.words[(setup.area.control + Control.violations) >>> 2]!;
    const steps = gate.get(Head.steps);
    gate.set(Head.ended, gate.get(Head.ended) + 1);
    const low = (gate.get(Head.accesses) >>> 0) + steps;
    gate.set(Head.accesses, low | 0);
    if (low > 0xffffffff) gate.set(Head.accesses + 4, gate.get(Head.accesses + 4) + 1);
    if (steps > gate.get(Head.maxSteps)) gate.set(Head.maxSteps, steps);
    if (gate.get(Head.abort) !== 0 || violations !== 0 || detail !== 0) {
      gate.set(Head.failed, gate.get(Head.failed) + 1);
      gate.failure(gate.get(Head.abort), detail);
    }
    if (gate.get(Head.covers) !== 0) this.cover.count(gate.get(Head.model));
    if (gate.get(Head.keepImage) !== 0) return;
    memory.restore();
    for (let other = 0; other < cpu.count; other += 1)
      machine.words[(machine.areaOf(other) + CpuArea.heartbeat) >>> 2] = gate.get(Head.ended);
  }

  /** Was anybody let go on whom nobody would have woken? Judged at the end: whoever wakes them may come late. */
  private judgeWakes(): void {
    const { gate } = this.cpu.gated;
    for (let cpu = 0; cpu < this.cpu.count; cpu += 1) {
      const line = gate.line(cpu);
      const by = gate.w[line + (Line.owed >>> 2)]!;
      if (by > 0)
        this.bench.report('unwoken', {
          expected: cpu,
          other: by - 1,
          addr: gate.w[line + (Line.owedAt >>> 2)]!,
        });
    }
  }

  /** The accesses of all CPUs and the switches, as one number. */
  private hash(): number {
    const { gate } = this.cpu.gated;
    let hash = gate.get(Head.abort);
    for (let other = 0; other < this.cpu.count; other += 1) {
      const line = (gate.area.lines + other * LINE_BYTES) >>> 2;
      hash = scramble(hash ^ gate.w[line + (Line.hash >>> 2)]!);
      hash = scramble(hash ^ gate.w[line + (Line.accesses >>> 2)]!);
    }
    const first = gate.area.switches >>> 2;
    const words = Math.min(gate.get(Head.switches), gate.area.maxSwitches) * 3;
    for (let at = 0; at < words; at += 1) hash = scramble(hash ^ gate.w[first + at]!);
    return hash;
  }

  /** Begins the next execution, and returns when it is this CPU's turn in it. @returns whether there is one */
  private next(): boolean {
    const { gate } = this.cpu.gated;
    if (gate.get(Head.stop) !== 0 || gate.get(Head.ended) >= gate.get(Head.limit)) return false;
    if (gate.get(Head.failFast) !== 0 && gate.get(Head.failures) > 0) return false;
    const base = gate.get(Head.base);
    const seed = gate.get(Head.fixed) !== 0 ? base : scramble(base ^ scramble(gate.get(Head.ended)));
    gate.set(Head.seed, seed);
    gate.set(Head.random, seed === 0 ? 1 : seed);
    const policies = gate.get(Head.portfolio);
    if (policies > 0) {
      const at = Head.portfolio + 4 + 8 * (gate.get(Head.ended) % policies);
      gate.set(Head.policy, gate.get(at));
      gate.set(Head.parameter, gate.get(at + 4));
      gate.set(Head.length, gate.get(Head.maxSteps) || FIRST_LENGTH);
    }
    if (!gate.more()) return false;
    gate.set(Head.traced, gate.get(gate.get(Head.slabs) === 0 ? Head.tracedPlain : Head.tracedObjects));
    gate.set(Head.execution, gate.get(Head.execution) + 1);
    // Odd and even rounds differ for some clients.
    this.machine.words[(this.setup.area.control + Control.round) >>> 2] = 1 + (seed & 7);
    gate.start();
    return true;
  }
}
