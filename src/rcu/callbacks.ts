/**
 * Callbacks: what is to be done after a grace period, without waiting for it (call_rcu, McKenney and Slingwine 1998; Linux since 2.5.43).
 *
 *   next, next_tail    callbacks that no grace period has been begun for
 *   wait, wait_tail    callbacks that wait for grace period `wait_gp`
 *   lock               guards both lists
 *   posted, completed  callbacks handed over here, and run, by whomever
 *
 * The lists are linked through the heads inside the callers' objects, so nothing is allocated. A head names its callback by a number, for a
 * function belongs to one thread: every CPU registers the same ones, and any CPU can run any callback.
 *
 * A CPU takes its lists further whenever it hands one over or polls: when `wait_gp` has ended it runs what waits, and begins a grace period for what is
 * next. Callbacks run outside the lock, in the order in which they were handed over, and may hand over others.
 *
 * barrier notes what each CPU has posted, takes what stands on its lists, waits for one grace period, runs it all, and then waits until each has
 * completed as many as noted: some may still be running on their own CPUs. One barrier at a time, since another's callbacks in flight could stand in for
 * older ones in the count. So a CPU that leaves needs to do nothing: its lists stay, and the next barrier of another CPU runs them.
 *
 * Ordering: the adding to `gp` is a full barrier behind the list's unlinking stores of the caller; what a grace period's end means is argued in
 * grace.ts. `completed` is added to after the callbacks, so whoever sees the count sees what they did.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { mutex3 } from '../locking/mutex3.ts';
import { type Cpu, struct, u32 } from '../memory/index.ts';
import { type GracePeriods, Rcu, RcuCpu, RcuError, rcuCpu } from './grace.ts';

/** Layout of the two words by which an object is handed over. */
export const RcuHead = struct('rcu_head', { next: u32, vector: u32 });

/** Callbacks that a CPU can register. */
export const RCU_VECTORS = 32;

/** The callbacks of one CPU. */
export interface Callbacks {
  /** Hands one over. */
  call(rcu: Addr, head: Addr, vector: number): void;
  /** Registers one. */
  on(vector: number, fn: (head: Addr) => void): void;
  /** Runs those whose grace period has ended. */
  poll(rcu: Addr): number;
  /** Waits for all. */
  barrier(rcu: Addr): void;
}

/** Callbacks after the grace periods of `grace`. */
export function callbacks(isa: Isa, cpu: Cpu, grace: GracePeriods): Callbacks {
  const mine = rcuCpu(cpu.id);
  const turns = mutex3.create(isa, cpu);
  const vectors: (((head: Addr) => void) | undefined)[] = [];
  let running = false;

  function lock(list: Addr): void {
    // A handler may hand a callback over to the list that it has interrupted.
    cpu.irqDisable();
    while (isa.exchange(list + RcuCpu.lock, 1) !== 0) isa.spinWhile(list + RcuCpu.lock, 1);
  }

  function unlock(list: Addr): void {
    isa.storeWake(list + RcuCpu.lock, 0);
    cpu.irqEnable();
  }

  function link(list: Addr, head: Addr, first: Addr, tail: Addr): void {
    const before = isa.read(list + tail);
    if (before === 0) isa.write(list + first, head);
    else isa.write(before + RcuHead.next, head);
    isa.write(list + tail, head);
  }

  function unlink(list: Addr, first: Addr, tail: Addr): Addr {
    const head = isa.read(list + first);
    isa.write(list + first, 0);
    isa.write(list + tail, 0);
    return head;
  }

  /** Runs a chain of callbacks, and then throws what the first of them threw, if any did. */
  function run(rcu: Addr, chain: Addr, postedBy: number): number {
    let count = 0;
    let failed = false;
    let reason: unknown;
    running = true;
    for (let head = chain; head !== 0; count += 1) {
      // Afterwards the head may be anybody's.
      const next = isa.read(head + RcuHead.next);
      const vector = isa.read(head + RcuHead.vector);
      try {
        const fn = vectors[vector];
        if (!fn) throw new RcuError(`CPU ${cpu.id} has no RCU callback ${vector}: onCallback sets it`);
        fn(head);
      } catch (error) {
        if (!failed) reason = error;
        failed = true;
      }
      head = next;
    }
    running = false;
    if (count > 0) {
      const completed = rcu + rcuCpu(postedBy) + RcuCpu.completed;
      isa.fetchAdd(completed, count);
      isa.wake(completed, -1);
    }
    if (failed) throw reason;
    return count;
  }

  function poll(rcu: Addr): number {
    // Callbacks that hand over others are not interrupted by them.
    if (running) return 0;
    const list = rcu + mine;
    let chain = 0;
    lock(list);
    if (isa.read(list + RcuCpu.wait) !== 0 && grace.ended(rcu, isa.read(list + RcuCpu.wait_gp)))
      chain = unlink(list, RcuCpu.wait, RcuCpu.wait_tail);
    if (isa.read(list + RcuCpu.wait) === 0 && isa.read(list + RcuCpu.next) !== 0) {
      const tail = isa.read(list + RcuCpu.next_tail);
      isa.write(list + RcuCpu.wait, unlink(list, RcuCpu.next, RcuCpu.next_tail));
      isa.write(list + RcuCpu.wait_tail, tail);
      isa.write(list + RcuCpu.wait_gp, grace.begin(rcu));
    }
    unlock(list);
    return run(rcu, chain, cpu.id);
  }

  function barrier(rcu: Addr): void {
    if (running) throw new RcuError(`barrier inside a callback on CPU ${cpu.id} would wait for its own end`);
    turns.acquire(rcu + Rcu.barrier_lock);
    try {
      const posted: number[] = [];
      const taken: [number, Addr][] = [];
      const thrown: unknown[] = [];
      for (let other = 0; other < cpu.count; other += 1) {
        const list = rcu + rcuCpu(other);
        if (isa.load(list + RcuCpu.posted) === isa.load(list + RcuCpu.completed)) {
          posted.push(isa.load(list + RcuCpu.completed));
          continue;
        }
        lock(list);
        posted.push(isa.read(list + RcuCpu.posted));
        taken.push([other, unlink(list, RcuCpu.wait, RcuCpu.wait_tail)]);
        taken.push([other, unlink(list, RcuCpu.next, RcuCpu.next_tail)]);
        unlock(list);
      }
      if (taken.some(([, chain]) => chain !== 0)) grace.synchronize(rcu);
      for (const [other, chain] of taken) {
        try {
          run(rcu, chain, other);
        } catch (error) {
          thrown.push(error);
        }
      }
      posted.forEach((count, other) => {
        const completed = rcu + rcuCpu(other) + RcuCpu.completed;
        let now = isa.load(completed);
        while (((now - count) | 0) < 0) now = isa.spinWhile(completed, now);
      });
      if (thrown.length > 0) throw thrown[0];
    } finally {
      turns.release(rcu + Rcu.barrier_lock);
    }
  }

  return {
    call(rcu, head, vector) {
      const list = rcu + mine;
      isa.write(head + RcuHead.next, 0);
      isa.write(head + RcuHead.vector, vector);
      lock(list);
      link(list, head, RcuCpu.next, RcuCpu.next_tail);
      isa.writeOnce(list + RcuCpu.posted, (isa.read(list + RcuCpu.posted) + 1) | 0);
      unlock(list);
      // A batch is begun, or run, for every few: a grace period costs the same for one.
      if ((isa.read(list + RcuCpu.posted) & 7) === 0) poll(rcu);
    },
    on(vector, fn) {
      if (!Number.isInteger(vector) || vector < 0 || vector >= RCU_VECTORS)
        throw new RangeError(`there is no RCU callback ${vector}: 0 to ${RCU_VECTORS - 1} are`);
      vectors[vector] = fn;
    },
    poll,
    barrier,
  };
}
