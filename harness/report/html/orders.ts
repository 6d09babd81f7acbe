/**
 * Orders of locks as a graph: which class was acquired while which was held.
 *
 * They come from the hunt's results where they have them, from the spans of a timeline, and from the chains in the details of a failure.
 */
import type { LockOrder } from '../../detect/lock-graph.ts';
import type { Span } from '../../measure/schema.ts';
import type { Maker } from './figure.ts';
import { type GraphOf, graphFigure, onCircles } from './graph.ts';
import type { Html } from './markup.ts';

/** One order: `to` was acquired while `from` was held. */
export interface Order {
  readonly from: string;
  readonly to: string;
  readonly label: string;
}

/** Of a hunt's results. */
export function ordersOf(orders: readonly LockOrder[]): Order[] {
  return orders.map(({ from, to, held, wanted, cpu }) => {
    const modes = held === 'exclusive' && wanted === 'exclusive' ? '' : ` (${held}, ${wanted})`;
    return { from, to, label: `CPU ${cpu}${modes}` };
  });
}

const CHAIN = /^-> #\d+ CPU (\d+) acquires (.+) \((\w+)\) at \d+ while it holds (.+) \((\w+)\) since \d+/;

/** Of the details of a failure. */
export function ordersIn(details: readonly string[]): Order[] {
  return details.flatMap((line) => {
    const [, cpu, to, wanted, from, held] = CHAIN.exec(line.trim()) ?? [];
    if (to === undefined || from === undefined) return [];
    const modes = held === 'exclusive' && wanted === 'exclusive' ? '' : ` (${held}, ${wanted})`;
    return [{ from, to, label: `CPU ${cpu}${modes}` }];
  });
}

/** Of a timeline: a lock was wanted while another was held. */
export function ordersAmong(spans: readonly Span[]): Order[] {
  const found = new Map<string, Order & { times: number }>();
  const byCpu = new Map<number, Span[]>();
  for (const span of spans) byCpu.set(span.cpu, [...(byCpu.get(span.cpu) ?? []), span]);
  for (const own of byCpu.values()) {
    own.sort((one, other) => one.had - other.had);
    const open: Span[] = [];
    for (const span of own) {
      for (let at = open.length - 1; at >= 0; at -= 1) if (open[at]!.gave <= span.wanted) open.splice(at, 1);
      for (const outer of open) {
        const key = JSON.stringify([outer.lock, span.lock]);
        const times = (found.get(key)?.times ?? 0) + 1;
        found.set(key, { from: outer.lock, to: span.lock, label: `${times} times`, times });
      }
      open.push(span);
    }
  }
  return [...found.values()];
}

/** The graph of some orders; undefined where no lock was taken with another held. */
export function orderFigure(make: Maker, of: string, orders: readonly Order[]): Html | undefined {
  const unique = [...new Map(orders.map((each) => [JSON.stringify(each), each])).values()];
  const circles = onCircles(unique);
  const names = [...new Set(unique.flatMap(({ from, to }) => [from, to]))];
  const circular = circles.some((each) => each);
  const graph: GraphOf = {
    title: `Lock order of ${of}`,
    text: `An arrow from one class of locks to another says that the second was acquired while the first was held. ${circular ? 'The red, thick arrows form a circle: some schedule of them is a deadlock.' : 'There is no circle: in these orders nobody can deadlock.'}`,
    nodes: names.map((name) => ({ id: name, label: name, round: false })),
    edges: unique.map((each, at) => ({
      ...each,
      label: circles[at] ? `${each.label}, circle` : each.label,
      circle: circles[at]!,
    })),
    table: {
      columns: ['held', 'acquired', 'seen', 'in a circle'],
      rows: unique.map(({ from, to, label }, at) => [from, to, label, circles[at] ? 'yes' : 'no']),
    },
  };
  return graphFigure(make, graph);
}
