/**
 * Contention points: where in the source locks are waited for, and where whoever holds them gives them up.
 *
 * A look takes the stack, finds the call of the lock's operation in it, and counts it in a row of this CPU. Rows say class, mode, role and place in one
 * number; the text of a place is shared. What a line of a stack means is found out by whoever reads it: maps take longer than a lock should be kept waiting.
 */
import { BlockField, PLACE_CHARS, PLACES, POINT_ROWS, type StatArea } from './stat-area.ts';

/** Frames that are looked at: an operation of a lock lies at most so deep below its caller. */
const FRAMES = 16;

/** Frames that are kept. */
const CALLERS = 2;

/** Roles of a point. */
export const WAITER = 0;
/** The role of who holds the lock. */
export const HOLDER = 1;

/** The operations of locks, as tracking wraps them: whoever calls them is who takes the lock. */
const WRAPPED = /\/src\/locking\/track\.[jt]s:/;
/** What locks are made of, and what looks. */
const INNER = /\/(?:src\/(?:locking|rcu|arch|memory)|harness\/measure)\/[^:]*:|^\s*at (?:wasm|node):|\(wasm:/;

/** The lines of a stack that call the operation of a lock: who takes it, and who called that. */
export function callersIn(stack: string): string {
  const lines = stack.split('\n').filter((line) => /^\s*at /.test(line));
  const wrapped = lines.findIndex((line) => WRAPPED.test(line));
  const outside = lines.findIndex((line, at) => at > wrapped && !INNER.test(line));
  const first = outside >= 0 ? outside : Math.min(wrapped + 1, lines.length - 1);
  return lines
    .slice(first, first + CALLERS)
    .map((line) => line.trim())
    .join('\n');
}

/** A row's key. @param offset of the class in its mode, from the begin of the block */
export const keyOf = (offset: number, role: number, place: number): number =>
  (offset * 2 + role) * PLACES + place;

/** What a key says. */
export function fromKey(key: number): { offset: number; role: number; place: number } {
  const rest = Math.floor(key / PLACES);
  return { offset: Math.floor(rest / 2), role: rest % 2, place: key % PLACES };
}

/** The points of one CPU. */
export function pointsOf(
  area: StatArea,
  cpu: number,
): {
  /** The number of the place that calls a lock's operation now. */
  here(): number;
  /** Counts a place in a class and mode. */
  waited(offset: number, place: number): void;
  held(offset: number, place: number): void;
} {
  const { numbers } = area;
  const rows = area.block(cpu) + BlockField.rows;
  const first = area.points(cpu);
  const byKey = new Map<number, number>();
  const byText = new Map<string, number>();

  function here(): number {
    const before = Error.stackTraceLimit;
    Error.stackTraceLimit = FRAMES;
    const holder: { stack?: string } = {};
    Error.captureStackTrace(holder);
    const text = callersIn(holder.stack ?? '').slice(0, PLACE_CHARS - 1);
    Error.stackTraceLimit = before;
    let found = byText.get(text);
    if (found === undefined) {
      found = area.addPlace(text);
      byText.set(text, found);
    }
    return found;
  }

  function count(offset: number, role: number, place: number): void {
    const key = keyOf(offset, role, place);
    let row = byKey.get(key);
    if (row === undefined) {
      row = byKey.size;
      if (row === POINT_ROWS) return;
      byKey.set(key, row);
      numbers[first + 2 * row] = key;
      numbers[rows] = row + 1;
    }
    numbers[first + 2 * row + 1]! += 1;
  }

  return {
    here,
    waited: (offset, place) => count(offset, WAITER, place),
    held: (offset, place) => count(offset, HOLDER, place),
  };
}
