/**
 * JavaScript stacks of threads that do not cooperate: in `for (;;)`, in a wasm loop, in Atomics.wait.
 *
 * An inspector session of the main thread reaches all workers through the NodeWorker domain. A message to a worker is a request
 * for an interrupt of its isolate. V8 serves those at loop heads, in JavaScript and in wasm, and wakes a futex wait for them,
 * which afterwards goes on with its deadline and its place in the queue. So a stuck thread needs no nudge.
 *
 *   attached ── Runtime.enable ──► answered ── Runtime.compileScript ')' ──► exceptionDetails.stackTrace: the thread's frames
 *
 * - The interrupted thread compiles the probe on top of its own stack, and V8 notes that stack with the syntax error; `enable`
 *   makes it do so, for at most 200 frames. No frames: the thread is in its event loop. No code is executed, hence no
 *   microtasks and nothing that the thread has made of Error.
 * - Debugger.pause would show the same frames, but V8 collects all their variables for it and ends the process now and then
 *   ("Check failed: needs_context", on Node 20 and 26, at the entry of a function that has closures). A paused thread cannot
 *   be terminated either, and a process with one hangs in process.exit().
 * - A thread that is told to end while it compiles the probe may miss that and run on (one in twenty; with Debugger.pause most).
 *   So the probe goes to threads that have just answered only, and its answer is awaited beyond the deadline, and on exit.
 * - Node attaches in a loop over its workers that calls back here for each, and crashes if a worker's end is noticed inside.
 *   So the callback only takes notes, and the loop is over before `takeStacks` returns its promise.
 * - The session's `workerId` counts attachments. The thread's id is in the title: `[worker 3] name`.
 * - `NodeWorker.disable` and `session.disconnect` leave the connections to workers in place (the two ends own each other):
 *   each worker is detached by name. Requests are served in order, and one that is served after native code does no harm.
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
/** For probes that are under way at the deadline. */
const OVERTIME = 1_000;
/** For probes that are under way when the process exits. */
const FAREWELL = 100;

const Command = { enable: 1, probe: 2, disable: 3 } as const;
/** Not a script in any mode, and kept nowhere. */
const PROBE = { expression: ')', sourceURL: '', persistScript: false };

/**
 * Takes the stacks of workers, wherever they are, and lets them continue. All are asked at once, so that the stacks belong
 * together. Works on the main thread only, which must not be blocked meanwhile. Terminate a worker before or after, not while
 * its stack is being taken.
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
      // Not a static import: a Node built without the inspector has no such module. Not an await: see above.
      const inspector = process.getBuiltinModule('node:inspector');
      taken = await new Round(new inspector.Session(), threadIds, deadline).run();
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
  result?: Runtime.CompileScriptReturnType;
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
  /** Sessions whose probe is under way. */
  private readonly probing = new Set<string>();
  private readonly arrived: NodeWorker.AttachedToWorkerEventDataType[] = [];
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
    const exit = () => this.awaitProbes();
    session.connect();
    process.once('exit', exit);
    try {
      const note = ({ params }: { params: NodeWorker.AttachedToWorkerEventDataType }) => {
        this.arrived.push(params);
      };
      session.on('NodeWorker.attachedToWorker', note);
      let refused: Error | null = null;
      session.post('NodeWorker.enable', { waitForDebuggerOnStart: false }, (error) => {
        refused = error;
      });
      if (refused) throw refused;
      session.on('NodeWorker.detachedFromWorker', ({ params }) => this.detached(params.sessionId));
      session.on('NodeWorker.receivedMessageFromWorker', ({ params }) => this.receive(params));
      session.on('NodeWorker.attachedToWorker', () => this.askArrived());
      this.askArrived();
      timers.push(setTimeout(() => this.giveUpAbsent(), Math.min(GRACE, deadline)));
      timers.push(setTimeout(() => this.giveUpSilent(), deadline));
      timers.push(setTimeout(() => this.giveUpProbes(), deadline + OVERTIME));
      await finished;
      // The last message is still being delivered; its session must not be taken away from under it.
      await new Promise(setImmediate);
    } finally {
      for (const timer of timers) clearTimeout(timer);
      process.off('exit', exit);
      this.release();
    }
    return this.outcomes;
  }

  private askArrived(): void {
    for (const { sessionId, workerInfo } of this.arrived.splice(0)) {
      this.attached.add(sessionId);
      const thread = Number(/^\[worker (\d+)\]/.exec(workerInfo.title)?.[1]);
      if (!this.open.has(thread)) continue;
      this.asked.set(sessionId, thread);
      this.send(sessionId, Command.enable, 'Runtime.enable');
    }
  }

  private receive({ sessionId, message }: NodeWorker.ReceivedMessageFromWorkerEventDataType): void {
    const thread = this.asked.get(sessionId);
    if (thread === undefined) return;
    const { id, error, result } = JSON.parse(message) as Answer;
    if (id === Command.enable && this.open.has(thread)) {
      this.probing.add(sessionId);
      this.send(sessionId, Command.probe, 'Runtime.compileScript', PROBE);
    }
    if (id !== Command.probe) return;
    this.probing.delete(sessionId);
    this.send(sessionId, Command.disable, 'Runtime.disable');
    const details = result?.exceptionDetails;
    if (details === undefined) {
      this.settle(thread, { reason: `cannot be inspected now: ${error?.message ?? 'no error came'}` });
      return;
    }
    const frames = (details.stackTrace?.callFrames ?? []).map(frameOf);
    const idle = 'is not running JavaScript: it waits in its event loop';
    this.settle(thread, frames.length > 0 ? frames : { reason: idle });
  }

  private detached(sessionId: string): void {
    const thread = this.asked.get(sessionId);
    this.asked.delete(sessionId);
    this.probing.delete(sessionId);
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

  private giveUpSilent(): void {
    const reason = `did not answer within ${this.deadline} ms: it is in native code, or gets no time on a core`;
    for (const [session, thread] of this.asked) {
      if (!this.probing.has(session)) this.settle(thread, { reason });
    }
    this.giveUpAbsent();
  }

  private giveUpProbes(): void {
    for (const thread of [...this.open])
      this.settle(thread, { reason: 'went into native code while it was asked' });
  }

  /** Answers are received inside of this loop: they interrupt this thread, too. */
  private awaitProbes(): void {
    const end = performance.now() + FAREWELL;
    while (this.probing.size > 0 && performance.now() < end);
  }

  private settle(thread: number, outcome: StackFrame[] | NoStack): void {
    if (!this.open.delete(thread)) return;
    this.outcomes.set(thread, outcome);
    if (this.open.size === 0) this.done();
  }

  private release(): void {
    const { session } = this;
    session.removeAllListeners();
    for (const { sessionId } of this.arrived) this.attached.add(sessionId);
    for (const sessionId of this.attached) session.post('NodeWorker.detach', { sessionId });
    session.post('NodeWorker.disable');
    session.disconnect();
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
