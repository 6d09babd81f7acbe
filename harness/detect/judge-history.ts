/**
 * The oracle of linearizability: judges what a scenario has recorded by the model that it names.
 *
 * An episode is short, so its history is decided in microseconds; where it is not, after so many configurations, or where not everything could be recorded, it
 * is undecided, and that is said and counted, not taken for either answer. A model that throws, or answers nonsense, is an exception of the episode.
 */
import type {
  ModelName,
  Operation,
  RecordedOp,
  Result,
  ScenarioModel,
  SequentialModel,
} from '../../src/model.ts';
import type { HistoryLog, Recorded } from './history-log.ts';
import { checkLinearizable, explainFailure } from './linearizability.ts';
import { many, modelOperations, models } from './models.ts';

type Model = SequentialModel<unknown, unknown>;

/** What the oracle says of one episode. */
export type HistoryVerdict =
  | { readonly verdict: 'linearizable' }
  | { readonly verdict: 'not linearizable'; readonly text: string }
  | { readonly verdict: 'unknown'; readonly why: 'memory' | 'incomplete' };

/** Configurations of one part of an episode's history. */
const CONFIGURATIONS = 1 << 16;

/** A ready-made model for objects told apart by `on`, or the scenario's own. */
function judges(model: ScenarioModel): { readonly one: Model; readonly several: Model } {
  if (typeof model !== 'string') return { one: model, several: model };
  const one = models[model]() as Model;
  return { one, several: many(one) as Model };
}

/** @throws TypeError when an operation is none of the model's */
function known(model: ModelName, history: readonly Operation<RecordedOp>[]): void {
  const names = modelOperations[model];
  for (const { op } of history)
    if (!names.includes(op.name))
      throw new TypeError(
        `record: the model '${model}' has no operation '${op.name}': one of ${names.join(', ')} is expected`,
      );
}

/** Makes the oracle of a model. */
export function historyJudge(model: ScenarioModel): (recorded: Recorded) => HistoryVerdict {
  const { one, several } = judges(model);
  return ({ history, full }) => {
    if (typeof model === 'string') known(model, history);
    if (full) return { verdict: 'unknown', why: 'incomplete' };
    const by = history.some(({ op }) => op.on !== undefined) ? several : one;
    const found = checkLinearizable<unknown, unknown>(history, by, { maxConfigurations: CONFIGURATIONS });
    if (found.verdict === 'unknown') return { verdict: 'unknown', why: 'memory' };
    if (found.verdict === 'linearizable') return { verdict: 'linearizable' };
    return { verdict: 'not linearizable', text: explainFailure(found.failure, history, by).join('\n') };
  };
}

/** Where `record` is called: by `init`, by an actor, or by `check`. */
export type Phase = 'init' | 'act' | 'rest';

/** How a CPU records: what differs between engines. */
export interface RecorderOptions {
  readonly log: HistoryLog;
  readonly cpu: number;
  readonly cpus: number;
  /** Calls back when the operation begins to act, which may be at once. */
  readonly begins: (began: () => void) => void;
  /** Whether all that this CPU has stored is to be seen by others. */
  readonly seen: () => boolean;
  readonly decide: (recorded: Recorded) => HistoryVerdict;
}

/** Episodes repeat themselves: verdicts are kept for so many histories. */
const KEPT = 2048;

/** Records the operations of one CPU; `record` is what a scenario's callbacks get. */
export class Recorder {
  phase: Phase = 'act';
  private readonly known = new Map<string, HistoryVerdict>();
  private rest: Pick<Operation<RecordedOp>, 'op' | 'result'>[] = [];
  private readonly options: RecorderOptions;

  constructor(options: RecorderOptions) {
    this.options = options;
  }

  readonly record = <Returned>(op: RecordedOp, run: () => Returned): Returned => {
    const { log, cpu, cpus, begins, seen } = this.options;
    if (this.phase === 'rest') {
      const result = plain(op, run());
      this.rest.push({ op, result: result as Result });
      return result;
    }
    const section = this.phase === 'init' ? cpus : cpu;
    const record = log.call(section, op);
    if (this.phase === 'init') log.began(record);
    else begins(() => log.began(record));
    const result = plain(op, run());
    log.returned(section, record, result as Result, this.phase === 'init' || seen());
    return result;
  };

  /** Judges what was recorded in this episode, by `check`, too. A history that was judged before is not judged again. */
  judge(): HistoryVerdict {
    const { rest, known } = this;
    const { log, decide } = this.options;
    this.rest = [];
    const key = rest.reduce(
      (all, { op, result }) => `${all}${JSON.stringify(op)}${typeof result}${result}`,
      log.key(),
    );
    let verdict = known.get(key);
    if (verdict) return verdict;
    verdict = decide(log.read(rest));
    if (known.size >= KEPT) known.clear();
    known.set(key, verdict);
    return verdict;
  }
}

/** Refuses what no model could have returned. */
function plain<Returned>(op: RecordedOp, result: Returned): Returned {
  if (result === undefined || ['number', 'string', 'boolean'].includes(typeof result)) return result;
  throw new TypeError(
    `record: ${op.name} returned ${result === null ? 'null' : `a ${typeof result}`}: a number, a string, true, false or nothing is expected`,
  );
}
