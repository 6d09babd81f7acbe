/**
 * The hardware engine: the thread becomes a CPU whose every access is the machine's own instruction, at full speed and in parallel. What
 * the library's `attach` cannot know without asking the host is filled in here: the processor's ordering.
 */
import { threadId } from 'node:worker_threads';
import {
  type AttachOptions,
  type Cpu,
  CpuArea,
  Machine,
  type MachineHandle,
} from '../../src/memory/index.ts';

/** Options of a CPU on the hardware engine. */
export type HardwareOptions = AttachOptions;

/** Attaches this thread to the machine as CPU `id`. */
export function attachHardware(machine: Machine, id: number, options: HardwareOptions): Cpu {
  const cpu = machine.attach(id, {
    strongOrder: process.arch === 'x64' || process.arch === 'ia32',
    ...options,
  });
  cpu.isa.write(cpu.area + CpuArea.thread, threadId);
  return cpu;
}

/** The machine behind a handle, as this thread sees it. */
export function machineOf(handle: MachineHandle): Machine {
  return new Machine(handle);
}
