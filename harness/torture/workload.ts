/**
 * What a run chooses of a workload: regime, weights, sizes, how often it is judged; and what it counts.
 *
 * Each CPU counts operations in lines of its own: of each operation how often it was done, and how often in vain, two words each.
 */
import { distance } from 'fastest-levenshtein';
import type { Addr } from '../../src/arch/index.ts';
import { LINE, type Machine, roundUp } from '../../src/memory/index.ts';
import type { WorkloadDefinition, WorkloadSettings } from '../../src/workload.ts';
import { ParameterError, type TortureParams } from './params.ts';

/** Milliseconds between two checks, unless told otherwise. */
const CHECK_EVERY = 50;

/** The part of the parameters that is about workloads. */
export type WorkloadParams = Pick<TortureParams, 'regime' | 'weights' | 'sizes' | 'checkEvery'>;

/** Where a workload's CPUs count. */
export interface WorkloadCounters {
  readonly first: Addr;
  /** Bytes from one CPU's to the next. */
  readonly stride: number;
}

/** How often an operation was done. */
export interface OperationCount {
  readonly name: string;
  readonly weight: number;
  /** With those in vain. */
  readonly done: number;
  readonly vain: number;
}

const WORDS = 4;

/** Bytes of the counters of one CPU. */
export const counterStride = (workload: WorkloadDefinition): number =>
  roundUp(4 * WORDS * Object.keys(workload.operations).length, LINE);

/** The three nearest of a list of names. */
export function nearestOf(name: string, known: readonly string[]): string {
  return [...known]
    .sort((one, other) => distance(name, one) - distance(name, other))
    .slice(0, 3)
    .join(', ');
}

function unknown(workload: WorkloadDefinition, what: string, name: string, known: readonly string[]): never {
  throw new ParameterError(
    known.length === 0
      ? `workload '${workload.name}' has no ${what}s to choose from`
      : `workload '${workload.name}' has no ${what} '${name}'; the nearest are ${nearestOf(name, known)}`,
  );
}

function weightsOf(workload: WorkloadDefinition, given: TortureParams['weights']): TortureParams['weights'] {
  const names = Object.keys(workload.operations);
  for (const [name, weight] of Object.entries(given)) {
    if (!names.includes(name)) unknown(workload, 'operation', name, names);
    if (!Number.isInteger(weight) || weight < 0 || weight > 1e6)
      throw new ParameterError(`the weight of ${name} is a whole number from 0 to 1000000, not ${weight}`);
  }
  const all = Object.fromEntries(
    names.map((name) => [name, given[name] ?? workload.operations[name]!.weight]),
  );
  if (Object.values(all).every((weight) => weight === 0))
    throw new ParameterError(`all weights of workload '${workload.name}' are 0: nothing would be done`);
  return all;
}

function sizesOf(workload: WorkloadDefinition, given: TortureParams['sizes']): TortureParams['sizes'] {
  const names = Object.keys(workload.sizes);
  for (const [name, value] of Object.entries(given)) {
    if (!names.includes(name)) unknown(workload, 'size', name, names);
    const { least, most } = workload.sizes[name]!;
    if (!Number.isInteger(value) || value < least || value > most)
      throw new ParameterError(`the size ${name} is a whole number from ${least} to ${most}, not ${value}`);
  }
  return Object.fromEntries(names.map((name) => [name, given[name] ?? workload.sizes[name]!.value]));
}

/**
 * Completes what a run has chosen.
 * @throws ParameterError with the nearest names when it has chosen what there is not
 */
export function settled(workload: WorkloadDefinition, given: Partial<TortureParams>): WorkloadParams {
  const { name, mostCpus, regimes } = workload;
  if (given.cpus !== undefined && given.cpus > mostCpus)
    throw new ParameterError(`workload '${name}' runs on up to ${mostCpus} CPUs, not ${given.cpus}`);
  const regime = given.regime || (regimes[0] ?? '');
  if (regime !== '' && !regimes.includes(regime)) unknown(workload, 'regime', regime, regimes);
  return {
    regime,
    weights: weightsOf(workload, given.weights ?? {}),
    sizes: sizesOf(workload, given.sizes ?? {}),
    checkEvery: given.checkEvery || CHECK_EVERY,
  };
}

/** What the workload itself is told. */
export const settingsOf = ({ regime, sizes }: WorkloadParams): WorkloadSettings => ({ regime, sizes });

/** @throws ParameterError when something was chosen that only workloads have */
export function refuseChoices(name: string, { regime, weights, sizes, checkEvery }: WorkloadParams): void {
  const chosen =
    regime !== ''
      ? 'regime'
      : Object.keys(weights).length > 0
        ? 'weight'
        : Object.keys(sizes).length > 0
          ? 'size'
          : checkEvery > 0
            ? 'time between checks'
            : undefined;
  if (chosen !== undefined)
    throw new ParameterError(
      `'${name}' is no workload: it has no ${chosen} to choose (mm/objrmap, mm/truncate and mm/all are some)`,
    );
}

/** Reads the counters of all CPUs; they may go on counting meanwhile. */
export function operationCounts(
  { words, cpus }: Machine,
  workload: WorkloadDefinition,
  { first, stride }: WorkloadCounters,
  weights: TortureParams['weights'],
): OperationCount[] {
  const two = (at: Addr): number =>
    (Atomics.load(words, at >>> 2) >>> 0) + (Atomics.load(words, (at >>> 2) + 1) >>> 0) * 2 ** 32;
  return Object.keys(workload.operations).map((name, index): OperationCount => {
    let done = 0;
    let vain = 0;
    for (let cpu = 0; cpu < cpus; cpu += 1) {
      const at = first + cpu * stride + 4 * WORDS * index;
      done += two(at);
      vain += two(at + 8);
    }
    return { name, weight: weights[name] ?? 0, done, vain };
  });
}
