/**
 * One lock in one setting: a machine of its own with the CPUs that are measured on it, as the main thread of a fork handles them.
 *
 * After every window what the locks protect is compared with what the CPUs say they did. The watchdog of torture looks on: a lock whose CPUs are blocked for
 * good, or do not get on, is told of and ended.
 */
import { CpuPool } from '../../harness/cpus/pool.ts';
import { Watchdog } from '../../harness/cpus/watchdog.ts';
import type { LockClassStats, Setting } from '../../harness/measure/schema.ts';
import { readStat, type StatHandle, statMemory } from '../../harness/measure/stat.ts';
import { createMachine, LINE, type Machine, roundUp } from '../../src/memory/index.ts';
import { cores, pinThread } from '../pin.ts';
import { BenchFailure, type BenchSubject } from '../team.ts';
import { MINE, MODE, type SweepReport, type SweepSetup, type SweepWords } from './cpu.ts';
import { DATA_STRIDE } from './loops.ts';

const PAIR = 2 * LINE;
/** Milliseconds between two looks at the machine. */
const TICK = 20;
/** Sections between two looks at the stop word: short ones, and where a section may take a time slice of everybody. */
const BATCH = { short: 64, long: 4 } as const;
/** Sections from this length on, in nanoseconds, are long. */
const LONG = 2000;

/** A lock whose CPUs do not get on. */
export class SweepStall extends Error {
  readonly code = 'ESTALL';
  constructor(message: string) {
    super(message);
    this.name = 'SweepStall';
  }
}

/** What a window showed. */
export interface Window {
  readonly milliseconds: number;
  /** Sections of each CPU. */
  readonly shares: readonly number[];
}

/** How a team is put together. */
export interface SweepTeamOptions {
  readonly subject: BenchSubject;
  readonly setting: Setting;
  /** Cores that the CPUs take in turn; none: nothing is pinned. */
  readonly pin: readonly number[];
  /** Milliseconds without progress that make a stall. */
  readonly stallAfter: number;
  /** Whether lock statistics are kept. */
  readonly stat?: boolean;
}

function programUrl(): string {
  return new URL(`./cpu.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url).href;
}

const sleep = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));

function layOut(machine: Machine, { subject: { lock }, setting }: SweepTeamOptions): SweepWords {
  const take = (bytes: number): number => machine.alloc(roundUp(bytes, PAIR));
  const perCpuStride = roundUp(lock.perCpu, LINE);
  const lockStride = roundUp(lock.size(machine.cpus), PAIR);
  return {
    stop: take(PAIR),
    ready: take(PAIR),
    mode: take(PAIR),
    lengths: take(PAIR),
    want: take(PAIR),
    counts: take(machine.cpus * LINE),
    firstLock: take(setting.locks * lockStride),
    lockStride,
    firstData: take(setting.locks * DATA_STRIDE),
    perCpu: perCpuStride === 0 ? 0 : take(machine.cpus * perCpuStride),
    perCpuStride,
  };
}

/** CPUs and the locks that they are measured on. */
export class SweepTeam {
  private readonly options: SweepTeamOptions;
  private readonly machine: Machine;
  private readonly pool: CpuPool;
  private readonly at: SweepWords;
  private readonly statistics: StatHandle | undefined;
  private ran = 0;

  private constructor(
    options: SweepTeamOptions,
    machine: Machine,
    pool: CpuPool,
    { at, stat }: Pick<SweepSetup, 'at' | 'stat'>,
  ) {
    this.options = options;
    this.statistics = stat;
    this.machine = machine;
    this.pool = pool;
    this.at = at;
  }

  /** Sets the machine up and starts the CPUs. */
  static async start(options: SweepTeamOptions): Promise<SweepTeam> {
    const { subject, setting, pin, stat } = options;
    const { lock, url } = subject;
    const { cpus, locks, reads, waiting } = setting;
    const bytes =
      locks * (roundUp(lock.size(cpus), PAIR) + DATA_STRIDE) + cpus * (lock.perCpu + 4 * LINE) + 65_536;
    const machine = createMachine({ cpus, bytes, cores: cores().length });
    const at = layOut(machine, options);
    for (let each = 0; each < locks; each += 1)
      lock.init(machine.boot, at.firstLock + each * at.lockStride, cpus, 1);
    const shared = await lock.share?.(cpus, 1);
    const setup: SweepSetup = {
      subject: { name: lock.name, ...(url === undefined ? {} : { url }) },
      waiting,
      locks,
      reads,
      shared,
      ...(stat && { stat: statMemory({ cpus, bytes: machine.words.byteLength }) }),
      at,
    };
    const pool = await CpuPool.start({ machine, program: programUrl(), setup });
    const team = new SweepTeam(options, machine, pool, setup);
    try {
      for (const [cpu, core] of pin.length > 0
        ? team.everyone().map((id) => [id, pin[id % pin.length]!] as const)
        : [])
        if (!pinThread((await team.report(cpu)).thread, core))
          throw new BenchFailure('EPIN', `CPU ${cpu} could not be bound to core ${core}`);
    } catch (error) {
      await pool.destroy();
      throw error;
    }
    return team;
  }

  private everyone(): number[] {
    return Array.from({ length: this.machine.cpus }, (_, cpu) => cpu);
  }

  private report(cpu: number): Promise<SweepReport> {
    return this.pool.collect(cpu) as Promise<SweepReport>;
  }

  /** How long its CPUs have run so far, all windows and what went before them. */
  get seconds(): number {
    return this.ran / 1000;
  }

  /** The lock statistics so far; none unless they are kept. */
  stat(): LockClassStats[] {
    return this.statistics === undefined ? [] : readStat(this.statistics);
  }

  /** Measures a turn of work on CPU 0. @returns nanoseconds */
  async calibrate(): Promise<number> {
    this.machine.boot.store(this.at.mode, MODE.calibrate);
    await this.watched(this.pool.run(0));
    return (await this.report(0)).turn;
  }

  /** Sets the turns of work in a section and outside, and how many sections there are for each that is timed. */
  lengths(section: number, outside: number, every: number): void {
    const { boot, cpus } = this.machine;
    const { lengths } = this.at;
    const slow = this.options.setting.section >= LONG || cpus > cores().length;
    boot.write(lengths, section);
    boot.write(lengths + 4, outside);
    boot.write(lengths + 8, every);
    boot.write(lengths + 12, slow ? BATCH.long : BATCH.short);
  }

  /** Waits for CPUs to come to their end, and looks at them meanwhile. @throws SweepStall */
  private async watched(running: Promise<unknown>): Promise<void> {
    const dog = new Watchdog(this.machine, this.options.stallAfter);
    let over = false;
    const done = running.finally(() => {
      over = true;
    });
    done.catch(() => {});
    while (!over) {
      await Promise.race([done, sleep(TICK)]);
      const found = over ? undefined : dog.look();
      if (found)
        throw new SweepStall(
          found.kind === 'deadlock'
            ? 'deadlock, proven: every CPU is blocked and nobody is left to wake one'
            : `no CPU has got on for ${(found.silent / 1000).toFixed(1)} s`,
        );
    }
    await done;
  }

  /**
   * Lets all CPUs run for a while.
   * @throws SweepStall; BenchFailure when the lock let two CPUs in
   */
  async window(mode: 'fast' | 'timed', warmup: number, milliseconds: number): Promise<Window> {
    const { machine, at, pool } = this;
    const { boot } = machine;
    boot.store(at.mode, MODE[mode]);
    boot.store(at.stop, 0);
    boot.store(at.ready, 0);
    const running = Promise.all(this.everyone().map((cpu) => pool.run(cpu)));
    const watched = this.watched(running);
    watched.catch(() => {});
    const pause = (ms: number): Promise<unknown> => Promise.race([sleep(ms), watched]);
    const counts = (): number[] => this.everyone().map((cpu) => boot.load(at.counts + LINE * cpu));
    try {
      while (boot.load(at.ready) < machine.cpus) await pause(1);
      const ready = performance.now();
      await pause(warmup);
      const before = counts();
      const began = performance.now();
      await pause(milliseconds);
      const after = counts();
      const took = performance.now() - began;
      boot.store(at.stop, 1);
      await watched;
      this.ran += performance.now() - ready;
      this.verify();
      return { milliseconds: took, shares: after.map((count, cpu) => (count - before[cpu]!) >>> 0) };
    } finally {
      boot.store(at.stop, 1);
    }
  }

  /** What a thread counted in its memory; and forgets it. */
  async collect(): Promise<SweepReport[]> {
    return Promise.all(this.everyone().map((cpu) => this.report(cpu)));
  }

  /** Holds what is protected against what was done; both wrap at 2^32. */
  private verify(): void {
    const { at, options, machine } = this;
    const { boot } = machine;
    const { lock } = options.subject;
    const sum = (values: readonly number[]): number =>
      values.reduce((total, each) => (total + each) >>> 0, 0);
    const written = sum(this.everyone().map((cpu) => boot.load(at.counts + LINE * cpu + MINE.writes)));
    const torn = sum(this.everyone().map((cpu) => boot.load(at.counts + LINE * cpu + MINE.torn)));
    const shown = sum(
      Array.from({ length: options.setting.locks }, (_, each) =>
        boot.load(at.firstData + DATA_STRIDE * each),
      ),
    );
    if (shown !== written)
      throw new BenchFailure(
        'ECOUNTER',
        `'${lock.name}' let two CPUs in: what it protects shows ${shown} where ${written} was due`,
      );
    if (torn > 0)
      throw new BenchFailure(
        'ECOUNTER',
        `'${lock.name}' let a writer in with readers: ${torn} reads saw it at work`,
      );
  }

  /** Ends the CPUs. */
  async end(): Promise<void> {
    await this.pool.destroy();
  }
}
