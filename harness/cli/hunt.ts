/**
 * `lockrig hunt`: looks for a schedule in which a lock or a scenario fails, and makes it small. What it does is in run-hunt.ts.
 */
import type { CAC } from 'cac';
import type { Raw } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

/** Adds the command. `finish` receives the exit code. */
export function addHunt(cli: CAC, finish: (code: Promise<number>) => void): void {
  cli
    .command(
      'hunt <...subjects>',
      'Search for a schedule that breaks a lock or a scenario; make it replayable',
    )
    .example((bin) => `${bin} hunt busted/mcs-unlinked`)
    .example((bin) => `${bin} hunt ./my-lock.ts --budget 60s --cpus 3 --model weak`)
    .example((bin) => `${bin} hunt ./lost-update.ts --budget 20000 --all`)
    .example((bin) => `${bin} hunt ticket --prove 2 --model sc,tso`)
    .example((bin) => `${bin} hunt ./my-lock.ts --detect races,lockorder --suppress benign.txt`)
    .option('--budget <n or time>', 'Executions or time: 20000, 30s (default: 10000 and 30s, the later)')
    .option('--cpus <n>', 'CPUs, up to 16 (default: what the subject says, or 2)')
    .option('--steps <n>', 'Steps of each CPU in an execution, for locks (default: by kind)')
    .option('--seed <n>', 'Seed of all choices (default: 1)')
    .option('--model <names>', 'Memory models that take turns: sc, tso, weak (default: sc,tso)')
    .option(
      '--policy <names>',
      'random, pct or pos, each with a parameter: random:16,pct:3 (default: a mixture)',
    )
    .option(
      '--prove [bound]',
      'Run every schedule with at most so many preemptions (default: 2); locks have 1 step, models come one by one (default: sc), --budget counts executions (default: 1000000)',
    )
    .option(
      '--spurious <n>',
      'With --prove: futex waits of an execution that may end spuriously (default: 0)',
    )
    .option(
      '--detect <names>',
      'races, lockorder, lifetime, starvation, guard; all or none (default: lockorder,lifetime,starvation)',
    )
    .option(
      '--suppress <file>',
      'Races that are no failures, a line each: race:<struct.field, function or file>',
    )
    .option('--all', 'Go on after a failure; keep each kind once')
    .option('--json [file]', 'Results as JSON; without a file as NDJSON events on stdout')
    .option('--out <dir>', 'Failures as files, each written when it is found')
    .option('--resume', 'Go on with the hunt in the folder of --out, with the same options')
    .action((names: string[], options: Options & { '--': readonly string[] }) =>
      finish(
        options.prove === undefined || options.prove === false
          ? import('./run-hunt.ts').then(({ runHunt }) => runHunt([...names, ...options['--']], options))
          : import('./run-prove.ts').then(({ runProve }) => runProve([...names, ...options['--']], options)),
      ),
    );
}
