/**
 * `lockrig report`: results as one page to look at, and to pass on. What it does is in run-report.ts.
 */
import type { CAC } from 'cac';
import type { Raw } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

/** Adds the command. `finish` receives the exit code. */
export function addReport(cli: CAC, finish: (code: Promise<number>) => void): void {
  cli
    .command('report <results> [...subjects]', 'Make one HTML file of a folder of results')
    .example((bin) => `${bin} report results`)
    .example((bin) => `${bin} report failures ./my-lock.ts --out broken.html`)
    .example((bin) => `${bin} report results --perfetto run.json`)
    .option('--out <file>', 'Where to write the page (default: report.html in the folder)')
    .option('--perfetto <file>', 'Write the timeline for ui.perfetto.dev and chrome://tracing, too')
    .option('--as-found', 'Do not replay failures: show what their files have')
    .action((results: string, subjects: string[], options: Options) =>
      finish(import('./run-report.ts').then(({ runReport }) => runReport(results, subjects, options))),
    );
}
