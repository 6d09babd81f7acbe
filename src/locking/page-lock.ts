/**
 * Page lock: one bit of a word that means other things too, with hashed wait queues (Linux's lock_page since 2.4; PG_waiters since 4.10, Nicholas Piggin).
 *
 *   flags      bit 0: locked; bit 1: somebody waits; all other bits are the owner of the word's to use
 *   bucket     of the class, hashed by the word's address: lock, and a FIFO queue of waiters for any of the words that hash there
 *   waiter     next in the bucket, the word it waits for, woken; lies in the waiting CPU's area
 *
 * There are as many pages as memory has and few that anybody waits for, so a page has no queue of its own: a bit is all that it pays for.
 *
 * acquire sets the bit and is done if it was not set. Else it queues in the bucket, and under the bucket's lock sets both bits: if the page was free by then
 * it has it, and takes itself off. release clears the bit, and only if it finds the waiters' bit goes to the bucket, takes off the first who waits for
 * this word, not for another that hashes there, and wakes it. The last one taken off clears the waiters' bit. The one that was woken
 * tries again and may find that a newcomer was faster: then it queues again, at the end. Nothing is promised about order.
 *
 * No wake-up is lost: a waiter is in the bucket before it sets the bits, by one read-modify-write. If that comes before the release's, the release finds the
 * waiters' bit and, under the bucket's lock, the waiter; if it comes after, it finds the page free. The waiters' bit changes under the bucket's lock only.
 *
 * Ordering: taking and giving up the bit are fully ordered read-modify-writes of the same word. The bucket's queue is read and written under its lock.
 *
 * Buckets lie in the class's per-CPU bytes, some in each CPU's: a place to keep them, no CPU owns any.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { type Cpu, LINE, sizeOf, struct, u32 } from '../memory/index.ts';
import { defineLock, type LockEnv } from './define.ts';
import type { MutexOps } from './kinds.ts';

/** Layout of a {@link pageLock}: the word with its bits. */
export const PageLock = struct('page_lock', { flags: u32 });
/** Layout of a wait queue. */
export const PageBucket = struct('page_bucket', { lock: u32.ownLine(), first: u32, last: u32 });
/** Layout of a waiter's node. */
export const PageWaiter = struct('page_waiter', { next: u32, page: u32, woken: u32 });

/** `flags`: locked. */
export const PAGE_LOCKED = 1;
/** `flags`: somebody waits in the bucket. */
export const PAGE_WAITERS = 2;

const BUCKETS_BY_CPU = 4;
const STRIDE = Math.ceil(sizeOf(PageBucket) / LINE) * LINE;

/** The bucket of a page's word; golden-ratio hash. */
export function pageBucket({ areaOf }: LockEnv, cpus: number, page: Addr): Addr {
  const hash = (Math.imul(page >>> 2, 0x9e3779b1) >>> 16) % (cpus * BUCKETS_BY_CPU);
  return areaOf(Math.floor(hash / BUCKETS_BY_CPU)) + (hash % BUCKETS_BY_CPU) * STRIDE;
}

/** The operations of one CPU; `wakesIn` says where a release looks for waiters. */
export function pageLockOps(
  isa: Isa,
  cpu: Cpu,
  env: LockEnv,
  wakesIn: (page: Addr) => Addr = (page) => pageBucket(env, cpu.count, page),
): Required<MutexOps> {
  const { lock: bucketLock, first, last } = PageBucket;
  const { next, page: waitsFor, woken } = PageWaiter;

  function lockBucket(bucket: Addr): void {
    while (isa.exchange(bucket + bucketLock, 1) !== 0) isa.spinWhile(bucket + bucketLock, 1);
  }

  const unlockBucket = (bucket: Addr): void => isa.storeWakeOne(bucket + bucketLock, 0);

  /** Takes the first waiter for a page off, or one of them; under the bucket's lock. @returns it, or 0 */
  function takeOff(bucket: Addr, page: Addr, which = 0): Addr {
    let found = 0;
    let others = false;
    let before = 0;
    for (let node = isa.read(bucket + first); node !== 0; ) {
      const after = isa.read(node + next);
      const wanted = isa.read(node + waitsFor) === page;
      if (wanted && found === 0 && (which === 0 || which === node)) {
        found = node;
        if (before === 0) isa.write(bucket + first, after);
        else isa.write(before + next, after);
        if (after === 0) isa.write(bucket + last, before);
      } else {
        if (wanted) others = true;
        before = node;
      }
      node = after;
    }
    if (!others) isa.fetchAnd(page + PageLock.flags, ~PAGE_WAITERS);
    return found;
  }

  /** Queues, unless it is free by now. @returns whether this CPU has it */
  function queue(page: Addr, node: Addr): boolean {
    const bucket = pageBucket(env, cpu.count, page);
    isa.write(node + next, 0);
    isa.write(node + waitsFor, page);
    isa.store(node + woken, 0);
    lockBucket(bucket);
    const before = isa.read(bucket + last);
    isa.write(before === 0 ? bucket + first : before + next, node);
    isa.write(bucket + last, node);
    const free = (isa.fetchOr(page + PageLock.flags, PAGE_LOCKED | PAGE_WAITERS) & PAGE_LOCKED) === 0;
    if (free) takeOff(bucket, page, node);
    unlockBucket(bucket);
    return free;
  }

  const tryAcquire = (page: Addr): boolean =>
    (isa.fetchOr(page + PageLock.flags, PAGE_LOCKED) & PAGE_LOCKED) === 0;

  function acquireHeld(page: Addr): void {
    const node = cpu.node(page);
    while (!queue(page, node)) {
      if (isa.spinBriefly(node + woken, 0) === 0)
        while (isa.loadAcquire(node + woken) === 0) isa.wait(node + woken, 0);
      if (tryAcquire(page)) break;
    }
    cpu.putNode(page);
  }

  function wakeFirst(page: Addr): void {
    const bucket = wakesIn(page);
    lockBucket(bucket);
    const node = takeOff(bucket, page);
    unlockBucket(bucket);
    if (node === 0) return;
    isa.store(node + woken, 1);
    isa.notify(node + woken, 1);
  }

  return {
    acquire(page) {
      if (!tryAcquire(page)) acquireHeld(page);
    },
    tryAcquire,
    release(page) {
      if ((isa.fetchAnd(page + PageLock.flags, ~PAGE_LOCKED) & PAGE_WAITERS) !== 0) wakeFirst(page);
    },
  };
}

/** Bit lock with hashed wait queues; sleeps. */
export const pageLock = defineLock({
  name: 'page-lock',
  kind: 'mutex',
  layout: PageLock,
  perCpu: BUCKETS_BY_CPU * STRIDE,
  promises: { sleeps: true },
  create: (isa, cpu, env) => pageLockOps(isa, cpu, env),
});
