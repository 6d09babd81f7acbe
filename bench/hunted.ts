/**
 * What a hunt finds: every classic bug, with several seeds, and every broken lock; how soon, how small it becomes, and whether its token comes back every time.
 *
 * A classic has 10,000 executions under the memory model that it names, a broken lock a minute. `seconds` is the time until the failure was first seen, without
 * the start of the CPUs.
 */
import { hunt } from '../harness/explore/hunt.ts';
import type { HuntFailure, HuntOptions } from '../harness/explore/hunt-types.ts';
import { replay } from '../harness/explore/replay.ts';
import { decode } from '../harness/explore/token.ts';
import type { Tortured } from '../harness/torture/setup.ts';
import { loadLock, mutantNames } from '../src/catalog.ts';
import { classics } from '../src/scenarios/index.ts';
import type { Printed } from './extras.ts';
import type { Row, Surroundings } from './section.ts';
import { exactly, quantile } from './stats.ts';
import { columns } from './table.ts';

/** The rows. */
export const HUNTED = { classics: 'classics', mutants: 'broken locks' } as const;

const EXECUTIONS = 10_000;
const MINUTE = 60_000;

interface Hunted {
  readonly name: string;
  readonly found: readonly HuntFailure[];
  readonly hunts: number;
  readonly replays: number;
  readonly same: number;
}

const middle = (values: readonly number[]): number => quantile(values, 0.5);
const most = (values: readonly number[]): number => Math.max(...values);

async function hunted(
  subject: Tortured,
  options: HuntOptions,
  seeds: number,
  times: number,
  signal: AbortSignal | undefined,
): Promise<Hunted> {
  const found: HuntFailure[] = [];
  for (let seed = 1; seed <= seeds; seed += 1) {
    signal?.throwIfAborted();
    const { failures } = await hunt(subject, { ...options, seed });
    if (failures[0]) found.push(failures[0]);
  }
  const [first] = found;
  const same = first ? (await replay(subject, decode(first.token), { times })).same : 0;
  return { name: subject.name, found, hunts: seeds, replays: first ? times : 0, same };
}

function rowOf(name: string, all: readonly Hunted[]): Row {
  const failures = all.flatMap(({ found }) => found);
  const of = (value: (failure: HuntFailure) => number): number[] => failures.map(value);
  const medians = (value: (failure: HuntFailure) => number): number[] =>
    all.filter(({ found }) => found.length > 0).map(({ found }) => middle(found.map(value)));
  const replays = all.reduce((sum, each) => sum + each.replays, 0);
  return {
    name,
    judged: true,
    fifo: false,
    parties: {},
    figures: {
      found: exactly(failures.length / all.reduce((sum, { hunts }) => sum + hunts, 0)),
      'seconds, median of the slowest': exactly(most(medians(({ after }) => after.seconds))),
      'executions, median of the slowest': exactly(most(medians(({ after }) => after.executions))),
      'preemptions, median': exactly(middle(of(({ preemptions }) => preemptions))),
      'accesses shown, median': exactly(middle(of(({ shown }) => shown))),
      'seconds to shrink, median': exactly(middle(of(({ shrunk }) => shrunk.seconds))),
      'seconds to shrink, slowest': exactly(most(of(({ shrunk }) => shrunk.seconds))),
      'characters of a token, most': exactly(most(of(({ token }) => token.length))),
      replayed: exactly(all.reduce((sum, { same }) => sum + same, 0) / replays),
    },
  };
}

/** Who the slowest is. */
function slowest(all: readonly Hunted[]): string[] {
  const timed = all
    .filter(({ found }) => found.length > 0)
    .map(({ name, found }) => ({ name, seconds: middle(found.map(({ after }) => after.seconds)) }))
    .sort((one, other) => other.seconds - one.seconds);
  return timed.slice(0, 1).map(({ name, seconds }) => `the slowest: ${name}, ${seconds.toFixed(2)} s`);
}

/** The section of the benchmark. */
export async function huntedSection({ budget, signal, progress }: Surroundings): Promise<Printed> {
  const { seeds, replays, mutants } = budget.hunted;
  const bugs: Hunted[] = [];
  for (const { broken } of classics) {
    progress(`hunted ${broken.name}`);
    const { caughtBy, model } = broken.mutant!;
    const options: HuntOptions = {
      executions: EXECUTIONS,
      models: [model],
      ...(caughtBy === 'race' ? { detect: ['races'] } : {}),
    };
    bugs.push(await hunted(broken, options, seeds, replays, signal));
  }
  const locks: Hunted[] = [];
  for (const name of mutants ? mutantNames : []) {
    progress(`hunted ${name}`);
    locks.push(await hunted((await loadLock(name))!, { milliseconds: MINUTE }, 1, replays, signal));
  }
  const rows = [rowOf(HUNTED.classics, bugs), ...(locks.length > 0 ? [rowOf(HUNTED.mutants, locks)] : [])];
  const missed = [...bugs, ...locks].filter(({ found, hunts }) => found.length < hunts);
  const lines = Object.keys(rows[0]!.figures).map((figure) => [
    figure,
    ...rows.map(({ figures }) => String(Number(figures[figure]!.value.toPrecision(4)))),
  ]);
  return {
    rows,
    text: [
      `What hunts find: ${bugs.length} classics with ${seeds} seeds each, ${locks.length} broken locks with one; tokens replayed ${replays} times.`,
      columns(['', ...rows.map(({ name }) => name)], lines),
      ...slowest(bugs),
      ...missed.map(({ name, found, hunts }) => `${name}: found in ${found.length} of ${hunts} hunts`),
    ].join('\n'),
  };
}
