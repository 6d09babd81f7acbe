/**
 * The watchdog: tells a machine that is stuck from one that is slow. It runs on the main thread, which never blocks, and reads memory only.
 *
 * Proven deadlock. Every online CPU says in its wait record that it is blocked without a timeout, and two looks, a tenth of a second apart, find all
 * records unchanged (each counts its changes). For a CPU in `spinWhile` the word it waits for still has the value it waits on: it cannot leave. For a
 * CPU in `wait` a notify must come, and there is nobody left to send one; whether it is truly asleep, and not woken and waiting for a core, is
 * asked of the futex: notifying the word answers how many slept there. If that is every one of them the proof is complete, and stands however slow
 * the machine is. It also wakes them, and a lock that has lost a wake-up may then go on, so a witness can look at them before. If not, the notify was a spurious wake-up, which a futex may always have, and the watch goes on.
 *
 * Stall. No CPU's heartbeat has moved for `stallAfter` while this thread's own timer was on time, and after one more confirming period still none has.
 * If the timer was late the whole process was stopped, or starved, and the count starts again.
 *
 * One CPU that starves while others get on is no stall: a lock is judged on what it promises.
 */
import { type Addr, BLOCKED_NO, BLOCKED_SPIN, BLOCKED_WAIT, WaitRecord } from '../../src/arch/index.ts';
import { CPU_ONLINE, CpuArea, MAX_HELD, type Machine, MODE_READ } from '../../src/memory/index.ts';

/** A lock in a report. */
export interface HeldLock {
  readonly lock: Addr;
  readonly mode: 'read' | 'write';
}

/** What one CPU was doing. */
export interface CpuState {
  readonly cpu: number;
  readonly thread: number;
  readonly online: boolean;
  readonly generation: number;
  readonly heartbeat: number;
  /** In `spinWhile`, in `wait`, or running. */
  readonly blocked: 'no' | 'spinWhile' | 'wait';
  /** The word it is blocked on, the value it waits on, what the word holds. */
  readonly addr: Addr;
  readonly value: number;
  readonly now: number;
  readonly endless: boolean;
  readonly seq: number;
  readonly waitsFor: HeldLock | undefined;
  readonly held: readonly HeldLock[];
}

/** A machine that does not get on. */
export interface Stall {
  /** `deadlock` is proven; `stall` is silence for as long as was allowed. */
  readonly kind: 'deadlock' | 'stall';
  /** Whether a CPU sleeps in `wait` for a notify that cannot come. */
  readonly asleep: boolean;
  readonly cpus: readonly CpuState[];
  /** Milliseconds since the last sign of life. */
  readonly silent: number;
}

const BLOCKED = ['no', 'spinWhile', 'wait'] as const;

/** Reads what a CPU says of itself; may be stale by a moment. */
export function stateOf(machine: Machine, cpu: number): CpuState {
  const { words } = machine;
  const area = machine.areaOf(cpu);
  const at = (offset: number): number => Atomics.load(words, (area + offset) >>> 2);
  const kind = at(CpuArea.waitRecord + WaitRecord.blocked);
  const addr = at(CpuArea.waitRecord + WaitRecord.addr);
  const wanted = at(CpuArea.waitingFor);
  const mode = (raw: number): HeldLock['mode'] => (raw === MODE_READ ? 'read' : 'write');
  const held = Array.from({ length: Math.min(at(CpuArea.held), MAX_HELD) }, (_, index) => ({
    lock: at(CpuArea.heldLocks + 8 * index),
    mode: mode(at(CpuArea.heldLocks + 8 * index + 4)),
  }));
  return {
    cpu,
    thread: at(CpuArea.thread),
    online: at(CpuArea.state) === CPU_ONLINE,
    generation: at(CpuArea.generation),
    heartbeat: at(CpuArea.heartbeat),
    blocked: BLOCKED[kind] ?? 'no',
    addr,
    value: at(CpuArea.waitRecord + WaitRecord.value),
    now: kind === BLOCKED_NO ? 0 : Atomics.load(words, addr >>> 2),
    endless:
      kind === BLOCKED_SPIN || (kind === BLOCKED_WAIT && at(CpuArea.waitRecord + WaitRecord.endless) !== 0),
    seq: at(CpuArea.waitRecord + WaitRecord.seq),
    waitsFor: wanted === 0 ? undefined : { lock: wanted, mode: mode(at(CpuArea.waitingMode)) },
    held,
  };
}

/** Milliseconds between two looks that must agree. */
const LOOK_APART = 100;
/** A timer that comes this late tells of a stopped or starved process. */
const LATE = 1000;

/** What a watchdog can be told. */
export interface WatchdogOptions {
  /** Whether a machine whose CPUs are all blocked is just waiting for the main thread. */
  readonly expected?: () => boolean;
  /** Looks at CPUs that seem to be in a deadlock, before the proof wakes those that sleep. */
  readonly witness?: (cpus: readonly CpuState[]) => Promise<unknown>;
}

/** Watches one machine. Call `look` from a timer every 20 to 50 ms. */
export class Watchdog {
  private readonly machine: Machine;
  private readonly stallAfter: number;
  private readonly options: WatchdogOptions;
  private testimony: { readonly of: readonly CpuState[]; heard: boolean } | undefined;
  private lastLook: number;
  private lastLife: number;
  private beats: readonly number[] = [];
  private frozen: readonly CpuState[] | undefined;
  private frozenAt = 0;
  private confirming = false;

  /** @param stallAfter milliseconds */
  constructor(machine: Machine, stallAfter: number, options: WatchdogOptions = {}) {
    this.machine = machine;
    this.stallAfter = stallAfter;
    this.options = options;
    this.lastLook = performance.now();
    this.lastLife = this.lastLook;
  }

  /** Starts the count of silence anew. */
  alive(): void {
    this.lastLife = performance.now();
    this.confirming = false;
    this.frozen = undefined;
  }

  /** Looks once; answers when the machine is stuck. */
  look(): Stall | undefined {
    const now = performance.now();
    const late = now - this.lastLook > LATE;
    this.lastLook = now;
    const cpus = Array.from({ length: this.machine.cpus }, (_, cpu) => stateOf(this.machine, cpu)).filter(
      (state) => state.online,
    );
    if (late || cpus.length === 0) {
      this.alive();
      return undefined;
    }
    const beats = cpus.map((state) => state.heartbeat + 2 ** 32 * state.generation);
    const moved = beats.length !== this.beats.length || beats.some((beat, at) => beat !== this.beats[at]);
    this.beats = beats;
    if (moved) {
      this.alive();
      return undefined;
    }
    const silent = now - this.lastLife;
    if (!this.options.expected?.() && this.proves(cpus, now)) {
      return { kind: 'deadlock', asleep: cpus.some((state) => state.blocked === 'wait'), cpus, silent };
    }
    if (silent < this.stallAfter) return undefined;
    if (!this.confirming) {
      // One more period, so that a machine that was merely slow to be scheduled can show a sign of life.
      this.confirming = true;
      this.lastLife = now - this.stallAfter + Math.min(1000, this.stallAfter / 2);
      return undefined;
    }
    return { kind: 'stall', asleep: cpus.some((state) => state.blocked === 'wait'), cpus, silent };
  }

  private proves(cpus: readonly CpuState[], now: number): boolean {
    const stuck = cpus.every(
      (state) => state.endless && (state.blocked === 'wait' || state.now === state.value),
    );
    if (!stuck) {
      this.frozen = undefined;
      return false;
    }
    const before = this.frozen;
    const same =
      before?.length === cpus.length &&
      before.every((old, at) => old.cpu === cpus[at]?.cpu && old.seq === cpus[at]?.seq);
    if (!same) {
      this.frozen = cpus;
      this.frozenAt = now;
      return false;
    }
    if (now - this.frozenAt < LOOK_APART || !this.heard(before)) return false;
    this.frozen = undefined;
    return this.allAsleep(cpus);
  }

  /** Whether the witness has looked at these CPUs. */
  private heard(of: readonly CpuState[]): boolean {
    const { witness } = this.options;
    if (!witness) return true;
    if (this.testimony?.of !== of) {
      const testimony = { of, heard: false };
      const hear = (): void => {
        testimony.heard = true;
      };
      this.testimony = testimony;
      witness(of).then(hear, hear);
    }
    return this.testimony.heard;
  }

  /** Asks the futex of each word how many slept there. */
  private allAsleep(cpus: readonly CpuState[]): boolean {
    const sleepers = new Map<Addr, number>();
    for (const state of cpus)
      if (state.blocked === 'wait') sleepers.set(state.addr, (sleepers.get(state.addr) ?? 0) + 1);
    let all = true;
    for (const [addr, count] of sleepers) {
      // CPUs in spinWhile on the same word may sleep there too; then only everybody together is proof. They look again and go back.
      const parked = cpus.filter((state) => state.blocked === 'spinWhile' && state.addr === addr).length;
      if (Atomics.notify(this.machine.words, addr >>> 2) < count + parked) all = false;
    }
    return all;
  }
}
