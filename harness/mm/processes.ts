/**
 * Work that is measured by processes that have a core each: orders go out one at a time to whoever is free, and results come back. A process that dies, or that says nothing for too long, costs the
 * order that it had, and another one takes its place.
 *
 * They are processes, not threads, so that each can be bound to one core: CPUs that take turns hand them over fastest where they share one.
 */
import { type ChildProcess, spawn, spawnSync } from 'node:child_process';
import { fileURLToPath } from 'node:url';

/** What a process answers. */
export interface Answer<Result> {
  readonly result?: Result;
  readonly error?: string;
}

/** Who does what. */
export interface Work<Order, Result> {
  readonly program: URL;
  readonly orders: readonly Order[];
  /** A process is started for each, bound to it where that is possible; none: one process, bound to nothing. */
  readonly cores: readonly number[];
  /** No order is given any more after so many milliseconds. */
  readonly budget?: number;
  /** Milliseconds that an order may take; as long as it takes unless given. */
  readonly patience?: number;
  readonly signal?: AbortSignal | undefined;
  /** One answers, in whatever order. */
  readonly onAnswer: (order: Order, answer: Answer<Result>) => void;
}

const taskset = (core: number): boolean =>
  spawnSync('taskset', ['-c', String(core), 'true'], { stdio: 'ignore' }).status === 0;

/** Starts a process. */
function start(program: string, core: number | undefined): ChildProcess {
  const command = [process.execPath, ...process.execArgv, program];
  const bound = core !== undefined && taskset(core) ? ['taskset', '-c', String(core), ...command] : command;
  return spawn(bound[0]!, bound.slice(1), { stdio: ['ignore', 'inherit', 'inherit', 'ipc'] });
}

/** Has a process do one thing. @throws Error when it cannot, or ends */
function tell<Order extends object, Result>(
  child: ChildProcess,
  order: Order,
  { signal, patience }: Pick<Work<Order, Result>, 'signal' | 'patience'>,
): Promise<Answer<Result>> {
  return new Promise((resolve, reject) => {
    const timer =
      patience === undefined
        ? undefined
        : setTimeout(() => {
            over();
            reject(new Error(`it has said nothing for ${Math.round(patience / 1000)} s`));
          }, patience);
    const over = (): void => {
      clearTimeout(timer);
      child.off('message', heard);
      child.off('exit', ended);
      signal?.removeEventListener('abort', stopped);
    };
    const heard = (answer: Answer<Result>): void => {
      over();
      resolve(answer);
    };
    const ended = (code: number | null, by: string | null): void => {
      over();
      reject(new Error(`the process that measured it has ended, ${by ?? `code ${code}`}`));
    };
    const stopped = (): void => {
      over();
      reject(new Error('it was interrupted'));
    };
    child.on('message', heard);
    child.on('exit', ended);
    signal?.addEventListener('abort', stopped, { once: true });
    child.send(order);
  });
}

/** Has it done. */
export async function workOn<Order extends object, Result>(work: Work<Order, Result>): Promise<void> {
  const { program, orders, cores, budget = Number.POSITIVE_INFINITY, signal, onAnswer } = work;
  const began = performance.now();
  const path = fileURLToPath(program);
  let next = 0;
  const worker = async (core: number | undefined): Promise<void> => {
    let child: ChildProcess | undefined;
    while (next < orders.length && !signal?.aborted && performance.now() - began < budget) {
      const order = orders[next]!;
      next += 1;
      child ??= start(path, core);
      try {
        onAnswer(order, await tell<Order, Result>(child, order, work));
      } catch (error) {
        onAnswer(order, { error: (error as Error).message });
        child.kill('SIGKILL');
        child = undefined;
      }
    }
    child?.disconnect();
  };
  const seats: readonly (number | undefined)[] = cores.length > 0 ? cores : [undefined];
  await Promise.all(seats.slice(0, Math.max(1, orders.length)).map(worker));
}
