/**
 * JavaScript stacks of threads that do not cooperate: in `for (;;)`, in a wasm loop, in Atomics.wait.
 *
 * An inspector session of this thread reaches its workers through the NodeWorker domain. A message to a worker is a request
 * for an interrupt of its isolate. V8 serves those at loop heads, in JavaScript and in wasm, and wakes a futex wait for them,
 * which goes back to sleep afterwards with its deadline and its place in the queue. So a stuck thread needs no nudge.
 *
 *   attached ── enable, pause ──► asked ──┬─ Debugger.paused ──────────────────► frames
 *                                         └─ reply to pause: probe ── paused ──► frames, or idle
 *
 * - The reply to `pause` says only that the request was made. A busy thread pauses behind it; a thread that waits in its event
 *   loop would pause at some later JavaScript, so it is given some: a probe, an expression without effect. A stack of the probe
 *   alone means idle. The probe may also find a thread that was about to pause; its frames then lie above those of the thread.
 * - Before Node 22, or so, a call frame has no URL: scripts are told apart by their ids, which `enable` announces.
 * - The session's `workerId` counts attachments. The thread's id is in the title: `[worker 3] name`.
 * - A paused thread cannot be ended, and a process with one hangs in process.exit(). So every thread that was asked is
 *   resumed and its debugger disabled, in this order, whatever happened, even on exit: requests are served in order, so one
 *   that is served late, after native code, finds the pause already cancelled.
 * - `NodeWorker.disable` and `session.disconnect` leave the connections to workers in place (the session's delegates own
 *   each other): each worker is detached by name.
 */
import type { Debugger, NodeWorker, Session } from 'node:inspector';
import { fileURLToPath } from 'node:url';
import { mapFrames, type StackFrame } from './source-map.ts';

export type { StackFrame };

/** Whose stacks to take. */
export interface StackOptions {
  /** Thread ids of workers that this thread has started, directly or through a pool. */
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

const Command = { enable: 1, pause: 2, probe: 3, resume: 4, disable: 5 } as const;
const PROBE = 'lockrig:probe';

/**
 * Takes the stacks of workers, wherever they are, and lets them continue. Workers are asked all at once, so that the stacks
 * belong together; each stands still for some milliseconds. Main thread only, and not while it is blocked.
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

/** What comes from a worker; only the fields of the messages that matter here. */
interface WorkerMessage {
  id?: number;
  method?: string;
  params?: Partial<Debugger.ScriptParsedEventDataType & Debugger.PausedEventDataType>;
}

interface Subject {
  readonly session: string;
  readonly thread: number;
  /** URLs by script id. */
  readonly scripts: Map<string, string>;
  answered: boolean;
}

/** One session and what came of it. */
class Round {
  private readonly session: Session;
  private readonly deadline: number;
  private readonly outcomes = new Map<number, StackFrame[] | NoStack>();
  private readonly open: Set<number>;
  private readonly attached = new Set<string>();
  private readonly subjects = new Map<string, Subject>();
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
    const release = () => this.release();
    const timers: NodeJS.Timeout[] = [];
    session.connect();
    process.once('exit', release);
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
      process.off('exit', release);
      session.disconnect();
    }
    return this.outcomes;
  }

  private attach({ sessionId: session, workerInfo }: NodeWorker.AttachedToWorkerEventDataType): void {
    this.attached.add(session);
    const thread = Number(/^\[worker (\d+)\]/.exec(workerInfo.title)?.[1]);
    if (!this.open.has(thread)) return;
    this.subjects.set(session, { session, thread, scripts: new Map(), answered: false });
    this.send(session, Command.enable, 'Debugger.enable');
    this.send(session, Command.pause, 'Debugger.pause');
  }

  private receive({ sessionId, message }: NodeWorker.ReceivedMessageFromWorkerEventDataType): void {
    const subject = this.subjects.get(sessionId);
    if (!subject) return;
    subject.answered = true;
    const { id, method, params } = JSON.parse(message) as WorkerMessage;
    if (method === 'Debugger.scriptParsed') subject.scripts.set(params?.scriptId ?? '', params?.url ?? '');
    else if (method === 'Debugger.paused') this.paused(subject, params?.callFrames ?? []);
    else if (id === Command.pause && this.open.has(subject.thread)) {
      const probe = { expression: `0//# sourceURL=${PROBE}`, silent: true };
      this.send(sessionId, Command.probe, 'Runtime.evaluate', probe);
    }
  }

  private paused({ session, thread, scripts }: Subject, calls: readonly Debugger.CallFrame[]): void {
    this.resume(session);
    const frames: StackFrame[] = [];
    for (const { functionName, location, url } of calls) {
      const script = scripts.get(location.scriptId) || url;
      if (script !== PROBE) frames.push(frameOf(functionName, script, location));
    }
    const idle = 'is not running JavaScript: it waits in its event loop';
    this.settle(thread, frames.length > 0 ? frames : { reason: idle });
  }

  private detached(session: string): void {
    const subject = this.subjects.get(session);
    this.subjects.delete(session);
    this.attached.delete(session);
    if (subject) this.settle(subject.thread, { reason: 'ended while its stack was being taken' });
  }

  private giveUpAbsent(): void {
    const present = new Set([...this.subjects.values()].map(({ thread }) => thread));
    for (const thread of [...this.open]) {
      if (!present.has(thread))
        this.settle(thread, { reason: 'is not running: it has ended, or another thread started it' });
    }
  }

  private giveUp(): void {
    const silent = `did not answer within ${this.deadline} ms: it is in native code, or gets no time on a core`;
    const busy = `did not pause within ${this.deadline} ms`;
    for (const { thread, answered } of this.subjects.values())
      this.settle(thread, { reason: answered ? busy : silent });
    this.giveUpAbsent();
  }

  private settle(thread: number, outcome: StackFrame[] | NoStack): void {
    if (!this.open.delete(thread)) return;
    this.outcomes.set(thread, outcome);
    if (this.open.size === 0) this.done();
  }

  /** Leaves every worker as it was; from now on nothing that a worker says is heard. */
  private release(): void {
    this.session.removeAllListeners();
    for (const session of this.subjects.keys()) this.resume(session);
    for (const sessionId of this.attached) this.session.post('NodeWorker.detach', { sessionId });
    this.attached.clear();
    this.subjects.clear();
    this.session.post('NodeWorker.disable');
  }

  private resume(session: string): void {
    this.send(session, Command.resume, 'Debugger.resume');
    this.send(session, Command.disable, 'Debugger.disable');
  }

  private send(sessionId: string, id: number, method: string, params: object = {}): void {
    const message = JSON.stringify({ id, method, params });
    this.session.post('NodeWorker.sendMessageToWorker', { sessionId, message });
  }
}

/** The inspector counts from 0; in wasm its column is an offset in bytes. */
function frameOf(
  functionName: string,
  url: string,
  { lineNumber, columnNumber = 0 }: Debugger.Location,
): StackFrame {
  if (url.startsWith('wasm:')) return { functionName, file: url, line: 1, column: columnNumber };
  let file = url;
  try {
    if (url.startsWith('file:')) file = fileURLToPath(url);
  } catch {
    // Not a path on this machine: the URL says what there is to say.
  }
  return { functionName, file, line: lineNumber + 1, column: columnNumber + 1 };
}
