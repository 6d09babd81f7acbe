/** `lockrig torture --reproduce`: after a violation, the search for a token of it. */
import { type Reproduced, reproduce } from '../explore/focus.ts';
import type { TortureResult } from '../torture/result.ts';
import { group } from '../torture/summary.ts';
import { describeFailure } from './hunt-text.ts';
import type { Subject } from './subjects.ts';

/** What a search came to, for people. */
export function describeReproduced(found: Reproduced, { lock, file }: Subject): string[] {
  const spent = `${group(found.executions)} gated executions in ${found.seconds.toFixed(1)} s`;
  if (found.failure)
    return [
      `reproduced:${lock.name} cpus=${found.cpus} steps=${found.steps}, after ${spent}; from now on it is deterministic`,
      ...describeFailure(found.failure, lock.name, file),
    ];
  return [
    `not reproduced:${lock.name} ${found.reason ?? `no gated run fails by ${found.oracle}`}, in ${spent}; lockrig hunt ${file ?? lock.name} --budget 10m goes on`,
  ];
}

/** Searches for a failure that torture has seen. */
export async function reproduceSubject(
  subject: Subject,
  result: TortureResult,
  signal: AbortSignal,
): Promise<Reproduced> {
  const { lock, url, hash } = subject;
  return reproduce(lock, result, {
    signal,
    ...(url === undefined ? {} : { url }),
    ...(hash === undefined ? {} : { hash }),
  });
}
