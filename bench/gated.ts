/**
 * How many gated executions a second, in processes that have the flags of a hunt: two CPUs with detectors and without, in turns, a block each; and three CPUs on two cores, in two processes that are
 * pinned to a core each, where CPUs hand the turn on by sleeping and waking, and in one that is not pinned.
 *
 * A figure is the 10th percentile of its blocks: what a hunt can rely on. What no engine can be faster than is measured beside: two CPUs that hand the turn to and
 * fro and do nothing else.
 */
import { execFile } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import { promisify } from 'node:util';
import { LINE_BYTES } from '../harness/engines/gated/layout.ts';
import { createMachine } from '../src/memory/index.ts';
import type { BatonOrders } from './baton-cpu.ts';
import { runCrew } from './crew.ts';
import type { Printed } from './extras.ts';
import { type GatedRates, THREE, TOGETHER } from './gated-modes.ts';
import type { Row, Surroundings } from './section.ts';
import { type Figure, quantile, seriesOf } from './stats.ts';
import { columns } from './table.ts';

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';
const child = fileURLToPath(new URL(`./gated-child.${extension}`, import.meta.url));
const LIMIT = 300_000;
/** The row of what a turn costs by itself. */
export const HAND_OFF = 'hand-off';

/** Measures in a process of its own. @param core where; anywhere unless given */
async function apart(
  which: 'together' | 'three',
  { signal }: Surroundings,
  executions: number,
  blocks: number,
  core?: number,
): Promise<GatedRates[]> {
  const run = [process.execPath, ...process.execArgv, child, which, String(executions), String(blocks)];
  const [command, ...args] = core === undefined ? run : ['taskset', '-c', String(core), ...run];
  try {
    const options = { timeout: LIMIT, ...(signal ? { signal } : {}) };
    const { stdout } = await promisify(execFile)(command!, args, options);
    return JSON.parse(stdout) as GatedRates[];
  } catch (error) {
    if (signal?.aborted) throw error;
    const modes = which === 'three' ? [THREE] : TOGETHER;
    return modes.map(({ name }) => ({ name, rates: [], problem: (error as Error).message }));
  }
}

/** Three CPUs. */
async function three(around: Surroundings, core?: number): Promise<GatedRates> {
  const { executions, blocks } = around.budget.gated;
  // Not pinned they are ten times slower.
  const share = core === undefined ? 20 : 2;
  const [made] = await apart(
    'three',
    around,
    Math.max(50, Math.round(executions / share)),
    Math.max(2, Math.round(blocks / 2)),
    core,
  );
  return { ...made!, name: `${THREE.name}, ${core === undefined ? 'not pinned' : `on core ${core}`}` };
}

/** Nanoseconds that a hand-off of the turn to the other core takes, block by block. */
async function handOffs({ budget, signal, pin }: Surroundings): Promise<readonly number[]> {
  const machine = createMachine({ cpus: 2 });
  const args: BatonOrders = {
    lines: machine.alloc(2 * LINE_BYTES),
    turns: budget.gated.executions,
    blocks: budget.gated.blocks + 1,
  };
  const job = { module: new URL(`./baton-cpu.${extension}`, import.meta.url).href, name: 'batonCpu' };
  const [first = []] = await runCrew<BatonOrders, number[]>({
    machine,
    engine: 'atomics',
    job,
    args,
    pin: pin.length >= 2,
    signal,
  });
  // The first is for the compiler.
  return first.slice(1);
}

const figureOf = (rates: readonly number[]): Figure => ({
  value: quantile(rates, 0.1),
  low: Math.min(...rates),
  high: quantile(rates, 0.5),
});

/** The section of the benchmark. */
export async function gated(around: Surroundings): Promise<Printed> {
  around.progress('gated');
  const { pin, budget } = around;
  const { executions, blocks } = budget.gated;
  const all: GatedRates[] = await apart('together', around, executions, blocks);
  around.progress('gated on three CPUs');
  if (pin.length >= 2) {
    const [first, second] = await Promise.all([three(around, pin[0]), three(around, pin[1])]);
    // What both can rely on.
    const rates = [...first.rates, ...second.rates];
    const problem = first.problem ?? second.problem;
    all.push({ name: `${THREE.name}, pinned`, rates, ...(problem === undefined ? {} : { problem }) });
  }
  all.push(await three(around));
  const rows = all.map(
    ({ name, rates, problem }): Row => ({
      name,
      judged: true,
      fifo: false,
      parties: rates.length > 0 ? { lockrig: seriesOf('/s', rates) } : {},
      figures: rates.length > 0 ? { 'executions/s': figureOf(rates) } : {},
      ...(problem === undefined ? {} : { problem }),
    }),
  );
  around.progress('gated: hand-offs');
  const passes = await handOffs(around);
  const pass = { value: quantile(passes, 0.5), low: Math.min(...passes), high: Math.max(...passes) };
  rows.push({ name: HAND_OFF, judged: true, fifo: false, parties: {}, figures: { ns: pass } });
  const number = (value: number): string => Math.round(value).toLocaleString('en-US');
  const lines = all.map(({ name, rates, accesses, problem }) =>
    problem === undefined
      ? [
          name,
          accesses === undefined ? '' : accesses.toFixed(0),
          number(quantile(rates, 0.1)),
          number(quantile(rates, 0.5)),
          number(Math.max(...rates)),
        ]
      : [name, '', problem, '', ''],
  );
  const head =
    'Gated executions of the ticket lock, two CPUs unless it says otherwise; executions a second: 10th percentile of the blocks, median, best.';
  const pinning =
    pin.length >= 2
      ? ''
      : '\nCPUs cannot be pinned here: three CPUs in two pinned processes were not measured.';
  return {
    rows,
    text: `${head}\n${columns(['', 'accesses', 'p10', 'median', 'best'], lines)}\nA hand-off of the turn to the other core and nothing else: ${pass.value.toFixed(0)} ns (${pass.low.toFixed(0)} to ${pass.high.toFixed(0)}).${pinning}`,
  };
}
