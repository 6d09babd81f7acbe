/**
 * How drivers' pages are made movable, isolated and put back: the series "mm: migrate: support non-lru movable page migration" v6, as reviewed and as merged (Minchan Kim, Vlastimil Babka, May
 * 2016; Linux 4.8, commit bda807d44454), as data.
 *
 *   merged   __ClearPageMovable takes the pointer out of `mapping` and leaves the type, so a page that its driver has given up while it was isolated is still known as none of the LRU's
 *   C1       the proposal of the review: `mapping & ~MOVABLE`: the type goes, the pointer stays
 *   C2       both go
 *   C3       the driver does not call it
 *
 * What each race has wrong is one of these rules, put differently.
 */

/** How a page of a driver comes to the VM and back. */
export interface MovableRules {
  /** What __ClearPageMovable takes out of `mapping`. */
  readonly clears: 'pointer' | 'type' | 'both' | 'nothing';
  /** How isolation takes its reference: unless there is none (get_page_unless_zero), or in any case (R4.5). */
  readonly reference: 'unless zero' | 'blind';
  /** Whether a page that cannot be isolated loses that reference again (R4.5). */
  readonly putsBack: boolean;
  /** When the type is looked at without a lock: before the page lock is tried for, or not (R4.7). */
  readonly peeks: 'first' | 'never';
  /** Whether PageMovable is asked under the page lock, or the look before is enough (R4.3). */
  readonly rechecks: boolean;
  /** Where PG_isolated is looked at: under the page lock, before it, nowhere (R4.6). */
  readonly isolated: 'locked' | 'before' | 'nowhere';
  /** How a page goes back that was not migrated: under the page lock to its driver if that still has it; or to the driver whose it was, without a look (R4.10). */
  readonly putback: 'looks' | 'blind';
}

const MERGED: MovableRules = {
  clears: 'pointer',
  reference: 'unless zero',
  putsBack: true,
  peeks: 'first',
  rechecks: true,
  isolated: 'locked',
  putback: 'looks',
};

/** The designs, by name. */
export const MOVABLE_DESIGNS = {
  merged: MERGED,
  C1: { ...MERGED, clears: 'type' },
  C2: { ...MERGED, clears: 'both' },
  C3: { ...MERGED, clears: 'nothing' },
} as const satisfies Readonly<Record<string, MovableRules>>;

/** The name of a design. */
export type MovableName = keyof typeof MOVABLE_DESIGNS;
