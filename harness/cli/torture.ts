/**
 * `lockrig torture`: has real CPUs hammer locks and says whether they hold. What it does is in run-torture.ts, which is loaded while the threads of
 * the first lock's CPUs boot.
 */
import type { CAC } from 'cac';
import type { CpuThreads } from '../cpus/threads.ts';
import type { Raw } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

/** CPUs whose threads are started before it is known whether they are needed. */
const EARLY_CPUS = 16;

/** What tracing costs, as `lockrig bench traced --quick` has measured it; `--help` prints it. */
export const TRACING_COST = `  by the untraced engine, one CPU; measured by: lockrig bench traced
  (Node 20, 2 cores of a Xeon at 2.5 GHz: run it on yours)

                                an access    round of a free ticket lock
  trace ring                       1.9 x          2.6 x
  trace order                       15 x           20 x
  detect races                     2.9 x          3.7 x
  chaos uniform, with ring         25 x           29 x
  chaos targeted, with ring        26 x           30 x`;

/** Adds the command. `finish` receives the exit code. */
export function addTorture(cli: CAC, finish: (code: Promise<number>) => void): void {
  cli
    .command('torture [...locks]', 'Have real CPUs hammer locks; say whether they hold')
    .example((bin) => `${bin} torture ticket mcs --cpus 8 --duration 30s`)
    .example((bin) => `${bin} torture 'rw*' ./my-lock.ts --try 0.3 --nested 4 --json`)
    .example((bin) => `${bin} torture mm/objrmap --regime J1 --weight swapoff=0 --check-every 50ms`)
    .example((bin) => `${bin} torture --self-test`)
    .example((bin) => `${bin} torture            (a tour of about a minute)`)
    .option('--cpus <n>', 'Worker threads, each a CPU (default: 2)')
    .option('--duration <time>', 'How long each lock: 500ms, 30s, 2m (default: 10s)')
    .option('--rounds <n>', 'Count rounds instead of time; all CPUs meet at the end of each')
    .option('--seed <n>', 'Seed of all random choices (default: by the clock; printed)')
    .option('--readers <n>', 'CPUs that only read, for locks that know readers')
    .option('--writers <n>', 'CPUs that only write')
    .option('--reads <share>', 'Share of reads on all other CPUs (default: 0.75)')
    .option('--try <share>', 'Share of trylocks (default: 0.1)')
    .option('--downgrade <share>', 'Share of writers that downgrade (default: 0.1)')
    .option('--upgrade <share>', 'Share of readers that try to upgrade (default: 0.05)')
    .option('--nested <n>', 'Further locks taken inside, 0 to 8 (default: 0)')
    .option('--long-hold <time>', 'Hold for this long now and then (default: never)')
    .option('--short-delay <time>', 'Busy delay inside now and then (default: 2us)')
    .option('--stutter <time>', 'Run for this long, pause for this long, in turn')
    .option('--hotplug <time>', 'A CPU leaves, or comes back, this often')
    .option('--oversubscribe [factor]', 'As many CPUs as this times the cores (4)')
    .option('--waiting <policy>', 'spin, spin-then-park or park (default: spin-then-park)')
    .option('--isa <engine>', 'wasm or atomics (default: wasm)')
    .option('--jit <tier>', 'Pin V8 to interpreter, baseline or optimised code')
    .option('--stall-after <time>', 'Silence that makes a stall (default: 5s)')
    .option('--max-memory <MiB>', 'Memory of each CPU thread')
    .option(
      '--trace <what>',
      'Record accesses: ring (each CPU for itself) or order (exact); shown at a failure',
    )
    .option('--chaos <kind>', 'Random delays at accesses: uniform or targeted, with a rate: targeted:64')
    .option('--detect <names>', 'races: data races (happens-before), while CPUs run free; none (default)')
    .option('--suppress <file>', 'Races that are no failures: see lockrig hunt --help')
    .option('--regime <name>', 'Of a workload: who takes which lock (mm/*: L, A4, HU, J1, …)')
    .option('--weight <name=n>', 'Of a workload: how often an operation is drawn; as often as one likes')
    .option('--size <name=n>', 'Of a workload: how big it is: frames=96; as often as one likes')
    .option('--check-every <time>', 'Of a workload: how often all CPUs rest and are judged (default: 50ms)')
    .option('--stat', 'Lock statistics: who waited for which lock, and for how long it was held')
    .option('--reproduce', 'After a violation: search gated runs for a token of it, up to a minute')
    .option('--fail-fast', 'Stop at the first violation')
    .option('--self-test', 'Torture every broken lock; each must be caught by its oracle')
    .option('--json [file]', 'Results as JSON; without a file as NDJSON events on stdout')
    .option('--junit <file>', 'Results as JUnit XML')
    .option('--out <dir>', 'Results and failures as files, written while it runs')
    .action((names: string[], options: Options & { '--': readonly string[] }) =>
      finish(run([...names, ...options['--']], options)),
    );
}

async function run(names: string[], options: Options): Promise<number> {
  const { parameters } = await import('./torture-options.ts');
  const { oneOf, whole } = await import('./values.ts');
  const params = parameters(options);
  const maxMemory = whole('max-memory', options.maxMemory, 4, 65536);
  if (options.jit !== undefined) {
    const { followParent, isPinned, runPinned, TIERS } = await import('./jit.ts');
    const tier = oneOf('jit', options.jit, TIERS);
    if (tier && !isPinned(tier)) {
      const { findSubjects } = await import('./subjects.ts');
      if (names.length > 0) await findSubjects(names, { workloads: true });
      return runPinned(tier);
    }
    followParent();
  }
  const cpus = params.cpus ?? 2;
  const early = names.length > 0 && !options.selfTest && cpus <= EARLY_CPUS;
  const threads = early ? await boot(cpus, maxMemory) : undefined;
  try {
    const { runTorture } = await import('./run-torture.ts');
    return await runTorture({ names, options, params, maxMemory, threads });
  } finally {
    await threads?.destroy();
  }
}

async function boot(cpus: number, maxMemory: number | undefined): Promise<CpuThreads> {
  const { CpuThreads } = await import('../cpus/threads.ts');
  return new CpuThreads(cpus, maxMemory);
}
