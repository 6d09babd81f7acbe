/**
 * The state of the executions, in the scheduler's memory: what a policy sees of it, who waits on which word and is owed a wake-up, and what is kept of failures.
 *
 * Only the CPU that holds the turn calls this; nothing here gives it away. Futex sleepers and CPUs in `spinWhile` are found by looking at all CPUs: there are a few.
 */
import { type Addr, WaitRecord } from '../../../src/arch/index.ts';
import { cpuArea } from '../../../src/memory/index.ts';
import { OP } from '../trace.ts';
import type { Buffers } from './buffers.ts';
import {
  DONE,
  FAILURE_WORDS,
  focusBit,
  type GateArea,
  Head,
  LINE_BYTES,
  Line,
  MAX_SLABS,
  READY,
  SLEEPING,
  SPINNING,
  SWITCH_WORDS,
} from './layout.ts';
import { NOBODY, type PolicyView } from './policy.ts';

/** `owed`: it has been woken. */
const AWAKE = -1;
const PAUSE = OP.pause!;
const BLOCKED = OP.blocked!;
const H = (offset: number): number => offset >>> 2;
const LINE_WORDS = LINE_BYTES >>> 2;

/** Where the state is, and whose view of it this is. */
export interface StateOptions {
  /** The scheduler's memory. */
  readonly w: Int32Array<SharedArrayBuffer>;
  readonly machine: Int32Array<SharedArrayBuffer>;
  readonly area: GateArea;
  readonly cpus: number;
  readonly id: number;
}

/** The state as one CPU sees it. */
export abstract class GateState implements PolicyView {
  readonly w: Int32Array<SharedArrayBuffer>;
  readonly machine: Int32Array<SharedArrayBuffer>;
  readonly area: GateArea;
  readonly cpus: number;
  readonly id: number;
  abstract readonly buffers: Buffers;
  /** Word index of the head and of this CPU's line. */
  readonly head: number;
  readonly mine: number;
  current = NOBODY;
  private readonly lines: number;

  constructor({ w, machine, area, cpus, id }: StateOptions) {
    this.w = w;
    this.machine = machine;
    this.area = area;
    this.cpus = cpus;
    this.id = id;
    this.head = H(area.head);
    this.lines = H(area.lines);
    this.mine = this.lines + id * LINE_WORDS;
  }

  /** Word index of a CPU's line. */
  line(cpu: number): number {
    return this.lines + cpu * LINE_WORDS;
  }

  get(offset: number): number {
    return this.w[this.head + H(offset)]!;
  }

  set(offset: number, value: number): void {
    this.w[this.head + H(offset)] = value;
  }

  // What a policy sees.

  get steps(): number {
    return this.get(Head.steps);
  }
  get parameter(): number {
    return this.get(Head.parameter);
  }
  get length(): number {
    return this.get(Head.length);
  }
  random(): number {
    const at = this.head + H(Head.random);
    let x = this.w[at]!;
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    this.w[at] = x;
    return x >>> 0;
  }
  kept(at: number): number {
    return this.w[this.head + H(Head.kept) + at]!;
  }
  keep(at: number, value: number): void {
    this.w[this.head + H(Head.kept) + at] = value;
  }
  priority(cpu: number): number {
    return this.w[this.line(cpu) + H(Line.priority)]!;
  }
  setPriority(cpu: number, value: number): void {
    this.w[this.line(cpu) + H(Line.priority)] = value;
  }
  drainPriority(cpu: number): number {
    return this.w[this.line(cpu) + H(Line.drainPriority)]!;
  }
  setDrainPriority(cpu: number, value: number): void {
    this.w[this.line(cpu) + H(Line.drainPriority)] = value;
  }
  nextOp(cpu: number): number {
    return this.w[this.line(cpu) + H(Line.op)]!;
  }
  focused(addr: Addr): boolean {
    const bit = focusBit(addr);
    return ((this.w[this.head + H(Head.focus) + (bit >>> 5)]! >>> (bit & 31)) & 1) !== 0;
  }
  nextAddr(cpu: number): Addr {
    return this.w[this.line(cpu) + H(Line.addr)]!;
  }
  accesses(cpu: number): number {
    return this.w[this.line(cpu) + H(Line.accesses)]!;
  }
  done(cpu: number): boolean {
    return this.w[this.line(cpu) + H(Line.status)] === DONE;
  }
  buffered(cpu: number): number {
    return this.w[this.line(cpu) + H(Line.buffered)]!;
  }
  cursor(cpu: number): number {
    return this.w[this.line(cpu) + H(Line.cursor)]!;
  }
  setCursor(cpu: number, value: number): void {
    this.w[this.line(cpu) + H(Line.cursor)] = value;
  }
  /** Entries of the plan. */
  get planned(): number {
    return this.get(Head.planned);
  }
  plan(entry: number, word: number): number {
    return this.w[H(this.area.plan) + entry * SWITCH_WORDS + word]!;
  }

  /** The word that a CPU's next access is to; -1: not known yet, -2: it makes none. */
  pending(cpu: number): Addr {
    const { w } = this;
    const line = this.line(cpu);
    const status = w[line + H(Line.status)];
    if (status === DONE) return -2;
    if (status === SLEEPING) return this.get(Head.spurious) > 0 ? -1 : -2;
    const op = w[line + H(Line.op)]!;
    // Not begun, or about to go on after something that was no access.
    if (op === 0 || op === PAUSE || (op === BLOCKED && status === READY)) return -1;
    return w[line + H(Line.addr)]!;
  }
  /** Address of a store in a CPU's buffer. */
  storeAddr(cpu: number, place: number): Addr {
    return this.buffers.addrOf(cpu, place);
  }
  /** Whether the search may let a CPU run on: nothing but its own accesses can give it a choice. */
  undisturbed(): boolean {
    if (this.buffers.weakness > 0) return false;
    for (let cpu = 0; cpu < this.cpus; cpu += 1) {
      if (this.machine[(cpuArea(cpu) + WaitRecord.irqPending) >>> 2] !== 0) return false;
      if (this.w[this.line(cpu) + H(Line.deadline)] !== 0) return false;
    }
    return true;
  }
  /** Index of the memory model. */
  get weakness(): number {
    return this.buffers.weakness;
  }

  /** Notes that an execution relied on one of {@link HEURISTICS}. */
  relied(bits: number): void {
    this.w[this.head + H(Head.heuristics)]! |= bits;
  }
  /** CPUs in `spinWhile`. */
  get spinners(): number {
    return this.w[this.head + H(Head.spinning)]!;
  }

  /** Virtual time in steps. */
  get now(): number {
    return this.get(Head.steps) + this.get(Head.skipped);
  }

  /**
   * A store has changed a word on which CPUs may be spinning: `by` owes them a wake-up. Who was woken while the word had another value than it waits for is
   * awake for good, whatever becomes of the word.
   */
  owe(addr: Addr, by: number): void {
    const { w } = this;
    for (let cpu = 0; cpu < this.cpus; cpu += 1) {
      const line = this.line(cpu);
      if (w[line + H(Line.status)] !== SPINNING || w[line + H(Line.addr)] !== addr) continue;
      if (w[line + H(Line.owed)] === AWAKE) continue;
      w[line + H(Line.owed)] = by;
      w[line + H(Line.owedAt)] = addr;
    }
  }

  /** Somebody wakes those who may sleep on a word: nothing is owed to them any more, whoever changed it. */
  pay(addr: Addr): void {
    const { w } = this;
    for (let cpu = 0; cpu < this.cpus; cpu += 1) {
      const line = this.line(cpu);
      if (w[line + H(Line.owed)]! > 0 && w[line + H(Line.owedAt)] === addr) w[line + H(Line.owed)] = 0;
      if (w[line + H(Line.status)] !== SPINNING || w[line + H(Line.addr)] !== addr) continue;
      if (this.machine[addr >>> 2] !== w[line + H(Line.value)]) w[line + H(Line.owed)] = AWAKE;
    }
  }

  /** Wakes up to `count` futex sleepers on a word, first come first. @returns how many */
  notify(addr: Addr, count: number): number {
    const { w } = this;
    let woken = 0;
    while (count < 0 || woken < count) {
      let first = -1;
      for (let cpu = 0; cpu < this.cpus; cpu += 1) {
        const line = this.line(cpu);
        if (w[line + H(Line.status)] !== SLEEPING || w[line + H(Line.addr)] !== addr) continue;
        if (first < 0 || w[line + H(Line.ticket)]! < w[this.line(first) + H(Line.ticket)]!) first = cpu;
      }
      if (first < 0) break;
      w[this.line(first) + H(Line.status)] = READY;
      w[this.line(first) + H(Line.wokenBy)] = this.id + 1;
      woken += 1;
    }
    return woken;
  }

  /** Adds a failure to the table. */
  failure(kind: number, detail: number): void {
    const { w, area } = this;
    const at = this.get(Head.failures);
    this.set(Head.failures, at + 1);
    if (at >= area.maxFailures) return;
    const entry = H(area.failures) + at * FAILURE_WORDS;
    w.set(
      [
        this.get(Head.execution),
        this.get(Head.seed),
        kind,
        detail,
        this.get(Head.steps),
        this.get(Head.switches),
        this.get(Head.hash),
        this.get(Head.policy),
        this.get(Head.parameter),
        this.get(Head.length),
        this.get(Head.preemptions),
      ],
      entry,
    );
  }

  /** Objects of a slab are allocated and freed. */
  usesSlab(slab: Addr): void {
    const known = this.get(Head.slabs);
    for (let at = 0; at < known; at += 1) if (this.get(Head.slabsAt + 4 * at) === slab) return;
    if (known >= MAX_SLABS) return;
    this.set(Head.slabsAt + 4 * known, slab);
    this.set(Head.slabs, known + 1);
  }
}
