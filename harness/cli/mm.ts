/**
 * `lockrig mm`: questions to the mm model. `mm regimes` asks who may look at vmas while who changes them, `mm races` whether every race that the model knows is found and every repair holds; what they do is
 * in run-mm-regimes.ts and run-mm-races.ts.
 */
import type { CAC } from 'cac';
import { UsageError } from './errors.ts';
import type { Raw } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

/** What can be asked. */
const TOPICS = ['regimes', 'races'] as const;

/** What `mm --help` says below the options. */
export const MM_REGIMES = `  Every reader path is run against every writer path under every regime (the trees of March 2004), and what came of it is printed, marked where the thread says otherwise.
  Each cell is a scenario, mm/regimes/REGIME/READER/WRITER, that hunt and replay take by that name. All its schedules with at most one preemption are run, then
  executions by the policies of a hunt, with all detectors that a hunt has on; a sample of traces says whether reader and writer met.

  readers  swapout-anon, swapout-file, unuse, fault, stack
  writers  vma_link, vma_merge, split_vma, unmap_region, expand_stack, vm_flags, populate; truncation has races of its own (mm races R2)`;

/** The same of `mm races`. */
export const MM_RACES = `  Every race of the model and every control: the numbered steps of the race, forced on the broken variant and on the fixed one; a hunt that knows nothing of them, with the token of what it finds
  replayed; executions of the fixed variant or the control under sc, tso and weak, with every detector; and the broken variant on CPUs that run free.
  NAMES are numbers (R2.13), stories (R2) or names of scenarios (mm/truncate/*). Exit code 1 if a race is not found, a token does not come back or a fixed variant is not silent.`;

/** Adds the command. `finish` receives the exit code. */
export function addMm(cli: CAC, finish: (code: Promise<number>) => void): void {
  cli
    .command(
      'mm <topic> [...names]',
      'Ask the mm model: mm regimes measures who may look at vmas while who changes them, mm races finds its races and tries their repairs',
    )
    .example((bin) => `${bin} mm regimes`)
    .example((bin) => `${bin} mm regimes J1 L --reader unuse`)
    .example((bin) => `${bin} mm regimes --writer vma_merge,unmap_region --executions 1000 --json table.json`)
    .example((bin) => `${bin} mm races R2 --free 10s`)
    .option('--reader <names>', 'regimes: readers, with commas between (default: all)')
    .option('--writer <names>', 'regimes: writers, with commas between (default: all)')
    .option(
      '--executions <n>',
      'regimes: executions of a cell after the search of all with one preemption (default: 300); races: of a hunt at most (default: 100000)',
    )
    .option('--silent <n>', 'races: executions of a fixed variant or control (default: 300)')
    .option('--replays <n>', 'races: replays of a token (default: 1000)')
    .option('--free <time>', 'races: how long each broken variant runs free; 0: not at all (default: 2s)')
    .option('--page <file>', 'races: the table as a page of Markdown, too')
    .option('--budget <time>', 'No cell or row is begun after that: 90s, 5m (default: all are)')
    .option('--seed <n>', 'Seed of all choices (default: 1)')
    .option('--json [file]', 'Results as JSON; without a file on stdout, instead of the table')
    .action((topic: string, names: string[], options: Options) => {
      if (!(TOPICS as readonly string[]).includes(topic))
        throw new UsageError(`there is no 'mm ${topic}': mm ${TOPICS.join(', mm ')} is expected`);
      finish(
        topic === 'races'
          ? import('./run-mm-races.ts').then(({ runMmRaces }) => runMmRaces(names, options))
          : import('./run-mm-regimes.ts').then(({ runMmRegimes }) => runMmRegimes(names, options)),
      );
    });
}
