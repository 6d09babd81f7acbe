/**
 * Torture client of scenarios: a round is one stride of episodes. Each CPU runs its actor on one state after the other; at the meeting the leader judges all
 * of them and sets them up anew. A random head start of a few cycles a round lets the actors meet at ever different points.
 *
 * What a scenario with a model records lies beside its states, and is judged at the meeting, too. Times are drawn from one counter by a full read-modify-write, at
 * the call and at the return of each operation: they never tie and no store is still on its way, so no history is blamed wrongly. For that the operations
 * are ordered among themselves by the counter; what a barrier between two of them is missing for is for the hunt to find.
 *
 * Counts of outcomes and the texts of failures stay with the CPU that was leader, which hands them over when the run is done; violations are in shared memory
 * at once.
 */
import type { CheckContext, ScenarioDefinition } from '../../../src/scenario.ts';
import { HistoryLog } from '../../detect/history-log.ts';
import { historyJudge, type Phase, Recorder } from '../../detect/judge-history.ts';
import { CpuLine } from '../area.ts';
import type { TortureSetup } from '../setup.ts';
import type { Bench, Client } from './context.ts';

/** What a CPU hands over after the run. */
export interface ScenarioCounts {
  readonly outcomes: Readonly<Record<string, number>>;
  readonly failures: readonly string[];
  /** Episodes whose recorded operations were too much to be judged. */
  readonly undecided: number;
  /** What is worth knowing of the run, and no failure. */
  readonly notes?: readonly string[];
}

const TEXTS = 8;
const HEAD_START = 48;

/** Creates the client of one CPU. */
export function scenarioClient(
  bench: Bench,
  scenario: ScenarioDefinition,
  { lock: first, stateStride: apart, params: { cpus }, histories }: TortureSetup,
  words: Int32Array,
): Client & { collect(): ScenarioCounts } {
  const { isa, cpu } = bench;
  const { actors, init, check, outcome, grades, stride } = scenario;
  const actor = typeof actors === 'function' ? actors : actors[cpu.id];
  const counts = new Map<string, number>();
  const failures: string[] = [];
  let failed = false;
  let undecided = 0;
  const log =
    histories &&
    new HistoryLog(words, 0, cpus, histories.section, () => isa.fetchAdd(histories.clock, 1) + 1);
  const recorder =
    log &&
    scenario.model !== undefined &&
    new Recorder({
      log,
      cpu: cpu.id,
      cpus,
      begins: (began) => began(),
      seen: () => true,
      decide: historyJudge(scenario.model),
    });
  const context = {
    isa,
    cpu,
    cpus,
    state: first,
    tools: scenario.create(isa, cpu, first),
    record:
      (recorder || undefined)?.record ?? (<Returned>(_op: unknown, run: () => Returned): Returned => run()),
    fail(what: string) {
      failed = true;
      say(String(what ?? 'the check failed'));
    },
  };
  const last = first + stride * apart;

  function say(what: string): void {
    if (failures.length < TEXTS && !failures.includes(what)) failures.push(what);
  }

  /** Goes to an episode. */
  function enter(state: number, phase: Phase): void {
    context.state = state;
    if (!histories || !recorder || !log) return;
    recorder.phase = phase;
    log.moveTo((histories.first >>> 2) + ((state - first) / apart) * histories.words);
  }

  function judgeHistory(): void {
    if (!recorder) return;
    const verdict = recorder.judge();
    if (verdict.verdict === 'unknown') undecided += 1;
    if (verdict.verdict !== 'not linearizable') return;
    say(verdict.text);
    bench.report('notLinearizable', { addr: context.state });
  }

  function judge(): void {
    failed = false;
    check?.(context as CheckContext);
    judgeHistory();
    if (failed) bench.report('checkFailed', { addr: context.state });
    if (!outcome) return;
    const key = outcome(context);
    counts.set(key, (counts.get(key) ?? 0) + 1);
    const grade = grades?.[key];
    if (grades && (grade === undefined || grade === 'forbidden' || grade[0] === 'forbidden')) {
      say(`outcome ${key} is forbidden`);
      bench.report('forbiddenOutcome', { addr: context.state });
    }
  }

  function reset(): void {
    for (let word = context.state; word < context.state + apart; word += 4) isa.write(word, 0);
    enter(context.state, 'init');
    for (let section = 0; section <= cpus; section += 1) log?.clear(section);
    init?.(context);
  }

  return {
    steps: 1,
    step() {
      bench.acquiredOnce();
      for (let pauses = cpu.below(HEAD_START); pauses > 0; pauses -= 1) isa.pause();
      for (let state = first; state < last; state += apart) {
        enter(state, 'act');
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
        enter(state, 'rest');
        judge();
        reset();
      }
      if (histories) isa.store(histories.clock, 0);
      bench.count(CpuLine.writes, stride);
    },
    collect: () => ({ outcomes: Object.fromEntries(counts), failures, undecided }),
  };
}
