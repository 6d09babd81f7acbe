/**
 * What a CPU runs: the contract between the worker entry, which knows no program, and the programs (torture clients, benchmarks), which know
 * no worker. A program is a module with an exported `boot`; the pool names it by URL.
 */
import type { MessagePort } from 'node:worker_threads';
import type { Cpu, Machine } from '../../src/memory/index.ts';
import type { HardwareOptions } from './hardware.ts';

/** What a program gets to boot with. */
export interface BootContext {
  readonly machine: Machine;
  readonly id: number;
  /** What the main thread passed for all CPUs. */
  readonly setup: unknown;
  /** Takes up the CPU; once. */
  attach(options?: Partial<HardwareOptions>): Cpu;
}

/** A booted program. */
export interface Runner {
  /** Runs until it is done; blocks the thread if it likes. */
  run(): void | Promise<void>;
  /** What it has to say after a run; survives structured clone. */
  collect?(): unknown;
}

/** The exports of a program module. */
export interface Program {
  boot(context: BootContext): Runner | Promise<Runner>;
}

/** The task of one CPU thread; survives structured clone. */
export interface CpuTask {
  readonly machine: Machine['handle'];
  readonly id: number;
  readonly port: MessagePort;
  readonly options: Partial<HardwareOptions>;
}

/** What a CPU thread offers between runs, over its own port. */
export interface Control {
  /** Imports and boots the program. */
  load(program: string, setup: unknown): Promise<void>;
  run(): Promise<void>;
  collect(): Promise<unknown>;
  /** Takes the CPU offline and ends the task. */
  leave(): Promise<void>;
}
