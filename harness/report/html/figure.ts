/**
 * A figure of the page: a heading, what it shows in a sentence, the picture, and the numbers as a table and as CSV.
 *
 * The picture is one image to a screen reader, described by its sentence; who wants the numbers finds them in the table behind it. A series is told by colour, and
 * by its symbol and its dashes besides. All ids come from one giver, so that none is given twice.
 */
import type { Libraries, Mark, Plotting, SvgElement } from './libraries.ts';
import { escaped, Html, html, idGiver, plain, slug } from './markup.ts';

/** A cell of a table; numbers stand to the right. */
export type Cell = string | number | undefined;

/** Numbers behind a figure. */
export interface Table {
  readonly columns: readonly string[];
  readonly rows: readonly (readonly Cell[])[];
  /** How a number is shown, by column; CSV has it as it is. */
  readonly shown?: readonly (((value: number) => string) | undefined)[];
}

/** A series in the legend. */
export interface Series {
  readonly name: string;
  readonly at: number;
}

/** A figure to be made. */
export interface FigureOf {
  readonly title: string;
  /** What it shows. */
  readonly text: string;
  readonly picture: Html;
  readonly table: Table;
  readonly legend?: readonly Series[];
  /** What else stands below the legend. */
  readonly key?: Html;
  /** How wide the picture is at least, where it scrolls. */
  readonly wide?: boolean;
}

/** Rows that stand on the page: the file has all. */
const ROWS = 100;
/** Bytes of a file that a link holds. */
const CSV_BYTES = 120_000;

const SYMBOLS = ['circle', 'square', 'triangle', 'diamond', 'cross', 'star', 'wye'] as const;
const DASHES = ['', '7 3', '2 3', '9 3 2 3'] as const;
const COLOURS = 8;

/** How a series is told from the others. */
export function look(at: number): { colour: string; symbol: (typeof SYMBOLS)[number]; dash: string } {
  return {
    colour: `var(--s${at % COLOURS})`,
    symbol: SYMBOLS[at % SYMBOLS.length]!,
    dash: DASHES[Math.floor(at / COLOURS) % DASHES.length]!,
  };
}

/** Makes figures, with one set of libraries and ids. */
export interface Maker {
  readonly libraries: Libraries;
  readonly plot: Plotting;
  readonly id: (name: string) => string;
  /** A chart as text of SVG. */
  chart(label: string, options: object, marks: readonly (Mark | undefined | false)[]): Html;
  figure(figure: FigureOf): Html;
  /** Numbers in a table, with a link to the file. */
  table(name: string, table: Table, open?: boolean): Html;
}

function legendOf(plot: Plotting, document: object, series: readonly Series[]): Html {
  const items = series.map(({ name, at }) => {
    const { colour, symbol, dash } = look(at);
    const swatch = plot.plot({
      document,
      width: 36,
      height: 16,
      margin: 0,
      axis: null,
      x: { domain: [0, 2] },
      y: { domain: [0, 2] },
      marks: [
        plot.line(
          [
            [0, 1],
            [2, 1],
          ],
          { stroke: colour, strokeWidth: 2, ...(dash === '' ? {} : { strokeDasharray: dash }) },
        ),
        plot.dot([[1, 1]], { fill: colour, symbol, r: 4.5 }),
      ],
    });
    return html`<li><button type="button" class="key" aria-pressed="true" data-series="${at}">${picture(swatch)}<span>${name}</span></button></li>`;
  });
  return html`<ul class="legend" aria-label="Series: press to hide or show one">${items}</ul>`;
}

/** Attributes that hold coordinates, and what a tenth of a pixel is too fine for. */
const COORDINATES = / (?:d|x|y|x1|x2|y1|y2|cx|cy|width|height|transform)="[^"]*"/g;
const DECIMALS = /(\.\d)\d+/g;
/** Pictures of this width and more are not made smaller than what can be read. */
const LARGE = 600;

function picture(svg: SvgElement, label?: string, width = 0): Html {
  svg.querySelector('style')?.remove();
  // One image with one label: what its groups are called is nobody's business.
  for (const group of svg.querySelectorAll('g')) group.removeAttribute('aria-label');
  svg.setAttribute('class', width >= LARGE ? 'plot large' : 'plot');
  if (label === undefined) svg.setAttribute('aria-hidden', 'true');
  else {
    svg.setAttribute('role', 'img');
    svg.setAttribute('aria-label', plain(label));
  }
  return new Html(svg.outerHTML.replace(COORDINATES, (text) => text.replace(DECIMALS, '$1')));
}

const isNumber = (cell: Cell): cell is number => typeof cell === 'number';

/** Makes figures. */
export function maker(libraries: Libraries, id = idGiver()): Maker {
  const { plot, document, csv } = libraries;

  function download(name: string, { columns, rows }: Table): Html {
    const lines = [columns, ...rows].map((cells) => cells.map((cell) => plain(String(cell ?? ''))));
    let kept = lines.length;
    let text = csv(lines);
    while (text.length > CSV_BYTES && kept > 2) {
      kept = Math.floor((kept * CSV_BYTES) / text.length);
      text = csv(lines.slice(0, kept));
    }
    const lost = lines.length - kept;
    const note = lost > 0 ? ` (the first ${kept - 1} rows: ${lost} more do not fit)` : '';
    const href = new Html(`data:text/csv;charset=utf-8,${encodeURIComponent(text).replaceAll("'", '%27')}`);
    return html`<a class="csv" download="${slug(name)}.csv" href="${href}" aria-label="CSV of ${name}${note}">CSV${note}</a>`;
  }

  function table(name: string, of: Table, open = false): Html {
    const { columns, rows, shown = [] } = of;
    const numeric = columns.map((_, at) => rows.some((row) => isNumber(row[at])));
    const head = columns.map((column, at) => html`<th scope="col"${numeric[at] && right}>${column}</th>`);
    const body = rows.slice(0, ROWS).map(
      (row) => html`<tr>${columns.map((_, at) => {
        const cell = row[at];
        const text = isNumber(cell) ? (shown[at]?.(cell) ?? String(cell)) : (cell ?? '');
        const number = numeric[at] && right;
        return at === 0 ? html`<th scope="row"${number}>${text}</th>` : html`<td${number}>${text}</td>`;
      })}</tr>
`,
    );
    const more =
      rows.length > ROWS &&
      html`<p class="note">The first ${ROWS} of ${rows.length} rows; the file has more.</p>`;
    const called = `${name}: ${rows.length} rows`;
    const whole = html`<div class="scroll" tabindex="0" role="group" aria-label="Table: ${name}"><table><caption class="unseen">${called}</caption><thead><tr>${head}</tr></thead><tbody>${body}</tbody></table></div>${more}`;
    return open
      ? html`${whole}<p class="links">${download(name, of)}</p>`
      : html`<div class="numbers"><details><summary>Numbers<span class="unseen"> of ${name}</span></summary>${whole}</details>${download(name, of)}</div>`;
  }

  return {
    libraries,
    plot,
    id,
    table,
    chart(label, options, marks) {
      const { width = 840 } = options as { width?: number };
      const svg = plot.plot({
        document,
        width,
        height: 300,
        marginLeft: 64,
        marginRight: 24,
        marginBottom: 44,
        ...options,
        marks: marks.filter((mark) => mark !== undefined && mark !== false),
      });
      return picture(svg, label, width);
    },
    figure({ title, text, picture, table: numbers, legend = [], key, wide }) {
      const own = id(title);
      const keys = legend.length > 1 && legendOf(plot, document, legend);
      return html`<figure id="${own}" aria-labelledby="${own}-title" aria-describedby="${own}-text">
<h3 id="${own}-title">${title}</h3>
<p id="${own}-text" class="caption">${text}</p>
${keys}${key}
<div class="scroll${wide && ' wide'}" tabindex="0" role="group" aria-label="Picture: ${title}">${picture}</div>
${table(title, numbers)}
</figure>
`;
    },
  };
}

const right = new Html(' class="number"');

/** A name as an attribute of a mark: what the legend's buttons hide. */
export const seriesClass = (at: number): { className: string } => ({ className: `series-${at}` });

/** A title of a mark, which the browser shows under the pointer. */
export const titled = (text: string): string => plain(text);

/** An SVG of our own, with a label. */
export function svg(label: string, width: number, height: number, inner: Html, name = 'plot'): Html {
  return new Html(
    `<svg class="${name}" role="img" aria-label="${escaped(label)}" viewBox="0 0 ${Math.ceil(width)} ${Math.ceil(height)}" width="${Math.ceil(width)}" height="${Math.ceil(height)}" fill="currentColor">${inner.text}</svg>`,
  );
}
