/**
 * Points of a sweep, sorted into pictures: what varies along the axis, and what all points of a picture have in common.
 *
 * A sweep varies several things. Each that has more than one value gets pictures, in which the others stand still: CPUs first, since that is what locks are measured for.
 */
import type { Setting, SweepPoint } from '../../measure/schema.ts';
import { percent, several, time } from './numbers.ts';

/** What a sweep may vary. */
export interface Dimension {
  readonly key: keyof Setting;
  readonly title: string;
  readonly label: string;
  readonly show: (value: Setting[keyof Setting]) => string;
  /** In a sentence. */
  readonly phrase: (value: Setting[keyof Setting]) => string;
}

const plainly = (value: Setting[keyof Setting]): string => String(value);
const nanoseconds = (value: Setting[keyof Setting]): string => time(Number(value));

/** All of them, in order of importance. */
export const DIMENSIONS: readonly Dimension[] = [
  {
    key: 'cpus',
    title: 'CPUs',
    label: 'CPUs',
    show: plainly,
    phrase: (value) => several(Number(value), 'CPU'),
  },
  {
    key: 'section',
    title: 'length of the section',
    label: 'section',
    show: nanoseconds,
    phrase: (value) => `sections of ${nanoseconds(value)}`,
  },
  {
    key: 'outside',
    title: 'time outside',
    label: 'outside',
    show: nanoseconds,
    phrase: (value) => `${nanoseconds(value)} outside`,
  },
  {
    key: 'reads',
    title: 'share of readers',
    label: 'share of sections that only read',
    show: (value) => percent(Number(value)),
    phrase: (value) => `${percent(Number(value))} readers`,
  },
  {
    key: 'locks',
    title: 'number of locks',
    label: 'locks',
    show: plainly,
    phrase: (value) => several(Number(value), 'lock'),
  },
  {
    key: 'waiting',
    title: 'way of waiting',
    label: 'waiting',
    show: plainly,
    phrase: (value) => `waiting by ${value}`,
  },
];

/** Points along one dimension, all else equal. */
export interface Group {
  readonly along: Dimension;
  readonly points: readonly SweepPoint[];
  /** What is equal, in words; only what varies elsewhere in the sweep. */
  readonly where: string;
}

/** Values of a dimension, ascending. */
export function valuesOf(points: readonly SweepPoint[], { key }: Dimension): Setting[keyof Setting][] {
  const values = [...new Set(points.map((point) => point[key]))];
  return values.sort((one, other) => (one < other ? -1 : 1));
}

/** The dimensions of which there is more than one value. */
export const varying = (points: readonly SweepPoint[]): readonly Dimension[] =>
  DIMENSIONS.filter((dimension) => valuesOf(points, dimension).length > 1);

/** What is equal in a point, of these dimensions, in words. */
export function whereOf(point: Setting, dimensions: readonly Dimension[]): string {
  return dimensions.map(({ key, phrase }) => phrase(point[key])).join(', ');
}

/** Equal for points that are alike in these dimensions. */
export const likeness = (point: Setting, dimensions: readonly Dimension[]): string =>
  JSON.stringify(dimensions.map(({ key }) => point[key]));

/** The pictures that a sweep gets. */
export function groups(points: readonly SweepPoint[]): Group[] {
  const dimensions = varying(points);
  const along = dimensions.length > 0 ? dimensions : [DIMENSIONS[0]!];
  return along.flatMap((dimension) => {
    const others = dimensions.filter((each) => each !== dimension);
    const found = new Map<string, SweepPoint[]>();
    for (const point of points) {
      const like = likeness(point, others);
      found.set(like, [...(found.get(like) ?? []), point]);
    }
    return [...found]
      .filter(([, members]) => dimensions.length === 0 || valuesOf(members, dimension).length > 1)
      .map(([, members]) => ({ along: dimension, points: members, where: whereOf(members[0]!, others) }));
  });
}

/** Powers of ten around some values: where a logarithmic axis has its lines. */
export function decades(values: readonly number[]): number[] {
  const some = values.filter((value) => value > 0);
  if (some.length === 0) return [];
  const from = Math.floor(Math.log10(Math.min(...some)));
  const to = Math.ceil(Math.log10(Math.max(...some)));
  return Array.from({ length: Math.max(1, to - from) + 1 }, (_, at) => 10 ** (from + at));
}

/** Points with as many CPUs as there are in any. */
export function crowded(points: readonly SweepPoint[]): readonly SweepPoint[] {
  const most = Math.max(...points.map(({ cpus }) => cpus));
  return points.filter(({ cpus }) => cpus === most);
}

/** Points with as many CPUs as there are cores, or next to that. */
export function fitting(points: readonly SweepPoint[], cores: number): readonly SweepPoint[] {
  const fits = points.filter(({ cpus }) => cpus <= cores);
  return fits.length > 0 ? crowded(fits) : points;
}
