/** How the parts of the section on the model make rows. */
import type { Row } from '../section.ts';
import type { Figure } from '../stats.ts';

/** Figures by name. */
export type Figures = Record<string, Figure>;

/** A row; of one with a problem no figure counts. */
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

/** A figure as text; '-': there is none. */
export const fixed = (figure: Figure | undefined, digits = 0): string =>
  figure === undefined ? '-' : figure.value.toFixed(digits);
