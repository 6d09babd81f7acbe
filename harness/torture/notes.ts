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
 * Whether waiters are forgotten: they sleep beside words that have changed, go on only because no park lasts for ever, and hardly a wake-up is sent.
 *
 * Oversleeping alone does not tell. Where a lock wakes one of several waiters, the others sleep on with good reason while the word changes, and on
 * a busy machine their parks then end by the clock. But such a lock sends wake-ups, one for each release that finds somebody parked.
 * @param rounds each ends with a wake-up, and with a sleep of every CPU but one, that are not the lock's
 * @returns how many overslept, and of how many; undefined when it is not so
 */
export function forgotten(
  counts: readonly CpuCounts[],
  rounds: number,
): { overslept: number; parks: number } | undefined {
  const sum = (pick: (cpu: CpuCounts) => number): number =>
    counts.reduce((total, cpu) => total + pick(cpu), 0);
  const overslept = sum((cpu) => cpu.overslept);
  const parks = sum((cpu) => cpu.parks);
  if (overslept < OVERSLEPT || overslept < OVERSLEPT_SHARE * parks) return undefined;
  const wakes = sum((cpu) => cpu.wakes) - rounds;
  const woken = sum((cpu) => cpu.woken) - rounds * counts.length;
  return 4 * wakes < overslept && woken < overslept ? { overslept, parks } : undefined;
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
