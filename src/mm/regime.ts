/**
 * Regimes: who takes which lock on which path, as data.
 *
 * A regime is one tree's answer to the question of the thread "230-objrmap fixes for 2.6.3-mjb2" (March 2004): may a reader of the vmas choose between mmap_sem and
 * page_table_lock, and do all writers hold what it chose? The paths are the rows of docs/regimes.md. `sections` (sections.ts) takes what a row says, so no code of the model asks which
 * regime it runs under. Nothing here says whether a regime is safe: that is measured.
 *
 * The cells are what Hugh Dickins wrote on 26 March 2004 of Linus's 2.6.5-rc2, Andrew Morton's -mm3, Martin Bligh's -mjb, Andrea Arcangeli's -aa4 and his own anobjrmap; where he says nothing
 * they follow the trees of that month.
 */

/** A row of the table: something that reads or changes vmas, lists of them, or page tables. */
export type Path =
  /** A system call that changes vmas, from beginning to end. */
  | 'syscall'
  /** Reclaim finds the vma of an anonymous page's entry. */
  | 'swapoutAnon'
  /** Reclaim walks the vmas of a file. */
  | 'swapoutFile'
  /** swapoff walks the vmas of an address space. */
  | 'unuse'
  | 'vmaLink'
  | 'vmaMerge'
  | 'splitVma'
  | 'detach'
  | 'unmapRegion'
  | 'faultFind'
  | 'pteChange'
  | 'expandStack'
  | 'iMmapChange'
  /** Truncation walks the vmas of a file. */
  | 'truncate'
  /** It takes entries out. */
  | 'truncateEntries'
  | 'flagsChange'
  | 'populate';

/** What a path takes, in this order; what is left out it does not. */
export interface Taking {
  readonly mmap_sem?: 'R' | 'W' | 'tryR';
  /** i_shared_sem: of the vma's file, if it has one. */
  readonly i_mmap?: 'lock' | 'try';
  /** The lock of the anonymous reverse mapping: anon_vma_lock, or that of the anonmm. */
  readonly anon?: 'lock' | 'try';
  /** page_table_lock of the address space, where entries are protected by the vma's: for the upper levels, which vmas share. */
  readonly tables?: 'lock';
  /** page_table_lock. */
  readonly ptl?: 'lock' | 'try';
}

/** How pages find the entries that map them. */
export type AnonRmap = 'pte_chain' | 'anon_vma' | 'anonmm';
/** How pages of files do. */
export type FileRmap = 'pte_chain' | 'i_mmap';

/** One tree. */
export interface Regime {
  readonly name: string;
  /** Whose tree it is. */
  readonly tree: string;
  readonly anonRmap: AnonRmap;
  readonly fileRmap: FileRmap;
  /** Whether page_table_lock is the address space's, or each vma has its own. */
  readonly ptl: 'mm' | 'vma';
  /** A proposal: no kernel was released with these locks. */
  readonly proposed?: true;
  readonly paths: Readonly<Record<Path, Taking>>;
}

const W = 'W';
const R = 'R';
const lock = 'lock';
const attempt = 'try';

/** Both locks for every writer, either for a reader: Linux 2.4 and Linus's 2.6.5-rc2. */
const LINUS: Regime['paths'] = {
  syscall: { mmap_sem: W },
  swapoutAnon: { ptl: attempt },
  swapoutFile: { ptl: lock },
  unuse: { ptl: lock },
  vmaLink: { mmap_sem: W, i_mmap: lock, ptl: lock },
  vmaMerge: { mmap_sem: W, i_mmap: lock, ptl: lock },
  splitVma: { mmap_sem: W, i_mmap: lock, ptl: lock },
  detach: { mmap_sem: W, ptl: lock },
  unmapRegion: { mmap_sem: W, ptl: lock },
  faultFind: { mmap_sem: R },
  pteChange: { mmap_sem: R, ptl: lock },
  expandStack: { mmap_sem: R, ptl: lock },
  iMmapChange: { mmap_sem: W, i_mmap: lock },
  truncate: { i_mmap: lock },
  truncateEntries: { ptl: lock },
  flagsChange: { mmap_sem: W, ptl: lock },
  populate: { mmap_sem: R, ptl: lock },
};

/** Writers of vmas without page_table_lock (Dave McCracken, 2.5.70-mm4). */
const NO_PTL_FOR_VMAS: Regime['paths'] = {
  ...LINUS,
  vmaLink: { mmap_sem: W, i_mmap: lock },
  vmaMerge: { mmap_sem: W, i_mmap: lock },
  splitVma: { mmap_sem: W, i_mmap: lock },
  detach: { mmap_sem: W },
  expandStack: { mmap_sem: R },
  flagsChange: { mmap_sem: W },
};

const OBJRMAP = { i_mmap: attempt, ptl: attempt } as const;

/** mmap_sem protects the vma tree, i_shared_sem the lists of a file, page_table_lock the page tables; the fix for stack growers is of April 2004. */
const EACH_ITS_OWN: Regime['paths'] = {
  ...NO_PTL_FOR_VMAS,
  swapoutAnon: { anon: attempt, ptl: attempt },
  swapoutFile: OBJRMAP,
  unuse: { mmap_sem: R, ptl: lock },
  vmaLink: { mmap_sem: W, i_mmap: lock, anon: lock },
  vmaMerge: { mmap_sem: W, i_mmap: lock, anon: lock },
  splitVma: { mmap_sem: W, i_mmap: lock, anon: lock },
  expandStack: { mmap_sem: R, anon: lock, ptl: lock },
};

const regime = (
  name: string,
  tree: string,
  paths: Regime['paths'],
  how: Partial<Pick<Regime, 'anonRmap' | 'fileRmap' | 'ptl' | 'proposed'>> = {},
): Regime =>
  Object.freeze({ name, tree, anonRmap: 'pte_chain', fileRmap: 'i_mmap', ptl: 'mm', ...how, paths });

/** The trees, by the names of the table. */
export const REGIMES: readonly Regime[] = [
  regime('V24', 'Linux 2.4: a reader of vmas holds either lock', LINUS, { fileRmap: 'pte_chain' }),
  regime('L', 'Linus, 2.6.5-rc2', LINUS, { fileRmap: 'pte_chain' }),
  regime('M3', 'Andrew Morton, 2.6.5-rc2-mm3', LINUS, { fileRmap: 'pte_chain' }),
  regime('J2', 'Martin Bligh, 2.6.3-mjb2', {
    ...NO_PTL_FOR_VMAS,
    swapoutFile: OBJRMAP,
    unuse: { mmap_sem: R, ptl: lock },
    splitVma: LINUS.splitVma,
  }),
  regime('J1', 'Martin Bligh, 2.6.4-mjb1: with the patches of 3 March', {
    ...NO_PTL_FOR_VMAS,
    swapoutFile: OBJRMAP,
    unuse: { ptl: lock },
    splitVma: LINUS.splitVma,
    detach: LINUS.detach,
  }),
  regime('3-Mar', 'Andrea Arcangeli, sles-objrmap with his patch of 3 March 2004', {
    ...NO_PTL_FOR_VMAS,
    swapoutFile: OBJRMAP,
    unuse: { ptl: lock },
    splitVma: LINUS.splitVma,
    detach: LINUS.detach,
  }),
  regime(
    'A4',
    'Andrea Arcangeli, 2.6.5-rc2-aa4',
    {
      ...NO_PTL_FOR_VMAS,
      swapoutAnon: { anon: attempt, ptl: attempt },
      swapoutFile: OBJRMAP,
      unuse: { mmap_sem: R, ptl: lock },
      vmaLink: { mmap_sem: W, i_mmap: lock, anon: lock },
      vmaMerge: { mmap_sem: W, i_mmap: lock, anon: lock },
      splitVma: { mmap_sem: W, i_mmap: lock, anon: lock, ptl: lock },
    },
    { anonRmap: 'anon_vma' },
  ),
  regime(
    'HU',
    "Hugh Dickins, anobjrmap: an anonmm per address space, Linus's mmap.c",
    { ...LINUS, swapoutAnon: { anon: attempt, ptl: attempt }, swapoutFile: OBJRMAP },
    { anonRmap: 'anonmm' },
  ),
  regime(
    'N03',
    'Dave McCracken, nolock v2 for 2.5.70-mm4',
    {
      ...NO_PTL_FOR_VMAS,
      swapoutAnon: { mmap_sem: 'tryR', ptl: attempt },
      unuse: { mmap_sem: R, ptl: lock },
    },
    { fileRmap: 'pte_chain' },
  ),
  regime('AM', "Andrew Morton's proposal of 26 March 2004: each lock protects one thing", EACH_ITS_OWN, {
    anonRmap: 'anon_vma',
    proposed: true,
  }),
  regime(
    'vma-ptl',
    'the question behind it: page_table_lock per vma, upper levels under that of the address space',
    {
      ...EACH_ITS_OWN,
      unmapRegion: { mmap_sem: W, tables: lock, ptl: lock },
      populate: { mmap_sem: R, tables: lock },
    },
    { anonRmap: 'anon_vma', ptl: 'vma', proposed: true },
  ),
  regime('vma-ptl-naive', 'the same with upper levels under the lock of whichever vma', EACH_ITS_OWN, {
    anonRmap: 'anon_vma',
    ptl: 'vma',
    proposed: true,
  }),
];

/** Finds a regime by its name. */
export function regimeByName(name: string): Regime | undefined {
  return REGIMES.find((each) => each.name === name);
}
