/**
 * The CPUs: each a task on a thread of its own for as long as the CPU is online.
 *
 * A thread that dies ends everything: piscina would put a new one in its place, which would take over a half-done machine. So the first death is remembered with its
 * cause, every pending control call is rejected with it (comlink would wait for ever), and the pool is destroyed.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { MessageChannel, type MessagePort, type Worker } from 'node:worker_threads';
import { type Remote, releaseProxy, wrap } from 'comlink';
import type { Machine } from '../../src/memory/index.ts';
import { endpoint } from '../../workers/endpoint.ts';
import type { HardwareOptions } from '../engines/hardware.ts';
import type { Control } from '../engines/program.ts';
import { CpuThreads } from './threads.ts';

/** A CPU's thread ended or never came up. */
export class CpuDied extends Error {
  readonly code = 'ECPUDIED';
  /** -1: it is not known which. */
  readonly cpu: number;
  readonly why: string;
  constructor(cpu: number, why: string) {
    super(`${cpu < 0 ? 'a CPU' : `CPU ${cpu}`} died: ${why}`);
    this.name = 'CpuDied';
    this.cpu = cpu;
    this.why = why;
  }
}

/** A control call was not answered in time. */
export class ControlTimeout extends Error {
  readonly code = 'ECONTROLTIMEOUT';
  constructor(cpu: number, call: string, ms: number) {
    super(
      call === 'load'
        ? `CPU ${cpu} has not come up within ${ms / 1000} s: the file of the lock, or its create, does not return, or the machine is too busy`
        : `CPU ${cpu} did not answer '${call}' within ${ms / 1000} s`,
    );
    this.name = 'ControlTimeout';
  }
}

/** How a pool is started. */
export interface PoolOptions {
  machine: Machine;
  /** URL of the program module. */
  program: string;
  /** Passed to the program on every CPU. */
  setup: unknown;
  hardware?: Partial<HardwareOptions>;
  /** Memory of a thread in MiB; the host's default unless given. */
  maxMemory?: number;
  /** Threads that are booting already: as many as the machine has CPUs. The pool ends them. */
  threads?: CpuThreads;
  /** CPUs to start with; all of the machine unless given. */
  online?: readonly number[];
}

interface Line {
  port: MessagePort;
  control: Remote<Control>;
  done: Promise<void>;
}

/** Milliseconds that a control call may take, and what each CPU adds to it: all start at once, on as many cores as there are. */
const CONTROL_DEADLINE = 10_000;
const CONTROL_SHARE = 1_000;
/** Milliseconds that the CPUs that come up have when another one has failed to. */
const LOADING_GRACE = 1_000;

/** A running set of CPUs. */
export class CpuPool {
  private readonly options: PoolOptions;
  private readonly hosts: CpuThreads;
  private readonly lines = new Map<number, Line>();
  private readonly loading: Promise<void>[] = [];
  private readonly dead: Promise<never>;
  private die: (error: CpuDied) => void = () => {};
  private readonly destroyed: Promise<never>;
  private abandon: (error: CpuDied) => void = () => {};
  private ended = false;
  /** The first death, if any. */
  death: CpuDied | undefined;

  private constructor(options: PoolOptions) {
    this.options = options;
    const { machine, maxMemory } = options;
    this.dead = new Promise((_resolve, reject) => {
      this.die = (error) => {
        if (this.ended || this.death) return;
        this.death = error;
        reject(error);
      };
    });
    this.dead.catch(() => {});
    this.destroyed = new Promise((_resolve, reject) => {
      this.abandon = reject;
    });
    this.destroyed.catch(() => {});
    this.hosts = options.threads ?? new CpuThreads(machine.cpus, maxMemory);
    this.hosts.onError((error) => this.die(new CpuDied(-1, error.message)));
  }

  /**
   * Starts the threads and boots the program on each.
   * @throws CpuDied when a thread ends or the program throws
   */
  static async start(options: PoolOptions): Promise<CpuPool> {
    const pool = new CpuPool(options);
    const online = options.online ?? Array.from({ length: options.machine.cpus }, (_, id) => id);
    try {
      await Promise.all(online.map((id) => pool.join(id)));
    } catch (error) {
      // The others may still be loading; ending them there is not safe, see CpuThreads.
      const enough = new AbortController();
      const { signal } = enough;
      await Promise.race([Promise.allSettled(pool.loading), sleep(LOADING_GRACE, undefined, { signal })]);
      enough.abort();
      await pool.destroy();
      throw error;
    }
    return pool;
  }

  /** Threads by CPU, in the order of their ids; for the debugger. */
  get threads(): readonly Worker[] {
    return this.hosts.threads;
  }

  /** Brings a CPU online and boots the program on it. */
  async join(id: number): Promise<void> {
    const { machine, program, setup, hardware } = this.options;
    const { port1, port2 } = new MessageChannel();
    const task = {
      machine: machine.handle,
      id,
      port: port2,
      options: hardware ?? {},
    };
    const done = this.hosts.run(task).then(
      () => {
        this.lines.delete(id);
      },
      (error: Error & { code?: string }) => {
        const why = error.code === 'ERR_WORKER_OUT_OF_MEMORY' ? 'out of memory' : error.message;
        this.die(new CpuDied(id, why));
      },
    );
    const control = wrap<Control>(endpoint(port1));
    this.lines.set(id, { port: port1, control, done });
    const loaded = control.load(program, setup);
    this.loading.push(loaded);
    await this.answer(id, 'load', loaded);
  }

  /** Takes a CPU offline: its task returns. */
  async leave(id: number): Promise<void> {
    const line = this.line(id);
    await this.answer(id, 'leave', line.control.leave());
    await Promise.race([line.done, this.dead]);
    line.port.close();
  }

  /** Runs the program on one CPU until it is done. */
  run(id: number): Promise<void> {
    return Promise.race([this.line(id).control.run(), this.dead]);
  }

  /** What the program on one CPU has to say. */
  collect(id: number): Promise<unknown> {
    return this.answer(id, 'collect', this.line(id).control.collect());
  }

  /** Rejects when a CPU dies; otherwise never settles. */
  get deaths(): Promise<never> {
    return this.dead;
  }

  private line(id: number): Line {
    const line = this.lines.get(id);
    if (!line) throw new RangeError(`CPU ${id} is not online`);
    return line;
  }

  private async answer<T>(id: number, call: string, reply: Promise<T>): Promise<T> {
    const deadline = CONTROL_DEADLINE + CONTROL_SHARE * this.options.machine.cpus;
    let timer: NodeJS.Timeout | undefined;
    const late = new Promise<never>((_resolve, reject) => {
      timer = setTimeout(() => reject(new ControlTimeout(id, call, deadline)), deadline);
    });
    try {
      return await Promise.race([reply, this.dead, this.destroyed, late]);
    } finally {
      clearTimeout(timer);
    }
  }

  /** Ends all threads, whatever they are doing. */
  async destroy(): Promise<void> {
    this.ended = true;
    this.abandon(new CpuDied(-1, 'all were ended'));
    for (const { port, control } of this.lines.values()) {
      control[releaseProxy]();
      port.close();
    }
    this.lines.clear();
    await this.hosts.destroy();
  }
}
