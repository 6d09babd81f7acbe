/**
 * What a run shows that is no violation, and still worth knowing.
 */
import type { TortureParams } from './params.ts';
import type { CpuCounts } from './result.ts';

/** Unfairness that locktorture marks with ???: the most is more than twice the least. */
export function unfair(values: readonly number[]): boolean {
  return Math.max(...values) / 2 > Math.min(...values);
}

/** Sleeps past a change, in all and as a share of all sleeps, that are no accident. */
const OVERSLEPT = 20;
const OVERSLEPT_SHARE = 0.05;

/**
 * Whether waiters are forgotten: they sleep beside words that have changed, and go on only because no park lasts for ever. For a lock that wakes that
 * takes a CPU that is preempted between its store and its notify: one sleep in a thousand at most.
 * @returns how many overslept, and of how many; undefined when it is not so
 */
export function forgotten(counts: readonly CpuCounts[]): { overslept: number; parks: number } | undefined {
  const overslept = counts.reduce((sum, cpu) => sum + cpu.overslept, 0);
  const parks = counts.reduce((sum, cpu) => sum + cpu.parks, 0);
  return overslept >= OVERSLEPT && overslept >= OVERSLEPT_SHARE * parks ? { overslept, parks } : undefined;
}

/** The notes on a run. */
export function notesOn(params: TortureParams, counts: readonly CpuCounts[]): string[] {
  const notes: string[] = [];
  const sum = (pick: (cpu: CpuCounts) => number): number =>
    counts.reduce((total, cpu) => total + pick(cpu), 0);
  if (params.try > 0) {
    const tries = sum((cpu) => cpu.tries);
    if (tries > 100 && sum((cpu) => cpu.tryFails) === tries) notes.push('no trylock ever succeeded');
  }
  return notes;
}
