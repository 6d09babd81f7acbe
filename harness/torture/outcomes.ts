/**
 * Outcomes of a scenario: each CPU that led a meeting has counted some; they are added up when the run is done.
 */
import type { Grade, ScenarioDefinition } from '../../src/scenario.ts';
import type { WorkloadDefinition } from '../../src/workload.ts';
import type { CpuPool } from '../cpus/pool.ts';
import type { ScenarioCounts } from './clients/scenario.ts';

/** One row of the histogram. */
export interface OutcomeRow {
  readonly key: string;
  readonly count: number;
  readonly grade: Grade;
  readonly description: string;
}

/** What a scenario's run has shown. */
export interface ScenarioOutcomes {
  readonly rows: readonly OutcomeRow[];
  /** What the checks said, each sentence once. */
  readonly failures: readonly string[];
  /** Episodes whose recorded operations could be called neither linearizable nor not. */
  readonly undecided: number;
}

/** What the CPUs have handed over. */
export interface Collected {
  readonly outcomes: ScenarioOutcomes;
  readonly notes: readonly string[];
}

/** Collects from all CPUs. */
export async function collectScenario(
  subject: ScenarioDefinition | WorkloadDefinition,
  pool: CpuPool,
  cpus: number,
): Promise<Collected> {
  const grades = subject.definition === 'scenario' ? subject.grades : undefined;
  const all = (await Promise.all(
    Array.from({ length: cpus }, (_, cpu) => pool.collect(cpu)),
  )) as ScenarioCounts[];
  const counts = new Map<string, number>();
  for (const { outcomes } of all)
    for (const [key, count] of Object.entries(outcomes)) counts.set(key, (counts.get(key) ?? 0) + count);
  if (grades) for (const key of Object.keys(grades)) if (!counts.has(key)) counts.set(key, 0);
  const rows = [...counts].map(([key, count]): OutcomeRow => {
    const stated = grades?.[key];
    const grade: Grade = !grades
      ? 'acceptable'
      : stated === undefined
        ? 'forbidden'
        : typeof stated === 'string'
          ? stated
          : stated[0];
    return { key, count, grade, description: typeof stated === 'object' ? stated[1] : '' };
  });
  const outcomes = {
    rows: rows.sort((a, b) => b.count - a.count),
    failures: [...new Set(all.flatMap(({ failures }) => failures))],
    undecided: all.reduce((sum, { undecided }) => sum + undecided, 0),
  };
  return { outcomes, notes: all.flatMap(({ notes = [] }) => notes) };
}

/** The histogram as text, after jcstress. */
export function outcomeTable({ rows }: ScenarioOutcomes): string[] {
  if (rows.length === 0) return [];
  const total = rows.reduce((sum, { count }) => sum + count, 0);
  const wide = Math.max(6, ...rows.map(({ key }) => key.length));
  const lines = [
    `  ${'RESULT'.padEnd(wide)}  ${'SAMPLES'.padStart(14)}  ${'FREQ'.padStart(9)}  ${'EXPECT'.padEnd(11)}  DESCRIPTION`,
  ];
  for (const { key, count, grade, description } of rows) {
    const frequency = total === 0 ? '-' : `${((100 * count) / total).toFixed(4)}%`;
    lines.push(
      `  ${key.padEnd(wide)}  ${String(count).padStart(14)}  ${frequency.padStart(9)}  ${grade.padEnd(11)}  ${description}`.trimEnd(),
    );
  }
  return lines;
}
