/**
 * The machine's memory as executions see it: every word that one of them changes is put back before the next.
 *
 * An execution writes few words of a large memory, so the value of each is kept when it is first written (`epochs` has the number of the execution that last
 * wrote a word), and restoring costs what was dirtied, not what there is. Who holds the turn calls this, nobody else.
 *
 *   changes    counts writes that changed a word: CPUs that yielded wait for it
 */
import { cpuArea } from '../../../src/memory/index.ts';
import { type GateArea, Head, OWN_BYTES } from './layout.ts';

/** More words were written than an execution may. */
export class UndoLogFull extends Error {
  readonly code = 'EUNDOLOG';
  constructor(words: number) {
    super(`an execution wrote more than ${words} different words: make the episode smaller`);
    this.name = 'UndoLogFull';
  }
}

/** The undo log. */
export class Memory {
  readonly words: Int32Array<SharedArrayBuffer>;
  readonly epochs: Int32Array<SharedArrayBuffer>;
  /** Number of the execution at hand. */
  execution = 0;
  private readonly w: Int32Array<SharedArrayBuffer>;
  private readonly log: number;
  private readonly max: number;
  private readonly count: number;
  private readonly changes: number;
  private readonly idle: number;
  /** The CPUs' own areas, and what they were when everything was set up; views, since making one costs more than the copy. */
  private readonly areas: readonly Int32Array[];
  private readonly images: readonly Int32Array[];
  private readonly cpus: number;
  /** Where coverage keeps who wrote a word last; 0: nowhere. */
  private readonly touched: number;

  constructor(
    w: Int32Array<SharedArrayBuffer>,
    words: Int32Array<SharedArrayBuffer>,
    area: GateArea,
    cpus: number,
  ) {
    this.w = w;
    this.words = words;
    this.epochs = new Int32Array(w.buffer, area.epochs, words.length);
    this.log = area.undo >>> 2;
    this.max = area.maxUndo;
    this.count = (area.head + Head.undo) >>> 2;
    this.changes = (area.head + Head.changes) >>> 2;
    this.idle = (area.head + Head.idle) >>> 2;
    const view = (from: Int32Array, at: number): Int32Array => from.subarray(at, at + OWN_BYTES / 4);
    const each = Array.from({ length: cpus }, (_, cpu) => cpu);
    this.areas = each.map((cpu) => view(words, cpuArea(cpu) >>> 2));
    this.images = each.map((cpu) => view(w, (area.image + cpu * OWN_BYTES) >>> 2));
    this.cpus = cpus;
    this.touched = area.maxCoverage > 0 ? area.touched >>> 2 : 0;
  }

  /** Writes a word. @returns what it held */
  commit(index: number, value: number): number {
    const { words } = this;
    const before = words[index]!;
    if (this.epochs[index] !== this.execution) this.save(index, before);
    words[index] = value;
    if (before !== value) {
      this.w[this.changes]! += 1;
      this.w[this.idle] = 0;
    }
    return before;
  }

  /** Writes a word of the harness's own: no CPU waits for it. */
  scribble(index: number, value: number): void {
    if (this.epochs[index] !== this.execution) this.save(index, this.words[index]!);
    this.words[index] = value;
  }

  private save(index: number, before: number): void {
    const { w } = this;
    const at = w[this.count]!;
    if (at >= this.max) throw new UndoLogFull(this.max);
    w[this.log + 2 * at] = index;
    w[this.log + 2 * at + 1] = before;
    w[this.count] = at + 1;
    this.epochs[index] = this.execution;
  }

  /** Keeps the CPUs' own areas; once, when everything is set up. */
  keep(): void {
    for (let cpu = 0; cpu < this.cpus; cpu += 1) this.images[cpu]!.set(this.areas[cpu]!);
  }

  /** Puts everything back as it was before the execution. */
  restore(): void {
    const { w, words, log } = this;
    const { touched } = this;
    for (let at = w[this.count]! - 1; at >= 0; at -= 1) {
      const index = w[log + 2 * at]!;
      words[index] = w[log + 2 * at + 1]!;
      if (touched > 0) w[touched + index] = 0;
    }
    w[this.count] = 0;
    for (let cpu = 0; cpu < this.cpus; cpu += 1) this.areas[cpu]!.set(this.images[cpu]!);
  }
}
