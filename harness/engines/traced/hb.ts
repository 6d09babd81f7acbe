/**
 * Makes a CPU watched for data races, and keeps what it finds.
 *
 * Who finds a race is the later of the two accesses, which is on its CPU at that moment: its stack is taken there and then. Of the other there is a clock and
 * no more, since nothing is recorded while it runs free; so its CPU is asked to take its stack when it next makes such an access to that word, which in a loop is soon.
 *
 * Notes are in shared memory, as text: a CPU that raced may hang next. A race is kept once for each word and pair of kinds; two CPUs that find one at
 * the same moment may both write it down, and who reads the notes keeps one.
 */
import type { Addr, Isa } from '../../../src/arch/index.ts';
import { isWasmMemory } from '../../../src/arch/webassembly.ts';
import { type Cpu, type Machine, MODE_READ } from '../../../src/memory/index.ts';
import { frames, type TakenFrame } from '../gated/capture.ts';
import { HbIsa } from './hb-isa.ts';
import {
  type HbHandle,
  HbLine,
  hbLine,
  hbWord,
  isRebaseDue,
  MAX_NOTES,
  Note,
  noteAt,
  rebase,
  TEXT_BYTES,
} from './hb-layout.ts';
import { HbPairIsa } from './hb-pair.ts';

/** Kinds of access, as notes have them. */
export const HB_KINDS = [
  'plain read',
  'plain write',
  'marked read',
  'marked write',
  'read-modify-write',
] as const;
/** Whether a kind writes. */
export const WRITES: readonly boolean[] = [false, true, false, true, true];
/** By kind: the lanes of a cell that it conflicts with. */
const CONFLICTS = [0b1010, 0b1111, 0b0010, 0b0011, 0b0011] as const;
const lane = (kind: number): number => Math.min(kind, 3);
/** Frames that are kept of a stack, and what calls the steps of a CPU under torture. */
const FRAMES = 12;
const BELOW = new URL('../../torture/rounds.', import.meta.url).href;
/** Accesses that a CPU looks at in vain when it has been asked for a stack. */
const LOOKS = 20_000;
const FREE = 0;
const WRITING = 1;
const READABLE = 2;

/** A race that was found. */
export interface RaceNote {
  readonly addr: Addr;
  readonly cpu: number;
  readonly kind: number;
  readonly other: number;
  readonly otherKind: number;
  /** What the word held, and what the access stored or found. */
  readonly before: number;
  readonly value: number;
  /** The other CPU's clock at its access, and what of it this CPU knew. */
  readonly clock: number;
  readonly known: number;
  /** Since the process began. */
  readonly milliseconds: number;
  /** Stack of the access that was found. */
  readonly stack: readonly TakenFrame[];
  /** Stack of a later access of the other CPU's of the same kind; empty where there was none. */
  readonly otherStack: readonly TakenFrame[];
}

/** The notes so far. */
export function readNotes({ words }: Pick<Machine, 'words'>, handle: HbHandle): RaceNote[] {
  const bytes = new Uint8Array(words.buffer);
  const decoder = new TextDecoder();
  const found: RaceNote[] = [];
  for (let index = 0; index < MAX_NOTES; index += 1) {
    const note = noteAt(handle, index);
    const at = (offset: number): number => words[(note + offset) >>> 2]!;
    const stack = (from: Addr, length: number): TakenFrame[] =>
      JSON.parse(decoder.decode(bytes.slice(from, from + length)));
    const state = Atomics.load(words, (note + Note.state) >>> 2);
    if (state === FREE) break;
    if (state !== READABLE) continue;
    const witnessed = Atomics.load(words, (note + Note.otherState) >>> 2) === READABLE;
    const us = (at(Note.microseconds) >>> 0) + at(Note.microseconds + 4) * 2 ** 32;
    found.push({
      addr: at(Note.addr),
      cpu: at(Note.cpu),
      kind: at(Note.kind),
      other: at(Note.other),
      otherKind: at(Note.otherKind),
      before: at(Note.before),
      value: at(Note.value),
      clock: at(Note.clock),
      known: at(Note.known),
      milliseconds: us / 1000,
      stack: stack(note + Note.texts, at(Note.length)),
      otherStack: witnessed ? stack(note + Note.texts + TEXT_BYTES, at(Note.otherLength)) : [],
    });
  }
  return found;
}

/** How many notes there are, some perhaps still being written. */
export function countNotes({ words }: Pick<Machine, 'words'>, handle: HbHandle): number {
  let count = 0;
  while (count < MAX_NOTES && Atomics.load(words, (noteAt(handle, count) + Note.state) >>> 2) !== FREE)
    count += 1;
  return count;
}

/** Writes notes on one CPU. */
class Notes {
  private readonly words: Int32Array<SharedArrayBuffer>;
  private readonly bytes: Uint8Array<SharedArrayBuffer>;
  private readonly handle: HbHandle;
  private readonly cpu: number;
  private readonly line: number;

  constructor(words: Int32Array<SharedArrayBuffer>, handle: HbHandle, cpu: number) {
    this.words = words;
    this.bytes = new Uint8Array(words.buffer);
    this.handle = handle;
    this.cpu = cpu;
    this.line = hbLine(handle, cpu) >>> 2;
  }

  /** An access races, with each of the others that these cells say. */
  found(addr: Addr, kind: number, cells: Addr, value: number): void {
    const { words, handle, cpu, line } = this;
    if (cells === 0) {
      this.witness(addr, kind);
      return;
    }
    for (let other = 0; other < handle.cpus; other += 1) {
      if (other === cpu) continue;
      for (let each = 0; each < 4; each += 1) {
        if ((CONFLICTS[kind]! & (1 << each)) === 0) continue;
        const clock = words[(cells >>> 2) + 4 * other + each]!;
        if (((words[line + other]! - clock) | 0) < 0) this.note(addr, kind, other, each, clock, value);
      }
    }
  }

  private note(
    addr: Addr,
    kind: number,
    other: number,
    otherKind: number,
    clock: number,
    value: number,
  ): void {
    const { words, handle, cpu } = this;
    const word = hbWord(handle, addr);
    for (let index = 0; index < MAX_NOTES; index += 1) {
      const note = noteAt(handle, index) >>> 2;
      const at = (offset: number): number => note + (offset >>> 2);
      const state = Atomics.load(words, note);
      if (state === WRITING) continue;
      if (state === READABLE) {
        if (hbWord(handle, words[at(Note.addr)]!) !== word) continue;
        const [mine, theirs] = [lane(words[at(Note.kind)]!), words[at(Note.otherKind)]!];
        if (mine === lane(kind) && theirs === otherKind) return;
        if (mine === otherKind && theirs === lane(kind)) return;
        continue;
      }
      if (Atomics.compareExchange(words, note, FREE, WRITING) !== FREE) continue;
      const now = Atomics.load(words, addr >>> 2);
      const us = performance.now() * 1000;
      // A read-modify-write is found when it is done, everything else before.
      const [before, after] = kind === 4 ? [value, now] : WRITES[kind] ? [now, value] : [now, now];
      words[at(Note.addr)] = addr;
      words[at(Note.cpu)] = cpu;
      words[at(Note.kind)] = kind;
      words[at(Note.other)] = other;
      words[at(Note.otherKind)] = otherKind;
      words[at(Note.before)] = before;
      words[at(Note.value)] = after;
      words[at(Note.clock)] = clock;
      words[at(Note.known)] = words[this.line + other]!;
      words[at(Note.microseconds)] = (us % 2 ** 32) | 0;
      words[at(Note.microseconds + 4)] = (us / 2 ** 32) | 0;
      words[at(Note.length)] = this.stack(noteAt(handle, index) + Note.texts);
      Atomics.store(words, note, READABLE);
      // It may write there at the same time, and take this back: then there is no second stack.
      words[(hbLine(handle, other) + HbLine.asked) >>> 2] = LOOKS;
      return;
    }
  }

  /** This CPU has been asked for stacks of accesses such as this one may be. */
  private witness(addr: Addr, kind: number): void {
    const { words, handle, cpu } = this;
    const word = hbWord(handle, addr);
    const asked = this.line + (HbLine.asked >>> 2);
    words[asked] = Math.max(0, words[asked]! - 1);
    for (let index = 0; index < MAX_NOTES; index += 1) {
      const base = noteAt(handle, index);
      const at = (offset: number): number => (base + offset) >>> 2;
      const state = Atomics.load(words, at(Note.state));
      if (state === FREE) return;
      if (state !== READABLE || hbWord(handle, words[at(Note.addr)]!) !== word) continue;
      if (words[at(Note.other)] !== cpu || words[at(Note.otherState)] !== FREE) continue;
      if (words[at(Note.otherKind)] !== lane(kind)) continue;
      words[at(Note.otherLength)] = this.stack(base + Note.texts + TEXT_BYTES);
      Atomics.store(words, at(Note.otherState), READABLE);
    }
  }

  /** Writes where this CPU stands. @returns bytes */
  private stack(to: Addr): number {
    const encoder = new TextEncoder();
    const all = frames(BELOW);
    for (let kept = Math.min(all.length, FRAMES); ; kept -= 1) {
      const encoded = encoder.encode(JSON.stringify(all.slice(0, kept)));
      if (encoded.length > TEXT_BYTES) continue;
      this.bytes.set(encoded, to);
      return encoded.length;
    }
  }
}

/** A watched CPU's side of it. */
export interface Watcher {
  /** Puts the detector over an engine. Until it is told to begin, what the CPU does to set itself up is not looked at. */
  wrap(to: Isa, words: Int32Array<SharedArrayBuffer>): Isa;
  /** Begins to look. */
  begin(): void;
  /** Begins to look, at what the CPU does with locks, too; before its operations are made. */
  follow(cpu: Cpu): void;
  /** By a CPU that all others wait for, and who knows of all that they have done. */
  rest(): void;
}

/** The detector of one CPU. @throws TypeError where the machine's memory is no WebAssembly.Memory */
export function watcher(machine: Machine, handle: HbHandle, id: number, module?: Uint8Array): Watcher {
  const { memory } = machine.handle;
  if (!isWasmMemory(memory)) throw new TypeError('races are watched for on a WebAssembly.Memory');
  let isa: HbIsa | undefined;
  return {
    wrap(to, words) {
      const notes = new Notes(words, handle, id);
      isa = new (handle.cpus <= 2 ? HbPairIsa : HbIsa)({
        to,
        memory,
        handle,
        cpu: id,
        onRace: (addr, kind, cells, value) => notes.found(addr, kind, cells, value),
        ...(module === undefined ? {} : { module }),
      });
      words[(hbLine(handle, id) + HbLine.benign) >>> 2] = 1;
      return isa;
    },
    begin: () => isa?.judge(),
    follow(cpu) {
      const { tracking } = cpu;
      isa?.judge();
      Object.assign(cpu, {
        tracking: {
          ...tracking,
          released(lock: Addr, mode: number) {
            // Of any lock: who waits for a grace period waits for read sections, and nobody else asks.
            if (mode === MODE_READ) isa?.readSectionEnds();
            return tracking.released(lock, mode);
          },
        },
      });
    },
    rest() {
      if (isRebaseDue(machine.words, handle, id)) rebase(machine.words, handle, id);
    },
  };
}
