/**
 * JavaScript stacks of threads that do not cooperate: in `for (;;)`, in a wasm loop, in Atomics.wait.
 *
 * An inspector session of the main thread reaches all workers through the NodeWorker domain. A message to a worker is a request
 * for an interrupt of its isolate. V8 serves those at loop heads, in JavaScript and in wasm, and wakes a futex wait for them,
 * which afterwards goes on with its deadline and its place in the queue. So a stuck thread needs no nudge.
 *
 *   attached ── Runtime.enable, evaluate `throw` ──► exceptionDetails.stackTrace = the probe's frame, the thread's frames
 *
 * - The probe is evaluated by the interrupted thread, on top of its stack, so the trace of what it throws is the thread's. A
 *   trace of the probe alone is a thread in its event loop. It costs the thread some 100 us; it runs no microtasks and does
 *   not see what the thread has made of Error. `enable` is what makes V8 keep the trace, of at most 200 frames.
 * - Debugger.pause would show the same frames, but V8 collects all their variables for it, and that ends the whole process
 *   now and then ("Check failed: needs_context", seen on Node 20 and 26, when a thread is met at a function's entry, as while
 *   it starts). A paused thread cannot be terminated, either, and a process with one hangs in process.exit().
 * - The session's `workerId` counts attachments. The thread's id is in the title: `[worker 3] name`.
 * - `NodeWorker.disable` and `session.disconnect` leave the connections to workers in place (the two ends own each other):
 *   each worker is detached by name. Requests are served in order, so one that is served late, after native code, does no harm.
 */
import type { NodeWorker, Runtime, Session } from 'node:inspector';
import { fileURLToPath } from 'node:url';
import { mapFrames, type StackFrame } from './source-map.ts';

export type { StackFrame };

/** Whose stacks to take. */
export interface StackOptions {
  /** Thread ids of workers of this process, whoever started them. */
  threadIds: readonly number[];
  /** Milliseconds that each worker has to answer; 2,000 unless given. */
  deadline?: number;
}

/** Why a worker has no stack to show, as a sentence without a subject. */
export interface NoStack {
  reason: string;
}

const DEADLINE = 2_000;
/** For workers that are not there yet: a thread shows up when it has started, a moment after its `new Worker`. */
const GRACE = 200;

const Command = { enable: 1, probe: 2, disable: 3 } as const;
const PROBE = 'lockrig:probe';

/**
 * Takes the stacks of workers, wherever they are, and lets them continue. All are asked at once, so that the stacks belong
 * together. Works on the main thread only, which must not be blocked meanwhile.
 *
 * @param options - which threads, and how long to wait
 * @returns by thread id, in the order asked for, the frames mapped to their sources, innermost first, or why there are none
 * @throws RangeError when the deadline is not a positive number
 */
export async function takeStacks({
  threadIds,
  deadline = DEADLINE,
}: StackOptions): Promise<Map<number, StackFrame[] | NoStack>> {
  if (!(deadline > 0 && deadline < 2 ** 31))
    throw new RangeError(`the deadline is ${deadline}: it must be a positive number of milliseconds`);
  const outcomes = new Map<number, StackFrame[] | NoStack>();
  let taken = new Map<number, StackFrame[] | NoStack>();
  let missing = 'did not answer';
  if (threadIds.length > 0) {
    try {
      // Not a static import: a Node built without the inspector has no such module.
      const { Session } = await import('node:inspector');
      taken = await new Round(new Session(), threadIds, deadline).run();
    } catch (error) {
      missing = `cannot be inspected here: ${(error as Error).message}`;
    }
  }
  for (const id of threadIds) {
    const found = taken.get(id) ?? { reason: missing };
    outcomes.set(id, Array.isArray(found) ? mapFrames(found) : found);
  }
  return outcomes;
}

/** The messages of a worker that matter here. */
interface Answer {
  id?: number;
  error?: { message: string };
  result?: Partial<Runtime.EvaluateReturnType>;
}

/** One session and what came of it. */
class Round {
  private readonly session: Session;
  private readonly deadline: number;
  private readonly outcomes = new Map<number, StackFrame[] | NoStack>();
  private readonly open: Set<number>;
  private readonly attached = new Set<string>();
  /** Threads that were asked, by their sessions. */
  private readonly asked = new Map<string, number>();
  private done: () => void = () => {};

  constructor(session: Session, threadIds: readonly number[], deadline: number) {
    this.session = session;
    this.deadline = deadline;
    this.open = new Set(threadIds);
  }

  async run(): Promise<Map<number, StackFrame[] | NoStack>> {
    const { session, deadline } = this;
    const finished = new Promise<void>((resolve) => {
      this.done = resolve;
    });
    const timers: NodeJS.Timeout[] = [];
    session.connect();
    try {
      session.on('NodeWorker.attachedToWorker', ({ params }) => this.attach(params));
      session.on('NodeWorker.detachedFromWorker', ({ params }) => this.detached(params.sessionId));
      session.on('NodeWorker.receivedMessageFromWorker', ({ params }) => this.receive(params));
      let refused: Error | null = null;
      session.post('NodeWorker.enable', { waitForDebuggerOnStart: false }, (error) => {
        refused = error;
      });
      if (refused) throw refused;
      timers.push(setTimeout(() => this.giveUpAbsent(), Math.min(GRACE, deadline)));
      timers.push(setTimeout(() => this.giveUp(), deadline));
      await finished;
      // The last message is still being delivered; its session must not be taken away from under it.
      await new Promise(setImmediate);
    } finally {
      for (const timer of timers) clearTimeout(timer);
      this.release();
      session.disconnect();
    }
    return this.outcomes;
  }

  private attach({ sessionId, workerInfo }: NodeWorker.AttachedToWorkerEventDataType): void {
    this.attached.add(sessionId);
    const thread = Number(/^\[worker (\d+)\]/.exec(workerInfo.title)?.[1]);
    if (!this.open.has(thread)) return;
    this.asked.set(sessionId, thread);
    this.send(sessionId, Command.enable, 'Runtime.enable');
    const probe = { expression: `throw 0//# sourceURL=${PROBE}`, silent: true };
    this.send(sessionId, Command.probe, 'Runtime.evaluate', probe);
    this.send(sessionId, Command.disable, 'Runtime.disable');
  }

  private receive({ sessionId, message }: NodeWorker.ReceivedMessageFromWorkerEventDataType): void {
    const thread = this.asked.get(sessionId);
    if (thread === undefined) return;
    const { id, error, result } = JSON.parse(message) as Answer;
    if (id !== Command.probe) return;
    const calls = result?.exceptionDetails?.stackTrace?.callFrames;
    if (calls === undefined) {
      this.settle(thread, { reason: `cannot be inspected now: ${error?.message ?? 'no stack trace came'}` });
      return;
    }
    const frames = calls.filter(({ url }) => url !== PROBE).map(frameOf);
    const idle = 'is not running JavaScript: it waits in its event loop';
    this.settle(thread, frames.length > 0 ? frames : { reason: idle });
  }

  private detached(sessionId: string): void {
    const thread = this.asked.get(sessionId);
    this.asked.delete(sessionId);
    this.attached.delete(sessionId);
    if (thread !== undefined) this.settle(thread, { reason: 'ended while its stack was being taken' });
  }

  private giveUpAbsent(): void {
    const present = new Set(this.asked.values());
    for (const thread of [...this.open]) {
      if (!present.has(thread))
        this.settle(thread, { reason: 'is not running: it has ended, or has not started yet' });
    }
  }

  private giveUp(): void {
    const reason = `did not answer within ${this.deadline} ms: it is in native code, or gets no time on a core`;
    for (const thread of this.asked.values()) this.settle(thread, { reason });
    this.giveUpAbsent();
  }

  private settle(thread: number, outcome: StackFrame[] | NoStack): void {
    if (!this.open.delete(thread)) return;
    this.outcomes.set(thread, outcome);
    if (this.open.size === 0) this.done();
  }

  private release(): void {
    this.session.removeAllListeners();
    for (const sessionId of this.attached) this.session.post('NodeWorker.detach', { sessionId });
    this.session.post('NodeWorker.disable');
  }

  private send(sessionId: string, id: number, method: string, params: object = {}): void {
    const message = JSON.stringify({ id, method, params });
    this.session.post('NodeWorker.sendMessageToWorker', { sessionId, message });
  }
}

/** The inspector counts from 0; in wasm its column is an offset in bytes. */
function frameOf({ functionName, url, lineNumber, columnNumber }: Runtime.CallFrame): StackFrame {
  if (url.startsWith('wasm:')) return { functionName, file: url, line: 1, column: columnNumber };
  let file = url;
  try {
    if (url.startsWith('file:')) file = fileURLToPath(url);
  } catch {
    // Not a path on this machine: the URL says what there is to say.
  }
  return { functionName, file, line: lineNumber + 1, column: columnNumber + 1 };
}
