/**
 * A crew: worker threads that are the CPUs of one machine and run one function together.
 *
 * This is the least that a litmus test, an instruction benchmark or a conformance test of an engine needs: no
 * pool, no control plane, and nothing under it that the engine under test provides. The barrier is made of
 * `Atomics` for the same reason. A worker is new for every run, because an isolate that has seen two engines,
 * or two forms of one loop, is slower for good.
 *
 * An engine is a name, or a module and a factory in it, so that an engine from elsewhere (a deliberately
 * broken one, say) takes the same road.
 */
import { availableParallelism } from 'node:os';
import { types } from 'node:util';
import { Worker } from 'node:worker_threads';
import { type Addr, type Isa, WaitRecord } from '../src/arch/index.ts';
import type { AttachOptions, Engine, Machine, MachineHandle } from '../src/memory/index.ts';
import { cores, pinThread } from './pin.ts';

/** Makes the engine of one CPU, on that CPU's thread. */
export type EngineFactory = (machine: Machine, cpu: number, options: AttachOptions, args: unknown) => Isa;

/** Where an engine that is not built in comes from; survives `postMessage`. */
export interface EngineSource {
  /** URL of the module. */
  readonly module: string;
  /** The name under which it exports an {@link EngineFactory}. */
  readonly factory: string;
  /** Handed to the factory. */
  readonly args?: unknown;
}

/** A built-in engine by name, or one from elsewhere. */
export type EngineRef = Engine | EngineSource;

/** What a job gets: its CPU and what the crew shares. */
export interface Member<Args> {
  readonly isa: Isa;
  readonly id: number;
  readonly cpus: number;
  readonly machine: Machine;
  /** The machine's memory, for what must not go through the engine under test. */
  readonly words: Int32Array<SharedArrayBuffer>;
  /** Returns when every member has called it as often. */
  readonly barrier: () => void;
  readonly args: Args;
}

/** A function that every member of a crew runs, exported by the module that {@link CrewOptions.job} names. */
export type Job<Args = unknown, Result = unknown> = (member: Member<Args>) => Result | Promise<Result>;

export interface CrewOptions<Args> {
  readonly machine: Machine;
  /** One for all, or by CPU. */
  readonly engine: EngineRef | ((cpu: number) => EngineRef);
  readonly job: { readonly module: string; readonly name: string };
  readonly args: Args;
  /** As many as the machine has, unless given. */
  readonly cpus?: number;
  readonly attach?: Omit<AttachOptions, 'queued' | 'engine'>;
  /** Whether to bind each CPU to a core of its own, where the system can; {@link Crew.pinned} says whether it did. */
  readonly pin?: boolean;
  /** Milliseconds after which the crew is ended and the run fails; 60,000 unless given. */
  readonly deadline?: number;
  /** Ends the crew; the run fails with the signal's reason. */
  readonly signal?: AbortSignal | undefined;
}

/** What crew-cpu receives. */
export interface CrewOrders {
  readonly handle: MachineHandle;
  readonly id: number;
  readonly cpus: number;
  readonly engine: EngineRef;
  readonly attach: AttachOptions;
  readonly job: { readonly module: string; readonly name: string };
  readonly args: unknown;
  /** Index of the barrier's first word. */
  readonly barrier: number;
  /** Whether to say which thread this is, and to wait for an answer before the job. */
  readonly pin: boolean;
}

/** What crew-cpu sends: its thread, if it is to be pinned, and the result. */
export type CrewReport =
  | { readonly kind: 'thread'; readonly thread: number | undefined }
  | { readonly kind: 'done'; readonly result: unknown };

/** A crew did not finish in time. */
export class CrewLate extends Error {
  readonly code = 'ECREWLATE';
  constructor(deadline: number, evidence: string) {
    super(`the CPUs did not finish within ${deadline} ms:\n${evidence}`);
    this.name = 'CrewLate';
  }
}

const extension = import.meta.url.endsWith('.ts') ? '.ts' : '.js';
const entry = new URL(`./crew-cpu${extension}`, import.meta.url);

/** Running workers. */
export interface Crew<Result> {
  /** Whether every CPU has a core of its own; settles before the job begins. */
  readonly pinned: Promise<boolean>;
  /** By CPU; rejects when a job throws, a worker dies or the deadline passes, and then no worker is left. */
  readonly results: Promise<Result[]>;
  /** Ends the workers where they stand. */
  stop(): Promise<void>;
}

/**
 * An error of a class of its own arrives as a plain object with the fields of an error; keeps message, stack
 * and code.
 */
function native(thrown: unknown): Error {
  if (types.isNativeError(thrown)) return thrown;
  const { message, stack, code } = Object(thrown) as { message?: unknown; stack?: unknown; code?: unknown };
  const error = new Error(String(message ?? thrown));
  if (typeof stack === 'string') error.stack = stack;
  return code === undefined ? error : Object.assign(error, { code });
}

/** Binds the threads to the cores in turn, then lets them go; nothing is bound where the cores do not suffice. */
async function pinAll(workers: readonly Worker[]): Promise<boolean> {
  const threads = await Promise.all(
    workers.map(
      (worker) =>
        new Promise<number | undefined>((resolve) => {
          worker.on('message', (report: CrewReport) => report.kind === 'thread' && resolve(report.thread));
          worker.once('exit', () => resolve(undefined));
        }),
    ),
  );
  const own = cores();
  const pinned = threads.length <= own.length && threads.every((thread, at) => pinThread(thread, own[at]!));
  for (const worker of workers) worker.postMessage('go');
  return pinned;
}

function resultOf(worker: Worker, id: number): Promise<unknown> {
  return new Promise((resolve, reject) => {
    worker.on('message', (report: CrewReport) => report.kind === 'done' && resolve(report.result));
    worker.once('error', (thrown) => reject(native(thrown)));
    worker.once('exit', (code) => reject(new Error(`CPU ${id} exited with ${code} before its job was done`)));
  });
}

/** Starts the workers of a crew. */
export function startCrew<Args, Result>(options: CrewOptions<Args>): Crew<Result> {
  const {
    machine,
    job,
    args,
    attach = {},
    cpus = machine.cpus,
    pin = false,
    deadline = 60_000,
    signal,
  } = options;
  signal?.throwIfAborted();
  const barrier = machine.alloc(BARRIER_BYTES) >>> 2;
  const workers = Array.from({ length: cpus }, (_, id) => {
    const engine = typeof options.engine === 'function' ? options.engine(id) : options.engine;
    const orders: CrewOrders = { handle: machine.handle, id, cpus, engine, attach, job, args, barrier, pin };
    return new Worker(entry, { workerData: orders });
  });
  const stop = async (): Promise<void> => {
    await Promise.all(workers.map((worker) => worker.terminate()));
  };
  const results = Promise.all(workers.map(resultOf)) as Promise<Result[]>;
  const pinned = pin ? pinAll(workers) : Promise.resolve(false);
  let timer: NodeJS.Timeout | undefined;
  let abort = (): void => {};
  const cut = new Promise<never>((_, reject) => {
    timer = setTimeout(() => reject(new CrewLate(deadline, describeCpus(machine, cpus))), deadline);
    abort = () => reject(signal?.reason);
    signal?.addEventListener('abort', abort);
  });
  const ended = Promise.race([results, cut]).finally(async () => {
    clearTimeout(timer);
    signal?.removeEventListener('abort', abort);
    await stop();
  });
  return { pinned, results: ended, stop };
}

/** Runs a crew to its end. */
export function runCrew<Args, Result>(options: CrewOptions<Args>): Promise<Result[]> {
  return startCrew<Args, Result>(options).results;
}

/**
 * What a CPU says of itself in its wait record; read without its help, so a hint unless the CPU is blocked
 * for good.
 */
export function waitRecordOf(machine: Machine, cpu: number) {
  const at = machine.areaOf(cpu);
  const word = (offset: Addr): number => Atomics.load(machine.words, (at + offset) >>> 2);
  const addr = word(WaitRecord.addr);
  return {
    blocked: word(WaitRecord.blocked),
    addr,
    value: word(WaitRecord.value),
    now: Atomics.load(machine.words, addr >>> 2),
    seq: word(WaitRecord.seq),
    parks: word(WaitRecord.parks),
    woken: word(WaitRecord.woken),
    overslept: word(WaitRecord.overslept),
  };
}

/** One line a CPU: what it waits for. */
export function describeCpus(machine: Machine, cpus: number = machine.cpus): string {
  return Array.from({ length: cpus }, (_, cpu) => {
    const { blocked, addr, value, now, parks, overslept } = waitRecordOf(machine, cpu);
    const counts = `(${parks} parks, ${overslept} overslept)`;
    if (blocked === 0) return `  CPU ${cpu} is not blocked ${counts}`;
    const what = blocked === 1 ? 'waits for a change of' : 'waits for a notify on';
    return `  CPU ${cpu} ${what} word ${addr}, which was ${value} and is ${now} ${counts}`;
  }).join('\n');
}

const LINE_WORDS = 16;
const BARRIER_BYTES = 3 * 4 * LINE_WORDS;
/**
 * Loads before a member of the barrier sleeps, 20-50 us: longer than a batch of work, shorter than a time
 * slice.
 */
const BARRIER_SPINS = 4000;

/**
 * A barrier: arrivals at `at`, the phase one line on, sleepers on the third line. Who arrives last publishes
 * the phase; who finds no sleeper does not notify. A sleeper counts itself before it looks at the phase
 * again, so one of the two sees the other.
 */
export function barrierOf(words: Int32Array<SharedArrayBuffer>, at: number, cpus: number): () => void {
  const go = at + LINE_WORDS;
  const sleepers = go + LINE_WORDS;
  const spins = cpus <= availableParallelism() ? BARRIER_SPINS : 0;
  let phase = 0;
  return () => {
    const before = phase;
    phase = (phase + 1) | 0;
    if (Atomics.add(words, at, 1) === cpus - 1) {
      Atomics.store(words, at, 0);
      Atomics.store(words, go, phase);
      if (Atomics.load(words, sleepers) !== 0) Atomics.notify(words, go);
      return;
    }
    for (let left = spins; left > 0; left -= 1) if (Atomics.load(words, go) !== before) return;
    Atomics.add(words, sleepers, 1);
    while (Atomics.load(words, go) === before) Atomics.wait(words, go, before);
    Atomics.sub(words, sleepers, 1);
  };
}
