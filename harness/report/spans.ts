/**
 * A window of locks as a timeline in the Trace Event Format, as report/perfetto.ts writes it for a replay: what each CPU waited for and held, and an arrow where a lock
 * went to a CPU that had been waiting for it. Time is in microseconds since the window began.
 */
import type { Span } from '../measure/schema.ts';
import { handoffs } from './html/lanes.ts';
import type { TimelineDocument, TraceEvent } from './perfetto.ts';

const TRACKS = 64;

interface Window {
  readonly subject: string;
  readonly spans: readonly Span[];
}

const us = (nanoseconds: number): number => nanoseconds / 1000;

/** Puts each hold on the first track of its CPU where it nests in, or follows, what is there. */
function lanesOf(spans: readonly Span[]): Map<Span, number> {
  const lanes: number[][] = [];
  const places = new Map<Span, number>();
  for (const span of [...spans].sort((one, other) => one.had - other.had || other.gave - one.gave)) {
    const fits = (lane: number[]): boolean => {
      while (lane.length > 0 && lane.at(-1)! <= span.had) lane.pop();
      return lane.length === 0 || lane.at(-1)! >= span.gave;
    };
    let at = lanes.findIndex(fits);
    if (at < 0) at = lanes.push([]) - 1;
    lanes[at]!.push(span.gave);
    places.set(span, at);
  }
  return places;
}

/** A window as a document; several are processes of one. */
export function spanTimeline(windows: readonly Window[]): TimelineDocument {
  const events: TraceEvent[] = [];
  const named: TraceEvent[] = [];
  let flows = 0;
  windows.forEach(({ subject, spans }, process) => {
    const pid = process + 1;
    const meta = (name: string, tid: number, args: Record<string, unknown>): void => {
      named.push({ ph: 'M', pid, tid, ts: 0, name, args });
    };
    meta('process_name', 0, { name: `lockrig ${subject}` });
    const track = new Map<Span, number>();
    const cpus = [...new Set(spans.map(({ cpu }) => cpu))].sort((one, other) => one - other);
    for (const cpu of cpus) {
      const own = spans.filter((span) => span.cpu === cpu);
      const waits = 1 + cpu * TRACKS;
      const label = (tid: number, name: string): void => {
        meta('thread_name', tid, { name });
        meta('thread_sort_index', tid, { sort_index: tid });
      };
      label(waits, `CPU ${cpu} waits`);
      const lanes = lanesOf(own);
      const many = Math.min(TRACKS - 2, Math.max(...lanes.values()));
      for (let lane = 0; lane <= many; lane += 1)
        label(waits + 1 + lane, `CPU ${cpu} holds${lane === 0 ? '' : ` ${lane + 1}`}`);
      for (const span of own) {
        const { lock, mode, wanted, had, gave } = span;
        const name = mode === 'read' ? `${lock} to read` : lock;
        const tid = waits + 1 + Math.min(lanes.get(span)!, many);
        track.set(span, tid);
        if (had > wanted)
          events.push({
            ph: 'X',
            pid,
            tid: waits,
            ts: us(wanted),
            dur: us(had - wanted),
            name: `waits for ${name}`,
            cat: 'wait',
            args: { lock, mode },
          });
        events.push({
          ph: 'X',
          pid,
          tid,
          ts: us(had),
          dur: us(gave - had),
          name,
          cat: 'lock',
          args: { lock, mode, waited_ns: had - wanted },
        });
      }
    }
    const find = (lock: string, cpu: number, is: (span: Span) => boolean): Span | undefined =>
      spans.find((each) => each.lock === lock && each.cpu === cpu && is(each));
    for (const { lock, from, to, gave, had } of handoffs(spans)) {
      const one = find(lock, from, (span) => span.gave === gave);
      const other = find(lock, to, (span) => span.had === had);
      if (!one || !other) continue;
      flows += 1;
      const flow = { pid, name: `hands over ${lock}`, cat: 'flow', id: flows };
      // Inside the slice: at its very end it would belong to what follows.
      const left = us(one.had + (gave - one.had) * 0.999);
      events.push({ ...flow, ph: 's', tid: track.get(one)!, ts: left });
      events.push({ ...flow, ph: 'f', bp: 'e', tid: track.get(other)!, ts: us(had) });
    }
  });
  events.sort((one, other) => one.ts - other.ts);
  const subjects = windows.map(({ subject }) => subject);
  return { traceEvents: [...named, ...events], displayTimeUnit: 'ns', otherData: { subjects } };
}
