/**
 * Who waits for whom: a field for each pair of CPUs, darker the more often.
 */
import { type Maker, titled } from './figure.ts';
import type { Html } from './markup.ts';
import { count, whole } from './numbers.ts';

/** A matrix of counts: a row a waiter, a column an owner, and a last one for owners that were not seen. */
export interface Heat {
  readonly title: string;
  readonly text: string;
  readonly matrix: readonly (readonly number[])[];
  /** What the columns are. */
  readonly columns: string;
  readonly rows: string;
}

/** Columns and rows that can be told apart in a picture. */
const MOST = 32;

/** A heat map; undefined where nobody waited. */
export function heatMap(make: Maker, { title, text, matrix, columns, rows }: Heat): Html | undefined {
  const most = Math.max(0, ...matrix.flat());
  if (most === 0) return undefined;
  const { plot } = make;
  const cpus = matrix.length;
  const owner = (at: number): string => (at < cpus ? `CPU ${at}` : 'not seen');
  const wide = Math.max(...matrix.map(({ length }) => length));
  const cells = matrix.slice(0, MOST).flatMap((row, waiter) =>
    row.slice(0, MOST).map((many, at) => ({
      waiter: `CPU ${waiter}`,
      owner: owner(at),
      many,
      shown: count(many),
      title: titled(
        `CPU ${waiter} waited for ${at < cpus ? `CPU ${at}` : 'an owner not seen'} ${whole(many)} times`,
      ),
    })),
  );
  const few = cpus <= 12;
  const size = few ? 46 : 24;
  return make.figure({
    title,
    text,
    picture: make.chart(
      title,
      {
        width: 130 + Math.min(MOST, wide) * (few ? 62 : 30),
        height: 70 + Math.min(MOST, cpus) * size,
        marginLeft: 70,
        marginTop: 42,
        marginBottom: 10,
        padding: 0.04,
        x: {
          axis: 'top',
          label: columns,
          labelArrow: 'none',
          labelAnchor: 'left',
          tickSize: 0,
          domain: Array.from({ length: Math.min(MOST, wide) }, (_, at) => owner(at)),
        },
        y: {
          label: rows,
          labelArrow: 'none',
          tickSize: 0,
          domain: matrix.slice(0, MOST).map((_, at) => `CPU ${at}`),
        },
      },
      [
        plot.cell(cells, { x: 'owner', y: 'waiter', fill: 'var(--line)', fillOpacity: 0.35 }),
        plot.cell(cells, {
          x: 'owner',
          y: 'waiter',
          fill: 'var(--heat)',
          fillOpacity: ({ many }: { many: number }) => (many === 0 ? 0 : 0.08 + 0.62 * (many / most)),
          title: 'title',
        }),
        few && plot.text(cells, { x: 'owner', y: 'waiter', text: 'shown', fill: 'var(--ink)', fontSize: 11 }),
      ],
    ),
    table: {
      columns: ['waiter', ...Array.from({ length: wide }, (_, at) => owner(at))],
      rows: matrix.map((row, waiter) => [`CPU ${waiter}`, ...row]),
      shown: [undefined, ...Array.from({ length: wide }, () => whole)],
    },
  });
}

/** A bar for each of some names. */
export interface Bar {
  readonly name: string;
  readonly value: number;
  readonly shown: string;
}

/** Bars, greatest first. */
export function bars(
  make: Maker,
  title: string,
  text: string,
  label: string,
  all: readonly Bar[],
): Html | undefined {
  const some = all.filter(({ value }) => value > 0).sort((one, other) => other.value - one.value);
  if (some.length === 0) return undefined;
  const shown = some.slice(0, 24).map((bar, at) => ({ ...bar, key: `${at}|${bar.name}` }));
  const { plot } = make;
  const widest = Math.max(...shown.map(({ name }) => Math.min(40, name.length)));
  return make.figure({
    title,
    text,
    picture: make.chart(
      title,
      {
        height: 30 + 28 * shown.length,
        marginLeft: 24 + 7 * widest,
        marginRight: 90,
        marginBottom: 10,
        marginTop: 10,
        x: { axis: null, domain: [0, shown[0]!.value] },
        y: {
          domain: shown.map(({ key }) => key),
          label: null,
          tickSize: 0,
          tickFormat: (key: string) => titled(key.replace(/^\d+\|/, '')).slice(0, 40),
        },
      },
      [
        plot.barX(shown, {
          x: 'value',
          y: 'key',
          fill: 'var(--s0)',
          fillOpacity: 0.8,
          insetTop: 3,
          insetBottom: 3,
        }),
        plot.text(shown, { x: 'value', y: 'key', text: 'shown', textAnchor: 'start', dx: 6 }),
      ],
    ),
    table: { columns: ['name', label], rows: some.map(({ name, value }) => [name, value]) },
  });
}
