/** The timeline of a window for Perfetto: every span as it was, on tracks whose slices nest, with arrows from giver to taker. */
import * as assert from 'uvu/assert';
import { handoffs } from '../../harness/report/html/lanes.ts';
import { ordersAmong } from '../../harness/report/html/orders.ts';
import { spanTimeline } from '../../harness/report/spans.ts';
import { complaints } from '../fixtures/recordings.ts';
import { timeline } from '../fixtures/report/documents.ts';
import { seed } from '../seed.ts';
import { suite } from '../suite.ts';

const test = suite('report: spans');

test(`slices are the spans, they nest, and every arrow has both ends (seed ${seed})`, () => {
  for (let time = 0; time < 5; time += 1) {
    const window = timeline(80, ['one', 'two', 'three'], seed + time);
    const { traceEvents } = spanTimeline([window]);
    assert.equal(complaints(traceEvents), []);
    const sum = (cat: string): number =>
      traceEvents.filter((event) => event.cat === cat).reduce((so, { dur = 0 }) => so + dur * 1000, 0);
    const held = window.spans.reduce((so, { had, gave }) => so + gave - had, 0);
    const waited = window.spans.reduce((so, { wanted, had }) => so + had - wanted, 0);
    assert.ok(Math.abs(sum('lock') - held) < 1, `${sum('lock')} held, not ${held}`);
    assert.ok(Math.abs(sum('wait') - waited) < 1, `${sum('wait')} waited, not ${waited}`);
    const arrows = traceEvents.filter(({ ph }) => ph === 's').length;
    assert.is(arrows, handoffs(window.spans).length);
    assert.ok(arrows > 20, `${arrows} arrows`);
  }
});

const span = (cpu: number, lock: string, wanted: number, had: number, gave: number) => ({
  cpu,
  lock,
  mode: 'write' as const,
  wanted,
  had,
  gave,
});

test('a hand-off is from who gave a lock up to who had been waiting for it', () => {
  const spans = [
    span(0, 'a', 0, 1, 10),
    span(1, 'a', 5, 12, 20),
    span(2, 'a', 25, 26, 30),
    span(2, 'b', 1, 2, 3),
    span(0, 'a', 28, 31, 40),
  ];
  assert.equal(handoffs(spans), [
    { lock: 'a', from: 0, to: 1, gave: 10, had: 12 },
    { lock: 'a', from: 2, to: 0, gave: 30, had: 31 },
  ]);
});

test('an order is a lock wanted while another is held, by one CPU', () => {
  const spans = [
    span(0, 'a', 0, 1, 10),
    span(0, 'b', 2, 3, 8),
    span(1, 'b', 0, 9, 20),
    span(1, 'c', 30, 31, 40),
    span(0, 'c', 10, 11, 12),
  ];
  assert.equal(
    ordersAmong(spans).map(({ from, to }) => [from, to]),
    [['a', 'b']],
  );
});

test.run();
