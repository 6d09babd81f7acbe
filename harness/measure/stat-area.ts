/**
 * The memory of lock statistics: what CPUs count and time, and who reads it while they run.
 *
 * It lies beside the machine and not in it, in buffers of its own: an engine that puts the machine's memory back leaves it alone, and what is measured does not
 * share a line with what measures. Every number has one writer. A CPU counts in its own block with plain stores; readers add the blocks up and take no part in
 * anything, so a reader can come and go while CPUs run.
 *
 *   hot       for each CPU, class of locks and mode a line: acquisitions until the next one that is timed, how many that were, and contentions that were only counted
 *   numbers   64-bit floats, a block a CPU: contention points, spans, and for each class and mode counters, two histograms, contentions by owner
 *   locks     a word for each word of the machine: the class of the lock that lies there, 0: not seen so far, and who had it last exclusively,
 *             or that it passes from CPU to CPU
 *   control   a line a CPU that others write to ask for something, and the words of the registry
 *   text      names of classes, and places, as UTF-16, the length first
 *
 * A class, or a place, is added under a lock of the registry and published by its count; it is looked up by text, once for each CPU and lock.
 */
import { MAX_CPUS } from '../../src/memory/index.ts';
import { HISTOGRAM_NUMBERS } from './histogram.ts';

/** How lock statistics are shared; survives structured clone. */
export interface StatHandle {
  readonly cpus: number;
  readonly classes: number;
  /** Spans that each CPU has room for. */
  readonly spans: number;
  readonly hot: SharedArrayBuffer;
  readonly numbers: SharedArrayBuffer;
  readonly locks: SharedArrayBuffer;
  readonly control: SharedArrayBuffer;
  readonly text: SharedArrayBuffer;
}

/** Bits of a word of `locks` that have the CPU plus 1. */
const OWNER_BITS = 11;
/** A mask of them. */
export const OWNER = 2 ** OWNER_BITS - 1;
/** In place of a CPU: a lock that passes from one to the next. */
export const PASSED_ON = OWNER;
/** From here on the CPU, plus 1, that was seen last of those that pass it on. */
export const SEEN = MAX_CPUS + 1;
/** The last CPU, plus 1, that can be said to have been seen. */
export const LAST_SEEN = PASSED_ON - SEEN - 1;
/** Words of `hot` that a class has in each mode. */
export const HOT_WORDS = 16;
/** From a word of `locks` to where its class begins in the lines of a CPU. */
export const TO_HOT = OWNER_BITS;
/** Where the class begins in a word of `locks`: so that there is nothing but zeroes between it and the CPU, and {@link TO_HOT} is all it takes. */
export const CLASS_SHIFT = OWNER_BITS + Math.log2(2 * HOT_WORDS);
/** As many words as can be said: V8 then sees that nobody reaches beyond what there is, and does not look. */
const HOT_REACH = 2 ** (32 - TO_HOT) + 2 * HOT_WORDS;
/** Words of a line of `hot`. */
export const HotField = {
  left: 0,
  gap: 1,
  /** Contentions of locks that are passed on, of which nothing else has been noted so far. */
  passed: 2,
} as const;

/** Counters of a class in one mode, as indices from where it begins. */
export const ClassField = {
  /** Up to the last one that was timed; `hot` has those since. */
  acquisitions: 0,
  contentions: 1,
  acquisitionBounces: 2,
  contentionBounces: 3,
  tryFailures: 4,
  /** Contentions that went on for longer than a short spin: every one is timed. */
  long: 5,
  /** The contentions that were not long, up to the last one of them that was timed. */
  short: 6,
  timedAt: 7,
} as const;
const FIELDS = 8;

/** Columns of contentions by owner: CPUs past the last but one are told together with those that were not seen. */
export const MATRIX_COLUMNS = 65;
/** Where the parts of a class in one mode begin. */
export const HOLD = FIELDS;
/** The histogram of waits. */
export const WAIT = HOLD + HISTOGRAM_NUMBERS;
/** Contentions by owner. */
export const MATRIX = WAIT + HISTOGRAM_NUMBERS;
/** Numbers of a class in one mode. */
export const MODE_NUMBERS = MATRIX + MATRIX_COLUMNS + 7;
const CLASS_NUMBERS = 2 * MODE_NUMBERS;

/** The first numbers of a block. */
export const BlockField = { rows: 0, spans: 1, lost: 2 } as const;
const BLOCK_FIELDS = 8;
/** Contention points of a CPU: a key and a count each. */
export const POINT_ROWS = 512;
const POINTS = BLOCK_FIELDS;
const SPANS = POINTS + 2 * POINT_ROWS;
/** Numbers of a span: class, mode, lock, wanted, had, gave. */
export const SPAN_NUMBERS = 6;

const LINE_WORDS = 32;
/** Words of the control line of a CPU. */
export const Asked = {
  /** Not 0: look up at the next release. */
  bell: 0,
  /** Whoever holds this lock is to say where. */
  lock: 1,
} as const;
/** Words of the registry. */
export const Registry = { lock: 0, classes: 1, places: 2, window: 3 } as const;

const CLASS_CHARS = 96;
/** Characters of a place. */
export const PLACE_CHARS = 480;
/** Places in the source. */
export const PLACES = 1024;

/** The class of locks that there was no room for. */
export const OTHERS = '(others)';

/** Views of the memory, and where its parts lie. */
export class StatArea {
  readonly handle: StatHandle;
  readonly hot: Int32Array<SharedArrayBuffer>;
  readonly numbers: Float64Array<SharedArrayBuffer>;
  readonly locks: Int32Array<SharedArrayBuffer>;
  readonly control: Int32Array<SharedArrayBuffer>;
  private readonly text: Uint16Array<SharedArrayBuffer>;

  constructor(handle: StatHandle) {
    this.handle = handle;
    this.numbers = new Float64Array(handle.numbers);
    this.hot = new Int32Array(handle.hot);
    this.locks = new Int32Array(handle.locks);
    this.control = new Int32Array(handle.control);
    this.text = new Uint16Array(handle.text);
  }

  /** Where the block of a CPU begins. */
  block(cpu: number): number {
    return cpu * blockNumbers(this.handle);
  }

  /** Where the contention points of a CPU begin. */
  points(cpu: number): number {
    return this.block(cpu) + POINTS;
  }

  /** Where a span of a CPU begins. */
  span(cpu: number, index: number): number {
    return this.block(cpu) + SPANS + SPAN_NUMBERS * index;
  }

  /** Where a class, from 1, begins in a block, in the mode to write. */
  offset(number: number): number {
    return classesFrom(this.handle) + (number - 1) * CLASS_NUMBERS;
  }

  /** The class that begins there, and whether it is its mode to read that does. */
  atOffset(offset: number): { number: number; read: boolean } {
    const modes = (offset - classesFrom(this.handle)) / MODE_NUMBERS;
    return { number: 1 + (modes >> 1), read: (modes & 1) === 1 };
  }

  private hotBlock(cpu: number): number {
    return cpu * 2 * HOT_WORDS * (this.handle.classes + 1);
  }

  /** The lines of a CPU; those of class 0 count what nobody asks for. A view that is longer than what belongs to this CPU. */
  hotOf(cpu: number): Int32Array<SharedArrayBuffer> {
    return new Int32Array(this.handle.hot, 4 * this.hotBlock(cpu), HOT_REACH);
  }

  private lineOf(cpu: number, number: number, read: boolean): number {
    return this.hotBlock(cpu) + HOT_WORDS * (2 * number + (read ? 1 : 0));
  }

  /** Contentions of a class that its CPU has only counted. */
  passedOn(cpu: number, number: number, read: boolean): number {
    return this.hot[this.lineOf(cpu, number, read) + HotField.passed]!;
  }

  /** How often a class was acquired; its CPU may go on meanwhile. */
  acquisitions(cpu: number, number: number, read: boolean): number {
    const { numbers, hot } = this;
    const at = this.block(cpu) + this.offset(number) + (read ? MODE_NUMBERS : 0) + ClassField.acquisitions;
    const line = this.lineOf(cpu, number, read);
    for (;;) {
      const before = numbers[at]!;
      const since = hot[line + HotField.gap]! - hot[line + HotField.left]!;
      if (numbers[at] === before) return before + Math.max(0, since);
    }
  }

  /** Index of a word of the registry. */
  registry(word: number): number {
    return this.handle.cpus * LINE_WORDS + word;
  }

  /** Index of a word of the control line of a CPU. */
  asked(cpu: number, word: number): number {
    return cpu * LINE_WORDS + word;
  }

  private read(at: number): string {
    const { text } = this;
    return String.fromCharCode(...text.slice(at + 1, at + 1 + text[at]!));
  }

  private write(at: number, room: number, value: string): void {
    const kept = value.slice(0, room - 1);
    for (let char = 0; char < kept.length; char += 1) this.text[at + 1 + char] = kept.charCodeAt(char);
    this.text[at] = kept.length;
  }

  /** The names of the classes, in the order of their numbers. */
  classNames(): string[] {
    const count = Atomics.load(this.control, this.registry(Registry.classes));
    return Array.from({ length: count }, (_, index) => this.read(index * CLASS_CHARS));
  }

  private placeAt(index: number): number {
    return this.handle.classes * CLASS_CHARS + index * PLACE_CHARS;
  }

  /** A place by its number. */
  place(index: number): string {
    return this.read(this.placeAt(index));
  }

  private add(
    count: number,
    most: number,
    room: number,
    at: (index: number) => number,
    value: string,
  ): number {
    const { control } = this;
    const lock = this.registry(Registry.lock);
    while (Atomics.compareExchange(control, lock, 0, 1) !== 0);
    try {
      const known = control[count]!;
      const kept = value.slice(0, room - 1);
      for (let index = 0; index < known; index += 1) if (this.read(at(index)) === kept) return index;
      if (known === most) return most - 1;
      this.write(at(known), room, known === most - 1 ? OTHERS : value);
      Atomics.store(control, count, known + 1);
      return known;
    } finally {
      Atomics.store(control, lock, 0);
    }
  }

  /** The number of a class, from 1; the last one where there are too many. */
  addClass(name: string): number {
    const at = (index: number): number => index * CLASS_CHARS;
    return 1 + this.add(this.registry(Registry.classes), this.handle.classes, CLASS_CHARS, at, name);
  }

  /** The number of a place. */
  addPlace(text: string): number {
    const at = (index: number): number => this.placeAt(index);
    return this.add(this.registry(Registry.places), PLACES, PLACE_CHARS, at, text);
  }
}

type Sizes = Pick<StatHandle, 'spans' | 'classes'>;

const classesFrom = ({ spans }: Sizes): number => SPANS + SPAN_NUMBERS * spans;

const blockNumbers = (sizes: Sizes): number =>
  Math.ceil((classesFrom(sizes) + sizes.classes * CLASS_NUMBERS) / 16) * 16;

/** What lock statistics are made for. */
export interface StatOptions {
  readonly cpus: number;
  /** Bytes of the machine: locks lie below. */
  readonly bytes: number;
  /** Spans that each CPU has room for in a window in which every acquisition is timed; none unless given. */
  readonly spans?: number;
}

/**
 * Makes the memory of lock statistics; hand the result to the CPUs. Most of it is never touched, and takes no memory then.
 * @throws RangeError where the host has not so much
 */
export function statMemory({ cpus, bytes, spans = 0 }: StatOptions): StatHandle {
  const classes = cpus > 64 ? 16 : 64;
  const sizes = { classes, spans };
  return {
    cpus,
    ...sizes,
    hot: new SharedArrayBuffer(4 * (cpus * 2 * HOT_WORDS * (classes + 1) + HOT_REACH)),
    numbers: new SharedArrayBuffer(8 * cpus * blockNumbers(sizes)),
    locks: new SharedArrayBuffer(bytes),
    control: new SharedArrayBuffer(4 * LINE_WORDS * (cpus + 1)),
    text: new SharedArrayBuffer(2 * (classes * CLASS_CHARS + PLACES * PLACE_CHARS)),
  };
}
