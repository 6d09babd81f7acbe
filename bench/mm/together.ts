/** CPUs that use one model together, in turns of one, two and more of them. */

import { createMachine, roundUp } from '../../src/memory/index.ts';
import { modelBytes } from '../../src/mm/model.ts';
import { type MmSpec, mmSpec } from '../../src/mm/spec.ts';
import { startCrew } from '../crew.ts';
import { SCANS, type Together, type TogetherOrders, type TogetherSamples } from './together-cpu.ts';

const job = {
  module: new URL(`./together-cpu${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url).href,
  name: 'togetherCpu',
};

const SPEC: MmSpec = mmSpec({
  frames: 1024,
  mms: 16,
  vmas: 256,
  anonVmas: 256,
  chains: 1024,
  pteChains: 2048,
  files: 1,
  filePages: 1,
  swapPages: 1024,
  pcp: 32,
});

/** Pages that balloons have, half of them each. */
const SCANNED: MmSpec = mmSpec({
  frames: 1024,
  mms: 1,
  vmas: 1,
  anonVmas: 1,
  chains: 1,
  pteChains: 1,
  files: 1,
  filePages: 1,
  swapPages: 1,
  balloons: 2,
});

/** How to measure. */
export interface TogetherOptions {
  readonly what: Together;
  readonly regime: string;
  readonly turns: readonly number[];
  readonly rounds: number;
  readonly warmup: number;
  readonly window: number;
  readonly signal?: AbortSignal | undefined;
}

/** By turn: the samples of each CPU that took part, in the order of the rounds. */
export async function takeTogether(options: TogetherOptions): Promise<TogetherSamples[]> {
  const { what, regime, turns, rounds, warmup, window, signal } = options;
  const cpus = Math.max(...turns);
  const spec = what in SCANS ? SCANNED : SPEC;
  const model = roundUp(modelBytes(spec, cpus), 64);
  const machine = createMachine({ cpus, bytes: model + 2 ** 20 });
  const crew = startCrew<TogetherOrders, TogetherSamples>({
    machine,
    args: {
      what,
      regime,
      spec,
      model: machine.alloc(model),
      board: machine.alloc(128 + 4 * (cpus + spec.frames + 1)),
      turns,
      rounds,
      warmup,
      window,
    },
    job,
    engine: 'wasm',
    pin: true,
    deadline: 300_000,
    signal,
  });
  const samples = await crew.results;
  return turns.map((active, at) => samples.slice(0, active).map((mine) => mine[at]!));
}

/** Pieces a second of all CPUs of a turn, by round. */
export function ratesOfTurn(samples: TogetherSamples): number[] {
  return samples[0]!.map((_, round) =>
    samples.reduce((sum, mine) => sum + (mine[round]!.pieces * 1e9) / mine[round]!.ns, 0),
  );
}

/** Pages that were isolated while somebody had isolated them. */
export function twiceOfTurn(samples: TogetherSamples): number {
  return samples.flat().reduce((sum, { twice = 0 }) => sum + twice, 0);
}

/** Nanoseconds a piece of the first CPU of a turn, by round. */
export function firstOfTurn(samples: TogetherSamples): number[] {
  return samples[0]!.map(({ pieces, ns }) => ns / pieces);
}
