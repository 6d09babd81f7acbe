/**
 * Hazard pointers (Michael 2004): readers name what they use, reclaimers look.
 *
 *   slots      of each CPU, four: the objects that it protects, 0 = none
 *   retired    of each CPU: objects handed over that could not be reclaimed yet
 *   count      how many those are
 *   lock       guards both, for `flush` of another CPU
 *   posted, completed  objects handed over by the CPU, and reclaimed, by whomever
 *
 * protect reads a pointer, stores it in a slot, and reads the pointer again: only if it is still the same was the object findable when the protection
 * stood, and whoever takes it away from now on will see the slot. Otherwise it may have been retired, and looked for, in between: it tries again with
 * what it read. retire keeps the object; when there are twice as many as all CPUs have slots, it looks at all slots once and reclaims what is in none,
 * which is at least half: so the cost of looking is shared by as many objects, and what is kept is bounded, whatever stuck readers hold.
 *
 * Ordering (Dekker): the store to the slot and the second read are sequentially consistent, and so are the store that takes the object away, before
 * retire, and the look at the slots. Either the reader's second read sees that it is gone, or the look sees the slot. `clear` is a `storeWake`: what was
 * read under protection was read before.
 *
 * flush takes over what all CPUs have retired and waits for each slot that holds one of them. One at a time; what another CPU is just reclaiming is
 * waited for by the counts, as in callbacks.ts.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { defineLock } from '../locking/define.ts';
import type { HazardOps } from '../locking/kinds.ts';
import { mutex3 } from '../locking/mutex3.ts';
import { type Cpu, LINE, roundUp, sizeOf, struct, u32, words } from '../memory/index.ts';
import { RcuError } from './grace.ts';

/** Slots of a CPU. */
export const HAZARD_SLOTS = 4;

/** Layout of the head of a {@link hazard} domain; what the CPUs have of it follows. */
export const Hazard = struct('hazard', { flush_lock: u32.ownLine() });
/** Layout of what a CPU has of it; the retired objects follow. */
export const HazardCpu = struct('hazard_cpu', {
  slots: words(HAZARD_SLOTS).ownLine(),
  lock: u32.ownLine(),
  count: u32,
  posted: u32,
  completed: u32.ownLine(),
});

const HEAD = roundUp(sizeOf(Hazard), LINE);
const RETIRED = roundUp(sizeOf(HazardCpu), LINE);

/** Objects that a CPU keeps before it looks. */
export const hazardBound = (cpus: number): number => 2 * HAZARD_SLOTS * cpus;

const stride = (cpus: number): number => RETIRED + roundUp(4 * hazardBound(cpus), LINE);

/** Byte offset of what a CPU has of a domain. */
export const hazardPlace = (domain: Addr, cpu: number, cpus: number): Addr =>
  domain + HEAD + cpu * stride(cpus);

/** The operations of one CPU. */
export function hazardOps(isa: Isa, cpu: Cpu): HazardOps {
  const bytes = stride(cpu.count);
  const bound = hazardBound(cpu.count);
  const turns = mutex3.create(isa, cpu);
  let reclaim: ((object: Addr) => void) | undefined;

  const place = (domain: Addr, other: number): Addr => domain + HEAD + other * bytes;

  function lock(at: Addr): void {
    cpu.irqDisable();
    while (isa.exchange(at + HazardCpu.lock, 1) !== 0) isa.spinWhile(at + HazardCpu.lock, 1);
  }

  function unlock(at: Addr): void {
    isa.storeWake(at + HazardCpu.lock, 0);
    cpu.irqEnable();
  }

  function protectedNow(domain: Addr): Set<Addr> {
    const found = new Set<Addr>();
    for (let other = 0; other < cpu.count; other += 1)
      for (let slot = 0; slot < HAZARD_SLOTS; slot += 1)
        found.add(isa.load(place(domain, other) + HazardCpu.slots + 4 * slot));
    return found;
  }

  function give(domain: Addr, objects: readonly Addr[], retiredBy: number): void {
    if (objects.length === 0) return;
    if (!reclaim) throw new RcuError(`CPU ${cpu.id} has no reclaimer: onReclaim sets it`);
    try {
      for (const object of objects) reclaim(object);
    } finally {
      const completed = place(domain, retiredBy) + HazardCpu.completed;
      isa.fetchAdd(completed, objects.length);
      isa.wake(completed, -1);
    }
  }

  /** Takes all objects off a list. */
  function take(at: Addr): Addr[] {
    const count = isa.read(at + HazardCpu.count);
    isa.write(at + HazardCpu.count, 0);
    return Array.from({ length: count }, (_, index) => isa.read(at + RETIRED + 4 * index));
  }

  function awaitSlots(domain: Addr, objects: ReadonlySet<Addr>): void {
    for (let other = 0; other < cpu.count; other += 1) {
      for (let slot = 0; slot < HAZARD_SLOTS; slot += 1) {
        const at = place(domain, other) + HazardCpu.slots + 4 * slot;
        for (let now = isa.load(at); objects.has(now); ) now = isa.spinWhile(at, now);
      }
    }
  }

  return {
    protect(domain, slot, addr) {
      const at = place(domain, cpu.id) + HazardCpu.slots + 4 * slot;
      let object = isa.load(addr);
      for (;;) {
        isa.storeWake(at, object);
        const again = isa.load(addr);
        if (again === object) return object;
        object = again;
      }
    },
    clear(domain, slot) {
      isa.storeWake(place(domain, cpu.id) + HazardCpu.slots + 4 * slot, 0);
    },
    retire(domain, object) {
      const at = place(domain, cpu.id);
      const free: Addr[] = [];
      lock(at);
      const count = isa.read(at + HazardCpu.count);
      isa.write(at + RETIRED + 4 * count, object);
      isa.write(at + HazardCpu.count, count + 1);
      isa.writeOnce(at + HazardCpu.posted, (isa.read(at + HazardCpu.posted) + 1) | 0);
      if (count + 1 === bound) {
        const kept = protectedNow(domain);
        let left = 0;
        for (const each of take(at)) {
          if (kept.has(each)) isa.write(at + RETIRED + 4 * left++, each);
          else free.push(each);
        }
        isa.write(at + HazardCpu.count, left);
      }
      unlock(at);
      give(domain, free, cpu.id);
    },
    onReclaim(fn) {
      reclaim = fn;
    },
    flush(domain) {
      for (let slot = 0; slot < HAZARD_SLOTS; slot += 1)
        if (isa.read(place(domain, cpu.id) + HazardCpu.slots + 4 * slot) !== 0)
          throw new RcuError(`flush while CPU ${cpu.id} protects something could wait for its own end`);
      turns.acquire(domain + Hazard.flush_lock);
      try {
        const posted: number[] = [];
        const taken: Addr[][] = [];
        for (let other = 0; other < cpu.count; other += 1) {
          const at = place(domain, other);
          lock(at);
          posted.push(isa.read(at + HazardCpu.posted));
          taken.push(take(at));
          unlock(at);
        }
        awaitSlots(domain, new Set(taken.flat()));
        for (const [other, objects] of taken.entries()) give(domain, objects, other);
        posted.forEach((count, other) => {
          const completed = place(domain, other) + HazardCpu.completed;
          let now = isa.load(completed);
          while (((now - count) | 0) < 0) now = isa.spinWhile(completed, now);
        });
      } finally {
        turns.release(domain + Hazard.flush_lock);
      }
    },
  };
}

/** Hazard pointers: four a CPU. */
export const hazard = defineLock({
  name: 'hazard',
  kind: 'hazard',
  size: (cpus) => HEAD + cpus * stride(cpus),
  layout: Hazard,
  promises: { sleeps: true },
  create: (isa, cpu) => hazardOps(isa, cpu),
});
