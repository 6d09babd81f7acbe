/**
 * Torture client of promise-based locks. Their hand-offs may need the event loop of any thread, so CPUs do not meet in rounds here: each acquires until
 * the run is over, yielding to its event loop in between and, now and then, while it holds the lock.
 */
import { setTimeout as sleep, setImmediate as turn } from 'node:timers/promises';
import type { AsyncMutexOps } from '../../../src/locking/kinds.ts';
import type { Runner } from '../../engines/program.ts';
import { Control, CpuLine } from '../area.ts';
import { type Bench, type ClientOptions, Profile } from './context.ts';
import { enter, leave } from './exclusive.ts';

const STEPS_OF_A_ROUND = 64;

/** Creates the runner of one CPU. */
export function asyncClient(bench: Bench, options: ClientOptions<'async-mutex'>): Runner {
  const { lock, params } = options;
  const ops: AsyncMutexOps = options.ops;
  const { isa, cpu, control } = bench;

  async function inside(): Promise<void> {
    cpu.tracking.acquired(lock, 1);
    enter(bench);
    if (bench.chance(0.1)) await turn();
    else if (bench.chance(0.01)) await sleep(1);
    bench.sawContention();
    leave(bench);
    cpu.tracking.released(lock, 1);
    bench.count(CpuLine.writes);
    cpu.beat();
  }

  async function run(): Promise<void> {
    // A pending request of the host's own locks does not keep a thread alive.
    const alive = setInterval(() => {}, 1000);
    try {
      // All at once: a lock that is set up by whoever comes first is at its weakest then.
      const come = isa.fetchAdd(control + Control.arrived, 1) + 1;
      if (come === isa.load(control + Control.expected)) isa.storeWake(control + Control.phase, 1);
      else while (isa.load(control + Control.phase) === 0) isa.spinWhile(control + Control.phase, 0);
      for (let step = 0; ; step += 1) {
        if (isa.load(control + Control.stop) !== 0) return;
        if (params.failFast && isa.load(control + Control.violations) !== 0) return;
        if (params.rounds > 0 && step >= params.rounds * STEPS_OF_A_ROUND) return;
        bench.profile = cpu.random() & Profile.once;
        cpu.tracking.waitsFor(lock, 1);
        await ops.hold(lock, inside);
        if ((step & 15) === 0) await turn();
      }
    } finally {
      clearInterval(alive);
    }
  }

  return { run };
}
