/**
 * Tokens as arguments: the line itself, or a file that holds it: a failure that `lockrig hunt --out` has written, or the bare line.
 */
import { existsSync, readFileSync } from 'node:fs';
import type { HuntFailure } from '../explore/hunt.ts';
import { UsageError } from './errors.ts';

/** A token, and what else its file says of the failure. */
export interface TokenFile {
  readonly token: string;
  readonly known: Pick<Partial<HuntFailure>, 'rate' | 'trace' | 'key'>;
}

function isRate(rate: unknown): rate is HuntFailure['rate'] {
  const { failures, executions, policies } = (rate ?? {}) as Record<string, unknown>;
  return (
    Number.isInteger(failures) &&
    Number.isInteger(executions) &&
    (failures as number) <= (executions as number) &&
    Array.isArray(policies)
  );
}

function isTrace(trace: unknown): trace is readonly string[] {
  return Array.isArray(trace) && trace.every((line) => typeof line === 'string');
}

/**
 * Reads the argument.
 * @throws UsageError when it is a file without a token
 */
export function readToken(argument: string): TokenFile {
  if (!existsSync(argument)) return { token: argument, known: {} };
  let text: string;
  try {
    text = readFileSync(argument, 'utf8');
  } catch (error) {
    throw new UsageError(`${argument} cannot be read: ${(error as Error).message}`);
  }
  if (!text.trimStart().startsWith('{')) return { token: text, known: {} };
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${argument} is no JSON: ${(error as Error).message}`);
  }
  const { token, key, rate, trace } = parsed as Record<string, unknown>;
  if (typeof token !== 'string')
    throw new UsageError(
      `${argument} holds no token: a file that lockrig hunt --out has written is expected`,
    );
  const known: TokenFile['known'] = {
    ...(typeof key === 'string' ? { key } : {}),
    ...(isRate(rate) && rate ? { rate } : {}),
    ...(isTrace(trace) ? { trace } : {}),
  };
  return { token, known };
}
