/**
 * A recorded run as a timeline, in the Trace Event Format (Google, "Trace Event Format", 2016): a JSON file that ui.perfetto.dev and chrome://tracing open.
 *
 * Time is the place in the trace, a microsecond each, so that the timeline counts as the columns and the stepper do. Tracks:
 *
 *   CPU n               its accesses, a slice each, and while it waits a slice to its next record
 *   CPU n locks         what it holds, acquired to released; where holds overlap without nesting, the later goes to a further track
 *   CPU n store buffer  stores that reach memory (under tso and weak only)
 *
 * Arrows lead from what lets a CPU go on to its next record: from the store that ended its spinning, from the notify that woke it; and from a buffered store to
 * where it reaches memory. An event of the whole timeline marks where an oracle fired.
 */
import { OP, OPERATIONS } from '../engines/trace.ts';
import { describe } from '../explore/show.ts';
import { site } from '../explore/stacks.ts';
import { fullName, type Recording } from '../explore/tape.ts';
import { type BufferedStore, Walk } from './moment.ts';

/** An event of the format. */
export interface TraceEvent {
  readonly ph: 'X' | 'M' | 'i' | 's' | 'f';
  readonly pid: number;
  readonly tid: number;
  readonly ts: number;
  readonly name: string;
  readonly cat?: string;
  readonly dur?: number;
  readonly id?: number;
  readonly bp?: 'e';
  readonly s?: 'g' | 't';
  readonly args?: Readonly<Record<string, unknown>>;
}

/** The file. */
export interface TimelineDocument {
  readonly traceEvents: readonly TraceEvent[];
  readonly displayTimeUnit: 'ns';
  readonly otherData: Readonly<Record<string, unknown>>;
}

const PID = 1;
/** Tracks of one CPU: itself, its buffer, its locks, and locks that overlap. */
const TRACKS = 16;
const BUFFER = 1;
const LOCKS = 2;
/** Records that are slices although they access nothing. */
const SLICES = new Set([OP.notify, OP.wake, OP.waitEnd, OP.mb, OP.rmb, OP.wmb]);
/** Records that other slices stand for. */
const ELSEWHERE = new Set([OP.acquired, OP.released, OP.blocked, OP.drain]);

interface Hold {
  readonly lock: number;
  readonly mode: number;
  readonly from: number;
}

class Timeline {
  private readonly recording: Recording;
  private readonly events: TraceEvent[] = [];
  private readonly tracks = new Map<number, string>();
  private flows = 0;

  constructor(recording: Recording) {
    this.recording = recording;
  }

  private track(cpu: number, part: number, label: string): number {
    const tid = 1 + cpu * TRACKS + part;
    this.tracks.set(tid, label);
    return tid;
  }

  private slice(tid: number, from: number, to: number, name: string, cat: string, args: object = {}): void {
    const all = args as Record<string, unknown>;
    this.events.push({ ph: 'X', pid: PID, tid, ts: from, dur: to - from, name, cat, args: all });
  }

  /** An arrow between the slices at two places. */
  private arrow(name: string, from: [tid: number, place: number], to: [tid: number, place: number]): void {
    this.flows += 1;
    const flow = { pid: PID, name, cat: 'flow', id: this.flows };
    this.events.push({ ...flow, ph: 's', tid: from[0], ts: from[1] + 0.5 });
    this.events.push({ ...flow, ph: 'f', bp: 'e', tid: to[0], ts: to[1] + 0.5 });
  }

  private who(place: number): object {
    const frames = this.recording.stacks.get(place) ?? [];
    return frames.length === 0 ? {} : { site: site(frames[0]!), stack: frames.map(site) };
  }

  private args(place: number): object {
    const { trace, words } = this.recording;
    const { addr, value, before, op } = trace.event(place);
    const word = words.get(addr);
    const about = OPERATIONS[op]!;
    return {
      place,
      ...(addr === 0 ? {} : { address: `0x${addr.toString(16)}` }),
      ...(word ? { word: fullName(word), struct: word.struct, field: word.field } : {}),
      value,
      ...(about.writes || op === OP.drain ? { before } : {}),
      ...this.who(place),
    };
  }

  document(about: Readonly<Record<string, unknown>>): TimelineDocument {
    const { trace, cpus, failure, failedAt } = this.recording;
    for (let cpu = 0; cpu < cpus; cpu += 1) this.track(cpu, 0, `CPU ${cpu}`);
    this.accesses();
    this.locks();
    if (failure)
      this.events.push({
        ph: 'i',
        s: 'g',
        pid: PID,
        tid: 1,
        ts: Math.min(failedAt, trace.length),
        name: `${failure.oracle}: ${failure.text}`,
        cat: 'failure',
      });
    const named: TraceEvent[] = [this.meta('process_name', 0, { name: `lockrig ${this.recording.subject}` })];
    for (const [tid, label] of [...this.tracks].sort(([one], [other]) => one - other))
      named.push(
        this.meta('thread_name', tid, { name: label }),
        this.meta('thread_sort_index', tid, { sort_index: tid }),
      );
    this.events.sort((one, other) => one.ts - other.ts);
    return { traceEvents: [...named, ...this.events], displayTimeUnit: 'ns', otherData: about };
  }

  private meta(name: string, tid: number, args: Record<string, unknown>): TraceEvent {
    return { ph: 'M', pid: PID, tid, ts: 0, name, args };
  }

  private accesses(): void {
    const { recording } = this;
    const { trace, name, cpus } = recording;
    const walk = new Walk(recording);
    /** Where each CPU blocked, until its next record. */
    const blocked = new Map<number, number>();
    for (let place = 0; place < trace.length; place += 1) {
      const { cpu, op, addr, value } = trace.event(place);
      const tid = this.track(cpu, 0, `CPU ${cpu}`);
      const stood = walk.cpus[cpu]!;
      const since = blocked.get(cpu);
      if (op === OP.drain) this.drained(place, walk.buffered);
      else if (since !== undefined && op !== OP.end) {
        this.waited(tid, since, place);
        blocked.delete(cpu);
        if (stood.freedAt >= 0) {
          const by = trace.cpu(stood.freedAt);
          const part = trace.op(stood.freedAt) === OP.drain ? BUFFER : 0;
          this.arrow('lets it go on', [1 + by * TRACKS + part, stood.freedAt], [tid, place]);
        }
      }
      walk.next();
      const { reads, writes, fence } = OPERATIONS[op]!;
      if (op === OP.blocked) blocked.set(cpu, place);
      if (reads || writes || fence || SLICES.has(op))
        this.slice(tid, place, place + 1, describe(trace, place, name), 'access', this.args(place));
      else if (!ELSEWHERE.has(op)) {
        const what = OPERATIONS[op]!.name + (addr === 0 ? '' : ` ${name(addr)}`);
        const args = { place, value, ...this.who(place) };
        this.events.push({ ph: 'i', s: 't', pid: PID, tid, ts: place, name: what, cat: 'event', args });
      }
    }
    for (let cpu = 0; cpu < cpus; cpu += 1) {
      const since = blocked.get(cpu);
      if (since !== undefined) this.waited(1 + cpu * TRACKS, since, trace.length + 1);
    }
  }

  private waited(tid: number, from: number, to: number): void {
    const { trace, name } = this.recording;
    this.slice(
      tid,
      from,
      to,
      `waits: ${name(trace.addr(from))} is ${trace.value(from)}`,
      'wait',
      this.args(from),
    );
  }

  private drained(place: number, buffered: readonly BufferedStore[]): void {
    const { trace, name } = this.recording;
    const { cpu, addr, value } = trace.event(place);
    const tid = this.track(cpu, BUFFER, `CPU ${cpu} store buffer`);
    this.slice(tid, place, place + 1, describe(trace, place, name), 'drain', this.args(place));
    const store = buffered.find((each) => each.cpu === cpu && each.addr === addr && each.value === value);
    if (store) this.arrow('reaches memory', [1 + cpu * TRACKS, store.at], [tid, place]);
  }

  private locks(): void {
    const { trace, cpus } = this.recording;
    for (let cpu = 0; cpu < cpus; cpu += 1) {
      const open: Hold[] = [];
      const holds: (Hold & { to: number })[] = [];
      for (let place = 0; place < trace.length; place += 1) {
        if (trace.cpu(place) !== cpu) continue;
        const { op, addr, value } = trace.event(place);
        if (op === OP.acquired) open.push({ lock: addr, mode: value, from: place });
        if (op !== OP.released) continue;
        const last = open.findLastIndex(({ lock }) => lock === addr);
        if (last >= 0) holds.push({ ...open.splice(last, 1)[0]!, to: place });
      }
      // What is never given back is held to the end.
      for (const hold of open) holds.push({ ...hold, to: trace.length + 1 });
      this.stack(cpu, holds);
    }
  }

  /** Puts each hold on the first track where it nests in, or follows, what is there. */
  private stack(cpu: number, holds: readonly (Hold & { to: number })[]): void {
    const lanes: { to: number }[][] = [];
    for (const hold of [...holds].sort((one, other) => one.from - other.from || other.to - one.to)) {
      const fits = (lane: { to: number }[]): boolean => {
        while (lane.length > 0 && lane.at(-1)!.to <= hold.from) lane.pop();
        return lane.length === 0 || lane.at(-1)!.to >= hold.to;
      };
      let at = lanes.findIndex(fits);
      if (at < 0) at = lanes.push([]) - 1;
      lanes[at]!.push(hold);
      const part = Math.min(LOCKS + at, TRACKS - 1);
      const tid = this.track(cpu, part, `CPU ${cpu} locks${at === 0 ? '' : ` ${at + 1}`}`);
      const label = `${this.recording.name(hold.lock)}${hold.mode === 2 ? ' to read' : ''}`;
      const address = `0x${hold.lock.toString(16)}`;
      this.slice(tid, hold.from, hold.to, label, 'lock', {
        place: hold.from,
        address,
        ...this.who(hold.from),
      });
    }
  }
}

/**
 * A recorded run as a document of the Trace Event Format.
 * @param about what else to say of it: token, version
 */
export function timeline(
  recording: Recording,
  about: Readonly<Record<string, unknown>> = {},
): TimelineDocument {
  return new Timeline(recording).document(about);
}
