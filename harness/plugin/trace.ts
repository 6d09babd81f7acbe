/**
 * From a place in a bundle back to the place in the user's file.
 *
 * Node maps stack traces by itself only under --enable-source-maps, which makes every stack in the process slower, and a
 * CPU thread must not pay for that. So stacks are taken as they come and mapped when they are shown. The map is inside the
 * bundle, so any thread can read it by the bundle's URL.
 */
import { readFileSync } from 'node:fs';
import { fileURLToPath } from 'node:url';
import type { TraceMap } from '@jridgewell/trace-mapping';
import { mapping } from './mapping.ts';

/** The folder of every bundle begins with this; that is how a stack trace shows that it runs through one. */
export const FOLDER_PREFIX = 'lockrig-plugin-';

/** How the source map hangs on a bundle's last line. */
export const MAP_COMMENT = '//# sourceMappingURL=data:application/json;base64,';

/** A place in a file that somebody wrote. Lines and columns count from 1. */
export interface Place {
  file: string;
  line: number;
  column: number;
}

const IN_BUNDLE = new RegExp(`file://\\S*?/${FOLDER_PREFIX}[^/\\s]+/[^/\\s]+/[^/\\s]+?\\.mjs(?=:\\d)`);
const PLACES = new RegExp(`(${IN_BUNDLE.source}):(\\d+)(?::(\\d+))?`, 'g');

const maps = new Map<string, TraceMap | undefined>();

function mapOf(url: string): TraceMap | undefined {
  if (maps.has(url)) return maps.get(url);
  let map: TraceMap | undefined;
  try {
    const text = readFileSync(fileURLToPath(url), 'utf8');
    const from = text.lastIndexOf(MAP_COMMENT);
    if (from >= 0)
      map = new (mapping().TraceMap)(
        Buffer.from(text.slice(from + MAP_COMMENT.length), 'base64').toString('utf8'),
      );
  } catch {
    // The bundle is gone or is not ours: the trace stays as it is.
  }
  maps.set(url, map);
  return map;
}

/**
 * Where a place in a bundle comes from.
 *
 * @param url - the bundle's URL
 * @param line - from 1
 * @param column - from 1
 * @returns the place in the user's file, or undefined if the bundle has nothing there that a user wrote
 */
export function originalPlace(url: string, line: number, column: number): Place | undefined {
  const map = mapOf(url);
  if (map === undefined || line < 1) return undefined;
  const found = mapping().originalPositionFor(map, { line, column: Math.max(0, column - 1) });
  if (found.source === null) return undefined;
  const file = found.source.startsWith('file:') ? fileURLToPath(found.source) : found.source;
  return { file, line: found.line, column: found.column + 1 };
}

/**
 * Puts the user's files and lines in place of those of bundles.
 *
 * @param stack - a stack trace, or any text with such places in it
 * @returns the text with absolute paths of the user's files
 */
export function mapStack(stack: string): string {
  return stack.replace(PLACES, (whole: string, url: string, line: string, column: string | undefined) => {
    const place = originalPlace(url, Number(line), Number(column ?? 1));
    if (place === undefined) return whole;
    return `${place.file}:${place.line}${column === undefined ? '' : `:${place.column}`}`;
  });
}

/** A place that a stack trace runs through. */
export interface Frame extends Place {
  /** It came out of a bundle, so the user or someone whose code was bundled wrote it. */
  bundled: boolean;
}

/** `at name (place:1:2)` or `at place:1:2`; a path may hold spaces and brackets of its own. */
const FRAME = /^\s+at (?:.*? \()?((?:file:|[A-Za-z]:\\|\/).*):(\d+):(\d+)\)?$/;

/**
 * The places that a stack trace runs through, innermost first, mapped to the user's files.
 *
 * @param stack - a stack trace
 * @returns the frames that are in files
 */
export function framesOf(stack: string): Frame[] {
  return stack.split('\n').flatMap((text): Frame[] => {
    const found = FRAME.exec(text.replace(/^(\s+at )async /, '$1'));
    if (found?.[1] === undefined) return [];
    const [where, line, column] = [found[1], Number(found[2]), Number(found[3])];
    if (IN_BUNDLE.test(`${where}:1`)) {
      const place = originalPlace(where, line, column);
      return place === undefined ? [] : [{ ...place, bundled: true }];
    }
    return [{ file: where.startsWith('file:') ? fileURLToPath(where) : where, line, column, bundled: false }];
  });
}
