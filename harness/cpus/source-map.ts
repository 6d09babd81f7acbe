/**
 * Stack frames of running code, put back to the files that people wrote.
 *
 * A thread's frames name what it executes: dist/*.js, or a plugin's bundle in a temporary folder. Both carry a source map, a
 * file beside them or a data URL on their last line, in the last `sourceMappingURL` comment (as in V8, the last one counts).
 * A frame without a map, or at a place the map does not know, stays as it is; that also makes mapping a mapped frame harmless.
 * Maps are read once a process: what a thread executes does not change when the file does.
 */
import { readFileSync } from 'node:fs';
import { isAbsolute, relative, sep } from 'node:path';
import { fileURLToPath, pathToFileURL } from 'node:url';
import type { originalPositionFor, TraceMap } from '@jridgewell/trace-mapping';
import { PACKAGE_ROOT } from '../package.ts';
import { mapping } from '../plugin/mapping.ts';

/** One call on a thread's stack. */
export interface StackFrame {
  /** Name of the function; empty for an anonymous function and for the body of a script. */
  functionName: string;
  /** Absolute path, or a URL where there is no file; empty for code that came as text: `eval`, data URLs. */
  file: string;
  /** From 1. WebAssembly has no lines: always 1. */
  line: number;
  /** From 1. In WebAssembly the offset in the module, in bytes from 0. */
  column: number;
  /** The frame lies inside Node or in WebAssembly: it has no source to show. */
  internal?: boolean;
}

const COMMENT = /^[ \t]*\/\/[#@][ \t]*sourceMappingURL=(\S+)[ \t]*$/gm;

const maps = new Map<string, TraceMap | undefined>();

/**
 * Maps frames to the sources they were compiled from, and marks those that have none.
 *
 * @param frames - innermost first, as they were taken
 * @returns as many frames in the same order
 */
export function mapFrames(frames: readonly StackFrame[]): StackFrame[] {
  return frames.map(mapFrame);
}

/**
 * Writes a stack, one line a frame: `at acquire (src/locking/ticket.ts:31:9)`.
 *
 * @param frames - innermost first
 * @param options - `limit`: how many frames to show at most, from the innermost; 20 unless given
 * @returns the lines, without indentation, with paths relative to the current folder when they are below it
 */
export function formatStack(
  frames: readonly StackFrame[],
  { limit = 20 }: { limit?: number } = {},
): string[] {
  const lines = frames.slice(0, limit).map((frame) => {
    const place = `${shortPath(frame.file)}:${position(frame)}`;
    return frame.functionName === '' ? `at ${place}` : `at ${frame.functionName} (${place})`;
  });
  const left = frames.length - lines.length;
  if (left > 0) lines.push(`... ${left} more ${left === 1 ? 'frame' : 'frames'}`);
  return lines;
}

const isWasm = (file: string) => file.startsWith('wasm:');

function position({ file, line, column }: StackFrame): string {
  return isWasm(file) ? `0x${column.toString(16)}` : `${line}:${column}`;
}

/** A path from the current folder where it is below that, from lockrig's where it is its own: what is shown may be read on another machine. */
export function shortPath(file: string): string {
  if (file === '') return '<anonymous>';
  if (!isAbsolute(file)) return file;
  for (const folder of [process.cwd(), PACKAGE_ROOT]) {
    const path = relative(folder, file);
    if (path !== '' && path !== '..' && !path.startsWith(`..${sep}`) && !isAbsolute(path)) return path;
  }
  return file;
}

function mapFrame(frame: StackFrame): StackFrame {
  if (frame.file.startsWith('node:') || isWasm(frame.file)) return { ...frame, internal: true };
  const map = mapOf(frame.file);
  const found = map && origin(map, frame);
  if (found?.source == null) return { ...frame };
  return { ...frame, file: pathOf(found.source), line: found.line, column: found.column + 1 };
}

function origin(
  map: TraceMap,
  { line, column }: StackFrame,
): ReturnType<typeof originalPositionFor> | undefined {
  const needle = { line: Math.max(1, line), column: Math.max(0, column - 1) };
  try {
    const { LEAST_UPPER_BOUND, originalPositionFor } = mapping();
    const found = originalPositionFor(map, needle);
    // If nothing is mapped up to here on this line, the next mapped place on it belongs to the same statement.
    return found.source === null ? originalPositionFor(map, { ...needle, bias: LEAST_UPPER_BOUND }) : found;
  } catch {
    return undefined; // mappings are decoded here, and these are damaged
  }
}

function pathOf(source: string): string {
  try {
    return source.startsWith('file:') ? fileURLToPath(source) : source;
  } catch {
    return source; // a file URL of another host
  }
}

function mapOf(file: string): TraceMap | undefined {
  if (!maps.has(file)) maps.set(file, readMap(file));
  return maps.get(file);
}

function readMap(file: string): TraceMap | undefined {
  if (!isAbsolute(file)) return undefined;
  try {
    const { FlattenMap } = mapping();
    const url = pathToFileURL(file);
    const target = [...readFileSync(url, 'utf8').matchAll(COMMENT)].at(-1)?.[1];
    if (target === undefined) return undefined;
    if (target.startsWith('data:')) return new FlattenMap(bodyOf(target), url.href);
    const beside = new URL(target, url);
    return new FlattenMap(readFileSync(beside, 'utf8'), beside.href);
  } catch {
    return undefined; // no file, no map, or not a map: the frame stays as it is
  }
}

function bodyOf(dataUrl: string): string {
  const comma = dataUrl.indexOf(',');
  const body = decodeURIComponent(dataUrl.slice(comma + 1));
  return /;\s*base64$/i.test(dataUrl.slice(0, comma)) ? Buffer.from(body, 'base64').toString('utf8') : body;
}
