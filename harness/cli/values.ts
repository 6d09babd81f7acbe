/**
 * Option values: strings from the command line to numbers, with one sentence for what is wrong.
 */
import ms from 'ms';
import { UsageError } from './errors.ts';

/** What the parser hands over for an option: `true` for one given without a value. */
export type Raw = string | number | boolean | undefined;

const HOUR = 3_600_000;

/** A whole number. @throws UsageError */
export function whole(name: string, raw: Raw, low: number, high: number): number | undefined {
  if (raw === undefined) return undefined;
  const value = typeof raw === 'boolean' || raw === '' ? Number.NaN : Number(raw);
  if (!Number.isInteger(value) || value < low || value > high)
    throw new UsageError(
      `--${name} ${raw === true ? '' : raw} is not right: a whole number from ${low} to ${high} is expected`,
    );
  return value;
}

/** A number between 0 and 1. @throws UsageError */
export function share(name: string, raw: Raw): number | undefined {
  if (raw === undefined) return undefined;
  const value = typeof raw === 'boolean' || raw === '' ? Number.NaN : Number(raw);
  if (!(value >= 0 && value <= 1))
    throw new UsageError(
      `--${name} ${raw === true ? '' : raw} is not right: a share from 0 to 1 is expected`,
    );
  return value;
}

/**
 * A time such as 500ms, 3s, 2m; a bare number counts in `unit`.
 * @param low milliseconds, as is `high`
 * @returns milliseconds
 * @throws UsageError
 */
export function time(
  name: string,
  raw: Raw,
  low = 0,
  high = HOUR,
  unit: 's' | 'us' = 's',
): number | undefined {
  if (raw === undefined) return undefined;
  const text = typeof raw === 'boolean' ? '' : String(raw).trim();
  const micro = /^(\d+(?:\.\d+)?)us$/.exec(text);
  const bare = text !== '' && Number.isFinite(Number(text));
  const value = micro
    ? Number(micro[1]) / 1000
    : bare
      ? Number(text) * { s: 1000, us: 0.001 }[unit]
      : text === ''
        ? undefined
        : ms(text as ms.StringValue);
  if (value === undefined || !(value >= low && value <= high))
    throw new UsageError(
      `--${name} ${text} is not right: a time such as ${unit === 's' ? '500ms, 3s or 2m' : '5us or 1ms'} is expected, from ${ms(low)} to ${ms(high)}`,
    );
  return value;
}

/** A word. @throws UsageError */
export function word(name: string, raw: Raw): string | undefined {
  if (raw === undefined) return undefined;
  if (typeof raw === 'boolean' || Array.isArray(raw))
    throw new UsageError(`--${name} takes one name: --${name} NAME`);
  return String(raw);
}

/** `name=number`, given as often as one likes. @throws UsageError */
export function numbers(name: string, raw: Raw): Record<string, number> | undefined {
  if (raw === undefined) return undefined;
  const given: readonly unknown[] = Array.isArray(raw) ? raw : [raw];
  return Object.fromEntries(
    given.map((each): [string, number] => {
      const [, of, value] = /^([^=]+)=(\d+)$/.exec(String(each)) ?? [];
      if (of === undefined)
        throw new UsageError(
          `--${name} ${each === true ? '' : String(each)} is not right: a name and a whole number are expected, as in --${name} ${name === 'size' ? 'frames=96' : 'fault=30'}`,
        );
      return [of, Number(value)];
    }),
  );
}

/** One of a few words. @throws UsageError */
export function oneOf<Word extends string>(name: string, raw: Raw, words: readonly Word[]): Word | undefined {
  if (raw === undefined) return undefined;
  if (!words.includes(raw as Word))
    throw new UsageError(
      `--${name} ${raw === true ? '' : raw} is not right: ${words.join(' or ')} is expected`,
    );
  return raw as Word;
}
