/**
 * How long an execution is: as many steps of each CPU as it takes to break what the subject promises, and hardly more, since the shortest executions are searched
 * best.
 */
import type { Kind } from '../../src/locking/kinds.ts';
import type { TortureParams } from '../torture/params.ts';
import type { Tortured } from '../torture/setup.ts';

const STEPS = 2;
/** Kinds that need more to get anywhere: a ring that fills up, objects that are given back and used anew. */
const STEPS_OF: Partial<Record<Kind, number>> = { queue: 12, rcu: 4, condition: 4 };
/** Of hazard pointers, for each CPU: as many updates as it keeps objects before it looks at the slots, and as many reads. */
const HAZARD_STEPS = 30;
/** Share of reads there. */
const HAZARD_READS = 0.4;
/** Steps past those that fill a ring. */
const OVERFLOW = 8;
/** Items of a ring that executions can be long enough to fill. */
const MOST_ITEMS = 512;
/** A bound on bypasses that an execution can be long enough to exceed. */
const BYPASSABLE = 40;
/** Steps that an execution needs for what the subject promises to be broken in it. */
export function stepsFor(subject: Tortured, cpus: number): number {
  if (subject.definition !== 'lock') return 1;
  const { bypass } = subject.promises;
  const bound = typeof bypass === 'function' ? bypass(cpus) : bypass;
  if (bound !== undefined && bound <= BYPASSABLE) return Math.max(STEPS, bound + 2);
  if (subject.kind === 'hazard') return HAZARD_STEPS * cpus;
  const { capacity, producers } = subject.promises;
  if (capacity !== undefined && producers === 1) return Math.min(capacity, MOST_ITEMS) + OVERFLOW;
  return STEPS_OF[subject.kind] ?? STEPS;
}

/** What steps are made of, where it is not what torture makes them of: no delays, and of hazard pointers the shares that fill a CPU's list. */
export function paramsFor(subject: Tortured): Partial<TortureParams> {
  const hazards = subject.definition === 'lock' && subject.kind === 'hazard';
  return { try: 0.3, shortDelay: 0, ...(hazards ? { reads: HAZARD_READS } : {}) };
}
