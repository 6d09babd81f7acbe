/**
 * Where a sweep measures: axes and the settings that they make.
 *
 * Not the product of all axes unless that is asked for, which few have the time for and nobody reads: one axis at a time is walked, while all others stay at
 * their base. The base of an axis is its first value; of CPUs, as many as there are cores, where the axis has that.
 */

import type { Setting } from '../../harness/measure/schema.ts';
import type { WaitingPolicy } from '../../src/arch/index.ts';
import type { Kind } from '../../src/locking/kinds.ts';

/** The values of each axis. Times in nanoseconds. */
export interface Axes {
  readonly cpus: readonly number[];
  readonly section: readonly number[];
  readonly outside: readonly number[];
  readonly reads: readonly number[];
  readonly waiting: readonly WaitingPolicy[];
  readonly locks: readonly number[];
}

/** The name of an axis. */
export type Axis = keyof Axes;

/** The axes, in the order in which they are walked. */
export const AXES: readonly Axis[] = ['cpus', 'section', 'outside', 'reads', 'waiting', 'locks'];

/** Kinds that know readers. */
const READERS: readonly Kind[] = ['rwlock', 'rwsem', 'seq'];

/** The CPUs that are swept unless told otherwise: powers of two to four times the cores, and the cores. */
export function defaultCpus(cores: number): number[] {
  const powers: number[] = [];
  for (let cpus = 1; cpus <= 4 * cores; cpus *= 2) powers.push(cpus);
  return [...new Set([...powers, cores, 2 * cores, 4 * cores])].sort((a, b) => a - b);
}

/** The axes unless told otherwise. Shares of reads are walked where a lock knows readers. */
export function defaultAxes(cores: number, kinds: readonly Kind[]): Axes {
  return {
    cpus: defaultCpus(cores),
    section: [100, 0, 1000, 10_000],
    outside: [100, 0, 1000],
    reads: kinds.some((kind) => READERS.includes(kind)) ? [0, 0.5, 0.95] : [0],
    waiting: ['spin-then-park', 'spin', 'park'],
    locks: [1, 16],
  };
}

/** The setting at which every axis but the one that is walked stays. */
export function baseOf(axes: Axes, cores: number): Setting {
  const { cpus, section, outside, reads, waiting, locks } = axes;
  return {
    cpus: cpus.includes(cores) ? cores : cpus[0]!,
    section: section[0]!,
    outside: outside[0]!,
    reads: reads[0]!,
    waiting: waiting[0]!,
    locks: locks[0]!,
  };
}

/** A setting as a key: the same for the same setting. */
export function keyOf({ cpus, section, outside, reads, waiting, locks }: Setting): string {
  return [cpus, section, outside, reads, waiting, locks].join(' ');
}

function distinct(settings: readonly Setting[]): Setting[] {
  return [...new Map(settings.map((each) => [keyOf(each), each])).values()];
}

/** The settings of a walk along one axis, ascending where its values are numbers. */
export function along(axis: Axis, axes: Axes, base: Setting): Setting[] {
  const values: readonly (number | string)[] = axes[axis];
  const sorted = values.every((value) => typeof value === 'number')
    ? [...values].sort((a, b) => Number(a) - Number(b))
    : values;
  return sorted.map((value) => ({ ...base, [axis]: value }));
}

/** All settings of a sweep, each once; the base first. */
export function settingsOf(axes: Axes, base: Setting, product: boolean): Setting[] {
  if (!product) return distinct([base, ...AXES.flatMap((axis) => along(axis, axes, base))]);
  let all: Setting[] = [base];
  for (const axis of AXES) all = all.flatMap((each) => along(axis, axes, each));
  return distinct([base, ...all]);
}

/** A time in nanoseconds, short: `100 ns`, `1.5 us`. */
export function duration(nanoseconds: number): string {
  if (!Number.isFinite(nanoseconds)) return '-';
  const [unit, by] =
    nanoseconds < 1000
      ? ['ns', 1]
      : nanoseconds < 1e6
        ? ['us', 1e3]
        : nanoseconds < 1e9
          ? ['ms', 1e6]
          : ['s', 1e9];
  const value = nanoseconds / (by as number);
  return `${value >= 10 || Number.isInteger(value) ? Math.round(value) : value.toPrecision(2)} ${unit}`;
}

/** One value of an axis, in words. */
export function valueText(axis: Axis, setting: Setting): string {
  const value = setting[axis];
  if (axis === 'section' || axis === 'outside') return value === 0 ? '0' : duration(Number(value));
  return axis === 'reads' ? `${Math.round(Number(value) * 100)} %` : String(value);
}

/** A setting in words: `2 CPUs, section 100 ns, outside 0, no reads, spin-then-park, 1 lock`. */
export function settingText(setting: Setting): string {
  const { cpus, reads, waiting, locks } = setting;
  return [
    `${cpus} CPU${cpus === 1 ? '' : 's'}`,
    `section ${valueText('section', setting)}`,
    `outside ${valueText('outside', setting)}`,
    reads === 0 ? 'no reads' : `${valueText('reads', setting)} reads`,
    waiting,
    `${locks} lock${locks === 1 ? '' : 's'}`,
  ].join(', ');
}
