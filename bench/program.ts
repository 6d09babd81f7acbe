/**
 * The program of a CPU that is measured. It makes the operations of one lock as a user of the library gets
 * them, tracked or not, and one loop over them.
 *
 * Alone, a run is one block: a number of rounds, found in the first run, that takes the wanted time by this
 * CPU's own clock.
 *
 * Together, it is the twin of `crowd` in peers.c: when all are ready, batches of rounds, a look at the stop
 * word after each, and the count published for the main thread, which takes the time. Parties of a barrier
 * must agree on the last batch: CPU 0 passes the stop word on before a batch's last meeting, the others read
 * it after; nobody can be a batch ahead of a reader.
 */
import type { BootContext, Runner } from '../harness/engines/program.ts';
import { type StatHandle, statCpu } from '../harness/measure/stat.ts';
import { findSubject } from '../harness/torture/program.ts';
import type { Addr, Isa } from '../src/arch/index.ts';
import type { LockDefinition } from '../src/locking/define.ts';
import type { Kind, MutexOps, OpsByKind, SeqOps } from '../src/locking/kinds.ts';
import { mutex3 } from '../src/locking/mutex3.ts';
import { track } from '../src/locking/track.ts';
import type { Cpu, Engine } from '../src/memory/index.ts';
import { currentThreadId } from './pin.ts';
import { type Form, type Rounds, roundsOf } from './rounds.ts';

/** What the CPUs are booted with; survives structured clone. */
export interface BenchSetup {
  readonly subject: { readonly name: string; readonly url?: string };
  readonly form: Form;
  readonly engine: Engine;
  readonly tracked: boolean;
  /** Where lock statistics are kept, if they are. */
  readonly stat?: StatHandle;
  /** Rounds between two looks at the stop word; 0: this CPU is alone. */
  readonly batch: number;
  /** Whether each batch is timed. */
  readonly timed: boolean;
  /** Alone: milliseconds before the first block, and of a block. */
  readonly warmupMs: number;
  readonly blockMs: number;
  readonly shared: unknown;
  readonly at: BenchWords;
}

/** Where things lie; each begins a pair of cache lines. */
export interface BenchWords {
  readonly stop: Addr;
  readonly ready: Addr;
  readonly counter: Addr;
  readonly lock: Addr;
  readonly mutex: Addr;
  readonly busy: Addr;
  /** The word by which parties of a barrier agree to stop. */
  readonly agreed: Addr;
  /** A line a CPU: its count, and what it has read. */
  readonly counts: Addr;
  /** Start and stride of the lock's own bytes of each CPU; 0 when it has none. */
  readonly perCpu: Addr;
  readonly perCpuStride: number;
}

/** What a CPU has to say after a run. */
export interface BenchReport {
  /** The kernel's id of its thread, for pinning. */
  readonly thread: number | undefined;
  /** Rounds since it was booted. */
  readonly rounds: number;
  /** Of a block: nanoseconds a round. */
  readonly nanoseconds: number;
  /** Nanoseconds of all timed batches that took so many nanoseconds a round, by these; the last one has all that took longer. Since it was booted. */
  readonly batches?: Float64Array;
}

/** Nanoseconds a round by which timed batches are told apart. */
export const BATCH_TIMES = 4096;

/**
 * Rounds in a row while warming up, and how many there should be before the first block: by then V8 has
 * optimised both JavaScript and wasm.
 */
const WARMUP_ROUNDS = 1000;
const WARM_ROUNDS = 200_000;
/** How much longer than wanted a slow lock may take for that. */
const WARM_PATIENCE = 4;
const MOST_ROUNDS = 2 ** 30;

async function findLength(
  loop: Rounds,
  { warmupMs, blockMs }: BenchSetup,
): Promise<{ length: number; done: number }> {
  const began = performance.now();
  const since = (): number => performance.now() - began;
  let done = 0;
  while (since() < warmupMs || (done < WARM_ROUNDS && since() < WARM_PATIENCE * warmupMs)) {
    await loop(WARMUP_ROUNDS);
    done += WARMUP_ROUNDS;
  }
  for (let n = 64; ; n *= 2) {
    const began = performance.now();
    await loop(n);
    const took = performance.now() - began;
    done += n;
    if (took >= blockMs / 4 || n >= MOST_ROUNDS)
      return { length: Math.min(MOST_ROUNDS, Math.ceil((n * blockMs) / Math.max(took, 1e-3))), done };
  }
}

function alone(loop: Rounds, setup: BenchSetup): Runner {
  let length = 0;
  let rounds = 0;
  let nanoseconds = Number.NaN;
  return {
    async run() {
      if (length === 0) {
        const found = await findLength(loop, setup);
        length = found.length;
        rounds += found.done;
      }
      const began = performance.now();
      const pending = loop(length);
      if (pending) await pending;
      nanoseconds = ((performance.now() - began) * 1e6) / length;
      rounds += length;
    },
    collect: (): BenchReport => ({ thread: currentThreadId(), rounds, nanoseconds }),
  };
}

function meetOthers(isa: Isa, ready: Addr, cpus: number): void {
  let here = isa.fetchAdd(ready, 1) + 1;
  isa.wake(ready, -1);
  while (here < cpus) here = isa.spinWhile(ready, here);
}

function together(cpu: Cpu, kind: Kind, loop: Rounds, { batch, timed, at }: BenchSetup): Runner {
  const { isa, id, count } = cpu;
  const mine = at.counts + 64 * id;
  let rounds = 0;
  const publish = (): void => {
    rounds += batch;
    isa.writeOnce(mine, rounds | 0);
  };
  const run = (): void => {
    meetOthers(isa, at.ready, count);
    while (isa.load(at.stop) === 0) {
      loop(batch);
      publish();
    }
  };
  const batches = new Float64Array(BATCH_TIMES);
  const runTimed = (): void => {
    meetOthers(isa, at.ready, count);
    for (let began = performance.now(); isa.load(at.stop) === 0; ) {
      loop(batch);
      publish();
      const now = performance.now();
      const took = (now - began) * 1e6;
      batches[Math.min(BATCH_TIMES - 1, Math.round(took / batch))]! += took;
      began = now;
    }
  };
  const runMeetings = (): void => {
    meetOthers(isa, at.ready, count);
    do {
      loop(batch - 1);
      if (id === 0) isa.writeOnce(at.agreed, isa.load(at.stop));
      loop(1);
      publish();
    } while (isa.readOnce(at.agreed) === 0);
  };
  const runAsync = async (): Promise<void> => {
    meetOthers(isa, at.ready, count);
    while (isa.load(at.stop) === 0) {
      await loop(batch);
      publish();
    }
  };
  return {
    run: timed ? runTimed : kind === 'barrier' ? runMeetings : kind === 'async-mutex' ? runAsync : run,
    collect: (): BenchReport => ({
      thread: currentThreadId(),
      rounds,
      nanoseconds: Number.NaN,
      ...(timed && { batches }),
    }),
  };
}

/** A sequence counter as its users have it: their lock keeps its writers apart. */
function writersApart(ops: SeqOps, mutex: MutexOps, mutexAddr: Addr): SeqOps {
  return {
    ...ops,
    writeBegin(lock) {
      mutex.acquire(mutexAddr);
      ops.writeBegin(lock);
    },
    writeEnd(lock) {
      ops.writeEnd(lock);
      mutex.release(mutexAddr);
    },
  };
}

/** Boots one CPU. */
export async function boot({ id, setup: given, attach }: BootContext): Promise<Runner> {
  const setup = given as BenchSetup;
  const { subject, form, engine, tracked, stat, shared, at } = setup;
  const { kind, create, promises } = (await findSubject({
    definition: 'lock',
    ...subject,
  })) as LockDefinition;
  const cpu = attach({ engine });
  const { isa } = cpu;
  const classOf = (addr: Addr): string => (addr === at.mutex ? 'mutex3' : subject.name);
  if (stat) statCpu(stat, cpu, { classOf, keep: tracked });
  const dress = <K extends Kind>(of: K, ops: OpsByKind[K]): OpsByKind[K] =>
    tracked || stat ? track(of, cpu, ops) : ops;
  const areaOf = (other: number): Addr => (at.perCpu === 0 ? 0 : at.perCpu + other * at.perCpuStride);
  const mutex = dress('mutex', mutex3.create(isa, cpu));
  const { counter, lock, busy, mutex: mutexAddr } = at;
  const made = dress(kind, create(isa, cpu, { area: areaOf(id), areaOf, shared, mutex }));
  const ops = promises.writers === 1 && cpu.count > 1 ? writersApart(made as SeqOps, mutex, mutexAddr) : made;
  const sink = at.counts + 64 * id + 4;
  const loop = roundsOf(
    kind,
    form,
    { isa, lock, counter, mutex, mutexAddr, busy, sink, cpu: id, alone: cpu.count === 1 },
    ops,
  );
  return setup.batch === 0 ? alone(loop, setup) : together(cpu, kind, loop, setup);
}
