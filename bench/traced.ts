/**
 * What tracing costs: the same loops untraced, with the ring, with the exact order, with delays and with the detection of races, in one run.
 *
 * Each engine is a CPU of its own on one machine, so V8 sees one engine a thread; they take turns, a block each, and what counts is the ratio of the
 * least blocks: each is long enough for hundreds of delays, and whoever else uses the machine makes a block longer, never shorter. `access` is the mean of eight operations on a line that nobody else touches; a `round` is an acquisition and a release of a
 * free lock with an increment inside. The detection of races is measured as two CPUs have it.
 *
 * `contended` rounds are those of two CPUs at one lock, a pair untraced and a pair watched for races, which take turns, too. How two CPUs meet differs from block to block, so what
 * counts there is the median.
 */

import type { Chaos } from '../harness/engines/traced/chaos.ts';
import { type HbHandle, hbMemory, hbSize } from '../harness/engines/traced/hb-layout.ts';
import { traceMemory } from '../harness/engines/traced/ring.ts';
import { mutex3 } from '../src/locking/mutex3.ts';
import { ticket } from '../src/locking/ticket.ts';
import { createMachine, type Machine, sizeOf } from '../src/memory/index.ts';
import { runCrew } from './crew.ts';
import type { Printed } from './extras.ts';
import type { Row, Surroundings } from './section.ts';
import { exactly, type Figure, quantile } from './stats.ts';
import { columns } from './table.ts';
import {
  CONTENDED,
  type ContendedOrders,
  type ContendedSamples,
  LOOPS,
  type TracedOrders,
  type TracedSamples,
} from './traced-cpu.ts';

/** The engines, the first of which the others are held against. */
export const TRACED_MODES = [
  'untraced',
  'ring',
  'ring, uniform',
  'ring, targeted',
  'order',
  'races',
] as const;

const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const module = new URL(`./traced-cpu${extension}`, import.meta.url).href;

/** CPUs that the detection of races is measured with. */
const PAIR = 2;
const STRIDE = 8192;

/** What a mode costs. */
export interface TracedCost {
  readonly mode: (typeof TRACED_MODES)[number];
  readonly loop: (typeof LOOPS)[number] | (typeof CONTENDED)[number];
  /** Nanoseconds an access, or a round. */
  readonly ns: Figure;
  /** More than untraced, in nanoseconds. */
  readonly more: Figure;
  /** To the untraced. */
  readonly ratio: Figure;
}

/** The least, up to the median. */
function leastOf(samples: readonly number[]): Figure {
  const least = quantile(samples, 0);
  return { value: least, low: least, high: quantile(samples, 0.5) };
}

/** Measures all modes. */
export async function benchTraced(options: {
  readonly rounds: number;
  readonly signal?: AbortSignal | undefined;
}): Promise<TracedCost[]> {
  const cpus = TRACED_MODES.length;
  const stride = 4096;
  const machine = createMachine({ cpus, bytes: 2 ** 20 + hbSize(PAIR, 2 ** 17) });
  const first = machine.alloc(stride * cpus);
  for (let cpu = 0; cpu < cpus; cpu += 1) {
    ticket.init(machine.boot, first + cpu * stride + 1024, cpus, 0);
    mutex3.init(machine.boot, first + cpu * stride + 3072, cpus, 0);
  }
  const watched = watchedMemory(machine);
  if (ticket.size(cpus) > 1024 || sizeOf(ticket.layout ?? {}) > 1024)
    throw new RangeError('a ticket lock has grown');
  const args: TracedOrders = { first, stride, rounds: options.rounds };
  const samples = await runCrew<TracedOrders, TracedSamples>({
    machine,
    args,
    job: { module, name: 'tracedCpu' },
    engine: (cpu) => {
      const mode = TRACED_MODES[cpu]!;
      if (mode === 'untraced') return 'wasm';
      if (mode === 'races') return { module, factory: 'watchedEngine', args: { handle: watched, id: 0 } };
      const chaos: Chaos = mode.includes('uniform')
        ? 'uniform'
        : mode.includes('targeted')
          ? 'targeted'
          : 'none';
      const tracing = { handle: traceMemory(cpus, mode === 'order'), chaos: { chaos, seed: 1 } };
      return { module, factory: 'tracedEngine', args: tracing };
    },
    deadline: 600_000,
    signal: options.signal,
  });
  const base = samples[0]!;
  return LOOPS.flatMap((loop) =>
    TRACED_MODES.map((mode, cpu): TracedCost => {
      const mine = samples[cpu]![loop];
      return {
        mode,
        loop,
        ns: leastOf(mine),
        more: exactly(quantile(mine, 0) - quantile(base[loop], 0)),
        ratio: exactly(quantile(mine, 0) / quantile(base[loop], 0)),
      };
    }),
  );
}

/** Everything that has been allocated by now is watched, by a pair of CPUs. */
function watchedMemory(machine: Machine): HbHandle {
  return hbMemory(machine, machine.alloc(4), PAIR);
}

/** Measures two CPUs at one lock: untraced, and watched for races. */
export async function benchContended(options: {
  readonly rounds: number;
  readonly signal?: AbortSignal | undefined;
}): Promise<TracedCost[]> {
  const machine = createMachine({ cpus: 2 * PAIR, bytes: 2 ** 20 + hbSize(PAIR, 2 ** 17) });
  const first = machine.alloc(2 * STRIDE);
  for (const pair of [0, 1]) {
    ticket.init(machine.boot, first + pair * STRIDE, PAIR, 0);
    mutex3.init(machine.boot, first + pair * STRIDE + 1024, PAIR, 0);
  }
  const handle = watchedMemory(machine);
  const samples = await runCrew<ContendedOrders, ContendedSamples>({
    machine,
    args: { first, stride: STRIDE, rounds: options.rounds },
    job: { module, name: 'contendedCpu' },
    engine: (cpu) =>
      cpu < PAIR ? 'wasm' : { module, factory: 'watchedEngine', args: { handle, id: cpu - PAIR } },
    deadline: 600_000,
    signal: options.signal,
  });
  return CONTENDED.flatMap((loop) => {
    const [base, races] = [samples[0]![loop], samples[PAIR]![loop]];
    const cost = (mode: TracedCost['mode'], mine: readonly number[]): TracedCost => {
      const median = quantile(mine, 0.5);
      return {
        mode,
        loop,
        ns: { value: median, low: quantile(mine, 0.25), high: quantile(mine, 0.75) },
        more: exactly(median - quantile(base, 0.5)),
        ratio: exactly(median / quantile(base, 0.5)),
      };
    };
    return [cost('untraced', base), cost('races', races)];
  });
}

/** The section of the benchmark. */
export async function traced({ budget, signal, progress }: Surroundings): Promise<Printed> {
  progress('traced');
  const { rounds } = budget.traced;
  const costs = [...(await benchTraced({ rounds, signal })), ...(await benchContended({ rounds, signal }))];
  const rows = costs.map(
    ({ mode, loop, ns, more, ratio }): Row => ({
      name: `${loop}: ${mode}`,
      judged: true,
      fifo: false,
      parties: {},
      figures: { ns, more, ratio },
    }),
  );
  const lines = costs.map(({ mode, loop, ns, more, ratio }) => [
    loop,
    mode,
    ns.value.toFixed(1),
    mode === 'untraced' ? '' : `${more.value >= 0 ? '+' : ''}${more.value.toFixed(1)}`,
    mode === 'untraced' ? '' : `${ratio.value.toFixed(2)} ×`,
  ]);
  const head =
    'What tracing costs, ns an access and a round of a lock, by the untraced beside it; one CPU, and contended two.';
  return { rows, text: `${head}\n${columns(['loop', 'engine', 'ns', 'more', 'ratio'], lines)}` };
}
