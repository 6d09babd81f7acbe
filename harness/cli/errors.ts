/**
 * Exit codes, and how errors become one sentence.
 */
import { ControlTimeout, CpuDied } from '../cpus/pool.ts';
import { oneLine } from '../plugin/errors.ts';

/** The exit codes of every command. */
export const EXIT = {
  clean: 0,
  violation: 1,
  usage: 2,
  stall: 3,
  died: 4,
  inconclusive: 5,
  interrupted: 130,
} as const;

/** Bad input: the message is the sentence to print. */
export class UsageError extends Error {
  readonly code = 'EUSAGE';
  constructor(message: string) {
    super(message);
    this.name = 'UsageError';
  }
}

const USAGE_CODES = new Set([
  'EUSAGE',
  'EPARAMETER',
  'EPLUGIN',
  'ESUBJECT',
  'ELOCKDEFINITION',
  'ESCENARIODEFINITION',
  'ENOMEM',
]);

/** Prints an error as one sentence, with the stack when asked for. @returns the exit code */
export function explain(error: unknown, verbose: boolean): number {
  const known = error as (Error & { code?: string }) | undefined;
  const usage = USAGE_CODES.has(known?.code ?? '') || known?.name === 'CACError';
  process.stderr.write(`lockrig: ${oneLine(known?.message ?? String(error))}\n`);
  if (known?.code === 'ESTALL') return EXIT.stall;
  const told = usage || error instanceof CpuDied || error instanceof ControlTimeout;
  if (verbose || !told) process.stderr.write(`${known?.stack ?? ''}\n`);
  return usage ? EXIT.usage : EXIT.died;
}
