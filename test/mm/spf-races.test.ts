/**
 * The races of speculative page faults (mm.md R3.1 to R3.13): each happens when its numbered steps are forced, is found by a hunt that knows nothing of them, by the oracle that it names, and comes back from its
 * token. The fixed twins and the controls are silent under every detector and memory model.
 * Most of the time goes into starting CPUs, so the races take turns.
 */
import * as swap from '../../src/scenarios/mm/spf-swap.ts';
import * as tables from '../../src/scenarios/mm/spf-tables.ts';
import * as vmas from '../../src/scenarios/mm/spf-vmas.ts';
import { by, end, raceTests, type Steps, type Told } from '../fixtures/mm/told.ts';
import { suite } from '../suite.ts';

const test = suite('races of speculative page faults');
const V = 'vm_area_struct#0';
const N = 'vm_area_struct#1';
const PTL = 'mm_struct#0.page_table_lock';
/** The entry of the pmd, and that of V; of entries of two words, both. */
const PMD = 'page_table[2].entry[1]';
const PTE = 'page_table[3].entry[0]';
const [WIDE_PMD, WIDE_LOW, WIDE_HIGH] = [
  'page_table[4].entry[2]',
  'page_table[5].entry[0]',
  'page_table[5].entry[1]',
];

/** CPU 0 has found V. */
const finds: Told = by(0, 'readOnce', `${V}.vm_start`);
/** CPU 1 has taken V out of the tree, and marked it. */
const kills: Told = by(1, 'writeOnce', `${V}.vm_rb.rb_parent`);
/** CPU 0 sees that V is not what it was, and leaves it to the classic path, where it waits for CPU 1. */
const givesUp: Told = by(0, 'writeOnce', 'mm_cpu[0].spf_vma_changed');
/** The fault of CPU 0 is served. Its last access it is not, where CPU 1 has it acknowledge a flush. */
const succeeds: Told = by(0, 'writeOnce', 'mm_cpu[0].spf_success');
/** A CPU has read the entry of V. */
const reads: Told = by(0, 'readOnce', PTE);
const readsBoth: readonly Told[] = [by(0, 'readOnce', WIDE_HIGH)];

/** The numbered steps at the heads of the files, and what comes of them. */
const STEPS: Steps = {
  'table-freed': [
    /^O-PT: page_table\[5\].* is no page table/,
    by(0, 'compareExchange', PTL, { before: true }),
    by(1, 'writeOnce', WIDE_PMD, { value: 0 }),
  ],
  'not-checked-behind': [
    /^O-VMA: there is an entry for 0x10000/,
    by(0, 'loadAcquire', PMD, { times: 2 }),
    end(1),
    end(0),
  ],
  'spins-with-interrupts-off': [
    /^livelock$/,
    by(0, 'readOnce', PTE),
    by(1, 'compareExchange', PTL),
    by(0, 'casFailed', PTL),
  ],
  'pmd-not-checked': [
    /^O-MAP: page\[\d+\]\._mapcount says 1/,
    by(0, 'readOnce', `${V}.vm_sequence`, { times: 2 }),
    by(1, 'writeOnce', WIDE_PMD, { value: 0 }),
    by(1, 'fetchOr'),
    by(0, 'fetchAdd'),
    end(1),
    end(0),
  ],
  'table-made-for-nobody': [/^O-LEAK: there are 2 tables/, by(0, 'loadAcquire'), end(1), end(0)],
  'torn-entry': [/^O-PTEHIST: swap entry \d+ is looked up/, by(0, 'readOnce', WIDE_LOW), end(1), end(0)],
  'entry-stays-mapped': [/^O-KMAP: CPU 0 has mapped 1/, succeeds],
  'status-inverted': [/^bound$/, by(0, 'readOnce', 'mm_cpu[0].spf_success', { times: 3 })],
  'status-escapes': [/^O-RC: a speculative fault returns 0x4000/, ...readsBoth, end(1), end(0)],
  'page-not-put': [/^O-REF: page\[\d+\]\._refcount is 4, and 3/, ...readsBoth, end(1), end(0)],
  'second-install': [/^O-SWAPCNT: swap_map\[0\] is 0, and 1 is right/, reads, end(1), end(0)],
  'loser-keeps-page': [/^O-REF: page\[\d+\]\._refcount is 4, and 3/, reads, end(1), end(0)],
  'check-compiled-out': [/^nothing$/, reads, end(1), end(0)],
  'auxiliary-status': [/^nothing$/, ...readsBoth, end(1), end(0)],
  'vma-not-kept': [/CPU 0 accesses vm_area_struct#0\.[\w.]+, which CPU 1 has freed/, finds, end(1), end(0)],
  'kept-by-srcu': [/^nothing$/, finds, kills, givesUp],
  'kept-by-rcu': [/^nothing$/, finds, kills, givesUp],
  'kept-by-its-lock': [/^nothing$/, finds, kills, givesUp],
  'anon-vma-from-neighbour': [
    /CPU 0 accesses vm_area_struct#0\.vm_flags, which CPU 1 has freed/,
    by(0, 'readOnce', `${N}.vm_prev`),
    end(1),
    end(0),
  ],
  'flags-copied-early': [
    /^O-VMA: the entry for 0x10000 of mm_struct#0 allows to write/,
    by(0, 'readOnce', `${V}.vm_flags`),
    end(1),
    end(0),
  ],
  'index-read-late': [
    /^O-MAP: page\[\d+\] is mapped at 0x11000/,
    by(0, 'read', `${V}.vm_pgoff`),
    by(1, 'writeOnce', `${V}.vm_start`),
    end(0),
    end(1),
  ],
  'mremap-unmarked': [
    /^O-MAP: page\[\d+\]\._mapcount says 1/,
    by(1, 'write', 'mm_struct#0.total_vm'),
    succeeds,
  ],
  'counts-lost': [
    /^O-LOCKBAL: vm_area_struct#0\.vm_sequence is \d+: a writer is inside/,
    by(0, 'readOnce', `${V}.vm_sequence`),
    by(1, 'writeOnce', `${V}.vm_sequence`),
    end(0),
    end(1),
  ],
  'dontneed-twice': [
    /^nothing$/,
    by(0, 'fetchAdd', `${N}.vm_sequence`),
    by(1, 'fetchAdd', `${N}.vm_sequence`),
    by(2, 'readOnce', `${N}.vm_sequence`),
    end(0),
    end(1),
    end(2),
  ],
  'fork-unmarked': [
    /^O-LOST: write 2 is lost/,
    by(0, 'writeOnce', 'page_table[4].entry[1]', { value: 1 }),
    by(1, 'storeWakeOne', PTL),
    by(2, 'compareExchange', PTL),
    by(2, 'compareExchange', PTL, { before: true }),
    by(0, 'writeOnce', 'page_table[4].entry[1]', { value: 2 }),
    by(2, 'compareExchange', PTL),
  ],
};

raceTests(test, [tables, swap, vmas], STEPS, { steps: 6, hunts: 8, controls: 2 }, ['second-install']);

test.run();
