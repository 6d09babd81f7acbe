/**
 * The table of regimes as it is printed, beside what the thread says: a block for each reader, a row for each regime, a column for each writer.
 */
import { type Expected, expected } from './expected.ts';
import { BOUND, type CellResult, ONE_IN, SAMPLED } from './measure.ts';

/** A cell, and what was expected of it. */
export interface JudgedCell extends CellResult {
  readonly expected: Expected;
  /** Whether what was measured contradicts that; a cell that was not measured contradicts nothing. */
  readonly disagrees: boolean;
}

/** A cell beside the thread. */
export function judgeCell(cell: CellResult): JudgedCell {
  const said = expected(cell.regime, cell.reader, cell.writer);
  const unsafe = cell.verdict === 'unsafe';
  const disagrees = cell.verdict !== 'not run' && unsafe !== (said.verdict === 'unsafe');
  return { ...cell, expected: said, disagrees };
}

/** A cell in words, as the table's JSON and lists have it. */
export function inWords({
  verdict,
  executions,
  orders,
  failure,
  overlap,
  proof,
  problem,
}: CellResult): string {
  const counted = `no failure in ${executions} executions, ${orders} distinct conflict orders`;
  switch (verdict) {
    case 'unsafe':
      return `unsafe (${failure?.token ?? ''})`;
    case 'proved':
      return `proved up to ${proof.bound} preemption${proof.bound === 1 ? '' : 's'}; ${counted}`;
    case 'no failure':
      return counted;
    case 'not exercised':
      return `not exercised: they met in ${overlap?.met ?? 0} of ${overlap?.sampled ?? 0} executions`;
    default:
      return `not run: ${problem ?? ''}`;
  }
}

/** A cell in a few letters. */
function code({ verdict, executions, orders, disagrees }: JudgedCell): string {
  const counts = `${executions}/${orders}`;
  const short = {
    unsafe: 'UNSAFE',
    proved: `p${BOUND} ${counts}`,
    'no failure': `- ${counts}`,
    'not exercised': 'not ex.',
    'not run': '?',
  }[verdict];
  return disagrees ? `${short} !` : short;
}

export const LEGEND: readonly string[] = [
  'UNSAFE      a schedule in which it fails; its token is below',
  `p${BOUND} N/M      proved up to ${BOUND} preemption under sc: all those schedules were run; in all no failure in N executions, M distinct conflict orders`,
  '- N/M       no failure in N executions, M distinct conflict orders',
  `not ex.     not exercised: reader and writer met at a vma in fewer than one in ${ONE_IN} of ${SAMPLED} executions`,
  '?           not run',
  '!           the thread says otherwise, or what follows from it',
];

/** Rows of equal widths. */
function columns(rows: readonly (readonly string[])[]): string[] {
  const widths = rows[0]!.map((_, at) => Math.max(...rows.map((row) => row[at]!.length)) + 2);
  return rows.map((row) => `  ${row.map((cell, at) => cell.padEnd(widths[at]!)).join('')}`.trimEnd());
}

const distinct = (names: readonly string[]): string[] => [...new Set(names)];

/** The blocks, the legend, the failures and the disagreements, in lines. @param titles of readers, by name */
export function tableLines(
  cells: readonly JudgedCell[],
  titles: ReadonlyMap<string, string> = new Map(),
): string[] {
  const regimes = distinct(cells.map(({ regime }) => regime));
  const readers = distinct(cells.map(({ reader }) => reader));
  const writers = distinct(cells.map(({ writer }) => writer));
  const at = new Map(cells.map((cell) => [`${cell.regime}/${cell.reader}/${cell.writer}`, cell]));
  const lines: string[] = [];
  for (const reader of readers) {
    const title = titles.get(reader);
    const rows = regimes.map((regime) => [
      regime,
      ...writers.map((writer) => {
        const cell = at.get(`${regime}/${reader}/${writer}`);
        return cell ? code(cell) : '';
      }),
    ]);
    lines.push(title ? `${reader}: ${title}` : reader, ...columns([['', ...writers], ...rows]), '');
  }
  lines.push(...LEGEND, '');
  const unsafe = cells.filter(({ failure }) => failure);
  if (unsafe.length > 0) lines.push('unsafe:');
  for (const { name, failure, sameAs } of unsafe) {
    const { text, token, model, preemptions } = failure!;
    const same = sameAs === undefined ? '' : `, measured as ${sameAs}, which takes the same locks`;
    lines.push(
      `  ${name}: ${text.split('\n')[0]}`,
      `    under ${model}, ${preemptions} preemption${preemptions === 1 ? '' : 's'}${same}`,
      `    lockrig replay '${token}'`,
    );
  }
  const differ = cells.filter(({ disagrees }) => disagrees);
  if (differ.length > 0) lines.push(...(unsafe.length > 0 ? [''] : []), 'against the thread:');
  for (const { name, verdict, expected: said } of differ)
    lines.push(`  ${name}: measured ${verdict}; ${said.verdict} by ${said.by}: ${said.why}`);
  const missing = cells.filter(({ problem }) => problem);
  for (const why of distinct(missing.map(({ problem }) => problem!)))
    lines.push(`not run, since ${why}: ${missing.filter(({ problem }) => problem === why).length} cells`);
  return lines;
}
