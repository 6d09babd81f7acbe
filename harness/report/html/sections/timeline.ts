/**
 * The section about a window in which every acquisition was timed.
 */

import { handoffs, timelineFigure } from '../lanes.ts';
import { html } from '../markup.ts';
import { several, time } from '../numbers.ts';
import { orderFigure, ordersAmong } from '../orders.ts';
import type { Timeline } from '../results.ts';
import type { Around, Said, Section } from './section.ts';

/** The section of a timeline. */
export function timelineSection({ make }: Around, timeline: Timeline): Section {
  const { spans, subject, file, nanoseconds, cpus } = timeline;
  const passed = handoffs(spans).sort((one, other) => one.had - one.gave - (other.had - other.gave));
  const middle = passed[passed.length >> 1];
  const longest = spans.reduce(
    (most, span) => (span.had - span.wanted > most.had - most.wanted ? span : most),
    spans[0] ?? { had: 0, wanted: 0, cpu: 0, lock: '' },
  );
  const summary: Said[] = [
    {
      kind: 'plain',
      text: html`In a window of ${time(nanoseconds)}, ${subject} was watched acquisition by acquisition: ${several(spans.length, 'acquisition')}, ${several(passed.length, 'hand-off')} from one CPU to another that waited${middle && html`, half of them within ${time(middle.had - middle.gave)}`}.${longest.had > longest.wanted && html` The longest wait was CPU ${longest.cpu}’s for ${longest.lock}, ${time(longest.had - longest.wanted)}.`}`,
    },
  ];
  return {
    title: `Timeline: ${subject}`,
    summary,
    body: [
      html`<p>From <code>${file}</code>: ${several(cpus, 'CPU')}. The same for <a href="https://ui.perfetto.dev" rel="noreferrer">ui.perfetto.dev</a>: <code>lockrig report … --perfetto FILE</code>.</p>`,
      ...timelineFigure(make, timeline),
      orderFigure(make, subject, ordersAmong(spans)),
    ],
  };
}
