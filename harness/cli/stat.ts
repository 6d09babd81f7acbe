/**
 * `lockrig stat`: runs locks, scenarios or workloads as torture does, and says who waited for which lock, and for how long it was held. What it does is in
 * run-stat.ts.
 */
import type { CAC } from 'cac';
import type { Raw } from './values.ts';

/** What both commands that keep lock statistics choose of a run. */
export function runOptions(
  command: ReturnType<CAC['command']>,
  long = 'How long each: 500ms, 30s, 2m (default: 5s)',
): ReturnType<CAC['command']> {
  return command
    .option('--cpus <n>', 'Worker threads, each a CPU (default: 2)')
    .option('--duration <time>', long)
    .option('--seed <n>', 'Seed of all random choices (default: by the clock)')
    .option('--reads <share>', 'Share of reads, for locks that know readers (default: 0.75)')
    .option('--try <share>', 'Share of trylocks (default: 0.1)')
    .option('--nested <n>', 'Further locks taken inside, 0 to 8 (default: 0)')
    .option('--long-hold <time>', 'Hold for this long now and then (default: never)')
    .option('--short-delay <time>', 'Busy delay inside now and then (default: 2us)')
    .option('--waiting <policy>', 'spin, spin-then-park or park (default: spin-then-park)')
    .option('--isa <engine>', 'wasm or atomics (default: wasm)')
    .option('--regime <name>', 'Of a workload: who takes which lock (mm/*: L, A4, HU, J1, …)')
    .option('--weight <name=n>', 'Of a workload: how often an operation is drawn')
    .option('--size <name=n>', 'Of a workload: how big it is: frames=96')
    .option('--check-every <time>', 'Of a workload: how often all CPUs rest (default: 50ms)');
}

/** Adds the command. `finish` receives the exit code. */
export function addStat(cli: CAC, finish: (code: Promise<number>) => void): void {
  const command = cli
    .command(
      'stat [...what]',
      'Who waited for which lock, and for how long it was held, as /proc/lock_stat says',
    )
    .example((bin) => `${bin} stat mm/objrmap --cpus 4 --duration 10s`)
    .example((bin) => `${bin} stat ticket ./my-lock.ts --csv`)
    .example((bin) => `${bin} stat ./my-load.ts --out results   (and then: ${bin} stat results/stat.json)`);
  runOptions(command)
    .option('--plain', 'Only what the kernel prints: no percentiles, no table of who waited for whom')
    .option('--csv', 'As CSV, times in nanoseconds')
    .option('--json [file]', 'As JSON; without a file on stdout')
    .option('--timeline <file>', 'A window in which every acquisition is timed, as JSON')
    .option('--window <time>', 'How long that is (default: 20ms, in the middle of the run)')
    .option('--out <dir>', 'stat.json and timeline.json')
    .action((what: string[], options: Readonly<Record<string, Raw>>) => finish(run(what, options)));
}

async function run(what: string[], options: Readonly<Record<string, Raw>>): Promise<number> {
  const { runStat } = await import('./run-stat.ts');
  return runStat(what, options);
}
