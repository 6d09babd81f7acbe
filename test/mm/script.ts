/**
 * Scripts: the numbered steps of a race, forced in the gated engine.
 *
 * A step lets one CPU run alone until it is about to make an access, or has made it, and the next step another one. Accesses are named by operation and word, so that a script means the same when code
 * around it changes; where a CPU makes that access is found out by running what the steps before have fixed. What comes out is a list of switches, as a token has it: the script alone decides.
 */
import * as assert from 'uvu/assert';
import { NOBODY, RUN, STALE, transition } from '../../harness/engines/gated/policy.ts';
import { OP, OPERATIONS, type Trace } from '../../harness/engines/trace.ts';
import type { Execution, Switch } from '../../harness/explore/execution.ts';
import type { Exploration } from '../../harness/explore/exploration.ts';
import type { MemoryModel } from '../../src/scenario.ts';

/** An access: operations with bars between them, a word, and which of its kind in this step, from 1. */
export type Place = readonly [operations: string, word: string, nth?: number];

/** What one CPU does, while the others wait. */
export interface Step {
  readonly cpu: number;
  /** What it is, for the reader; the number is its place in the list. */
  readonly says: string;
  /** It stops before this access; after it; unless given, it runs until it ends or blocks. */
  readonly before?: Place;
  readonly after?: Place;
  /** At this access it reads the value before the latest (weak memory). */
  readonly stale?: Place;
}

/** The addresses of words by name. */
export type Words = Readonly<Record<string, number>>;

/** Whether a record is an access that the gate counts. */
function counted(op: number): boolean {
  const { reads, writes, fence } = OPERATIONS[op]!;
  return reads || writes || fence !== undefined || op === OP.notify;
}

/** The accesses of a CPU in a trace, in order. */
const accessesOf = (trace: Trace, cpu: number): number[] =>
  Array.from({ length: trace.length }, (_, at) => at).filter(
    (at) => trace.cpu(at) === cpu && counted(trace.op(at)),
  );

/** How many accesses a CPU has made when it comes to a place. */
function find(
  trace: Trace,
  cpu: number,
  from: number,
  [operations, word, nth = 1]: Place,
  words: Words,
): number {
  const addr = words[word];
  assert.ok(addr !== undefined, `the scene has no word '${word}'`);
  const ops = operations.split('|').map((name) => OP[name]);
  let left = nth;
  const accesses = accessesOf(trace, cpu);
  const found = accesses.findIndex((at, place) => {
    if (place < from || trace.addr(at) !== addr || !ops.includes(trace.op(at))) return false;
    left -= 1;
    return left === 0;
  });
  assert.ok(found >= 0, `CPU ${cpu} makes no ${operations} of ${word} (${nth}) after its access ${from}`);
  return found;
}

/** The CPUs in the order in which they ran. */
function turns(trace: Trace): number[] {
  const order: number[] = [];
  for (let at = 0; at < trace.length; at += 1)
    if (counted(trace.op(at)) && order.at(-1) !== trace.cpu(at)) order.push(trace.cpu(at));
  return order;
}

/** A script that has been run. */
export interface Forced {
  readonly execution: Execution;
  /** What it comes down to. */
  readonly switches: readonly Switch[];
}

const SEED = 1;

/**
 * Runs the steps of a script, and nothing else.
 * @param words names what places name
 */
export async function force(
  exploration: Exploration,
  steps: readonly Step[],
  words: Words,
  model: MemoryModel = 'sc',
): Promise<Forced> {
  const { cpus } = exploration;
  const switches: Switch[] = [{ cpu: NOBODY, accesses: 0, choice: transition(RUN, steps[0]!.cpu) }];
  const done = Array.from({ length: cpus }, () => 0);
  const run = (): Promise<Execution> => exploration.execution({ switches, seed: SEED }, { model });
  for (const [at, { cpu, before, after, stale }] of steps.entries()) {
    const { trace } = await run();
    if (stale) {
      const accesses = find(trace, cpu, done[cpu]!, stale, words);
      switches.push({ cpu, accesses, choice: transition(STALE, cpu, 1) });
    }
    const place = before ?? after;
    const next = steps[at + 1]?.cpu;
    if (next === undefined) break;
    const end = place
      ? find(trace, cpu, done[cpu]!, place, words) + (after ? 1 : 0)
      : accessesOf(trace, cpu).length;
    done[cpu] = end;
    switches.push({ cpu, accesses: end, choice: transition(RUN, next) });
  }
  const execution = await run();
  const order = steps.map(({ cpu }) => cpu);
  assert.equal(
    turns(execution.trace).slice(0, order.length),
    order,
    'the CPUs run in the order of the steps',
  );
  return { execution, switches };
}
