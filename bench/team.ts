/**
 * A team: a machine with a lock and the CPUs that are measured on it, as the main thread handles them.
 *
 * Workers are new for every lock, form and engine, and are pinned where the system lets us. After every run
 * the counter that the lock protects is compared with what the CPUs say they did: a lock that lets two in is
 * no faster lock.
 */
import { CpuPool } from '../harness/cpus/pool.ts';
import type { LockClassStats } from '../harness/measure/schema.ts';
import { readStat, type StatHandle, statMemory } from '../harness/measure/stat.ts';
import type { AnyLock } from '../src/locking/define.ts';
import { mutex3 } from '../src/locking/mutex3.ts';
import { createMachine, type Engine, LINE, type Machine, roundUp } from '../src/memory/index.ts';
import { pinThread } from './pin.ts';
import { BATCH_TIMES, type BenchReport, type BenchSetup, type BenchWords } from './program.ts';
import { counterAfter, type Form } from './rounds.ts';

/** A lock to measure. */
export interface BenchSubject {
  readonly lock: AnyLock;
  /** URL of the bundled module, for users' locks. */
  readonly url?: string;
}

/** What a team is put together from. */
export interface TeamOptions {
  readonly subject: BenchSubject;
  readonly form: Form;
  readonly cpus: number;
  readonly engine?: Engine;
  readonly tracked?: boolean;
  /** Whether lock statistics are kept. */
  readonly stat?: boolean;
  /** Rounds between two looks at the stop word; 0, unless given: for one CPU alone. */
  readonly batch?: number;
  /** Whether each batch is timed, of locks whose rounds are pairs of calls; with `batch`. */
  readonly timed?: boolean;
  readonly warmupMs?: number;
  readonly blockMs?: number;
  /** Cores that the CPUs take in turn; unpinned unless given. */
  readonly pin?: readonly number[];
}

/** What was seen of CPUs that ran together. */
export interface Crowd {
  /** Milliseconds of each look at the counts, and the counts at that time, by CPU. */
  readonly times: readonly number[];
  readonly counts: readonly (readonly number[])[];
  /** Where batches are timed: nanoseconds of those that took so many a round, of all CPUs, since they were started. */
  readonly batches: Float64Array;
}

/**
 * Why a lock was not measured: it let two CPUs in, its CPUs did not come to an end, or could not be bound to
 * their cores.
 */
export class BenchFailure extends Error {
  readonly code: 'ECOUNTER' | 'ESTUCK' | 'EPIN';
  constructor(code: BenchFailure['code'], message: string) {
    super(message);
    this.name = 'BenchFailure';
    this.code = code;
  }
}

const PAIR = 2 * LINE;
/** Milliseconds that CPUs have to begin, and to end their batch once they were told to. */
const REST_DEADLINE = 20_000;

function programUrl(): string {
  return new URL(`./program.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url).href;
}

function layOut(machine: Machine, lock: AnyLock): BenchWords {
  const take = (bytes: number): number => machine.alloc(roundUp(bytes, PAIR));
  const perCpuStride = roundUp(lock.perCpu, LINE);
  return {
    stop: take(PAIR),
    ready: take(PAIR),
    counter: take(PAIR),
    lock: take(lock.size(machine.cpus)),
    mutex: take(mutex3.size(machine.cpus)),
    busy: take(PAIR),
    agreed: take(PAIR),
    counts: take(machine.cpus * LINE),
    perCpu: perCpuStride === 0 ? 0 : take(machine.cpus * perCpuStride),
    perCpuStride,
  };
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

/** CPUs and the lock that they are measured on. */
export class Team {
  private readonly options: TeamOptions;
  private readonly machine: Machine;
  private readonly pool: CpuPool;
  private readonly at: BenchWords;
  private readonly statistics: StatHandle | undefined;

  private constructor(
    options: TeamOptions,
    machine: Machine,
    pool: CpuPool,
    { at, stat }: Pick<BenchSetup, 'at' | 'stat'>,
  ) {
    this.options = options;
    this.statistics = stat;
    this.machine = machine;
    this.pool = pool;
    this.at = at;
  }

  /** Sets the machine up and starts the CPUs. */
  static async start(options: TeamOptions): Promise<Team> {
    const { subject, form, cpus, engine = 'wasm', tracked = false, stat = false, pin = [] } = options;
    const { batch = 0, timed = false, warmupMs = 0, blockMs = 1 } = options;
    const { lock, url } = subject;
    const machine = createMachine({ cpus, bytes: lock.size(cpus) + cpus * (lock.perCpu + 4 * LINE) + 65536 });
    const at = layOut(machine, lock);
    const value = lock.kind === 'barrier' ? cpus : 1;
    lock.init(machine.boot, at.lock, cpus, value);
    mutex3.init(machine.boot, at.mutex, cpus, 0);
    const shared = await lock.share?.(cpus, value);
    const setup: BenchSetup = {
      subject: { name: lock.name, ...(url === undefined ? {} : { url }) },
      form,
      engine,
      tracked,
      ...(stat ? { stat: statMemory({ cpus, bytes: machine.words.byteLength }) } : {}),
      batch,
      timed,
      warmupMs,
      blockMs,
      shared,
      at,
    };
    const pool = await CpuPool.start({ machine, program: programUrl(), setup });
    try {
      for (let cpu = 0; pin.length > 0 && cpu < cpus; cpu += 1) {
        const { thread } = (await pool.collect(cpu)) as BenchReport;
        const core = pin[cpu % pin.length]!;
        if (!pinThread(thread, core))
          throw new BenchFailure('EPIN', `CPU ${cpu} could not be bound to core ${core}`);
      }
    } catch (error) {
      await pool.destroy();
      throw error;
    }
    return new Team(options, machine, pool, setup);
  }

  /** The lock statistics so far; none unless they are kept. */
  stat(): LockClassStats[] {
    return this.statistics === undefined ? [] : readStat(this.statistics);
  }

  /** One block of the only CPU. @returns nanoseconds a round */
  async block(): Promise<number> {
    await this.pool.run(0);
    const { nanoseconds, rounds } = (await this.pool.collect(0)) as BenchReport;
    this.verify(rounds);
    return nanoseconds;
  }

  /**
   * Lets all CPUs run, for `warmupMs` and then for `windowMs`, in which it looks at their counts every
   * `lookMs`.
   * @throws BenchFailure
   */
  async crowd(warmupMs: number, windowMs: number, lookMs: number = windowMs): Promise<Crowd> {
    const { machine, at, pool } = this;
    const { boot, cpus } = machine;
    boot.store(at.stop, 0);
    boot.store(at.agreed, 0);
    boot.store(at.ready, 0);
    const done = Promise.all(Array.from({ length: cpus }, (_, cpu) => pool.run(cpu)));
    const failed = new Promise<never>((_resolve, reject) => void done.catch(reject));
    failed.catch(() => {});
    const pause = (ms: number): Promise<void> => Promise.race([sleep(ms), failed]);
    const times: number[] = [];
    const counts: number[][] = [];
    const look = (): void => {
      counts.push(Array.from({ length: cpus }, (_, cpu) => boot.load(at.counts + LINE * cpu)));
      times.push(performance.now());
    };
    try {
      const late = performance.now() + REST_DEADLINE;
      while (boot.load(at.ready) < cpus) {
        if (performance.now() > late) throw this.stuck('begin');
        await pause(1);
      }
      await pause(warmupMs);
      look();
      const end = performance.now() + windowMs;
      for (let now = times[0]!; now < end; now = performance.now()) {
        await pause(Math.min(lookMs, end - now));
        look();
      }
    } finally {
      boot.store(at.stop, 1);
    }
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(this.stuck('end')), REST_DEADLINE);
    });
    try {
      await Promise.race([done, late]);
    } finally {
      clearTimeout(timer);
    }
    const reports = (await Promise.all(
      Array.from({ length: cpus }, (_, cpu) => pool.collect(cpu)),
    )) as BenchReport[];
    this.verify(reports.reduce((sum, { rounds }) => sum + rounds, 0));
    const batches = new Float64Array(BATCH_TIMES);
    for (const report of reports)
      report.batches?.forEach((ns, at) => {
        batches[at]! += ns;
      });
    return { times, counts, batches };
  }

  private stuck(what: string): BenchFailure {
    const { lock } = this.options.subject;
    return new BenchFailure(
      'ESTUCK',
      `the CPUs of '${lock.name}' did not ${what} within ${REST_DEADLINE / 1000} s: lockrig torture says why`,
    );
  }

  /** Holds the counter against what was done; both wrap at 2^32. */
  private verify(rounds: number): void {
    const { subject, form } = this.options;
    const expected = counterAfter(form, rounds, this.machine.cpus) >>> 0;
    const counter = this.machine.boot.load(this.at.counter) >>> 0;
    if (counter !== expected)
      throw new BenchFailure(
        'ECOUNTER',
        `'${subject.lock.name}' let two CPUs in: its counter shows ${counter} where ${expected} was due`,
      );
  }

  /** Ends the CPUs. */
  async end(): Promise<void> {
    await this.pool.destroy();
  }
}

/** What each CPU of a crowd did from the first look to the last. */
export function sharesOf({ counts }: Crowd): number[] {
  const first = counts[0]!;
  const last = counts.at(-1)!;
  return last.map((count, cpu) => (count - first[cpu]!) >>> 0);
}

/** Rounds a second between each look and the next. */
export function ratesBetween({ times, counts }: Crowd): number[] {
  return times.slice(1).map((time, at) => {
    const sum = counts[at + 1]!.reduce((total, count, cpu) => total + ((count - counts[at]![cpu]!) >>> 0), 0);
    return (sum * 1000) / (time - times[at]!);
  });
}

/** Nanoseconds of wall time for each round that anybody did, from the first look to the last. */
export function nanosecondsOf(crowd: Crowd): number {
  const rounds = sharesOf(crowd).reduce((sum, each) => sum + each, 0);
  return ((crowd.times.at(-1)! - crowd.times[0]!) * 1e6) / rounds;
}

/**
 * Nanoseconds a round of the batch that was under way in the middle of all time from one crowd to another. Where the host takes a core away the rest go on by
 * themselves, several times as fast: a mean would tell how often that was.
 */
export function middleBatch(before: Crowd, after: Crowd): number {
  const took = after.batches.map((ns, at) => ns - before.batches[at]!);
  let left = took.reduce((sum, ns) => sum + ns, 0) / 2;
  return took.findIndex((ns) => {
    left -= ns;
    return left <= 0;
  });
}
