/**
 * Each quiescent oracle is silent about a sound model and names, alone, what single damage it is about. The model is made by hand (fixtures/mm/sound.ts), so nothing but the oracles is
 * under test, and each damage is one thing: a count off by one, a page on two lists, a pointer to what is gone.
 */
import * as assert from 'uvu/assert';
import { lists, slabPlaces } from '../../src/memory/index.ts';
import { SLAB_HEADER_BYTES, SlabHeader } from '../../src/memory/objects.ts';
import { chosen, ORACLES, observer, quiescent, UnknownOracle } from '../../src/mm/oracles/index.ts';
import { mkPte, PTE_RW } from '../../src/mm/pte.ts';
import {
  AnonVma,
  AnonVmaChain,
  Globals,
  MAPPING_ANON,
  Mm,
  MmCpu,
  Page,
  Payload,
  PG,
  RbNode,
  SwapInfo,
  TlbEntry,
  VM,
  Vma,
  Zone,
} from '../../src/mm/structs.ts';
import { type SlabSpecs, slabSpecs } from '../../src/mm/world.ts';
import { FRAMES, type Sound, sound } from '../fixtures/mm/sound.ts';
import { seed } from '../seed.ts';
import { suite } from '../suite.ts';

const test = suite('quiescent oracles of the mm model');

const EVERY = ORACLES.map(({ name }) => name);
const idsOf = (wrong: readonly string[]): string[] => wrong.map((each) => each.replace(/: .*$/s, ''));

/** What the oracles say. @param also one that is for some designs only */
function said(state: Sound, also: readonly string[] = []): string[] {
  return quiescent(state, { also, ledger: state.book, held: state.held });
}

/** The chain that links a vma and an anon_vma. */
function chainOf({ get }: Sound, vma: number, anonVma: number): number {
  const head = vma + Vma.anon_vma_chain;
  for (let entry = get(head); entry !== head; entry = get(entry))
    if (get(entry - AnonVmaChain.same_vma + AnonVmaChain.anon_vma) === anonVma)
      return entry - AnonVmaChain.same_vma;
  throw new Error('there is no such chain');
}
/** An object of a slab by its number. */
function objectOf({ world, spec }: Sound, name: keyof SlabSpecs, index: number): number {
  const { first, stride } = slabPlaces(world.slabs[name], slabSpecs(spec)[name], 2);
  return first + index * stride;
}
/** Makes an object live that nobody knows of. */
function live(state: Sound, name: keyof SlabSpecs, index: number): void {
  const { stride } = slabPlaces(0, slabSpecs(state.spec)[name], 2);
  state.add(objectOf(state, name, index) + stride - SLAB_HEADER_BYTES + SlabHeader.state, 1);
}
/** Takes the first free page off its list. */
function taken(state: Sound, refs: number): number {
  const page = state.page(FRAMES.free);
  lists(state).del(page + Page.lru);
  state.add(state.world.zone + Zone.free_pages, -1);
  state.set(page + Page._refcount, refs);
  return page;
}
const pmdOf = ({ get, parent }: Sound): number => get(get(parent + Mm.pgd));
const tableOf = (state: Sound, mm: number, address: number): number => state.entry(mm, address) & -64;
const tlbOf = ({ world }: Sound): number => world.perCpu + MmCpu.tlb;
const free = (state: Sound, pfn: number): number => state.page(FRAMES.free + pfn);
const setFlag = (state: Sound, pfn: number, flag: number): void =>
  state.set(state.page(pfn) + Page.flags, state.get(state.page(pfn) + Page.flags) | flag);
const clearFlag = (state: Sound, pfn: number, flag: number): void =>
  state.set(state.page(pfn) + Page.flags, state.get(state.page(pfn) + Page.flags) & ~flag);

type Damage = readonly [oracle: string, what: string, damage: (state: Sound) => void, sentence: RegExp];

const DAMAGE: readonly Damage[] = [
  // References.
  [
    'O-REF',
    'a reference too many',
    (s) => s.add(s.page(FRAMES.family) + Page._refcount, 1),
    /page\[12\]\._refcount is 3, and 2 is right: 2 mappings/,
  ],
  [
    'O-REF',
    'a reference too few',
    (s) => s.add(s.page(FRAMES.swapped) + Page._refcount, -1),
    /_refcount is 1, and 2 is right: 1 mapping, 1 cache/,
  ],
  [
    'O-REF',
    'a mapped page without any',
    (s) => s.set(s.page(FRAMES.locked) + Page._refcount, 0),
    /page\[18\]\._refcount is 0/,
  ],
  [
    'O-REF',
    'a page in a batch without that',
    (s) => s.add(s.page(FRAMES.fresh) + Page._refcount, -1),
    /page\[14\]\._refcount is 1, and 2 is right: 1 mapping, 1 batch/,
  ],
  [
    'O-REF',
    'a free page with one',
    (s) => s.set(free(s, 2) + Page._refcount, 1),
    /page\[21\] is on zone\.free_list with 1 reference/,
  ],
  [
    'O-REF',
    'a table page with two',
    (s) => s.add(s.page(1) + Page._refcount, 1),
    /page\[1\]\._refcount is 2, and 1 is right: 1 table/,
  ],
  [
    'O-REF',
    'anon_vma.ref',
    (s) => s.add(s.anonVmas[0] + AnonVma.ref, -1),
    /anon_vma#0\.ref is 1, and 2 is right: 1 list, 1 child/,
  ],
  // Mappings.
  [
    'O-MAP',
    '_mapcount too high',
    (s) => s.add(s.page(FRAMES.family) + Page._mapcount, 1),
    /page\[12\]\._mapcount says 3, and 2 entries map it: 0x1000 of mm_struct#0, 0x1000 of mm_struct#1/,
  ],
  [
    'O-MAP',
    '_mapcount too low',
    (s) => s.add(s.page(FRAMES.mapped) + Page._mapcount, -1),
    /_mapcount says 0, and 1 entry maps it/,
  ],
  [
    'O-MAP',
    '_mapcount of a free page',
    (s) => s.set(free(s, 0) + Page._mapcount, 0),
    /page\[19\]\._mapcount says 1, and no entry maps it/,
  ],
  [
    'O-MAP',
    'a page of the file with another index',
    (s) => s.set(s.page(FRAMES.mapped) + Page.index, 2),
    /page\[15\] is mapped at 0x8000 of mm_struct#0, and reverse mapping does not find it/,
  ],
  [
    'O-MAP',
    'vm_pgoff of a stack that grew twice',
    (s) => s.add(s.vmas[0] + Vma.vm_pgoff, 1),
    /reverse mapping does not find it/,
  ],
  // Address spaces.
  ['O-RSS', 'rss', (s) => s.add(s.parent + Mm.rss, 1), /mm_struct#0\.rss is 6, and 5 is right/],
  ['O-RSS', 'nr_ptes', (s) => s.add(s.child + Mm.nr_ptes, -1), /mm_struct#1\.nr_ptes is 0, and 1/],
  ['O-RSS', 'total_vm', (s) => s.add(s.child + Mm.total_vm, 1), /total_vm is 4, and 3/],
  ['O-RSS', 'locked_vm', (s) => s.add(s.parent + Mm.locked_vm, -1), /locked_vm is 1, and 2/],
  [
    'O-PT',
    'a table that two entries lead to',
    (s) => s.set(pmdOf(s) + 4 * 5, tableOf(s, s.parent, 0x1000)),
    /is the table for 0x0 of mm_struct#0 and for 0x50000 of mm_struct#0/,
  ],
  [
    'O-PT',
    'a table that is none',
    (s) => clearFlag(s, (tableOf(s, s.child, 0x1000) - s.content(0)) / 64, PG.table.mask),
    /is used as the table for 0x0 of mm_struct#1, and is none/,
  ],
  [
    'O-PT',
    'a table that no entry leads to',
    (s) => s.set(taken(s, 1) + Page.flags, PG.table.mask),
    /page\[19\] is a page table, and no entry leads to it/,
  ],
  [
    'O-PT',
    'an entry that leads to no table',
    (s) => s.set(pmdOf(s) + 4 * 5, 0x123),
    /page_table\[\d+\]\.entry\[5\] is 0x123, which is no table/,
  ],
  [
    'O-PT',
    'an entry that leads to no frame',
    (s) => s.set(s.entry(s.parent, 0x21000), mkPte(s.spec.frames + 1, 0)),
    /leads to no frame/,
  ],
  [
    'O-VMA',
    'a stale mmap_cache',
    (s) => s.set(s.parent + Mm.mmap_cache, s.childVma),
    /mm_struct#0\.mmap_cache is vm_area_struct#4, which is none of its vmas/,
  ],
  ['O-VMA', 'map_count', (s) => s.add(s.parent + Mm.map_count, 1), /map_count is 5, and it has 4 vmas/],
  [
    'O-VMA',
    'a vma in the list that is not in the tree',
    (s) => s.set(s.child + Mm.mm_rb, 0),
    /has vm_area_struct#4 in its list, and nothing more in its tree/,
  ],
  [
    'O-VMA',
    'a vma in the tree that is not in the list',
    (s) => {
      s.set(s.vmas[0] + Vma.vm_next, s.vmas[2]);
      s.set(s.vmas[2] + Vma.vm_prev, s.vmas[0]);
    },
    /in its list, and vm_area_struct#1 in its tree/,
  ],
  [
    'O-VMA',
    'vm_prev',
    (s) => s.set(s.vmas[2] + Vma.vm_prev, s.vmas[0]),
    /vm_prev of vm_area_struct#2 is vm_area_struct#0/,
  ],
  [
    'O-VMA',
    'two that overlap',
    (s) => {
      s.set(s.vmas[0] + Vma.vm_end, 0x9000);
      s.add(s.parent + Mm.total_vm, 5);
    },
    /vm_area_struct#1 begins at 0x8000, before vm_area_struct#0 ends/,
  ],
  [
    'O-VMA',
    'two red nodes in a row',
    (s) => s.set(s.vmas[1] + Vma.vm_rb + RbNode.rb_color, 0),
    /is red, and so is what it hangs below/,
  ],
  [
    'O-VMA',
    'rb_parent',
    (s) => s.set(s.vmas[0] + Vma.vm_rb + RbNode.rb_parent, 0),
    /rb_parent of vm_area_struct#0 is none/,
  ],
  [
    'O-VMA',
    'shared_last',
    (s) => s.set(s.vmas[1] + Vma.shared_last, 5),
    /vm_area_struct#1\.shared_last is 5, and 2 is right/,
  ],
  [
    'O-VMA',
    'a right that the vma does not give',
    (s) => s.set(s.childVma + Vma.vm_flags, VM.READ),
    /the entry for 0x2000 of mm_struct#1 allows to write, and vm_area_struct#4 does not/,
  ],
  [
    'O-VMA',
    'an entry where no vma is',
    (s) => s.set(s.entry(s.child, 0x5000), mkPte(0, 0)),
    /there is an entry for 0x5000 of mm_struct#1, and no vma there/,
  ],
  // Lists.
  [
    'O-LIST',
    'a page on two lists',
    (s) => s.set(s.get(s.world.zone + Zone.free_list + 4), s.page(FRAMES.family) + Page.lru),
    /zone\.free_list: next of page\[\d+\] is page\[12\], whose prev is /,
  ],
  [
    'O-LIST',
    'a count in the words of a list',
    (s) => s.add(s.page(FRAMES.mapped) + Page.mlock_count, 1),
    /zone\.inactive_list: next of page\[13\] is page\[15\], whose prev is 0x/,
  ],
  [
    'O-LIST',
    'a deleted entry',
    (s) => s.set(s.world.globals + Globals.init_mmlist, 0x7ead0100),
    /init_mmlist: next of the head is poison/,
  ],
  [
    'O-LRU',
    'PG_lru on no list',
    (s) => setFlag(s, FRAMES.driver, PG.lru.mask),
    /page\[17\] is not on zone\.inactive_list/,
  ],
  [
    'O-LRU',
    'a list that the flags do not name',
    (s) => setFlag(s, FRAMES.cached, PG.active.mask),
    /page\[16\] is on zone\.inactive_list, and its flags do not say so/,
  ],
  [
    'O-LRU',
    'nr_inactive',
    (s) => s.add(s.world.zone + Zone.nr_inactive, -1),
    /zone\.nr_inactive is 2, and 3 are/,
  ],
  [
    'O-LRU',
    'nr_isolated',
    (s) => s.add(s.world.zone + Zone.nr_isolated, 1),
    /zone\.nr_isolated is 1, and 0 are/,
  ],
  // What is nobody's.
  ['O-LEAK', 'a page that nobody has', (s) => taken(s, 1), /page\[19\] has 1 reference, and nobody has it/],
  ['O-LEAK', 'a free page on no list', (s) => taken(s, 0), /page\[19\] is free, and on no free list/],
  [
    'O-LEAK',
    'a free page that still names its owner',
    (s) => s.set(free(s, 1) + Page.mapping, s.anonVmas[0] + MAPPING_ANON),
    /page\[20\] is on zone\.free_list, and has/,
  ],
  [
    'O-LEAK',
    'free_pages',
    (s) => s.add(s.world.zone + Zone.free_pages, 1),
    /zone\.free_list has \d+ pages, and \d+ are counted/,
  ],
  [
    'O-LEAK',
    'a vma in no address space',
    (s) => live(s, 'vmas', 5),
    /vm_area_struct#5 is live, and in no address space/,
  ],
  [
    'O-LEAK',
    'an anon_vma without vmas',
    (s) => live(s, 'anonVmas', 3),
    /anon_vma#3 is live with 0 references, and has no vma/,
  ],
  ['O-LEAK', 'a chain on no list', (s) => live(s, 'chains', 4), /anon_vma_chain#4 is live, and on no list/],
  [
    'O-LEAK',
    'an address space without users',
    (s) => live(s, 'mms', 2),
    /mm_struct#2 is live, and has no user/,
  ],
  // One place, one frame.
  [
    'O-DUP',
    'two pages for one of the file',
    (s) => {
      const page = taken(s, 1);
      s.set(page + Page.mapping, s.files[0]);
      s.set(page + Page.index, 1);
      s.held.set(page, 1);
    },
    /page\[19\] is page 1 of address_space#0, and so is page\[15\]/,
  ],
  // Swap.
  [
    'O-SWAPCNT',
    'a count too low',
    (s) => s.add(s.world.swapMap, -1),
    /swap_map\[0\] is 1, and 2 is right: 2 ptes, no cache/,
  ],
  [
    'O-SWAPCNT',
    'a count too high',
    (s) => s.add(s.world.swapMap + 4, 1),
    /swap_map\[1\] is 2, and 1 is right: 0 ptes, 1 cache/,
  ],
  [
    'O-SWAPCNT',
    'inuse_pages',
    (s) => s.add(s.world.swap + SwapInfo.inuse_pages, 1),
    /inuse_pages is 3, and 2/,
  ],
  [
    'O-SWAPCNT',
    'a cached page that says another entry',
    (s) => s.set(s.page(FRAMES.swapped) + Page.private, 3),
    /page\[13\] is swap entry 2 in the cache, and says 3/,
  ],
  [
    'O-SWAPCNT',
    'PG_swapcache outside of the cache',
    (s) => setFlag(s, FRAMES.fresh, PG.swapcache.mask),
    /page\[14\] has PG_swapcache, and the cache does not have it/,
  ],
  [
    'O-SWAPOFF',
    'an entry of a device that is gone',
    (s) => s.set(s.world.swap + SwapInfo.flags, 0),
    /0x3000 of mm_struct#0 holds swap entry 1 of a device that is gone/,
  ],
  [
    'O-SWAPOFF',
    'an address space that swapoff does not find',
    (s) => lists(s).del(s.child + Mm.mmlist),
    /mm_struct#1 is not on init_mmlist/,
  ],
  // Anonymous memory.
  [
    'O-AV',
    'a page whose anon_vma is free',
    (s) => s.set(s.page(FRAMES.locked) + Page.mapping, objectOf(s, 'anonVmas', 3) + MAPPING_ANON),
    /page\[18\]\.mapping names anon_vma#3, which is free/,
  ],
  [
    'O-AV',
    "a page of another family's",
    (s) => s.set(s.page(FRAMES.fresh) + Page.mapping, s.anonVmas[2] + MAPPING_ANON),
    /anon_vma#2, which it names, has no vma that maps it/,
  ],
  [
    'O-AV',
    'a chain on one list only',
    (s) => lists(s).del(chainOf(s, s.childVma, s.anonVmas[0]) + AnonVmaChain.same_vma),
    /anon_vma_chain#1 links vm_area_struct#4, which does not have it/,
  ],
  [
    'O-AV',
    "a vma's own anon_vma that is free",
    (s) => s.set(s.vmas[1] + Vma.anon_vma, objectOf(s, 'anonVmas', 3)),
    /vm_area_struct#1\.anon_vma is anon_vma#3, which is no live anon_vma/,
  ],
  // Pages that stay.
  [
    'O-MLOCK',
    'a count too high',
    (s) => s.add(s.page(FRAMES.locked) + Page.mlock_count, 1),
    /page\[18\] is counted 2 times, and 1 VM_LOCKED vma maps it/,
  ],
  [
    'O-MLOCK',
    'a word of its own that counts too much',
    (s) => s.set(s.page(FRAMES.family) + Page.mlocked, 1),
    /page\[12\] is counted 1 time, and 0 VM_LOCKED vmas map it/,
  ],
  [
    'O-MLOCK',
    'nr_mlock',
    (s) => s.add(s.world.zone + Zone.nr_mlock, 1),
    /zone\.nr_mlock is 2, and PG_mlocked is set in 1 page/,
  ],
  [
    'O-MLOCK-STRONG',
    'no mark',
    (s) => {
      s.set(s.vmas[0] + Vma.vm_flags, VM.READ | VM.WRITE | VM.LOCKED);
      s.add(s.parent + Mm.locked_vm, 3);
    },
    /page\[12\] is mapped by 1 VM_LOCKED vma, and bears no mark/,
  ],
  [
    'O-RSV1',
    'a swapped page of a driver',
    (s) => s.set(s.vmas[0] + Vma.vm_flags, VM.READ | VM.WRITE | VM.RESERVED),
    /0x3000 of mm_struct#0, of the VM_RESERVED vm_area_struct#0, holds swap entry 1/,
  ],
  [
    'O-RSV2',
    "a driver's page on the LRU",
    (s) => s.set(s.vmas[1] + Vma.vm_flags, VM.READ | VM.WRITE | VM.SHARED | VM.RESERVED),
    /page\[15\], at 0x8000 of mm_struct#0 of the VM_RESERVED vm_area_struct#1, has PG_lru/,
  ],
  // What users wrote.
  [
    'O-LOST',
    'an older write',
    (s) => s.set(s.content(FRAMES.swapped) + Payload.version, 3),
    /write 4 of 7 to 0x2000 of mm_struct#0 is lost: page\[13\] has write 3/,
  ],
  [
    'O-LOST',
    'no write on the device',
    (s) => {
      s.set(s.world.swapDisk + Payload.owner, 0);
      s.set(s.world.swapDisk + Payload.version, 0);
    },
    /write 5 of 7 to 0x3000 of mm_struct#0 is lost: swap entry 1 has none/,
  ],
  [
    'O-TAG',
    "another's write",
    (s) => s.set(s.content(FRAMES.mapped) + Payload.owner, 9),
    /page 1 of address_space#0 is page\[15\] with write 6 of 9, not of 7/,
  ],
  // Locks.
  [
    'O-LOCKBAL',
    'page_table_lock',
    (s) => s.set(s.child + Mm.page_table_lock, 1),
    /mm_struct#1\.page_table_lock is 1: it is held/,
  ],
  [
    'O-LOCKBAL',
    'mmap_sem for reading',
    (s) => s.set(s.parent + Mm.mmap_sem, 4),
    /mm_struct#0\.mmap_sem\.count is 4/,
  ],
  ['O-LOCKBAL', 'a page', (s) => setFlag(s, FRAMES.mapped, PG.locked.mask), /page\[15\] has PG_locked/],
  [
    'O-LOCKBAL',
    'the lock of a free anon_vma',
    (s) => s.set(objectOf(s, 'anonVmas', 3) + AnonVma.lock, 2),
    /anon_vma#3\.lock is 2/,
  ],
  [
    'O-LOCKBAL',
    'a sequence',
    (s) => s.set(s.childVma + Vma.vm_sequence, 5),
    /vm_area_struct#4\.vm_sequence is 5/,
  ],
  // Translations.
  [
    'O-TLB',
    'a page that is mapped elsewhere now',
    (s) => s.set(tlbOf(s) + TlbEntry.pte, mkPte(FRAMES.fresh, 0)),
    /CPU 0 translates 0x1000 of mm_struct#0 to page\[14\], and page\[12\] is mapped there/,
  ],
  [
    'O-TLB',
    'a right that is gone',
    (s) => s.set(tlbOf(s) + TlbEntry.pte, mkPte(FRAMES.family, PTE_RW)),
    /for writing, and it may only be read/,
  ],
  [
    'O-TLB',
    'a CPU that shootdowns pass over',
    (s) => s.set(s.parent + Mm.cpu_vm_mask, 0),
    /is not in its cpu_vm_mask/,
  ],
];

test('a sound model has nothing wrong, with entries of one word and of two', () => {
  for (const pteWords of [1, 2] as const) assert.equal(said(sound({ pteWords }), EVERY), []);
});

for (const [oracle, what, damage, sentence] of DAMAGE)
  test(`${oracle}: ${what}`, () => {
    const state = sound();
    damage(state);
    const wrong = said(state, [oracle]);
    assert.equal(idsOf(wrong), [oracle], wrong.join('\n'));
    assert.match(wrong[0]!, sentence);
  });

test('only, except and also choose; a name that none has is an error that lists them', () => {
  const state = sound();
  state.add(state.parent + Mm.rss, 1);
  state.add(state.parent + Mm.map_count, 1);
  const ids = (options: Parameters<typeof quiescent>[1]): string[] => idsOf(quiescent(state, options));
  assert.equal(ids({}), ['O-VMA', 'O-RSS']);
  assert.equal(ids({ only: ['O-RSS'] }), ['O-RSS']);
  assert.equal(ids({ except: ['O-RSS'] }), ['O-VMA']);
  assert.equal(ids({ only: ['O-RSS'], except: ['O-RSS'] }), []);
  assert.ok(!chosen({}).some(({ name }) => name === 'O-RSV2'));
  assert.ok(chosen({ also: ['O-RSV2'] }).some(({ name }) => name === 'O-RSV2'));
  for (const options of [{ only: ['O-RS'] }, { except: ['O-RS'] }, { also: ['O-RS'] }])
    assert.throws(
      () => quiescent(state, options),
      (error: Error) =>
        error instanceof UnknownOracle && /no oracle 'O-RS': there are O-LIST, /.test(error.message),
    );
});

test('each oracle has a name of its own and a line that says what it is about, and names a damage here', () => {
  assert.is(new Set(EVERY).size, EVERY.length);
  for (const { name, says } of ORACLES) {
    assert.match(says, /^\S.{20,110}$/);
    assert.ok(
      DAMAGE.some(([oracle]) => oracle === name),
      name,
    );
  }
});

test('a thread that is no CPU sees the same, and a census of a copy of the memory does', () => {
  const state = sound();
  state.add(state.page(FRAMES.family) + Page._refcount, 1);
  const { isa, world } = state;
  const copy = new Map<number, number>();
  for (let at = 0; at < world.end; at += 4) copy.set(at, isa.read(at));
  const of = (read: (addr: number) => number) =>
    observer({ isa: { read }, at: world.zone, cpus: 2, spec: state.spec });
  const expected = quiescent(state);
  assert.is(expected.length, 1);
  assert.equal(quiescent(of((addr) => isa.read(addr))), expected);
  state.add(state.page(FRAMES.family) + Page._refcount, -1);
  assert.equal(quiescent(of((addr) => copy.get(addr)!)), expected);
});

test(`whatever one word is changed to, every oracle ends and none throws (seed ${seed})`, () => {
  const state = sound();
  const { world, set, get } = state;
  let x = seed | 1;
  const draw = (below: number): number => {
    x ^= x << 13;
    x ^= x >>> 17;
    x ^= x << 5;
    return (x >>> 0) % below;
  };
  const words: number[] = [];
  for (let at = world.zone; at < world.end; at += 4) if (get(at) !== 0) words.push(at);
  const any = (): number => words[draw(words.length)]!;
  let named = 0;
  for (let times = 0; times < 200; times += 1) {
    const word = any();
    const before = get(word);
    const values = [0, -1, draw(2 ** 31), get(any()), before + 1, world.zone + draw(world.end - world.zone)];
    set(word, values[draw(values.length)]!);
    if (said(state, EVERY).length > 0) named += 1;
    set(word, before);
  }
  assert.equal(said(state, EVERY), []);
  assert.ok(named > 60, `${named} of 200 were named`);
});

test.run();
