/**
 * Hand-off chains: spinWhile never loses a wake-up.
 *
 * The crews of the chains pass a counter round: a CPU waits until its word shows the next round, checks and
 * raises the counter with plain accesses (the wait must have made them visible), and wakes its neighbour.
 * Their parks have no timeout, so a lost wake-up stops the chain; the main thread then finds a CPU asleep on
 * a word that has long changed, and says which. A chain that goes on in spite of it would prove little,
 * therefore the `edge` chain pauses before each wake-up so long that about half of them meet a neighbour that
 * has just gone to sleep: the pause grows when the neighbour was found awake and shrinks when it was found
 * asleep.
 */
import { availableParallelism } from 'node:os';
import { type Crew, describeCpus, type Job, startCrew, waitRecordOf } from '../../bench/crew.ts';
import { type Addr, ENGINE_BYTES, type WaitingPolicy, WaitRecord } from '../../src/arch/index.ts';
import { PARKERS } from '../../src/arch/waiting.ts';
import { createMachine, type Machine } from '../../src/memory/index.ts';
import { untimed } from './engines.ts';
import { type Effort, engineFor, must, type Row, stream, Violation } from './rows.ts';
import type { Subject } from './table.ts';

interface ChainOrders {
  /** A line a CPU; all the same word if the chain is a herd. */
  readonly slots: readonly Addr[];
  readonly counter: Addr;
  /** Rounds of each CPU. */
  readonly rounds: number;
  readonly edge: boolean;
  readonly seed: number;
}

const LONGEST_PAUSE = 50_000;

/** Ends a neighbour's wait in each of the ways that a design may. */
function passOn({ isa }: Parameters<Job<ChainOrders>>[0], slot: Addr, value: number): void {
  const way = value & 3;
  if (way === 0) {
    isa.storeWake(slot, value);
  } else if (way === 1) {
    isa.storeWakeOne(slot, value);
  } else {
    isa.store(slot, value);
    isa.wake(slot, way === 2 ? -1 : 1);
  }
}

export const ring: Job<ChainOrders, void> = (context) => {
  const { isa, id, cpus, machine, words, barrier, args } = context;
  const mine = args.slots[id]!;
  const next = (id + 1) % cpus;
  const theirs = args.slots[next]!;
  const theirParks = (machine.areaOf(next) + WaitRecord.parks) >>> 2;
  const random = stream(args.seed + id);
  let parks = 0;
  let pause = 1000;
  barrier();
  for (let round = 1; round <= args.rounds; round += 1) {
    const got = isa.spinWhile(mine, round - 1);
    must(got === round, () => `CPU ${id}: spinWhile for ${round - 1} answers ${got}, not ${round}`);
    const count = isa.read(args.counter);
    const expected = (round - 1) * cpus + id;
    must(
      count === expected,
      () => `CPU ${id} reads ${count} after its wait, ${expected} was written before it`,
    );
    isa.write(args.counter, count + 1);
    if (args.edge) {
      for (let left = (pause >>> 1) + (random() % pause); left > 0; left -= 1) Atomics.load(words, 0);
      const now = Atomics.load(words, theirParks);
      const step = (pause >>> 4) + 1;
      pause = now === parks ? Math.min(pause + step, LONGEST_PAUSE) : Math.max(pause - step, 16);
      parks = now;
    }
    passOn(context, theirs, next === 0 ? round + 1 : round);
  }
};

/** All wait on one word, which says whose turn it is. */
export const herd: Job<ChainOrders, void> = (context) => {
  const { isa, id, cpus, barrier, args } = context;
  const turn = args.slots[0]!;
  barrier();
  for (let round = 0; round < args.rounds; round += 1) {
    const mine = round * cpus + id + 1;
    let now = isa.loadAcquire(turn);
    while (now !== mine) {
      must(now < mine, () => `CPU ${id} waits for turn ${mine} and finds ${now}`);
      now = isa.spinWhile(turn, now);
    }
    const count = isa.read(args.counter);
    must(
      count === mine - 1,
      () => `CPU ${id} reads ${count} after its wait, ${mine - 1} was written before it`,
    );
    isa.write(args.counter, mine);
    isa.storeWake(turn, mine + 1);
  }
};

interface Parks {
  readonly parks: number;
  readonly woken: number;
  readonly overslept: number;
}

/**
 * Looks at a crew until it is done, and stops it if it stands still while a CPU sleeps on a word that has
 * changed.
 */
async function watch(machine: Machine, crew: Crew<unknown>, counter: Addr, patience: number): Promise<void> {
  let last = -1;
  let since = performance.now();
  let done = false;
  const finished = crew.results.then(
    () => {
      done = true;
    },
    (error: unknown) => {
      done = true;
      throw error;
    },
  );
  const looks = (async () => {
    while (!done) {
      await new Promise((resolve) => setTimeout(resolve, 20));
      const now = Atomics.load(machine.words, counter >>> 2);
      if (now !== last) {
        last = now;
        since = performance.now();
        continue;
      }
      if (performance.now() - since < patience || done) continue;
      for (let cpu = 0; cpu < machine.cpus; cpu += 1) {
        const seen = waitRecordOf(machine, cpu);
        if (seen.blocked === 0 || seen.now === seen.value) continue;
        throw new Violation(
          `CPU ${cpu} sleeps on a word that has changed: its wake-up was lost\n${describeCpus(machine)}`,
        );
      }
    }
  })();
  try {
    await Promise.race([finished, looks]);
    await finished;
  } finally {
    done = true;
    await crew.stop();
  }
}

function parksOf(machine: Machine): Parks {
  let [parks, woken, overslept] = [0, 0, 0];
  for (let cpu = 0; cpu < machine.cpus; cpu += 1) {
    const one = waitRecordOf(machine, cpu);
    must(one.blocked === 0, () => `CPU ${cpu} is done, and its record says that it is blocked`);
    parks += one.parks;
    woken += one.woken;
    overslept += one.overslept;
  }
  for (let at = PARKERS; at < ENGINE_BYTES; at += 4) {
    const left = machine.words[at >>> 2]!;
    must(left === 0, () => `${left} CPUs are counted as parked (word ${at}) when nobody is`);
  }
  return { parks, woken, overslept };
}

interface ChainOptions {
  readonly job: 'ring' | 'herd';
  readonly cpus: number;
  readonly handOffs: number;
  readonly waiting: WaitingPolicy;
  readonly edge?: boolean;
  readonly timed?: boolean;
}

async function chain(subject: Subject, effort: Effort, options: ChainOptions): Promise<Parks> {
  const { job, cpus, handOffs, waiting, edge = false, timed = false } = options;
  const machine = createMachine({ cpus });
  const lines = Array.from({ length: cpus }, () => machine.alloc(64));
  const args: ChainOrders = {
    slots: lines,
    counter: machine.alloc(64),
    rounds: Math.ceil((handOffs * effort.times) / cpus),
    edge,
    seed: effort.seed,
  };
  machine.boot.store(lines[0]!, 1);
  const engine = engineFor(subject);
  const crew = startCrew<ChainOrders, void>({
    machine,
    engine: (cpu) => (timed ? engine(cpu) : untimed(engine(cpu))),
    attach: cpus > availableParallelism() ? { waiting, spinRounds: 1 } : { waiting },
    job: { module: import.meta.url, name: job },
    args,
    pin: true,
    deadline: 1_200_000,
  });
  await watch(machine, crew, args.counter, effort.patience);
  const count = machine.boot.load(args.counter);
  must(count === args.rounds * cpus, () => `${count} hand-offs were made, not ${args.rounds * cpus}`);
  return parksOf(machine);
}

interface Expectation {
  /** Whether there must have been parks; false: there must be none. */
  readonly parks?: boolean;
  /** Whether sleeps that ended late must be rare. */
  readonly punctual?: true;
}

function row(name: string, options: ChainOptions, expected: Expectation = {}): Row {
  return {
    name: `${name}, ${options.waiting}`,
    mixed: options.cpus === 2,
    long: options.handOffs >= 100_000 ? 100 : 10,
    async run(subject, effort) {
      const { parks, woken, overslept } = await chain(subject, effort, options);
      const counts = () => `${parks} parks, ${woken} woken, ${overslept} overslept`;
      if (expected.parks === true)
        must(woken > 0, () => `the chain has not tried what it is for: ${counts()}`);
      if (expected.parks === false) must(parks === 0, () => `a CPU that must spin has parked: ${counts()}`);
      // A waker can be preempted between its store and its notify for longer than a park lasts, but not time
      // and again.
      if (expected.punctual) must(overslept * 20 <= parks + 200, () => `wake-ups come too late: ${counts()}`);
    },
  };
}

const two = { job: 'ring', cpus: 2, handOffs: 1_000_000 } as const;
const eight = { job: 'ring', cpus: 8, handOffs: 100_000 } as const;
const punctual = { parks: true, punctual: true } as const;
const edge = { job: 'ring', cpus: 2, handOffs: 20_000, edge: true } as const;

/** As many CPUs as there are cores. */
export const chainRows: readonly Row[] = [
  row('a ring of 2 CPUs', { ...two, handOffs: 200_000, waiting: 'spin' }, { parks: false }),
  row('a ring of 2 CPUs', { ...two, waiting: 'spin-then-park' }),
  row('a ring of 2 CPUs', { ...two, waiting: 'park' }),
  row('a ring at the edge of the sleep', { ...edge, waiting: 'spin-then-park' }, { parks: true }),
  row('a ring at the edge of the sleep', { ...edge, waiting: 'park' }, { parks: true }),
  row('a timed ring at the edge of the sleep', { ...edge, waiting: 'park', timed: true }, punctual),
];

/** More. */
export const crowdRows: readonly Row[] = [
  row('a ring of 8 CPUs', { ...eight, waiting: 'spin-then-park' }, { parks: true }),
  row('a ring of 8 CPUs', { ...eight, waiting: 'park' }, { parks: true }),
  row(
    'a timed ring of 4 CPUs',
    { ...eight, cpus: 4, handOffs: 20_000, waiting: 'park', timed: true },
    punctual,
  ),
  row(
    'a herd of 4 CPUs on one word',
    { job: 'herd', cpus: 4, handOffs: 4000, waiting: 'park' },
    { parks: true },
  ),
];
