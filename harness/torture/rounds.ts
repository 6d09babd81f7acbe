/**
 * Rounds: all CPUs do the same number of steps, then meet; the last to come is the leader and looks at the machine at rest.
 *
 *   phase      counts the meetings; CPUs wait for it to change
 *   arrived    CPUs that have come; the one that completes `expected` is the leader
 *   go         whether another round follows; read after `phase` has changed
 *
 * While the leader works, every other CPU waits for `phase`, so it may write everything without atomics; its store to `phase` publishes that. Membership
 * changes there and nowhere else: a CPU that was asked to leave finds itself inactive after the meeting, one that wants to join waits until it is
 * made active and starts with the round that follows.
 *
 * Meeting often is what makes a lost wake-up visible at once: the CPU that it should have woken never comes, all others wait, and nobody is left
 * who could wake it.
 */
import type { Addr, Isa } from '../../src/arch/index.ts';
import type { Cpu } from '../../src/memory/index.ts';
import { Control, CpuLine, cpuLine, GO_ON, GO_STOP, type TortureArea } from './area.ts';
import { type Bench, type Client, Profile } from './clients/context.ts';
import type { TortureParams } from './params.ts';

/** Milliseconds that a round should take, unless the run says how often it is checked. */
const ROUND_MS = 8;
const FIRST_QUOTA = 64;
const MOST_STEPS = 1 << 20;
/** Steps of a round when the run is counted in rounds. */
export const COUNTED_QUOTA = 256;

/** Times that whoever leads a round leaves to whoever leads the next: nanoseconds as words, of which only differences count. */
const microseconds = (nanoseconds: number): number => Math.floor(nanoseconds / 1e3) | 0;
const milliseconds = (nanoseconds: number): number => Math.floor(nanoseconds / 1e6) | 0;

/** The rounds of one CPU. */
export class Rounds {
  private readonly isa: Isa;
  private readonly cpu: Cpu;
  private readonly control: Addr;
  private readonly mine: Addr;
  private readonly area: TortureArea;
  private readonly params: TortureParams;
  private readonly bench: Bench;
  private readonly client: Client;
  private readonly judged: boolean;
  private readonly admitted: Addr[] = [];

  constructor(bench: Bench, client: Client, judged: boolean) {
    this.bench = bench;
    this.client = client;
    this.judged = judged;
    this.isa = bench.isa;
    this.cpu = bench.cpu;
    this.area = bench.area;
    this.control = bench.control;
    this.mine = bench.line;
    this.params = bench.params;
  }

  /** Runs rounds until the run is over or this CPU leaves. */
  run(): void {
    const { isa, bench, control, mine } = this;
    let goOn: boolean;
    if (isa.load(mine + CpuLine.active) === 0) {
      isa.store(mine + CpuLine.joins, 1);
      while (isa.load(mine + CpuLine.active) === 0) isa.spinWhile(mine + CpuLine.active, 0);
      goOn = isa.load(control + Control.go) === GO_ON;
    } else {
      // The main thread lets go whoever joins too late: by then the run is over, and nobody would come to meet.
      goOn = isa.load(control + Control.go) === GO_ON && this.meet();
    }
    while (goOn) {
      bench.profile = isa.read(control + Control.profile);
      this.work(isa.read(control + Control.quota));
      goOn = this.meet();
    }
  }

  private work(quota: number): void {
    const { isa, cpu, client, control } = this;
    const background = client.background === true && this.params.writers > 0;
    client.begin?.();
    for (
      let step = 0;
      background
        ? isa.load(control + Control.writersLeft) > 0 && isa.load(control + Control.stop) === 0
        : step < quota;
      step += 1
    ) {
      client.step();
      cpu.beat();
      if ((step & 63) === 0) isa.pause();
    }
    client.end?.();
    if (!background && this.params.writers > 0) isa.fetchAdd(control + Control.writersLeft, -1);
  }

  /** Waits for all others. @returns whether this CPU goes on */
  private meet(): boolean {
    const { isa, control, mine } = this;
    const phase = isa.load(control + Control.phase);
    // Before it arrives: once it has, the last to come may be leading, and let somebody leave, so that two would find themselves the last.
    const expected = isa.load(control + Control.expected);
    const come = isa.fetchAdd(control + Control.arrived, 1) + 1;
    if (come === expected) {
      this.lead();
      isa.store(control + Control.arrived, 0);
      isa.storeWake(control + Control.phase, (phase + 1) | 0);
      // After the phase: who joins could otherwise do its whole round before that changes, and take the change for the end of it.
      this.admit();
    } else {
      while (isa.load(control + Control.phase) === phase) isa.spinWhile(control + Control.phase, phase);
    }
    return isa.load(control + Control.go) === GO_ON && isa.load(mine + CpuLine.active) !== 0;
  }

  private lead(): void {
    const { isa, cpu, control, params } = this;
    // Before anything is judged: how long the round took is what its steps took.
    const took = (microseconds(cpu.now()) - isa.read(control + Control.began)) | 0;
    this.bench.rests?.();
    const round = isa.read(control + Control.round);
    if (round > 0) this.client.rest?.();
    else this.client.prepare?.();
    const stop =
      isa.load(control + Control.stop) !== 0 ||
      (params.rounds > 0 && round >= params.rounds) ||
      ((params.failFast || this.client.lasting === true) && isa.load(control + Control.violations) !== 0);
    if (stop) isa.store(control + Control.go, GO_STOP);
    this.members(stop);
    if (stop) return;
    if (round === 0) isa.write(control + Control.paused, milliseconds(cpu.now()));
    this.stutter();
    const now = cpu.now();
    isa.write(control + Control.quota, this.quota(round, took / 1000));
    isa.write(control + Control.began, microseconds(now));
    isa.write(control + Control.round, round + 1);
    isa.write(control + Control.profile, this.profile());
    isa.store(
      control + Control.writersLeft,
      Math.max(0, isa.read(control + Control.expected) - params.readers),
    );
    this.planLongHold(now);
  }

  /** Lets CPUs leave and join; on the last meeting lets everybody go who waits. */
  private members(stop: boolean): void {
    const { isa, control } = this;
    let expected = isa.read(control + Control.expected);
    for (let cpu = 0; cpu < this.cpu.count; cpu += 1) {
      const line = cpuLine(this.area, cpu);
      if (isa.load(line + CpuLine.leaves) !== 0 && expected > 1 && isa.load(line + CpuLine.active) !== 0) {
        isa.store(line + CpuLine.leaves, 0);
        isa.store(line + CpuLine.active, 0);
        isa.write(line + CpuLine.member, 0);
        expected -= 1;
      } else if (isa.load(line + CpuLine.joins) !== 0) {
        isa.store(line + CpuLine.joins, 0);
        // Counted from the next meeting on; woken by `admit`, once the round stands.
        if (!stop) expected += 1;
        isa.write(line + CpuLine.member, 1);
        this.admitted.push(line);
      }
    }
    isa.write(control + Control.expected, expected);
  }

  private admit(): void {
    for (const line of this.admitted.splice(0)) this.isa.storeWake(line + CpuLine.active, 1);
  }

  private quota(round: number, ms: number): number {
    if (this.client.steps !== undefined) return this.client.steps;
    if (this.params.rounds > 0) return COUNTED_QUOTA;
    const last = this.isa.read(this.control + Control.quota);
    if (round === 0 || last === 0) return FIRST_QUOTA;
    const wanted = this.params.checkEvery || ROUND_MS;
    const factor = Math.min(4, Math.max(0.25, wanted / Math.max(ms, 0.01)));
    return Math.min(MOST_STEPS, Math.max(16, Math.round(last * factor)));
  }

  private profile(): number {
    const bits = this.cpu.random();
    let profile = bits & (Profile.once | Profile.brief | Profile.delays);
    // Three rounds of four where order is promised, one of four where it is only counted.
    const dice = (bits >>> 4) & 3;
    if (this.judged ? dice !== 0 : dice === 3) profile |= Profile.order;
    return profile;
  }

  private stutter(): void {
    const { isa, cpu, params } = this;
    if (params.stutter === 0) return;
    const span = params.stutter * 1e6;
    if (milliseconds(cpu.now()) - isa.read(this.control + Control.paused) < params.stutter) return;
    const until = cpu.now() + span;
    while (cpu.now() < until && isa.load(this.control + Control.stop) === 0) {
      isa.wait(this.control + Control.stop, 0, Math.min(50e6, Math.max(1, until - cpu.now())));
      cpu.beat();
    }
    isa.write(this.control + Control.paused, milliseconds(cpu.now()));
  }

  /** One long hold at a time, the first one at once, so that the run spends about a fifth of its time in them. */
  private planLongHold(now: number): void {
    const { isa, cpu, control, params } = this;
    const last = isa.read(control + Control.held);
    if (params.longHold === 0 || (last !== 0 && milliseconds(now) - last < params.longHold * 5)) return;
    isa.write(control + Control.held, milliseconds(now));
    isa.write(control + Control.longHoldStep, 1 + cpu.below(16));
    isa.write(control + Control.longHoldCpu, cpu.below(cpu.count) + 1);
  }
}
