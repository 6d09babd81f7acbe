/**
 * `lockrig mm`: questions to the mm model. `mm regimes` asks who may look at vmas while who changes them; what it does is in run-mm-regimes.ts.
 */
import type { CAC } from 'cac';
import { UsageError } from './errors.ts';
import type { Raw } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

/** What can be asked. */
const TOPICS = ['regimes'] as const;

/** What `mm --help` says below the options. */
export const MM_REGIMES = `  Every reader path is run against every writer path under every regime (the trees of March 2004), and what came of it is printed, marked where the thread says otherwise.
  Each cell is a scenario, mm/regimes/REGIME/READER/WRITER, that hunt and replay take by that name. All its schedules with at most one preemption are run, then
  executions by the policies of a hunt, with all detectors that a hunt has on; a sample of traces says whether reader and writer met.

  readers  swapout-anon, swapout-file, unuse, fault, stack
  writers  vma_link, vma_merge, split_vma, unmap_region, expand_stack, vm_flags, populate; there is no truncate, since the model does not truncate files`;

/** Adds the command. `finish` receives the exit code. */
export function addMm(cli: CAC, finish: (code: Promise<number>) => void): void {
  cli
    .command(
      'mm <topic> [...names]',
      'Ask the mm model: mm regimes measures who may look at vmas while who changes them',
    )
    .example((bin) => `${bin} mm regimes`)
    .example((bin) => `${bin} mm regimes J1 L --reader unuse`)
    .example((bin) => `${bin} mm regimes --writer vma_merge,unmap_region --executions 1000 --json table.json`)
    .option('--reader <names>', 'Readers, with commas between (default: all)')
    .option('--writer <names>', 'Writers, with commas between (default: all)')
    .option(
      '--executions <n>',
      'Executions of a cell after the search of all with one preemption (default: 300)',
    )
    .option('--budget <time>', 'No cell is begun after that: 90s, 5m (default: all are)')
    .option('--seed <n>', 'Seed of all choices (default: 1)')
    .option('--json [file]', 'Results as JSON; without a file on stdout, instead of the table')
    .action((topic: string, names: string[], options: Options) => {
      if (!(TOPICS as readonly string[]).includes(topic))
        throw new UsageError(`there is no 'mm ${topic}': mm ${TOPICS.join(', mm ')} is expected`);
      finish(import('./run-mm-regimes.ts').then(({ runMmRegimes }) => runMmRegimes(names, options)));
    });
}
