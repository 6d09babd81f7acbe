/** The scripts of the races of page_lock_anon_vma: the numbered steps in the heads of src/scenarios/mm/anon-vma*.ts, by the name of the race. X is the anon_vma of process 0. */
import type { ScenarioOracle } from '../../src/scenario.ts';
import type { Step } from './script.ts';

/** A script, and what comes of it. */
export interface Script {
  readonly steps: readonly Step[];
  /** The oracle that must say so, and what. */
  readonly oracle: ScenarioOracle | 'wakeup';
  readonly text: RegExp;
}

const decodes: Step = {
  cpu: 0,
  says: 'decodes X, and has not tried for its lock yet',
  before: ['compareExchange', 'X.lock'],
};
const FREED = /CPU 0 accesses .*head.* freed/;

/** Another process has the anon_vma. */
const OTHER = /O-AV: page_lock_anon_vma returns anon_vma#0 in its generation 3/;

const freed = (locks: Step): Script => ({
  oracle: 'lifetime',
  text: FREED,
  steps: [
    decodes,
    { cpu: 1, says: 'unmaps the page, and takes the vma off the list', before: ['fetchAdd', 'X.ref'] },
    locks,
    { cpu: 1, says: 'drops the last reference, and frees X' },
    { cpu: 0, says: 'walks the list of a free anon_vma' },
  ],
});

const dekker: Script = freed({
  cpu: 0,
  says: 'gets the lock, which nobody sees yet, and sees the reference',
  after: ['readOnce|loadAcquire', 'X.ref'],
});

export const scripts: Readonly<Record<string, Script>> = {
  recycle: {
    oracle: 'exception',
    text: OTHER,
    steps: [
      decodes,
      { cpu: 1, says: 'process 0 exits: the last reference goes, the lock is taken and released, X is free' },
      { cpu: 2, says: 'process 1 has its first page and gets X' },
      { cpu: 0, says: 'gets the lock, and sees a reference' },
    ],
  },
  'recycle-asleep': {
    oracle: 'exception',
    text: OTHER,
    steps: [
      decodes,
      { cpu: 1, says: 'X is freed; process 1 gets X, and its lock', after: ['compareExchange', 'X.lock', 2] },
      { cpu: 0, says: 'does not get the lock, and takes a reference', after: ['compareExchange', 'X.ref'] },
      { cpu: 1, says: 'releases the lock' },
      { cpu: 0, says: 'has the lock' },
    ],
  },
  'recycle-get-lock': {
    oracle: 'exception',
    text: OTHER,
    steps: [
      { cpu: 0, says: 'decodes X', before: ['readOnce', 'X.ref'] },
      { cpu: 1, says: 'X is freed, and belongs to process 1' },
      { cpu: 0, says: 'takes a reference, and the lock' },
    ],
  },
  'recycle-spinlock': {
    oracle: 'exception',
    text: OTHER,
    steps: [
      decodes,
      { cpu: 1, says: 'X is freed, and belongs to process 1' },
      { cpu: 0, says: 'takes the lock' },
    ],
  },
  'root-reread': {
    oracle: 'check',
    text: /O-LOCKBAL: the lock of anon_vma#0 is held/,
    steps: [
      { cpu: 0, says: 'decodes X', before: ['readOnce', 'X.root'] },
      { cpu: 1, says: 'X is freed, and given to a child of process 2', before: ['writeOnce', 'X.root', 2] },
      { cpu: 0, says: 'gets the lock of X; the page is not mapped', before: ['readOnce', 'X.root', 2] },
      { cpu: 1, says: 'the root of X is that of the parent' },
      { cpu: 0, says: 'releases the lock of the root' },
    ],
  },
  'free-at-once': freed({
    cpu: 0,
    says: 'gets the lock, and sees the reference',
    after: ['readOnce', 'X.ref'],
  }),
  expedited: freed({
    cpu: 0,
    says: 'gets the lock, sees the reference, and leaves the read section',
    before: ['read', 'X.head'],
  }),
  'is-locked-none': dekker,
  'is-locked-rmb': dekker,
  'is-locked-read-depends': dekker,
  'is-locked-acquire': dekker,
  'double-fetch': {
    oracle: 'exception',
    text: /O-TYPE: the mapping .* no object begins there/,
    steps: [
      { cpu: 0, says: 'reads the mapping: an anon_vma', before: ['readOnce', 'page.mapping', 2] },
      { cpu: 1, says: 'KSM merges the page' },
      { cpu: 0, says: 'reads the mapping again' },
    ],
  },
  'no-dereference': {
    oracle: 'exception',
    text: /O-TYPE: the root 0x0 /,
    steps: [
      { cpu: 1, says: 'process 1 has its first page: X is set up, and the mapping names it' },
      { cpu: 0, says: 'reads the mapping, and of X what was there before', stale: ['readOnce', 'X.root'] },
    ],
  },
  'not-type-stable': {
    oracle: 'exception',
    text: /O-TYPE: the (mapping|root) /,
    steps: [
      // The first object of the slab is a chain.
      { cpu: 0, says: 'decodes X', before: ['readOnce', 'anon_vma#1.root'] },
      { cpu: 1, says: 'the memory of X becomes a chain of process 1' },
      { cpu: 0, says: 'takes a word of the chain for a lock' },
    ],
  },
  'reinitialised-lock': {
    oracle: 'exception',
    text: /O-LOCKBAL: CPU 1 gets the lock of anon_vma#0, which CPU 0 holds/,
    steps: [
      decodes,
      { cpu: 1, says: 'X is freed, and about to be given to process 1', before: ['writeOnce', 'X.lock'] },
      { cpu: 0, says: 'gets the lock of X', before: ['readOnce', 'page._mapcount'] },
      { cpu: 1, says: 'initialises the lock, and takes it' },
    ],
  },
  'mutex-under-rcu': {
    oracle: 'wakeup',
    text: /deadlock/,
    steps: [
      { cpu: 1, says: 'has the mutex of X', after: ['compareExchange', 'X.lock'] },
      { cpu: 0, says: 'sleeps for the mutex in its read section' },
      { cpu: 1, says: 'waits for a grace period' },
    ],
  },
  'put-under-rcu': {
    oracle: 'lock-order',
    text: /CPU 0 acquires .*, which may sleep, inside a read section/,
    steps: [
      { cpu: 0, says: 'takes a reference in its read section', after: ['compareExchange', 'X.ref'] },
      { cpu: 1, says: 'process 0 exits: X loses the reference of its list' },
      { cpu: 0, says: 'drops the last reference in the section' },
    ],
  },
  'put-under-mutex': {
    oracle: 'wakeup',
    text: /deadlock/,
    steps: [
      decodes,
      { cpu: 1, says: 'has the mutex of X, to take the vma off', before: ['exchange', 'X.lock'] },
      { cpu: 0, says: 'takes a reference in the slow path', after: ['compareExchange', 'X.ref'] },
      { cpu: 1, says: 'releases the mutex, and drops the reference of the list' },
      { cpu: 0, says: 'has the mutex, and drops the last reference' },
    ],
  },
};
