/**
 * Walking through a recorded run: one command a line, one answer to each.
 *
 * A run is a function of its token, so it has been made before the first command is read: what looks like stepping is moving a place in its trace. Back is as easy as
 * forward, and nothing that is asked for can disturb the run. Places are those at which the columns have a line: accesses, lock events, waits and
 * wake-ups.
 *
 * This file answers commands; where lines come from, a terminal or a pipe, is the caller's.
 */
import { formatStack } from '../cpus/source-map.ts';
import { describe, matters } from '../explore/show.ts';
import { site } from '../explore/stacks.ts';
import { findWord, fullName, type Recording } from '../explore/tape.ts';
import { type Moment, momentAt, stateLines, waitLines, wordLines } from './moment.ts';

/** What `h` prints. */
export const HELP = [
  '  n, Enter  the next access            b  back one access',
  '  s         the next switch of CPUs    c  run to the end',
  '  p NAME    a word or a struct         p  all of them, buffered stores, who waits',
  '  w         who holds and waits        k  the stack of this access',
  '  h         this                       q  quit',
] as const;

/** Accesses that `s` and `c` show of what they pass. */
const PASSED = 30;

/** A walk through a recording. */
export class Stepper {
  private readonly recording: Recording;
  private readonly places: readonly number[];
  /** Index among the places of the last one that has happened; -1: the run has not begun. */
  private index = -1;
  /** Whether the end has been told. */
  private ended = false;

  /** @param start a place in the trace to begin after; before the first unless given */
  constructor(recording: Recording, start = -1) {
    this.recording = recording;
    this.places = matters(recording, Number.POSITIVE_INFINITY, undefined, true);
    this.index = this.places.findLastIndex((place) => place <= start);
  }

  /** What to say before the first command. */
  intro(): string[] {
    const { subject, trace } = this.recording;
    return [
      `  ${subject}: ${this.places.length} places to step through, of a trace of ${trace.length}; h shows the commands`,
      ...(this.index < 0 ? [] : [this.line(this.index)]),
    ];
  }

  /** What a terminal shows before a command. */
  get prompt(): string {
    return this.index < 0 ? 'start> ' : `#${this.places[this.index]}> `;
  }

  /**
   * Answers a command.
   * @returns lines, or undefined: the walk is over
   */
  async answer(command: string): Promise<string[] | undefined> {
    const [verb = '', ...rest] = command.trim().split(/\s+/);
    const name = rest.join(' ');
    switch (verb) {
      case '':
      case 'n':
        return this.forward((index) => index > this.index);
      case 's': {
        const { trace } = this.recording;
        const cpu = trace.cpu(this.places[Math.max(0, this.index)] ?? 0);
        return this.forward((index) => index > this.index && trace.cpu(this.places[index]!) !== cpu);
      }
      case 'c':
        return this.forward(() => false);
      case 'b':
        if (this.index < 0) return ['  the run has not begun'];
        this.index -= 1;
        return [this.index < 0 ? '  before the first access' : this.line(this.index)];
      case 'p':
        return name === '' ? stateLines(this.recording, this.moment()) : this.print(name);
      case 'w':
        return waitLines(this.recording, this.moment());
      case 'k':
        return this.stack();
      case 'h':
        return [...HELP];
      case 'q':
        return undefined;
      default:
        return [`  there is no command '${verb}': h shows which there are`];
    }
  }

  /** Whether it stands behind the last record, not the last access. */
  private get over(): boolean {
    return this.ended && this.index === this.places.length - 1;
  }

  private moment(): Moment {
    const { trace } = this.recording;
    if (this.over) return momentAt(this.recording, trace.length - 1);
    return momentAt(this.recording, this.index < 0 ? -1 : this.places[this.index]!);
  }

  /** Goes to the first place that will do, or to the end. */
  private forward(wanted: (index: number) => boolean): string[] {
    const { failure } = this.recording;
    const from = this.index + 1;
    if (this.over) return ['  the run has ended'];
    const found = this.places.findIndex((_, index) => wanted(index));
    const to = found < 0 ? this.places.length - 1 : found;
    const passed: string[] = [];
    const first = Math.max(from, to - PASSED + 1);
    if (first > from) passed.push(`  … ${first - from} more`);
    for (let index = first; index <= to; index += 1) passed.push(...this.failing(index), this.line(index));
    this.index = Math.max(this.index, to);
    if (found >= 0) return passed;
    this.ended = true;
    return [
      ...passed,
      ...this.failing(this.places.length),
      failure ? '  the run ends' : '  the run ends, without a failure',
    ];
  }

  /** The failure, if it was seen right before this place. */
  private failing(index: number): string[] {
    const { failure, failedAt } = this.recording;
    const before = this.places[index - 1] ?? -1;
    const here = this.places[index] ?? Number.POSITIVE_INFINITY;
    return failure && failedAt > before && failedAt <= here
      ? [`  !!! ${failure.oracle}: ${failure.text}`]
      : [];
  }

  private line(index: number): string {
    const { trace, name, stacks } = this.recording;
    const place = this.places[index]!;
    const [frame] = stacks.get(place) ?? [];
    const what = `${`#${place}`.padStart(6)}  CPU ${trace.cpu(place)}  ${describe(trace, place, name)}`;
    return frame ? `${what.padEnd(72)}  ${site(frame)}` : what;
  }

  private async print(text: string): Promise<string[]> {
    const { recording } = this;
    const moment = this.moment();
    const members = [...recording.words.values()].filter(
      ({ struct }) => struct === (text === 'lock' ? recording.subject : text),
    );
    if (members.length > 0) return wordLines(members, moment);
    try {
      const word = await findWord(recording, text);
      const value = moment.word(word.addr);
      return [
        `  ${fullName(word)} = ${value} (0x${(value >>> 0).toString(16)}) at 0x${word.addr.toString(16)}`,
      ];
    } catch (error) {
      return [`  ${(error as Error).message}`];
    }
  }

  private stack(): string[] {
    if (this.index < 0) return ['  the run has not begun'];
    const frames = this.recording.stacks.get(this.places[this.index]!);
    if (!frames || frames.length === 0)
      return ['  nobody made it: a store has reached memory, or the CPU was called'];
    return formatStack(frames).map((line) => `  ${line}`);
  }
}
