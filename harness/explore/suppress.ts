/**
 * Suppressions: races that somebody has looked at and wants no word of.
 *
 *   # counters that may be a little off
 *   race:statistics.hits          # a word, as struct.field
 *   race:sampleLoad               # a function that makes one of the two accesses, or is on its stack
 *   race:src/stats.ts             # a file, likewise; the end of its path suffices
 *
 * One pattern a line; `#` begins a comment; empty lines mean nothing. A pattern that has matched nothing is said at the end, since it hides something that is
 * not there any more.
 */

import { nameOf } from '../../src/memory/index.ts';
import { shortPath } from '../cpus/source-map.ts';
import type { Finding } from '../detect/index.ts';
import type { Stacks } from './stacks.ts';

/** One line of a file of suppressions. */
export interface Suppression {
  readonly pattern: string;
  /** Line of its file, from 1. */
  readonly line: number;
}

/** A line that is no suppression. */
export class SuppressionError extends Error {
  readonly code = 'EUSAGE';
  readonly line: number;
  constructor(line: number, what: string) {
    super(`line ${line}: ${what}`);
    this.name = 'SuppressionError';
    this.line = line;
  }
}

/** Reads a file of suppressions. @throws SuppressionError */
export function suppressions(text: string): Suppression[] {
  return text.split(/\r?\n/).flatMap((raw, index) => {
    const line = index + 1;
    const written = raw.replace(/#.*$/, '').trim();
    if (written === '') return [];
    const [, kind, pattern = ''] = /^([^:]*):(.*)$/.exec(written) ?? [];
    if (kind === undefined)
      throw new SuppressionError(
        line,
        `'${written}' names no kind: race:<struct.field, function or file> is expected`,
      );
    if (kind !== 'race')
      throw new SuppressionError(
        line,
        `'${kind}' cannot be suppressed: race:<struct.field, function or file> is expected`,
      );
    if (pattern.trim() === '' || /\s/.test(pattern.trim()))
      throw new SuppressionError(
        line,
        `'${written}' names no word, function or file: race:<struct.field, function or file> is expected`,
      );
    return [{ pattern: pattern.trim(), line }];
  });
}

/**
 * The names that a pattern may have for a word: as it is shown, and by its struct in place of the subject; with the index of an array or the number of an object and without.
 * @param layout the struct of the subject's first word
 */
export function wordNames(word: string, subject: string, layout: object | undefined): string[] {
  const byStruct = layout ? [word.replace(subject, nameOf(layout))] : [];
  return [word, ...byStruct].flatMap((name) => [name, name.replace(/\[\d+\]|#\d+| of state \d+/g, '')]);
}

/** Whether a pattern means this race. @param words the names of its word */
export function suppresses(
  { pattern }: Suppression,
  finding: Finding,
  words: readonly string[],
  stacks: Stacks,
): boolean {
  if (finding.detector !== 'races') return false;
  if (words.includes(pattern)) return true;
  return finding.at.some(({ at }) =>
    (stacks.get(at) ?? []).some(({ file, functionName }) => {
      const path = shortPath(file).replaceAll('\\', '/');
      return (
        functionName === pattern ||
        functionName.endsWith(`.${pattern}`) ||
        path === pattern ||
        path.endsWith(`/${pattern}`)
      );
    }),
  );
}
