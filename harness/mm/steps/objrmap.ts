/** The scripts of the races of 2004 over the whole kernel: the numbered steps in the heads of src/scenarios/mm/objrmap-*.ts. */
import { by, end, type Steps } from '../told.ts';

const VMA = 'vm_area_struct';

/** The numbered steps, and what comes of them. */
export const OBJRMAP: Steps = {
  'detach-outside-ptl': [
    /CPU 1 accesses vm_area_struct#1\.\w+, which CPU 1 has freed/,
    by(0, 'readOnce', `${VMA}#1.vm_start`),
    by(1, 'writeOnce', 'mm_struct#0.mmap_cache', { value: 0 }),
    end(0),
    end(1),
  ],
  'detach-hides-vma': [
    /^O-MLOCK: reclaim has taken the page of a VM_LOCKED vma/,
    by(0, 'readOnce', `${VMA}#1.vm_start`),
    by(1, 'write', `${VMA}#1.vm_rb.rb_left`),
    end(0),
    end(1),
  ],
  'merge-frees-vma-of-swapoff': [
    /CPU 0 accesses vm_area_struct#1\.vm_flags, which CPU 1 has freed/,
    by(0, 'read', `${VMA}#1.vm_end`),
    end(1),
    end(0),
  ],
  'merge-frees-vma-of-swapout': [
    /CPU 0 accesses vm_area_struct#1\.vm_flags, which CPU 1 has freed/,
    by(0, 'readOnce', `${VMA}#1.vm_start`, { times: 2 }),
    end(1),
    end(0),
  ],
  'unuse-passes-over': [
    /^O-SWAPOFF: 0x12000 of mm_struct#0 holds swap entry 1 of a device that is gone/,
    by(0, 'read', `${VMA}#0.vm_end`),
    end(1),
    end(0),
  ],
  'reserved-swapped-out': [/^O-RSV1: 0x10000 of mm_struct#0, .* holds swap entry 1/, end(0), end(1)],
  'reserved-frame-reused': [
    /^O-TAG: page\[\d+\] is a user's, and holds what the device has written/,
    end(0),
    end(1),
    end(2),
  ],
  'reserved-bug-on': [/^O-RSV1: BUG_ON/, end(0)],
  'swapout-waits-for-ptl': [
    /^deadlock/,
    by(0, 'readOnce', 'address_space#0.truncate_count', { times: 2 }),
    by(1, 'casFailed', 'mm_struct#0.page_table_lock'),
    end(0),
  ],
  'swapoff-waits-for-mmap-sem': [
    /^deadlock/,
    by(0, 'compareExchange', 'mm_struct#0.mm_users'),
    by(1, 'wait'),
    by(2, 'wait'),
    end(0),
  ],
  'vma-ptl-shared-tables': [
    /^O-PT: page\[\d+\] is a page table, and no entry leads to it/,
    by(1, 'loadAcquire', 'page_table[1].entry[0]'),
    end(0),
    end(1),
  ],
  'stack-grows-negative': [
    /^O-VMA: there is an entry for 0x14000 of mm_struct#0, and no vma there/,
    by(1, 'readOnce', `${VMA}#0.vm_start`, { times: 2 }),
    end(0),
    end(1),
  ],
  'stack-grows-unlocked': [
    /^O-VMA: there is an entry for 0x14000 of mm_struct#0, and no vma there/,
    by(1, 'readOnce', `${VMA}#0.vm_start`, { times: 3 }),
    end(0),
    end(1),
  ],
  'swapin-youngest-anon-vma': [
    /^O-MAP: page\[\d+\] is mapped at 0x10000 of mm_struct#0, and reverse mapping does not find it there/,
    end(0),
    end(1),
  ],
  'mlock-counted-twice': [
    /^O-MLOCK: page\[\d+\] is counted 2 times, and 1 VM_LOCKED vma maps it/,
    by(0, 'writeOnce', `${VMA}#0.vm_flags`),
    end(1),
    end(0),
  ],
  'flags-without-ptl': [
    /^nothing$/,
    by(1, 'readOnce', `${VMA}#0.vm_flags`),
    by(0, 'writeOnce', `${VMA}#0.vm_flags`),
    end(1),
    end(0),
  ],
};
