/**
 * Tokens as arguments: the line itself, or a file that holds it: a failure that `lockrig hunt --out` has written, or the bare line.
 */
import { existsSync, readFileSync } from 'node:fs';
import type { HuntFailure } from '../explore/hunt.ts';
import { policyIndex, RECORDED } from '../explore/policies/index.ts';
import { UsageError } from './errors.ts';

/** How a token begins, of whichever version. */
const TOKEN = /^lr\d+:/;

/** A token, and what else its file says of the failure. */
export interface TokenFile {
  readonly token: string;
  readonly known: Pick<Partial<HuntFailure>, 'rate' | 'trace' | 'key'>;
}

function isPolicy(choice: unknown): boolean {
  const { policy, parameter } = (choice ?? {}) as Record<string, unknown>;
  return typeof policy === 'string' && policyIndex(policy) > RECORDED && Number.isInteger(parameter);
}

function isRate(rate: unknown): rate is HuntFailure['rate'] {
  const { failures, executions, policies } = (rate ?? {}) as Record<string, unknown>;
  return (
    Number.isInteger(failures) &&
    Number.isInteger(executions) &&
    (failures as number) >= 0 &&
    (failures as number) <= (executions as number) &&
    Array.isArray(policies) &&
    policies.every(isPolicy)
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
  if (!existsSync(argument)) {
    if (/\.json$|[/\\]/.test(argument) && !TOKEN.test(argument))
      throw new UsageError(`there is no file ${argument}: a token, or a file that holds one, is expected`);
    return { token: argument, known: {} };
  }
  let text: string;
  try {
    text = readFileSync(argument, 'utf8');
  } catch (error) {
    throw new UsageError(`${argument} cannot be read: ${(error as Error).message}`);
  }
  if (TOKEN.test(text.trimStart())) return { token: text, known: {} };
  const none = `${argument} holds no token: a file that lockrig hunt --out has written is expected`;
  if (!text.trimStart().startsWith('{')) throw new UsageError(none);
  let parsed: unknown;
  try {
    parsed = JSON.parse(text);
  } catch (error) {
    throw new UsageError(`${argument} is no JSON: ${(error as Error).message}`);
  }
  const { token, key, rate, trace } = parsed as Record<string, unknown>;
  if (typeof token !== 'string') throw new UsageError(none);
  const known: TokenFile['known'] = {
    ...(typeof key === 'string' ? { key } : {}),
    ...(isRate(rate) && rate ? { rate } : {}),
    ...(isTrace(trace) ? { trace } : {}),
  };
  return { token, known };
}
