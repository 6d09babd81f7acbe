/**
 * Runs of failures, replayed for the report where the subject is at hand: one of lockrig's own by its name, or one of a file that the user names.
 */

import type { Recording } from '../../explore/tape.ts';
import type { Tortured } from '../../torture/setup.ts';
import { fromRecording } from './interleaving.ts';
import type { Results } from './results.ts';
import type { Replayed } from './sections/hunt.ts';

/** A subject that may be replayed. */
export interface AtHand {
  readonly lock: Tortured;
  readonly url?: string;
  readonly hash?: string;
}

/** Steps of a diagram. */
const STEPS = 60;
/** Failures that are replayed. */
const MOST = 12;

/** What the replays came to. */
export interface Replays {
  readonly runs: Replayed;
  readonly recordings: readonly Recording[];
}

/**
 * Replays failures.
 * @param find the subject of a name, if it is at hand
 */
export async function replays(
  { hunts }: Results,
  find: (name: string, ofFile: boolean) => Promise<AtHand | undefined>,
): Promise<Replays> {
  const failures = hunts.flatMap(({ subjects }) => subjects.flatMap((each) => each.failures)).slice(0, MOST);
  const runs = new Map<string, Exclude<ReturnType<typeof fromRecording>, undefined> | string>();
  const recordings: Recording[] = [];
  if (failures.length === 0) return { runs, recordings };
  const [{ decode }, { record }] = await Promise.all([
    import('../../explore/token.ts'),
    import('../../explore/replay.ts'),
  ]);
  for (const { token } of failures) {
    try {
      const run = decode(token);
      const subject = await find(run.subject, run.subjectHash !== '');
      if (!subject) {
        runs.set(token, `a file defines '${run.subject}': name it after the folder`);
        continue;
      }
      const { lock, url, hash } = subject;
      const { recording, result } = await record(lock, run, {
        stacks: true,
        ...(url === undefined ? {} : { url }),
        ...(hash === undefined ? {} : { hash }),
      });
      if (result.same < 1) {
        runs.set(token, `the replay was another run: ${result.difference}`);
        continue;
      }
      recordings.push(recording);
      const steps = fromRecording(recording, STEPS);
      if (steps) runs.set(token, steps);
    } catch (error) {
      runs.set(token, (error as Error).message.split('\n')[0]!);
    }
  }
  return { runs, recordings };
}
