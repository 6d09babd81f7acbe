/**
 * How unmap_mapping_range may go about it: the series "vmtrunc" of Hugh Dickins, October 2004, design by design, as data.
 *
 *   trunc3   before the patch: i_mmap_lock is held from the first vma to the last (R2.1)
 *   4/6      given away where somebody waits; vmas that are done are stamped; the call knows where it broke off, by vma and pgoff
 *   5/6      4/6, and stamps go with vmas that are split, merged, moved, forked
 *   7/6      where a vma was broken off stands in the vma itself
 *   later    7/6, mremap starts over (Hugh Dickins, 29 December 2010), so does what is split (R2.6), one call a file at a time (Linux 2.6.38, commit 2aa15890f3c1)
 *
 * What each race has wrong is one of these rules, put differently.
 */

/** How a file's pages are unmapped. */
export interface TruncateRules {
  /** Pages of a vma that go under one hold of page_table_lock (ZAP_BLOCK_SIZE). */
  readonly block: number;
  /** When i_mmap_lock is given away: never; when somebody waits for it; when a block is over, whoever waits. */
  readonly gives: 'never' | 'wanted' | 'always';
  /** Whether it is given away behind a vma that is done, too, or in the midst of one only. */
  readonly behind: boolean;
  /** Whether a vma that is done is stamped, and passed over from then on. */
  readonly stamps: boolean;
  /** Where a vma goes on that was broken off: at its start; where the call says, if it is the same vma by address and pgoff, or by address alone; where the vma says. */
  readonly resumes: 'at the start' | 'by call' | 'by address' | 'by vma';
  /** After i_mmap_lock was given away the walk starts over, or goes on from the vma that it was at. */
  readonly walk: 'over' | 'on';
  readonly first: 'tree' | 'list';
  /** Bits of truncate_count. */
  readonly width: number;
  /** When it comes to 0: vmas are reset and it goes on with 1; nothing is reset; it stays 0. */
  readonly wrap: 'reset' | 'no reset' | 'stays 0';
  /** Whether a broken block begins to gather anew; else what it has freed comes off rss twice. */
  readonly regathers: boolean;
  /** Whether calls for one file keep each other out. */
  readonly alone: boolean;
  /** Whether i_size is seen before truncate_count, and that before the unmapping. */
  readonly barriers: boolean;
  readonly vmas: StampRules;
}

/** What becomes of a stamp when vmas change. */
export interface StampRules {
  /** A new mapping has none of the pages: it is done already, or is looked at. */
  readonly linked: 'stamped' | 'unstamped';
  /** The part of a split: as the whole; as the whole was before i_mmap_lock was taken; looked at, with the whole, if that was broken off; looked at. */
  readonly split: 'copied' | 'copied before' | 'over' | 'unstamped';
  /** One that takes another in: looked at unless both are alike, or as it was. */
  readonly merged: 'if alike' | 'kept';
  /** One that entries are moved to: looked at; looked at unless it is as the other one; as it was. */
  readonly moved: 'unstamped' | 'if alike' | 'kept';
  /** The child's: as the parent's, or looked at. */
  readonly forked: 'copied' | 'unstamped';
}

const UNAWARE: StampRules = {
  linked: 'unstamped',
  split: 'unstamped',
  merged: 'kept',
  moved: 'kept',
  forked: 'unstamped',
};
/** As stamps go with vmas since 5/6. */
export const STAMPS: StampRules = {
  linked: 'stamped',
  split: 'copied',
  merged: 'if alike',
  moved: 'if alike',
  forked: 'copied',
};

const TRUNC3: TruncateRules = {
  block: 8,
  gives: 'never',
  behind: true,
  stamps: false,
  resumes: 'at the start',
  walk: 'over',
  first: 'tree',
  width: 32,
  wrap: 'reset',
  regathers: true,
  alone: false,
  barriers: true,
  vmas: UNAWARE,
};
const PATCH4: TruncateRules = { ...TRUNC3, gives: 'wanted', stamps: true, resumes: 'by call' };
const PATCH5: TruncateRules = { ...PATCH4, vmas: STAMPS };
const PATCH7: TruncateRules = { ...PATCH5, resumes: 'by vma' };
const LATER: TruncateRules = {
  ...PATCH7,
  alone: true,
  vmas: { ...STAMPS, split: 'over', moved: 'unstamped' },
};

/** The designs, by name. */
export const TRUNCATE_DESIGNS = {
  trunc3: TRUNC3,
  '4/6': PATCH4,
  '5/6': PATCH5,
  '7/6': PATCH7,
  later: LATER,
} as const satisfies Readonly<Record<string, TruncateRules>>;

/** The name of a design. */
export type TruncateName = keyof typeof TRUNCATE_DESIGNS;
