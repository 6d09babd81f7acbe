/**
 * The failing interleaving as text: one column a CPU, one line an access, from top to bottom as it happened.
 *
 * Of an execution only few accesses matter: those to words that two CPUs share and one of them writes, near a switch from one CPU to another, and what each CPU
 * did last. The others are left out, and a line says how many.
 */

import { WAIT_WOKEN } from '../../src/arch/index.ts';
import { OP, OPERATIONS, type Trace } from '../engines/trace.ts';
import { namer } from '../torture/result.ts';
import type { Execution, Exploration } from './exploration.ts';

const LOCK_EVENTS = new Set([OP.acquired, OP.released, OP.blocked]);
const SILENT = new Set([OP.begin, OP.end, OP.acquiring, OP.gaveUp, OP.queued]);

/** Words that more than one CPU accesses, and one writes. */
function shared(trace: Trace): Set<number> {
  const readers = new Map<number, number>();
  const written = new Set<number>();
  for (let at = 0; at < trace.length; at += 1) {
    const { reads, writes } = OPERATIONS[trace.op(at)]!;
    if (!reads && !writes) continue;
    const addr = trace.addr(at);
    readers.set(addr, (readers.get(addr) ?? 0) | (1 << trace.cpu(at)));
    if (writes) written.add(addr);
  }
  return new Set(
    [...written].filter((addr) => ((readers.get(addr) ?? 0) & ((readers.get(addr) ?? 0) - 1)) !== 0),
  );
}

/**
 * The places of a trace that matter.
 * @param most lines at most
 * @param end only places before this one
 * @param every fences and accesses to words that only one CPU knows among them
 */
export function matters(
  { trace }: Pick<Execution, 'trace'>,
  most: number,
  end = trace.length,
  every = false,
): number[] {
  const words = shared(trace);
  const all: number[] = [];
  for (let at = 0; at < end; at += 1) {
    const op = trace.op(at);
    if (SILENT.has(op)) continue;
    const { reads, writes, fence } = OPERATIONS[op]!;
    if (LOCK_EVENTS.has(op) || op === OP.drain || op === OP.notify || op === OP.waitEnd) all.push(at);
    else if (every && fence) all.push(at);
    else if ((reads || writes) && (every || words.has(trace.addr(at)))) all.push(at);
  }
  // No word is shared: what was done last is all that there is to see.
  if (all.length === 0 && !every && end === trace.length)
    return matters({ trace }, end, end, true).slice(-most);
  if (all.length <= most) return all;
  // Nearest to a change of CPU first; the end of the trace counts as one.
  const distance = all.map((at, place) => {
    for (let away = 0; ; away += 1) {
      const before = all[place - away];
      const after = all[place + away + 1];
      if (after === undefined) return away;
      if (trace.cpu(all[place + away]!) !== trace.cpu(after)) return away;
      if (before !== undefined && away > 0 && trace.cpu(before) !== trace.cpu(at)) return away - 1;
    }
  });
  const ranked = all.map((at, place) => ({ at, far: distance[place]! }));
  ranked.sort((a, b) => a.far - b.far || b.at - a.at);
  return ranked
    .slice(0, most)
    .map(({ at }) => at)
    .sort((a, b) => a - b);
}

/** One record in words. */
export function describe(
  trace: Trace,
  at: number,
  name: (addr: number) => string,
  knowsBefore = true,
): string {
  const event = trace.event(at);
  const { name: op, writes, reads, fence } = OPERATIONS[event.op]!;
  const word = name(event.addr);
  if (event.op === OP.acquired) return `[has ${word}${event.value === 2 ? ' to read' : ''}]`;
  if (event.op === OP.released) return `[gives ${word} back]`;
  if (event.op === OP.blocked) return `blocks: ${word} is ${event.value}`;
  if (event.op === OP.waitEnd) {
    if (event.value > 0) return `woken by CPU ${event.value - 1}`;
    return event.before === WAIT_WOKEN ? 'wait ends, woken by nobody' : 'wait ends, timed out';
  }
  if (event.op === OP.notify) return `notify ${word} (woke ${event.value})`;
  if (event.op === OP.drain) return `${word}: ${event.before} → ${event.value} reaches memory`;
  if (fence) return op;
  if (writes && reads) return `${op} ${word}: ${event.before} → ${event.value}`;
  if (writes && !knowsBefore) return `${op} ${word} ← ${event.value}`;
  if (writes) return `${op} ${word}: ${event.before} → ${event.value}`;
  return `${op} ${word} = ${event.value}`;
}

/** What is needed to show a run. */
export interface Shown {
  readonly trace: Trace;
  readonly cpus: number;
  readonly name: (addr: number) => string;
}

/**
 * These places of a run in columns.
 * @param numbered with each place's number before it
 * @returns lines
 */
export function columnsOf(
  { trace, cpus, name }: Shown,
  places: readonly number[],
  numbered = false,
): string[] {
  const cells = places.map((at) => ({ at, cpu: trace.cpu(at), text: describe(trace, at, name) }));
  const margin = numbered ? String(places.at(-1) ?? 0).length + 1 : 0;
  const before = (at?: number): string =>
    `  ${numbered ? `${(at === undefined ? '' : `#${at}`).padStart(margin)}  ` : ''}`;
  const widths = Array.from({ length: cpus }, (_, cpu) =>
    Math.max(6, ...cells.filter((cell) => cell.cpu === cpu).map(({ text }) => text.length)),
  );
  const row = (cells: readonly string[]): string =>
    widths
      .map((width, column) => (cells[column] ?? '').padEnd(width))
      .join('  ')
      .trimEnd();
  const lines = [`${before()}${row(widths.map((_, cpu) => `CPU ${cpu}`))}`];
  let last = -1;
  for (const { at, cpu, text } of cells) {
    let skipped = 0;
    for (let between = last + 1; between < at; between += 1) {
      const { reads, writes } = OPERATIONS[trace.op(between)]!;
      if (reads || writes) skipped += 1;
    }
    if (skipped > 0) lines.push(`${before()}… ${skipped} more`);
    lines.push(`${before(at)}${row(widths.map((_, column) => (column === cpu ? text : '')))}`);
    last = at;
  }
  return lines;
}

/** The interleaving in columns. @returns lines */
export function columns(exploration: Exploration, execution: Execution, most = 15): string[] {
  const { machine, setup, subject, cpus } = exploration;
  const { trace } = execution;
  const name = namer(machine, setup, subject);
  return columnsOf({ trace, cpus, name }, matters(execution, most));
}
