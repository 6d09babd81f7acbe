/**
 * The section about lock_stat: which lock is waited for, by whom, for how long, and where in the source.
 */
import { isTime, LOCK_STAT_COLUMNS, lockStatNumbers } from '../../../measure/columns.ts';
import type { LockClassStats, Times } from '../../../measure/schema.ts';
import { bars, heatMap } from '../heat.ts';
import { html, type Inserted } from '../markup.ts';
import { count, figure, percent, several, time, whole } from '../numbers.ts';
import type { LockStat } from '../results.ts';
import { distributions, fairness } from '../spread.ts';
import type { Around, Said, Section } from './section.ts';

/** Classes that have pictures of their own. */
const MOST = 6;
const POINTS = 12;

const nameOf = ({ name, mode }: LockClassStats): string => (mode === 'read' ? `${name} (read)` : name);

const COLUMNS = [
  'class',
  ...LOCK_STAT_COLUMNS,
  ...['wait-p50', 'wait-p90', 'wait-p99', 'wait-p99.9'],
  ...['hold-p50', 'hold-p90', 'hold-p99', 'hold-p99.9'],
];

const percentiles = ({ p50, p90, p99, p999 }: Times): number[] => [p50, p90, p99, p999];

const row = (each: LockClassStats): (string | number)[] => [
  nameOf(each),
  ...lockStatNumbers(each),
  ...percentiles(each.wait),
  ...percentiles(each.hold),
];

const SHOWN = COLUMNS.map((column) => (column === 'class' ? undefined : isTime(column) ? time : whole));

function summary(classes: readonly LockClassStats[], subject: string): Said[] {
  const total = classes.reduce((sum, { wait }) => sum + wait.total, 0);
  const [first] = [...classes].sort((one, other) => other.wait.total - one.wait.total);
  if (!first) return [{ kind: 'plain', text: html`No lock of ${subject} was taken.` }];
  if (total === 0 || first.contentions === 0)
    return [{ kind: 'good', text: html`In ${subject}, nobody waited for a lock.` }];
  const share = first.contentions / Math.max(1, first.acquisitions);
  const kind = share > 0.1 ? ('warn' as const) : ('plain' as const);
  return [
    {
      kind,
      text: html`In ${subject}, most is waited for <strong>${nameOf(first)}</strong>: ${percent(first.wait.total / total)} of all waiting. ${percent(share)} of its ${count(first.acquisitions)} acquisitions had to wait, half of them longer than ${time(first.wait.p50)}, one in a hundred longer than ${time(first.wait.p99)}; it is held for ${time(first.hold.mean)} on average.`,
    },
  ];
}

function where({ points }: LockClassStats, make: Around['make'], name: string): Inserted {
  const { waiters, holders } = points;
  if (waiters.length + holders.length === 0) return undefined;
  const rows = [
    ...waiters.slice(0, POINTS).map(({ place, count: many }) => ['waited', place, many]),
    ...holders.slice(0, POINTS).map(({ place, count: many }) => ['had it, taken', place, many]),
  ];
  return make.table(
    `Contention points of ${name}`,
    { columns: ['who', 'where', 'times'], rows, shown: [undefined, undefined, whole] },
    true,
  );
}

/** The section of a lock_stat. */
export function statSection({ make }: Around, stat: LockStat): Section {
  const { classes, subject, cpus, seconds, file } = stat;
  const contended = classes
    .filter(({ contentions }) => contentions > 0)
    .sort((one, other) => other.wait.total - one.wait.total);
  const sampled = classes.find(({ wait, hold }) => Math.max(wait.every, hold.every) > 1);
  const each = contended.slice(0, MOST).flatMap((one) => {
    const name = nameOf(one);
    return [
      html`<h3>${name}: who waits for whom, and where</h3>`,
      heatMap(make, {
        title: `Contention for ${name}`,
        text: 'How often a CPU (row) had to wait while another (column) had the lock; the last column is for owners that were not seen. The darker, the more often.',
        matrix: one.matrix,
        columns: 'had it',
        rows: 'waited',
      }),
      where(one, make, name),
    ];
  });
  const bySeries = contended.slice(0, 8).map((one, at) => ({ one, at }));
  return {
    title: `Who waited for which lock: ${subject}`,
    summary: summary(classes, subject),
    body: [
      html`<p>From <code>${file}</code>: ${subject} on ${several(cpus, 'CPU')}${Number.isFinite(seconds) && ` for ${time(seconds * 1e9)}`}. Acquisitions and contentions are counted one by one${sampled && `; of times, one in ${figure(Math.max(sampled.wait.every, sampled.hold.every))} was taken`}.</p>`,
      bars(
        make,
        `Time waited for each lock of ${subject}`,
        'All waiting of all CPUs, by class of lock: the longest bar is the bottleneck.',
        'waited_ns',
        contended.map((one) => ({ name: nameOf(one), value: one.wait.total, shown: time(one.wait.total) })),
      ),
      fairness(
        make,
        `Acquisitions of each CPU: ${subject}`,
        classes.flatMap((one) => (one.byCpu ? [{ name: nameOf(one), shares: one.byCpu }] : [])),
      ),
      html`<h3>lock_stat</h3><p class="note">The columns of Linux’s lock_stat, and percentiles.</p>`,
      make.table(`lock_stat of ${subject}`, { columns: COLUMNS, rows: classes.map(row), shown: SHOWN }, true),
      distributions(
        make,
        `Distribution of wait times: ${subject}`,
        'From wanting the lock to having it, where it had to be waited for.',
        bySeries.map(({ one, at }) => ({ name: nameOf(one), at, times: one.wait })),
      ),
      distributions(
        make,
        `Distribution of hold times: ${subject}`,
        'From having the lock to giving it up.',
        bySeries.map(({ one, at }) => ({ name: nameOf(one), at, times: one.hold })),
      ),
      ...each,
    ],
  };
}
