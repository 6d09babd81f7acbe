/**
 * The scheduler's memory: a shared memory beside the machine's, so that what is explored holds nothing but itself.
 *
 * Only the CPU that holds the turn reads and writes these words, plainly; the hand-off of the turn (see baton.ts) orders them. The main thread reads counters of a running exploration: they are hints until it has ended.
 *
 *   HEAD              the words of {@link Head}
 *   LINES             the words of each CPU: {@link Line}
 *   then              parts by size: switches, undo log, epochs, trace, store buffers, history of values, coverage, failures, decisions, images
 */

import { roundUp, sizeOf, struct, u32, words } from '../../../src/memory/index.ts';
import { CpuArea, LINE, MAX_HELD } from '../../../src/memory/layout.ts';

/** The most CPUs that one gate schedules. */
export const MAX_GATED = 16;

/** Words of the exploration, and of the execution at hand. */
export const Head = struct('gate', {
  /** Executions begun; numbers them from 1. */
  execution: u32,
  /** Executions that the main thread wants at most. */
  limit: u32,
  /** The main thread asks for an end; checked between executions. */
  stop: u32,
  /** The exploration is over. */
  over: u32,
  /** Seed of this execution. */
  seed: u32,
  /** Stream of the policy. */
  random: u32,
  /** Accesses made in this execution, but for those of the quota in use. */
  steps: u32,
  stepBound: u32,
  /** What the CPU that gets the turn may do without deciding anew. */
  quota: u32,
  current: u32,
  /** CPUs that are not done, and those in `spinWhile`. */
  running: u32,
  spinning: u32,
  /** Writes that changed memory: what a CPU that yields waits for. */
  changes: u32,
  /** Turns in a row in which everybody yielded and nothing changed. */
  idle: u32,
  /** Time that was jumped over, in steps. */
  skipped: u32,
  /** Not 0: the execution is given up, see {@link ABORTS}. */
  abort: u32,
  abortBy: u32,
  /** Futex tickets given. */
  tickets: u32,
  /** Futex waits that may still end spuriously, and how many may in an execution that is chosen for it. */
  spurious: u32,
  spuriousMost: u32,
  switches: u32,
  preemptions: u32,
  undo: u32,
  trace: u32,
  traceLost: u32,
  history: u32,
  violations: u32,
  /** Records that the trace had when an oracle fired first, plus 1; 0: none has. */
  firedAt: u32,
  failures: u32,
  /** Executions ended, those that failed among them, and their accesses (two words). */
  ended: u32,
  failed: u32,
  accesses: words(2),
  /** Executions whose recorded operations could not be judged, and those with more records than detectors are given. */
  undecided: u32,
  unwatched: u32,
  /** Hash of the execution that ended last. */
  hash: u32,
  /**
   * Coverage, see coverage.ts: whether it is counted; executions that were, distinct interleavings, those that came once and twice, the last execution that
   * brought a new one, those that found no room; the sum of the execution at hand.
   */
  covers: u32,
  covered: u32,
  orders: u32,
  once: u32,
  twice: u32,
  newest: u32,
  uncounted: u32,
  orderHash: u32,
  maxSteps: u32,
  /** Which policy decides, its parameter, and what it keeps of this execution. */
  policy: u32,
  parameter: u32,
  length: u32,
  planned: u32,
  /** The weaker memory models, by index. */
  model: u32,
  /** What is recorded in this execution: one of {@link TRACED}. */
  traced: u32,
  /** What is recorded as long as no slab is used, and once one is; how many are, and where the first of them are. */
  tracedPlain: u32,
  tracedObjects: u32,
  slabs: u32,
  slabsAt: words(8),
  /** Findings that nobody wants to hear of (again), by hash. */
  muted: words(257),
  /** At which records stacks are taken: one of STACKS in capture.ts. */
  stacks: u32,
  /** Keep the memory of the last execution as it was left. */
  keepImage: u32,
  failFast: u32,
  /** Seeds are drawn from this; or, if `fixed`, this is the seed. */
  base: u32,
  fixed: u32,
  /** Policies that take turns: how many, then index and parameter of each. */
  portfolio: words(17),
  kept: words(16),
  /** What this session relied on beyond the policy's choices: bits of {@link HEURISTICS}. */
  heuristics: u32,
  /** State of an exhaustive search; see search.ts. */
  search: words(40),
  /** Words in focus, as bits by a hash of their addresses. */
  focus: words(64),
});

/** Which bit of {@link Head}'s `focus` an address has. */
export function focusBit(addr: number): number {
  return Math.imul(addr >>> 2, 0x9e3779b1) >>> 21;
}

/** Words of one CPU. */
export const Line = struct('gated_cpu', {
  /** Changes when this CPU is given the turn. */
  go: u32.ownLine(),
  /** It sleeps until then, or is about to. */
  parked: u32.ownLine(),
  /** One of {@link READY} … {@link DONE}. */
  status: u32.ownLine(),
  /** What it is about to do, and where. */
  op: u32,
  addr: u32,
  /** What the word holds while it blocks. */
  value: u32,
  /** Place among the futex waiters. */
  ticket: u32,
  /** Steps at which a timed wait ends; 0: never. */
  deadline: u32,
  /** `Head.changes` when it yielded, plus 1; 0: it has not. */
  yielded: u32,
  /** Who woke it, plus 1. */
  wokenBy: u32,
  /** Its accesses in this execution. */
  accesses: u32,
  hash: u32,
  /** Of a policy that ranks CPUs, and the stores in their buffers. */
  priority: u32,
  drainPriority: u32,
  /** Its next entry of the plan. */
  cursor: u32,
  /** Stores in its buffer; barriers among them; time before which it cannot read. */
  buffered: u32,
  epoch: u32,
  floor: u32,
  /** An interrupt was chosen to be delivered. */
  interrupt: u32,
  /** It is being delivered: no other one is meanwhile. */
  serving: u32,
  /** Its actor had returned, and it was called back to be interrupted. */
  recalled: u32,
  /** The CPU, plus 1, whose store ended its spin on a word that nobody has been woken on since; and the word. */
  owed: u32,
  owedAt: u32,
  /** Its stores that have reached memory, where coverage is counted. */
  stores: u32,
});

/** Can go on. */
export const READY = 0;
/** In `spinWhile`: can go on when the word has another value. */
export const SPINNING = 1;
/** In `wait`: can go on when it has been woken. */
export const SLEEPING = 2;
/** Its actor has returned, or was given up. */
export const DONE = 3;

/** What is recorded of an execution: events of locks, objects and interrupts, or accesses as well. */
export const TRACED = { none: 0, events: 1, all: 2 } as const;
/** Slabs that {@link Head} has room for. */
export const MAX_SLABS = 8;
/** Hashes that {@link Head} has room for after their count. */
export const MAX_MUTED = 256;

/** Why an execution was given up. */
export const ABORTS = ['none', 'deadlock', 'livelock', 'bound', 'exception', 'stopped'] as const;
/** The name of a reason. */
export type AbortReason = (typeof ABORTS)[number];

/** What executions relied on that no policy has chosen; each bit is one. */
export const HEURISTICS = {
  /** A CPU that had yielded was not run again until memory had changed. */
  yielded: 1,
  /** A futex wait had a timeout. */
  timed: 2,
  /** A store buffer was full. */
  full: 4,
  /** A value was too old to be kept for a relaxed load. */
  forgotten: 8,
  /** A CPU slept in a futex wait, which was never ended spuriously. */
  slept: 16,
  /** A random number was drawn: other seeds may do something else. */
  random: 32,
  /** The clock was read, which shows accesses. */
  clock: 64,
} as const;

/** Words of a recorded switch: CPU, its accesses until then, transition. */
export const SWITCH_WORDS = 3;
/** Words of a store in a buffer: address, value, epoch and whether it is a release. */
export const BUFFER_WORDS = 4;
/** Stores that a CPU's buffer holds. */
export const BUFFER_STORES = 16;
/** Words of a value that memory has held: address, value before, by whom, seen by whom. */
export const HISTORY_WORDS = 4;
/** Words of a failure: execution, seed, reason, detail, steps, switches, hash, policy, parameter, length, preemptions. */
export const FAILURE_WORDS = 12;
/** Words of a decision of an exhaustive search: chosen and options, their hash, steps. */
export const DECISION_WORDS = 3;

/** How large the parts are. */
export interface GateSizes {
  readonly cpus: number;
  /** Bytes of the machine. */
  readonly machineBytes: number;
  /** Records of a trace; 0: none is written. */
  readonly trace: number;
  /** Interleavings that can be told apart; a power of two, or 0. */
  readonly coverage: number;
  /** Words for the operations that a scenario records. */
  readonly histories?: number;
}

/** Byte offsets of the parts. */
export interface GateArea {
  readonly head: number;
  readonly lines: number;
  readonly switches: number;
  readonly maxSwitches: number;
  readonly plan: number;
  readonly maxPlan: number;
  readonly undo: number;
  readonly maxUndo: number;
  readonly epochs: number;
  readonly trace: number;
  readonly maxTrace: number;
  readonly buffers: number;
  readonly history: number;
  readonly maxHistory: number;
  readonly touched: number;
  readonly coverage: number;
  readonly maxCoverage: number;
  readonly failures: number;
  readonly maxFailures: number;
  readonly decisions: number;
  readonly maxDecisions: number;
  readonly image: number;
  /** What a scenario records; see harness/detect/history-log.ts. */
  readonly histories: number;
  readonly bytes: number;
}

/** Bytes of a CPU's area that its own thread writes past the engine: identity, held locks, the queue nodes in use. */
export const OWN_BYTES = roundUp(CpuArea.nodeKeys + 4 * MAX_HELD, LINE);

/** Bytes of a CPU's words. */
export const LINE_BYTES = sizeOf(Line);
const MAX_SWITCHES = 8192;
const MAX_UNDO = 16384;
const MAX_HISTORY = 1024;
const MAX_FAILURES = 256;
const MAX_DECISIONS = 32768;

/** Where the parts lie. */
export function gateArea({ cpus, machineBytes, trace, coverage, histories = 0 }: GateSizes): GateArea {
  let top = 0;
  const take = (bytes: number): number => {
    const at = top;
    top = roundUp(top + bytes, 64);
    return at;
  };
  const head = take(sizeOf(Head));
  const lines = take(cpus * LINE_BYTES);
  const switches = take(MAX_SWITCHES * SWITCH_WORDS * 4);
  const plan = take(MAX_SWITCHES * SWITCH_WORDS * 4);
  const undo = take(MAX_UNDO * 8);
  const epochs = take(machineBytes);
  const at = take(trace * 16);
  const buffers = take(cpus * BUFFER_STORES * BUFFER_WORDS * 4);
  const history = take(MAX_HISTORY * HISTORY_WORDS * 4);
  const touched = take(coverage > 0 ? machineBytes : 0);
  const table = take(coverage * 4);
  const failures = take(MAX_FAILURES * FAILURE_WORDS * 4);
  const decisions = take(MAX_DECISIONS * DECISION_WORDS * 4);
  const image = take(cpus * OWN_BYTES);
  const recorded = take(histories * 4);
  return {
    head,
    lines,
    switches,
    maxSwitches: MAX_SWITCHES,
    plan,
    maxPlan: MAX_SWITCHES,
    undo,
    maxUndo: MAX_UNDO,
    epochs,
    trace: at,
    maxTrace: trace,
    buffers,
    history,
    maxHistory: MAX_HISTORY,
    touched,
    coverage: table,
    maxCoverage: coverage,
    failures,
    maxFailures: MAX_FAILURES,
    decisions,
    maxDecisions: MAX_DECISIONS,
    image,
    histories: recorded,
    bytes: top,
  };
}
