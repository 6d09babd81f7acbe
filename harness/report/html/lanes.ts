/**
 * The timeline: a lane a CPU, on it what it waited for and what it held, and arrows where a lock went from one CPU to another.
 *
 * A window of a run may have more spans than a picture can show. Then the picture is of a part of it: that with most waiting, as long as so many spans fit in.
 */
import type { Span } from '../../measure/schema.ts';
import { look, type Maker, titled } from './figure.ts';
import { type Html, html } from './markup.ts';
import { percent, several, time } from './numbers.ts';
import type { Timeline } from './results.ts';

/** Spans in a picture. */
const SHOWN = 140;

/** A lock that goes from one CPU to the next. */
export interface Handoff {
  readonly lock: string;
  readonly from: number;
  readonly to: number;
  readonly gave: number;
  readonly had: number;
}

/** Who had a lock after whom, where the next had been waiting. */
export function handoffs(spans: readonly Span[]): Handoff[] {
  const byLock = new Map<string, Span[]>();
  for (const span of [...spans].sort((one, other) => one.had - other.had)) {
    const of = byLock.get(span.lock);
    if (of) of.push(span);
    else byLock.set(span.lock, [span]);
  }
  return [...byLock].flatMap(([lock, all]) =>
    all.flatMap((next, at) => {
      const before = all[at - 1];
      if (!before || before.cpu === next.cpu || next.wanted >= before.gave || before.gave > next.had)
        return [];
      return [{ lock, from: before.cpu, to: next.cpu, gave: before.gave, had: next.had }];
    }),
  );
}

/** The part of a window with most waiting. */
function busiest(spans: readonly Span[]): readonly Span[] {
  const all = [...spans].sort((one, other) => one.wanted - other.wanted);
  if (all.length <= SHOWN) return all;
  let waiting = 0;
  let best = { at: 0, waiting: -1 };
  all.forEach((span, at) => {
    waiting += span.had - span.wanted;
    const leaves = all[at - SHOWN];
    if (leaves) waiting -= leaves.had - leaves.wanted;
    if (at >= SHOWN - 1 && waiting > best.waiting) best = { at: at - SHOWN + 1, waiting };
  });
  return all.slice(best.at, best.at + SHOWN);
}

/** What all spans come to, a row a CPU. */
function sums({ spans, cpus, nanoseconds }: Timeline): (string | number)[][] {
  return Array.from({ length: cpus }, (_, cpu) => {
    const own = spans.filter((span) => span.cpu === cpu);
    const waited = own.reduce((sum, { wanted, had }) => sum + had - wanted, 0);
    const held = own.reduce((sum, { had, gave }) => sum + gave - had, 0);
    return [`CPU ${cpu}`, own.length, waited, held, waited / nanoseconds, held / nanoseconds];
  });
}

/** The timeline of a window. */
export function timelineFigure(make: Maker, timeline: Timeline): Html[] {
  const { spans, cpus, nanoseconds, lost, subject } = timeline;
  if (spans.length === 0 || cpus < 1) return [];
  const { plot } = make;
  const shown = busiest(spans);
  const start = shown.reduce((least, { wanted }) => Math.min(least, wanted), Number.POSITIVE_INFINITY);
  const end = shown.reduce((most, { gave }) => Math.max(most, gave), 0);
  const locks = [...new Set(shown.map(({ lock }) => lock))];
  const colour = (lock: string): string => look(locks.indexOf(lock)).colour;
  const lane = (cpu: number, offset: number): number => cpu + offset;
  const held = shown.map((span) => ({
    ...span,
    y1: lane(span.cpu, 0.12),
    y2: lane(span.cpu, 0.5),
    from: span.had - start,
    to: Math.max(span.gave, span.had + (end - start) / 2000) - start,
    title: titled(
      `CPU ${span.cpu} had ${span.lock}${span.mode === 'read' ? ' to read' : ''} for ${time(span.gave - span.had)}`,
    ),
  }));
  const waited = shown
    .filter(({ wanted, had }) => had - wanted > (end - start) / 2000)
    .map((span) => ({
      ...span,
      y1: lane(span.cpu, 0.56),
      y2: lane(span.cpu, 0.78),
      from: span.wanted - start,
      to: span.had - start,
      title: titled(`CPU ${span.cpu} waited ${time(span.had - span.wanted)} for ${span.lock}`),
    }));
  const passed = handoffs(shown);
  const part =
    shown.length < spans.length
      ? ` The picture shows ${several(shown.length, 'span')} of ${spans.length}, from ${time(start)} on: where most was waited.`
      : '';
  const missing = lost > 0 ? ` ${several(lost, 'span')} did not fit into the record.` : '';
  const name = `Timeline of ${subject}`;
  const key = html`<ul class="legend plain" aria-label="Locks">${locks
    .slice(0, 12)
    .map(
      (lock, at) =>
        html`<li><svg width="16" height="12" aria-hidden="true"><rect width="16" height="12" rx="2" fill="${look(at).colour}"/></svg>${lock}</li>`,
    )}<li><svg width="16" height="12" aria-hidden="true"><rect x="0.5" y="0.5" width="15" height="11" fill="none" stroke="currentColor" stroke-dasharray="3 2"/></svg>waits</li></ul>`;
  const figure = make.figure({
    title: name,
    text: `A lane a CPU: filled bars are times in which it had a lock, dashed frames below them times in which it waited for one; arrows lead from who gave a lock up to who had been waiting for it.${part}${missing}`,
    key,
    wide: true,
    picture: make.chart(
      name,
      {
        width: 1100,
        height: 50 + 62 * cpus,
        marginBottom: 36,
        x: { domain: [0, end - start], label: 'time', labelArrow: 'none', tickFormat: time },
        y: {
          domain: [0, cpus],
          reverse: true,
          label: null,
          ticks: Array.from({ length: cpus }, (_, cpu) => cpu + 0.45),
          tickFormat: (value: number) => `CPU ${Math.floor(value)}`,
          tickSize: 0,
        },
      },
      [
        plot.gridX({ strokeOpacity: 0.15 }),
        plot.rect(held, {
          x1: 'from',
          x2: 'to',
          y1: 'y1',
          y2: 'y2',
          fill: ({ lock }: Span) => colour(lock),
          title: 'title',
        }),
        plot.rect(waited, {
          x1: 'from',
          x2: 'to',
          y1: 'y1',
          y2: 'y2',
          fill: ({ lock }: Span) => colour(lock),
          fillOpacity: 0.15,
          stroke: ({ lock }: Span) => colour(lock),
          strokeDasharray: '3 2',
          title: 'title',
        }),
        plot.arrow(passed, {
          x1: ({ gave }: Handoff) => gave - start,
          x2: ({ had }: Handoff) => had - start,
          y1: ({ from, to }: Handoff) => lane(from, to > from ? 0.5 : 0.12),
          y2: ({ from, to }: Handoff) => lane(to, to > from ? 0.12 : 0.5),
          stroke: 'var(--ink)',
          strokeOpacity: 0.6,
          strokeWidth: 1,
          headLength: 5,
        }),
      ],
    ),
    table: {
      columns: ['cpu', 'lock', 'mode', 'wanted_ns', 'had_ns', 'gave_ns', 'waited_ns', 'held_ns'],
      rows: shown.map(({ cpu, lock, mode, wanted, had, gave }) => [
        cpu,
        lock,
        mode,
        wanted,
        had,
        gave,
        had - wanted,
        gave - had,
      ]),
      shown: [undefined, undefined, undefined, time, time, time, time, time],
    },
  });
  const all = make.table(
    `What each CPU of ${subject} did in the window`,
    {
      columns: ['CPU', 'acquisitions', 'waited', 'had locks', 'share waiting', 'share holding'],
      rows: sums(timeline),
      shown: [undefined, undefined, time, time, percent, percent],
    },
    true,
  );
  return [figure, html`<p>In a window of ${time(nanoseconds)}:</p>${all}`];
}
