/**
 * wait and notify: the futex.
 *
 * Whether a thread sleeps yet cannot be known from outside: its wait record says that it is on its way. So
 * counts are judged by what they promise each other (as many CPUs resume as the notifies answered) and order
 * over pauses that grow until it shows. A spurious wake-up is allowed anywhere, but not as a habit.
 */
import type { Job } from '../../bench/crew.ts';
import { waitRecordOf } from '../../bench/crew.ts';
import type { Addr, WaitingPolicy } from '../../src/arch/index.ts';
import { createMachine } from '../../src/memory/index.ts';
import { EDGES, type Effort, engineFor, must, nap, type Row, runToEnd } from './rows.ts';
import type { Subject } from './table.ts';

interface FutexOrders {
  /** The futex; the line at `futex ^ 64` is its neighbour's. */
  readonly futex: Addr;
  /** Index of words for the test itself. */
  readonly control: number;
  readonly rounds: number;
}

type FutexJob<Result = void> = Job<FutexOrders, Result>;
type Context = Parameters<FutexJob>[0];

const BLOCKED_WAIT = 2;
const NAP = 0;
const RESUMED = 1;
const TURN = 2;
const ORDER = 8;

const control = ({ words, args }: Context, at: number): number => Atomics.load(words, args.control + at);
const setControl = ({ words, args }: Context, at: number, value: number): number =>
  Atomics.store(words, args.control + at, value);
const sleep = ({ words, args }: Context, milliseconds: number): void =>
  nap(words, args.control + NAP, milliseconds);

/** Waits, napping, until something holds; the crew's deadline ends it otherwise. */
function until(context: Context, holds: () => boolean): void {
  while (!holds()) sleep(context, 0.05);
}

/** Until a CPU is about to sleep in `wait`, and a little longer. */
function untilWaits(context: Context, cpu: number, settle: number): void {
  until(context, () => waitRecordOf(context.machine, cpu).blocked === BLOCKED_WAIT);
  sleep(context, settle);
}

/** Notes the CPU as resumed, in order. */
function resumed(context: Context): void {
  const place = Atomics.add(context.words, context.args.control + RESUMED, 1);
  setControl(context, ORDER + place, context.id);
}

/** Notifies everybody until all have resumed. */
function flush(context: Context): void {
  until(context, () => {
    if (control(context, RESUMED) === context.cpus - 1) return true;
    context.isa.notify(context.args.futex, -1);
    return false;
  });
}

export const refuses: FutexJob = ({ isa, words, args: { futex } }) => {
  for (const word of EDGES) {
    words[futex >>> 2] = word;
    for (const value of EDGES) {
      if ((value | 0) === (word | 0)) continue;
      const got = [isa.wait(futex, value), isa.wait(futex, value, 0), isa.wait(futex, value, 1e7)];
      must(
        got.join() === '1,1,1',
        () => `wait for ${value} on a word of ${word | 0} answers ${got.join(', ')}, not 1 (not equal)`,
      );
    }
  }
};

export const timesOut: FutexJob = ({ isa, machine, words, args: { futex } }) => {
  for (const word of EDGES) {
    words[futex >>> 2] = word;
    for (const timeout of [0, 1, 999, 50_000, 1_500_000.5]) {
      for (const value of [word, word | 0, word >>> 0]) {
        const got = isa.wait(futex, value, timeout);
        must(
          got === 2 || got === 0,
          () => `wait for ${value} on that word answers ${got} after ${timeout} ns, not 2 (timed out)`,
        );
      }
    }
    const got = [1, 2, 3].map(() => isa.wait(futex, word, 1000));
    must(got.includes(2), () => `three waits of 1 us answer ${got.join(', ')}: none has timed out`);
  }
  must(waitRecordOf(machine, 0).blocked === 0, () => 'the wait record still says that the CPU is blocked');
};

export const counts: FutexJob = (context) => {
  const { isa, id, cpus, barrier, args } = context;
  const most = new Map<number, number>();
  let early = 0;
  for (let round = 0; round < args.rounds; round += 1) {
    barrier();
    if (id !== 0) {
      const got = isa.wait(args.futex, 0);
      must(got === 0, () => `a notified wait answers ${got}, not 0 (woken)`);
      resumed(context);
      barrier();
      continue;
    }
    for (let cpu = 1; cpu < cpus; cpu += 1) untilWaits(context, cpu, 0.2);
    let woken = 0;
    for (const ask of [0, 1, 2]) {
      const got = isa.notify(args.futex, ask);
      must(got >= 0 && got <= ask, () => `notify of up to ${ask} says that it woke ${got}`);
      woken += got;
      most.set(ask, Math.max(most.get(ask) ?? 0, got));
      until(context, () => control(context, RESUMED) >= woken);
      sleep(context, 0.3);
      if (control(context, RESUMED) > woken) early += 1;
    }
    const rest = isa.notify(args.futex, -1);
    must(
      rest <= cpus - 1 - woken,
      () => `notify of all says that it woke ${rest}, where ${cpus - 1 - woken} were left`,
    );
    most.set(-1, Math.max(most.get(-1) ?? 0, rest));
    flush(context);
    setControl(context, RESUMED, 0);
    barrier();
  }
  if (id !== 0) return;
  must(
    early * 10 <= args.rounds,
    () => `in ${early} of ${args.rounds} rounds more CPUs resumed than notify said`,
  );
  for (const [ask, least] of [
    [1, 1],
    [2, 2],
    [-1, 2],
  ] as const) {
    must(
      most.get(ask)! >= least,
      () =>
        `notify of ${ask < 0 ? 'all' : ask} never woke more than ${most.get(ask)} of ${cpus - 1} waiting CPUs`,
    );
  }
};

export const order: FutexJob = (context) => {
  const { isa, id, cpus, barrier, args } = context;
  const tries: string[] = [];
  const arrivals = Array.from({ length: cpus - 1 }, (_, at) => at + 1).join();
  for (const pause of [1, 4, 16, 64, 256]) {
    barrier();
    if (id !== 0) {
      until(context, () => control(context, TURN) >= id);
      isa.wait(args.futex, 0);
      resumed(context);
      barrier();
    } else {
      for (let cpu = 1; cpu < cpus; cpu += 1) {
        setControl(context, TURN, cpu);
        untilWaits(context, cpu, pause);
      }
      let woken = 0;
      for (let cpu = 1; cpu < cpus; cpu += 1) {
        woken += isa.notify(args.futex, 1);
        until(context, () => control(context, RESUMED) >= woken);
      }
      flush(context);
      tries.push(Array.from({ length: cpus - 1 }, (_, at) => control(context, ORDER + at)).join());
      setControl(context, RESUMED, 0);
      setControl(context, TURN, 0);
      barrier();
    }
    if (id === 0 && tries.at(-1) === arrivals) setControl(context, TURN, -1);
    barrier();
    if (control(context, TURN) === -1) return;
  }
  must(id !== 0, () => `arrived as ${arrivals}, resumed as ${tries.join(' and ')}`);
};

export const unchanged: FutexJob = (context) => {
  const { isa, id, machine, barrier, args } = context;
  for (let round = 0; round < args.rounds; round += 1) {
    barrier();
    if (id === 0) {
      until(context, () => waitRecordOf(machine, 1).blocked !== 0);
      flush(context);
      setControl(context, RESUMED, 0);
    } else {
      const got = isa.wait(args.futex, 0);
      must(got === 0, () => `a notified wait answers ${got}, not 0 (woken)`);
      resumed(context);
    }
    barrier();
  }
};

export const apart: FutexJob = (context) => {
  const { isa, id, barrier, args } = context;
  const neighbour = args.futex ^ 64;
  for (let round = 0; round < args.rounds; round += 1) {
    barrier();
    if (id !== 0) {
      isa.wait(args.futex, 0);
      resumed(context);
      barrier();
      continue;
    }
    untilWaits(context, 1, 0.3);
    for (const addr of [neighbour, args.futex + 4, args.futex + 64 * 64]) {
      const got = isa.notify(addr, -1);
      must(got === 0, () => `notify on word ${addr} woke ${got} that wait on word ${args.futex}`);
    }
    flush(context);
    setControl(context, RESUMED, 0);
    barrier();
  }
};

export const record: FutexJob = (context) => {
  const { isa, id, machine, words, barrier, args } = context;
  for (const timeout of [undefined, 3e9]) {
    barrier();
    if (id !== 0) {
      isa.wait(args.futex, 0, timeout);
      resumed(context);
      barrier();
      continue;
    }
    untilWaits(context, 1, 0.2);
    const { blocked, addr, value } = waitRecordOf(machine, 1);
    const endless = Atomics.load(words, (machine.areaOf(1) >>> 2) + 8);
    const now = `${blocked} on word ${addr}, value ${value}, endless ${endless}`;
    const right = `${BLOCKED_WAIT} on word ${args.futex}, value 0, endless ${timeout === undefined ? 1 : 0}`;
    must(now === right, () => `the record of a waiting CPU says ${now}, not ${right}`);
    flush(context);
    setControl(context, RESUMED, 0);
    barrier();
  }
  must(
    waitRecordOf(machine, id).blocked === 0,
    () => 'the record of a CPU that has resumed says that it is blocked',
  );
};

async function run(
  subject: Subject,
  effort: Effort,
  name: string,
  cpus: number,
  rounds: number,
  waiting?: WaitingPolicy,
): Promise<void> {
  const machine = createMachine({ cpus });
  const block = machine.alloc(64 * 4);
  const args: FutexOrders = {
    futex: (block + 127) & ~127,
    control: machine.alloc(256) >>> 2,
    rounds: Math.round(rounds * effort.times),
  };
  const attach = waiting === undefined ? {} : { waiting };
  await runToEnd(
    { machine, engine: engineFor(subject), attach, job: { module: import.meta.url, name }, args },
    effort,
  );
}

const row = (name: string, jobName: string, cpus: number, rounds: number, waiting?: WaitingPolicy): Row => ({
  name,
  mixed: cpus > 1,
  run: (subject, effort) => run(subject, effort, jobName, cpus, rounds, waiting),
});

const policies: readonly WaitingPolicy[] = ['spin', 'spin-then-park', 'park'];

export const futexRows: readonly Row[] = [
  ...policies.map((policy) =>
    row(`wait on a word that differs answers so at once (${policy})`, 'refuses', 1, 1, policy),
  ),
  ...policies.map((policy) => row(`wait times out (${policy})`, 'timesOut', 1, 1, policy)),
  ...policies.map((policy) =>
    row(`notify ends a wait whose word is unchanged (${policy})`, 'unchanged', 2, 100, policy),
  ),
  row('notify wakes as many as asked and says how many', 'counts', 6, 20),
  row('notify wakes first who came first', 'order', 6, 1),
  row('notify wakes nobody who waits on another word', 'apart', 2, 20),
  row('the wait record says what a waiting CPU waits for', 'record', 2, 1),
];
