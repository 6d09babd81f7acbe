/**
 * Pictures of letters: sparklines, box plots, bars. Nothing is said by colour alone: every picture has its numbers beside it, and without colours it is the same
 * picture.
 */
import { styleText } from 'node:util';

const TICKS = '▁▂▃▄▅▆▇█';

/** Values as a row of blocks, from 0 to the greatest; a dot where there is none. */
export function sparkline(values: readonly (number | undefined)[]): string {
  const known = values.filter((value) => value !== undefined && Number.isFinite(value)) as number[];
  const most = Math.max(0, ...known);
  return values
    .map((value) => {
      if (value === undefined || !Number.isFinite(value)) return '·';
      const level = most === 0 ? 0 : Math.ceil((value / most) * TICKS.length) - 1;
      return TICKS[Math.max(0, level)]!;
    })
    .join('');
}

/** What a box plot shows of samples. */
export interface Box {
  readonly least: number;
  readonly low: number;
  readonly median: number;
  readonly high: number;
  readonly greatest: number;
}

/**
 * A box plot of one line: `├──▒▒▒┃▒▒──┤`; from least to greatest, the box from low to high, the stroke at the median.
 * @param from the value at the left end, and `to` at the right; where `log`, both greater than 0
 */
export function boxPlot(box: Box, from: number, to: number, width: number, log = false): string {
  const scale = (value: number): number => (log ? Math.log(Math.max(value, from)) : value);
  const span = scale(to) - scale(from);
  const at = (value: number): number =>
    span <= 0
      ? 0
      : Math.min(width - 1, Math.max(0, Math.round(((scale(value) - scale(from)) / span) * (width - 1))));
  const cells = Array.from({ length: width }, () => ' ');
  cells.fill('─', at(box.least), at(box.greatest) + 1);
  cells.fill('▒', at(box.low), at(box.high) + 1);
  cells[at(box.least)] = '├';
  cells[at(box.greatest)] = '┤';
  cells[at(box.median)] = '┃';
  return cells.join('').trimEnd();
}

/** A bar from 0 to 1, an eighth of a letter exact. */
export function bar(share: number, width: number): string {
  const eighths = Math.round(Math.min(1, Math.max(0, share)) * width * 8);
  const part = eighths % 8;
  return '█'.repeat(Math.floor(eighths / 8)) + (part === 0 ? '' : '▏▎▍▌▋▊▉'[part - 1]!);
}

/** Colours, as far as they are wanted: NO_COLOR, FORCE_COLOR and whether stdout is a terminal decide. */
export function painted(colour: 'red' | 'yellow' | 'green' | 'cyan' | 'bold', text: string): string {
  return styleText(colour, text, { stream: process.stdout, validateStream: true });
}

/** Columns of the terminal; 100 where stdout is none. */
export function terminalWidth(): number {
  return process.stdout.columns ?? 100;
}
