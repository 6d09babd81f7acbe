/** `--suppress FILE`: races that are no failures. */
import { readFileSync } from 'node:fs';
import { type Suppression, SuppressionError, suppressions } from '../explore/suppress.ts';
import { UsageError } from './errors.ts';
import type { Raw } from './values.ts';

/**
 * The suppressions in a file.
 * @throws UsageError
 */
export function suppressionsIn(raw: Raw, command: string): Suppression[] | undefined {
  if (raw === undefined) return undefined;
  if (typeof raw === 'boolean')
    throw new UsageError(`--suppress needs a file: lockrig ${command} --help shows how`);
  const file = String(raw);
  let text: string;
  try {
    text = readFileSync(file, 'utf8');
  } catch (error) {
    throw new UsageError(`${file} cannot be read: ${(error as Error).message}`);
  }
  try {
    return suppressions(text);
  } catch (error) {
    if (error instanceof SuppressionError) throw new UsageError(`${file}, ${error.message}`);
    throw error;
  }
}
