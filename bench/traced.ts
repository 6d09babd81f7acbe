/**
 * What tracing costs: the same loops untraced, with the ring, with the exact order and with delays, in one run.
 *
 * Each engine is a CPU of its own on one machine, so V8 sees one engine a thread; they take turns, a block each, and what counts is the ratio of the
 * least blocks: each is long enough for hundreds of delays, and whoever else uses the machine makes a block longer, never shorter. `access` is the mean of eight operations on a line that nobody else touches; `ticket round` is an acquisition and a release of a
 * free ticket lock with an increment inside.
 */

import type { Chaos } from '../harness/engines/traced/chaos.ts';
import { traceMemory } from '../harness/engines/traced/ring.ts';
import { ticket } from '../src/locking/ticket.ts';
import { createMachine, sizeOf } from '../src/memory/index.ts';
import { runCrew } from './crew.ts';
import type { Printed } from './extras.ts';
import type { Row, Surroundings } from './section.ts';
import { exactly, type Figure, quantile } from './stats.ts';
import { columns } from './table.ts';
import { LOOPS, type TracedOrders, type TracedSamples } from './traced-cpu.ts';

/** The engines, the first of which the others are held against. */
export const TRACED_MODES = ['untraced', 'ring', 'ring, uniform', 'ring, targeted', 'order'] as const;

const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const module = new URL(`./traced-cpu${extension}`, import.meta.url).href;

/** What a mode costs. */
export interface TracedCost {
  readonly mode: (typeof TRACED_MODES)[number];
  readonly loop: (typeof LOOPS)[number];
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
  const machine = createMachine({ cpus });
  const stride = 4096;
  const first = machine.alloc(stride * cpus);
  for (let cpu = 0; cpu < cpus; cpu += 1) ticket.init(machine.boot, first + cpu * stride + 1024, cpus, 0);
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

/** The section of the benchmark. */
export async function traced({ budget, signal, progress }: Surroundings): Promise<Printed> {
  progress('traced');
  const costs = await benchTraced({ rounds: budget.traced.rounds, signal });
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
    'One CPU: what tracing costs, ns an access and a round of a free ticket lock, by the untraced beside it.';
  return { rows, text: `${head}\n${columns(['loop', 'engine', 'ns', 'more', 'ratio'], lines)}` };
}
