/**
 * Processes of forks, as the main process handles them: one starts, is told what to measure, and answers for each lock. One that dies, or says nothing for too
 * long, has its locks measured again, each in a process of its own: the one that does it again is the one to tell of.
 */
import { type ChildProcess, spawn } from 'node:child_process';
import { fileURLToPath } from 'node:url';
import type { ForkAnswer, ForkOrder } from './fork.ts';
import type { ForkMessage } from './fork-child.ts';

const program = fileURLToPath(
  new URL(`./fork-child.${import.meta.url.endsWith('.ts') ? 'ts' : 'js'}`, import.meta.url),
);

/** Milliseconds without a word, on top of many times what its windows take. */
const PATIENCE = 60_000;

function patienceOf({ subjects, setting, budget }: ForkOrder): number {
  const { rounds, warmup, window, stallAfter } = budget;
  const each = 2 * warmup + 2 * window + 2 * rounds * window + 200 * setting.cpus + 2 * stallAfter;
  return PATIENCE + 5 * subjects.length * each;
}

/** How a process ended: what it said of each lock, whether the rest needs another one, or why it said nothing more. */
interface Ended {
  readonly answers: ReadonlyMap<number, ForkAnswer>;
  readonly why: string | undefined;
}

function start(): ChildProcess {
  return spawn(process.execPath, [...process.execArgv, program], {
    stdio: ['ignore', 'ignore', 'pipe', 'ipc'],
  });
}

function measure(order: ForkOrder, signal: AbortSignal | undefined): Promise<Ended> {
  return new Promise((resolve, reject) => {
    const child = start();
    const answers = new Map<number, ForkAnswer>();
    let said = '';
    let why: string | undefined;
    let over = false;
    const kill = (reason: string): void => {
      why ??= reason;
      child.kill('SIGKILL');
    };
    const patience = patienceOf(order);
    const timer = setTimeout(
      () => kill(`its process has said nothing for ${Math.round(patience / 1000)} s`),
      patience,
    );
    const stopped = (): void => kill('it was interrupted');
    signal?.addEventListener('abort', stopped, { once: true });
    child.stderr?.setEncoding('utf8').on('data', (text: string) => {
      said += text;
    });
    child.on('message', (message: ForkMessage) => {
      if ('answer' in message) answers.set(message.at, message.answer);
      else {
        over = true;
        // A thread that cannot be ended would keep it.
        if (message.again) kill('a thread of it could not be ended');
      }
    });
    child.once('error', reject);
    child.once('close', (code, by) => {
      clearTimeout(timer);
      signal?.removeEventListener('abort', stopped);
      if (signal?.aborted) {
        reject(signal.reason as Error);
        return;
      }
      const line = said.trim().split('\n')[0] ?? '';
      why ??= over
        ? undefined
        : `its process has ended, ${by ?? `code ${code}`}${line === '' ? '' : `: ${line}`}`;
      resolve({ answers, why });
    });
    child.send(order, (error) => {
      if (error) kill(error.message);
    });
  });
}

/**
 * Has locks measured in a process of their own.
 * @param tell hears of each lock, by its place in the order
 * @throws the signal's reason once it is aborted
 */
export async function runFork(
  order: ForkOrder,
  tell: (at: number, answer: ForkAnswer) => void,
  signal?: AbortSignal,
): Promise<void> {
  signal?.throwIfAborted();
  const { answers, why } = await measure(order, signal);
  for (const [at, answer] of answers) tell(at, answer);
  const left = order.subjects.map((subject, at) => ({ subject, at })).filter(({ at }) => !answers.has(at));
  const [only] = left;
  if (only && order.subjects.length === 1) {
    tell(only.at, { problem: { kind: 'failed', text: why ?? 'its process said nothing of it' } });
    return;
  }
  for (const { subject, at } of left)
    await runFork({ ...order, subjects: [subject] }, (_place, answer) => tell(at, answer), signal);
}
