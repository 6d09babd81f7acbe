/**
 * Recorded operations of gated executions.
 *
 * They are kept in the scheduler's memory, which only the CPU that holds the turn writes, plainly: recording is no access, is no part of the trace, and
 * changes no schedule. The clock counts calls and returns.
 *
 * An operation is called at its first access, not when the actor comes to it: what a CPU does between two accesses takes no time, so an execution in which
 * it comes to the operation only then is the same one, and the sharper. It returns after its last access, and under the weaker memory models when
 * the stores of its CPU have reached memory.
 */
import type { ScenarioModel } from '../../src/model.ts';
import { HistoryLog, logWords } from '../detect/history-log.ts';
import { type HistoryVerdict, historyJudge, Recorder } from '../detect/judge-history.ts';
import type { GatedCpu } from '../engines/gated/cpu.ts';
import { Head } from '../engines/gated/layout.ts';

/** Words in which a CPU records the operations of one execution: some hundred operations. */
const SECTION_WORDS = 8192;

/** Words that the executions of so many CPUs need; after them the number of the execution at hand. */
export const recordingWords = (cpus: number): number => logWords(cpus, SECTION_WORDS) + 1;

/** What one gated CPU records. */
export class Recording {
  readonly recorder: Recorder;
  private readonly cpu: GatedCpu;
  private readonly cpus: number;
  private readonly log: HistoryLog;
  private readonly first: number;

  constructor(cpu: GatedCpu, cpus: number, model: ScenarioModel) {
    const { gated } = cpu;
    const { gate } = gated;
    const { w } = gate;
    this.cpu = cpu;
    this.cpus = cpus;
    this.first = gate.area.histories >>> 2;
    const tick = (): number => {
      w[this.first]! += 1;
      return w[this.first]!;
    };
    const log = new HistoryLog(w, this.first, cpus, SECTION_WORDS, tick);
    const seen = (id: number): boolean => gate.weakness === 0 || gate.buffered(id) === 0;
    this.log = log;
    this.recorder = new Recorder({
      log,
      cpu: cpu.id,
      cpus,
      begins: (began) => gated.beforeNext(began),
      seen: () => seen(cpu.id),
      decide: historyJudge(model),
    });
    gated.onDrained = (id) => {
      if (seen(id)) log.settle(id);
    };
  }

  /** An execution begins on this CPU; the first one to begin forgets what all have recorded. */
  begin(): void {
    const { w } = this.cpu.gated.gate;
    const execution = this.cpu.gated.gate.get(Head.execution);
    const at = this.first + recordingWords(this.cpus) - 1;
    if (w[at] === execution) return;
    w[at] = execution;
    w[this.first] = 0;
    for (let cpu = 0; cpu < this.cpus; cpu += 1) this.log.clear(cpu);
  }

  /** All CPUs are done. */
  judge(): HistoryVerdict {
    const verdict = this.recorder.judge();
    const { gate } = this.cpu.gated;
    if (verdict.verdict === 'unknown') gate.set(Head.undecided, gate.get(Head.undecided) + 1);
    return verdict;
  }
}
