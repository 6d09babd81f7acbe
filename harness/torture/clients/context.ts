/**
 * What a torture client works with on its CPU: the lock's operations, the words they protect, the oracles that all kinds share.
 *
 * The checks themselves touch shared memory with plain or readOnce/writeOnce accesses only (rounds alternate, since a JIT may fuse plain ones):
 * an atomic would order what the lock is supposed to order.
 */
import type { Addr, Isa } from '../../../src/arch/index.ts';
import type { LockDefinition } from '../../../src/locking/define.ts';
import type { Kind, MutexOps, OpsByKind } from '../../../src/locking/kinds.ts';
import { CPU_AREA_BYTES, type Cpu, CpuArea, cpuArea, sizeOf } from '../../../src/memory/index.ts';
import {
  Control,
  CpuLine,
  cpuLine,
  Data,
  MAX_RECORDS,
  Record,
  SNAPSHOT_WORDS,
  type TortureArea,
} from '../area.ts';
import { DETAIL, DETAILS, type DetailName, ORACLES } from '../oracles.ts';
import type { TortureParams } from '../params.ts';

/** Rounds differ in these bits. */
export const Profile = {
  /** Checks access the protected words by readOnce/writeOnce, not plainly. */
  once: 1,
  /** Order and bypass are judged; costs an atomic an acquisition. */
  order: 2,
  /** Short critical sections: one word instead of four lines. */
  brief: 4,
  /** Random short delays inside. */
  delays: 8,
} as const;

const RECORD_BYTES = sizeOf(Record);
/** How often a CPU that finds nothing to do looks again. */
const LOOKS = 100;
const WAITING_FOR = cpuArea(0) + CpuArea.waitingFor;

/** `CpuLine.reading`: outside. */
export const OUTSIDE = 0;
/** `CpuLine.reading`: inside, reading. */
export const READS = 1;
/** `CpuLine.reading`: waiting to read. */
export const WANTS_READ = 2;

/** A client of one kind of lock on one CPU. */
export interface Client {
  /** One acquisition, or one episode of the kind. */
  step(): void;
  /** Before this CPU's first step of a round, and after its last. */
  begin?(): void;
  end?(): void;
  /** By one CPU while all others wait at the end of a round: is everything free and conserved? */
  rest?(): void;
  /** Whether this CPU only reads: where others only write it goes on until they have done their steps, so that they have to get past it. */
  readonly background?: boolean;
  /** Steps of a round; as many as fit the time unless given. */
  readonly steps?: number;
  /** What it works on lasts from round to round: what comes after damage says nothing, and the run ends with it. */
  readonly lasting?: boolean;
  /** By one CPU before the first round. */
  prepare?(): void;
  /** What to hand over when the run is done. */
  collect?(): unknown;
}

/** What clients are created with. */
export interface ClientOptions<K extends Kind = Kind> {
  readonly cpu: Cpu;
  readonly definition: LockDefinition<K>;
  readonly ops: OpsByKind[K];
  /** The operations without tracking. */
  readonly bare: OpsByKind[K];
  readonly lock: Addr;
  readonly nested: readonly Addr[];
  /** A correct mutex, for kinds that need one. */
  readonly mutex: MutexOps;
  readonly mutexAddr: Addr;
  readonly params: TortureParams;
  readonly area: TortureArea;
  /** What the lock was initialised with: permits, parties. */
  readonly value: number;
}

/** What all clients share on one CPU. */
export class Bench {
  readonly isa: Isa;
  readonly cpu: Cpu;
  readonly data: Addr;
  readonly control: Addr;
  readonly line: Addr;
  readonly lock: Addr;
  readonly params: TortureParams;
  readonly area: TortureArea;
  /** Bits of {@link Profile}; set by the rounds. */
  profile = 0;
  /** How often a CPU that finds nothing to do looks again, before it goes on. */
  looks = LOOKS;
  /** Told of each violation before it is recorded. */
  onReport: (() => void) | undefined;
  /** Called when this CPU notes the first violation of the run. */
  caught: (() => void) | undefined;
  /** Called by the leader of a round while all others wait, and it knows of all that they have done. */
  rests: (() => void) | undefined;
  private startStamp = 0;
  private readonly bound: number;
  private readonly fifo: boolean;
  private readonly off: readonly boolean[];
  private readonly judged: boolean;
  private first = true;

  constructor(options: ClientOptions) {
    const { cpu, area, params } = options;
    this.isa = cpu.isa;
    this.cpu = cpu;
    this.area = area;
    this.data = area.data;
    this.control = area.control;
    this.line = cpuLine(area, cpu.id);
    this.lock = options.lock;
    this.params = params;
    const { bypass } = options.definition.promises;
    this.bound = (typeof bypass === 'function' ? bypass(cpu.count) : bypass) ?? -1;
    this.fifo = options.definition.promises.fifo === true;
    this.judged = this.fifo || this.bound >= 0;
    this.off = ORACLES.map((oracle) => params.disabled.includes(oracle));
  }

  /** Adds to a 64-bit counter of this CPU. */
  count(at: Addr, by = 1): void {
    const { isa } = this;
    const low = (isa.read(this.line + at) >>> 0) + by;
    isa.write(this.line + at, low | 0);
    if (low > 0xffffffff) isa.write(this.line + at + 4, isa.read(this.line + at + 4) + 1);
  }

  /** Whether an event of this probability happens now. */
  chance(probability: number): boolean {
    return probability > 0 && this.cpu.random() < probability * 2 ** 32;
  }

  /** Whether this round checks by readOnce/writeOnce. */
  get once(): boolean {
    return (this.profile & Profile.once) !== 0;
  }

  /** Records a violation, unless its oracle is off. */
  report(name: DetailName, found: { other?: number; addr?: Addr; expected?: number; got?: number }): void {
    const { isa } = this;
    const oracle = ORACLES.indexOf(DETAILS[name].oracle);
    if (this.off[oracle]) return;
    this.onReport?.();
    isa.fetchAdd(this.control + Control.byOracle + 4 * oracle, 1);
    const at = isa.fetchAdd(this.control + Control.violations, 1);
    if (at === 0) this.caught?.();
    if (at >= MAX_RECORDS) return;
    const record = this.area.records + at * RECORD_BYTES;
    const us = this.cpu.now() / 1000;
    // A scenario has no lock: its evidence is the state that failed.
    const shown = DETAILS[name].oracle === 'check' ? (found.addr ?? this.lock) : this.lock;
    const fields: [number, number][] = [
      [Record.detail, DETAIL[name]],
      [Record.cpu, this.cpu.id],
      [Record.other, found.other ?? -1],
      [Record.addr, found.addr ?? 0],
      [Record.expected, found.expected ?? 0],
      [Record.got, found.got ?? 0],
      [Record.lock, this.lock],
      [Record.round, isa.read(this.control + Control.round)],
      [Record.microseconds, (us % 2 ** 32) | 0],
      [Record.microseconds + 4, (us / 2 ** 32) | 0],
    ];
    for (const [offset, value] of fields) isa.write(record + offset, value);
    for (let word = 0; word < SNAPSHOT_WORDS; word += 1)
      isa.write(record + Record.snapshot + 4 * word, isa.readOnce(shown + 4 * word));
    isa.store(record + Record.ready, 1);
  }

  /** The doorway annotation: this CPU's place in the order is taken now. */
  queued(lock: Addr): void {
    if (this.judged && lock === this.lock) this.queue();
  }

  private queue(): void {
    if ((this.profile & Profile.order) === 0) return;
    const { isa } = this;
    const stamp = (isa.fetchAdd(this.control + Control.clock, 1) + 1) | 0;
    isa.write(this.line + CpuLine.overtaken, 0);
    isa.store(this.line + CpuLine.queued, stamp === 0 ? 1 : stamp);
  }

  /**
   * Before an acquisition: whoever is queued by now came earlier. Locks that promise no order are measured from here, for the summary, since
   * they have no doorway.
   */
  arrives(): void {
    if ((this.profile & Profile.order) === 0) return;
    this.startStamp = this.isa.load(this.control + Control.clock);
    if (!this.judged) this.queue();
  }

  /** After a trylock that failed, or an acquisition that is not judged: this CPU is not in the order any more. */
  gaveUp(): void {
    if ((this.profile & Profile.order) !== 0) this.isa.store(this.line + CpuLine.queued, 0);
  }

  /**
   * Inside, once acquired: judges order. A CPU that drew its stamp before this one began to acquire, and is still queued, has been overtaken. It
   * draws its stamp after the doorway, so it may have been in front for longer than is seen here, never shorter: no false alarm.
   * Only CPUs that could not be inside together with this one are judged: another may have been let in and not have noticed yet.
   * @param excludes whether the CPU with these lines cannot be inside at the same time; everybody unless given
   */
  entered(excludes?: (line: Addr) => boolean): void {
    if ((this.profile & Profile.order) === 0) return;
    const { isa, cpu } = this;
    isa.store(this.line + CpuLine.queued, 0);
    const overtaken = isa.readOnce(this.line + CpuLine.overtaken);
    if (overtaken > isa.read(this.line + CpuLine.overtakenMax))
      isa.write(this.line + CpuLine.overtakenMax, overtaken);
    for (let other = 0; other < cpu.count; other += 1) {
      if (other === cpu.id) continue;
      const theirs = cpuLine(this.area, other);
      const stamp = isa.load(theirs + CpuLine.queued);
      if (stamp === 0 || ((stamp - this.startStamp) | 0) > 0) continue;
      if (excludes && !excludes(theirs)) continue;
      // What it wants was read after its stamp: if the stamp is still the same, both belong to one request.
      if (excludes && isa.load(theirs + CpuLine.queued) !== stamp) continue;
      const passed = isa.fetchAdd(theirs + CpuLine.overtaken, 1) + 1;
      if (this.fifo) this.report('overtaken', { other });
      else if (this.bound >= 0 && passed > this.bound)
        this.report('bypassed', { other, expected: this.bound, got: passed });
    }
  }

  /** A short busy delay, now and then: 1 in 50 while the profile has delays. */
  dawdle(): void {
    const { shortDelay } = this.params;
    if ((this.profile & Profile.delays) === 0 || shortDelay === 0 || !this.chance(0.02)) return;
    const until = this.cpu.now() + shortDelay * 1000 * (0.5 + this.cpu.random() / 2 ** 32);
    while (this.cpu.now() < until) this.isa.pause();
  }

  /** Whether anybody else is waiting for the lock: the holder's near miss. */
  sawContention(): void {
    const { isa, cpu } = this;
    for (let other = 0; other < cpu.count; other += 1) {
      if (other !== cpu.id && isa.readOnce(WAITING_FOR + other * CPU_AREA_BYTES) === this.lock) {
        this.count(CpuLine.contended);
        return;
      }
    }
  }

  /** The first acquisition of the run, for the start-up figure. */
  acquiredOnce(): void {
    if (!this.first) return;
    this.first = false;
    this.isa.compareExchange(
      this.control + Control.firstAcquisition,
      0,
      Math.max(1, Math.floor(performance.timeOrigin + performance.now()) % 2 ** 31),
    );
  }

  /** Address of one of the four lines of increments. */
  word(line: number): Addr {
    return this.data + Data.first + 64 * line;
  }

  load(addr: Addr): number {
    return this.once ? this.isa.readOnce(addr) : this.isa.read(addr);
  }

  save(addr: Addr, value: number): void {
    if (this.once) this.isa.writeOnce(addr, value);
    else this.isa.write(addr, value);
  }
}
