/**
 * `lockrig bench`: what the locks cost, beside the same in C, and whether lockrig clears its own bars.
 */
import type { CAC } from 'cac';
import type { BenchReport, SectionName } from '../../bench/index.ts';
import type { BenchSubject } from '../../bench/team.ts';
import { EXIT, UsageError } from './errors.ts';
import { Interrupt } from './interrupt.ts';
import { addShapeOptions, refuseShapeOptions, withoutShapeOptions } from './shape-options.ts';
import { addSweepOptions, refuseSweepOptions } from './sweep-options.ts';
import type { Raw } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

/** Adds the command. `finish` receives the exit code. */
export function addBench(cli: CAC, finish: (code: Promise<number>) => void): void {
  const command = cli
    .command(
      'bench [...what]',
      'Measure locks: sections, locks or files; all sections and locks unless given',
    )
    .example((bin) => `${bin} bench --quick`)
    .example((bin) => `${bin} bench contended oversubscribed ticket mcs`)
    .example((bin) => `${bin} bench ./my-lock.ts --against ticket,mutex3 --json results/bench.json`)
    .example((bin) => `${bin} bench locks ./my-lock.ts --against ticket,mcs,mutex3 --out results`)
    .example((bin) => `${bin} bench mm page_fault1 'tlb_flush*' --regime L --csv results`)
    .option('--against <names>', 'Hold each lock against these, too: names or files, with commas between')
    .option('--quick', 'Fewer and shorter measurements: enough to see what is badly wrong')
    .option('--json [file]', 'Results as JSON; without a file on stdout, instead of the tables')
    .option('--strict', 'Exit 1 when a bar is missed');
  addShapeOptions(addSweepOptions(command)).action((what: string[], options: Options) =>
    finish(choose(what, options)),
  );
}

/** Finds locks to measure. @throws UsageError */
export async function findLocks(names: readonly string[]): Promise<BenchSubject[]> {
  const { findSubjects } = await import('./subjects.ts');
  return (await findSubjects(names)).map(({ lock, url }) => {
    if (lock.definition !== 'lock')
      throw new UsageError(
        `${lock.name} is a ${lock.definition}: bench measures locks, torture runs ${lock.definition}s`,
      );
    return { lock, ...(url === undefined ? {} : { url }) };
  });
}

function exitCode({ complete, outcomes, sections }: BenchReport, strict: boolean): number {
  if (!complete) return EXIT.interrupted;
  if (Object.values(sections).some((rows) => rows.some(({ problem }) => problem !== undefined)))
    return EXIT.violation;
  return strict && outcomes.some(({ verdict }) => verdict === 'MISS') ? EXIT.violation : EXIT.clean;
}

/** What takes longer than a quick run should. */
const LONG: ReadonlySet<SectionName> = new Set(['mm', 'selftest', 'hunted']);

/** `bench locks …` is a sweep, `bench mm` with other names than those of sections measures shapes; everything else names sections, locks and files. */
async function choose(what: string[], options: Options): Promise<number> {
  const [first, ...names] = what;
  if (first === 'locks') {
    refuseShapeOptions(options);
    if (options.strict)
      throw new UsageError('--strict is about bars, and bench locks has none: leave it out');
    const { runBenchLocks } = await import('./run-bench-locks.ts');
    return runBenchLocks(names, options);
  }
  const { SECTIONS } = await import('../../bench/index.ts');
  if (first === 'mm' && names.some((name) => !(SECTIONS as readonly string[]).includes(name))) {
    refuseSweepOptions(withoutShapeOptions(options));
    const wrong = ['against', 'strict'].find((name) => options[name] !== undefined);
    if (wrong !== undefined)
      throw new UsageError(`--${wrong} is about locks, and bench mm with shapes measures none: leave it out`);
    const { runBenchShapes } = await import('./run-bench-shapes.ts');
    return runBenchShapes(names, options);
  }
  refuseSweepOptions(options);
  refuseShapeOptions(options);
  return run(what, options);
}

async function run(what: string[], options: Options): Promise<number> {
  const { bench, FULL, QUICK, SECTIONS } = await import('../../bench/index.ts');
  const { banner } = await import('../../bench/machine.ts');
  const { barsTable } = await import('../../bench/table.ts');
  const isSection = (name: string): name is SectionName => (SECTIONS as readonly string[]).includes(name);
  const sections = what.filter(isSection);
  const names = what.filter((name) => !isSection(name));
  const needsLocks = new Set<SectionName>(['uncontended', 'contended', 'oversubscribed']);
  const wanted =
    sections.length > 0
      ? sections
      : SECTIONS.filter((name) =>
          names.length > 0 ? needsLocks.has(name) : !(options.quick && LONG.has(name)),
        );
  if (names.length > 0 && !wanted.some((name) => needsLocks.has(name)))
    throw new UsageError(`${wanted.join(' and ')} takes no locks: leave ${names.join(', ')} out`);
  const { locks } = await import('../../src/locks.ts');
  const subjects = names.length > 0 ? await findLocks(names) : locks.map((lock) => ({ lock }));
  if (options.against === true) throw new UsageError('--against needs names of locks, with commas between');
  const against =
    options.against === undefined
      ? []
      : await findLocks(
          String(options.against)
            .split(',')
            .map((name) => name.trim()),
        );
  const packages = wanted.includes('packages')
    ? await (await import('./published.ts')).publishedLocks()
    : undefined;
  const toStdout = options.json === true || options.json === '-';
  const file = typeof options.json === 'string' && !toStdout ? options.json : undefined;
  const budget = options.quick ? QUICK : FULL;
  const say = (text: string): void => {
    if (!toStdout && text !== '') process.stdout.write(`${text}\n\n`);
  };
  const { createLogUpdate } = await import('log-update');
  const { writeWhole } = await import('../report/files.ts');
  const live = process.stderr.isTTY ? createLogUpdate(process.stderr) : undefined;
  const interrupt = new Interrupt();
  try {
    const report = await bench({
      sections: wanted,
      subjects,
      against,
      ...(packages === undefined ? {} : { packages }),
      budget,
      signal: interrupt.signal,
      onMachine: (machine) => say(banner(machine)),
      onProgress: (text) => live?.(text),
      onSection: (_name, text) => {
        live?.clear();
        say(text);
      },
    });
    live?.clear();
    const document = `${JSON.stringify(report, null, 2)}\n`;
    if (file !== undefined) writeWhole(file, document);
    if (toStdout) process.stdout.write(document);
    for (const note of report.notes) say(note);
    say(report.noise);
    if (report.outcomes.length > 0) say(barsTable(report.outcomes));
    return exitCode(report, options.strict === true);
  } finally {
    live?.clear();
    interrupt.dispose();
  }
}
