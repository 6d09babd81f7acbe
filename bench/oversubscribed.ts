/**
 * More CPUs than cores: eight on two, or four for each core where threads cannot be bound to two.
 *
 * A lock that hands over in a fixed order must then wait for the scheduler again and again; one that lets
 * others pass need not. For each lock the crowd takes turns with the same lock under two CPUs, and with its
 * twin in C. The counts are looked at every tenth of a second, which also shows how long any CPU went without
 * the lock.
 */
import { PAIR_OF_CPUS } from './contended.ts';
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
import { exactly, type Figure, longestSilence, ratesOf, ratioOf, seriesOf } from './stats.ts';
import { type BenchSubject, nanosecondsOf, ratesBetween, sharesOf, Team } from './team.ts';
import type { Contestant } from './turns.ts';

const CROWD = 8;
const CROWDED_CORES = 2;
const CPUS_A_CORE = CROWD / CROWDED_CORES;
/** As many threads as the native peers can have. */
const MOST_CPUS = 256;
/** Few, because a round may take milliseconds. */
const BATCH = 8;
/** Milliseconds between two looks. */
const LOOK = 100;
/** Windows from this length on, in ms, can tell whether a CPU was silent for too long. */
const SILENCE = 1000;
const OURS = 'lockrig';
const TWO = '2 CPUs';

/** How many CPUs there are, on which cores. */
export interface Crowding {
  readonly cpus: number;
  readonly cores: number;
  /** Cores to bind to, in turn; none: the scheduler's business. */
  readonly pin: readonly number[];
}

/** Where to put the crowd: the scheduler is left alone unless there are more cores than two. */
export function crowding({
  cores,
  pin,
  budget,
}: Pick<Surroundings, 'cores' | 'pin'> & Partial<Pick<Surroundings, 'budget'>>): Crowding {
  const wanted = budget?.oversubscribed.cpus;
  if (wanted !== undefined) return { cpus: wanted, cores, pin: [] };
  if (cores > CROWDED_CORES && pin.length >= CROWDED_CORES)
    return { cpus: CROWD, cores: CROWDED_CORES, pin: pin.slice(0, CROWDED_CORES) };
  return { cpus: Math.min(MOST_CPUS, cores * CPUS_A_CORE), cores, pin: [] };
}

/** What was seen of one contestant, over all its windows. */
interface Seen {
  readonly rates: number[];
  shares: readonly number[];
  silence: number;
}

type Notes = Map<string, Seen>;

function note(
  notes: Notes,
  name: string,
  rates: readonly number[],
  shares: readonly number[],
  silence: number,
): void {
  const seen = notes.get(name) ?? { rates: [], shares: shares.map(() => 0), silence: 0 };
  seen.rates.push(...rates);
  seen.shares = seen.shares.map((share, cpu) => share + shares[cpu]!);
  seen.silence = Math.max(seen.silence, silence);
  notes.set(name, seen);
}

async function team(
  name: string,
  { subject, form }: Case,
  how: { cpus: number; pin: readonly number[]; window: number },
  { budget }: Surroundings,
  started: Ends[],
  notes: Notes,
): Promise<Contestant> {
  const { warmup } = budget.oversubscribed;
  const { cpus, pin, window } = how;
  const crew = await Team.start({ subject, form, cpus, batch: BATCH, pin });
  started.push(crew);
  await crew.crowd(warmup, 0);
  return {
    name,
    async block() {
      const crowd = await crew.crowd(warmup / 4, window, LOOK);
      note(notes, name, ratesBetween(crowd), sharesOf(crowd), longestSilence(crowd.times, crowd.counts));
      return nanosecondsOf(crowd);
    },
  };
}

/**
 * @param fifo whether the lock hands over in order, so that a batch takes several time slices of everybody
 */
function native(
  { lock, name, fifo }: { lock: string; name: string; fifo: boolean },
  where: Crowding,
  around: Surroundings,
  notes: Notes,
): Contestant {
  const ms = around.budget.oversubscribed.two;
  const blocks = Math.max(1, Math.round(ms / LOOK));
  const { cpus: threads, pin } = where;
  const batch = fifo ? 1 : BATCH;
  return {
    name,
    async block() {
      const result = await runPeer({ ...around, pin }, { lock, threads, ms, blocks, batch });
      const { blocks: rates, perThread, perBlock } = result;
      const times = Array.from({ length: blocks + 1 }, (_, at) => (at * ms) / blocks);
      const looks = [perThread.map(() => 0)];
      for (const block of perBlock) {
        const sofar = looks.at(-1)!;
        looks.push(block.map((count, thread) => count + sofar[thread]!));
      }
      note(notes, name, rates, perThread, longestSilence(times, looks));
      return (blocks * 1e9) / rates.reduce((sum, rate) => sum + rate, 0);
    },
  };
}

function judge(samples: Map<string, number[]>, notes: Notes, window: number): Judged {
  const parties: Record<string, Party> = {};
  for (const [name, { rates, shares, silence }] of notes)
    parties[name] = { ...seriesOf('/s', rates), ...fairnessOf(shares), silence };
  const mine = parties[OURS]!;
  const figures: Record<string, Figure> = {
    'acquisitions/s': { value: mine.median, low: mine.p10, high: Math.max(...mine.samples) },
    Jain: exactly(mine.jain!),
  };
  const missing: Record<string, string> = {};
  if (window >= SILENCE) figures['longest silence'] = exactly(mine.silence!);
  else missing['longest silence'] = `a window of ${window} ms cannot show a silence of ${SILENCE}`;
  const windows = ratesOf(samples.get(OURS)!);
  for (const [name, taken] of samples)
    if (name !== OURS) figures[`${OURS} / ${name}`] = ratioOf(windows, ratesOf(taken));
  return { parties, figures, missing };
}

/** Measures locks that more CPUs want than there are cores. */
export async function oversubscribed(
  subjects: readonly BenchSubject[],
  around: Surroundings,
): Promise<Row[]> {
  const rows: Row[] = [];
  const where = crowding(around);
  const { rounds, many, two } = around.budget.oversubscribed;
  const cases = casesOf(subjects, 'together');
  // The C library's mutex stands beside lockrig's own, or else beside the first lock.
  const library = cases.find(({ name }) => name === 'mutex3') ?? cases[0];
  for (const [at, each] of cases.entries()) {
    around.progress(`oversubscribed ${at + 1}/${cases.length}: ${each.name}`);
    const notes: Notes = new Map();
    const cast = async (started: Ends[]): Promise<Contestant[]> => {
      const crowd = { ...where, window: many };
      const pair = { cpus: PAIR_OF_CPUS, pin: around.pin, window: two };
      const contestants = [
        await team(OURS, each, crowd, around, started, notes),
        await team(TWO, each, pair, around, started, notes),
      ];
      for (const rival of rivals(around, each, 'together'))
        contestants.push(await team(rival.name, rival, crowd, around, started, notes));
      const peers = peersOf(around, each.subject);
      const fifo = each.subject.lock.promises.fifo === true;
      for (const lock of peers.own)
        contestants.push(native({ lock, name: 'C release', fifo }, where, around, notes));
      if (each === library)
        for (const lock of peers.library)
          contestants.push(native({ lock, name: lock, fifo: false }, where, around, notes));
      return contestants;
    };
    rows.push(await measureRow(each, around, rounds, cast, (samples) => judge(samples, notes, many)));
  }
  return rows;
}
