/**
 * The structs of the mm model, with the kernel's names (Linux 2.6.5 to 3.0; fields that came later say so where they are used).
 *
 * Every pointer is an address in the one memory; 0 is NULL. A struct page is 64 bytes, and page frames, table pages among them, have 64 bytes of content:
 * sixteen words, enough for an owner, a version and sixteen entries, and small enough that a whole machine is explored in microseconds.
 *
 * Words with the prefix `debug_` are the model's own. No algorithm reads them; oracles do.
 */

import { Qrwlock } from '../locking/qrwlock.ts';
import { Rwsem } from '../locking/rwsem.ts';
import { bits, bitsOf, i32, listHead, ptr, sizeOf, struct, u32, union, words } from '../memory/index.ts';

/** Words that a lock of the class `rwsem` takes. */
const RWSEM_WORDS = sizeOf(Rwsem) / 4;
/** Words that a lock of the class `qrwlock` takes. */
const QRWLOCK_WORDS = sizeOf(Qrwlock) / 4;

/** A page frame's descriptor (include/linux/mm_types.h). */
export const Page = struct('page', {
  /** The first two bits belong to the page lock. */
  flags: bits({
    locked: 1,
    waiters: 1,
    referenced: 1,
    uptodate: 1,
    dirty: 1,
    lru: 1,
    active: 1,
    swapcache: 1,
    swapbacked: 1,
    writeback: 1,
    reserved: 1,
    mlocked: 1,
    unevictable: 1,
    reclaim: 1,
    isolated: 1,
    maplock: 1,
    table: 1,
    /** The first page of a compound one, and the others. */
    head: 1,
    tail: 1,
    /** A balloon's, and on its list (movable/hooks.ts). */
    balloon: 1,
    private: 1,
  }),
  _refcount: i32,
  /** Entries of page tables that map it, less one. */
  _mapcount: i32,
  /** Whose it is, with the type in the low two bits: {@link MAPPING_ANON} and the others. */
  mapping: ptr(),
  /** In pages: its place in the file, or of an anonymous page the number of its virtual page; of a tail of a compound page the head (movable/compound.ts). */
  index: u32,
  /** Of a page in the swap cache its entry. */
  private: u32,
  place: union({
    'on a list': { lru: listHead },
    'off the LRU, counted': { lru_next: u32, mlock_count: i32 },
  }),
  /** Reverse mapping by chains (2.5): the first pte_chain. */
  chain: ptr('pte_chain'),
  /** mlock design with a word of its own (Dave McCracken, March 2004): VM_LOCKED vmas that map it. */
  mlocked: i32,
  /** Odd while allocated; another one after each change. */
  debug_generation: u32,
});
/** Bytes from one struct page to the next in `mem_map`. */
export const PAGE_STRUCT_BYTES = 64;
/** Masks of `page.flags`. */
export const PG = bitsOf(Page, 'flags');

/** `page.mapping`: the bits that tell what it points to. */
export const MAPPING_FLAGS = 3;
/** `page.mapping`: an anon_vma (or anonmm). */
export const MAPPING_ANON = 1;
/** `page.mapping`: a driver's movable page (4.8). */
export const MAPPING_MOVABLE = 2;

/** A red-black tree node, embedded (include/linux/rbtree.h). */
export const RbNode = struct('rb_node', {
  rb_parent: ptr('rb_node'),
  rb_color: u32,
  rb_left: ptr('rb_node'),
  rb_right: ptr('rb_node'),
});
/** Words of a node. */
export const RB_WORDS = sizeOf(RbNode) / 4;
const rbNode = ptr('rb_node', RB_WORDS);

/** An address range of one address space (struct vm_area_struct). */
export const Vma = struct('vm_area_struct', {
  vm_mm: ptr('mm_struct'),
  vm_start: u32,
  /** The first address behind it. */
  vm_end: u32,
  /** The sorted list. */
  vm_next: ptr('vm_area_struct'),
  vm_prev: ptr('vm_area_struct'),
  vm_rb: rbNode,
  vm_flags: u32,
  /** In pages: where `vm_start` lies in the file; of an anonymous one the number of the virtual page it had when it was made. */
  vm_pgoff: u32,
  vm_file: ptr('address_space'),
  /** The node in the file's tree, with the largest last index below it. */
  shared: rbNode,
  shared_last: u32,
  /** Where the vma is nonlinear: its place in `i_mmap_nonlinear`. */
  nonlinear: listHead,
  /** What its new anonymous pages belong to. */
  anon_vma: ptr('anon_vma'),
  /** All anon_vmas that its pages may belong to, by `anon_vma_chain.same_vma` (2.6.34). */
  anon_vma_chain: listHead,
  /** Locks of its page tables, where those are per vma (Andrew Morton's question of 26 March 2004). */
  page_table_lock: u32,
  /** How far unmap_mapping_range has come with it (truncate/stamps.ts). */
  vm_truncate_count: u32,
  vm_private_data: u32,
  /** Speculative page faults (2018): odd while somebody changes the vma or takes entries out of it. */
  vm_sequence: u32,
  /** Speculators that use it, and one for its being linked. */
  vm_ref_count: i32,
  /** Per-VMA locks (Linux 6.4): held for reading by faults. */
  vm_lock: ptr('rwsem', RWSEM_WORDS),
  /** The mm's `mm_lock_seq` when it was locked for writing: the same still, then it is. */
  vm_lock_seq: i32,
});

/** `vm_flags`. */
export const VM = {
  READ: 1,
  WRITE: 2,
  EXEC: 4,
  SHARED: 8,
  GROWSDOWN: 0x100,
  LOCKED: 0x2000,
  /** With LOCKED: mlock has yet to come to the pages of the vma. Nobody maps with it. */
  IO: 0x4000,
  RESERVED: 0x80000,
  NONLINEAR: 0x800000,
} as const;

/** An address space (struct mm_struct). */
export const Mm = struct('mm_struct', {
  mmap: ptr('vm_area_struct'),
  mm_rb: ptr('rb_node'),
  /** The vma that find_vma found last. */
  mmap_cache: ptr('vm_area_struct'),
  map_count: i32,
  pgd: ptr('page_table'),
  /** Threads that use it; the last one tears it down. */
  mm_users: i32,
  /** References to the struct itself. */
  mm_count: i32,
  start_brk: u32,
  brk: u32,
  start_stack: u32,
  total_vm: i32,
  locked_vm: i32,
  /** CPUs whose TLB may hold translations of it, a bit each. */
  cpu_vm_mask: u32,
  anonmm: ptr('anonmm'),
  /** All address spaces that may have swap entries. */
  mmlist: listHead,
  mmap_sem: ptr('rwsem', RWSEM_WORDS).ownLine(),
  page_table_lock: u32.ownLine(),
  /** Present ptes, not counting reserved and zero pages; table pages. Counted by atomic additions: where each vma has its page_table_lock, no lock is held by all who count (Linux since 2.6.15). */
  rss: i32,
  nr_ptes: i32,
  /** Speculative page faults (2018): protects `mm_rb`, and with it the reference that is taken to what was found there. */
  mm_rb_lock: ptr('qrwlock', QRWLOCK_WORDS).ownLine(),
  /** Per-VMA locks (Linux 6.4): another one each time mmap_sem is given up by a writer. */
  mm_lock_seq: i32.ownLine(),
});

/** A file's pages and mappings (struct address_space with the parts of the inode that mm uses). */
export const AddressSpace = struct('address_space', {
  host: u32,
  /** In pages. */
  i_size: u32,
  nrpages: i32,
  truncate_count: u32,
  i_sem: u32.ownLine(),
  tree_lock: u32.ownLine(),
  /** i_shared_sem, i_mmap_lock, i_mmap_mutex: the same lock in different years. */
  i_mmap_lock: u32.ownLine(),
  /** CPUs that wait for it, which whoever holds it for long looks at (need_lockbreak). */
  i_mmap_waiters: i32,
  i_mmap: ptr('rb_node'),
  i_mmap_nonlinear: listHead,
  /** One unmap_mapping_range at a time (Linux 2.6.38). */
  unmap_mutex: u32.ownLine(),
  /** Whose pages they are: a driver's number (movable/driver.ts); 0: a file's. */
  a_ops: u32,
  /** Of a driver: its lock, and the pages that it has, linked by `lru`. */
  private_lock: u32.ownLine(),
  private_list: listHead,
});

/** What the vmas of a process family share that may map the same anonymous pages (2.6.7; chains and root since 2.6.34). */
export const AnonVma = struct('anon_vma', {
  root: ptr('anon_vma'),
  lock: u32,
  ref: i32,
  /** `anon_vma_chain.same_anon_vma` of each vma. */
  head: listHead,
});

/** A link of a vma and an anon_vma. */
export const AnonVmaChain = struct('anon_vma_chain', {
  vma: ptr('vm_area_struct'),
  anon_vma: ptr('anon_vma'),
  same_vma: listHead,
  same_anon_vma: listHead,
});

/** Hugh Dickins's alternative to anon_vma (anobjrmap, March 2003): an mm in a list of those that fork made of one. */
export const AnonMm = struct('anonmm', {
  mm: ptr('mm_struct'),
  head: ptr('anonmm'),
  lock: u32,
  count: i32,
  list: listHead,
});

/** Entries of a pte_chain. */
export const PTES_PER_CHAIN = 6;
/** The reverse mapping of Linux 2.5: every entry that maps a page. */
export const PteChain = struct('pte_chain', { next: ptr('pte_chain'), ptes: ptr('pte', PTES_PER_CHAIN) });

/** All memory of the machine (struct zone): free pages, and the lists that reclaim works on. */
export const Zone = struct('zone', {
  lock: u32.ownLine(),
  free_list: listHead,
  free_pages: i32,
  lru_lock: u32.ownLine(),
  active_list: listHead,
  inactive_list: listHead,
  nr_active: i32,
  nr_inactive: i32,
  nr_unevictable: i32,
  nr_mlock: i32,
  nr_isolated: i32,
});

/** The one swap device; `swap_map`, a word a slot, and the pages of the swap cache lie behind (struct swap_info_struct). */
export const SwapInfo = struct('swap_info_struct', {
  swap_lock: u32.ownLine(),
  flags: u32,
  inuse_pages: i32,
  /** Where the search for a free slot goes on. */
  cluster_next: u32,
  tree_lock: u32.ownLine(),
  nrpages: i32,
});
/** `swap_info_struct.flags`: entries may be given out. */
export const SWP_WRITEOK = 1;

/** What belongs to no struct: the list of address spaces that swapoff walks. */
export const Globals = struct('mm_globals', { mmlist_lock: u32.ownLine(), init_mmlist: listHead });

/** Pages that a CPU keeps for itself, and pages on their way to the LRU. */
export const PAGEVEC = 4;
/** Translations that a CPU keeps. */
export const TLB_ENTRIES = 4;
/** A translation: the virtual page with TLB_VALID, the address space, the entry as it was read. */
export const TlbEntry = struct('tlb_entry', { page: u32, mm: ptr('mm_struct'), pte: u32 });
/** Pages that a CPU gathers before it flushes. */
export const GATHER_PAGES = 16;
/** What each CPU has of the mm. */
export const MmCpu = struct('mm_cpu', {
  active_mm: ptr('mm_struct').ownLine(),
  /** Per-CPU pageset. */
  pcp_count: i32,
  pcp: listHead,
  /** Pages that are to be put on the LRU. */
  lru_add_count: i32,
  lru_add: ptr('page', PAGEVEC),
  tlb: words((TLB_ENTRIES * sizeOf(TlbEntry)) / 4).ownLine(),
  /** Nobody's code runs in `active_mm` any more, and its translations may still be there (TLBSTATE_LAZY). */
  tlb_lazy: u32.ownLine(),
  /** Of each translation `debug_generation` of its frame when it was read. */
  debug_tlb: words(TLB_ENTRIES),
  /** What has been unmapped and waits for the flush of the TLBs (struct mmu_gather): of which mm, from where to where. */
  gather_mm: ptr('mm_struct').ownLine(),
  gather_start: u32,
  gather_end: u32,
  /** The mm is torn down. */
  gather_fullmm: u32,
  /** Entries that counted in `mm->rss`. */
  gather_freed: i32,
  gather_nr: i32,
  /** Pages, table pages with the low bit set. */
  gather_pages: ptr('page', GATHER_PAGES),
  /** Speculative page faults of this CPU: how many, and what became of them (spf/counters.ts). */
  spf_attempt: u32.ownLine(),
  spf_success: u32,
  spf_pte_lock: u32,
  spf_vma_changed: u32,
  spf_noanon: u32,
  spf_notsup: u32,
  spf_access: u32,
  spf_pmd_changed: u32,
  /** Attempts at a pte lock that was held, beyond the first of a fault. */
  spf_retry: u32,
  /** Entries of page tables that it has mapped (pte_map), less those that it has unmapped. */
  spf_kmap: i32,
  /** Pages that this CPU has isolated to migrate them (struct compact_control). */
  migratepages: listHead,
});

/** Sixteen entries of a page table, the content of a frame. */
export const PageTable = struct('page_table', { entry: words(16) });

/** What a frame of user data holds, for the oracles: who wrote it last, and which of his writes it was. */
export const Payload = struct('payload', { owner: u32, version: u32 });
