/**
 * One CPU, nobody else: what a lock costs when it is free.
 *
 * Five contestants take turns for every lock and form: both engines, each with and without tracking, and the
 * C library's mutex. Each of ours is a worker of its own, so that V8 sees one engine and one lock; each runs
 * on the same core.
 */
import {
  type Case,
  casesOf,
  type Ends,
  type Judged,
  measureRow,
  type Party,
  peersOf,
  type Row,
  rivals,
  runPeer,
  type Surroundings,
} from './section.ts';
import { type Figure, figureOf, ratioOf, seriesOf } from './stats.ts';
import { type BenchSubject, Team } from './team.ts';
import type { Contestant } from './turns.ts';

const OURS = [
  { name: 'wasm', engine: 'wasm', tracked: false },
  { name: 'wasm tracked', engine: 'wasm', tracked: true },
  { name: 'atomics', engine: 'atomics', tracked: false },
  { name: 'atomics tracked', engine: 'atomics', tracked: true },
] as const;

/** What is compared in this section; a rival adds `wasm / its name`. */
const COMPARED = [
  ['wasm', 'pthread_mutex'],
  ['wasm tracked', 'pthread_mutex'],
  ['atomics', 'wasm'],
] as const;

async function cast(each: Case, around: Surroundings, started: Ends[]): Promise<Contestant[]> {
  const { budget, pin } = around;
  const { warmup: warmupMs, block: blockMs } = budget.uncontended;
  const core = pin.slice(-1);
  const join = async (name: string, { subject, form }: Case, how: object): Promise<Contestant> => {
    const team = await Team.start({ subject, form, cpus: 1, warmupMs, blockMs, pin: core, ...how });
    started.push(team);
    return { name, block: () => team.block() };
  };
  const contestants: Contestant[] = [];
  for (const { name, ...how } of OURS) contestants.push(await join(name, each, how));
  for (const rival of rivals(around, each, 'alone')) contestants.push(await join(rival.name, rival, {}));
  // The first block of each finds its length and is thrown away. One after the other: they share a core.
  for (const { block } of contestants) await block();
  for (const lock of peersOf(around, each.subject).library) {
    const block = async (): Promise<number> => {
      const { blocks } = await runPeer(
        { ...around, pin: core },
        { lock, uncontended: true, ms: blockMs, blocks: 1 },
      );
      return blocks[0]!;
    };
    contestants.push({ name: lock, block });
  }
  return contestants;
}

function judge(samples: Map<string, number[]>): Judged {
  const parties: Record<string, Party> = {};
  const figures: Record<string, Figure> = {};
  for (const [name, taken] of samples) parties[name] = seriesOf('ns', taken);
  const wasm = samples.get('wasm');
  if (wasm) figures['wasm ns'] = figureOf(wasm);
  const known = new Set<string>([...OURS.map(({ name }) => name), 'pthread_mutex']);
  const others = [...samples.keys()].filter((name) => !known.has(name));
  for (const [top, bottom] of [...COMPARED, ...others.map((name) => ['wasm', name] as const)]) {
    const [above, below] = [samples.get(top), samples.get(bottom)];
    if (above && below) figures[`${top} / ${bottom}`] = ratioOf(above, below);
  }
  return { parties, figures };
}

/** Measures locks that are free. */
export async function uncontended(subjects: readonly BenchSubject[], around: Surroundings): Promise<Row[]> {
  const rows: Row[] = [];
  const cases = casesOf(subjects, 'alone');
  for (const [at, each] of cases.entries()) {
    around.progress(`uncontended ${at + 1}/${cases.length}: ${each.name}`);
    const { rounds } = around.budget.uncontended;
    rows.push(await measureRow(each, around, rounds, (started) => cast(each, around, started), judge));
  }
  return rows;
}
