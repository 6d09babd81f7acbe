/**
 * Shapes of will-it-scale by the number of tasks: as threads of one address space, and as processes, an address space each.
 *
 * Each number of tasks has machines of as many CPUs, one for threads and one for processes, whose windows take turns: what slows this machine down for a while slows both. The main thread sleeps, and reads what tasks
 * have done before and after each window. When all windows are over every oracle is asked: a model that is damaged has no figure.
 *
 * Idle is what will-it-scale prints beside each figure: the share of the cores' time that tasks did not use, here as the system counts it for this process.
 */
import { setTimeout as sleep } from 'node:timers/promises';
import { createMachine, LINE, type Machine, roundUp } from '../../src/memory/index.ts';
import { modelBytes } from '../../src/mm/model.ts';
import { type MmSpec, mmSpec } from '../../src/mm/spec.ts';
import { type Crew, startCrew } from '../crew.ts';
import { cores } from '../pin.ts';
import { futexBytes } from './futex.ts';
import { BOARD, OVER, type ScaleAnswer, type ScaleOrders, TASK, type Tasks } from './scale-cpu.ts';
import { SHAPE_PAGES } from './shapes.ts';

/** How to measure. Times in milliseconds. */
export interface ScaleOptions {
  readonly shape: string;
  readonly regime: string;
  /** Numbers of tasks. */
  readonly cpus: readonly number[];
  readonly rounds: number;
  readonly warmup: number;
  readonly window: number;
  readonly signal?: AbortSignal | undefined;
  /** What a task runs, {@link ScaleOrders} in hand; shapes unless given. */
  readonly job?: { readonly module: string; readonly name: string };
  /** Milliseconds that tasks have to come to rest; a minute unless given. */
  readonly patience?: number;
}

/** One number of tasks of one kind. */
export interface Scaled {
  /** Iterations a second, by window. */
  readonly rates: readonly number[];
  /** Iterations of each task, over all windows. */
  readonly shares: readonly number[];
  /** In percent, over all windows. */
  readonly idle: number;
}

/** What was found, or what is wrong. */
export type ScaleResult = { readonly found: Scaled } | { readonly problem: string; readonly stalled?: true };

/** Tasks did not come to rest. */
export class ScaleStall extends Error {
  readonly code = 'ESTALL';
  constructor(seconds: number) {
    super(`tasks did not come to rest within ${seconds} s`);
    this.name = 'ScaleStall';
  }
}

/** By kind of tasks. */
export interface ScalePoint {
  readonly tasks: number;
  readonly threads: ScaleResult;
  readonly processes: ScaleResult;
}

const SHAPE_JOB = {
  module: new URL(`./scale-cpu${import.meta.url.endsWith('.ts') ? '.ts' : '.js'}`, import.meta.url).href,
  name: 'scaleCpu',
};
const PATIENCE = 60_000;
const MILLISECOND = 1;

/** Room for all tasks: pages, private copies of them, page tables. */
function specFor(cpus: number): MmSpec {
  return mmSpec({
    frames: 256 + cpus * (2 * SHAPE_PAGES + 32),
    mms: cpus + 1,
    vmas: 16 + 8 * cpus,
    anonVmas: 16 + 8 * cpus,
    chains: 64 + 16 * cpus,
    pteChains: 64 + 2 * SHAPE_PAGES * cpus,
    files: cpus,
    filePages: SHAPE_PAGES,
    swapPages: 16,
    pcp: 16,
  });
}

/** Tasks of one kind, on a machine of their own. */
class Team {
  private readonly machine: Machine;
  private readonly crew: Crew<ScaleAnswer>;
  private readonly board: number;
  private readonly patience: number;
  private phase = 0;
  private readonly rates: number[] = [];
  private shares: number[];
  private busy = 0;
  private wall = 0;

  constructor(tasks: Tasks, cpus: number, options: ScaleOptions) {
    const { shape, regime, signal, job = SHAPE_JOB, patience = PATIENCE } = options;
    this.patience = patience;
    const spec = specFor(cpus);
    const model = roundUp(modelBytes(spec, cpus), 64);
    const bytes = model + futexBytes(cpus) + BOARD.tasks + (cpus + 4) * LINE;
    this.machine = createMachine({ cpus, bytes: bytes + 65_536 });
    this.board = this.machine.alloc(BOARD.tasks + cpus * LINE);
    this.shares = Array.from({ length: cpus }, () => 0);
    this.crew = startCrew<ScaleOrders, ScaleAnswer>({
      machine: this.machine,
      args: {
        shape,
        tasks,
        regime,
        spec,
        model: this.machine.alloc(model),
        futexes: this.machine.alloc(futexBytes(cpus)),
        board: this.board,
      },
      job,
      engine: 'wasm',
      pin: true,
      deadline: 3_600_000,
      signal,
    });
    this.crew.results.catch(() => {});
  }

  /** Sleeps, unless the crew fails meanwhile. */
  private async pause(ms: number): Promise<void> {
    const over = this.crew.results.then(() => {});
    await Promise.race([sleep(ms), over]);
  }

  private go(phase: number): void {
    const { boot } = this.machine;
    boot.store(this.board + BOARD.resting, 0);
    boot.storeWake(this.board + BOARD.phase, phase);
  }

  /** Waits until all tasks rest. @throws Error when they do not */
  private async rested(): Promise<void> {
    const { boot, cpus } = this.machine;
    const late = performance.now() + this.patience;
    while (boot.load(this.board + BOARD.resting) < cpus) {
      if (performance.now() > late) throw new ScaleStall(this.patience / 1000);
      await this.pause(MILLISECOND);
    }
  }

  /** Prepares all tasks: after that they wait for the first window. */
  async ready(): Promise<void> {
    await this.rested();
    this.phase += 1;
    this.go(this.phase);
    await this.rested();
  }

  /** One window. @param counts whether it does */
  async window(warmup: number, ms: number, counts: boolean): Promise<void> {
    const { machine, board } = this;
    const { boot, cpus } = machine;
    const look = (): number[] =>
      Array.from({ length: cpus }, (_, id) => boot.load(board + BOARD.tasks + id * LINE + TASK.done));
    this.phase += 1;
    boot.store(board + BOARD.stop, 0);
    this.go(this.phase);
    try {
      await this.pause(warmup);
      const [before, used, began] = [look(), process.cpuUsage(), performance.now()];
      await this.pause(ms);
      const [after, { user, system }, took] = [look(), process.cpuUsage(used), performance.now() - began];
      if (counts) {
        const done = after.map((count, id) => (count - before[id]!) >>> 0);
        this.rates.push((done.reduce((sum, each) => sum + each, 0) * 1000) / took);
        this.shares = this.shares.map((share, id) => share + done[id]!);
        this.busy += (user + system) / 1000;
        this.wall += took;
      }
    } finally {
      boot.store(board + BOARD.stop, 1);
    }
    await this.rested();
  }

  /** Ends the tasks and has the oracles asked. */
  async end(): Promise<ScaleResult> {
    this.go(OVER);
    const [wrong = []] = await this.crew.results;
    if (wrong.length > 0) return { problem: wrong[0]! };
    const idle = Math.max(0, 100 * (1 - this.busy / (this.wall * cores().length)));
    return { found: { rates: this.rates, shares: this.shares, idle } };
  }

  stop(): Promise<void> {
    return this.crew.stop();
  }
}

async function point(cpus: number, options: ScaleOptions): Promise<ScalePoint> {
  const { rounds, warmup, signal } = options;
  // With more tasks than cores they come in turn, by the scheduler's clock.
  const window = options.window * (cpus > cores().length ? 4 : 1);
  const teams = {
    threads: new Team('threads', cpus, options),
    processes: new Team('processes', cpus, options),
  };
  const problems = new Map<Tasks, ScaleResult>();
  /** Does something with each team that has no problem yet. */
  const each = async (run: (team: Team) => Promise<void>): Promise<void> => {
    for (const kind of ['processes', 'threads'] as const) {
      if (problems.has(kind)) continue;
      signal?.throwIfAborted();
      try {
        await run(teams[kind]);
      } catch (error) {
        signal?.throwIfAborted();
        const problem = (error as Error).message.split('\n')[0]!;
        problems.set(kind, { problem, ...(error instanceof ScaleStall ? { stalled: true } : {}) });
      }
    }
  };
  try {
    await each((team) => team.ready());
    await each((team) => team.window(warmup, window, false));
    for (let round = 0; round < rounds; round += 1)
      await each((team) => team.window(warmup / 8, window, true));
    const results = new Map<Tasks, ScaleResult>();
    for (const kind of ['processes', 'threads'] as const)
      await each(async (team) => {
        if (team === teams[kind]) results.set(kind, await team.end());
      });
    const resultOf = (kind: Tasks): ScaleResult => results.get(kind) ?? problems.get(kind)!;
    return { tasks: cpus, threads: resultOf('threads'), processes: resultOf('processes') };
  } finally {
    await Promise.all(Object.values(teams).map((team) => team.stop()));
  }
}

/** Measures a shape, by number of tasks. `tell` hears of each as it comes. */
export async function scale(
  options: ScaleOptions,
  tell: (point: ScalePoint) => void = () => {},
): Promise<ScalePoint[]> {
  const points: ScalePoint[] = [];
  for (const cpus of options.cpus) {
    options.signal?.throwIfAborted();
    const found = await point(cpus, options);
    points.push(found);
    tell(found);
  }
  return points;
}
