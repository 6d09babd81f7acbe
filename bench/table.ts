/**
 * The report as text. A ratio that does not differ from 1 by more than its spread is not printed: `≈ 1`
 * stands for one that lies close around 1, `?` for one whose spread hides whatever difference there may be.
 */
import Table from 'cli-table3';
import type { Outcome } from './bars.ts';
import type { Party, Row } from './section.ts';
import { type Figure, median, type Series, tells } from './stats.ts';

const PLAIN = {
  top: '',
  'top-mid': '',
  'top-left': '',
  'top-right': '',
  bottom: '',
  'bottom-mid': '',
  'bottom-left': '',
  'bottom-right': '',
  left: '',
  'left-mid': '',
  mid: '',
  'mid-mid': '',
  right: '',
  'right-mid': '',
  middle: '  ',
};

function plainTable(head: readonly string[], colAligns: Table.HorizontalAlignment[]): Table.Table {
  return new Table({
    head: [...head],
    chars: PLAIN,
    style: { head: [], border: [], 'padding-left': 0, 'padding-right': 0 },
    colAligns,
  });
}

function trimmed(table: Table.Table): string {
  return table
    .toString()
    .split('\n')
    .map((line) => line.trimEnd())
    .join('\n');
}

/** Text in columns, all but the first `left` aligned to the right. */
export function columns(head: readonly string[], rows: readonly (readonly string[])[], left = 1): string {
  const table = plainTable(
    head,
    head.map((_, at) => (at < left ? 'left' : 'right')),
  );
  for (const row of rows) table.push([...row]);
  return trimmed(table);
}

const DASH = '-';

/** A rate, short: `11.2 M`. */
export function rate(value: number): string {
  if (!Number.isFinite(value)) return DASH;
  if (value >= 1e6) return `${(value / 1e6).toFixed(value >= 1e8 ? 0 : value >= 1e7 ? 1 : 2)} M`;
  if (value >= 1e3) return `${(value / 1e3).toFixed(value >= 1e5 ? 0 : 1)} k`;
  return value.toFixed(0);
}

/** From low to high: as wide as a ratio that is about 1 may be. */
const NARROW = 1.25;
/** Spread of the blocks, as a share of their median, above which figures mean little. */
const NOISY = 0.25;

const times = (value: number): string => `${value < 0.1 ? value.toPrecision(2) : value.toFixed(2)} ×`;

/** A ratio, or that there is no telling it from 1. */
export function ratio(figure: Figure | undefined): string {
  if (figure === undefined || Number.isNaN(figure.value)) return DASH;
  if (figure.value === Number.POSITIVE_INFINITY) return '∞';
  if (tells(figure, 1)) return times(figure.value);
  return figure.high <= NARROW * figure.low ? '≈ 1' : '?';
}

function nanoseconds(series: Series | undefined): string {
  return series ? `${series.median.toFixed(1)} (${series.p10.toFixed(1)})` : DASH;
}

const share = (value: number | undefined): string => (value === undefined ? DASH : value.toFixed(3));

function problems(rows: readonly Row[]): string[] {
  return rows.flatMap(({ name, problem }) =>
    problem === undefined ? [] : [`${name} was not measured: ${problem}`],
  );
}

const measured = (rows: readonly Row[]): Row[] => rows.filter(({ problem }) => problem === undefined);

/** What a lock costs when it is free. */
export function uncontendedTable(rows: readonly Row[]): string {
  const known = ['wasm', 'wasm tracked', 'atomics', 'atomics tracked', 'pthread_mutex'];
  const compared = ['wasm / pthread_mutex', 'wasm tracked / pthread_mutex', 'atomics / wasm'];
  const rivals = [
    ...new Set(
      rows.flatMap(({ figures }) =>
        Object.keys(figures).filter((name) => name.startsWith('wasm / ') && !compared.includes(name)),
      ),
    ),
  ];
  const head = [
    'lock',
    ...known,
    'wasm/p.',
    'tracked/p.',
    'at./wasm',
    ...rivals.map((name) => name.replaceAll(' ', '')),
  ];
  const lines = measured(rows).map(({ name, parties, figures }) => [
    name,
    ...known.map((party) => nanoseconds(parties[party])),
    ...[...compared, ...rivals].map((figure) => ratio(figures[figure])),
  ]);
  return [
    'One CPU, the lock free: acquire, one plain increment, release. ns a round, median (10th percentile) of blocks;',
    'ratios of blocks taken side by side, p. is pthread_mutex; ? where the spread hides the difference.',
    columns(head, lines),
    ...problems(rows),
  ].join('\n');
}

/** One line for each contestant of each row. */
function partyLines(rows: readonly Row[], more: (party: Party) => string[]): string[][] {
  return measured(rows).flatMap(({ name, parties, figures }) =>
    Object.entries(parties).map(([who, party], at) => [
      at === 0 ? name : '',
      who,
      rate(party.median),
      rate(party.p10),
      ...more(party),
      who === 'lockrig' ? '' : ratio(figures[`lockrig / ${who}`]),
    ]),
  );
}

/** Two CPUs. */
export function contendedTable(rows: readonly Row[]): string {
  const head = ['lock', 'by', 'acq/s', 'p10', 'min/max', 'Jain', 'lockrig is'];
  const lines = partyLines(rows, (party) => [share(party.evenness), share(party.jain)]);
  return [
    'Two CPUs that want the lock all the time: acquisitions a second, median and 10th percentile; shares of the CPUs, least by',
    "greatest, and Jain's index; lockrig's throughput by that of the line.",
    columns(head, lines, 2),
    ...problems(rows),
  ].join('\n');
}

/** More CPUs than cores. */
export function oversubscribedTable(
  rows: readonly Row[],
  { cpus, cores }: { cpus: number; cores: number },
): string {
  const head = ['lock', 'by', 'acq/s', 'p10', 'Jain', 'silence', 'lockrig is'];
  const lines = partyLines(rows, (party) => [
    share(party.jain),
    party.silence === undefined ? DASH : `${(party.silence / 1000).toFixed(2)} s`,
  ]);
  return [
    `${cpus} CPUs on ${cores} cores: acquisitions a second, median and 10th percentile of tenths of a second; silence is the longest`,
    'that any CPU went without an acquisition, to about a tenth of a second.',
    columns(head, lines, 2),
    ...problems(rows),
  ].join('\n');
}

/** Start-up. */
export function startupTable(rows: readonly Row[]): string {
  return [
    ...measured(rows).map(({ name, parties: { lockrig, node } }) =>
      lockrig && node
        ? `lockrig ${name}: first acquisition after ${lockrig.median.toFixed(0)} ms (least ${lockrig.least.toFixed(0)}, ${lockrig.samples.length} runs); Node alone takes ${node.median.toFixed(0)} ms to start and end`
        : name,
    ),
    ...problems(rows),
  ].join('\n');
}

/** How much blocks of one measurement differ, over everything that was taken in turns. */
export function noise(sections: Readonly<Record<string, readonly Row[]>>): string {
  const series = (['uncontended', 'contended'] as const)
    .flatMap((section) =>
      (sections[section] ?? []).flatMap(({ name, parties }) =>
        Object.entries(parties).map(([who, { spread, samples }]) => ({
          what: `${name}, ${who}, ${section}`,
          spread: samples.length > 1 ? spread : 0,
        })),
      ),
    )
    .filter(({ spread }) => Number.isFinite(spread));
  if (series.length === 0) return '';
  const percent = (value: number): string => `${(100 * value).toFixed(0)} %`;
  const worst = series.reduce((most, each) => (each.spread > most.spread ? each : most));
  const still = (sections.uncontended ?? []).flatMap(({ parties }) =>
    parties.pthread_mutex ? [parties.pthread_mutex.median] : [],
  );
  const drift =
    still.length > 1
      ? `; pthread_mutex, measured beside every lock, from ${Math.min(...still).toFixed(1)} to ${Math.max(...still).toFixed(1)} ns`
      : '';
  const typical = median(series.map(({ spread }) => spread));
  const verdict =
    typical > NOISY ? '. That is too much: these figures mean little, take them on a quiet machine' : '';
  return `noise: from the 10th to the 90th percentile, blocks of one measurement differ by ${percent(typical)} of their median (half of ${series.length} measurements), at most by ${percent(worst.spread)} (${worst.what})${drift}${verdict}`;
}

function amount(value: number, unit: Outcome['bar']['unit']): string {
  if (value === Number.POSITIVE_INFINITY) return '∞';
  if (unit === '/s') return `${rate(value)}/s`;
  if (unit === 'ms') return `${value.toFixed(0)} ms`;
  if (unit === 'ns') return `${value.toFixed(1)} ns`;
  if (unit === '%') return `${Number((100 * value).toPrecision(3))} %`;
  return unit === '' ? String(Number(value.toFixed(3))) : times(value);
}

function limit({ most, least, unit }: Outcome['bar']): string {
  if (most !== undefined && most === least) return `= ${amount(most, unit)}`;
  if (most !== undefined) return `≤ ${amount(most, unit)}`;
  return least === undefined ? DASH : `≥ ${amount(least, unit)}`;
}

function outcomeLine({ bar, row, verdict, figure, close, why }: Outcome): string[] {
  const range =
    figure && figure.low !== figure.high
      ? `${amount(figure.low, bar.unit)} to ${amount(figure.high, bar.unit)}`
      : '';
  return [
    `  ${row}`,
    figure ? amount(figure.value, bar.unit) : DASH,
    verdict,
    why ?? (close ? `${range}: too close to call` : range),
  ];
}

/** The bars, each with its figures and verdicts. */
export function barsTable(outcomes: readonly Outcome[]): string {
  const held = [...new Set(outcomes.map(({ bar }) => bar))];
  const head = ['bars', 'figure', 'verdict', 'from 10 to 90 %'];
  const table = plainTable(head, ['left', 'right', 'left', 'left']);
  for (const bar of held) {
    table.push([{ content: `${bar.text}: ${limit(bar)}`, colSpan: head.length }]);
    for (const outcome of outcomes) if (outcome.bar === bar) table.push(outcomeLine(outcome));
  }
  const count = (verdict: Outcome['verdict']): number =>
    outcomes.filter((outcome) => outcome.verdict === verdict).length;
  const skipped = count('skipped');
  return [
    trimmed(table),
    `${count('pass')} of ${outcomes.length - skipped} figures passed${skipped > 0 ? `, ${skipped} skipped` : ''}`,
  ].join('\n');
}
