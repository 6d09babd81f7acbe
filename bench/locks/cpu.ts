/**
 * The program of a CPU in a sweep: makes the operations of one lock, untracked unless lock statistics are wanted, and the loops over them, and does what the word
 * `mode` says.
 *
 *   fast, timed   all CPUs together: meet, then batches of sections until `stop`; each batch is a heartbeat
 *   calibrate     this CPU alone: what a turn of work takes
 */
import type { BootContext, Runner } from '../../harness/engines/program.ts';
import { clockCost } from '../../harness/measure/clock.ts';
import { type StatHandle, statCpu } from '../../harness/measure/stat.ts';
import { findSubject } from '../../harness/torture/program.ts';
import type { Addr, WaitingPolicy } from '../../src/arch/index.ts';
import type { LockDefinition } from '../../src/locking/define.ts';
import type { OpsByKind } from '../../src/locking/kinds.ts';
import { track } from '../../src/locking/track.ts';
import type { Cpu } from '../../src/memory/index.ts';
import { currentThreadId } from '../pin.ts';
import { type Clocks, type Lengths, type LoopOn, loopsOf, type Tally } from './loops.ts';
import { asyncLoopsOf } from './loops-async.ts';
import { pairsOf } from './sections.ts';
import { type Counted, Histogram } from './times.ts';
import { calibrate } from './work.ts';

/** What `mode` says. */
export const MODE = { fast: 0, timed: 1, calibrate: 2 } as const;
/** The words of a CPU's line: sections, what its work came to, writes (two words), reads that saw a writer. */
export const MINE = { count: 0, sink: 4, writes: 8, torn: 12 } as const;

/** Where things lie; each begins a pair of cache lines. */
export interface SweepWords {
  readonly stop: Addr;
  readonly ready: Addr;
  readonly mode: Addr;
  /** Turns of work in a section, outside, one in so many is timed, sections between two looks at `stop`: a line of words. */
  readonly lengths: Addr;
  readonly want: Addr;
  readonly counts: Addr;
  readonly firstLock: Addr;
  readonly lockStride: number;
  readonly firstData: Addr;
  readonly perCpu: Addr;
  readonly perCpuStride: number;
}

/** What the CPUs are booted with; survives structured clone. */
export interface SweepSetup {
  readonly subject: { readonly name: string; readonly url?: string };
  readonly waiting: WaitingPolicy;
  readonly locks: number;
  /** Share of reads. */
  readonly reads: number;
  readonly shared: unknown;
  /** Where lock statistics are kept, if they are. */
  readonly stat?: StatHandle;
  readonly at: SweepWords;
}

/** What a CPU has to say. */
export interface SweepReport {
  /** The kernel's id of its thread, for pinning. */
  readonly thread: number | undefined;
  /** Nanoseconds of a turn of work, after it was asked to calibrate. */
  readonly turn: number;
  readonly wait: Counted;
  readonly hold: Counted;
  readonly handoff: Counted;
  readonly from: readonly number[];
}

/** A loop of sections, in either mode. */
type Loop = (sections: number) => void | Promise<void>;

function loopOf(
  definition: LockDefinition,
  cpu: Cpu,
  { subject, at, shared, stat, locks, reads }: SweepSetup,
  lengths: Lengths,
  tally: Tally,
  clocks: Clocks,
): { fast: Loop; timed: Loop } {
  const { kind, create } = definition;
  const areaOf = (other: number): Addr => (at.perCpu === 0 ? 0 : at.perCpu + other * at.perCpuStride);
  if (stat) statCpu(stat, cpu, { classOf: () => subject.name, keep: false });
  const made = create(cpu.isa, cpu, { area: areaOf(cpu.id), areaOf, shared });
  const ops = stat ? track(kind, cpu, made) : made;
  const on: LoopOn = {
    isa: cpu.isa,
    cpu: cpu.id,
    cpus: cpu.count,
    locks,
    firstLock: at.firstLock,
    lockStride: at.lockStride,
    firstData: at.firstData,
    want: at.want,
    count: at.counts + 64 * cpu.id,
    reads: Math.round(reads * 65_536),
    clock: clockCost(),
  };
  if (kind === 'async-mutex')
    return asyncLoopsOf(on, ops as OpsByKind['async-mutex'], lengths, tally, clocks);
  return loopsOf(on, pairsOf(kind, ops as OpsByKind[typeof kind]), lengths, tally, clocks);
}

/** Boots one CPU. */
export async function boot({ id, setup: given, attach }: BootContext): Promise<Runner> {
  const setup = given as SweepSetup;
  const { subject, waiting, at } = setup;
  const definition = (await findSubject({ definition: 'lock', ...subject })) as LockDefinition;
  const cpu = attach({ engine: 'wasm', waiting });
  const { isa, count: cpus } = cpu;
  const lengths: Lengths = { section: 0, outside: 0, every: 1 };
  const tally: Tally = { writes: 0, torn: 0 };
  const clocks: Clocks = {
    wait: new Histogram(),
    hold: new Histogram(),
    handoff: new Histogram(),
    from: Array.from({ length: cpus }, () => 0),
  };
  const { fast, timed } = loopOf(definition, cpu, setup, lengths, tally, clocks);
  const mine = at.counts + 64 * id;
  let turn = Number.NaN;
  const tell = (): void => {
    isa.write(mine + MINE.writes, tally.writes | 0);
    isa.write(mine + MINE.torn, tally.torn);
  };
  return {
    async run() {
      const mode = isa.load(at.mode);
      if (mode === MODE.calibrate) {
        const measured = calibrate();
        turn = measured.turn;
        isa.write(mine + MINE.sink, measured.sink);
        return;
      }
      lengths.section = isa.read(at.lengths);
      lengths.outside = isa.read(at.lengths + 4);
      lengths.every = isa.read(at.lengths + 8);
      const batch = isa.read(at.lengths + 12);
      const loop: Loop = mode === MODE.timed ? timed : fast;
      let here = isa.fetchAdd(at.ready, 1) + 1;
      isa.wake(at.ready, -1);
      while (here < cpus) here = isa.spinWhile(at.ready, here);
      while (isa.load(at.stop) === 0) {
        const pending = loop(batch);
        if (pending) await pending;
        cpu.beat();
      }
      tell();
    },
    collect(): SweepReport {
      const { wait, hold, handoff, from } = clocks;
      const report = {
        thread: currentThreadId(),
        turn,
        wait: wait.counted(),
        hold: hold.counted(),
        handoff: handoff.counted(),
        from: [...from],
      };
      for (const each of [wait, hold, handoff]) each.clear();
      from.fill(0);
      return report;
    },
  };
}
