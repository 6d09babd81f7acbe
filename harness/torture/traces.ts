/**
 * Tracing a torture run: the rings of its CPUs, which words the delays aim at, and what is cut out of the rings as evidence.
 *
 * The CPU that notes the first violation keeps the last records of all CPUs; a run that is stuck is read when it has been found so. What the harness does for itself
 * is left out. With an exact order the records of all CPUs are one interleaving; without it each CPU's are in order, and nothing is said about the others.
 */

import type { Machine } from '../../src/memory/index.ts';
import { OP, type Trace } from '../engines/trace.ts';
import type { Chaos } from '../engines/traced/chaos.ts';
import type { Tracing } from '../engines/traced/cpu.ts';
import { OrderError, reconstruct } from '../engines/traced/reconstruct.ts';
import { conflicts, type RingRecord, Rings, traceFrom, traceMemory } from '../engines/traced/ring.ts';
import { columnsOf, describe, matters } from '../explore/show.ts';
import type { TortureParams } from './params.ts';
import { isOwn, type Place, placeOf } from './places.ts';
import { namer } from './result.ts';
import type { Tortured, TortureSetup } from './setup.ts';

/** A word that CPUs were in conflict about near the failure. */
export interface ConflictReport {
  readonly word: string;
  readonly place: Place;
  /** Records of accesses to it. */
  readonly accesses: number;
}

/** What the rings have to say about a failure. */
export interface TraceReport {
  /** Whether the lines are in the order in which accesses were made, those of all CPUs. */
  readonly ordered: boolean;
  /** Records that they were cut out of. */
  readonly records: number;
  /** A column a CPU. */
  readonly lines: readonly string[];
  /** The most accessed first. */
  readonly conflicts: readonly ConflictReport[];
}

/** Lines of evidence. */
const SHOWN = 24;
/** Records of each CPU that are looked at for evidence. */
const NEAR = 400;
const CONFLICTS = 48;
const AIM_EVERY = 200;
const DULL = new Set([OP.acquiring, OP.gaveUp, OP.queued, OP.wake]);

/** The rings of a run. */
export class Traces {
  readonly tracing: Tracing;
  private readonly rings: Rings;
  private readonly aims: boolean;
  private aimedAt = 0;

  private constructor(tracing: Tracing, chaos: Chaos) {
    this.tracing = tracing;
    this.rings = new Rings(tracing.handle);
    this.aims = chaos === 'targeted';
  }

  /** Rings as the parameters want them; undefined when they want none. */
  static of({ trace, chaos, chaosOneIn, cpus, seed }: TortureParams): Traces | undefined {
    if (trace === 'off' && chaos === 'none') return undefined;
    const handle = traceMemory(cpus, trace === 'order');
    return new Traces({ handle, chaos: { chaos, seed, oneIn: chaosOneIn } }, chaos);
  }

  private records(setup: TortureSetup): RingRecord[][] {
    return Array.from({ length: this.tracing.handle.cpus }, (_, cpu) =>
      this.rings.records(cpu).filter(({ addr }) => !isOwn(setup, addr)),
    );
  }

  /** Aims the delays at the words that CPUs are in conflict about, now and then. */
  tick(setup: TortureSetup, now: number): void {
    if (!this.aims || now - this.aimedAt < (this.aimedAt === 0 ? AIM_EVERY / 4 : AIM_EVERY)) return;
    this.aimedAt = now;
    this.rings.aim(conflicts(this.records(setup).flat()).map(({ addr }) => addr));
  }

  /** The evidence of a failure. */
  report(machine: Machine, setup: TortureSetup, definition: Tortured): TraceReport {
    const name = namer(machine, setup, definition);
    const each = this.records(setup).map((records) => records.slice(-NEAR));
    const order = this.tracing.handle.ordered ? ordering(each) : undefined;
    const found = conflicts(each.flat()).slice(0, CONFLICTS);
    return {
      ordered: order !== undefined,
      records: each.reduce((sum, records) => sum + records.length, 0),
      lines: order ? interleaving(traceFrom(order), each.length, name) : sideBySide(each, name),
      conflicts: found.flatMap(({ addr, accesses }) => {
        const place = placeOf(setup, addr);
        return place ? [{ word: name(addr), place, accesses }] : [];
      }),
    };
  }
}

/** The merge; none where a CPU was ended in the middle of a record. */
function ordering(each: readonly (readonly RingRecord[])[]): RingRecord[] | undefined {
  try {
    return reconstruct(each);
  } catch (error) {
    if (error instanceof OrderError) return undefined;
    throw error;
  }
}

function interleaving(trace: Trace, cpus: number, name: (addr: number) => string): string[] {
  return columnsOf({ trace, cpus, name }, matters({ trace }, SHOWN));
}

/** The last records of each CPU beside each other: level lines have no order between them. */
function sideBySide(each: readonly (readonly RingRecord[])[], name: (addr: number) => string): string[] {
  const cells = each.map((records) => {
    const telling = records.filter(({ op }) => !DULL.has(op)).slice(-SHOWN);
    const trace = traceFrom(telling);
    return telling.map((_, at) => describe(trace, at, name, false));
  });
  const rows = Math.max(0, ...cells.map(({ length }) => length));
  const widths = cells.map((texts) => Math.max(6, ...texts.map(({ length }) => length)));
  const row = (texts: readonly string[]): string =>
    `  ${texts
      .map((text, cpu) => text.padEnd(widths[cpu]!))
      .join('  ')
      .trimEnd()}`;
  return [
    row(cells.map((_, cpu) => `CPU ${cpu}`)),
    ...Array.from({ length: rows }, (_, at) =>
      row(cells.map((texts) => texts[at - rows + texts.length] ?? '')),
    ),
  ];
}
