/**
 * Interrupts between CPUs: TLB shootdowns, collapse synchronisation, anything one CPU must have others do.
 *
 *   call word (sender, target)   0: nothing; 1: the sender's call waits for the target
 *   pending (target)             bit s % 32: some sender s has a call for the target
 *
 * The sender writes vector and arguments to its own area, sets the call word of each target, then the target's pending bit. The target takes all
 * pending bits at once, then looks at the call words of the senders they stand for, runs the handler and clears the call word, which is the
 * acknowledgement. Arguments are written before the call word (sequentially consistent store) and reused only after every acknowledgement, so
 * a handler never sees those of another call.
 *
 * Delivery happens where interrupts become enabled, in every waiting loop and at `serve`. A blocked target is woken by a notify on the word
 * that its wait record names; the sender repeats that, since the first one may come just before the target sleeps. While it waits it serves
 * its own mailbox: two CPUs that call each other do not hang.
 *
 * A handler that throws has been called, and is acknowledged. Its error comes out of `serve` when everybody's calls are done; during a call of the CPU's
 * own, out of that call when it has all its answers: otherwise the calls of others would be lost.
 *
 * A CPU that leaves serves once more and then goes offline; it never looks again, so a sender that finds the target offline takes its own
 * call back.
 */
import { type Addr, type Isa, WaitRecord } from '../arch/index.ts';
import { CPU_OFFLINE, CpuArea, callWord, cpuArea } from './layout.ts';

/** What a CPU does when it is interrupted. */
export type InterruptHandler = (first: number, second: number, sender: number) => void;

/** What interrupts need to know of their CPU. */
interface Self {
  readonly id: number;
  readonly count: number;
  readonly area: Addr;
}

const NUDGE = 50_000;

/** The mailbox of one CPU. */
export class Interrupts {
  private readonly isa: Isa;
  private readonly self: Self;
  private readonly handlers: (InterruptHandler | undefined)[] = Array.from({ length: 32 });
  /** What handlers threw during a call of this CPU's own. */
  private thrown: { readonly error: unknown } | undefined;

  constructor(isa: Isa, self: Self) {
    this.isa = isa;
    this.self = self;
  }

  on(vector: number, handler: InterruptHandler): void {
    this.check(vector, []);
    this.handlers[vector] = handler;
  }

  disable(): void {
    const off = this.self.area + WaitRecord.irqOff;
    this.isa.write(off, this.isa.read(off) + 1);
  }

  enable(): void {
    const { isa } = this;
    const off = this.self.area + WaitRecord.irqOff;
    if (isa.read(off) === 0) throw new Error(`CPU ${this.self.id} enables interrupts that are not disabled`);
    isa.write(off, isa.read(off) - 1);
    this.serve();
  }

  serve(): void {
    const { isa, self } = this;
    if (isa.read(self.area + WaitRecord.irqOff) !== 0) return;
    if (isa.load(self.area + WaitRecord.irqPending) === 0) return;
    this.disable();
    let thrown: { readonly error: unknown } | undefined;
    for (;;) {
      const pending = isa.exchange(self.area + WaitRecord.irqPending, 0);
      if (pending === 0) break;
      for (let sender = 0; sender < self.count; sender += 1) {
        if ((pending & (1 << (sender & 31))) === 0) continue;
        const word = callWord(self.count, sender, self.id);
        if (isa.load(word) === 0) continue;
        const from = cpuArea(sender);
        const vector = isa.load(from + CpuArea.callVector);
        const handler = this.handlers[vector];
        try {
          handler?.(isa.load(from + CpuArea.callFirst), isa.load(from + CpuArea.callSecond), sender);
        } catch (error) {
          thrown ??= { error };
        }
        isa.storeWake(word, 0);
      }
    }
    const off = self.area + WaitRecord.irqOff;
    isa.write(off, isa.read(off) - 1);
    if (thrown === undefined) return;
    if (isa.read(self.area + CpuArea.inCall) === 0) throw thrown.error;
    this.thrown ??= thrown;
  }

  private check(vector: number, targets: readonly number[]): void {
    if (!Number.isInteger(vector) || vector < 0 || vector > 31)
      throw new RangeError(`interrupt vectors are 0 to 31, not ${vector}`);
    for (const target of targets) {
      if (!Number.isInteger(target) || target < 0 || target >= this.self.count)
        throw new RangeError(
          `there is no CPU ${target} to call: this machine has 0 to ${this.self.count - 1}`,
        );
    }
  }

  call(targets: readonly number[], vector: number, first: number, second: number): number {
    const { isa, self } = this;
    this.check(vector, targets);
    if (isa.read(self.area + CpuArea.inCall) !== 0)
      throw new Error(`CPU ${self.id} is already waiting for a call of its own`);
    // It could not serve its own mailbox meanwhile: two CPUs that do this to each other would wait for ever.
    if (isa.read(self.area + WaitRecord.irqOff) !== 0)
      throw new Error(`CPU ${self.id} calls others with its own interrupts off`);
    isa.write(self.area + CpuArea.inCall, 1);
    this.thrown = undefined;
    isa.store(self.area + CpuArea.callVector, vector);
    isa.store(self.area + CpuArea.callFirst, first);
    isa.store(self.area + CpuArea.callSecond, second);
    const called = [...new Set(targets)].filter(
      (target) => target !== self.id && isa.load(cpuArea(target) + CpuArea.state) !== CPU_OFFLINE,
    );
    for (const target of called) {
      isa.store(callWord(self.count, self.id, target), 1);
      isa.fetchOr(cpuArea(target) + WaitRecord.irqPending, 1 << (self.id & 31));
      this.nudge(target);
    }
    let answered = 0;
    for (const target of called) answered += this.waitFor(target);
    isa.write(self.area + CpuArea.inCall, 0);
    // Assigned by `serve`, which the wait runs through the engine.
    const thrown = this.thrown as { readonly error: unknown } | undefined;
    if (thrown !== undefined) throw thrown.error;
    return answered;
  }

  private waitFor(target: number): number {
    const { isa, self } = this;
    const word = callWord(self.count, self.id, target);
    for (let spins = 0; ; spins += 1) {
      if (isa.load(word) === 0) return 1;
      isa.pause();
      if (spins < 1000) continue;
      if (isa.load(cpuArea(target) + CpuArea.state) === CPU_OFFLINE) {
        // It will not look again; whether it had answered is in the word.
        return isa.exchange(word, 0) === 0 ? 1 : 0;
      }
      this.nudge(target);
      isa.wait(word, 1, NUDGE);
    }
  }

  private nudge(target: number): void {
    const { isa } = this;
    const record = cpuArea(target);
    if (isa.load(record + WaitRecord.blocked) !== 0) isa.notify(isa.load(record + WaitRecord.addr), -1);
  }
}
