/**
 * The section about the benchmarks of `lockrig bench --json`: bars that are cleared or missed, and each section's figures with their ranges.
 */
import { type Cell, type Maker, titled } from '../figure.ts';
import { type Html, html } from '../markup.ts';
import { figure, several } from '../numbers.ts';
import type { BenchDocument, BenchRow } from '../results.ts';
import type { Around, Said, Section } from './section.ts';

interface Ratio {
  readonly key: string;
  readonly name: string;
  readonly value: number;
  readonly low: number;
  readonly high: number;
}

const MOST = 40;

function ratios(rows: readonly BenchRow[]): Ratio[] {
  return rows.flatMap(({ name, figures }) =>
    Object.entries(figures).flatMap(([what, { value, low, high }]) =>
      typeof value === 'number' && Number.isFinite(value)
        ? [{ key: '', name: `${name}: ${what}`, value, low: low ?? value, high: high ?? value }]
        : [],
    ),
  );
}

function picture(make: Maker, section: string, rows: readonly BenchRow[]): Html | undefined {
  const all = ratios(rows);
  const shown = all
    .filter(({ low }) => low > 0)
    .slice(0, MOST)
    .map((each, at) => ({
      ...each,
      key: `${at}|${each.name}`,
      title: titled(`${each.name}: ${figure(each.value)} (${figure(each.low)} to ${figure(each.high)})`),
    }));
  if (shown.length === 0) return undefined;
  const { plot } = make;
  const widest = Math.max(...shown.map(({ name }) => Math.min(48, name.length)));
  const range = Math.max(...shown.map(({ high }) => high)) / Math.min(...shown.map(({ low }) => low));
  return make.figure({
    title: `Figures of ${section}`,
    text: `Each figure as a dot, with the range from the 10th to the 90th percentile of its samples.${shown.length < all.length ? ` The first ${shown.length} of ${all.length}.` : ''}`,
    picture: make.chart(
      `Figures of ${section}`,
      {
        height: 50 + 20 * shown.length,
        marginLeft: 20 + 6.6 * widest,
        x: { type: range > 20 ? 'log' : 'linear', grid: true, label: null, tickFormat: figure, ticks: 5 },
        y: {
          domain: shown.map(({ key }) => key),
          label: null,
          tickSize: 0,
          tickFormat: (key: string) => titled(key.replace(/^\d+\|/, '')).slice(0, 48),
        },
      },
      [
        plot.ruleY(shown, { x1: 'low', x2: 'high', y: 'key', stroke: 'var(--s0)', strokeWidth: 2 }),
        plot.dot(shown, { x: 'value', y: 'key', fill: 'var(--s0)', r: 4, title: 'title' }),
      ],
    ),
    table: {
      columns: ['figure', 'value', 'low', 'high'],
      rows: all.map(({ name, value, low, high }) => [name, value, low, high]),
      shown: [undefined, figure, figure, figure],
    },
  });
}

function parties(make: Maker, section: string, rows: readonly BenchRow[]): Html | false {
  const cells = rows.flatMap(({ name, parties: all }) =>
    Object.entries(all).map(([party, { median, unit, spread }]): Cell[] => [
      name,
      party,
      median,
      unit,
      spread,
    ]),
  );
  return (
    cells.length > 0 &&
    make.table(`Contestants of ${section}`, {
      columns: ['name', 'contestant', 'median', 'unit', 'spread'],
      rows: cells,
      shown: [undefined, undefined, figure, undefined, figure],
    })
  );
}

/** A bar as its row has it: which, of what, and how it ended. */
function outcomeRow(outcome: Readonly<Record<string, unknown>>): Cell[] {
  const {
    bar,
    row,
    verdict,
    figure: measured,
    why,
  } = outcome as {
    bar?: { section?: string; figure?: string; limit?: number };
    row?: string;
    verdict?: string;
    figure?: { value?: number };
    why?: string;
  };
  return [row, [bar?.section, bar?.figure].filter(Boolean).join(': '), measured?.value, verdict, why];
}

/** The section of a benchmark. */
export function benchSection({ make }: Around, bench: BenchDocument): Section {
  const { sections, outcomes, file, noise } = bench;
  const missed = outcomes.filter(({ verdict }) => verdict === 'MISS');
  const passed = outcomes.filter(({ verdict }) => verdict === 'pass');
  const summary: Said[] =
    outcomes.length === 0
      ? []
      : [
          {
            kind: missed.length > 0 ? 'warn' : 'good',
            text: html`Of ${several(outcomes.length, 'bar')} of the benchmarks, ${missed.length} ${missed.length === 1 ? 'was' : 'were'} missed.`,
          },
        ];
  return {
    title: 'Benchmarks',
    summary,
    body: [
      html`<p>From <code>${file}</code>.${noise !== '' && ` ${noise}`}</p>`,
      outcomes.length > 0 &&
        make.table(
          `Bars (${passed.length} passed, ${missed.length} missed)`,
          {
            columns: ['lock', 'bar', 'measured', 'verdict', 'why'],
            rows: outcomes.map(outcomeRow),
            shown: [undefined, undefined, figure],
          },
          true,
        ),
      ...Object.entries(sections).flatMap(([name, rows]) => [
        picture(make, name, rows),
        parties(make, name, rows),
      ]),
    ],
  };
}
