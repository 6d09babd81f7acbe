/**
 * What a run shows that is no violation, and still worth knowing.
 */
import type { TortureParams } from './params.ts';
import type { CpuCounts } from './result.ts';
import type { Tortured } from './setup.ts';

/** Unfairness that locktorture marks with ???: the most is more than twice the least. */
export function unfair(values: readonly number[]): boolean {
  return Math.max(...values) / 2 > Math.min(...values);
}

/** The notes on a run. */
export function notesOn(definition: Tortured, params: TortureParams, counts: readonly CpuCounts[]): string[] {
  const notes: string[] = [];
  const sum = (pick: (cpu: CpuCounts) => number): number =>
    counts.reduce((total, cpu) => total + pick(cpu), 0);
  const parks = sum((cpu) => cpu.parks);
  const overslept = sum((cpu) => cpu.overslept);
  if (params.waiting !== 'spin' && parks >= 20 && overslept * 2 > parks) {
    notes.push(
      `${definition.name} does not wake its waiters: ${overslept} of ${parks} parks ended by their timeout after the word had changed; end a spinWhile with storeWake, or store and wake`,
    );
  }
  if (params.try > 0) {
    const tries = sum((cpu) => cpu.tries);
    if (tries > 100 && sum((cpu) => cpu.tryFails) === tries) notes.push('no trylock ever succeeded');
  }
  return notes;
}
