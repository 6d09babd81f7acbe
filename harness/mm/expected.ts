/**
 * What the thread says of each cell: Hugh Dickins's table of 26 March 2004 ("230-objrmap fixes for 2.6.3-mjb2"), tree by tree, and what follows for the paths and trees that he does not name.
 *
 * This is data for whoever prints a table beside it. The code that measures does not import it, and a test holds it to that.
 *
 * `by` tells whose word it is: `Hugh Dickins`, who looked at what swapout and swapoff do in five trees; or `derived`, from the rule that he applied (a reader and a writer are safe if there is a lock
 * that both hold) and from what others said of the trees later. A cell that no entry is about is safe by that rule.
 */

/** What is expected of a cell. */
export interface Expected {
  readonly verdict: 'safe' | 'unsafe';
  readonly by: 'Hugh Dickins' | 'derived';
  readonly why: string;
}

interface Entry extends Expected {
  readonly regimes: readonly string[];
  readonly readers: readonly string[];
  readonly writers: readonly string[];
}

const said = (
  regimes: string,
  readers: string,
  writers: string,
  by: Expected['by'],
  why: string,
  verdict: Expected['verdict'] = 'unsafe',
): Entry => ({
  regimes: regimes.split(' '),
  readers: readers.split(' '),
  writers: writers.split(' '),
  verdict,
  by,
  why,
});

const HUGH = 'Hugh Dickins';
const DERIVED = 'derived';
const LOOKERS = 'swapout-anon unuse';

/** The first that a cell is in counts. */
const TABLE: readonly Entry[] = [
  said(
    'J1',
    LOOKERS,
    'vma_merge',
    HUGH,
    'vma_merge unlinks a vma without page_table_lock, which is all that the reader holds',
  ),
  said('3-Mar', LOOKERS, 'vma_merge', DERIVED, 'as J1, which has the patches of 3 March'),
  said('J2', 'swapout-anon', 'unmap_region', HUGH, 'detach_vmas_to_be_unmapped holds no page_table_lock'),
  said('J2', 'swapout-anon', 'vma_merge', DERIVED, 'vma_merge is that of J1, and so is this reader'),
  said('J1 J2 3-Mar', 'swapout-anon', 'vma_link', DERIVED, 'vma_link holds no page_table_lock either'),
  said('J1 3-Mar', 'unuse', 'vma_link', DERIVED, 'vma_link holds no page_table_lock either'),
  said(
    'J1 J2 3-Mar N03 A4',
    'stack',
    'expand_stack',
    DERIVED,
    'two growers hold mmap_sem for reading, and no lock that keeps them apart (mm.md, R0.11)',
  ),
  said(
    'V24 L M3 HU',
    'stack',
    'expand_stack',
    DERIVED,
    'expand_stack does not look again under the lock that it takes (CVE-2005-0001)',
  ),
  said(
    'A4',
    'fault unuse',
    'expand_stack',
    DERIVED,
    'vm_start and vm_pgoff move while they are read for the index of a page (Andrea Arcangeli, 23 April 2004)',
  ),
  said(
    'vma-ptl-naive',
    'fault stack',
    'populate',
    DERIVED,
    'two vmas with a lock each fill one upper level (Dave McCracken, 27 March 2004; mm.md, R0.10)',
  ),
  said(
    'L M3',
    LOOKERS,
    'vma_link vma_merge split_vma unmap_region',
    HUGH,
    'page_table_lock protects the vmas, and mmap_sem also',
    'safe',
  ),
  said('HU', LOOKERS, 'vma_link vma_merge split_vma unmap_region', HUGH, 'as Linus', 'safe'),
  said(
    'A4',
    'swapout-anon',
    'vma_link vma_merge split_vma unmap_region',
    HUGH,
    'very likely safe: no find_vma in swapout',
    'safe',
  ),
  said(
    'A4',
    'unuse',
    'vma_link vma_merge split_vma unmap_region',
    HUGH,
    'very likely safe: unuse_process takes mmap_sem',
    'safe',
  ),
  said(
    'J2',
    'unuse',
    'vma_link vma_merge split_vma unmap_region',
    HUGH,
    'safer: unuse_process takes mmap_sem',
    'safe',
  ),
  said(
    'J1',
    LOOKERS,
    'unmap_region',
    HUGH,
    'detach is under page_table_lock since the patch of 3 March',
    'safe',
  ),
  // No lock that both hold, and yet nothing to fear.
  said(
    'J1 J2 3-Mar A4 AM vma-ptl vma-ptl-naive',
    `${LOOKERS} swapout-file`,
    'vm_flags',
    DERIVED,
    'mlock sets VM_LOCKED under mmap_sem alone, and makes its pages present afterwards, under page_table_lock (mm.md, C0.a)',
    'safe',
  ),
  said(
    'A4',
    'swapout-anon',
    'expand_stack',
    DERIVED,
    'a walk that meets vm_start and vm_pgoff half moved misses the page, and reclaim keeps it for this time',
    'safe',
  ),
  said(
    'V24 L M3 HU J1 J2 3-Mar N03 A4',
    `${LOOKERS} swapout-file fault`,
    'expand_stack',
    DERIVED,
    'a stack grows over addresses where no page is: where the page of the reader lies nothing changes',
    'safe',
  ),
];

const BY_RULE: Expected = {
  verdict: 'safe',
  by: DERIVED,
  why: 'both hold a lock where they meet, or nothing of it is about vmas',
};

/** What the thread says of a cell, by the names of its parts. */
export function expected(regime: string, reader: string, writer: string): Expected {
  const entry = TABLE.find(
    (each) => each.regimes.includes(regime) && each.readers.includes(reader) && each.writers.includes(writer),
  );
  if (!entry) return BY_RULE;
  const { verdict, by, why } = entry;
  return { verdict, by, why };
}
