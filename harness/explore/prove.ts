/**
 * Proving: every schedule of a small subject, bound by bound, and what that says.
 *
 * A subject is proved up to b preemptions if every execution with at most b was run and none failed; it is proved for good if there was nothing beyond. That is
 * true of the engine's executions. They stand for all that the memory model allows only if the engine never chose by itself: a CPU that yielded and
 * was passed over until memory changed, a timeout, the clock, a full store buffer, a value that was no longer kept each make it a search like any other, and
 * the result says which. So does an execution that was given up at the step bound: with no preemption left, a CPU that looks at a word again and again, and
 * neither blocks nor yields, is never passed over, so that this says nothing about the subject. What else is taken for granted is said, too.
 */
import type { MemoryModel } from '../../src/scenario.ts';
import { HEURISTICS } from '../engines/gated/layout.ts';
import { ParameterError } from '../torture/params.ts';
import type { Exploration, Failed, Switch } from './exploration.ts';

/** What to prove, and how hard to try. */
export interface ProveOptions {
  readonly model?: MemoryModel;
  /** The most preemptions that an execution has, 0 to 255; 2 unless given. */
  readonly bound?: number;
  /** The bound to begin with; 0 unless given, so that a failure is found with as few preemptions as it needs. */
  readonly from?: number;
  /** Futex waits of an execution that may end spuriously, 0 to 255; none unless given. */
  readonly spurious?: number;
  /** Executions at most; a million unless given. */
  readonly executions?: number;
  /** Seed of the CPUs' own random numbers. */
  readonly seed?: number;
  readonly stepBound?: number;
  /** Counts interleavings, as a session does. */
  readonly coverage?: boolean;
  readonly signal?: AbortSignal;
}

/** An execution that failed, as a schedule that replays it. */
export interface Counterexample extends Omit<Failed, 'schedule'> {
  readonly schedule: { readonly switches: readonly Switch[]; readonly seed: number };
}

/** What came of it. */
export interface Proof {
  /** Whether no execution within the bound fails. */
  readonly proved: boolean;
  /** The bound within which all executions were run; -1: none. */
  readonly bound: number;
  /** There are no executions beyond it. */
  readonly exhausted: boolean;
  /** All executions, and those of each bound from the first on; a bound runs those of the lower ones again. */
  readonly executions: number;
  readonly perBound: readonly number[];
  readonly accesses: number;
  readonly seconds: number;
  /** The failure that ended it. */
  readonly failure: Counterexample | undefined;
  /** Why completed bounds are no proof. */
  readonly gaps: readonly string[];
  /** What the proof takes for granted. */
  readonly assumes: readonly string[];
}

const EXECUTIONS = 1_000_000;

const GAPS: readonly (readonly [bit: number, text: string])[] = [
  [HEURISTICS.yielded, 'a CPU that yielded was not run again until memory had changed'],
  [HEURISTICS.timed, 'a wait had a timeout, which depends on virtual time'],
  [HEURISTICS.full, 'a store buffer was full'],
  [HEURISTICS.forgotten, 'an old value was no longer kept for relaxed loads'],
  [HEURISTICS.clock, 'a CPU read the clock, which counts accesses'],
];

const ASSUMPTIONS: readonly (readonly [bit: number, text: string])[] = [
  [HEURISTICS.random, 'random numbers are those of the seeds'],
];

/** What is taken for granted of futex waits. */
function sleeping(spurious: number): string {
  if (spurious === 0) return 'no futex wait ends spuriously';
  return `at most ${spurious === 1 ? 'one futex wait of an execution ends' : `${spurious} futex waits of an execution end`} spuriously`;
}

const named = (bits: number, texts: readonly (readonly [bit: number, text: string])[]): string[] =>
  texts.filter(([bit]) => (bits & bit) !== 0).map(([, text]) => text);

/**
 * Runs every execution with at most so many preemptions, until one fails.
 * @throws ParameterError when a bound makes no sense
 */
export async function prove(exploration: Exploration, options: ProveOptions = {}): Promise<Proof> {
  const { bound = 2, from = 0, spurious = 0, executions = EXECUTIONS, seed = 1, ...rest } = options;
  for (const value of [bound, from])
    if (!Number.isInteger(value) || value < 0 || value > 255)
      throw new ParameterError(`a preemption bound is a whole number from 0 to 255, not ${value}`);
  if (from > bound) throw new ParameterError(`a search cannot begin at bound ${from} and end at ${bound}`);
  if (!Number.isInteger(spurious) || spurious < 0 || spurious > 255)
    throw new ParameterError(`an execution has 0 to 255 spurious wake-ups, not ${spurious}`);
  const session = await exploration.session({
    ...rest,
    executions,
    failFast: true,
    schedule: { policy: 'exhaustive', parameter: bound | (from << 8) | (spurious << 16), length: 0, seed },
  });
  const searched = exploration.gate.searched();
  const [first] = session.failures;
  const endless = first?.reason === 'bound';
  const failed = endless ? undefined : first;
  const gaps = named(searched.relied, GAPS);
  if (endless)
    gaps.push(
      `an execution had not ended after ${first.steps} accesses: a loop that neither blocks nor yields is never passed over`,
    );
  if (searched.unsteady) gaps.push('an execution was not a function of its schedule');
  if (searched.overflowed) gaps.push('an execution had too many decisions to vary them all');
  if (session.undecided > 0)
    gaps.push(`the operations recorded in ${session.undecided} executions could not be judged`);
  return {
    proved: searched.completed >= 0 && !first && gaps.length === 0,
    bound: searched.completed,
    exhausted: searched.exhausted,
    executions: session.executions,
    perBound: searched.executions.slice(from),
    accesses: session.accesses,
    seconds: session.seconds,
    failure: failed && { ...failed, schedule: { switches: exploration.gate.switches(), seed } },
    gaps,
    assumes: [
      ...((searched.relied & HEURISTICS.slept) !== 0 ? [sleeping(spurious)] : []),
      ...named(searched.relied, ASSUMPTIONS),
    ],
  };
}
