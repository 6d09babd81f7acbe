/**
 * The gate: who makes the next access.
 *
 * Every CPU is a thread of its own, and one of them holds the turn. It alone runs, reads and writes the scheduler's memory, and decides, at the
 * access where its quota is used up or where it cannot go on, what happens next; then it gives the turn away and waits for it. There is no
 * coordinator: policy, blocking, wake-ups and deadlock are worked out on whichever CPU holds the turn, over shared words, so which thread that was
 * leaves no trace.
 *
 * How the turn is handed on, and what that orders: baton.ts. What is in the shared words, and who waits for which of them: state.ts.
 *
 * Who can go on: a CPU that spins, when its word has another value; a futex sleeper, when it was woken (a changed word does not wake it), or spuriously, as long as the
 * execution may have that and somebody else can go on, so that it never hides a deadlock; one that
 * yielded, when memory has changed since; a blocked one also when an interrupt is due. Where nobody can and every store has reached memory: those that yielded
 * get another look (for so many rounds without a change: livelock), then time jumps to the next timeout, and then it is a deadlock.
 *
 * An execution that is given up is unwound: every CPU gets the turn once more and its access throws {@link Aborted}, as does each further one.
 */
import { type Addr, WaitRecord } from '../../../src/arch/index.ts';
import { cpuArea } from '../../../src/memory/index.ts';
import { OP } from '../trace.ts';
import { Baton } from './baton.ts';
import { Buffers } from './buffers.ts';
import {
  ABORTS,
  type AbortReason,
  DONE,
  HEURISTICS,
  Head,
  LINE_BYTES,
  Line,
  READY,
  SLEEPING,
  SPINNING,
  SWITCH_WORDS,
} from './layout.ts';
import {
  cpuOf,
  DRAIN,
  INTERRUPT,
  indexOf,
  kindOf,
  NOBODY,
  type Policy,
  RUN,
  SPURIOUS,
  STALE,
  TIMEOUT,
  transition,
} from './policy.ts';
import { Search } from './search.ts';
import { GateState, type StateOptions } from './state.ts';

/** Here, too, and in each file of its own: an imported function is looked up at each call. */
const H = (offset: number): number => offset >>> 2;
const LINE_WORDS = LINE_BYTES >>> 2;

/** Thrown by every access of an execution that was given up. */
export class Aborted extends Error {
  readonly code = 'EABORTED';
  constructor(reason: AbortReason) {
    super(`the execution was given up: ${reason}`);
    this.name = 'Aborted';
  }
}

/** Rounds of nothing but yields, a CPU, after which it is a livelock. */
const IDLE_ROUNDS = 256;
/** Time that passes in one of them, in steps. */
const IDLE_STEPS = 100;

const _PAUSE = OP.pause!;
const _BLOCKED = OP.blocked!;

/** What a gate is made with. */
export interface GateOptions extends StateOptions {
  /** Whether every CPU has a core to itself. */
  readonly spins: boolean;
  readonly policies: readonly Policy[];
}

/** The gate as one CPU sees it. */
export class Gate extends GateState {
  readonly buffers: Buffers;
  readonly search: Search;
  private readonly baton: Baton;
  private readonly policies: readonly Policy[];
  private readonly enabled: Int32Array;
  private count = 0;

  constructor({ spins, policies, ...about }: GateOptions) {
    super(about);
    const { w, area, cpus, id } = about;
    this.baton = new Baton(w, area, id, spins);
    this.policies = policies;
    this.enabled = new Int32Array(cpus * 64);
    this.buffers = new Buffers(this);
    this.search = new Search(w, area);
  }

  /**
   * This CPU is at an access and its quota is used up.
   * @param used accesses made since the last turn
   * @param blocked whether it may not go on by itself
   * @returns accesses that it may make now
   */
  turn(op: number, addr: Addr, used: number, blocked = false): number {
    const { w, mine } = this;
    w[mine + H(Line.op)] = op;
    w[mine + H(Line.addr)] = addr;
    this.account(used);
    if (this.get(Head.abort) === 0 && this.get(Head.steps) > this.get(Head.stepBound)) this.giveUp('bound');
    this.check();
    this.current = this.id;
    const quota = this.get(Head.quota);
    // The weak model decides about values, too, and must know at which access: quotas are counted here.
    if (this.buffers.weakness === 2 && quota > 1 && !blocked) {
      this.set(Head.quota, quota - 1);
      return 1;
    }
    this.give(this.decide());
    this.check();
    return this.buffers.weakness === 2 ? 1 : this.get(Head.quota);
  }

  /** How far back a relaxed load of this CPU looks, of `older` values. */
  stale(older: number): number {
    // While everybody waits, what was written arrives everywhere.
    if (this.get(Head.idle) > 0) return 0;
    const policy = this.policies[this.get(Head.policy)]!;
    let back: number;
    if (policy.stale) back = policy.stale(this, older);
    else {
      const dice = this.random();
      back = (dice & 1) === 0 ? 0 : 1 + ((dice >>> 1) % older);
    }
    if (back > 0) this.note(transition(STALE, this.id, back));
    return back;
  }

  /** Gives the execution up; throws. */
  abort(reason: AbortReason): never {
    this.giveUp(reason);
    throw new Aborted(reason);
  }

  /** Gives the execution up, without throwing. */
  giveUp(reason: AbortReason): void {
    if (this.get(Head.abort) !== 0) return;
    this.set(Head.abort, ABORTS.indexOf(reason));
    this.set(Head.abortBy, this.id + 1);
  }

  private account(used: number): void {
    this.w[this.head + H(Head.steps)]! += used;
    this.w[this.mine + H(Line.accesses)]! += used;
  }

  /** Decides who goes on; Head.quota says how far. @throws Aborted when nobody can */
  private decide(): number {
    const { w } = this;
    for (;;) {
      const choice = this.next();
      const cpu = cpuOf(choice);
      const kind = kindOf(choice);
      const line = this.line(cpu);
      if (kind === DRAIN) {
        this.buffers.drain(cpu, indexOf(choice));
        continue;
      }
      if (kind === TIMEOUT) {
        w[line + H(Line.deadline)] = -1;
        w[line + H(Line.status)] = READY;
        continue;
      }
      if (kind === SPURIOUS) {
        w[line + H(Line.status)] = READY;
        this.set(Head.spurious, this.get(Head.spurious) - 1);
      }
      w[line + H(Line.interrupt)] = kind === INTERRUPT ? 1 : 0;
      if (w[line + H(Line.status)] === DONE) {
        w[line + H(Line.status)] = READY;
        w[line + H(Line.recalled)] = 1;
        this.w[this.head + H(Head.running)]! += 1;
      }
      w[line + H(Line.yielded)] = 0;
      this.set(Head.quota, this.policies[this.get(Head.policy)]!.quota(this, cpu));
      return cpu;
    }
  }

  /** Gives the turn to `cpu` and waits for it, unless that is this one. */
  private give(cpu: number): void {
    if (cpu === this.id) return;
    this.pass(cpu);
    this.await();
  }

  private check(): void {
    const reason = this.get(Head.abort);
    if (reason !== 0) throw new Aborted(ABORTS[reason]!);
  }

  /** The next transition, with every forced one made. */
  private next(): number {
    while (!this.collect()) this.unstick();
    const { enabled, count, current } = this;
    let usual = enabled[0]!;
    if (current !== NOBODY)
      for (let at = 0; at < count; at += 1)
        if (enabled[at] === transition(RUN, current)) usual = enabled[at]!;
    const policy = this.policies[this.get(Head.policy)]!;
    const choice = policy.choose(this, enabled, count, usual);
    if (choice !== usual && transition(RUN, current) === usual) {
      const kind = kindOf(choice);
      const preempts = kind === RUN || kind === SPURIOUS || (kind === INTERRUPT && cpuOf(choice) !== current);
      if (preempts) this.w[this.head + H(Head.preemptions)]! += 1;
    }
    // What leaves the turn where it is is kept even if it was the usual: the next decision is made at the same accesses.
    if (choice !== usual || kindOf(choice) === DRAIN || kindOf(choice) === TIMEOUT) this.note(choice);
    return choice;
  }

  /** Keeps a decision, by the CPU that had the turn and its accesses. */
  private note(choice: number): void {
    const { w, area } = this;
    const at = this.get(Head.switches);
    this.set(Head.switches, at + 1);
    if (at >= area.maxSwitches) return;
    const entry = H(area.switches) + at * SWITCH_WORDS;
    w[entry] = this.current;
    w[entry + 1] = this.current === NOBODY ? 0 : this.accesses(this.current);
    w[entry + 2] = choice;
  }

  /** Lists what can happen. @returns whether anything can */
  private collect(): boolean {
    const { enabled } = this;
    let count = 0;
    for (let cpu = 0; cpu < this.cpus; cpu += 1)
      if (this.canRun(cpu)) enabled[count++] = transition(RUN, cpu);
    for (let cpu = 0; cpu < this.cpus; cpu += 1) {
      const line = this.line(cpu);
      const status = this.w[line + H(Line.status)];
      // A CPU whose actor has returned is idle, and can be interrupted, as long as somebody runs who may wait for it.
      if (this.get(Head.running) > 0 && this.interrupted(cpu)) enabled[count++] = transition(INTERRUPT, cpu);
      const deadline = this.w[line + H(Line.deadline)]!;
      if (status === SLEEPING && deadline > 0 && this.now >= deadline)
        enabled[count++] = transition(TIMEOUT, cpu);
    }
    if (this.buffers.weakness > 0) count = this.buffers.collect(enabled, count);
    if (count > 0 && this.get(Head.spurious) > 0)
      for (let cpu = 0; cpu < this.cpus; cpu += 1)
        if (this.w[this.line(cpu) + H(Line.status)] === SLEEPING)
          enabled[count++] = transition(SPURIOUS, cpu);
    this.count = count;
    return count > 0;
  }

  private canRun(cpu: number): boolean {
    const { w } = this;
    const line = this.line(cpu);
    switch (w[line + H(Line.status)]) {
      case READY: {
        const yielded = w[line + H(Line.yielded)]!;
        if (yielded !== this.get(Head.changes) + 1) return true;
        this.relied(HEURISTICS.yielded);
        return false;
      }
      case SPINNING:
        return this.buffers.seen(cpu, w[line + H(Line.addr)]!) !== w[line + H(Line.value)];
      default:
        return false;
    }
  }

  /** Whether an interrupt is due on a CPU. */
  interrupted(cpu: number): boolean {
    const record = cpuArea(cpu) >>> 2;
    return (
      this.machine[record + (WaitRecord.irqPending >>> 2)] !== 0 &&
      this.w[this.line(cpu) + H(Line.serving)] === 0 &&
      this.buffers.seen(cpu, cpuArea(cpu) + WaitRecord.irqOff) === 0
    );
  }

  /** Nobody can run. */
  private unstick(): void {
    const { w } = this;
    const from = this.current === NOBODY ? 0 : this.current;
    for (let step = 1; step <= this.cpus; step += 1) {
      const line = this.line((from + step) % this.cpus);
      if (w[line + H(Line.status)] !== READY) continue;
      const idle = this.get(Head.idle) + 1;
      this.set(Head.idle, idle);
      if (idle > IDLE_ROUNDS * this.cpus) this.abort('livelock');
      w[this.head + H(Head.skipped)]! += IDLE_STEPS;
      w[line + H(Line.yielded)] = 0;
      return;
    }
    let earliest = 0;
    for (let cpu = 0; cpu < this.cpus; cpu += 1) {
      const line = this.line(cpu);
      const deadline = w[line + H(Line.deadline)]!;
      if (w[line + H(Line.status)] === SLEEPING && deadline > 0 && (earliest === 0 || deadline < earliest))
        earliest = deadline;
    }
    if (earliest === 0) this.abort('deadlock');
    w[this.head + H(Head.skipped)]! += Math.max(0, earliest - this.now);
  }

  private pass(cpu: number): void {
    this.set(Head.current, cpu);
    this.baton.pass(cpu);
  }

  /** Waits for the turn. */
  await(): void {
    this.baton.await();
    this.current = this.id;
  }

  /**
   * This CPU's actor has returned, or was unwound.
   * @returns whether it was the last; else the turn has been passed on and come back, for the next execution or (`recalled`) for an interrupt
   */
  finish(used: number): boolean {
    const { w } = this;
    this.account(used);
    w[this.mine + H(Line.status)] = DONE;
    w[this.mine + H(Line.addr)] = 0;
    const running = this.get(Head.running) - 1;
    this.set(Head.running, running);
    w[this.mine + H(Line.recalled)] = 0;
    this.current = this.id;
    if (running === 0) {
      if (this.get(Head.abort) === 0 && this.buffers.weakness > 0) this.settle();
      return true;
    }
    this.give(this.get(Head.abort) === 0 ? this.nextOrUnwind() : this.unfinished());
    return false;
  }

  /** This CPU was called back after its actor had returned. */
  get recalled(): boolean {
    return this.w[this.mine + H(Line.recalled)] !== 0;
  }

  /** All actors have returned: what is left in buffers reaches memory, in an order that is still a choice. */
  private settle(): void {
    while (this.collect()) {
      const choice = this.next();
      this.buffers.drain(cpuOf(choice), indexOf(choice));
    }
  }

  /** Whether the policy has another execution to run. */
  more(): boolean {
    return this.policies[this.get(Head.policy)]!.more?.(this) ?? true;
  }

  private nextOrUnwind(): number {
    try {
      return this.decide();
    } catch (error) {
      // Nobody can go on, and that was found here: this CPU has nothing to unwind.
      if (error instanceof Aborted) return this.unfinished();
      throw error;
    }
  }

  private unfinished(): number {
    let cpu = 0;
    while (this.done(cpu)) cpu += 1;
    return cpu;
  }

  /** Begins the next execution: all words of this one are new. Returns when it is this CPU's turn in it. */
  start(): void {
    const { w, cpus } = this;
    for (const word of [
      Head.steps,
      Head.spinning,
      Head.changes,
      Head.idle,
      Head.skipped,
      Head.abort,
      Head.abortBy,
      Head.tickets,
      Head.switches,
      Head.preemptions,
      Head.undo,
      Head.trace,
      Head.traceLost,
      Head.firedAt,
      Head.history,
      Head.orderHash,
    ])
      this.set(word, 0);
    this.set(Head.running, cpus);
    for (let cpu = 0; cpu < cpus; cpu += 1) {
      const line = this.line(cpu);
      w.fill(0, line + H(Line.status), line + LINE_WORDS);
    }
    this.current = NOBODY;
    const policy = this.policies[this.get(Head.policy)]!;
    this.set(Head.spurious, policy.spurious ? policy.spurious(this) : this.spuriously());
    policy.begin(this);
    this.give(this.decide());
  }

  /** Futex waits of this execution that may end spuriously, by its seed: the policy's stream is the same with and without. */
  private spuriously(): number {
    const seed = this.get(Head.seed);
    return Math.imul(seed ^ (seed >>> 15), 0x2c1b3c6d) >>> 30 === 0 ? this.get(Head.spuriousMost) : 0;
  }

  /** The session is over: everybody gets the turn once more, to see that. */
  endAll(): void {
    this.set(Head.over, 1);
    this.set(Head.abort, 0);
    for (let cpu = 0; cpu < this.cpus; cpu += 1) if (cpu !== this.id) this.pass(cpu);
  }

  /** Blocks this CPU until a transition lets it go on. @returns its quota */
  block(status: number, op: number, addr: Addr, value: number, used: number): number {
    const { w, mine } = this;
    w[mine + H(Line.status)] = status;
    w[mine + H(Line.value)] = value;
    w[mine + H(Line.owed)] = 0;
    if (status === SPINNING) w[this.head + H(Head.spinning)]! += 1;
    const quota = this.turn(op, addr, used, true);
    if (status === SPINNING) w[this.head + H(Head.spinning)]! -= 1;
    w[mine + H(Line.status)] = READY;
    return quota;
  }

  /** Lets somebody else go first: this CPU waits until memory has changed, or nobody else can run. @returns its quota */
  yield(op: number, used: number): number {
    this.w[this.mine + H(Line.yielded)] = this.get(Head.changes) + 1;
    return this.turn(op, 0, used, true);
  }
}
