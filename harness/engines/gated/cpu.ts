/**
 * A CPU of the gated engine. It differs from any other in its instruction set, in its time, which is counted in accesses, and in that what it does
 * with locks goes into the trace.
 */
import { WasmIsa, type WasmMemory } from '../../../src/arch/index.ts';
import { Cpu, type Machine } from '../../../src/memory/index.ts';
import { annotateLocks } from '../locks.ts';
import { NS_PER_STEP } from './access.ts';
import { Gate } from './gate.ts';
import { GatedIsa } from './isa.ts';
import { type GateArea, HEURISTICS } from './layout.ts';
import { Memory } from './memory.ts';
import type { Policy } from './policy.ts';

/** Rounds of 2,000 loads that a CPU spins for its turn where it has a core to itself: longer than a wake-up takes. */
const SPIN_ROUNDS = 100;

/** What the CPUs of a gate share; survives structured clone. */
export interface GateHandle {
  readonly memory: WasmMemory;
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
    annotateLocks(this, (op, lock, mode) => isa.annotate(op, lock, mode));
  }

  /** The next number of this CPU's stream; what an execution does may depend on its seed from here on. */
  override random(): number {
    this.gated.gate.relied(HEURISTICS.random);
    return super.random();
  }

  /** Virtual time in nanoseconds: accesses made, by all CPUs, and the time that was jumped over. */
  override now(): number {
    return (this.gated.gate.now + this.gated.used) * NS_PER_STEP;
  }
}

/** Attaches this thread to the machine as a gated CPU. */
export function attachGated({ machine, handle, id, policies, queued }: GatedCpuOptions): GatedCpu {
  const hand = new WasmIsa({
    memory: handle.memory,
    record: handle.area.records + id * 128,
    waiting: handle.spins ? 'spin-then-park' : 'park',
    spinRounds: SPIN_ROUNDS,
  });
  const gate = new Gate({
    hand,
    machine: machine.words,
    area: handle.area,
    cpus: machine.cpus,
    id,
    policies,
  });
  const memory = new Memory(hand.words, machine.words, handle.area, machine.cpus);
  let cpu: GatedCpu | undefined;
  const isa = new GatedIsa({ gate, memory, serve: () => cpu?.serve(), queued });
  cpu = new GatedCpu(isa, id, machine.cpus, machine.words);
  return cpu;
}
