/**
 * Torture client of workloads: each step is one operation, drawn by its weight from the CPU's own random stream. The state is set up once and never put back; at each meeting
 * the leader judges it, and the first thing that is wrong ends the run, since what follows damage says nothing.
 *
 * What was said stays with the CPU that was leader, which hands it over when the run is done; that something was is in shared memory at once.
 */
import type { RestContext, WorkloadDefinition } from '../../../src/workload.ts';
import { CpuLine } from '../area.ts';
import type { TortureSetup } from '../setup.ts';
import { settingsOf } from '../workload.ts';
import type { Bench, Client } from './context.ts';
import type { ScenarioCounts } from './scenario.ts';

const TEXTS = 8;

/** Creates the client of one CPU. */
export function workloadClient(
  bench: Bench,
  workload: WorkloadDefinition,
  { lock: state, params, counters }: TortureSetup,
): Client & { collect(): ScenarioCounts } {
  const { isa, cpu } = bench;
  const failures: string[] = [];
  const mine = counters!.first + cpu.id * counters!.stride;
  const drawn: {
    readonly run: (context: RestContext) => unknown;
    readonly upTo: number;
    readonly at: number;
  }[] = [];
  let all = 0;
  for (const [index, [name, { run }]] of Object.entries(workload.operations).entries()) {
    all += params.weights[name] ?? 0;
    drawn.push({ run, upTo: all, at: mine + 16 * index });
  }
  const context: RestContext = {
    isa,
    cpu,
    cpus: params.cpus,
    state,
    tools: workload.create(isa, cpu, state, settingsOf(params)),
    fail(what) {
      if (failures.length < TEXTS) failures.push(String(what ?? 'the check failed'));
      bench.report('checkFailed', { addr: state });
    },
  };

  function count(at: number): void {
    const low = (isa.read(at) + 1) | 0;
    isa.write(at, low);
    if (low === 0) isa.write(at + 4, isa.read(at + 4) + 1);
  }

  return {
    lasting: true,
    prepare() {
      workload.init?.(context);
    },
    step() {
      bench.acquiredOnce();
      const dice = cpu.below(all);
      const { run, at } = drawn.find(({ upTo }) => dice < upTo)!;
      const done = run(context);
      count(at);
      if (done === false) count(at + 8);
      bench.count(CpuLine.writes);
      cpu.serve();
    },
    rest() {
      workload.rest(context);
    },
    collect: () => ({
      outcomes: {},
      failures,
      undecided: 0,
      // All CPUs have stopped: one speaks for all.
      notes: cpu.id === 0 ? (workload.notes?.(context) ?? []) : [],
    }),
  };
}
