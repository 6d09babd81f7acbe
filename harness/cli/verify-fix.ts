/**
 * `lockrig verify-fix`: says whether a failure is gone from changed code. What it does is in run-verify-fix.ts.
 */
import type { CAC } from 'cac';
import type { Raw } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

/** Adds the command. `finish` receives the exit code. */
export function addVerifyFix(cli: CAC, finish: (code: Promise<number>) => void): void {
  cli
    .command(
      'verify-fix <token> [subject]',
      'Say whether a failure that hunt has found is gone from the changed code',
    )
    .example((bin) => `${bin} verify-fix failures/my-lock.exclusion.1a2b3c4d.json ./my-lock.ts`)
    .example((bin) => `${bin} verify-fix 'lr1:my-lock:2x2:sc:…' ./my-lock.ts --old ./my-lock-before.ts`)
    .example((bin) => `${bin} verify-fix 'lr1:busted%2Fmcs-unlinked:2x2:sc:…' mcs`)
    .option('--old <file>', 'The code as it was: the failure is reproduced and its rate measured there')
    .option(
      '--budget <n or time>',
      'Campaign at most: 20000 executions, 30s (default: as long as 99 % takes, at most 60s)',
    )
    .option('--policy <names>', 'Policies of the campaign (default: those that have found the failure)')
    .option('--seed <n>', 'Seed of the campaign (default: 1)')
    .option('--json [file]', 'The result as JSON; without a file on stdout')
    .option('--out <dir>', 'The result, and the failure that is still there, as files')
    .action((token: string, subject: string | undefined, options: Options) =>
      finish(import('./run-verify-fix.ts').then(({ runVerifyFix }) => runVerifyFix(token, subject, options))),
    );
}
