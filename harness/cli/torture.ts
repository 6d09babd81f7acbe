/**
 * `lockrig torture`: has real CPUs hammer locks and says whether they hold.
 */
import { availableParallelism } from 'node:os';
import type { CAC } from 'cac';
import { MAX_CPUS } from '../../src/memory/index.ts';
import { Output } from '../report/files.ts';
import type { TortureParams } from '../torture/params.ts';
import type { TortureResult } from '../torture/result.ts';
import { type Progress, paramsFor, torture } from '../torture/run.ts';
import { heading, summarize } from '../torture/summary.ts';
import { EXIT, UsageError } from './errors.ts';
import { Interrupt } from './interrupt.ts';
import { isPinned, runPinned, TIERS } from './jit.ts';
import { Live } from './live.ts';
import { findSubjects, type Subject } from './subjects.ts';
import { oneOf, type Raw, share, time, whole } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

/** 24 days, about the longest that a timer takes. */
const LONGEST = 24 * 86_400_000;

/** Adds the command. `finish` receives the exit code. */
export function addTorture(cli: CAC, finish: (code: Promise<number>) => void): void {
  cli
    .command('torture [...locks]', 'Have real CPUs hammer locks; say whether they hold')
    .example((bin) => `${bin} torture ticket mcs --cpus 8 --duration 30s`)
    .example((bin) => `${bin} torture 'rw*' ./my-lock.ts --try 0.3 --nested 4 --json`)
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
    .option('--fail-fast', 'Stop at the first violation')
    .option('--self-test', 'Torture every broken lock; each must be caught by its oracle')
    .option('--json [file]', 'Results as JSON; without a file as NDJSON events on stdout')
    .option('--junit <file>', 'Results as JUnit XML')
    .option('--out <dir>', 'Results and failures as files, written while it runs')
    .action((names: string[], options: Options & { '--': readonly string[] }) =>
      finish(run([...names, ...options['--']], options)),
    );
}

/** Reads the parameters. @throws UsageError */
function parameters(options: Options): Partial<TortureParams> {
  const factor =
    options.oversubscribe === undefined
      ? undefined
      : (whole('oversubscribe', options.oversubscribe === true ? 4 : options.oversubscribe, 1, 64) ?? 4);
  if (factor !== undefined && options.cpus !== undefined)
    throw new UsageError('--cpus and --oversubscribe both say how many CPUs: give one of them');
  const cpus =
    factor === undefined ? whole('cpus', options.cpus, 1, MAX_CPUS) : factor * availableParallelism();
  const most = cpus ?? 2;
  const shortDelay = time('short-delay', options.shortDelay, 0, 1000, 'us');
  const given: { [K in keyof TortureParams]?: TortureParams[K] | undefined } = {
    cpus,
    duration: time('duration', options.duration, 1, LONGEST),
    rounds: whole('rounds', options.rounds, 1, 2 ** 31 - 1),
    seed: whole('seed', options.seed, 0, 2 ** 32 - 1) ?? Date.now() % 2 ** 32,
    readers: whole('readers', options.readers, 0, most),
    writers: whole('writers', options.writers, 0, most),
    reads: share('reads', options.reads),
    try: share('try', options.try),
    downgrade: share('downgrade', options.downgrade),
    upgrade: share('upgrade', options.upgrade),
    nested: whole('nested', options.nested, 0, 8),
    longHold: time('long-hold', options.longHold),
    shortDelay: shortDelay === undefined ? undefined : shortDelay * 1000,
    stutter: time('stutter', options.stutter),
    hotplug: time('hotplug', options.hotplug),
    waiting: oneOf('waiting', options.waiting, ['spin', 'spin-then-park', 'park']),
    engine: oneOf('isa', options.isa, ['wasm', 'atomics']),
    stallAfter: time('stall-after', options.stallAfter, 100),
    failFast: options.failFast === true ? true : undefined,
  };
  if ((given.readers ?? 0) + (given.writers ?? 0) > most)
    throw new UsageError(
      `--readers ${given.readers ?? 0} and --writers ${given.writers ?? 0} are more than the ${most} CPUs of --cpus`,
    );
  if (options.duration !== undefined && options.rounds !== undefined)
    throw new UsageError('--duration and --rounds both say how long: give one of them');
  return given as Partial<TortureParams>;
}

function exitCode(results: readonly TortureResult[], interrupted: boolean): number {
  const any = (...verdicts: string[]): boolean => results.some(({ verdict }) => verdicts.includes(verdict));
  if (any('failure')) return EXIT.violation;
  if (any('died')) return EXIT.died;
  if (any('stall')) return EXIT.stall;
  return interrupted ? EXIT.interrupted : EXIT.clean;
}

async function run(names: string[], options: Options): Promise<number> {
  const tier = oneOf('jit', options.jit, TIERS);
  const params = parameters(options);
  if (tier && !isPinned(tier)) {
    if (names.length > 0) await findSubjects(names);
    return runPinned(tier);
  }
  const interrupt = new Interrupt();
  try {
    if (options.selfTest) {
      if (names.length > 0) throw new UsageError('--self-test takes no locks: it runs every broken one');
      if (options.junit !== undefined || options.out !== undefined)
        throw new UsageError('--self-test writes neither --junit nor --out: give it --json FILE');
      const { runSelfTest } = await import('./selftest.ts');
      return await runSelfTest(params.seed ?? 1, interrupt.signal, options);
    }
    if (
      names.length === 0 &&
      options.duration === undefined &&
      options.rounds === undefined &&
      options.cpus === undefined
    ) {
      const { runTour } = await import('./tour.ts');
      return await runTour(params, interrupt.signal, options);
    }
    const subjects = await findSubjects(names.length > 0 ? names : ['*']);
    return await tortureAll(subjects, params, interrupt.signal, options);
  } finally {
    interrupt.dispose();
  }
}

/** Where results go. @throws OutputError */
export function outputOf(options: Options): { output: Output; events: boolean } {
  const events = options.json === true || options.json === '-';
  const file = (raw: Raw): string | undefined =>
    typeof raw === 'string' && raw !== '-' ? raw : typeof raw === 'number' ? String(raw) : undefined;
  return {
    output: new Output('torture', {
      json: file(options.json),
      junit: file(options.junit),
      dir: file(options.out),
    }),
    events,
  };
}

async function tortureAll(
  subjects: readonly Subject[],
  params: Partial<TortureParams>,
  signal: AbortSignal,
  options: Options,
): Promise<number> {
  const { withDefaults } = await import('../torture/params.ts');
  const { refuse } = await import('../torture/setup.ts');
  const maxMemory = whole('max-memory', options.maxMemory, 4, 65536);
  // All of them, so that a bad one is not found an hour later.
  for (const { lock } of subjects) refuse(lock, withDefaults(paramsFor(lock, params)));
  const { output, events } = outputOf(options);
  const say = (text: string): void => {
    if (!events) process.stdout.write(`${text}\n`);
  };
  const tell = (event: object): void => {
    if (events) process.stdout.write(`${JSON.stringify(event)}\n`);
  };
  const live = new Live(!events);
  const results: TortureResult[] = [];
  let complete = false;
  try {
    for (const { lock, url } of subjects) {
      if (signal.aborted) break;
      const full = withDefaults(paramsFor(lock, params));
      say(heading({ lock: lock.name, params: full }));
      tell({ event: 'start', lock: lock.name, params: full });
      const onProgress = (progress: Progress): void => {
        live.show(progress, full.duration / 1000 - progress.seconds);
        output.counters(progress);
        tell({ event: 'progress', ...progress });
      };
      const result = await torture(lock, params, {
        signal,
        onProgress,
        ...(url === undefined ? {} : { url }),
        ...(maxMemory === undefined ? {} : { maxMemory }),
      });
      live.clear();
      await output.add(result);
      results.push(result);
      if (result.verdict === 'success') live.passed += 1;
      else live.failed += 1;
      for (const line of summarize(result)) say(line);
      tell({ event: 'result', result });
      if (params.failFast && (result.verdict === 'failure' || result.verdict === 'stall')) break;
    }
    complete = !signal.aborted;
  } finally {
    live.clear();
    await output.finish(complete);
  }
  const code = exitCode(results, signal.aborted);
  if (subjects.length > 1)
    say(
      `${live.passed} of ${subjects.length} locks held${live.failed > 0 ? `, ${live.failed} did not` : ''}`,
    );
  tell({ event: 'end', exitCode: code });
  return code;
}
