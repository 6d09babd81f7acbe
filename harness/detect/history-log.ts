/**
 * Recorded operations in shared memory: CPUs write them, whoever judges an execution reads them all.
 *
 *   word 0     the clock, where one word serves all CPUs
 *   sections   one a CPU, and a last one for what `init` records: words used, whether something did not fit, then records
 *   record     time of its call, time of its return, its result in two words, characters of the operation as JSON, two in a word
 *
 * A section has one writer. Times are numbers of events of one clock: they never tie. An operation whose return is 0 has not returned. One that has, and whose
 * stores still wait in a buffer, is `UNSEEN`: for others it is not over before they have reached memory (Burckhardt, Gotsman, Musuvathi and Yang
 * 2012), so its return is set when they have, or stands at the end.
 */
import type { Operation, RecordedOp, Result } from '../../src/model.ts';

const HEADER = 2;
const RECORD = 5;
/** `return`: returned, but not everything that it stored is to be seen. */
const UNSEEN = -1;
/** What the first word of a result says. */
const KIND = { none: 0, no: 1, yes: 2, integer: 3, text: 4 } as const;
/** Operations that were decoded are remembered. */
const REMEMBERED = 4096;

/** The CPU of operations that are recorded at rest: before all, by `init`, or after all, by `check`. */
export const AT_REST = -1;

/** What was recorded in one episode. */
export interface Recorded {
  readonly history: Operation<RecordedOp>[];
  /** Operations are missing: their section was full. */
  readonly full: boolean;
}

const decoded = new Map<string, RecordedOp>();

function opFrom(text: string): RecordedOp {
  const known = decoded.get(text);
  if (known) return known;
  if (decoded.size >= REMEMBERED) decoded.clear();
  const op = JSON.parse(text) as RecordedOp;
  decoded.set(text, op);
  return op;
}

/** Words of a log with sections of so many words. */
export const logWords = (cpus: number, section: number): number => 1 + (cpus + 1) * section;

/** The operations of one episode. */
export class HistoryLog {
  private readonly words: Int32Array;
  private readonly cpus: number;
  private readonly size: number;
  private readonly tick: () => number;
  private first: number;

  /**
   * @param first index of the log's first word
   * @param size words of a section
   * @param tick the next number of the clock, from 1
   */
  constructor(words: Int32Array, first: number, cpus: number, size: number, tick: () => number) {
    this.words = words;
    this.first = first;
    this.cpus = cpus;
    this.size = size;
    this.tick = tick;
  }

  /** Moves to another episode's log. */
  moveTo(first: number): void {
    this.first = first;
  }

  /** Index of the section of a CPU; `cpus` is that of `init`. */
  private section(cpu: number): number {
    return this.first + 1 + cpu * this.size;
  }

  /** Forgets what a section holds. */
  clear(cpu: number): void {
    this.words.fill(0, this.section(cpu), this.section(cpu) + HEADER);
  }

  /** An operation is called. @returns its record, or -1: it does not fit */
  call(cpu: number, op: RecordedOp): number {
    const text = JSON.stringify(op);
    const record = this.take(cpu, RECORD + ((text.length + 1) >> 1));
    if (record < 0) return -1;
    this.words.fill(0, record, record + RECORD - 1);
    this.words[record + 4] = text.length;
    this.putText(record + RECORD, text);
    return record;
  }

  /** It begins to act on shared memory. */
  began(record: number): void {
    if (record >= 0 && this.words[record] === 0) this.words[record] = this.tick();
  }

  /** It has returned. @param seen whether all that it stored has reached memory */
  returned(cpu: number, record: number, result: Result, seen: boolean): void {
    if (record < 0) return;
    const { words } = this;
    // It has made no access.
    if (words[record] === 0) words[record] = this.tick();
    words[record + 1] = seen ? this.tick() : UNSEEN;
    if (typeof result === 'boolean') words[record + 2] = result ? KIND.yes : KIND.no;
    else if (typeof result === 'number' && (result | 0) === result) {
      words[record + 2] = KIND.integer;
      words[record + 3] = result;
    } else if (result !== undefined) {
      const text = typeof result === 'string' ? `"${result}` : String(result);
      const at = this.take(cpu, 1 + ((text.length + 1) >> 1));
      // What it returned is not known then: as if it had not.
      if (at < 0) words[record + 1] = 0;
      else {
        words[record + 2] = KIND.text;
        words[record + 3] = at - this.first;
        words[at] = -1 - text.length;
        this.putText(at + 1, text);
      }
    }
  }

  /** All stores of a CPU have reached memory. */
  settle(cpu: number): void {
    let time = 0;
    this.each(cpu, (record) => {
      if (this.words[record + 1] !== UNSEEN) return;
      time = time || this.tick();
      this.words[record + 1] = time;
    });
  }

  /** All that was recorded, as bytes: histories with equal keys are equal. */
  key(): string {
    const { words, cpus } = this;
    let key = '';
    for (let cpu = 0; cpu <= cpus; cpu += 1) {
      const section = this.section(cpu);
      const bytes = 4 * (HEADER + words[section]!);
      key += Buffer.from(words.buffer, words.byteOffset + 4 * section, bytes).toString('latin1');
    }
    return key;
  }

  /** Everything that was recorded, with `rest` after it: what the judge has recorded at the end. */
  read(rest: readonly Pick<Operation<RecordedOp>, 'op' | 'result'>[] = []): Recorded {
    const { words, cpus } = this;
    const before = this.operations(cpus);
    const end = this.tick();
    const history: Operation<RecordedOp>[] = before.map((operation, at) => ({
      ...operation,
      cpu: AT_REST,
      call: 2 * (at - before.length),
      return: operation.return === Number.POSITIVE_INFINITY ? operation.return : 2 * (at - before.length) + 1,
    }));
    let full = false;
    for (let cpu = 0; cpu <= cpus; cpu += 1) {
      if (cpu < cpus) history.push(...this.operations(cpu, end));
      if (words[this.section(cpu) + 1] !== 0) full = true;
    }
    rest.forEach(({ op, result }, at) => {
      history.push({ cpu: AT_REST, op, call: end + 1 + 2 * at, return: end + 2 + 2 * at, result });
    });
    return { history, full };
  }

  private operations(cpu: number, end = 1): Operation<RecordedOp>[] {
    const { words } = this;
    const all: Operation<RecordedOp>[] = [];
    this.each(cpu, (record, length) => {
      const returned = words[record + 1]!;
      all.push({
        cpu,
        op: opFrom(this.getText(record + RECORD, length)),
        // Called, and nothing done before it was given up.
        call: words[record] === 0 ? end : words[record]!,
        return: returned === UNSEEN ? end : returned === 0 ? Number.POSITIVE_INFINITY : returned,
        result: this.result(record),
      });
    });
    return all;
  }

  private result(record: number): Result {
    const { words } = this;
    const value = words[record + 3]!;
    switch (words[record + 2]) {
      case KIND.no:
        return false;
      case KIND.yes:
        return true;
      case KIND.integer:
        return value;
      case KIND.text: {
        const text = this.getText(this.first + value + 1, -1 - words[this.first + value]!);
        return text.startsWith('"') ? text.slice(1) : Number(text);
      }
      default:
        return undefined;
    }
  }

  /** Calls back for each record of a section. */
  private each(cpu: number, visit: (record: number, length: number) => void): void {
    const { words } = this;
    const section = this.section(cpu);
    const end = section + HEADER + words[section]!;
    for (let at = section + HEADER; at < end; ) {
      // A result that is a text stands between records: its length is negative, and in the first word.
      const first = words[at]!;
      if (first < 0) {
        at += 1 + (-first >> 1);
        continue;
      }
      const length = words[at + 4]!;
      visit(at, length);
      at += RECORD + ((length + 1) >> 1);
    }
  }

  private take(cpu: number, count: number): number {
    const { words } = this;
    const section = this.section(cpu);
    const used = words[section]!;
    if (HEADER + used + count > this.size) {
      words[section + 1] = 1;
      return -1;
    }
    words[section] = used + count;
    return section + HEADER + used;
  }

  private putText(at: number, text: string): void {
    for (let i = 0; i < text.length; i += 2)
      this.words[at + (i >> 1)] = text.charCodeAt(i) | ((text.charCodeAt(i + 1) || 0) << 16);
  }

  private getText(at: number, length: number): string {
    const units: number[] = [];
    for (let i = 0; i < length; i += 1) units.push((this.words[at + (i >> 1)]! >>> (16 * (i & 1))) & 0xffff);
    return String.fromCharCode(...units);
  }
}
