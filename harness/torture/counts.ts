/**
 * Reads what the CPUs have counted so far. They go on counting meanwhile; each counter is read for itself.
 */
import { WaitRecord } from '../../src/arch/index.ts';
import { CpuArea, type Machine } from '../../src/memory/index.ts';
import { AGES, Control, CpuLine, cpuLine } from './area.ts';
import type { CpuCounts } from './result.ts';
import type { TortureSetup } from './setup.ts';

/** The counters of one CPU. */
export function countsOf(machine: Machine, setup: TortureSetup, cpu: number): CpuCounts {
  const { words } = machine;
  const line = cpuLine(setup.area, cpu);
  const record = machine.areaOf(cpu) + CpuArea.waitRecord;
  const one = (offset: number): number => Atomics.load(words, (line + offset) >>> 2);
  const two = (offset: number): number => (one(offset) >>> 0) + (one(offset + 4) >>> 0) * 2 ** 32;
  return {
    cpu,
    writes: two(CpuLine.writes),
    reads: two(CpuLine.reads),
    tries: two(CpuLine.tries),
    tryFails: two(CpuLine.tryFails),
    retries: two(CpuLine.retries),
    contended: two(CpuLine.contended),
    handoffs: two(CpuLine.handoffs),
    ages: Array.from({ length: AGES }, (_, age) => two(CpuLine.ages + 8 * age)),
    gracePeriods: two(CpuLine.gracePeriods),
    floods: two(CpuLine.floods),
    overtakenMax: one(CpuLine.overtakenMax),
    readersMax: one(CpuLine.readersMax),
    downgrades: one(CpuLine.downgrades),
    upgrades: one(CpuLine.upgrades),
    longHolds: one(CpuLine.longHolds),
    parks: Atomics.load(words, (record + WaitRecord.parks) >>> 2) >>> 0,
    woken: Atomics.load(words, (record + WaitRecord.woken) >>> 2) >>> 0,
    wakes: Atomics.load(words, (record + WaitRecord.wakes) >>> 2) >>> 0,
    overslept: Atomics.load(words, (record + WaitRecord.overslept) >>> 2) >>> 0,
  };
}

/** The counters of all CPUs. */
export function allCounts(machine: Machine, setup: TortureSetup): CpuCounts[] {
  return Array.from({ length: machine.cpus }, (_, cpu) => countsOf(machine, setup, cpu));
}

/** Reads and writes of all CPUs. */
export function acquisitions(counts: readonly CpuCounts[]): number {
  return counts.reduce((sum, { writes, reads }) => sum + writes + reads, 0);
}

/** Rounds begun. */
export function roundsBegun(machine: Machine, setup: TortureSetup): number {
  return Atomics.load(machine.words, (setup.area.control + Control.round) >>> 2);
}
