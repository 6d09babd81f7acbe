/**
 * How drivers of movable pages may go about it, design by design, as data. What each race has wrong is one of these rules, put differently (mm.md R4.8, R4.11, R4.13).
 *
 * zsmalloc
 *   4.8      "zsmalloc: page migration support" (Minchan Kim, commit 48b4800a1c6a)
 *   later    who destroys a pool waits for pages that the VM has (Henry Burns, commit 701d678599d0, Linux 5.3)
 *
 * virtio-balloon
 *   4.4      the list is walked without its lock (before Linux 4.5)
 *   4.7      the VM names the balloon (movable/hooks.ts): a page that it has isolated is not given up
 *   4.8      as its pages became movable pages like others
 */

/** How a store of small objects goes about it. */
export interface ZsRules {
  /** Migration pins each object that it moves: it tries, and gives up if one is in use; waits; does not. */
  readonly pins: 'try' | 'wait' | 'no';
  /** Whether migration keeps users of all objects of the zspage out: one may lie in two pages, and is pinned with the first. */
  readonly excludes: boolean;
  /** Who frees the last object of a zspage tries for its pages, and leaves it for later if one is locked; or waits for them. */
  readonly empties: 'tries' | 'waits';
  /** Who destroys a pool waits for pages that the VM has; or not. */
  readonly drains: boolean;
}

/** How a balloon goes about it. */
export interface BalloonRules {
  /** A page that the VM has is not on the balloon's list, so that it is not taken off; or it is, whoever has it. */
  readonly deletes: 'unless isolated' | 'always';
  /** Under pages_lock a page is tried for; or waited for. */
  readonly locks: 'tries' | 'waits';
  /** Whether who looks for a page that he can lock holds pages_lock from the first to the last. */
  readonly walks: 'locked' | 'unlocked';
  /** A page is allocated before pages_lock is taken; or under it. */
  readonly allocates: 'before' | 'under pages_lock';
  /** A certain page is given up wherever it is; or if the VM does not have it. */
  readonly gives: 'any' | 'listed';
}

const ZS_4_8: ZsRules = { pins: 'try', excludes: true, empties: 'tries', drains: false };

/** Designs of the store, by name. */
export const ZS_DESIGNS = {
  '4.8': ZS_4_8,
  later: { ...ZS_4_8, drains: true },
} as const satisfies Readonly<Record<string, ZsRules>>;

/** The name of a design of the store. */
export type ZsName = keyof typeof ZS_DESIGNS;

const BALLOON_4_8: BalloonRules = {
  deletes: 'unless isolated',
  locks: 'tries',
  walks: 'locked',
  allocates: 'before',
  gives: 'any',
};
const BALLOON_4_7: BalloonRules = { ...BALLOON_4_8, gives: 'listed' };

/** Designs of the balloon, by name. */
export const BALLOON_DESIGNS = {
  '4.4': { ...BALLOON_4_7, walks: 'unlocked' },
  '4.7': BALLOON_4_7,
  '4.8': BALLOON_4_8,
} as const satisfies Readonly<Record<string, BalloonRules>>;

/** The name of a design of the balloon. */
export type BalloonName = keyof typeof BALLOON_DESIGNS;
