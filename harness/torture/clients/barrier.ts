/**
 * Torture client of barriers: each CPU writes its phase to its own line, waits at the barrier, and must then find every other CPU in the same phase or
 * one further (it may already have gone on). A CPU found behind was lapped, one further ahead laps. At rest one CPU a phase
 * has been told to be the leader.
 */
import type { BarrierOps } from '../../../src/locking/kinds.ts';
import { CpuLine, cpuLine, Data } from '../area.ts';
import type { Bench, Client, ClientOptions } from './context.ts';

/** Creates the client of one CPU. */
export function barrierClient(bench: Bench, options: ClientOptions<'barrier'>): Client {
  const { lock } = options;
  const ops: BarrierOps = options.ops;
  const { isa, cpu, data, line } = bench;
  let phase = 0;

  function step(): void {
    phase = (phase + 1) | 0;
    bench.save(line + CpuLine.phase, phase);
    bench.dawdle();
    const leader = ops.wait(lock);
    bench.acquiredOnce();
    for (let other = 0; other < cpu.count; other += 1) {
      const theirs = bench.load(cpuLine(bench.area, other) + CpuLine.phase);
      const ahead = (theirs - phase) | 0;
      if (ahead < 0 || ahead > 1) bench.report('lapped', { other, expected: phase, got: theirs });
    }
    if (leader) isa.fetchAdd(data + Data.leaders, 1);
    bench.count(CpuLine.writes);
  }

  function rest(): void {
    // Counted over all rounds: another CPU may have led the last one, but all are in the same phase.
    const leaders = isa.load(data + Data.leaders);
    if (leaders !== phase)
      bench.report('leaders', { addr: data + Data.leaders, expected: phase, got: leaders });
    isa.store(data + Data.leaders, phase);
  }

  return { step, rest };
}
