/**
 * What shapes of will-it-scale have come to: rows, a table by the number of tasks, and the CSV that will-it-scale's own tools read.
 *
 *   tasks,processes,processes_idle,threads,threads_idle,linear
 *
 * Linear is the better of both with one task, times the tasks. As there, a first line has no tasks, and what could not be measured is -1.
 */
import { fairnessOf, type Party, type Row } from '../section.ts';
import { exactly, type Figure, figureOf, ratioOf, seriesOf } from '../stats.ts';
import { columns, rate } from '../table.ts';
import type { ScalePoint, ScaleResult } from './scale.ts';
import type { Tasks } from './scale-cpu.ts';
import { SHAPES } from './shapes.ts';

const KINDS: readonly Tasks[] = ['processes', 'threads'];

const partyOf = (result: ScaleResult): Party | undefined =>
  'found' in result
    ? { ...seriesOf('/s', result.found.rates), ...fairnessOf(result.found.shares) }
    : undefined;

/** The row of a shape with a number of tasks. @param first that with one task, if there is one */
export function scaledRow(shape: string, point: ScalePoint, first: ScalePoint | undefined): Row {
  const parties: Record<string, Party> = {};
  const figures: Record<string, Figure> = {};
  const missing: Record<string, string> = {};
  for (const kind of KINDS) {
    const result = point[kind];
    const party = partyOf(result);
    if (party === undefined || !('found' in result)) {
      missing[kind] = 'problem' in result ? result.problem : '';
      continue;
    }
    parties[kind] = party;
    figures[`${kind}/s`] = figureOf(result.found.rates);
    figures[`${kind} idle, %`] = exactly(result.found.idle);
    const one = first?.[kind];
    if (one && 'found' in one) figures[`${kind} by one`] = ratioOf(result.found.rates, one.found.rates);
  }
  const { threads, processes } = point;
  if ('found' in threads && 'found' in processes)
    figures['threads by processes'] = ratioOf(threads.found.rates, processes.found.rates);
  const problems = Object.entries(missing).map(([kind, why]) => `${kind}: ${why}`);
  return {
    name: `${shape}, ${point.tasks} task${point.tasks === 1 ? '' : 's'}`,
    judged: false,
    fifo: false,
    parties,
    figures,
    ...(problems.length > 0 ? { missing, problem: problems.join('; ') } : {}),
  };
}

/** The rows of a shape. */
export function scaledRows(shape: string, points: readonly ScalePoint[]): Row[] {
  const first = points.find(({ tasks }) => tasks === 1);
  return points.map((point) => scaledRow(shape, point, first));
}

const times = (figure: Figure | undefined): string =>
  figure !== undefined && Number.isFinite(figure.value) ? `${figure.value.toFixed(2)} ×` : '-';
const percent = (figure: Figure | undefined): string =>
  figure === undefined ? '-' : figure.value.toFixed(0);
const perSecond = (figure: Figure | undefined): string => (figure === undefined ? '-' : rate(figure.value));

/** As a table. */
export function scaledText(shape: string, rows: readonly Row[]): string {
  const { title, unit } = SHAPES[shape]!;
  const lines = rows.map(({ name, figures, parties }) => [
    name.slice(name.indexOf(', ') + 2).split(' ')[0]!,
    ...KINDS.flatMap((kind) => [
      perSecond(figures[`${kind}/s`]),
      times(figures[`${kind} by one`]),
      percent(figures[`${kind} idle, %`]),
    ]),
    times(figures['threads by processes']),
    Number.isFinite(parties.threads?.jain) ? parties.threads!.jain!.toFixed(2) : '-',
  ]);
  const head = [
    'tasks',
    'processes/s',
    'by 1',
    'idle, %',
    'threads/s',
    'by 1',
    'idle, %',
    'threads by processes',
    "Jain's index",
  ];
  const problems = rows.flatMap(({ name, problem }) =>
    problem === undefined ? [] : [`${name}: ${problem}`],
  );
  return [`${shape}: ${title}; ${unit} a second`, columns(head, lines), ...problems].join('\n');
}

/** As will-it-scale's runtest.py prints it. */
export function scaledCsv(points: readonly ScalePoint[]): string {
  const perSecondOf = (result: ScaleResult): number =>
    'found' in result ? Math.floor(figureOf(result.found.rates).value) : -1;
  const idleOf = (result: ScaleResult): string => ('found' in result ? result.found.idle : 0).toFixed(2);
  const one = points.find(({ tasks }) => tasks === 1);
  const linear = one ? Math.max(perSecondOf(one.processes), perSecondOf(one.threads)) : -1;
  return [
    'tasks,processes,processes_idle,threads,threads_idle,linear',
    '0,0,100,0,100,0',
    ...points.map(({ tasks, processes, threads }) =>
      [
        tasks,
        perSecondOf(processes),
        idleOf(processes),
        perSecondOf(threads),
        idleOf(threads),
        one ? linear * tasks : -1,
      ].join(),
    ),
    '',
  ].join('\n');
}
