/**
 * Says to people why a history is not linearizable.
 *
 * There is no single culprit: every order was tried and each fails somewhere. The attempt that came farthest is shown, for the operation
 * whose return it could not pass is usually close to the defect: its last operations, in the order in which they were placed, and then all
 * that could have come next, each with what the model answers instead.
 */
import { type Operation, outcomesOf, type Result, type SequentialModel } from './history.ts';

/** Why a part of a history has no linearization; operations are positions in the history. */
export interface Failure<State> {
  /** The object of the part, as `partition` named it; undefined for an undivided history. */
  readonly partition: string | number | undefined;
  /** Operations of the part. */
  readonly operations: number;
  /** The attempt that came farthest, in its order. */
  readonly placed: readonly number[];
  /** The operation that returned before any order could place it. */
  readonly obstacle: number;
  /** What could have come next and did not fit, the obstacle among them, by call. */
  readonly unplaced: readonly number[];
  /** The state after `placed`. */
  readonly state: State;
}

const PLACED_SHOWN = 8;
const UNPLACED_SHOWN = 16;

const written = (value: unknown) => (typeof value === 'string' ? JSON.stringify(value) : String(value));

/** Writes an operation as a call: `name` and the other fields as arguments. */
export function describeOp(op: unknown): string {
  if (typeof op !== 'object' || op === null) return written(op);
  const { name, on, ...rest } = op as { name?: unknown; on?: unknown };
  const args = Object.values(rest).map(written).join(', ');
  return `${on === undefined ? '' : `${String(on)}.`}${name === undefined ? 'operation' : String(name)}(${args})`;
}

function answer<State, Op>(
  model: SequentialModel<State, Op>,
  state: State,
  { op, cpu }: Operation<Op>,
): string {
  const results = new Set<Result>(outcomesOf(model.apply(state, op, cpu)).map(({ result }) => result));
  if (results.size === 0) return 'cannot happen here';
  return `would return ${[...results].map(written).join(' or ')} here`;
}

/** Pads columns to the same width; the last one stays as it is. */
function aligned(rows: readonly (readonly string[])[]): string[] {
  const widths: number[] = [];
  for (const row of rows) {
    for (const [i, cell] of row.entries()) widths[i] = Math.max(widths[i] ?? 0, cell.length);
  }
  return rows.map((row) =>
    row
      .map((cell, i) => (i === row.length - 1 ? cell : cell.padEnd(widths[i]!)))
      .join('  ')
      .trimEnd(),
  );
}

/**
 * Explains a failure, a line for each operation around the point where every order ends.
 * @param failure what `checkLinearizable` returned
 * @param history the history that was checked
 * @param model the model it was checked against
 */
export function explainFailure<State, Op>(
  failure: Failure<State>,
  history: readonly Operation<Op>[],
  model: SequentialModel<State, Op>,
): string[] {
  const { partition, operations, placed, obstacle, unplaced, state } = failure;
  const row = (i: number, mark: string, remark: string): string[] => {
    const operation = history[i]!;
    const { cpu, op, call, return: returned, result } = operation;
    const pending = returned === Number.POSITIVE_INFINITY;
    return [
      `${mark} #${i}`,
      cpu < 0 ? 'at rest' : `CPU ${cpu}`,
      model.describe?.(op) ?? describeOp(op),
      `called ${call}`,
      pending ? 'did not return' : `returned ${returned}`,
      pending ? '' : `result ${written(result)}`,
      remark,
    ];
  };
  const shown = placed.slice(-PLACED_SHOWN);
  const others = unplaced.filter((i) => i !== obstacle);
  const rows = [
    ...shown.map((i, at) => row(i, ' ', `placed ${placed.length - shown.length + at + 1}.`)),
    ...[obstacle, ...others.slice(0, UNPLACED_SHOWN)].map((i) =>
      row(i, i === obstacle ? '>' : '?', answer(model, state, history[i]!)),
    ),
  ];
  const of = partition === undefined ? '' : ` of object ${written(partition)}`;
  const hidden = others.length - UNPLACED_SHOWN;
  return [
    `not linearizable: no order explains the ${operations} operations${of}.`,
    `The attempt that came farthest places ${placed.length} of them and cannot pass the return of #${obstacle}:`,
    ...(placed.length > shown.length ? [`  ... ${placed.length - shown.length} placed before`] : []),
    ...aligned(rows),
    ...(hidden > 0 ? [`  ... ${hidden} more were open`] : []),
  ];
}
