/** The scripts of the races of page_lock_anon_vma: the numbered steps in the heads of src/scenarios/mm/anon-vma*.ts. X, anon_vma#0, is the anon_vma of process 0. */
import { by, end, type Script, type Steps, type Told } from '../told.ts';

const LOCK = 'compareExchange';
const X = 'anon_vma#0';
const FREED = /CPU 0 accesses anon_vma#0\.head.* freed/;
/** Another process has the anon_vma. */
const OTHER = /O-AV: page_lock_anon_vma returns anon_vma#0 in its generation 3/;

type More = Pick<Told, 'times' | 'stale'>;

const behind = (cpu: number, what: string, op: string, word: string, more: More = {}): Told =>
  by(cpu, op, word, { what, ...more });
const before = (cpu: number, what: string, op: string, word: string, more: More = {}): Told =>
  by(cpu, op, word, { what, before: true, ...more });

const decodes = before(0, 'decodes X, and has not tried for its lock yet', LOCK, `${X}.lock`);
const freed = (locks: Told): Script => [
  FREED,
  decodes,
  before(1, 'unmaps the page, and takes the vma off the list', 'fetchAdd', `${X}.ref`),
  locks,
  end(1, 'drops the last reference, and frees X'),
  end(0, 'walks the list of a free anon_vma'),
];
const dekker = freed(
  behind(
    0,
    'gets the lock, which nobody sees yet, and sees the reference',
    'readOnce|loadAcquire',
    `${X}.ref`,
  ),
);

/** The numbered steps, and what comes of them. */
export const ANON_VMA: Steps = {
  recycle: [
    OTHER,
    decodes,
    end(1, 'process 0 exits: the last reference goes, the lock is taken and released, X is free'),
    end(2, 'process 1 has its first page and gets X'),
    end(0, 'gets the lock, and sees a reference'),
  ],
  'recycle-asleep': [
    OTHER,
    decodes,
    behind(1, 'X is freed; process 1 gets X, and its lock', LOCK, `${X}.lock`, { times: 2 }),
    behind(0, 'does not get the lock, and takes a reference', LOCK, `${X}.ref`),
    end(1, 'releases the lock'),
    end(0, 'has the lock'),
  ],
  'recycle-get-lock': [
    OTHER,
    before(0, 'decodes X', 'readOnce', `${X}.ref`),
    end(1, 'X is freed, and belongs to process 1'),
    end(0, 'takes a reference, and the lock'),
  ],
  'recycle-spinlock': [
    OTHER,
    decodes,
    end(1, 'X is freed, and belongs to process 1'),
    end(0, 'takes the lock'),
  ],
  'root-reread': [
    /O-LOCKBAL: the lock of anon_vma#0 is held/,
    before(0, 'decodes X', 'readOnce', `${X}.root`),
    before(1, 'X is freed, and given to a child of process 2', 'writeOnce', `${X}.root`, { times: 2 }),
    before(0, 'gets the lock of X; the page is not mapped', 'readOnce', `${X}.root`, { times: 2 }),
    end(1, 'the root of X is that of the parent'),
    end(0, 'releases the lock of the root'),
  ],
  'free-at-once': freed(behind(0, 'gets the lock, and sees the reference', 'readOnce', `${X}.ref`)),
  expedited: freed(
    before(0, 'gets the lock, sees the reference, and leaves the read section', 'read', `${X}.head.next`),
  ),
  'is-locked-none': dekker,
  'is-locked-rmb': dekker,
  'is-locked-read-depends': dekker,
  'is-locked-acquire': dekker,
  'double-fetch': [
    /O-TYPE: the mapping .* no object begins there/,
    before(0, 'reads the mapping: an anon_vma', 'readOnce', 'page[1].mapping', { times: 2 }),
    end(1, 'KSM merges the page'),
    end(0, 'reads the mapping again'),
  ],
  'no-dereference': [
    /O-TYPE: the root 0x0 /,
    end(1, 'process 1 has its first page: X is set up, and the mapping names it'),
    behind(0, 'reads the mapping, and of X what was there before', 'readOnce', `${X}.root`, { stale: true }),
  ],
  'not-type-stable': [
    /O-TYPE: the (mapping|root) /,
    // The first object of the slab is a chain.
    before(0, 'decodes X', 'readOnce', 'anon_vma/anon_vma_chain#1.root'),
    end(1, 'the memory of X becomes a chain of process 1'),
    end(0, 'takes a word of the chain for a lock'),
  ],
  'reinitialised-lock': [
    /O-LOCKBAL: CPU 1 gets the lock of anon_vma#0, which CPU 0 holds/,
    decodes,
    before(1, 'X is freed, and about to be given to process 1', 'writeOnce', `${X}.lock`),
    before(0, 'gets the lock of X', 'readOnce', 'page[1]._mapcount'),
    end(1, 'initialises the lock, and takes it'),
  ],
  'mutex-under-rcu': [
    /deadlock/,
    behind(1, 'has the mutex of X', LOCK, `${X}.lock`),
    end(0, 'sleeps for the mutex in its read section'),
    end(1, 'waits for a grace period'),
  ],
  'put-under-rcu': [
    /CPU 0 acquires .*, which may sleep, inside a read section/,
    behind(0, 'takes a reference in its read section', LOCK, `${X}.ref`),
    end(1, 'process 0 exits: X loses the reference of its list'),
    end(0, 'drops the last reference in the section'),
  ],
  'put-under-mutex': [
    /deadlock/,
    decodes,
    before(1, 'has the mutex of X, to take the vma off', 'exchange', `${X}.lock`),
    behind(0, 'takes a reference in the slow path', LOCK, `${X}.ref`),
    end(1, 'releases the mutex, and drops the reference of the list'),
    end(0, 'has the mutex, and drops the last reference'),
  ],
};
