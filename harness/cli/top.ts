/** `lockrig top`: which locks are taken, waited for and held right now. What it does is in run-top.ts. */
import type { CAC } from 'cac';
import { runOptions } from './stat.ts';
import type { Raw } from './values.ts';

/** Adds the command. `finish` receives the exit code. */
export function addTop(cli: CAC, finish: (code: Promise<number>) => void): void {
  const command = cli
    .command(
      'top <what>',
      'Live: which locks are taken, waited for and held; of a subject, or of a run by its --out DIR',
    )
    .example((bin) => `${bin} top mm/all --cpus 4`)
    .example((bin) => `${bin} top results   (of: ${bin} torture mm/all --stat --out results)`);
  runOptions(command, 'How long a subject runs: 500ms, 30s, 2m (default: until Ctrl-C)')
    .option('--interval <time>', 'Between two looks (default: 1s)')
    .action((what: string, options: Readonly<Record<string, Raw>>) => finish(run(what, options)));
}

async function run(what: string, options: Readonly<Record<string, Raw>>): Promise<number> {
  const { runTop } = await import('./run-top.ts');
  return runTop(what, options);
}
