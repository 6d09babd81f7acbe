/**
 * Two CPUs that want the same lock all the time, each on a core of its own, beside the same in C.
 *
 * The loops are twins: same distances between the words, batches of 64 between two looks at the stop word,
 * counts published on lines of their own, one warm-up window before each measured one. C is shown with both
 * stores that can free a lock: `release`, which is C at its best, and `seqcst`, which is what WebAssembly
 * has.
 */

import type { Form } from './rounds.ts';
import {
  type Case,
  casesOf,
  type Ends,
  fairnessOf,
  type Judged,
  measureRow,
  type Party,
  peersOf,
  type Row,
  rivals,
  runPeer,
  type Surroundings,
} from './section.ts';
import { type Figure, figureOf, ratesOf, ratioOf, seriesOf } from './stats.ts';
import { type BenchSubject, type Crowd, nanosecondsOf, sharesOf, Team } from './team.ts';
import type { Contestant } from './turns.ts';

/** CPUs of this section. */
export const PAIR_OF_CPUS = 2;
/** Rounds between two looks at the stop word, here and in C. */
export const BATCH = 64;
/** The measured lock, among the contestants. */
const OURS = 'lockrig';
const ORDERS = ['release', 'seqcst'] as const;

/** Rounds of each CPU by contestant, over all measured windows. */
type Shares = Map<string, number[]>;

function add(shares: Shares, name: string, more: readonly number[]): void {
  const sofar = shares.get(name);
  shares.set(
    name,
    more.map((each, cpu) => each + (sofar?.[cpu] ?? 0)),
  );
}

/** Starts a pair of CPUs. */
async function ours(
  name: string,
  { subject, form }: Case,
  { budget, pin }: Surroundings,
  started: Ends[],
  shares: Shares,
): Promise<Contestant> {
  const { warmup, block } = budget.contended;
  const team = await Team.start({ subject, form, cpus: PAIR_OF_CPUS, batch: BATCH, pin });
  started.push(team);
  await team.crowd(warmup, 0);
  return {
    name,
    async block() {
      const crowd = await team.crowd(block, block);
      const counts = sharesOf(crowd);
      add(shares, name, counts);
      return form === 'grace' ? graceNanoseconds(crowd) : nanosecondsOf(crowd);
    },
  };
}

function native(
  lock: string,
  order: (typeof ORDERS)[number] | undefined,
  around: Surroundings,
  shares: Shares,
): Contestant {
  const name = order === undefined ? lock : `C ${order}`;
  const ms = around.budget.contended.block;
  const run = { lock, threads: PAIR_OF_CPUS, ms, blocks: 1, batch: BATCH, ...(order ? { order } : {}) };
  return {
    name,
    async block() {
      const { blocks, perThread } = await runPeer(around, run);
      add(shares, name, perThread);
      return 1e9 / blocks[0]!;
    },
  };
}

/** Of grace periods only the CPU that waits for them counts. */
function graceNanoseconds(crowd: Crowd): number {
  return ((crowd.times.at(-1)! - crowd.times[0]!) * 1e6) / sharesOf(crowd)[0]!;
}

/** What else a rate tells, by form: one CPU puts what the other takes. */
const RATES: { readonly [F in Form]?: readonly [name: string, part: number] } = {
  transfer: ['transfers/s', 1 / PAIR_OF_CPUS],
  grace: ['grace periods/s', 1],
};

function judge(samples: Map<string, number[]>, shares: Shares, form: Form): Judged {
  const parties: Record<string, Party> = {};
  const figures: Record<string, Figure> = {};
  const mine = ratesOf(samples.get(OURS)!);
  const told = RATES[form];
  if (told) figures[told[0]] = figureOf(mine.map((each) => each * told[1]));
  for (const [name, taken] of samples) {
    const rates = ratesOf(taken);
    parties[name] = { ...seriesOf('/s', rates), ...fairnessOf(shares.get(name)!) };
    if (name !== OURS) figures[`${OURS} / ${name}`] = ratioOf(mine, rates);
  }
  return { parties, figures };
}

/** Measures locks that two CPUs contend for. */
export async function contended(subjects: readonly BenchSubject[], around: Surroundings): Promise<Row[]> {
  const rows: Row[] = [];
  const cases = casesOf(subjects, 'together');
  for (const [at, each] of cases.entries()) {
    around.progress(`contended ${at + 1}/${cases.length}: ${each.name}`);
    const shares: Shares = new Map();
    const cast = async (started: Ends[]): Promise<Contestant[]> => {
      const contestants = [await ours(OURS, each, around, started, shares)];
      for (const rival of rivals(around, each, 'together'))
        contestants.push(await ours(rival.name, rival, around, started, shares));
      const { own, library } = peersOf(around, each.subject);
      for (const lock of own)
        for (const order of ORDERS) contestants.push(native(lock, order, around, shares));
      for (const lock of library) contestants.push(native(lock, undefined, around, shares));
      return contestants;
    };
    rows.push(
      await measureRow(each, around, around.budget.contended.rounds, cast, (samples) =>
        judge(samples, shares, each.form),
      ),
    );
  }
  return rows;
}
