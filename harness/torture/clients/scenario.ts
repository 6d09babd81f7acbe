/**
 * Torture client of scenarios: a round is one stride of episodes. Each CPU runs its actor on one state after the other; at the meeting the leader judges all
 * of them and sets them up anew. A random head start of a few cycles a round lets the actors meet at ever different points.
 *
 * Counts of outcomes and the texts of failures stay with the CPU that was leader, which hands them over when the run is done; violations are in shared memory
 * at once.
 */
import type { CheckContext, ScenarioDefinition } from '../../../src/scenario.ts';
import { CpuLine } from '../area.ts';
import type { Bench, Client } from './context.ts';

/** What a CPU hands over after the run. */
export interface ScenarioCounts {
  readonly outcomes: Readonly<Record<string, number>>;
  readonly failures: readonly string[];
}

const TEXTS = 8;
const HEAD_START = 48;

/** Creates the client of one CPU; `first` is the first state, `stride` bytes apart. */
export function scenarioClient(
  bench: Bench,
  scenario: ScenarioDefinition,
  cpus: number,
  first: number,
  apart: number,
): Client & { collect(): ScenarioCounts } {
  const { isa, cpu } = bench;
  const { actors, init, check, outcome, grades, stride } = scenario;
  const actor = typeof actors === 'function' ? actors : actors[cpu.id];
  const counts = new Map<string, number>();
  const failures: string[] = [];
  let failed = false;
  const context = {
    isa,
    cpu,
    cpus,
    state: first,
    tools: scenario.create(isa, cpu),
    fail(what: string) {
      failed = true;
      if (failures.length < TEXTS && !failures.includes(what)) failures.push(what);
    },
  };
  const last = first + stride * apart;

  function judge(): void {
    failed = false;
    check?.(context as CheckContext);
    if (failed) bench.report('checkFailed', { addr: context.state });
    if (!outcome) return;
    const key = outcome(context);
    counts.set(key, (counts.get(key) ?? 0) + 1);
    const grade = grades?.[key];
    if (grades && (grade === undefined || grade === 'forbidden' || grade[0] === 'forbidden')) {
      if (failures.length < TEXTS && !failures.includes(`outcome ${key} is forbidden`))
        failures.push(`outcome ${key} is forbidden`);
      bench.report('forbiddenOutcome', { addr: context.state });
    }
  }

  function reset(): void {
    for (let word = context.state; word < context.state + apart; word += 4) isa.write(word, 0);
    init?.(context);
  }

  return {
    steps: 1,
    step() {
      bench.acquiredOnce();
      for (let pauses = cpu.below(HEAD_START); pauses > 0; pauses -= 1) isa.pause();
      for (let state = first; state < last; state += apart) {
        context.state = state;
        actor?.(context);
      }
    },
    prepare() {
      for (let state = first; state < last; state += apart) {
        context.state = state;
        reset();
      }
    },
    rest() {
      for (let state = first; state < last; state += apart) {
        context.state = state;
        judge();
        reset();
      }
      bench.count(CpuLine.writes, stride);
    },
    collect: () => ({ outcomes: Object.fromEntries(counts), failures }),
  };
}
