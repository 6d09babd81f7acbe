/**
 * Graphs of locks: who waits for which lock held by whom, and in which order classes of locks are taken. Laid out by dagre, drawn as SVG.
 *
 * Edges of a circle are thick and red, and their label says so besides.
 */
import { type FigureOf, type Maker, svg, type Table } from './figure.ts';
import { escaped, Html, shortened } from './markup.ts';

/** A node: a CPU is round, a lock is a box. */
export interface GraphNode {
  readonly id: string;
  readonly label: string;
  readonly round: boolean;
}

/** An edge. */
export interface GraphEdge {
  readonly from: string;
  readonly to: string;
  readonly label: string;
  /** It is part of a circle. */
  readonly circle: boolean;
}

/** What is drawn. */
export interface GraphOf {
  readonly title: string;
  readonly text: string;
  readonly nodes: readonly GraphNode[];
  readonly edges: readonly GraphEdge[];
  readonly table: Table;
}

const LONGEST = 34;
const HEIGHT = 34;
/** Width of a letter at 13 and at 11 px, on average. */
const LETTER = 7.4;
const SMALL = 6.3;
const MARGIN = 16;

interface Point {
  readonly x: number;
  readonly y: number;
}

const round = (value: number): number => Math.round(value * 10) / 10;

/** A smooth line through points. */
function path(points: readonly Point[]): string {
  const [first, ...rest] = points;
  if (!first) return '';
  let text = `M${round(first.x)},${round(first.y)}`;
  rest.forEach((point, at) => {
    const next = rest[at + 1];
    // Straight to the end; before it, by the middle of each two.
    const to = next ? { x: (point.x + next.x) / 2, y: (point.y + next.y) / 2 } : point;
    text += next
      ? `Q${round(point.x)},${round(point.y)} ${round(to.x)},${round(to.y)}`
      : `L${round(to.x)},${round(to.y)}`;
  });
  return text;
}

/** Edges that lie on a circle of a graph: those whose end leads back to their beginning. */
export function onCircles(edges: readonly { readonly from: string; readonly to: string }[]): boolean[] {
  const out = new Map<string, string[]>();
  for (const { from, to } of edges) out.set(from, [...(out.get(from) ?? []), to]);
  return edges.map(({ from, to }) => {
    const seen = new Set<string>();
    const left = [to];
    for (let node = left.pop(); node !== undefined; node = left.pop()) {
      if (node === from) return true;
      if (seen.has(node)) continue;
      seen.add(node);
      left.push(...(out.get(node) ?? []));
    }
    return false;
  });
}

/** Draws a graph. */
export function graphFigure(make: Maker, { title, text, nodes, edges, table }: GraphOf): Html | undefined {
  if (nodes.length === 0 || edges.length === 0) return undefined;
  const { Graph, layout } = make.libraries.dagre;
  const graph = new Graph({ multigraph: true });
  graph.setGraph({ rankdir: 'LR', nodesep: 26, ranksep: 70, marginx: MARGIN, marginy: MARGIN });
  graph.setDefaultEdgeLabel(() => ({}));
  for (const { id, label } of nodes)
    graph.setNode(id, { width: 26 + LETTER * shortened(label, LONGEST).length, height: HEIGHT });
  edges.forEach(({ from, to, label }, at) => {
    const size = { width: 10 + SMALL * shortened(label, LONGEST).length, height: 16, labelpos: 'c' };
    graph.setEdge(from, to, size, String(at));
  });
  layout(graph);
  const own = make.id(`arrow ${title}`);
  const parts: string[] = [
    `<defs>${['', '-circle']
      .map(
        (kind) =>
          `<marker id="${own}${kind}" viewBox="0 0 10 10" refX="9" refY="5" markerWidth="8" markerHeight="8" orient="auto-start-reverse"><path d="M0,0L10,5L0,10z" class="head${kind}"/></marker>`,
      )
      .join('')}</defs>`,
  ];
  edges.forEach(({ from, to, label, circle }, at) => {
    const {
      points = [],
      x = 0,
      y = 0,
    } = graph.edge({ v: from, w: to, name: String(at) }) as {
      points?: Point[];
      x?: number;
      y?: number;
    };
    const kind = circle ? '-circle' : '';
    parts.push(
      `<g class="edge${kind}"><title>${escaped(label)}</title><path d="${path(points)}" fill="none" marker-end="url(#${own}${kind})"/><text x="${round(x)}" y="${round(y - 5)}" text-anchor="middle" class="edge-label">${escaped(shortened(label, LONGEST))}</text></g>`,
    );
  });
  for (const { id, label, round: rounded } of nodes) {
    const { x, y, width } = graph.node(id) as { x: number; y: number; width: number };
    parts.push(
      `<g class="node${rounded ? ' cpu' : ''}"><title>${escaped(label)}</title><rect x="${round(x - width / 2)}" y="${round(y - HEIGHT / 2)}" width="${round(width)}" height="${HEIGHT}" rx="${rounded ? HEIGHT / 2 : 4}"/><text x="${round(x)}" y="${round(y + 4.5)}" text-anchor="middle">${escaped(shortened(label, LONGEST))}</text></g>`,
    );
  }
  const { width = 100, height = 100 } = graph.graph() as { width?: number; height?: number };
  const figure: FigureOf = {
    title,
    text,
    picture: svg(title, width, height, new Html(parts.join(''))),
    table,
  };
  return make.figure(figure);
}
