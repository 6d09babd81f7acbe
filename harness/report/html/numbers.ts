/**
 * Numbers as people read them: three digits that count, and a unit.
 */

function digits(value: number): string {
  if (value === 0) return '0';
  const most = Math.max(0, 2 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString('en-US', { maximumFractionDigits: Math.min(most, 6), useGrouping: false });
}

const scaled = (value: number, steps: readonly (readonly [number, string])[]): string => {
  if (!Number.isFinite(value)) return '–';
  const size = Math.abs(value);
  const [by, unit] = steps.findLast(([from]) => size >= from * 0.9995) ?? steps[0]!;
  return `${digits(value / by)}${unit}`;
};

const TIMES = [
  [1, ' ns'],
  [1e3, ' µs'],
  [1e6, ' ms'],
  [1e9, ' s'],
] as const;
const COUNTS = [
  [1, ''],
  [1e3, ' k'],
  [1e6, ' M'],
  [1e9, ' G'],
] as const;

/** Nanoseconds. */
export const time = (nanoseconds: number): string => scaled(nanoseconds, TIMES);
/** So many, in short. */
export const count = (value: number): string => scaled(value, COUNTS);
/** So many by the second. */
export const rate = (value: number): string => `${count(value)}/s`;
/** So many, digit by digit. */
export const whole = (value: number): string =>
  Number.isFinite(value) ? Math.round(value).toLocaleString('en-US') : '–';
/** A share of 1 as a percentage. */
export const percent = (share: number): string => (Number.isFinite(share) ? `${digits(share * 100)} %` : '–');
/** A plain figure. */
export const figure = (value: number): string => (Number.isFinite(value) ? digits(value) : '–');
/** One or several of something. */
export const several = (many: number, one: string, more = `${one}s`): string =>
  `${whole(many)} ${many === 1 ? one : more}`;

/** Words in a row, the last after "and". */
export function list(words: readonly string[], most = 6): string {
  const shown =
    words.length > most ? [...words.slice(0, most - 1), `${words.length - most + 1} more`] : words;
  return shown.length < 2 ? shown.join('') : `${shown.slice(0, -1).join(', ')} and ${shown.at(-1)}`;
}
