/** Lock statistics of the last interval as a table: which locks CPUs take, wait for and hold now. Those that cost most waiting come first. */
import type { LockClassStats, LockStatDocument } from './schema.ts';

/** What one look showed. */
export type Look = Pick<LockStatDocument, 'subject' | 'cpus' | 'seconds' | 'classes'>;

const keyOf = ({ name, mode }: LockClassStats): string => `${name} ${mode}`;

interface Row {
  readonly label: string;
  readonly acquisitions: number;
  readonly contentions: number;
  readonly bounces: number;
  readonly waited: number;
  readonly held: number;
}

/** What happened to a class since the look before. Totals are estimates, which later samples may put a little lower. */
function since(now: LockClassStats, before: LockClassStats | undefined): Row {
  const more = (pick: (stats: LockClassStats) => number): number =>
    Math.max(0, pick(now) - (before ? pick(before) : 0));
  return {
    label: keyOf(now),
    acquisitions: more((stats) => stats.acquisitions),
    contentions: more((stats) => stats.contentions),
    bounces: more((stats) => stats.acquisitionBounces),
    waited: more((stats) => stats.wait.total),
    held: more((stats) => stats.hold.total),
  };
}

const group = (value: number): string => Math.round(value).toLocaleString('en-US');

function duration(ns: number): string {
  if (!(ns > 0)) return '-';
  if (ns < 1e3) return `${ns.toFixed(0)} ns`;
  if (ns < 1e6) return `${(ns / 1e3).toFixed(1)} us`;
  return ns < 1e9 ? `${(ns / 1e6).toFixed(1)} ms` : `${(ns / 1e9).toFixed(1)} s`;
}

const percent = (share: number): string => (Number.isFinite(share) ? `${(100 * share).toFixed(1)} %` : '-');

const HEAD = ['acq/s', 'con/s', 'contended', 'bounced', 'wait avg', 'hold avg', 'waiting', 'held'] as const;
const WIDE = 11;

/**
 * The table.
 * @param most rows
 */
export function topText(now: Look, before: Look | undefined, most = 20): string {
  const seconds = now.seconds - (before?.seconds ?? 0);
  const known = new Map(before?.classes.map((stats) => [keyOf(stats), stats]));
  const rows = now.classes
    .map((stats) => since(stats, known.get(keyOf(stats))))
    .filter(({ acquisitions, contentions }) => acquisitions + contentions > 0)
    .sort((a, b) => b.waited - a.waited || b.held - a.held || b.acquisitions - a.acquisitions);
  // Of all CPU time in the interval.
  const all = seconds * 1e9 * now.cpus;
  const name = Math.min(40, Math.max(12, ...rows.map(({ label }) => label.length)));
  const line = (label: string, cells: readonly string[]): string =>
    `${label.slice(0, name).padEnd(name)}${cells.map((cell) => cell.padStart(WIDE)).join('')}`;
  const shown = rows
    .slice(0, most)
    .map((row) =>
      line(row.label, [
        group(row.acquisitions / seconds),
        group(row.contentions / seconds),
        percent(row.contentions / row.acquisitions),
        percent(row.bounces / row.acquisitions),
        duration(row.waited / row.contentions),
        duration(row.held / row.acquisitions),
        percent(row.waited / all),
        percent(row.held / all),
      ]),
    );
  const left = rows.length - shown.length;
  return [
    `top:${now.subject} cpus=${now.cpus} at ${now.seconds.toFixed(1)} s, last ${seconds.toFixed(1)} s`,
    line('lock', HEAD),
    ...shown,
    ...(left > 0 ? [`… ${left} more`] : []),
    ...(rows.length === 0 ? ['(no lock was taken)'] : []),
  ].join('\n');
}
