/**
 * spinWhile and spinWhileAny beside their wake-ups: what ends them, what they answer, and what an observer
 * can see meanwhile.
 */
import { type Job, waitRecordOf } from '../../bench/crew.ts';
import type { Addr, WaitingPolicy } from '../../src/arch/index.ts';
import { createMachine } from '../../src/memory/index.ts';
import { EDGES, type Effort, engineFor, must, nap, type Row, runToEnd, stream } from './rows.ts';

interface WaitOrders {
  /** Lines to wait on. */
  readonly at: readonly Addr[];
  /** Index of words for the test itself; the first stays 0. */
  readonly control: number;
  readonly rounds: number;
  readonly seed: number;
}

type WaitJob = Job<WaitOrders, void>;
type Context = Parameters<WaitJob>[0];

const DONE = 1;
const BLOCKED_SPIN = 1;

const control = ({ words, args }: Context, at: number): number => Atomics.load(words, args.control + at);
const setControl = ({ words, args }: Context, at: number, value: number): number =>
  Atomics.store(words, args.control + at, value);

function until(context: Context, holds: () => boolean): void {
  while (!holds()) nap(context.words, context.args.control, 0.05);
}

const isWaiting = (context: Context): boolean => waitRecordOf(context.machine, 1).blocked === BLOCKED_SPIN;

/** CPU 1 waits for each value in each spelling; CPU 0 changes the word once it is seen to wait. */
export const spellings: WaitJob = (context) => {
  const { isa, id, barrier, args } = context;
  const addr = args.at[0]!;
  for (const value of EDGES) {
    if (id === 0) {
      isa.store(addr, value);
      setControl(context, DONE, 0);
    }
    barrier();
    if (id === 0) {
      until(context, () => isWaiting(context) || control(context, DONE) === 1);
      isa.storeWake(addr, value ^ 0x100);
    } else {
      const got = isa.spinWhile(addr, value);
      setControl(context, DONE, 1);
      must(got === (value ^ 0x100), () => `spinWhile for ${value} ended while the word was still ${got}`);
    }
    barrier();
  }
};

/**
 * CPU 1 waits on three words. CPU 0 changes two of them before it looks, or one while it waits, with or
 * without a wake-up.
 */
export const anyOfThree: WaitJob = (context) => {
  const { isa, id, barrier, args } = context;
  const random = stream(args.seed);
  for (let round = 1; round <= args.rounds; round += 1) {
    const which = random() % 3;
    const also = which + (random() % (3 - which));
    const early = random() % 4 === 0;
    const patient = random() % 2 === 0;
    if (id === 0) {
      for (const addr of args.at) isa.store(addr, -round);
      if (early) for (const changed of [which, also]) isa.store(args.at[changed]!, round);
    }
    barrier();
    if (id === 1) {
      const got = isa.spinWhileAny(args.at.flatMap((addr) => [addr, -round]));
      must(
        got === which,
        () => `spinWhileAny answers ${got} where word ${which} is the first that has changed`,
      );
    } else if (!early) {
      if (patient) until(context, () => isWaiting(context));
      if (which === 0 || (round & 1) === 0) isa.storeWake(args.at[which]!, round);
      else isa.store(args.at[which]!, round);
    }
    barrier();
  }
};

/** CPU 0 changes the word of a sleeping CPU 1 and tells nobody. */
export const forgetful: WaitJob = (context) => {
  const { isa, id, machine, barrier, args } = context;
  const addr = args.at[0]!;
  barrier();
  for (let round = 1; round <= args.rounds; round += 1) {
    const { parks } = waitRecordOf(machine, 1);
    barrier();
    if (id === 1) {
      const got = isa.spinWhile(addr, round - 1);
      must(got === round, () => `spinWhile for ${round - 1} answers ${got}, not ${round}`);
    } else {
      until(context, () => waitRecordOf(machine, 1).parks !== parks);
      nap(context.words, args.control, 0.2);
      isa.store(addr, round);
    }
    barrier();
  }
  const { parks, overslept } = waitRecordOf(machine, 1);
  const counted = `${overslept} of ${parks} parks are overslept after ${args.rounds} forgotten wake-ups`;
  must(overslept > 0 && overslept <= args.rounds, () => counted);
};

/** CPU 1 waits under the policy `spin`; nobody ever finds it asleep. */
export const sleepless: WaitJob = (context) => {
  const { isa, id, machine, barrier, args } = context;
  const addr = args.at[0]!;
  for (let round = 1; round <= args.rounds; round += 1) {
    barrier();
    if (id === 1) {
      isa.spinWhile(addr, round - 1);
    } else {
      until(context, () => waitRecordOf(machine, 1).blocked !== 0);
      for (let looks = 0; looks < 20; looks += 1) {
        const asleep = isa.notify(addr, -1);
        must(asleep === 0, () => 'a notify has woken a CPU that must spin');
        nap(context.words, args.control, 0.05);
      }
      isa.storeWake(addr, round);
    }
    barrier();
  }
  const { parks } = waitRecordOf(machine, 1);
  must(parks === 0, () => `a CPU that must spin has parked ${parks} times`);
};

/** What CPU 0 reads of CPU 1 while that is parked, and after. */
export const records: WaitJob = (context) => {
  const { isa, id, machine, barrier, args } = context;
  const addr = args.at[0]!;
  for (let round = 1; round <= args.rounds; round += 1) {
    const before = waitRecordOf(machine, 1);
    barrier();
    if (id === 1) {
      isa.spinWhile(addr, round - 1);
    } else {
      until(context, () => waitRecordOf(machine, 1).parks > before.parks);
      nap(context.words, args.control, 0.2);
      const { blocked, addr: word, value } = waitRecordOf(machine, 1);
      const right = blocked === BLOCKED_SPIN && word === addr && value === round - 1;
      must(right, () => `the record of a parked CPU says ${blocked} on word ${word}, value ${value}`);
      isa.storeWake(addr, round);
    }
    barrier();
    const after = waitRecordOf(machine, 1);
    must(after.blocked === 0, () => 'the record of a CPU that goes on says that it is blocked');
    must(
      after.seq - before.seq === 2,
      () => `one wait has changed the record's count by ${after.seq - before.seq}, not 2`,
    );
  }
  const { parks, woken } = waitRecordOf(machine, 1);
  must(woken > 0 && woken <= parks, () => `of ${parks} parks ${woken} are counted as ended by a wake-up`);
};

function row(name: string, jobName: string, waiting: WaitingPolicy, rounds: number): Row {
  return {
    name: `${name} (${waiting})`,
    mixed: true,
    long: 10,
    async run(subject, effort: Effort) {
      const machine = createMachine({ cpus: 2 });
      const args: WaitOrders = {
        at: [machine.alloc(64), machine.alloc(64), machine.alloc(64)],
        control: machine.alloc(64) >>> 2,
        rounds: Math.round(rounds * effort.times),
        seed: effort.seed,
      };
      const job = { module: import.meta.url, name: jobName };
      await runToEnd({ machine, engine: engineFor(subject), attach: { waiting }, job, args }, effort);
    },
  };
}

const policies: readonly WaitingPolicy[] = ['spin', 'spin-then-park', 'park'];

export const waitingRows: readonly Row[] = [
  ...policies.map((policy) => row('spinWhile takes its value in either spelling', 'spellings', policy, 1)),
  ...policies.map((policy) =>
    row('spinWhileAny answers the first word that has changed', 'anyOfThree', policy, 300),
  ),
  row('a forgotten wake-up costs time and is counted', 'forgetful', 'spin-then-park', 50),
  row('a forgotten wake-up costs time and is counted', 'forgetful', 'park', 50),
  row('a spinning CPU never sleeps', 'sleepless', 'spin', 20),
  row('the wait record says what a parked CPU waits for', 'records', 'spin-then-park', 20),
  row('the wait record says what a parked CPU waits for', 'records', 'park', 20),
];
