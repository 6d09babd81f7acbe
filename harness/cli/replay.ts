/**
 * `lockrig replay`: runs what a token stands for again, access by access, and lets it be looked at. What it does is in run-replay.ts.
 */
import type { CAC } from 'cac';
import type { Raw } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

/** Adds the command. `finish` receives the exit code. */
export function addReplay(cli: CAC, finish: (code: Promise<number>) => void): void {
  cli
    .command('replay <token> [subject]', 'Replay a failure that hunt has found, access by access')
    .example((bin) => `${bin} replay 'lr1:busted%2Fmcs-unlinked:2x2:sc:…' --times 1000`)
    .example((bin) => `${bin} replay failures/my-lock.exclusion.json ./my-lock.ts --stacks`)
    .example((bin) => `${bin} replay failures/my-lock.exclusion.json ./my-lock.ts --until lock.owner`)
    .example((bin) => `${bin} replay failures/my-lock.exclusion.json ./my-lock.ts --step`)
    .example((bin) => `${bin} replay failures/my-lock.exclusion.json ./my-lock.ts --perfetto run.json`)
    .option('--times <n>', 'Replay so often; all must be the same (default: 1)')
    .option('--lines <n>', 'Accesses to show (default: 15)')
    .option('--stacks', 'Who made each access: file, line and function')
    .option(
      '--until <word>',
      'Show memory and who waits at an access to lock.FIELD, STRUCT.FIELD or 0xADDRESS',
    )
    .option('--nth <n>', 'With --until: at the n-th such access (default: the last before the failure)')
    .option('--step', 'Walk through the run by commands; h shows which')
    .option('--perfetto <file>', 'Write a timeline for ui.perfetto.dev and chrome://tracing')
    .option('--json', 'The result as JSON on stdout')
    .action((token: string, subject: string | undefined, options: Options) =>
      finish(import('./run-replay.ts').then(({ runReplay }) => runReplay(token, subject, options))),
    );
}
