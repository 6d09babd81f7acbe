/**
 * What a detector has found, as people read it: who did what, and where in the source.
 *
 * The run is replayed with stacks taken at the places that the finding names, so sites cost nothing until something was found. A race is told as KCSAN tells it, two
 * accesses and how the word changed; an order of locks as lockdep tells it, the chain from the last edge to the first, and for each where the one lock
 * was taken and where the other was wanted.
 */
import type { MemoryModel } from '../../src/scenario.ts';
import type { Finding, Place } from '../detect/index.ts';
import { OPERATIONS } from '../engines/trace.ts';
import type { Execution, Exploration, Schedule } from './exploration.ts';
import type { Failure } from './failure.ts';
import { type Stacks, stackLines } from './stacks.ts';

/** Numbers of records, which mean something to detectors only. */
const RECORDS = / (?:at|since) \d+\b/g;

/** A sentence of a detector without the numbers of records. */
export const plainly = (text: string): string => text.replace(RECORDS, '');

const stack = (stacks: Stacks, { at }: Place): string[] => stackLines(stacks.get(at));

function races({ at }: Finding, { trace }: Execution, stacks: Stacks): string[] {
  let change = '';
  const lines = at.flatMap((place) => {
    const { op, value, before } = trace.event(place.at);
    const { name, writes } = OPERATIONS[op]!;
    if (writes) change = `value changed by CPU ${place.cpu}: ${before} -> ${value}`;
    const read = writes ? '' : `, which saw ${value}`;
    return [`${name} by CPU ${place.cpu}${read}:`, ...stack(stacks, place)];
  });
  return [...lines, change];
}

function chain({ details, at }: Finding, stacks: Stacks): string[] {
  return details.flatMap((edge, index) => {
    const [held, wanted] = [at[2 * index], at[2 * index + 1]];
    const taken = held ? ['  which it took here:', ...stack(stacks, held)] : [];
    const wants = wanted ? ['  and wants the other here:', ...stack(stacks, wanted)] : [];
    return [plainly(edge), ...taken, ...wants];
  });
}

function places({ at }: Finding, { trace }: Execution, stacks: Stacks): string[] {
  return at
    .filter((place) => place.at >= 0)
    .flatMap((place) => [
      `${OPERATIONS[trace.op(place.at)]!.name} by CPU ${place.cpu}:`,
      ...stack(stacks, place),
    ]);
}

/** Stacks at the places that findings name; the run once more. */
export async function stacksOf(
  exploration: Exploration,
  findings: readonly Finding[],
  schedule: Schedule,
  model: MemoryModel,
): Promise<Stacks> {
  const wanted = findings.flatMap(({ at }) => at.map((place) => place.at)).filter((at) => at >= 0);
  if (wanted.length === 0) return new Map();
  const { stacks } = await exploration.execution(schedule, { model, stacks: [...new Set(wanted)] });
  return stacks;
}

/** What is to be said of a failure below its sentence, in lines. */
export function evidence({ finding, details }: Failure, execution: Execution, stacks: Stacks): string[] {
  if (!finding) return [...details];
  if (finding.detector === 'races') return races(finding, execution, stacks);
  if (finding.key.startsWith('order ')) return chain(finding, stacks);
  return places(finding, execution, stacks);
}
