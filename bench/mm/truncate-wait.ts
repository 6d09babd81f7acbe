/** How long who maps a file waits for who truncates it: two CPUs. */
import { createMachine, roundUp } from '../../src/memory/index.ts';
import { modelBytes } from '../../src/mm/model.ts';
import type { TruncateName } from '../../src/mm/truncate/rules.ts';
import { startCrew } from '../crew.ts';
import type { WaitOrders, WaitSamples } from './truncate-wait-cpu.ts';
import { type Truncated, truncatedSpec } from './truncation.ts';

const job = {
  module: new URL(`./truncate-wait-cpu${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)
    .href,
  name: 'truncateWaitCpu',
};
const CPUS = 2;

/** What it took. */
export interface Waits {
  /** Nanoseconds of each mmap beside the truncation, shortest first. */
  readonly waits: readonly number[];
  /** Nanoseconds of the truncation. */
  readonly took: number;
}

/** Truncates once, beside a CPU that maps the file. */
export async function truncateWaits(
  design: TruncateName,
  file: Truncated,
  signal: AbortSignal | undefined,
): Promise<Waits> {
  const model = roundUp(modelBytes(truncatedSpec(file), CPUS), 64);
  const machine = createMachine({ cpus: CPUS, bytes: model + 2 ** 20 });
  const crew = startCrew<WaitOrders, WaitSamples>({
    machine,
    args: { design, file, model: machine.alloc(model), board: machine.alloc(192) },
    job,
    engine: 'wasm',
    pin: true,
    deadline: 300_000,
    signal,
  });
  const [[took], waits] = (await crew.results) as [WaitSamples, WaitSamples];
  return { waits: waits.toSorted((one, other) => one - other), took: took! };
}
