/**
 * Futexes over the model (kernel/futex.c, Linux 2.6.22): a word of user memory that threads sleep on, known by where it lies and not by its address alone.
 *
 *   shared     the key is what is mapped: of a file its mapping and page, else the address space; found under what the regime takes to find a vma, mmap_sem mostly
 *   private    the key is the address space and the address; no lock of the address space is taken
 *
 * A key has one of 256 buckets: a spinlock and a list of waiters, one for each CPU. A waiter queues before it looks at the word, and the waker changes the word before it looks at the bucket, so one of the two sees
 * the other. Whoever wakes a waiter takes it off the list and sets its word, under the bucket's lock; it sleeps on that word, which is its own.
 */
import type { Addr } from '../../src/arch/index.ts';
import { LINE, sizeOf, struct, u32 } from '../../src/memory/index.ts';
import type { Kernel } from '../../src/mm/kernel.ts';
import { PAGE_SHIFT } from '../../src/mm/pte.ts';
import { VM, Vma } from '../../src/mm/structs.ts';

const BUCKETS = 256;
const EFAULT = 14;
const EWOULDBLOCK = 11;

const Bucket = struct('futex_hash_bucket', { lock: u32, first: u32 });
/** `woken`: 0 while it waits. */
const Waiter = struct('futex_q', { woken: u32, next: u32, object: u32, offset: u32 });

/** Bytes of all buckets and waiters; zeroes are right to begin with. */
export const futexBytes = (cpus: number): number => (BUCKETS + cpus) * LINE;

/** System calls. Addresses are those of words, the value of a word is the version that was written to its page. */
export interface Futex {
  /** Wakes up to `most` waiters. @returns how many; -EFAULT */
  wake(mm: Addr, address: number, most: number, shared: boolean): number;
  /** Sleeps until it is woken, if the word has that value. @returns 0; -EWOULDBLOCK, -EFAULT */
  wait(mm: Addr, address: number, value: number, shared: boolean): number;
}

interface Key {
  readonly object: number;
  readonly offset: number;
}

/** Futexes of one CPU. @param at where buckets and waiters lie */
export function futex(k: Kernel, at: Addr): Futex {
  const { isa, cpu, locks, sections, vmaTree, user } = k;
  if (sizeOf(Waiter) > LINE || sizeOf(Bucket) > LINE) throw new RangeError('a futex needs more than a line');
  const mine = at + (BUCKETS + cpu.id) * LINE;

  function sharedKey(mm: Addr, address: number): Key | undefined {
    sections.enter('faultFind', { mm });
    const vma = vmaTree.findVma(mm, address);
    const inside = vma !== 0 && isa.read(vma + Vma.vm_start) <= address;
    const file = inside && (isa.read(vma + Vma.vm_flags) & VM.SHARED) !== 0 ? isa.read(vma + Vma.vm_file) : 0;
    const pgoff = file === 0 ? 0 : isa.read(vma + Vma.vm_pgoff);
    const offset = file === 0 ? address : address - isa.read(vma + Vma.vm_start) + (pgoff << PAGE_SHIFT);
    sections.leave();
    return inside ? { object: file === 0 ? mm : file, offset } : undefined;
  }

  const keyOf = (mm: Addr, address: number, shared: boolean): Key | undefined =>
    shared ? sharedKey(mm, address) : { object: mm, offset: address };

  /** The multiplicative hash of both words (Knuth). */
  const bucketOf = ({ object, offset }: Key): Addr =>
    at + (Math.imul(object ^ (offset >>> 2), 0x9e3779b1) >>> 24) * LINE;

  function withBucket<T>(bucket: Addr, run: () => T): T {
    locks.spin.acquire(bucket + Bucket.lock);
    const result = run();
    locks.spin.release(bucket + Bucket.lock);
    return result;
  }

  /** Takes waiters off a list while `takes` says so. */
  function remove(bucket: Addr, takes: (waiter: Addr) => boolean): void {
    let link = bucket + Bucket.first;
    for (let waiter = isa.read(link); waiter !== 0; waiter = isa.read(link))
      if (takes(waiter)) isa.write(link, isa.read(waiter + Waiter.next));
      else link = waiter + Waiter.next;
  }

  return {
    wake(mm, address, most, shared) {
      const key = keyOf(mm, address, shared);
      if (key === undefined) return -EFAULT;
      const bucket = bucketOf(key);
      const woken: Addr[] = [];
      withBucket(bucket, () =>
        remove(bucket, (waiter) => {
          if (woken.length === most) return false;
          const theirs =
            isa.read(waiter + Waiter.object) === key.object &&
            isa.read(waiter + Waiter.offset) === key.offset;
          if (theirs) woken.push(waiter);
          return theirs;
        }),
      );
      for (const waiter of woken) {
        isa.store(waiter + Waiter.woken, 1);
        isa.notify(waiter + Waiter.woken, 1);
      }
      return woken.length;
    },
    wait(mm, address, value, shared) {
      const key = keyOf(mm, address, shared);
      if (key === undefined) return -EFAULT;
      const bucket = bucketOf(key);
      withBucket(bucket, () => {
        isa.write(mine + Waiter.object, key.object);
        isa.write(mine + Waiter.offset, key.offset);
        isa.writeOnce(mine + Waiter.woken, 0);
        isa.write(mine + Waiter.next, isa.read(bucket + Bucket.first));
        isa.write(bucket + Bucket.first, mine);
      });
      const { fault, version } = user.userRead(mm, address);
      if (fault !== 0 || version !== value) {
        let queued = false;
        withBucket(bucket, () =>
          remove(bucket, (waiter) => {
            queued ||= waiter === mine;
            return waiter === mine;
          }),
        );
        // Somebody has taken it off: it is about to be told, which must not come to the next wait.
        if (!queued) while (isa.load(mine + Waiter.woken) === 0) isa.wait(mine + Waiter.woken, 0);
        return queued ? (fault !== 0 ? -EFAULT : -EWOULDBLOCK) : 0;
      }
      while (isa.load(mine + Waiter.woken) === 0) isa.wait(mine + Waiter.woken, 0);
      return 0;
    },
  };
}
