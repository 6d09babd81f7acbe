/**
 * The memory of the free-running race detector. It lies in the machine's own memory, behind everything that is watched, where one call of WebAssembly reaches both.
 *
 *   shadow   a record for each word below: a cell a CPU, then a vector a CPU
 *   lines    of each CPU: its clock and what else only it changes; hb-wat.mjs has the words
 *   notes    races that were found, each a few numbers and two stacks as text
 *
 * A cell has the clock of its CPU at that CPU's latest access of each kind to the word: plain read, plain write, marked read, marked write. A vector is what its CPU
 * has published at the word: how much of each CPU had happened before. Both are written by that CPU alone, so nothing of the detector is ever lost or locked.
 *
 * Clocks have 32 bits and wrap; they are compared by the sign of their difference, which is right while they lie within 2^31 of each other. A CPU whose
 * clock has gone {@link WINDOW} beyond the base of all stops counting, which hides races and invents none; {@link rebase} moves the base.
 */
import type { Addr } from '../../../src/arch/index.ts';
import { LINE, type Machine, roundUp } from '../../../src/memory/index.ts';

/** The most CPUs. */
export const MAX_WATCHED = 16;
/** Clock ticks from one base. */
export const WINDOW = 2 ** 30;
/** Ticks after which a new base is worth its work. */
const REBASE = 2 ** 28;
/** Bytes of a CPU's line. */
const LINE_BYTES = 1024;
const FENCE = 64;
const SEEN = 128;
/** Words of a CPU's line, by byte offset. */
export const HbLine = { benign: 192, asked: 196, limit: 200, base: 212, one: 224 } as const;
/** Races that are kept. */
export const MAX_NOTES = 64;
/** Bytes of a note, and of each of its two texts. */
export const NOTE_BYTES = 8192;
export const TEXT_BYTES = 4000;

/** Words of a note, by byte offset; then the texts. */
export const Note = {
  /** 0 free, 1 being written, 2 readable. */
  state: 0,
  addr: 4,
  /** The CPU that has noticed, and what it did; the other, and what that had done. */
  cpu: 8,
  kind: 12,
  other: 16,
  otherKind: 20,
  before: 24,
  value: 28,
  /** Clock of the other at its access, and how much of it this CPU knew. */
  clock: 32,
  known: 36,
  microseconds: 40,
  length: 48,
  /** 0: no stack of the other yet; 2: there. */
  otherState: 52,
  otherLength: 56,
  texts: 64,
} as const;

/** Where the detector's memory is; survives structured clone. */
export interface HbHandle {
  readonly cpus: number;
  /** Addresses below it are watched. */
  readonly span: number;
  readonly shadow: Addr;
  readonly lines: Addr;
  readonly notes: Addr;
  /** States of one layout that repeat, each of which has the races of the others. */
  readonly repeats?: { readonly from: Addr; readonly to: Addr; readonly stride: number };
}

/** A word of the first of the states that repeat; any other word as it is. */
export function hbWord({ repeats }: HbHandle, addr: Addr): Addr {
  if (!repeats || addr < repeats.from || addr >= repeats.to) return addr;
  return repeats.from + ((addr - repeats.from) % repeats.stride);
}

/** CPUs that a record has room for. */
export function hbRoom(cpus: number): number {
  return Math.max(2, 2 ** Math.ceil(Math.log2(cpus)));
}

/** Sizes of a record: bytes of a vector, offset of the first, bytes in all; by how much an address is shifted to be an offset in the shadow. */
export function hbRecord(cpus: number): {
  readonly vector: number;
  readonly vectors: number;
  readonly end: number;
  readonly shift: number;
} {
  const room = hbRoom(cpus);
  const vector = 4 * Math.max(4, room);
  const vectors = 16 * room;
  const end = vectors + room * vector;
  return { vector, vectors, end, shift: Math.ceil(Math.log2(end / 4)) };
}

/** Records and lines begin at multiples of this: parts of them are found by exclusive or. */
const ALIGNMENT = 4096;

/** Bytes of memory that watching so many bytes takes. */
export function hbSize(cpus: number, span: number): number {
  return (
    span * 2 ** hbRecord(cpus).shift +
    roundUp(cpus * LINE_BYTES, ALIGNMENT) +
    MAX_NOTES * NOTE_BYTES +
    ALIGNMENT +
    LINE
  );
}

/** Byte offset of a CPU's line. */
export function hbLine({ lines }: HbHandle, cpu: number): Addr {
  return lines + cpu * LINE_BYTES;
}

/** Byte offset of a note. */
export function noteAt({ notes }: HbHandle, index: number): Addr {
  return notes + index * NOTE_BYTES;
}

/**
 * Takes the detector's memory, so that everything allocated so far is watched; before any CPU runs.
 * @throws RangeError for too many CPUs; OutOfMemory
 */
export function hbMemory(machine: Machine, span: number, cpus = machine.cpus): HbHandle {
  const { words } = machine;
  if (cpus > MAX_WATCHED)
    throw new RangeError(`races are watched for on up to ${MAX_WATCHED} CPUs, not ${cpus}`);
  const shadowBytes = span * 2 ** hbRecord(cpus).shift;
  const lineBytes = cpus * LINE_BYTES;
  const first = roundUp(machine.alloc(hbSize(cpus, span)), ALIGNMENT);
  const shadow = first + roundUp(lineBytes, ALIGNMENT);
  const handle = { cpus, span, lines: first, shadow, notes: shadow + shadowBytes };
  for (let cpu = 0; cpu < cpus; cpu += 1) {
    const line = hbLine(handle, cpu) >>> 2;
    words[line + cpu] = 1;
    words[line + (HbLine.limit >>> 2)] = WINDOW;
    words[line + (HbLine.one >>> 2) + (cpu & 3)] = 1;
  }
  return handle;
}

/** Whether {@link rebase} is due, by the clock of this CPU. */
export function isRebaseDue(words: Int32Array, handle: HbHandle, cpu: number): boolean {
  const line = hbLine(handle, cpu) >>> 2;
  return ((words[line + cpu]! - words[line + (HbLine.base >>> 2)]!) | 0) > REBASE;
}

/**
 * Moves the base to what this CPU knows, and forgets all accesses and publications before it. For a moment at which this CPU knows of all that the others have done, and
 * they wait for what it does next: whatever they do afterwards is ordered after all that is forgotten here.
 */
export function rebase(words: Int32Array, handle: HbHandle, cpu: number): void {
  const { cpus, shadow, span } = handle;
  const { vector, vectors, end, shift } = hbRecord(cpus);
  const own = hbLine(handle, cpu) >>> 2;
  const base = Array.from({ length: vector / 4 }, (_, each) => (each < cpus ? words[own + each]! : 0));
  const record = new Int32Array(end / 4);
  for (let each = 0; each < cpus; each += 1) record.fill(base[each]!, 4 * each, 4 * each + 4);
  for (let at = vectors / 4; at < end / 4; at += vector / 4) record.set(base, at);
  const first = shadow >>> 2;
  const stride = (4 << shift) >>> 2;
  for (let at = 0; at < span >>> 2; at += 1) words.set(record, first + at * stride);
  for (let each = 0; each < cpus; each += 1) {
    const line = hbLine(handle, each) >>> 2;
    words.set(base, line + FENCE / 4);
    words.set(base, line + SEEN / 4);
    words[line + (HbLine.base >>> 2)] = base[each]!;
    words[line + (HbLine.limit >>> 2)] = (base[each]! + WINDOW) | 0;
  }
}
