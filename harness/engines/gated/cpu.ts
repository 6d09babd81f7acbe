/**
 * A CPU of the gated engine. It differs from any other in its instruction set, in its time, which is counted in accesses, and in that what it does
 * with locks goes into the trace.
 */
import { Cpu, type InterruptHandler, type Machine, sizeOf, tagOf } from '../../../src/memory/index.ts';
import { annotateLocks } from '../locks.ts';
import { OP } from '../trace.ts';
import { Gate } from './gate.ts';
import { GatedIsa } from './isa.ts';
import { type GateArea, HEURISTICS } from './layout.ts';
import { Memory } from './memory.ts';
import type { Policy } from './policy.ts';
import { NS_PER_STEP } from './waiting.ts';

const IRQ_OFF = OP.irqOff!;
const IRQ_ON = OP.irqOn!;
const IRQ_ENTER = OP.irqEnter!;
const IRQ_EXIT = OP.irqExit!;

/** What the CPUs of a gate share; survives structured clone. */
export interface GateHandle {
  /** The scheduler's memory. */
  readonly buffer: SharedArrayBuffer;
  readonly area: GateArea;
  /** Whether every CPU has a core. */
  readonly spins: boolean;
}

/** What takes up a gated CPU. */
export interface GatedCpuOptions {
  readonly machine: Machine;
  readonly handle: GateHandle;
  readonly id: number;
  readonly policies: readonly Policy[];
  readonly queued: (lock: number) => void;
}

/** A CPU whose accesses wait for their turn. */
export class GatedCpu extends Cpu {
  readonly gated: GatedIsa;
  constructor(isa: GatedIsa, id: number, count: number, words: Int32Array<SharedArrayBuffer>) {
    super(isa, id, count, words, 1);
    this.gated = isa;
    annotateLocks(this, (op, lock, mode, traits) => isa.annotate(op, lock, mode, traits));
    const object = (name: string) => {
      const op = OP[name]!;
      return (addr: number, layout: object, slab: number): void => {
        isa.gate.usesSlab(slab);
        isa.annotate(op, addr, tagOf(layout), sizeOf(layout));
      };
    };
    Object.assign(this.tracking, { allocated: object('alloc'), freed: object('free') });
  }

  override irqDisable(): void {
    this.gated.annotate(IRQ_OFF, 0, 0);
    super.irqDisable();
  }

  override irqEnable(): void {
    // What is pending is delivered before it returns.
    this.gated.annotate(IRQ_ON, 0, 0);
    super.irqEnable();
  }

  override onInterrupt(vector: number, handler: InterruptHandler): void {
    super.onInterrupt(vector, (first, second, sender) => {
      this.gated.annotate(IRQ_ENTER, 0, sender + 1);
      try {
        handler(first, second, sender);
      } finally {
        this.gated.annotate(IRQ_EXIT, 0, sender + 1);
      }
    });
  }

  /** The next number of this CPU's stream; what an execution does may depend on its seed from here on. */
  override random(): number {
    this.gated.gate.relied(HEURISTICS.random);
    return super.random();
  }

  /** Virtual time in nanoseconds: accesses made, by all CPUs, and the time that was jumped over. */
  override now(): number {
    this.gated.gate.relied(HEURISTICS.clock);
    return (this.gated.gate.now + this.gated.used) * NS_PER_STEP;
  }
}

/** Attaches this thread to the machine as a gated CPU. */
export function attachGated({ machine, handle, id, policies, queued }: GatedCpuOptions): GatedCpu {
  const w = new Int32Array(handle.buffer);
  const gate = new Gate({
    w,
    spins: handle.spins,
    machine: machine.words,
    area: handle.area,
    cpus: machine.cpus,
    id,
    policies,
  });
  const memory = new Memory(w, machine.words, handle.area, machine.cpus);
  let cpu: GatedCpu | undefined;
  const isa = new GatedIsa({ gate, memory, serve: () => cpu?.serve(), queued });
  cpu = new GatedCpu(isa, id, machine.cpus, machine.words);
  return cpu;
}
