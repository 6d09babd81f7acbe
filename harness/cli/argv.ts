/**
 * The command line before the parser sees it. The parser knows options by their camel-case names only when it tells flags from options with a value,
 * takes an empty value for 0, and a negative one for an option; all three would end in something else than what was meant.
 */
import { UsageError } from './errors.ts';

const camelCase = (name: string): string =>
  name.replace(/-([a-z])/g, (_dash, letter: string) => letter.toUpperCase());

/**
 * Writes arguments so that the parser understands them.
 * @throws UsageError when one is empty
 */
export function plainArguments(given: readonly string[]): string[] {
  const plain: string[] = [];
  for (const [at, argument] of given.entries()) {
    if (argument === '--') return [...plain, ...given.slice(at)];
    const before = given[at - 1] ?? '';
    if (argument.trim() === '')
      throw new UsageError(
        `${before.startsWith('--') ? `${before} '${argument}'` : `the argument '${argument}'`} is empty: a value is expected`,
      );
    const option = /^--([a-z][a-z-]*)(=.*)?$/s.exec(argument);
    const last = plain.at(-1);
    if (option) plain.push(`--${camelCase(option[1] ?? '')}${option[2] ?? ''}`);
    else if (/^-\.?\d/.test(argument) && last !== undefined && /^--[^=]+$/.test(last))
      plain[plain.length - 1] = `${last}=${argument}`;
    else plain.push(argument);
  }
  return plain;
}
