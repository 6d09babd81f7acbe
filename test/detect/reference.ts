/**
 * The happens-before order by its definition: every edge spelled out, and the transitive closure of them. Slow, and shares nothing with the pass it judges but
 * the table of operations.
 *
 * Random programs run on a small machine of the model (sc, tso, weak), which knows which store each load read from; the pass has to work that out from
 * the values.
 */
import { type Event, OPERATIONS, type Operation, type Trace, traceOf } from '../../harness/engines/trace.ts';

export const EDGES = [
  'acquire',
  'sequence',
  'atomic-fence',
  'fence-atomic',
  'fence-fence',
  'notify',
  'published',
  'dependency',
  'grace period',
  'interrupt',
  'begin',
] as const;
export type Edge = (typeof EDGES)[number];

export interface Sample {
  readonly trace: Trace;
  /** Which store each load read from; -1: what the word held at first. */
  readonly from: readonly number[];
  readonly model: 'sc' | 'tso' | 'weak';
}

/** Numbers from a seed (mulberry32). */
export function stream(seed: number): (below: number) => number {
  let state = seed | 0;
  return (below) => {
    state = (state + 0x6d2b79f5) | 0;
    let z = Math.imul(state ^ (state >>> 15), state | 1);
    z ^= z + Math.imul(z ^ (z >>> 7), z | 61);
    return ((z ^ (z >>> 14)) >>> 0) % below;
  };
}

export const RCU = 4000;
const LOADS = [
  'read',
  'readOnce',
  'readOnce',
  'loadAcquire',
  'load',
  'wait',
  'casFailed',
  'casFailedRelaxed',
];
const STORES = ['write', 'writeOnce', 'writeOnce', 'storeRelease', 'store', 'storeWake'];
const RMWS = ['exchange', 'fetchAddAcquire', 'fetchOrRelease', 'compareExchangeRelaxed', 'fetchAddRelaxed'];
// Some executions have nothing that orders by itself, so that fences matter.
const WEAK_LOADS = ['read', 'readOnce', 'readOnce'];
const WEAK_STORES = ['write', 'writeOnce', 'writeOnce'];
const WEAK_RMWS = ['fetchAddRelaxed'];
const FENCES = ['mb', 'rmb', 'wmb'];
const OTHERS = [
  ...FENCES,
  ...FENCES,
  'notify',
  'waitEnd',
  'published',
  'consumed',
  'released',
  'gracePeriod',
];
const BUFFERED = ['write', 'writeOnce', 'storeRelease'];

type Made = { op: string; cpu: number; addr?: number; value?: number; before?: number };

/** A random execution. */
export function sample(seed: number): Sample {
  const draw = stream(seed);
  const pick = <T>(list: readonly T[]): T => list[draw(list.length)]!;
  const cpus = 2 + draw(3);
  const words = 1 + draw(4);
  const model = pick(['sc', 'sc', 'tso', 'weak'] as const);
  const weak = draw(3) === 0;
  const events: Made[] = [];
  const from: number[] = [];
  /** Stores of each word in memory order; -1 is its first value. */
  const history = Array.from({ length: words }, () => [-1]);
  const buffers: { at: number; word: number }[][] = Array.from({ length: cpus }, () => []);
  const inside = new Array<number>(cpus).fill(0);
  const brackets = new Array<number>(cpus).fill(0);
  let unique = 0;
  const stored = (at: number): number => (at < 0 ? 0 : events[at]!.value!);
  const emit = (event: Made, source = -1): void => {
    events.push(event);
    from.push(source);
  };
  const drain = (cpu: number, place: number): void => {
    const [{ at, word }] = buffers[cpu]!.splice(place, 1) as [{ at: number; word: number }];
    history[word]!.push(at);
    emit({ op: 'drain', cpu, addr: 64 + 4 * word, value: stored(at) });
  };
  const seen = (cpu: number, word: number, stale: boolean): number => {
    const own = buffers[cpu]!.findLast((each) => each.word === word);
    if (own) return own.at;
    return stale ? pick(history[word]!) : history[word]!.at(-1)!;
  };
  const begins = draw(3) === 0 ? draw(8) : 0;
  const length = 20 + draw(40);
  for (let step = 0; step < length; step += 1) {
    if (step === begins) for (let cpu = 0; cpu < cpus; cpu += 1) emit({ op: 'begin', cpu });
    const cpu = draw(cpus);
    const word = draw(words);
    const addr = 64 + 4 * word;
    const buffer = buffers[cpu]!;
    const dice = draw(20);
    if (model !== 'sc' && buffer.length > 0 && draw(2) === 0) {
      const place = model === 'tso' ? 0 : draw(buffer.length);
      drain(
        cpu,
        buffer.findIndex((each) => each.word === buffer[place]!.word),
      );
    }
    if (dice < 7) {
      const op = pick(weak ? WEAK_LOADS : LOADS);
      const source = seen(cpu, word, model === 'weak' && op === 'readOnce');
      emit({ op, cpu, addr, value: stored(source) }, source);
      if (op === 'readOnce' && stored(source) !== 0 && draw(3) === 0)
        emit({ op: 'consumed', cpu, addr: stored(source) });
    } else if (dice < 13) {
      const op = pick(weak ? WEAK_STORES : STORES);
      unique += 4;
      if (model !== 'sc' && BUFFERED.includes(op)) {
        buffer.push({ at: events.length, word });
        emit({ op, cpu, addr, value: unique });
        continue;
      }
      while (buffer.length > 0) drain(cpu, 0);
      history[word]!.push(events.length);
      emit({ op, cpu, addr, value: unique });
    } else if (dice < 15) {
      while (buffer.length > 0) drain(cpu, 0);
      const source = history[word]!.at(-1)!;
      unique += 4;
      history[word]!.push(events.length);
      emit({ op: pick(weak ? WEAK_RMWS : RMWS), cpu, addr, value: unique, before: stored(source) }, source);
    } else if (dice < 19) {
      const op = pick(OTHERS);
      if (op === 'waitEnd') emit({ op, cpu, addr, value: draw(cpus + 1) });
      else if (op === 'consumed') {
        // Mostly what was read last, or is known to be published.
        const known = events.filter(
          (each) => each.op === 'published' || (each.op === 'readOnce' && each.cpu === cpu),
        );
        const last = known.at(-1);
        const address =
          last === undefined || draw(4) === 0
            ? 4 * draw(40)
            : last.op === 'published'
              ? last.addr!
              : last.value!;
        emit({ op, cpu, addr: address });
      } else if (op === 'published') emit({ op, cpu, addr: 4 * (1 + draw(1 + (unique >>> 2))) });
      else if (op === 'released') emit({ op, cpu, addr: draw(4) === 0 ? RCU + 4 : RCU, value: 1 + draw(2) });
      else emit({ op, cpu, addr: op === 'notify' ? addr : 0 });
    } else if (draw(2) === 0) {
      if (inside[cpu] === 0) emit({ op: 'irqEnter', cpu, value: draw(cpus + 1) });
      else emit({ op: 'irqExit', cpu });
      inside[cpu] = 1 - inside[cpu]!;
    } else if (inside[cpu] === 0) {
      emit({ op: brackets[cpu] === 0 ? 'raceBegin' : 'raceEnd', cpu });
      brackets[cpu] = 1 - brackets[cpu]!;
    }
  }
  return { trace: traceOf(events), from, model };
}

/** For each record, the records that happen before it, as a bit set. */
export function closure({ trace, from }: Sample, without?: Edge): bigint[] {
  const events = Array.from({ length: trace.length }, (_, at) => trace.event(at));
  const what = (at: number): Operation => OPERATIONS[events[at]!.op]!;
  const isDrain = (at: number): boolean => what(at).name === 'drain';
  const into: number[][] = events.map(() => []);
  const edge = (kind: Edge | 'program', source: number, target: number): void => {
    if (kind !== without) into[target]!.push(source);
  };
  const mine = (cpu: number): number[] =>
    events.filter((each) => each.cpu === cpu && !isDrain(each.at)).map(({ at }) => at);
  const programs = [...new Set(events.map(({ cpu }) => cpu))].map(mine);
  for (const program of programs)
    for (const [index, at] of program.entries()) if (index > 0) edge('program', program[index - 1]!, at);
  const programOf = (at: number): number[] => programs.find((program) => program.includes(at))!;
  const fenceBefore = (at: number): number | undefined =>
    programOf(at).findLast((each) => each < at && ['full', 'write'].includes(what(each).fence ?? ''));
  const fenceAfter = (at: number): number | undefined =>
    programOf(at).find((each) => each > at && ['full', 'read'].includes(what(each).fence ?? ''));

  /** Where what a load of this store synchronises with comes from: [record, whether it is a fence, whether an RMW lies between]. */
  function* heads(store: number): Generator<[number, boolean, boolean]> {
    for (let at = store, through = false; at >= 0; at = from[at]!, through = true) {
      if (what(at).plain) return;
      if (what(at).releases) yield [at, false, through];
      else {
        const fence = fenceBefore(at);
        if (fence !== undefined) yield [fence, true, through];
      }
      if (!what(at).reads) return;
    }
  }
  const synchronise = (load: number, target: number, kind: (fence: boolean) => Edge): void => {
    for (const [head, fence, through] of heads(from[load]!)) {
      if (through && without === 'sequence') continue;
      edge(kind(fence), head, target);
    }
  };

  const firstBegin = events.findIndex(({ at }) => what(at).name === 'begin');
  for (const event of events) {
    const { at, cpu, addr, value } = event;
    const { name, reads, plain, acquires } = what(at);
    const earlier = (test: (each: Event) => boolean): number | undefined =>
      events.findLast((each) => each.at < at && !isDrain(each.at) && test(each))?.at;
    const one = (kind: Edge, source: number | undefined): void => {
      if (source !== undefined) edge(kind, source, at);
    };
    if (reads && !plain) {
      if (acquires) synchronise(at, at, (fence) => (fence ? 'fence-atomic' : 'acquire'));
      else {
        const fence = fenceAfter(at);
        if (fence !== undefined) synchronise(at, fence, (head) => (head ? 'fence-fence' : 'atomic-fence'));
      }
    }
    const is = (wanted: string) => (each: Event) => what(each.at).name === wanted;
    if (name === 'waitEnd')
      one(
        'notify',
        earlier((each) => is('notify')(each) && each.cpu === value - 1),
      );
    if (name === 'irqEnter' && value - 1 !== cpu)
      one(
        'interrupt',
        earlier((each) => each.cpu === value - 1),
      );
    if (name === 'gracePeriod')
      for (const each of events) {
        if (each.at < at && is('released')(each) && each.addr === RCU && each.value === 2)
          edge('grace period', each.at, at);
      }
    if (name === 'begin')
      for (let each = 0; each < firstBegin; each += 1) if (!isDrain(each)) edge('begin', each, at);
    if (name === 'consumed') {
      one(
        'published',
        earlier((each) => is('published')(each) && each.addr === addr),
      );
      const load = earlier((each) => {
        const { reads: r, writes: w, plain: p, acquires: a } = what(each.at);
        return each.cpu === cpu && r && !w && !p && !a;
      });
      if (load !== undefined && events[load]!.value === addr) synchronise(load, at, () => 'dependency');
    }
  }
  const before: bigint[] = [];
  for (const [at, sources] of into.entries())
    before[at] = sources.reduce((all, source) => all | before[source]! | (1n << BigInt(source)), 0n);
  return before;
}

/** Whether accesses are looked at: those outside `dataRace`. */
function watched(trace: Trace): boolean[] {
  const benign = new Map<number, number>();
  const interrupted = new Map<number, number>();
  return Array.from({ length: trace.length }, (_, at) => {
    const { cpu, op } = trace.event(at);
    const depth = benign.get(cpu) ?? 0;
    const { name } = OPERATIONS[op]!;
    if (name === 'raceBegin') benign.set(cpu, depth + 1);
    if (name === 'raceEnd') benign.set(cpu, depth - 1);
    if (name === 'irqEnter') {
      interrupted.set(cpu, depth);
      benign.set(cpu, 0);
    }
    if (name === 'irqExit') benign.set(cpu, interrupted.get(cpu)!);
    return depth === 0;
  });
}

/** What races are told apart by. */
export function kindOf({ plain, writes }: Operation): string {
  return `${plain ? 'plain' : 'marked'} ${writes ? 'write' : 'read'}`;
}

/** All races, as `word: kind, kind`. */
export function racesOf(drawn: Sample, without?: Edge): Set<string> {
  const { trace } = drawn;
  const before = closure(drawn, without);
  const counts = watched(trace);
  const found = new Set<string>();
  for (let later = 0; later < trace.length; later += 1) {
    const second = OPERATIONS[trace.op(later)]!;
    if (!(second.reads || second.writes) || !counts[later]) continue;
    for (let earlier = 0; earlier < later; earlier += 1) {
      const first = OPERATIONS[trace.op(earlier)]!;
      if (trace.addr(earlier) !== trace.addr(later) || trace.cpu(earlier) === trace.cpu(later)) continue;
      if (!(first.reads || first.writes) || !counts[earlier]) continue;
      if (!(first.writes || second.writes) || !(first.plain || second.plain)) continue;
      if ((before[later]! & (1n << BigInt(earlier))) !== 0n) continue;
      found.add(`${trace.addr(later)}: ${kindOf(first)}, ${kindOf(second)}`);
    }
  }
  return found;
}
