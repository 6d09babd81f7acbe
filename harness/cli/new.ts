/** `lockrig new`: writes a commented starting point. */
import type { CAC } from 'cac';
import { EXIT, UsageError } from './errors.ts';

/** Adds the command. */
export function addNew(cli: CAC, finish: (code: Promise<number>) => void): void {
  cli
    .command('new <what> <file>', 'Write a commented starting point: lock or scenario')
    .example((bin) => `${bin} new lock my-lock.ts`)
    .option('--force', 'Overwrite the file')
    .action((what: string, file: string, options: { force?: boolean }) =>
      finish(
        (async () => {
          if (what !== 'lock' && what !== 'scenario')
            throw new UsageError(`there is no template '${what}': lock or scenario is expected`);
          const { writeTemplate } = await import('../plugin/template.ts');
          const written = await writeTemplate(what, file, { force: options.force === true });
          process.stdout.write(`${file} written; next: ${written.command}\n`);
          return EXIT.clean;
        })(),
      ),
    );
}
