/**
 * Subjects that cannot be hunted, of several: an init that throws, too many CPUs, a state that does not fit. Each is named with the reason and keeps nobody from the others; the command ends with its exit code
 * if none of them has failed.
 */
import { oneLine } from '../plugin/errors.ts';
import { EXIT, explain } from './errors.ts';

/** What is kept of such a subject, in place of a result. */
export interface Refused {
  readonly subject: string;
  readonly verdict: 'refused';
  /** The sentence that stderr has got. */
  readonly reason: string;
  readonly exitCode: number;
}

/** Says on stderr why a subject is not hunted. @returns what is kept of it */
export function refused(subject: string, error: unknown, verbose: boolean): Refused {
  const reason = oneLine(error instanceof Error ? error.message : String(error));
  return { subject, verdict: 'refused', reason, exitCode: explain(error, verbose) };
}

/** What is said where a thread cannot be ended. */
export const ALONE = 'A CPU is in a loop that nothing interrupts: no other subject is hunted beside it.';

/** The last line about such a subject. */
export const refusedLine = ({ subject }: Refused): string => `hunt:${subject} NOT HUNTED`;

/** The exit code of a command whose subjects were not all hunted; undefined: all were. */
export function refusal(results: readonly { readonly verdict: string }[]): number | undefined {
  const codes = results.flatMap((result) =>
    result.verdict === 'refused' ? [(result as Refused).exitCode] : [],
  );
  return codes.find((code) => code !== EXIT.usage) ?? codes[0];
}
