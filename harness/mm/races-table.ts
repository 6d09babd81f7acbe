/**
 * The table of races in words: lines for a terminal, and the page docs/mm-races.md.
 */
import type { JudgedRace } from './races.ts';

/** What the parts of a row read. */
interface Cells {
  readonly id: string;
  readonly name: string;
  readonly type: string;
  readonly expected: string;
  readonly script: string;
  readonly twin: string;
  readonly hunt: string;
  readonly quiet: string;
  readonly free: string;
}

const HEADS: Cells = {
  id: '',
  name: 'race or control',
  type: 'type',
  expected: 'expected',
  script: 'by script',
  twin: 'steps, fixed',
  hunt: 'by hunt',
  quiet: 'fixed, hunted',
  free: 'free CPUs',
};
const KEYS = Object.keys(HEADS) as (keyof Cells)[];

/** Seconds with two digits that count. */
const seconds = (value: number): string => `${value < 0.1 ? value.toFixed(3) : value.toFixed(2)} s`;

/** A row, cell by cell. */
export function cellsOf({ row, result, free }: JudgedRace): Cells {
  const { script, twin, hunt, quiet } = result ?? {};
  const control = row.expected === 'silent';
  const none = (value: unknown): string => (value === undefined ? '-' : '?');
  return {
    id: row.id,
    name: row.name,
    type: row.type,
    expected: row.expected,
    script:
      script === undefined
        ? none(row.script)
        : script.stopped
          ? `stops at ${script.stopped.step}`
          : script.says === 'nothing'
            ? 'nothing'
            : (script.oracle ?? 'said'),
    twin:
      twin === undefined
        ? none(control ? undefined : row.script)
        : twin.says !== 'nothing'
          ? `FAILS: ${twin.oracle}`
          : twin.stopped
            ? `step ${twin.stopped.step} cannot`
            : 'harmless',
    hunt: control
      ? '-'
      : hunt === undefined
        ? '?'
        : hunt.found
          ? `${hunt.oracle}, ${hunt.executions}, ${seconds(hunt.seconds)}`
          : `not in ${hunt.executions}`,
    quiet: quiet === undefined ? '?' : quiet.silent ? `silent ${quiet.executions}` : 'NOT SILENT',
    free: control
      ? '-'
      : free === undefined
        ? 'not run'
        : free.seen
          ? `${free.oracle}, ${seconds(free.seconds)}`
          : `not in ${seconds(free.seconds)}`,
  };
}

const mark = ({ verdict }: JudgedRace): string => (verdict === 'as expected' ? '' : ` ${verdict}!`);

const LEGEND: readonly string[] = [
  'by script      the oracle that fires when the numbered steps are forced; nothing: the steps of a control come to nothing',
  'steps, fixed   the same steps on the fixed variant: the step that cannot happen there, or all happen and are harmless',
  'by hunt        the oracle, executions and seconds until a hunt that knows no steps has first seen it',
  'fixed, hunted  executions of the fixed variant, or of the control, under sc, tso and weak, with every detector',
  'free CPUs      seen, or not, by real threads at full speed',
];

/** Lines for a terminal. */
export function raceLines(races: readonly JudgedRace[]): string[] {
  const rows = [HEADS, ...races.map(cellsOf)];
  const widths = KEYS.map((key) => Math.max(...rows.map((row) => row[key].length)) + 2);
  const line = (row: Cells): string => KEYS.map((key, at) => row[key].padEnd(widths[at]!)).join('');
  const lines = [
    line(HEADS).trimEnd(),
    ...races.map((race, at) => `${line(rows[at + 1]!).trimEnd()}${mark(race)}`),
  ];
  lines.push('', ...LEGEND);
  const odd = races.filter(({ verdict }) => verdict !== 'as expected');
  if (odd.length > 0)
    lines.push('', ...odd.map(({ row, verdict, problem }) => `${row.name}: ${verdict}: ${problem}`));
  const tokens = races.filter(({ result }) => result?.hunt?.token);
  if (tokens.length > 0)
    lines.push(
      '',
      'tokens:',
      ...tokens.map(({ row, result }) => `  ${row.name}  lockrig replay '${result!.hunt!.token}'`),
    );
  return lines;
}

/** The last line. */
export function raceSummary(races: readonly JudgedRace[], took: number, seed: number): string {
  const count = (verdict: string): number => races.filter((race) => race.verdict === verdict).length;
  const controls = races.filter(({ row }) => row.expected === 'silent').length;
  const replays = races.map(({ result }) => result?.hunt).filter((hunt) => hunt?.replays !== undefined);
  const same = replays.reduce((sum, hunt) => sum + hunt!.same!, 0);
  const all = replays.reduce((sum, hunt) => sum + hunt!.replays!, 0);
  return `mm races: ${races.length - controls} races, ${controls} controls, ${count('as expected')} as expected, ${count('script only')} by script only, ${count('against')} against, ${count('not run')} not run; ${same} of ${all} replays the same; seed=${seed}, ${took.toFixed(1)} s`;
}

const cell = (text: string): string => text.replaceAll('|', '\\|');
const markdownRow = (texts: readonly string[]): string => `| ${texts.map(cell).join(' | ')} |`;

/** How the page was made. */
export interface PageOptions {
  readonly command: string;
  readonly summary: string;
}

/** The page docs/mm-races.md. */
export function racePage(races: readonly JudgedRace[], { command, summary }: PageOptions): string {
  const told = races.flatMap(({ row, result }) => {
    const stopped = result?.twin?.stopped;
    const fixed = stopped
      ? `step ${stopped.step} cannot happen: ${stopped.why}`
      : result?.twin
        ? 'all steps happen, and are harmless'
        : '';
    return [markdownRow([row.id, `\`${row.name}\``, row.says, row.bound ?? '', fixed])];
  });
  const tokens = races.flatMap(({ row, result }) =>
    result?.hunt?.token ? [`${row.name}\n  ${result.hunt.token}`] : [],
  );
  return [
    '# Races of the mm model, measured',
    '',
    `Every race and every control of [the model](mm.md), made by \`${command}\`; it is not edited by hand.`,
    '',
    ...LEGEND.map((line) => `- ${line.replace(/^(\S+(?: \S+)*?)\s{2,}/, '**$1**: ')}`),
    '',
    markdownRow(KEYS.map((key) => HEADS[key])),
    markdownRow(KEYS.map(() => '---')),
    ...races.map((race) => {
      const { name, ...rest } = cellsOf(race);
      return markdownRow([
        rest.id,
        `\`${name}\`${mark(race)}`,
        ...KEYS.slice(2).map((key) => rest[key as 'type']),
      ]);
    }),
    '',
    summary,
    '',
    'A race by its script only is marked so: its steps are enough to make it happen, and no hunt has found them. What free CPUs do not see in so short a time may still happen to them. Where they see it by another oracle than the hunt, they have come upon its damage elsewhere.',
    '',
    '## What is wrong, and what the fixed variant does not let happen',
    '',
    'For liveness the bound says from when on somebody does not come on.',
    '',
    markdownRow([
      '',
      'race or control',
      'what is wrong, or why it is not',
      'bound',
      'the steps in the fixed variant',
    ]),
    markdownRow(['---', '---', '---', '---', '---']),
    ...told,
    '',
    '## Tokens',
    '',
    '`lockrig replay TOKEN` replays the shrunk failure, where lockrig is the same: a token from another version is refused, never replayed as something else.',
    '',
    '```text',
    ...tokens,
    '```',
    '',
  ].join('\n');
}
