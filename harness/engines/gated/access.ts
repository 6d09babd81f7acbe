/**
 * The gated instruction set: each access is made when it is this CPU's turn.
 *
 * `left` counts the accesses that this CPU may make before it must ask the gate again, so most accesses cost a decrement. The access itself is plain:
 * whoever had the turn before has passed it on by a release that this CPU acquired. Everything that one memory model does differently lies
 * in buffers.ts.
 *
 * What blocks is in waiting.ts, read-modify-writes are in isa.ts.
 *
 * Outside an execution (setting up, judging, restoring) the engine is `direct`: no turn is asked for, nothing is recorded, and an operation that would block
 * throws {@link WouldBlock}, since nobody could ever end it. Words of the harness's own (`exempt`) are accessed like that at any time: what an oracle notes
 * is no event of the execution.
 *
 * What a CPU did is summed up in a hash, of each access' operation, address and value: two executions are the same if the hashes of all their CPUs are, and
 * their switches.
 */
import type { Addr } from '../../../src/arch/index.ts';
import { outside } from '../../../src/arch/isa.ts';
import { OP, OPERATIONS, RECORD_WORDS } from '../trace.ts';
import type { StackCapture } from './capture.ts';
import { Cover } from './coverage.ts';
import type { Gate } from './gate.ts';
import { Head, Line, TRACED } from './layout.ts';
import type { Memory } from './memory.ts';

/** An operation outside an execution would block for ever. */
export class WouldBlock extends Error {
  readonly code = 'EWOULDBLOCK';
  constructor(what: string, addr: Addr) {
    super(`${what}, at word ${addr}, with all CPUs done: nobody is left to end it`);
    this.name = 'WouldBlock';
  }
}

const DIRECT = 0x3fffffff;
const op = (name: string): number => OP[name]!;
const READ = op('read');
const WRITE = op('write');
const READ_ONCE = op('readOnce');
const WRITE_ONCE = op('writeOnce');
const LOAD_ACQUIRE = op('loadAcquire');
const STORE_RELEASE = op('storeRelease');
const LOAD = op('load');
const STORE = op('store');
const MB = op('mb');
const RMB = op('rmb');
const WMB = op('wmb');
const DRAINED = op('drain');
const BEGIN = op('begin');
const QUEUED = op('queued');
const PUBLISHED = op('published');
const CONSUMED = op('consumed');
const RACE_BEGIN = op('raceBegin');
const RACE_END = op('raceEnd');
const GRACE_PERIOD = op('gracePeriod');
/** Mixes hashes. */
export const PRIME = 0x85ebca6b | 0;
/** Operations that only read. */
const READS = Uint8Array.from(OPERATIONS, ({ reads, writes }) => (reads && !writes ? 1 : 0));

/** What an engine is made with. */
export interface GatedOptions {
  readonly gate: Gate;
  readonly memory: Memory;
  /** Runs the pending interrupt handlers. */
  readonly serve: () => void;
  /** Called by the annotation `queued`. */
  readonly queued: (lock: Addr) => void;
}

/** Loads, stores, fences and waiting. */
export class GatedAccess {
  readonly engine = 'gated';
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly gate: Gate;
  readonly memory: Memory;
  /** Accesses until the next turn. */
  left = DIRECT;
  hash = 0;
  /** Whether accesses are recorded, and whether events are: of locks, objects and interrupts. */
  tracing = false;
  noting = false;

  protected granted = DIRECT;
  protected direct = true;
  private limited = false;
  protected weakness = 0;
  private exemptFrom = 0;
  private exemptTo = 0;
  private readonly cover: Cover;
  private covering = false;
  private loads = 0;
  private readonly serve: () => void;
  private readonly onQueued: (lock: Addr) => void;

  constructor({ gate, memory, serve, queued }: GatedOptions) {
    this.gate = gate;
    this.memory = memory;
    this.words = memory.words;
    this.cover = new Cover(gate.w, gate.area, gate.cpus);
    this.serve = serve;
    this.onQueued = queued;
    gate.buffers.memory = memory;
    gate.buffers.drained = (cpu, addr, value, before) => {
      if (gate.get(Head.covers) !== 0) this.cover.wrote(cpu, addr >>> 2);
      if (gate.get(Head.traced) === TRACED.all) this.recordAs(cpu, DRAINED, addr, value, before);
      this.onDrained?.(cpu);
    };
  }

  /** Takes stacks at records of the trace. */
  capture: StackCapture | undefined;

  /** Told when a store of a CPU has reached memory. */
  onDrained: ((cpu: number) => void) | undefined;
  private first: (() => void) | undefined;

  /** Calls back when this CPU is about to make its next access: at once, if nobody else can come before that. */
  beforeNext(begins: () => void): void {
    const { first } = this;
    if (this.left > 0) begins();
    else if (!first) this.first = begins;
    else
      this.first = () => {
        first();
        begins();
      };
  }

  /** Accesses made since the quota was granted. */
  get used(): number {
    return this.granted - this.left;
  }

  /** Words that are the harness's own. */
  exempt(from: Addr, to: Addr): void {
    this.exemptFrom = from;
    this.exemptTo = to;
  }

  /** An execution begins on this CPU: it has the turn. */
  enter(): void {
    this.hash = 0;
    this.loads = 0;
    this.first = undefined;
    this.notes();
    this.annotate(BEGIN, 0, 0);
    this.resume();
  }

  /** It has the turn, and an interrupt may be due before its first access. */
  resume(): void {
    this.direct = false;
    this.weakness = this.gate.buffers.weakness;
    this.covering = this.gate.get(Head.covers) !== 0;
    this.notes();
    this.granted = this.left = this.weakness === 2 ? 1 : this.gate.get(Head.quota);
    if (this.gate.w[this.gate.mine + (Line.interrupt >>> 2)] !== 0) this.interrupt();
  }

  private notes(): void {
    const traced = this.gate.get(Head.traced);
    this.tracing = traced === TRACED.all;
    this.noting = traced !== TRACED.none;
  }

  /** The actor has returned. @returns accesses to account for */
  leave(): number {
    const used = this.direct ? 0 : this.granted - Math.max(this.left, 0);
    this.gate.w[this.gate.mine + (Line.hash >>> 2)] = this.hash;
    this.goDirect();
    return used;
  }

  /** Runs `judge` directly, for so many accesses at most: what an execution has left behind may lead in circles. */
  limit<T>(accesses: number, judge: () => T): T {
    this.limited = true;
    this.left = accesses;
    try {
      return judge();
    } finally {
      this.limited = false;
      this.left = DIRECT;
    }
  }

  private goDirect(): void {
    this.direct = true;
    this.weakness = 0;
    this.tracing = this.noting = this.covering = false;
    this.granted = this.left = DIRECT;
  }

  private isExempt(addr: Addr): boolean {
    return addr >= this.exemptFrom && addr < this.exemptTo;
  }

  /** The quota is used up before an access. */
  protected turn(operation: number, addr: Addr): void {
    if (this.direct) {
      if (this.limited) throw new WouldBlock('a loop that does not end', addr);
      this.left = DIRECT;
      return;
    }
    const used = this.granted;
    this.left = -1;
    this.granted = 0;
    this.granted = this.gate.turn(operation, addr, used);
    this.left = this.granted - 1;
    const { first } = this;
    if (first) {
      this.first = undefined;
      first();
    }
    if (this.gate.w[this.gate.mine + (Line.interrupt >>> 2)] !== 0) this.interrupt();
  }

  /** The policy has chosen to interrupt this CPU here. */
  protected interrupt(): void {
    const { w, mine } = this.gate;
    w[mine + (Line.interrupt >>> 2)] = 0;
    w[mine + (Line.serving >>> 2)] = 1;
    try {
      this.serve();
    } finally {
      w[mine + (Line.serving >>> 2)] = 0;
    }
  }

  protected note(operation: number, addr: Addr, value: number, before: number): void {
    // Downwards, too: a product alone carries what differs in the high bits nowhere.
    const mixed = Math.imul(this.hash ^ (addr + (operation << 24)), PRIME) ^ value;
    this.hash = mixed ^ (mixed >>> 15);
    if (this.covering && READS[operation] === 1) this.cover.read(this.gate.id, addr >>> 2, this.loads++);
    if (this.tracing) this.recordAs(this.gate.id, operation, addr, value, before);
  }

  /** Writes the record of an event that takes no turn. */
  annotate(operation: number, addr: Addr, value: number, before = 0): void {
    // What is done while an execution is unwound is no part of it.
    if (this.noting && this.gate.get(Head.abort) === 0)
      this.recordAs(this.gate.id, operation, addr, value, before);
  }

  /** Writes a record that only a whole trace has. */
  protected remark(operation: number, addr: Addr, value: number): void {
    if (this.tracing) this.recordAs(this.gate.id, operation, addr, value, 0);
  }

  protected recordAs(cpu: number, operation: number, addr: Addr, value: number, before: number): void {
    const { gate } = this;
    const at = gate.get(Head.trace);
    if (at >= gate.area.maxTrace) {
      gate.set(Head.traceLost, gate.get(Head.traceLost) + 1);
      return;
    }
    const base = (gate.area.trace >>> 2) + at * RECORD_WORDS;
    const { w } = gate;
    if (this.capture !== undefined && operation !== DRAINED) this.capture.at(at, w[base]!);
    w[base] = operation | (cpu << 8);
    w[base + 1] = addr;
    w[base + 2] = value;
    w[base + 3] = before;
    gate.set(Head.trace, at + 1);
  }

  // Loads.

  private loaded(operation: number, addr: Addr): number {
    if (this.isExempt(addr)) return this.words[addr >>> 2]!;
    if (--this.left < 0) this.turn(operation, addr);
    let value: number | undefined;
    if (this.weakness === 0) value = this.words[addr >>> 2];
    else if (this.weakness === 2 && (operation === READ || operation === READ_ONCE))
      value = this.gate.buffers.relaxed(this.gate.id, addr);
    else {
      value = this.gate.buffers.seen(this.gate.id, addr);
      if (operation !== READ && operation !== READ_ONCE) this.gate.buffers.orderLoads(this.gate.id);
    }
    const word = value ?? outside(addr);
    this.note(operation, addr, word, 0);
    return word;
  }

  read(addr: Addr): number {
    return this.loaded(READ, addr);
  }
  readOnce(addr: Addr): number {
    return this.loaded(READ_ONCE, addr);
  }
  loadAcquire(addr: Addr): number {
    return this.loaded(LOAD_ACQUIRE, addr);
  }
  load(addr: Addr): number {
    return this.loaded(LOAD, addr);
  }

  // Stores.

  private commit(addr: Addr, value: number): number {
    if (this.gate.spinners > 0) this.gate.owe(addr, this.gate.id + 1);
    if (this.covering) this.cover.wrote(this.gate.id, addr >>> 2);
    if (this.weakness === 2) return this.gate.buffers.commit(this.gate.id, addr, value);
    return this.memory.commit(addr >>> 2, value);
  }

  protected stored(operation: number, addr: Addr, value: number): void {
    const word = value | 0;
    if (this.isExempt(addr)) {
      this.memory.scribble(addr >>> 2, word);
      return;
    }
    if (--this.left < 0) this.turn(operation, addr);
    if (addr >>> 2 >= this.words.length) {
      if (operation === WRITE) return;
      outside(addr);
    }
    if (
      this.weakness > 0 &&
      (operation === WRITE || operation === WRITE_ONCE || operation === STORE_RELEASE)
    ) {
      this.note(operation, addr, word, this.gate.buffers.seen(this.gate.id, addr));
      this.gate.buffers.put(this.gate.id, addr, word, operation === STORE_RELEASE);
      return;
    }
    if (this.weakness > 0) this.gate.buffers.flush(this.gate.id);
    const before = this.commit(addr, word);
    this.note(operation, addr, word, before);
    if (this.weakness === 2) this.gate.buffers.orderLoads(this.gate.id);
  }

  write(addr: Addr, value: number): void {
    this.stored(WRITE, addr, value);
  }
  writeOnce(addr: Addr, value: number): void {
    this.stored(WRITE_ONCE, addr, value);
  }
  storeRelease(addr: Addr, value: number): void {
    this.stored(STORE_RELEASE, addr, value);
  }
  store(addr: Addr, value: number): void {
    this.stored(STORE, addr, value);
  }

  // Read-modify-writes, for isa.ts.

  /** What a word holds, at its turn. */
  protected before(operation: number, addr: Addr): number {
    if (!this.isExempt(addr)) {
      if (--this.left < 0) this.turn(operation, addr);
      if (this.weakness > 0) {
        this.gate.buffers.flush(this.gate.id);
        this.gate.buffers.orderLoads(this.gate.id);
      }
    }
    return this.words[addr >>> 2] ?? outside(addr);
  }

  /** It is written. @returns what it held */
  protected wrote(operation: number, addr: Addr, before: number, value: number): number {
    if (this.isExempt(addr)) this.memory.scribble(addr >>> 2, value);
    else {
      this.commit(addr, value);
      this.note(operation, addr, value, before);
    }
    return before;
  }

  /** It is not. @returns what it holds */
  protected failed(operation: number, addr: Addr, before: number): number {
    if (!this.isExempt(addr)) this.note(operation, addr, before, 0);
    return before;
  }

  // Fences.

  private fence(operation: number): void {
    if (--this.left < 0) this.turn(operation, 0);
    const { buffers, id } = this.gate;
    if (this.weakness > 0) {
      if (operation === MB) buffers.flush(id);
      if (operation === WMB) buffers.orderStores(id);
      if (operation !== WMB) buffers.orderLoads(id);
    }
    this.note(operation, 0, 0, 0);
  }

  mb(): void {
    this.fence(MB);
  }
  rmb(): void {
    this.fence(RMB);
  }
  wmb(): void {
    this.fence(WMB);
  }

  // Annotations.

  queued(lock: Addr): void {
    this.annotate(QUEUED, lock, 0);
    this.onQueued(lock);
  }
  published(addr: Addr): void {
    this.remark(PUBLISHED, addr, 0);
  }
  consumed(addr: Addr): void {
    if (this.weakness === 2) this.gate.buffers.orderLoads(this.gate.id);
    this.remark(CONSUMED, addr, 0);
  }
  gracePeriod(id: number): void {
    this.remark(GRACE_PERIOD, 0, id);
  }
  dataRace<T>(fn: () => T): T {
    this.remark(RACE_BEGIN, 0, 0);
    try {
      return fn();
    } finally {
      this.remark(RACE_END, 0, 0);
    }
  }
}
