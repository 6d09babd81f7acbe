/**
 * The threads that CPUs run on: a piscina pool with exactly one thread a CPU, which boot while the main thread is still looking for what they
 * are to run.
 *
 * The balancer sends the task of CPU n to the n-th thread, so a CPU that leaves and comes back is the same thread. What goes wrong in a thread
 * before anybody listens is kept for the one who does.
 */
import type { Worker } from 'node:worker_threads';
import { Piscina } from 'piscina';
import type { CpuTask } from '../engines/program.ts';

/** What piscina shows its balancer of a thread. */
interface Seat {
  id: number;
  currentUsage: number;
}

const extension = import.meta.url.endsWith('.ts') ? 'ts' : 'js';

function balance(task: object, workers: readonly unknown[]): never {
  const wanted = (task as Record<symbol, { cpu: number }>)[Piscina.queueOptionsSymbol]?.cpu ?? 0;
  const seat = [...(workers as readonly Seat[])].sort((a, b) => a.id - b.id)[wanted];
  return (seat && seat.currentUsage === 0 ? seat : null) as never;
}

/** Milliseconds that threads may take to end. */
const END_AFTER = 3000;

let left = false;

/**
 * Whether a thread could not be ended. V8 interrupts a loop where it calls a function of JavaScript, and some loops that call none nowhere: such a thread
 * runs until the process ends, and neither `exit` nor a limit of its memory ends it.
 */
export const threadsLeft = (): boolean => left;

/** Threads for so many CPUs. One pool of CPUs uses them at a time; the next one may when all CPUs of that have left. */
export class CpuThreads {
  readonly cpus: number;
  /** Memory of a thread in MiB; the host's default where undefined. */
  readonly maxMemory: number | undefined;
  private readonly piscina: Piscina;
  private failure: Error | undefined;
  private ending: Promise<void> | undefined;
  private used = false;
  private listener: ((error: Error) => void) | undefined;

  constructor(cpus: number, maxMemory?: number) {
    this.cpus = cpus;
    this.maxMemory = maxMemory;
    this.piscina = new Piscina({
      filename: new URL(`../../workers/cpu.${extension}`, import.meta.url).href,
      name: 'cpu',
      minThreads: cpus,
      maxThreads: cpus,
      idleTimeout: Number.POSITIVE_INFINITY,
      atomics: 'disabled',
      recordTiming: false,
      workerHistogram: false,
      ...(maxMemory === undefined ? {} : { resourceLimits: { maxOldGenerationSizeMb: maxMemory } }),
      loadBalancer: balance,
    });
    // A throw after the task has settled arrives here; without a listener it would end the process.
    this.piscina.on('error', (error: Error) => {
      this.failure ??= error;
      this.listener?.(error);
    });
  }

  /** Calls back with what goes, or went, wrong outside of tasks. */
  onError(listener: (error: Error) => void): void {
    this.listener = listener;
    if (this.failure) listener(this.failure);
  }

  /** By CPU, in the order of their ids; for the debugger. */
  get threads(): readonly Worker[] {
    return [...this.piscina.threads].sort((a, b) => a.threadId - b.threadId);
  }

  /** Runs a CPU's task on its thread until the CPU leaves. */
  run(task: CpuTask): Promise<unknown> {
    this.used = true;
    const queued = { ...task, [Piscina.queueOptionsSymbol]: { cpu: task.id } };
    return this.piscina.run(queued, { transferList: [task.port] });
  }

  /** Ends them all, whatever they are doing; more than once does no harm. */
  async destroy(): Promise<void> {
    this.ending ??= this.end();
    await this.ending;
  }

  /**
   * A thread that is ended while it loads its modules can take the process with it (V8 12.4 aborts: "must be used on an instantiated module"). Threads
   * that have a task are past that; the others are asked for a sign of life first.
   */
  private async end(): Promise<void> {
    if (!this.used) {
      const ready = (cpu: number): Promise<unknown> =>
        this.piscina.run({ [Piscina.queueOptionsSymbol]: { cpu } }, { name: 'ready' });
      await Promise.allSettled(Array.from({ length: this.cpus }, (_, cpu) => ready(cpu)));
    }
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<true>((resolve) => {
      timer = setTimeout(resolve, END_AFTER, true);
    });
    const ended = this.piscina.destroy().catch(() => {});
    if (await Promise.race([ended, late])) left = true;
    clearTimeout(timer);
  }
}
