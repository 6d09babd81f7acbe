/**
 * The table of regimes, measured: every reader against every writer under every regime, by processes that have a core each.
 *
 * Regimes that take the same locks on all paths, and differ in name only, are measured once: an execution knows no names.
 */
import type { Regime } from '../../src/mm/regime.ts';
import type { Reader, Writer } from '../../src/mm/regimes/cells.ts';
import { decode, encode } from '../explore/token.ts';
import type { CellResult, MeasureOptions } from './measure.ts';
import { workOn } from './processes.ts';
import type { Order } from './regimes-child.ts';

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

/** What to measure, and how. */
export interface TableOptions extends MeasureOptions {
  readonly regimes: readonly Regime[];
  readonly readers: readonly Reader[];
  readonly writers: readonly Writer[];
  /** Cores to be used, by their numbers. */
  readonly cores: readonly number[];
  /** No cell is begun any more after so many milliseconds. */
  readonly budget?: number;
  readonly onProgress?: (done: number, all: number) => void;
}

/** The table. */
export interface TableResult {
  readonly cells: readonly CellResult[];
  /** Whether every cell was measured. */
  readonly complete: boolean;
  readonly seconds: number;
}

/** A cell that is to be measured. */
interface Job {
  readonly name: string;
  readonly regime: Regime;
  readonly reader: Reader;
  readonly writer: Writer;
}

const nameOf = (regime: Regime, reader: Reader, writer: Writer): string =>
  `mm/regimes/${regime.name}/${reader.name}/${writer.name}`;

/** All of a regime but what it is called. */
function locksOf({ name: _name, tree: _tree, paths, ...rest }: Regime): string {
  const sorted = Object.entries(paths).sort(([one], [other]) => (one < other ? -1 : 1));
  return JSON.stringify([rest, sorted.map(([path, taking]) => [path, Object.entries(taking).sort()])]);
}

/** Of each regime the first that has the same locks. */
function twins(regimes: readonly Regime[]): Map<Regime, Regime> {
  const first = new Map<string, Regime>();
  return new Map(
    regimes.map((regime) => {
      const locks = locksOf(regime);
      if (!first.has(locks)) first.set(locks, regime);
      return [regime, first.get(locks)!];
    }),
  );
}

/** What was measured under another name. */
function renamed(result: CellResult, regime: Regime): CellResult {
  const name = result.name.replace(`/${result.regime}/`, `/${regime.name}/`);
  const { failure } = result;
  return {
    ...result,
    name,
    regime: regime.name,
    sameAs: result.regime,
    seconds: 0,
    ...(failure
      ? { failure: { ...failure, token: encode({ ...decode(failure.token), subject: name }) } }
      : {}),
  };
}

/** Nothing was measured. */
const unmeasured = ({ name, regime, reader, writer }: Job, problem: string): CellResult => ({
  name,
  regime: regime.name,
  reader: reader.name,
  writer: writer.name,
  verdict: 'not run',
  executions: 0,
  orders: 0,
  proof: { bound: -1, executions: 0, gaps: [] },
  problem,
  seconds: 0,
});

/** Measures the table. */
export async function measureTable(options: TableOptions): Promise<TableResult> {
  const { regimes, readers, writers, cores, budget = Number.POSITIVE_INFINITY, signal, onProgress } = options;
  const began = performance.now();
  const twin = twins(regimes);
  const jobs = [...new Set(twin.values())].flatMap((regime) =>
    readers.flatMap((reader) =>
      writers.map((writer): Job => ({ name: nameOf(regime, reader, writer), regime, reader, writer })),
    ),
  );
  const { executions, seed } = options;
  const how = {
    ...(executions === undefined ? {} : { executions }),
    ...(seed === undefined ? {} : { seed }),
  };
  const results = new Map<string, CellResult>();
  await workOn<Order, CellResult>({
    program: new URL(`./regimes-child.${extension}`, import.meta.url),
    orders: jobs.map(({ name }) => ({ name, options: how })),
    cores,
    budget,
    signal,
    onAnswer({ name }, { result, error }) {
      results.set(name, result ?? unmeasured(jobs.find((job) => job.name === name)!, error ?? 'no answer'));
      onProgress?.(results.size, jobs.length);
    },
  });
  const why = signal?.aborted ? 'it was interrupted' : 'the budget was used up';
  const cells = regimes.flatMap((regime) =>
    readers.flatMap((reader) =>
      writers.map((writer): CellResult => {
        const measured = results.get(nameOf(twin.get(regime)!, reader, writer));
        if (!measured)
          return unmeasured({ name: nameOf(regime, reader, writer), regime, reader, writer }, why);
        return measured.regime === regime.name ? measured : renamed(measured, regime);
      }),
    ),
  );
  return {
    cells,
    complete: cells.every(({ verdict }) => verdict !== 'not run'),
    seconds: (performance.now() - began) / 1000,
  };
}
