/**
 * What blocks in the gated instruction set: spinning until a word differs, futex waits and wake-ups, yielding.
 *
 * A CPU that cannot go on says so to the gate, which gives the turn to another one; it comes back when a transition lets it go on, and only then does it look
 * again. A futex wait ends by `notify`, by its timeout in virtual time or spuriously, never because the word has changed. `spinWhile` ends when the look that is made at
 * a turn sees another value: two equal looks are not waiting, for in between nobody was asked.
 */
import {
  type Addr,
  WAIT_NOT_EQUAL,
  WAIT_TIMED_OUT,
  WAIT_WOKEN,
  type WaitResult,
} from '../../../src/arch/index.ts';
import { outside } from '../../../src/arch/isa.ts';
import { OP } from '../trace.ts';
import { GatedAccess, PRIME, WouldBlock } from './access.ts';
import { HEURISTICS, Head, Line, SLEEPING, SPINNING } from './layout.ts';

const STORE_WAKE = OP.storeWake!;
const STORE_WAKE_ONE = OP.storeWakeOne!;
const SPIN_WHILE = OP.spinWhile!;
const SPIN_WHILE_ANY = OP.spinWhileAny!;
const SPIN_BRIEFLY = OP.spinBriefly!;
const WAIT = OP.wait!;
const WAIT_END = OP.waitEnd!;
const NOTIFY = OP.notify!;
const PAUSE = OP.pause!;
const BLOCKED = OP.blocked!;
/** Nanoseconds of virtual time that an access takes. */
export const NS_PER_STEP = 10;
/** The longest timeout in nanoseconds: virtual time is a word of steps. */
const MAX_TIMEOUT = 1e10;

/** Loads and stores, and waiting. */
export class GatedWaiting extends GatedAccess {
  /** Blocks until the word differs; the quota then counts from the look that saw it. */
  spinWhile(addr: Addr, value: number): number {
    const old = value | 0;
    for (;;) {
      const now = this.look(SPIN_WHILE, addr);
      if (now !== old) {
        this.note(SPIN_WHILE, addr, now, 0);
        return now;
      }
      this.block(SPINNING, BLOCKED, addr, old, 'spinWhile');
    }
  }

  private look(operation: number, addr: Addr): number {
    if (--this.left < 0) this.turn(operation, addr);
    if (this.weakness === 0) return this.words[addr >>> 2] ?? outside(addr);
    const value = this.gate.buffers.seen(this.gate.id, addr) ?? outside(addr);
    this.gate.buffers.orderLoads(this.gate.id);
    return value;
  }

  private block(status: number, operation: number, addr: Addr, value: number, what: string): void {
    if (this.direct) throw new WouldBlock(what, addr);
    this.remark(BLOCKED, addr, value);
    const used = this.used;
    this.left = -1;
    this.granted = 0;
    this.granted = this.gate.block(status, operation, addr, value, used);
    this.left = this.granted;
    if (this.gate.w[this.gate.mine + (Line.interrupt >>> 2)] !== 0) this.interrupt();
  }

  spinWhileAny(pairs: readonly number[]): number {
    for (;;) {
      for (let at = 0; at < pairs.length; at += 2) {
        const now = this.look(SPIN_WHILE_ANY, pairs[at]!);
        if (now === (pairs[at + 1]! | 0)) continue;
        this.note(SPIN_WHILE_ANY, pairs[at]!, now, 0);
        return at >> 1;
      }
      if (this.direct) throw new WouldBlock('spinWhileAny', pairs[0]!);
      this.pause();
    }
  }

  spinBriefly(addr: Addr, _value: number): number {
    const now = this.look(SPIN_BRIEFLY, addr);
    this.note(SPIN_BRIEFLY, addr, now, 0);
    return now;
  }

  wait(addr: Addr, value: number, timeout?: number): WaitResult {
    if (--this.left < 0) this.turn(WAIT, addr);
    const { gate } = this;
    if (this.weakness > 0) {
      gate.buffers.flush(gate.id);
      gate.buffers.orderLoads(gate.id);
    }
    const now = this.words[addr >>> 2] ?? outside(addr);
    this.note(WAIT, addr, now, 0);
    if (!this.tracing) this.annotate(WAIT, addr, now);
    if (now !== (value | 0)) return WAIT_NOT_EQUAL;
    const { w, mine } = gate;
    w[mine + (Line.ticket >>> 2)] = gate.get(Head.tickets);
    gate.set(Head.tickets, gate.get(Head.tickets) + 1);
    w[mine + (Line.wokenBy >>> 2)] = 0;
    w[mine + (Line.deadline >>> 2)] =
      timeout === undefined
        ? 0
        : Math.max(1, gate.now + Math.ceil(Math.min(timeout, MAX_TIMEOUT) / NS_PER_STEP));
    gate.relied(timeout === undefined ? HEURISTICS.slept : HEURISTICS.slept | HEURISTICS.timed);
    this.block(SLEEPING, BLOCKED, addr, value | 0, 'wait');
    const by = w[mine + (Line.wokenBy >>> 2)]!;
    const late = w[mine + (Line.deadline >>> 2)] === -1;
    w[mine + (Line.deadline >>> 2)] = 0;
    const result = by === 0 && late ? WAIT_TIMED_OUT : WAIT_WOKEN;
    this.hash = Math.imul(this.hash ^ result, PRIME);
    if (this.tracing) this.recordAs(gate.id, WAIT_END, addr, by, result);
    return result;
  }

  notify(addr: Addr, count: number): number {
    if (--this.left < 0) this.turn(NOTIFY, addr);
    const woken = this.direct ? 0 : this.gate.notify(addr, count);
    this.note(NOTIFY, addr, woken, 0);
    return woken;
  }

  /**
   * A CPU in `spinWhile` sees a changed word by itself, so this ends no wait. On hardware it might have parked: that whoever changed the word has also
   * called this is kept, for a CPU that went on without it would have slept on.
   */
  wake(addr: Addr, _count: number): void {
    if (!this.direct) this.gate.pay(addr);
  }

  pause(): void {
    if (this.direct) return;
    const used = this.used;
    this.left = -1;
    this.granted = 0;
    this.granted = this.gate.yield(PAUSE, used);
    this.left = this.granted;
    if (this.gate.w[this.gate.mine + (Line.interrupt >>> 2)] !== 0) this.interrupt();
  }

  storeWake(addr: Addr, value: number): void {
    this.stored(STORE_WAKE, addr, value);
    this.wake(addr, -1);
  }
  storeWakeOne(addr: Addr, value: number): void {
    this.stored(STORE_WAKE_ONE, addr, value);
    this.wake(addr, 1);
  }
}
