/** Rows of the section on the model, and figures in its tables. */
import type { Row } from '../section.ts';
import type { Figure } from '../stats.ts';

/** The figures of a row, by their names. */
export type Figures = Record<string, Figure>;

/** A row; of one with a problem that alone. */
export function row(name: string, figures: Figures, problem?: string): Row {
  return {
    name,
    judged: true,
    fifo: false,
    parties: {},
    figures: problem === undefined ? figures : {},
    ...(problem === undefined ? {} : { problem }),
  };
}

/** A figure in a table. */
export const fixed = (figure: Figure | undefined, digits = 0): string =>
  figure === undefined ? '-' : figure.value.toFixed(digits);
