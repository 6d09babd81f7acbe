/**
 * Lock statistics as results: what the CPUs of a run have counted so far, added up. Reading takes part in nothing, so it can be done at any time, from any thread
 * that has the handle.
 *
 *     const handle = statMemory({ cpus: 2, bytes: machine.words.byteLength });     // once, on the main thread
 *     statCpu(handle, cpu, { classOf: () => 'my-lock' });                          // on each CPU, before its locks are made
 *     const ops = track('mutex', cpu, myLock.create(cpu.isa, cpu));                // what tracking wraps is seen
 *     readStat(handle);                                                            // whenever one likes
 */
import type { Addr } from '../../src/arch/index.ts';
import { mapFrames, shortPath } from '../cpus/source-map.ts';
import { Merged } from './histogram.ts';
import type { ContentionPoint, LockClassStats, LockMode, Span } from './schema.ts';
import {
  BlockField,
  ClassField,
  HOLD,
  MATRIX,
  MATRIX_COLUMNS,
  MODE_NUMBERS,
  Registry,
  StatArea,
  type StatHandle,
  WAIT,
} from './stat-area.ts';
import { fromKey, HOLDER, WAITER } from './stat-points.ts';

export { type StatHandle, type StatOptions, statMemory } from './stat-area.ts';
export { type StatCpuOptions, statCpu } from './stat-cpu.ts';

const FRAME = /^at (?:(.*) \()?(.*?):(\d+):(\d+)\)?$/;

/** Lines of a stack as they are shown, innermost first: `take (src/mm/sections.ts:107) from munmap (src/mm/munmap.ts:42)`. */
export function placeFrom(lines: string): string {
  return lines.split('\n').map(frameFrom).join(' from ');
}

function frameFrom(line: string): string {
  const [, name = '', url = '', at, column] = FRAME.exec(line) ?? [];
  if (at === undefined) return line.replace(/^at /, '') || 'unknown';
  const file = url.startsWith('file:') ? decodeURIComponent(new URL(url).pathname) : url;
  const functionName = name.replace(/^(?:async |new )?(?:Object|Module)\./, '').replace(/ \[as .*\]$/, '');
  const [frame] = mapFrames([{ functionName, file, line: Number(at), column: Number(column) }]);
  const place = `${shortPath(frame!.file)}:${frame!.line}`;
  return functionName === '' || functionName === '<anonymous>' ? place : `${functionName} (${place})`;
}

/** Counts by place, most frequent first. */
function pointsFrom(counts: ReadonlyMap<string, number>): ContentionPoint[] {
  return [...counts].map(([place, count]) => ({ place, count })).sort((a, b) => b.count - a.count);
}

function addPoints(area: StatArea, offset: number, role: number): ContentionPoint[] {
  const counts = new Map<string, number>();
  const { numbers, handle } = area;
  for (let cpu = 0; cpu < handle.cpus; cpu += 1) {
    const rows = numbers[area.block(cpu) + BlockField.rows]!;
    for (let row = 0; row < rows; row += 1) {
      const at = area.points(cpu) + 2 * row;
      const key = fromKey(numbers[at]!);
      if (key.offset !== offset || key.role !== role) continue;
      const place = placeFrom(area.place(key.place));
      counts.set(place, (counts.get(place) ?? 0) + numbers[at + 1]!);
    }
  }
  return pointsFrom(counts);
}

function classStats(area: StatArea, name: string, number: number, mode: LockMode): LockClassStats {
  const { numbers, handle } = area;
  const read = mode === 'read';
  const offset = area.offset(number) + (read ? MODE_NUMBERS : 0);
  const cpus = Array.from({ length: handle.cpus }, (_, cpu) => area.block(cpu) + offset);
  const sum = (field: number): number => cpus.reduce((total, at) => total + numbers[at + field]!, 0);
  const merged = (part: number): Merged => {
    const all = new Merged();
    for (const at of cpus) all.add(numbers, at + part);
    return all;
  };
  const columns = Math.min(handle.cpus, MATRIX_COLUMNS - 1) + 1;
  const byCpu = cpus.map((_at, cpu) => area.acquisitions(cpu, number, read));
  const acquisitions = byCpu.reduce((total, each) => total + each, 0);
  // What CPUs leave for later; of two CPUs, that it was after the other one is known.
  const later = cpus.map((_at, cpu) => area.passedOn(cpu, number, read));
  const left = later.reduce((total, each) => total + each, 0);
  const contentions = sum(ClassField.contentions) + left;
  const waiters = addPoints(area, offset, WAITER);
  const looks = waiters.reduce((total, { count }) => total + count, 0);
  return {
    name,
    mode,
    acquisitions,
    contentions,
    acquisitionBounces: sum(ClassField.acquisitionBounces) + left,
    contentionBounces: sum(ClassField.contentionBounces) + left,
    tryFailures: sum(ClassField.tryFailures),
    byCpu,
    wait: merged(WAIT).times(contentions),
    hold: merged(HOLD).times(acquisitions),
    matrix: cpus.map((at, cpu) => {
      const row = Array.from(numbers.slice(at + MATRIX, at + MATRIX + columns));
      row[handle.cpus === 2 ? 1 - cpu : columns - 1]! += later[cpu]!;
      return row;
    }),
    points: {
      every: looks === 0 ? 0 : contentions / looks,
      waiters,
      holders: addPoints(area, offset, HOLDER),
    },
  };
}

/**
 * The statistics so far: a row for each class and mode that was used, those with most contentions first, as in /proc/lock_stat.
 */
export function readStat(handle: StatHandle): LockClassStats[] {
  const area = new StatArea(handle);
  return area
    .classNames()
    .flatMap((name, index) => [
      classStats(area, name, index + 1, 'write'),
      classStats(area, name, index + 1, 'read'),
    ])
    .filter(({ acquisitions, tryFailures = 0 }) => acquisitions > 0 || tryFailures > 0)
    .sort((a, b) => b.contentions - a.contentions || b.acquisitions - a.acquisitions);
}

/** Begins a window in which every acquisition is timed and kept; CPUs that take a lock notice within some microseconds. @returns when, in ns */
export function openWindow(handle: StatHandle): number {
  const area = new StatArea(handle);
  Atomics.add(area.control, area.registry(Registry.window), 1);
  return performance.now() * 1e6;
}

/** Ends it. @returns when, in ns */
export function closeWindow(handle: StatHandle): number {
  const area = new StatArea(handle);
  Atomics.store(area.control, area.registry(Registry.window), 0);
  return performance.now() * 1e6;
}

/** What happened in a window; after it was closed. */
export interface Window {
  readonly nanoseconds: number;
  readonly spans: readonly Span[];
  readonly lost: number;
}

/**
 * Reads a window.
 * @param nameOf names a lock; class and address unless given
 */
export function readWindow(
  handle: StatHandle,
  { from, to }: { from: number; to: number },
  nameOf: (lock: Addr, className: string) => string = (lock, name) => `${name} 0x${lock.toString(16)}`,
): Window {
  const area = new StatArea(handle);
  const { numbers } = area;
  const names = area.classNames();
  const spans: Span[] = [];
  let lost = 0;
  const within = (time: number): number => Math.min(to, Math.max(from, time)) - from;
  for (let cpu = 0; cpu < handle.cpus; cpu += 1) {
    const block = area.block(cpu);
    lost += numbers[block + BlockField.lost]!;
    for (let index = 0; index < numbers[block + BlockField.spans]!; index += 1) {
      const [offset, lock, wanted, had, gave] = numbers.slice(
        area.span(cpu, index),
        area.span(cpu, index) + 5,
      );
      if (gave! < from || wanted! > to) continue;
      const { number, read } = area.atOffset(offset!);
      spans.push({
        cpu,
        lock: nameOf(lock!, names[number - 1] ?? ''),
        mode: read ? 'read' : 'write',
        wanted: within(wanted!),
        had: within(had!),
        gave: within(gave!),
      });
    }
  }
  spans.sort((a, b) => a.wanted - b.wanted);
  return { nanoseconds: to - from, spans, lost };
}
