/** What `lockrig mm regimes` does: reads the options, has the table measured by a process a core, prints it beside what the thread says. */
import { cores } from '../../bench/pin.ts';
import { REGIMES } from '../../src/mm/regime.ts';
import { READERS, WRITERS } from '../../src/mm/regimes/cells.ts';
import { EXECUTIONS } from '../mm/measure.ts';
import { measureTable } from '../mm/regimes.ts';
import { inWords, judgeCell, tableLines } from '../mm/table.ts';
import { writeWhole } from '../report/files.ts';
import { environment } from '../torture/result.ts';
import { EXIT, UsageError } from './errors.ts';
import { Interrupt } from './interrupt.ts';
import { type Raw, time, whole } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

const DAY = 86_400_000;
const NEAREST = 3;

/** Those of a list that were named; all of them if none was. @throws UsageError */
async function chosen<Each extends { readonly name: string }>(
  what: string,
  all: readonly Each[],
  names: readonly string[],
): Promise<readonly Each[]> {
  if (names.length === 0) return all;
  const { distance } = await import('fastest-levenshtein');
  for (const name of names) {
    if (all.some((each) => each.name === name)) continue;
    const far = (other: string): number => distance(name.toLowerCase(), other.toLowerCase());
    const nearest = all
      .map((each) => each.name)
      .sort((one, other) => far(one) - far(other))
      .slice(0, NEAREST);
    throw new UsageError(
      `there is no ${what} '${name}'; the nearest are ${nearest.join(', ')} (there are ${all.map((each) => each.name).join(', ')})`,
    );
  }
  return all.filter((each) => names.includes(each.name));
}

function words(name: string, raw: Raw): string[] {
  if (raw === undefined) return [];
  const list = typeof raw === 'boolean' ? [] : String(raw).split(',').filter(Boolean);
  if (list.length === 0) throw new UsageError(`--${name} needs names, with commas between`);
  return list;
}

/** Runs the command. @returns the exit code */
export async function runMmRegimes(names: readonly string[], options: Options): Promise<number> {
  for (const other of ['silent', 'replays', 'free', 'page'])
    if (options[other] !== undefined) throw new UsageError(`--${other} is for mm races`);
  const asked = names.flatMap((name) => name.split(',')).filter(Boolean);
  const regimes = await chosen('regime', REGIMES, asked);
  const readers = await chosen('reader', READERS, words('reader', options.reader));
  const writers = await chosen('writer', WRITERS, words('writer', options.writer));
  const executions = whole('executions', options.executions, 0, 1_000_000) ?? EXECUTIONS;
  const seed = whole('seed', options.seed, 0, 2 ** 32 - 1) ?? 1;
  const budget = time('budget', options.budget, 1, DAY);
  const toStdout = options.json === true || options.json === '-';
  const file = typeof options.json === 'string' && !toStdout ? options.json : undefined;
  const { createLogUpdate } = await import('log-update');
  const live = process.stderr.isTTY ? createLogUpdate(process.stderr) : undefined;
  const document = (complete: boolean, result: object): string =>
    `${JSON.stringify({ schemaVersion: 1, command: 'mm regimes', complete, environment: environment(), seed, executions, ...result }, null, 2)}\n`;
  // Said at the start, not when all has been measured.
  if (file !== undefined) writeWhole(file, document(false, { cells: [] }));
  const interrupt = new Interrupt();
  try {
    const { cells, complete, seconds } = await measureTable({
      regimes,
      readers,
      writers,
      cores: cores(),
      executions,
      seed,
      ...(budget === undefined ? {} : { budget }),
      signal: interrupt.signal,
      onProgress: (done, all) => live?.(`mm regimes: ${done} of ${all} cells`),
    });
    live?.clear();
    const judged = cells.map(judgeCell);
    const text = document(complete, {
      seconds,
      cells: judged.map((cell) => ({ ...cell, reads: inWords(cell) })),
    });
    if (file !== undefined) writeWhole(file, text);
    if (toStdout) process.stdout.write(text);
    else {
      const titles = new Map(readers.map(({ name, title }) => [name, title]));
      const count = (verdict: string): number => judged.filter((cell) => cell.verdict === verdict).length;
      const last = `mm regimes: ${judged.length} cells, ${count('unsafe')} unsafe, ${judged.filter(({ disagrees }) => disagrees).length} against the thread, ${count('not exercised')} not exercised, ${count('not run')} not run; seed=${seed}, ${seconds.toFixed(1)} s`;
      process.stdout.write(`${[...tableLines(judged, titles), '', last].join('\n')}\n`);
    }
    if (interrupt.signal.aborted) return EXIT.interrupted;
    return complete ? EXIT.clean : EXIT.inconclusive;
  } finally {
    live?.clear();
    interrupt.dispose();
  }
}
