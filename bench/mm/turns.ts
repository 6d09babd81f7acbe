/**
 * Tasks beside each other: each on a CPU and a model of its own, a block in turn, so that what slows the machine down for a while slows all of them. One more CPU does all of them once, by an engine that
 * counts.
 */
import { traceMemory } from '../../harness/engines/traced/ring.ts';
import { createMachine, roundUp } from '../../src/memory/index.ts';
import { modelBytes } from '../../src/mm/model.ts';
import { runCrew } from '../crew.ts';
import { TASK_SPEC, type TaskOf } from './tasks.ts';
import type { Counted, Timed, TurnOrders, TurnSamples } from './turns-cpu.ts';

const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const here = (name: string): string => new URL(`./${name}${extension}`, import.meta.url).href;

/** What was found out about a task. */
export interface Taken {
  readonly ns: Timed;
  readonly counted: Counted;
  readonly problem?: string;
}

/** Measures and counts tasks. */
export async function takeTasks(
  tasks: readonly TaskOf[],
  { rounds, warmup, signal }: { rounds: number; warmup: number; signal?: AbortSignal | undefined },
): Promise<Taken[]> {
  const cpus = tasks.length + 1;
  const stride = roundUp(modelBytes(TASK_SPEC, cpus), 64);
  const bytes = 2 * tasks.length * stride;
  const machine = createMachine({ cpus, bytes: bytes + 2 ** 20 });
  const counting = { module: here('counted'), factory: 'countedEngine', args: traceMemory(cpus, false) };
  const samples = await runCrew<TurnOrders, TurnSamples>({
    machine,
    args: { first: machine.alloc(bytes), stride, tasks, rounds, warmup },
    job: { module: here('turns-cpu'), name: 'turnsCpu' },
    engine: (cpu) => (cpu < tasks.length ? 'wasm' : counting),
    deadline: 600_000,
    signal,
  });
  return tasks.map((_, at) => {
    const [timed, counted] = [samples[at]!.timed!, samples[tasks.length]!.counted![at]!];
    if ('problem' in timed) return { ns: {}, counted: {}, problem: timed.problem };
    if ('problem' in counted) return { ns: {}, counted: {}, problem: counted.problem };
    return { ns: timed.found, counted: counted.found };
  });
}
