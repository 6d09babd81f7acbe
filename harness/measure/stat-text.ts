/**
 * Lock statistics as text: in the format of /proc/lock_stat, version 0.4 (kernel/locking/lockdep_proc.c), so that what reads that reads this; then what the kernel
 * does not tell: percentiles, and who waited for whom. Times are in microseconds there, and in nanoseconds in CSV.
 */
import { isTime, LOCK_STAT_COLUMNS, lockStatNumbers } from './columns.ts';
import type { ContentionPoint, LockClassStats } from './schema.ts';

const WIDE = 40 + 1 + 12 * (14 + 1);
/** Contention points that the kernel keeps. */
const POINTS = 4;

const right = (text: string | number, width: number): string => String(text).padStart(width);
const microseconds = (ns: number): string => (ns / 1000).toFixed(2);
const line = (of: string, from: number, length: number): string => ' '.repeat(from) + of.repeat(length);

function row(label: string, stats: LockClassStats): string {
  const cells = lockStatNumbers(stats).map((value, at) =>
    right(isTime(LOCK_STAT_COLUMNS[at]!) ? microseconds(value) : value, 14),
  );
  return `${label}${cells.join(' ')}`;
}

const PLACE = /^(?:\S+ \()?(?:[^ )]*[\\/])?([^\\/ )]*:\d+)/;

function point(name: string, { place, count }: ContentionPoint): string {
  const [, short = '?'] = PLACE.exec(place) ?? [];
  return `${right(name, 40)} ${right(count, 14)} ${right(`[<${short}>]`, 29)} ${place}`;
}

/** Places of both modes of a class: the kernel keeps them together. */
function together(rows: readonly LockClassStats[], role: 'waiters' | 'holders'): ContentionPoint[] {
  const counts = new Map<string, number>();
  for (const { points } of rows)
    for (const { place, count } of points[role]) counts.set(place, (counts.get(place) ?? 0) + count);
  return [...counts]
    .map(([place, count]) => ({ place, count }))
    .sort((a, b) => b.count - a.count)
    .slice(0, POINTS);
}

function classLines(name: string, rows: readonly LockClassStats[]): string[] {
  const short = name.slice(0, 38);
  const read = rows.find(({ mode }) => mode === 'read');
  const write = rows.find(({ mode }) => mode === 'write');
  const lines = [
    ...(write ? [row(read ? `${right(short, 38)}-W:` : `${right(short, 40)}:`, write)] : []),
    ...(read ? [row(`${right(short, 38)}-R:`, read)] : []),
  ];
  if (rows.every(({ contentions }) => contentions === 0)) return lines;
  const length = Math.min(40, short.length + (read ? 2 : 0));
  for (const role of ['waiters', 'holders'] as const) {
    const points = together(rows, role);
    if (points.length > 0) lines.push(line('-', 40 - length, length));
    for (const each of points) lines.push(point(short, each));
  }
  return [...lines, '', line('.', 0, WIDE), ''];
}

function byClass(classes: readonly LockClassStats[]): Map<string, LockClassStats[]> {
  const groups = new Map<string, LockClassStats[]>();
  for (const stats of classes) groups.set(stats.name, [...(groups.get(stats.name) ?? []), stats]);
  return groups;
}

/** As /proc/lock_stat. */
export function lockStatText(classes: readonly LockClassStats[]): string {
  return [
    'lock_stat version 0.4',
    line('-', 0, WIDE),
    [right('class name', 40), ...LOCK_STAT_COLUMNS.map((column) => right(column, 14))].join(' '),
    line('-', 0, WIDE),
    '',
    ...[...byClass(classes)].flatMap(([name, rows]) => classLines(name, rows)),
  ].join('\n');
}

const labelOf = ({ name, mode }: LockClassStats): string => `${name} ${mode}`;

function percentiles(classes: readonly LockClassStats[], of: 'wait' | 'hold'): string[] {
  const lines = classes
    .filter((stats) => stats[of].samples > 0)
    .map((stats) => {
      const { p50, p90, p99, p999, max, samples } = stats[of];
      const cells = [p50, p90, p99, p999, max].map((ns) => right(microseconds(ns), 12));
      return [right(labelOf(stats), 40), ...cells, right(samples, 12)].join(' ');
    });
  const head = ['p50', 'p90', 'p99', 'p99.9', 'max', 'timed'].map((name) => right(name, 12));
  return lines.length === 0 ? [] : [[right(`${of}time, us`, 40), ...head].join(' '), ...lines, ''];
}

function matrix(stats: LockClassStats): string[] {
  const last = (stats.matrix[0]?.length ?? 0) - 1;
  const heads = Array.from({ length: last + 1 }, (_, cpu) =>
    right(cpu === last ? 'not seen' : `CPU ${cpu}`, 10),
  );
  return [
    [right(`${labelOf(stats)}: who waited, after whom`, 40), ...heads].join(' '),
    ...stats.matrix.map((row, cpu) =>
      [right(`CPU ${cpu}`, 40), ...row.map((count) => right(count, 10))].join(' '),
    ),
    '',
  ];
}

/** More CPUs than a terminal has columns for. */
const MATRIX_CPUS = 16;

/** What the kernel does not tell. */
export function moreText(classes: readonly LockClassStats[]): string {
  const contended = classes.filter(({ contentions }) => contentions > 0);
  return [
    ...percentiles(classes, 'wait'),
    ...percentiles(classes, 'hold'),
    ...contended
      .filter((stats) => stats.matrix.length <= MATRIX_CPUS)
      .slice(0, POINTS)
      .flatMap(matrix),
  ].join('\n');
}

const CELL = /[",\n]/;
const cell = (value: string | number): string =>
  CELL.test(String(value)) ? `"${String(value).replaceAll('"', '""')}"` : String(value);

const TIMES = ['samples', 'min', 'max', 'total', 'mean', 'p50', 'p90', 'p99', 'p999'] as const;

/** As CSV: a head, unless there was one before, and a row a class and mode; times in nanoseconds. */
export function lockStatCsv(classes: readonly LockClassStats[], first = true): string {
  const head = [
    ...['class', 'mode', 'con-bounces', 'contentions', 'acq-bounces', 'acquisitions', 'try-failures'],
    ...TIMES.map((name) => `wait-${name}`),
    ...TIMES.map((name) => `hold-${name}`),
  ];
  const rows = classes.map((stats) => [
    ...[stats.name, stats.mode, stats.contentionBounces, stats.contentions],
    ...[stats.acquisitionBounces, stats.acquisitions, stats.tryFailures ?? 0],
    ...TIMES.map((name) => stats.wait[name]),
    ...TIMES.map((name) => stats.hold[name]),
  ]);
  return `${[...(first ? [head] : []), ...rows].map((row) => row.map(cell).join(',')).join('\n')}\n`;
}
