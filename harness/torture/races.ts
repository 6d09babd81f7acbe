/**
 * Data races of a torture run: what its CPUs have noted, with names and places in the source, less what is suppressed.
 *
 * The CPU that comes second finds a race, and its stack is that of the access. Of the first there is an epoch, and a stack only if it has made such an access once more;
 * both are said as what they are. `--reproduce` finds a schedule in which both sides have stacks and an order.
 */
import type { Addr } from '../../src/arch/index.ts';
import { CPU_AREA_BYTES, CpuArea, cpuArea, type Machine } from '../../src/memory/index.ts';
import type { Finding } from '../detect/index.ts';
import { countNotes, HB_KINDS, type RaceNote, readNotes, WRITES } from '../engines/traced/hb.ts';
import { type HbHandle, hbWord } from '../engines/traced/hb-layout.ts';
import { framesOf, stackLines } from '../explore/stacks.ts';
import { type Suppression, suppresses, wordNames } from '../explore/suppress.ts';
import { isOwn, type Place, placeOf } from './places.ts';
import { namer, type Violation } from './result.ts';
import type { Tortured, TortureSetup } from './setup.ts';

/** One race: a word, and two kinds of access to it. */
export interface RaceReport {
  /** As one of the violations of the run. */
  readonly violation: Violation;
  readonly afterMs: number;
  /** What the word is of; undefined: of nothing that another machine has, too. */
  readonly place: Place | undefined;
  /** Both sides, the one that was found first, and how the word changed. */
  readonly lines: readonly string[];
}

/** What races are read with. */
export interface RaceWatchOptions {
  readonly machine: Machine;
  readonly setup: TortureSetup;
  readonly watched: HbHandle;
  readonly definition: Tortured;
  readonly suppress: readonly Suppression[];
}

/** The races of one run. */
export class RaceWatch {
  private readonly options: RaceWatchOptions;
  private readonly used = new Set<Suppression>();
  private seen = 0;
  private hidden = 0;
  private found: RaceReport[] = [];

  constructor(options: RaceWatchOptions) {
    this.options = options;
  }

  /**
   * All races so far that are not suppressed, the first found first.
   * @param last whether the CPUs have stopped: then stacks that came later are there, too
   */
  look(startedAt: number, last = false): readonly RaceReport[] {
    const { machine, watched } = this.options;
    const count = countNotes(machine, watched);
    if (count === this.seen && !last) return this.found;
    this.seen = count;
    this.hidden = 0;
    const by = new Map<string, RaceReport>();
    for (const note of readNotes(machine, watched)) {
      if (this.isHarness(note.addr)) continue;
      const report = this.report(note, startedAt);
      if (!report) {
        this.hidden += 1;
        continue;
      }
      // Each side may have found it.
      const key = `${report.violation.word} ${[Math.min(note.kind, 3), note.otherKind].sort().join(' ')}`;
      const known = by.get(key);
      if (!known || known.lines.length < report.lines.length) by.set(key, report);
    }
    this.found = [...by.values()].sort((one, other) => one.afterMs - other.afterMs);
    return this.found;
  }

  /** What is to be said of suppressions. */
  notes(): string[] {
    const { suppress } = this.options;
    const hidden = this.hidden === 0 ? [] : [`races that are suppressed were found ${this.hidden} times`];
    const unused = suppress.filter((each) => !this.used.has(each));
    return [
      ...hidden,
      ...unused.map(({ pattern, line }) => `the suppression '${pattern}' (line ${line}) has matched nothing`),
    ];
  }

  /** What the harness keeps for itself: its counters, and what a CPU's area says of the CPU. Nodes of locks are none of that. */
  private isHarness(addr: Addr): boolean {
    const { setup } = this.options;
    const first = cpuArea(0);
    if (addr < first) return true;
    if (addr < cpuArea(setup.params.cpus)) return (addr - first) % CPU_AREA_BYTES < CpuArea.nodes;
    return isOwn(setup, addr);
  }

  private report(note: RaceNote, startedAt: number): RaceReport | undefined {
    const { machine, setup, definition, suppress } = this.options;
    const addr = hbWord(this.options.watched, note.addr);
    const word = namer(machine, setup, definition)(addr);
    const { cpu, other, kind, otherKind, before, value, clock, known } = note;
    const [mine, theirs] = [HB_KINDS[kind]!, HB_KINDS[otherKind]!];
    const stacks = new Map(
      [note.stack, note.otherStack].map((taken, at) => [
        at,
        framesOf(taken).filter(({ internal }) => !internal),
      ]),
    );
    const text = `data race on ${word}: nothing orders a ${theirs} by CPU ${other} and a ${mine} by CPU ${cpu}`;
    const at = [
      { at: 0, cpu },
      { at: 1, cpu: other },
    ];
    const finding: Finding = { detector: 'races', key: word, text, details: [], at, addresses: [addr] };
    const names = wordNames(word, setup.subject.name, definition.layout);
    const by = suppress.find((each) => suppresses(each, finding, names, stacks));
    if (by) {
      this.used.add(by);
      return undefined;
    }
    const afterMs = note.milliseconds - startedAt;
    const saw = WRITES[kind] ? '' : `, which saw ${value}`;
    const again = stacks.get(1)!.length > 0 ? '; it was made again here:' : '; where is not known';
    return {
      afterMs,
      place: placeOf(setup, addr),
      lines: [
        `${mine} by CPU ${cpu}${saw}, which found it:`,
        ...stackLines(stacks.get(0)),
        `${theirs} by CPU ${other} in its epoch ${clock >>> 0}, of which CPU ${cpu} knew ${known >>> 0}${again}`,
        ...stackLines(stacks.get(1)),
        ...(WRITES[kind] ? [`value changed by CPU ${cpu}: ${before} -> ${value}`] : []),
      ],
      violation: {
        oracle: 'race',
        text,
        cpu,
        other,
        word,
        expected: before,
        got: value,
        round: 0,
        afterMs,
        lock: '',
      },
    };
  }
}
