/** The columns of /proc/lock_stat, version 0.4 (kernel/locking/lockdep_proc.c): whoever shows lock statistics as a table has them, and may add to them. */
import type { LockClassStats } from './schema.ts';

/** Their names. */
export const LOCK_STAT_COLUMNS = [
  'con-bounces',
  'contentions',
  'waittime-min',
  'waittime-max',
  'waittime-total',
  'waittime-avg',
  'acq-bounces',
  'acquisitions',
  'holdtime-min',
  'holdtime-max',
  'holdtime-total',
  'holdtime-avg',
] as const;

/** Whether a column has times. */
export const isTime = (column: string): boolean => /^(?:wait|hold)/.test(column);

/** What is in them, for a class in one mode. Times in nanoseconds. */
export function lockStatNumbers(stats: LockClassStats): number[] {
  const { contentionBounces, contentions, wait, acquisitionBounces, acquisitions, hold } = stats;
  return [
    ...[contentionBounces, contentions, wait.min, wait.max, wait.total, wait.mean],
    ...[acquisitionBounces, acquisitions, hold.min, hold.max, hold.total, hold.mean],
  ];
}
