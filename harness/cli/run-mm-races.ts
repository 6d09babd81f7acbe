/** What `lockrig mm races` does: reads the options, has the table of races measured, prints it, and writes it as JSON or as a page. Exit code 1 if a row is against what is expected. */
import picomatch from 'picomatch';
import { cores } from '../../bench/pin.ts';
import { RACE_ROWS, type RaceRow } from '../mm/race-rows.ts';
import { measureRaces } from '../mm/races.ts';
import { raceLines, racePage, raceSummary } from '../mm/races-table.ts';
import { writeWhole } from '../report/files.ts';
import { environment } from '../torture/result.ts';
import { EXIT, UsageError } from './errors.ts';
import { Interrupt } from './interrupt.ts';
import { type Raw, time, whole } from './values.ts';

type Options = Readonly<Record<string, Raw>>;

const DAY = 86_400_000;
const NEAREST = 3;
/** Unless told otherwise. */
export const RACE_DEFAULTS = { executions: 100_000, silent: 300, replays: 1000, free: 2000 } as const;

/** Whether a row is meant: by its name, whole or as a glob, by its number, or by the beginning of that: R2. */
function meant(asked: string): (row: RaceRow) => boolean {
  const matches = picomatch(asked.replace(/^busted\//, ''));
  return ({ name, id }) => id === asked || id.startsWith(`${asked}.`) || matches(name);
}

/** @throws UsageError for a name that means nothing */
async function rowsOf(asked: readonly string[]): Promise<readonly RaceRow[]> {
  if (asked.length === 0) return RACE_ROWS;
  for (const name of asked) {
    if (RACE_ROWS.some(meant(name))) continue;
    const { distance } = await import('fastest-levenshtein');
    const far = (other: string): number => distance(name.toLowerCase(), other.toLowerCase());
    const nearest = [...new Set(RACE_ROWS.flatMap((row) => [row.name, row.id]))]
      .sort((one, other) => far(one) - far(other))
      .slice(0, NEAREST);
    throw new UsageError(
      `there is no race '${name}': a number such as R2.13, a story such as R2, or a name such as mm/truncate/* is expected; the nearest are ${nearest.join(', ')}`,
    );
  }
  const wanted = asked.map(meant);
  return RACE_ROWS.filter((row) => wanted.some((is) => is(row)));
}

/** Where a file goes; said at the start if it cannot. */
function fileOf(name: string, raw: Raw): string | undefined {
  if (raw === undefined) return undefined;
  if (typeof raw !== 'string' || raw === '') throw new UsageError(`--${name} needs a file`);
  return raw;
}

/** Runs the command. @returns the exit code */
export async function runMmRaces(names: readonly string[], options: Options): Promise<number> {
  for (const other of ['reader', 'writer'])
    if (options[other] !== undefined) throw new UsageError(`--${other} is for mm regimes`);
  const asked = names.flatMap((name) => name.split(',')).filter(Boolean);
  const rows = await rowsOf(asked);
  const executions = whole('executions', options.executions, 1, 10_000_000) ?? RACE_DEFAULTS.executions;
  const silent = whole('silent', options.silent, 1, 10_000_000) ?? RACE_DEFAULTS.silent;
  const replays = whole('replays', options.replays, 1, 1_000_000) ?? RACE_DEFAULTS.replays;
  const seed = whole('seed', options.seed, 0, 2 ** 32 - 1) ?? 1;
  const free = time('free', options.free, 0, DAY) ?? RACE_DEFAULTS.free;
  const budget = time('budget', options.budget, 1, DAY);
  const toStdout = options.json === true || options.json === '-';
  const file = toStdout ? undefined : fileOf('json', options.json);
  const page = fileOf('page', options.page);
  const document = (complete: boolean, result: object): string =>
    `${JSON.stringify({ schemaVersion: 1, command: 'mm races', complete, environment: environment(), seed, executions, silent, replays, ...result }, null, 2)}\n`;
  // Said at the start, not when all has been measured.
  if (file !== undefined) writeWhole(file, document(false, { races: [] }));
  if (page !== undefined) writeWhole(page, '');
  const { createLogUpdate } = await import('log-update');
  const live = process.stderr.isTTY ? createLogUpdate(process.stderr) : undefined;
  const interrupt = new Interrupt();
  try {
    const { races, complete, seconds } = await measureRaces({
      rows,
      cores: cores(),
      executions,
      silent,
      replays,
      seed,
      free,
      ...(budget === undefined ? {} : { budget }),
      signal: interrupt.signal,
      onProgress: (what, done, all) => live?.(`mm races: ${done} of ${all} ${what}`),
    });
    live?.clear();
    const summary = raceSummary(races, seconds, seed);
    const text = document(complete, {
      seconds,
      races: races.map(({ row: { script, scenario, fixed, ...row }, ...race }) => ({ ...row, ...race })),
    });
    if (file !== undefined) writeWhole(file, text);
    const command = ['lockrig mm races', ...asked, ...(seed === 1 ? [] : [`--seed ${seed}`])].join(' ');
    if (page !== undefined) writeWhole(page, racePage(races, { command, summary }));
    process.stdout.write(toStdout ? text : `${[...raceLines(races), '', summary].join('\n')}\n`);
    if (interrupt.signal.aborted) return EXIT.interrupted;
    if (races.some(({ verdict }) => verdict === 'against')) return EXIT.violation;
    return complete ? EXIT.clean : EXIT.inconclusive;
  } finally {
    live?.clear();
    interrupt.dispose();
  }
}
