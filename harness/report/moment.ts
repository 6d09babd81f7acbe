/**
 * A moment of a recorded run: what memory held, which stores had not reached it yet, what each CPU held and waited for.
 *
 * Worked out from the beginning for each moment, which for a trace is quick enough and keeps going back trivial. Memory changes where a record
 * says so: at a store or read-modify-write what it wrote; under the weaker memory models plain and relaxed stores and releases change nothing yet, they
 * wait in the buffer of their CPU until a `drain` of it. A futex sleeper is woken by the notify that says how many it woke, first come first; a
 * CPU that spins goes on when the word differs.
 */
import { OP, OPERATIONS } from '../engines/trace.ts';
import type { NamedWord, Recording } from '../explore/tape.ts';

/** A lock that a CPU holds, or is about to. */
export interface HeldLock {
  readonly lock: number;
  /** 1: exclusive, 2: shared. */
  readonly mode: number;
}

/** One CPU at a moment. */
export interface CpuMoment {
  readonly cpu: number;
  readonly status: 'not begun' | 'runs' | 'spins' | 'sleeps' | 'done';
  /** The word that it spins or sleeps on, and the value that it waits to see changed. */
  readonly addr: number;
  readonly value: number;
  /** Place of what let it go on, or -1. */
  readonly freedAt: number;
  readonly held: readonly HeldLock[];
  readonly acquiring: HeldLock | undefined;
}

/** A store that has not reached memory. */
export interface BufferedStore {
  readonly cpu: number;
  readonly addr: number;
  readonly value: number;
  readonly at: number;
}

/** All of it. */
export interface Moment {
  /** The place in the trace after whose record this is; -1: before the first. */
  readonly place: number;
  /** What memory holds. */
  word(addr: number): number;
  readonly cpus: readonly CpuMoment[];
  readonly buffered: readonly BufferedStore[];
}

type Mutable<T> = { -readonly [Key in keyof T]: T[Key] };
type Working = Mutable<CpuMoment> & { held: HeldLock[]; asleepSince: number; waits: boolean };

const BUFFERED = new Set([OP.write, OP.writeOnce, OP.storeRelease]);

/** Walks a recording from its beginning. */
export class Walk {
  readonly recording: Recording;
  /** Place of the last record taken in. */
  place = -1;
  readonly cpus: Working[];
  readonly buffered: BufferedStore[] = [];
  private readonly changed = new Map<number, number>();
  /** Whether stores go through buffers: only then does any record say that one has reached memory. */
  private readonly buffers: boolean;

  constructor(recording: Recording) {
    this.recording = recording;
    this.buffers = recording.model !== 'sc';
    this.cpus = Array.from({ length: recording.cpus }, (_, cpu) => ({
      cpu,
      status: 'not begun',
      addr: 0,
      value: 0,
      freedAt: -1,
      held: [],
      acquiring: undefined,
      asleepSince: -1,
      waits: false,
    }));
  }

  /** What memory holds. */
  word(addr: number): number {
    return this.changed.get(addr) ?? this.recording.memory[addr >>> 2] ?? 0;
  }

  private write(addr: number, value: number): void {
    this.changed.set(addr, value);
    for (const cpu of this.cpus)
      if (cpu.status === 'spins' && cpu.addr === addr) cpu.freedAt = value === cpu.value ? -1 : this.place;
  }

  private notified(addr: number, count: number): void {
    const asleep = this.cpus.filter((cpu) => cpu.status === 'sleeps' && cpu.addr === addr && cpu.freedAt < 0);
    asleep.sort((one, other) => one.asleepSince - other.asleepSince);
    for (const cpu of asleep.slice(0, count)) cpu.freedAt = this.place;
  }

  /** Takes in the next record. @returns whether there was one */
  next(): boolean {
    const { trace } = this.recording;
    if (this.place + 1 >= trace.length) return false;
    this.place += 1;
    const { cpu, op, addr, value } = trace.event(this.place);
    if (op === OP.drain) {
      const first = this.buffered.findIndex(
        (store) => store.cpu === cpu && store.addr === addr && store.value === value,
      );
      if (first >= 0) this.buffered.splice(first, 1);
      this.write(addr, value);
      return true;
    }
    this.step(this.cpus[cpu]!, op, addr, value);
    return true;
  }

  private step(mine: Working, op: number, addr: number, value: number): void {
    if (op === OP.blocked) {
      const sleeps = mine.waits;
      Object.assign(mine, { status: sleeps ? 'sleeps' : 'spins', addr, value, freedAt: -1 });
      mine.asleepSince = this.place;
    } else if (op === OP.end) {
      // Who is blocked cannot return: the execution was given up, and this is where it stood.
      if (mine.status === 'runs') mine.status = 'done';
    } else if (mine.status !== 'done') mine.status = 'runs';
    mine.waits = op === OP.wait;
    if (op === OP.notify) this.notified(addr, value);
    if (op === OP.acquiring) mine.acquiring = { lock: addr, mode: value };
    if (op === OP.gaveUp || op === OP.acquired) mine.acquiring = undefined;
    if (op === OP.acquired) mine.held.push({ lock: addr, mode: value });
    if (op === OP.released) {
      const last = mine.held.findLastIndex(({ lock }) => lock === addr);
      if (last >= 0) mine.held.splice(last, 1);
    }
    if (!OPERATIONS[op]!.writes) return;
    if (this.buffers && BUFFERED.has(op)) this.buffered.push({ cpu: mine.cpu, addr, value, at: this.place });
    else this.write(addr, value);
  }
}

/** The moment after the record at `place`. */
export function momentAt(recording: Recording, place: number): Moment {
  const walk = new Walk(recording);
  while (walk.place < place && walk.next());
  return walk;
}

const shown = (word: NamedWord, moment: Moment): string =>
  `${word.field === '' ? '' : `${word.field}=`}${moment.word(word.addr)}`;

/** Wraps parts after a label. */
function wrapped(label: string, parts: readonly string[], width: number): string[] {
  const lines: string[] = [];
  let line = label;
  for (const part of parts) {
    if (line.length + part.length + 1 > width && line.trim() !== label.trim()) {
      lines.push(line);
      line = ' '.repeat(label.length);
    }
    line += ` ${part}`;
  }
  return [...lines, line];
}

const WIDTH = 118;
/** Words of a struct that are shown without being asked for. */
const MOST_WORDS = 32;

/** A word of no struct that anybody has named. */
const unnamed = ({ name }: NamedWord) => ({ struct: 'unnamed', field: name });

/** Values of words, a struct a paragraph. @returns lines */
export function wordLines(words: readonly NamedWord[], moment: Moment): string[] {
  const structs = new Map<string, NamedWord[]>();
  for (const word of words) {
    const { struct, field } = word.field === '' && word.struct.startsWith('0x') ? unnamed(word) : word;
    structs.set(struct, [...(structs.get(struct) ?? []), { ...word, struct, field }]);
  }
  const wide = Math.max(0, ...[...structs.keys()].map((struct) => struct.length));
  return [...structs].flatMap(([struct, members]) => {
    const parts = members.slice(0, MOST_WORDS).map((word) => shown(word, moment));
    if (members.length > MOST_WORDS) parts.push(`… ${members.length - MOST_WORDS} more`);
    return wrapped(`  ${struct.padEnd(wide)} `, parts, WIDTH);
  });
}

function waiting(mine: CpuMoment, moment: Moment, name: (addr: number) => string): string {
  const { status, addr, value, freedAt, acquiring } = mine;
  const parts: string[] = [];
  if (acquiring) {
    const holders = moment.cpus
      .filter(
        ({ cpu, held }) =>
          cpu !== mine.cpu &&
          held.some(({ lock, mode }) => lock === acquiring.lock && (mode === 1 || acquiring.mode === 1)),
      )
      .map(({ cpu }) => `CPU ${cpu}`);
    const by = holders.length === 0 ? 'nobody holds it' : `held by ${holders.join(', ')}`;
    parts.push(`wants ${name(acquiring.lock)}${acquiring.mode === 2 ? ' to read' : ''} (${by})`);
  }
  if (status === 'spins')
    parts.push(
      freedAt >= 0
        ? `waited for ${name(addr)} to differ from ${value}: it is ${moment.word(addr)}, and it can go on`
        : `waits for ${name(addr)} to differ from ${value}`,
    );
  if (status === 'sleeps')
    parts.push(
      freedAt >= 0 ? `slept on ${name(addr)} and was woken` : `sleeps until it is woken on ${name(addr)}`,
    );
  if (status === 'runs' && !acquiring) parts.push('runs');
  if (status === 'done' || status === 'not begun')
    parts.push(status === 'done' ? 'is done' : 'has not begun');
  return parts.join(', ');
}

/** Who holds what and waits for what. @returns a line a CPU */
export function waitLines({ name }: Recording, moment: Moment): string[] {
  return moment.cpus.map((mine) => {
    const held = mine.held.map(({ lock, mode }) => `${name(lock)}${mode === 2 ? ' to read' : ''}`);
    const holds = held.length === 0 ? '' : `holds ${held.join(', ')}; `;
    return `  CPU ${mine.cpu} ${holds}${waiting(mine, moment, name)}`;
  });
}

/** Everything at a moment, but for words that hold 0 in arrays that nobody uses or under no name. @returns lines */
export function stateLines(recording: Recording, moment: Moment): string[] {
  const { words, name } = recording;
  return [
    ...wordLines(
      [...words.values()].filter(
        ({ addr, field, unseen, accessed }) =>
          !unseen && (moment.word(addr) !== 0 || (field !== '' && (accessed || !field.endsWith(']')))),
      ),
      moment,
    ),
    ...moment.buffered.map(
      ({ cpu, addr, value }) =>
        `  CPU ${cpu} has stored ${name(addr)}=${value}, which has not reached memory`,
    ),
    ...waitLines(recording, moment),
  ];
}
