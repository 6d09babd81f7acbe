/**
 * CPUs that come and go. Without hotplug it just runs all CPUs to the end; with it, every so often one CPU leaves (its task returns, its thread
 * stays) and the one that was away comes back and boots the program anew.
 */
import type { Machine } from '../../src/memory/index.ts';
import { CpuDied, type CpuPool } from '../cpus/pool.ts';
import { reason, stackOf } from '../plugin/errors.ts';
import { CpuLine, cpuLine } from './area.ts';
import type { TortureParams } from './params.ts';
import type { TortureSetup } from './setup.ts';

/** An operation of the lock threw on a CPU. */
export class CpuThrew extends Error {
  readonly code = 'ECPUTHREW';
  readonly cpu: number;
  /** @param thrown whatever it was: a user's code may throw what is no error */
  constructor(cpu: number, thrown: unknown) {
    super(`CPU ${cpu} threw ${reason(thrown)}`, { cause: thrown });
    this.name = 'CpuThrew';
    this.cpu = cpu;
    this.stack = stackOf(thrown);
  }
}

/** The membership of one run. */
export class Hotplug {
  private readonly pool: CpuPool;
  private readonly machine: Machine;
  private readonly setup: TortureSetup;
  private readonly every: number;
  private readonly running = new Map<number, Promise<void>>();
  private next: number;
  private away: number | undefined;
  private change: Promise<void> | undefined;
  private turn = 0;
  /** How often a CPU has left and come back. */
  cycles = 0;

  constructor(pool: CpuPool, machine: Machine, setup: TortureSetup, params: TortureParams) {
    this.pool = pool;
    this.machine = machine;
    this.setup = setup;
    this.every = params.hotplug;
    this.next = params.hotplug;
  }

  /** Whether a CPU is on its way out or in: the others may wait for it meanwhile. */
  get changing(): boolean {
    return this.change !== undefined;
  }

  /** Runs every CPU, and whoever joins later, to the end. */
  async runAll(): Promise<void> {
    for (let cpu = 0; cpu < this.machine.cpus; cpu += 1) this.start(cpu);
    while (this.running.size > 0 || this.change) {
      await Promise.all([...this.running.values(), this.change]);
      for (const [cpu, run] of this.running) if (await settled(run)) this.running.delete(cpu);
    }
  }

  private start(cpu: number): void {
    const run = this.pool.run(cpu).catch((error: unknown) => {
      throw error instanceof CpuDied ? error : new CpuThrew(cpu, error);
    });
    this.running.set(cpu, run);
  }

  /** Begins a change when it is time for one. */
  tick(now: number): void {
    if (this.every === 0 || this.change || now < this.next || this.machine.cpus < 2) return;
    this.next = now + this.every;
    const change = this.away === undefined ? this.leave() : this.join(this.away);
    this.change = change.finally(() => {
      this.change = undefined;
    });
    this.change.catch(() => {});
  }

  private async leave(): Promise<void> {
    this.turn = (this.turn + 1) % this.machine.cpus;
    const cpu = this.turn;
    this.machine.boot.store(cpuLine(this.setup.area, cpu) + CpuLine.leaves, 1);
    await this.running.get(cpu);
    this.running.delete(cpu);
    if (this.machine.boot.load(cpuLine(this.setup.area, cpu) + CpuLine.active) !== 0) return;
    await this.pool.leave(cpu);
    this.away = cpu;
  }

  private async join(cpu: number): Promise<void> {
    await this.pool.join(cpu);
    this.away = undefined;
    this.cycles += 1;
    this.start(cpu);
  }

  /** The last meeting may be over before a CPU that joins has asked to: lets it go. */
  release(): void {
    if (this.every === 0) return;
    for (let cpu = 0; cpu < this.machine.cpus; cpu += 1)
      this.machine.boot.storeWake(cpuLine(this.setup.area, cpu) + CpuLine.active, 1);
  }
}

async function settled(run: Promise<void>): Promise<boolean> {
  const pending = Symbol('pending');
  return (await Promise.race([run, Promise.resolve(pending)])) !== pending;
}
