/** The scripts of the races of truncation: the numbered steps in the heads of src/scenarios/mm/truncate-*.ts. */
import { by, end, type Steps, type Told } from '../told.ts';

const VMA = 'vm_area_struct';
const FILE = 'address_space#0';
const PTL = 'mm_struct#0.page_table_lock';

/** A CPU has counted itself among those that wait for i_mmap_lock. */
const wants = (cpu: number): Told => by(cpu, 'fetchAddRelaxed', `${FILE}.i_mmap_waiters`, { value: 1 });
/** Truncation has taken a block of pages out, and given page_table_lock away. */
const zaps = (cpu: number): Told => by(cpu, 'storeWakeOne', PTL);
/** It has seen that somebody waits, and given i_mmap_lock away. */
const gives: readonly Told[] = [
  by(0, 'readOnce', `${FILE}.i_mmap_waiters`),
  by(0, 'storeWakeOne', `${FILE}.i_mmap_lock`),
];

/** A fault has the page, and is about to install its entry. */
const asked: readonly Told[] = [by(1, 'storeWakeOne', PTL), by(1, 'compareExchange', PTL, { before: true })];

/** The numbered steps, and what comes of them. */
export const TRUNCATE: Steps = {
  'holds-i-mmap-lock': [/^O-LIVE: a second block of pages goes/, zaps(0), wants(1), end(0)],
  'iterates-on': [
    /CPU 0 accesses vm_area_struct#0\.shared\.rb_\w+, which CPU 1 has freed/,
    zaps(0),
    wants(1),
    ...gives,
    end(1),
    end(0),
  ],
  'no-stamps': [/^O-LIVE: a vma is looked at again from 0x10000/, zaps(0), wants(1), ...gives, end(0)],
  'no-restart': [/^O-LIVE: a vma is looked at again from 0x10000/, zaps(0), wants(1), ...gives, end(0)],
  'list-before-tree': [/^O-TRUNC: page \d+ is page 0 of a file/, zaps(0), wants(1), ...gives, end(1), end(0)],
  'no-regather': [/^O-RSS: mm_struct#0\.rss is 0, and 1 is right/, zaps(0), wants(1), end(0), end(1)],
  'small-vmas-hold': [/^O-LIVE: a second block of pages goes/, zaps(0), wants(1), end(0)],
  'restarts-for-ptl': [/^O-LIVE: the walk starts over/, zaps(0), end(1), end(0)],
  'two-at-once': [
    /^O-TRUNC: page 0 is mapped/,
    zaps(0),
    by(1, 'fetchAddRelaxed', `${FILE}.i_mmap_waiters`),
    ...gives,
    end(1),
  ],
  'restart-by-address': [/^O-TRUNC: page \d+ is page 0/, zaps(0), wants(1), ...gives, end(1), end(0)],
  'restart-isomorphic': [/^O-TRUNC: page \d+ is page 0/, zaps(0), wants(1), ...gives, end(1), end(0)],
  'restart-outlives-split': [/^O-TRUNC: page \d+ is page 0/, zaps(0), wants(1), ...gives, end(1), end(0)],
  'stamp-copied-early': [
    /^O-TRUNC: page \d+ is page 1/,
    zaps(0),
    wants(2),
    ...gives,
    end(2),
    wants(1),
    by(0, 'writeOnce', `${FILE}.i_size`, { value: 1 }),
    end(1),
    end(0),
  ],
  'merge-keeps-stamp': [/^O-TRUNC: page \d+ is page 2/, zaps(0), wants(1), ...gives, end(1), end(0)],
  'mremap-keeps-stamp': [/^O-TRUNC: page \d+ is page 0/, zaps(0), wants(1), ...gives, end(1), end(0)],
  'new-vmas-unstamped': [/^O-LIVE: 3 vmas are looked at/, zaps(0), wants(1), ...gives, end(1), end(0)],
  'fork-child-first': [
    /^O-TRUNC: page \d+ is page 0/,
    by(1, 'storeWakeOne', `${FILE}.i_mmap_lock`),
    by(0, 'write', `${VMA}#1.vm_truncate_count`),
    end(1),
    end(0),
  ],
  'count-wraps': [/^O-TRUNC: page \d+ is page 0/, end(0)],
  'count-stays-0': [/^O-TRUNC: page \d+ is page 0/, end(0)],
  'nopage-looks-once': [/^O-TRUNC: 0x10000 of mm_struct#0 maps page/, ...asked, end(0), end(1)],
  'nopage-counts-late': [
    /^O-TRUNC: 0x10000 of mm_struct#0 maps page/,
    by(1, 'storeWakeOne', PTL),
    by(1, 'readOnce', `${FILE}.i_size`, { times: 2 }),
    by(0, 'writeOnce', `${FILE}.truncate_count`),
    by(1, 'compareExchange', PTL, { before: true }),
    end(0),
    end(1),
  ],
  'nopage-no-rmb': [
    /^O-TRUNC/,
    by(1, 'storeWakeOne', PTL),
    zaps(0),
    by(1, 'readOnce', `${FILE}.i_size`, { stale: true }),
    end(1),
    end(0),
  ],
  'truncate-locks-order': [/^nothing$/, ...asked, end(0), end(1)],
  'two-files': [/^nothing$/, zaps(0), zaps(1), end(2), end(0), end(1)],
  'restart-vma-reused': [/^nothing$/, zaps(0), wants(1), ...gives, end(1), end(0)],
};
