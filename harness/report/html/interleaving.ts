/**
 * An interleaving that can be stepped through: what each CPU did in turn, and after each step what the words held and who had and wanted which lock.
 *
 * It has two sources. A replay knows every access, all values, and the lines of the source. Where the subject is not at hand, the columns that the failure's file
 * has are read back: a step a line, and what a word held is known from where somebody read or wrote it.
 */
import { describe, matters } from '../../explore/show.ts';
import { site } from '../../explore/stacks.ts';
import { fullName, type Recording } from '../../explore/tape.ts';
import { Walk, waitLines } from '../moment.ts';

/** One line of the diagram. */
export interface Step {
  readonly cpu: number;
  readonly text: string;
  /** Accesses left out before it. */
  readonly skipped: number;
  /** Who made it, where that is known. */
  readonly site: string;
}

/** From one step to another: who read what another has written. */
export interface Flow {
  readonly from: number;
  readonly to: number;
  readonly label: string;
}

/** A time in which a CPU had a lock, or was blocked. */
export interface Stretch {
  readonly cpu: number;
  readonly from: number;
  readonly to: number;
  readonly what: string;
  readonly kind: 'holds' | 'waits';
}

/** All of it; plain data. */
export interface Interleaving {
  readonly cpus: number;
  readonly steps: readonly Step[];
  readonly words: readonly string[];
  /** Values of the words: before the first step, and after each; null where it is not known. */
  readonly values: readonly (readonly (number | null)[])[];
  /** A sentence a CPU: what it holds and waits for; before the first step, and after each. */
  readonly cpuStates: readonly (readonly string[])[];
  /** Stores that have not reached memory. */
  readonly buffered: readonly (readonly string[])[];
  readonly flows: readonly Flow[];
  readonly stretches: readonly Stretch[];
  /** The step before which an oracle fired; the number of steps: at the end. */
  readonly failsAt: number;
  readonly failure: string;
  /** Whether it was replayed. */
  readonly replayed: boolean;
}

const WORDS = 24;

/** What a line of the columns says. */
interface Said {
  readonly word: string;
  readonly before: number | undefined;
  readonly after: number;
  readonly writes: boolean;
}

const WROTE = /^(\S+) (.+): (-?\d+) → (-?\d+)( reaches memory)?$/;
const STORED = /^(\S+) (.+) ← (-?\d+)$/;
const READ = /^(\S+) (.+) = (-?\d+)$/;
const DRAINED = /^(.+): (-?\d+) → (-?\d+) reaches memory$/;
const BUFFERS = new Set(['write', 'writeOnce', 'storeRelease']);

function said(text: string): Said | undefined {
  const drained = DRAINED.exec(text);
  if (drained)
    return { word: drained[1]!, before: Number(drained[2]), after: Number(drained[3]), writes: true };
  const wrote = WROTE.exec(text);
  if (wrote) return { word: wrote[2]!, before: Number(wrote[3]), after: Number(wrote[4]), writes: true };
  const stored = STORED.exec(text);
  if (stored) return { word: stored[2]!, before: undefined, after: Number(stored[3]), writes: true };
  const read = READ.exec(text);
  if (read) return { word: read[2]!, before: Number(read[3]), after: Number(read[3]), writes: false };
  return undefined;
}

/** Who read what another CPU had written last, and who was woken by whom. */
function flowsOf(steps: readonly Step[]): Flow[] {
  const writers = new Map<string, number>();
  const told = new Set<string>();
  const flows: Flow[] = [];
  const flow = (from: number, to: number, label: string): void => {
    const key = `${from} ${steps[to]!.cpu}`;
    if (told.has(key)) return;
    told.add(key);
    flows.push({ from, to, label });
  };
  steps.forEach(({ cpu, text }, at) => {
    const woken = /^woken by CPU (\d+)$/.exec(text);
    if (woken) {
      const by = steps.findLastIndex(
        (step, before) => before < at && step.cpu === Number(woken[1]) && /^notify|Wake/.test(step.text),
      );
      if (by >= 0) flow(by, at, 'wakes');
    }
    const what = said(text);
    if (!what) return;
    const writer = writers.get(what.word);
    const before = what.before ?? what.after;
    if (writer !== undefined && steps[writer]!.cpu !== cpu && said(steps[writer]!.text)?.after === before)
      flow(writer, at, `${what.word} = ${before}`);
    if (what.writes) writers.set(what.word, at);
  });
  return flows;
}

const HAS = /^\[has (.+?)( to read)?\]$/;
const GIVES = /^\[gives (.+) back\]$/;
const BLOCKS = /^blocks: (.+) is (-?\d+)$/;

function stretchesOf(steps: readonly Step[], cpus: number): Stretch[] {
  const stretches: Stretch[] = [];
  for (let cpu = 0; cpu < cpus; cpu += 1) {
    const open: { what: string; from: number }[] = [];
    let blocked: { what: string; from: number } | undefined;
    steps.forEach((step, at) => {
      if (step.cpu !== cpu) return;
      if (blocked) {
        stretches.push({ cpu, ...blocked, to: at, kind: 'waits' });
        blocked = undefined;
      }
      const has = HAS.exec(step.text);
      const gives = GIVES.exec(step.text);
      const blocks = BLOCKS.exec(step.text);
      if (has) open.push({ what: has[1]!, from: at });
      if (blocks) blocked = { what: blocks[1]!, from: at };
      if (!gives) return;
      const last = open.findLastIndex(({ what }) => what === gives[1]);
      if (last >= 0) stretches.push({ cpu, ...open.splice(last, 1)[0]!, to: at, kind: 'holds' });
    });
    for (const each of open) stretches.push({ cpu, ...each, to: steps.length, kind: 'holds' });
    if (blocked)
      stretches.push({
        cpu,
        ...(blocked as { what: string; from: number }),
        to: steps.length,
        kind: 'waits',
      });
  }
  return stretches;
}

/** What columns say of CPUs, after each step. */
function statesOf(steps: readonly Step[], cpus: number): string[][] {
  const held = Array.from({ length: cpus }, (): string[] => []);
  const blocked = Array.from({ length: cpus }, () => '');
  const shown = (): string[] =>
    held.map((locks, cpu) => {
      const holds = locks.length === 0 ? 'holds nothing' : `holds ${locks.join(', ')}`;
      return blocked[cpu] === '' ? holds : `${holds}; waits for ${blocked[cpu]}`;
    });
  const all = [shown()];
  for (const { cpu, text } of steps) {
    const [has, gives, blocks] = [HAS.exec(text), GIVES.exec(text), BLOCKS.exec(text)];
    if (held[cpu] === undefined) continue;
    blocked[cpu] = blocks ? `${blocks[1]} to differ from ${blocks[2]}` : '';
    if (has) held[cpu].push(`${has[1]}${has[2] ?? ''}`);
    if (gives) {
      const last = held[cpu].findLastIndex((lock) => lock.replace(/ to read$/, '') === gives[1]);
      if (last >= 0) held[cpu].splice(last, 1);
    }
    all.push(shown());
  }
  return all;
}

/** Reads columns back into steps. */
function stepsOf(columns: readonly string[]): { steps: Step[]; cpus: number } {
  const [head = '', ...lines] = columns;
  const starts = [...head.matchAll(/CPU \d+/g)].map(({ index }) => index);
  const steps: Step[] = [];
  let skipped = 0;
  for (const line of lines) {
    const more = /^\s*… (\d+) more$/.exec(line);
    if (more) skipped += Number(more[1]);
    const text = line.trim().replace(/^#\d+\s+/, '');
    if (more || text === '') continue;
    const indent = line.length - line.trimStart().length + (/^\s*(#\d+\s+)/.exec(line)?.[1]?.length ?? 0);
    const cpu = Math.max(
      0,
      starts.findLastIndex((start) => start <= indent),
    );
    steps.push({ cpu, text, skipped, site: '' });
    skipped = 0;
  }
  return { steps, cpus: starts.length };
}

/**
 * An interleaving from the columns of a failure.
 * @returns undefined where there is nothing to step through
 */
export function fromColumns(columns: readonly string[], failure: string): Interleaving | undefined {
  const { steps, cpus } = stepsOf(columns);
  if (steps.length === 0 || cpus === 0) return undefined;
  const words = [...new Set(steps.flatMap(({ text }) => said(text)?.word ?? []))].slice(0, WORDS);
  const now: (number | null)[] = words.map(() => null);
  // What a word held before the first step that tells of it, that step says.
  words.forEach((word, at) => {
    const first = steps.map(({ text }) => said(text)).find((what) => what?.word === word);
    now[at] = first?.before ?? null;
  });
  // Stores are delayed where any is said to reach memory later.
  const buffers = steps.some(({ text }) => DRAINED.test(text));
  const values = [[...now]];
  for (const { text } of steps) {
    const what = said(text);
    const delayed = buffers && BUFFERS.has(text.split(' ')[0]!) && !DRAINED.test(text);
    const at = what ? words.indexOf(what.word) : -1;
    // A load may be answered by the CPU's own buffer: it says nothing of memory then.
    if (what && at >= 0 && (what.writes ? !delayed : !buffers)) now[at] = what.after;
    values.push([...now]);
  }
  return {
    cpus,
    steps,
    words,
    values,
    cpuStates: statesOf(steps, cpus),
    buffered: values.map(() => []),
    flows: flowsOf(steps),
    stretches: stretchesOf(steps, cpus),
    failsAt: steps.length,
    failure,
    replayed: false,
  };
}

/**
 * An interleaving from a replay.
 * @param most steps
 */
export function fromRecording(recording: Recording, most: number): Interleaving | undefined {
  const { trace, cpus, name, failure, failedAt, stacks, words: known } = recording;
  const places = matters(recording, most);
  if (places.length === 0) return undefined;
  let last = -1;
  const steps = places.map((place): Step => {
    const [frame] = stacks.get(place) ?? [];
    const skipped = place - last - 1;
    last = place;
    return {
      cpu: trace.cpu(place),
      text: describe(trace, place, name),
      skipped,
      site: frame ? site(frame) : '',
    };
  });
  const accessed = new Set(places.map((place) => trace.addr(place)));
  const words = [...known.values()]
    .filter(({ addr, unseen }) => accessed.has(addr) && !unseen)
    .slice(0, WORDS);
  const walk = new Walk(recording);
  const values = [words.map(({ addr }) => walk.word(addr))];
  const moment = () => ({
    place: walk.place,
    word: (addr: number) => walk.word(addr),
    cpus: walk.cpus,
    buffered: walk.buffered,
  });
  const states = (): string[] =>
    waitLines(recording, moment()).map((line) => line.trim().replace(/^CPU \d+ /, ''));
  const stores = (): string[] =>
    walk.buffered.map(({ cpu, addr, value }) => `CPU ${cpu}: ${name(addr)} = ${value}`);
  const cpuStates = [states()];
  const buffered = [stores()];
  for (const place of places) {
    while (walk.place < place && walk.next());
    values.push(words.map(({ addr }) => walk.word(addr)));
    cpuStates.push(states());
    buffered.push(stores());
  }
  const fails = places.findIndex((place) => place >= failedAt);
  return {
    cpus,
    steps,
    words: words.map(fullName),
    values,
    cpuStates,
    buffered,
    flows: flowsOf(steps),
    stretches: stretchesOf(steps, cpus),
    failsAt: failure ? (fails < 0 ? steps.length : fails) : -1,
    failure: failure ? `${failure.oracle}: ${failure.text}` : '',
    replayed: true,
  };
}
