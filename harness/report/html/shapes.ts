/**
 * What a value from a file looks like: checks that say whether it is what its type claims, made of smaller ones.
 *
 * They ask for what a report reads, no more: fields that are not known stay, and a record that lacks one is left out and counted.
 */

/** Says whether a value is of a type. */
export type Check<Value = unknown> = (value: unknown) => value is Value;

/** What a check checks for. */
export type Checked<Of> = Of extends Check<infer Value> ? Value : never;

/** A number that is one. */
export const number: Check<number> = (value): value is number =>
  typeof value === 'number' && Number.isFinite(value);
/** A string. */
export const text: Check<string> = (value): value is string => typeof value === 'string';
/** Any object but an array. */
export const record: Check<Record<string, unknown>> = (value): value is Record<string, unknown> =>
  typeof value === 'object' && value !== null && !Array.isArray(value);

/** An array of such values. */
export const list =
  <Value>(of: Check<Value>): Check<readonly Value[]> =>
  (value): value is readonly Value[] =>
    Array.isArray(value) && value.every((each) => of(each));

/** Such a value, or none. */
export const optional =
  <Value>(of: Check<Value>): Check<Value | undefined> =>
  (value): value is Value | undefined =>
    value === undefined || of(value);

/** One of these. */
export const oneOf =
  <const Value extends string>(...values: readonly Value[]): Check<Value> =>
  (value): value is Value =>
    (values as readonly unknown[]).includes(value);

/** An object with these fields. */
export const shape =
  <Value>(fields: Readonly<Record<string, Check>>): Check<Value> =>
  (value): value is Value =>
    record(value) && Object.entries(fields).every(([name, check]) => check(value[name]));

const times = shape({
  samples: number,
  every: number,
  min: number,
  max: number,
  mean: number,
  p50: number,
  p90: number,
  p99: number,
  p999: number,
  total: number,
  buckets: list(list(number)),
});
const measured = shape({
  median: number,
  low: number,
  high: number,
  samples: list(number),
  variation: number,
});
const matrix = list(list(number));
const points = list(shape({ place: text, count: number }));

/** Records of each kind of file, by what a report reads of them. */
export const SHAPES = {
  point: shape({
    lock: text,
    cpus: number,
    section: number,
    outside: number,
    reads: number,
    waiting: text,
    locks: number,
    throughput: optional(measured),
    latency: optional(times),
    handoff: optional(times),
    fairness: optional(shape({ shares: list(number), ratio: number, jain: number })),
    handoffs: optional(matrix),
    noisy: optional(text),
    stalled: optional(text),
    skipped: optional(text),
    peer: optional(shape({ kind: text, version: text })),
  }),
  comparison: shape({
    threshold: number,
    forced: list(text),
    rows: list(
      shape({
        lock: text,
        cpus: number,
        figure: text,
        verdict: text,
        now: optional(number),
        before: optional(number),
        ratio: optional(shape({ value: number, low: number, high: number })),
        why: optional(text),
      }),
    ),
  }),
  advice: shape({ text, evidence: list(text) }),
  lockClass: shape({
    name: text,
    mode: oneOf('write', 'read'),
    acquisitions: number,
    contentions: number,
    acquisitionBounces: number,
    contentionBounces: number,
    wait: times,
    hold: times,
    matrix,
    byCpu: optional(list(number)),
    points: shape({ every: number, waiters: points, holders: points }),
  }),
  span: shape({
    cpu: number,
    lock: text,
    mode: oneOf('write', 'read'),
    wanted: number,
    had: number,
    gave: number,
  }),
  torture: shape({
    lock: text,
    verdict: text,
    params: record,
    violations: list(shape({ oracle: text, text })),
    seconds: number,
    acquisitions: number,
    cpus: list(shape({ cpu: number, writes: number, reads: number })),
  }),
  failure: shape({
    oracle: text,
    text,
    token: text,
    key: text,
    model: text,
    cpus: number,
    columns: list(text),
    details: list(text),
    after: shape({ executions: number, seconds: number }),
    accesses: number,
    preemptions: number,
  }),
  hunt: shape({
    subject: text,
    verdict: text,
    failures: list(record),
    executions: number,
    seconds: number,
    orders: optional(list(shape({ from: text, to: text, held: text, wanted: text, cpu: number }))),
  }),
  row: shape({ name: text, parties: record, figures: record }),
  outcome: record,
} as const;
