/**
 * A sweep held against an earlier one. Runs that are not comparable and were compared all the same are marked so in each figure.
 */

import type { Comparison } from '../../../measure/schema.ts';
import type { Maker } from '../figure.ts';
import { type Html, html } from '../markup.ts';
import { figure, percent, rate, several, time } from '../numbers.ts';
import type { Said } from './section.ts';

const MARK = ' (forced: the runs are not comparable)';

/** What a comparison comes to. */
export function comparedSummary({ rows, threshold, forced }: Comparison): Said {
  const of = (verdict: string): number => rows.filter((row) => row.verdict === verdict).length;
  const worse = of('worse');
  const mark = forced.length > 0 && MARK;
  return {
    kind: worse > 0 ? 'bad' : 'good',
    text: html`Against the earlier run${mark}: of ${several(rows.length, 'figure')}, ${worse} worse by more than ${percent(threshold)}, ${of('better')} better, ${of('unclear')} unclear.`,
  };
}

/** All figures of a comparison in a table. */
export function comparedTable(make: Maker, { rows, threshold, forced }: Comparison): Html {
  const mark = forced.length > 0 ? MARK : '';
  return html`<h3>Against the earlier run${mark}</h3>
${forced.length > 0 && html`<p class="verdict warn">Not comparable, and compared all the same: ${forced.join('; ')}.</p>`}
<p class="note">A difference counts where it is greater than ${percent(threshold)} and the ranges of both runs allow no other answer.</p>
${make.table(
  `Comparison${mark}`,
  {
    columns: ['lock', 'cpus', 'figure', 'before', 'now', 'now by before', 'low', 'high', 'verdict', 'why'],
    rows: rows.map(({ lock, cpus, figure: what, before, now, ratio, verdict, why }) => {
      const shown = (value: number | undefined): string =>
        value === undefined ? '' : what === 'throughput' ? rate(value) : time(value);
      return [
        lock,
        cpus,
        what,
        shown(before),
        shown(now),
        ratio?.value,
        ratio?.low,
        ratio?.high,
        `${verdict}${mark}`,
        why,
      ];
    }),
    shown: [undefined, undefined, undefined, undefined, undefined, figure, figure, figure],
  },
  true,
)}`;
}
