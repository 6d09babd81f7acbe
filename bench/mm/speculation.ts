/**
 * Faults without mmap_sem beside faults with it ("Speculative page faults", Laurent Dufour, 2017 to 2019, after Peter Zijlstra, 2010 and 2014): threads of one address space touch fresh anonymous pages, and some of
 * their operations map elsewhere in it, with mmap_sem held for writing for a while.
 *
 * Every design has a model and threads of its own, which take turns: what slows the machine down for a while slows all of them. A ratio is that of windows beside each other.
 */
import { createMachine, roundUp } from '../../src/memory/index.ts';
import { modelBytes } from '../../src/mm/model.ts';
import { type MmSpec, mmSpec } from '../../src/mm/spec.ts';
import type { SpfName } from '../../src/mm/spf/rules.ts';
import { startCrew } from '../crew.ts';
import type {
  SpeculationCase,
  SpeculationOrders,
  SpeculationSample,
  SpeculationSamples,
} from './speculation-cpu.ts';

const job = {
  module: new URL(`./speculation-cpu${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url)
    .href,
  name: 'speculationCpu',
};

const SPEC: MmSpec = mmSpec({
  frames: 4096,
  mms: 2,
  vmas: 256,
  anonVmas: 64,
  chains: 256,
  pteChains: 64,
  files: 1,
  filePages: 1,
  swapPages: 64,
  pcp: 32,
});

/** How to measure. */
export interface SpeculationOptions<Name extends string> {
  /** By what they are called. */
  readonly designs: readonly (readonly [Name, SpfName])[];
  readonly cases: readonly SpeculationCase[];
  readonly rounds: number;
  readonly warmup: number;
  readonly window: number;
  readonly signal?: AbortSignal | undefined;
}

/** Of a design: by case, then by round, what each CPU that took part has done. */
export type Speculated = readonly (readonly (readonly SpeculationSample[])[])[];

/** Measures designs beside each other, for each number of CPUs on machines of as many: how a CPU waits depends on whether there are more of them than cores. */
export async function takeSpeculation<Name extends string>(
  options: SpeculationOptions<Name>,
): Promise<Map<Name, Speculated>> {
  const { designs, cases, signal } = options;
  const taken = new Map<SpeculationCase, Map<Name, Speculated[number]>>();
  for (const cpus of new Set(cases.map((each) => each.cpus))) {
    signal?.throwIfAborted();
    const mine = cases.filter((each) => each.cpus === cpus);
    const samples = await withCpus(cpus, { ...options, cases: mine });
    for (const [at, what] of mine.entries())
      taken.set(what, new Map(designs.map(([name], design) => [name, byRound(samples[design]!, at)])));
  }
  return new Map(designs.map(([name]) => [name, cases.map((what) => taken.get(what)!.get(name)!)]));
}

/** By design and CPU. */
async function withCpus(
  cpus: number,
  { designs, cases, rounds, warmup, window, signal }: SpeculationOptions<string>,
): Promise<SpeculationSamples[][]> {
  const model = roundUp(modelBytes(SPEC, cpus), 64);
  const word = new Int32Array(new SharedArrayBuffer(4));
  const crews = designs.map(([, design], place) => {
    const machine = createMachine({ cpus, bytes: model + 2 ** 20 });
    return startCrew<SpeculationOrders, SpeculationSamples>({
      machine,
      args: {
        design,
        spec: SPEC,
        model: machine.alloc(model),
        board: machine.alloc(256),
        cases,
        rounds,
        warmup,
        window,
        turn: { word, place, of: designs.length },
      },
      job,
      engine: 'wasm',
      pin: true,
      deadline: 600_000,
      signal,
    });
  });
  try {
    return await Promise.all(crews.map(({ results }) => results));
  } finally {
    await Promise.all(crews.map((crew) => crew.stop()));
  }
}

const byRound = (samples: readonly SpeculationSamples[], at: number): Speculated[number] =>
  samples[0]![at]!.map((_, round) => samples.map((mine) => mine[at]![round]!));

/** Faults a second of all CPUs, by round: from when the first of them began to when the last one ended, without what they spent on drops on average. A CPU that had no core in the window is not waited for. */
export const faultRates = (rounds: Speculated[number]): number[] =>
  rounds.map((cpus) => {
    const active = cpus.filter(({ faults }) => faults > 0);
    const first = Math.min(...active.map(({ from }) => from));
    const last = Math.max(...active.map(({ to }) => to));
    const [faults, drops] = [sum(active, 'faults'), sum(active, 'dropNs')];
    return (faults * 1e9) / (last - first - drops / active.length);
  });

const sum = (cpus: readonly SpeculationSample[], what: keyof SpeculationSample): number =>
  cpus.reduce((total, each) => total + each[what], 0);

/** The share of speculations that have served their fault, by round; NaN where there was none. */
export const successes = (rounds: Speculated[number]): number[] =>
  rounds.map(
    (cpus) =>
      cpus.reduce((sum, each) => sum + each.successes, 0) /
      cpus.reduce((sum, each) => sum + each.attempts, 0),
  );

/** Nanoseconds a fault, by round: what a thread spends in one, with what it waits for. */
export const faultTimes = (rounds: Speculated[number]): number[] =>
  rounds.map(
    (cpus) =>
      cpus.reduce((sum, { faultNs }) => sum + faultNs, 0) / cpus.reduce((sum, { faults }) => sum + faults, 0),
  );
