/**
 * The tour: what `lockrig torture` does when it is told nothing. Every correct lock for a second or two, then three broken ones, each of which must be caught.
 */
import type { AnyLock } from '../../src/locking/define.ts';
import { lockByName, locks } from '../../src/locks.ts';

/** Names of the mutants that the tour shows: caught by what they do, by whom they let in, by whom they leave asleep. */
const SHOWN = ['busted/no-exclusion', 'busted/seqlock-no-retry', 'busted/mutex3-dropped-wakeup'] as const;
/** Seconds for the correct locks together. */
const SPAN = 45;

/** One stop of the tour. */
export interface TourStop {
  readonly lock: AnyLock;
  /** Milliseconds. */
  readonly duration: number;
  /** Whether it must be caught. */
  readonly broken: boolean;
}

/** The stops, in order. */
export function tour(): TourStop[] {
  const duration = Math.min(2500, Math.round((SPAN * 1000) / locks.length));
  const stops: TourStop[] = locks.map((lock) => ({ lock, duration, broken: false }));
  for (const name of SHOWN) {
    const lock = lockByName(name);
    if (lock) stops.push({ lock, duration: 8000, broken: true });
  }
  return stops;
}
