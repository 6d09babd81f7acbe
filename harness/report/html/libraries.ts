/**
 * The libraries that draw: Observable Plot for charts, dagre for the layout of graphs, linkedom for the document that Plot draws into, d3-dsv for CSV.
 *
 * They are loaded when a report is made. Types of Plot and linkedom are about a browser's document, which this project is not compiled against; what is used of them is
 * declared here, and their names are variables so that the compiler does not look for more.
 */

/** Part of a chart. */
export interface Mark {
  readonly mark?: never;
}

/** An element, as far as it is needed. */
export interface SvgElement {
  readonly outerHTML: string;
  querySelector(selector: string): { remove(): void } | null;
  querySelectorAll(selector: string): Iterable<{ removeAttribute(name: string): void }>;
  setAttribute(name: string, value: string): void;
}

type Draws = (data: readonly unknown[] | object, options?: object) => Mark;

/** What is used of Observable Plot. */
export interface Plotting {
  plot(options: object): SvgElement;
  readonly line: Draws;
  readonly areaY: Draws;
  readonly dot: Draws;
  readonly barX: Draws;
  readonly cell: Draws;
  readonly text: Draws;
  readonly rect: Draws;
  readonly ruleX: Draws;
  readonly ruleY: Draws;
  readonly arrow: Draws;
  readonly link: Draws;
  readonly gridX: (options?: object) => Mark;
  readonly gridY: (options?: object) => Mark;
  readonly axisX: (data: object) => Mark;
  readonly axisY: (data: object) => Mark;
}

interface Linkedom {
  parseHTML(text: string): { readonly document: object };
}

interface Dsv {
  csvFormatRows(rows: readonly (readonly string[])[]): string;
}

/** What is used of dagre: sizes go in, places come out. */
export interface LayoutGraph {
  setGraph(options: object): void;
  setDefaultEdgeLabel(label: () => object): void;
  setNode(id: string, size: object): void;
  setEdge(from: string, to: string, size: object, name: string): void;
  graph(): object;
  node(id: string): object;
  edge(of: { readonly v: string; readonly w: string; readonly name: string }): object;
}

interface Dagre {
  readonly Graph: new (options: object) => LayoutGraph;
  layout(graph: LayoutGraph): void;
}

/** What a report is drawn with. */
export interface Libraries {
  readonly plot: Plotting;
  readonly document: object;
  readonly csv: Dsv['csvFormatRows'];
  readonly dagre: Dagre;
}

const NAMES: Readonly<Record<'plot' | 'linkedom' | 'dsv' | 'dagre', string>> = {
  plot: '@observablehq/plot',
  linkedom: 'linkedom',
  dsv: 'd3-dsv',
  dagre: '@dagrejs/dagre',
};

/** Loads them. */
export async function libraries(): Promise<Libraries> {
  const [plot, linkedom, dsv, dagre] = await Promise.all([
    import(NAMES.plot) as Promise<Plotting>,
    import(NAMES.linkedom) as Promise<Linkedom>,
    import(NAMES.dsv) as Promise<Dsv>,
    import(NAMES.dagre) as Promise<Dagre>,
  ]);
  const { document } = linkedom.parseHTML('<!doctype html><html><body></body></html>');
  return { plot, document, csv: dsv.csvFormatRows, dagre };
}
