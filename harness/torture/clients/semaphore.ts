/**
 * Torture client of counting semaphores: random weights, never more permits out than there are, all of them back at rest.
 *
 * A release that makes room for a waiter must wake it. In a closed run a waiter that was passed over is always saved by the next release, so now and
 * then one CPU, the tenant, keeps its one permit until every other CPU has got on by a step. Whoever is left asleep although there is room for it is
 * then never saved: the tenant waits for it, everybody else is done, and the watchdog proves that nothing can happen any more.
 *
 * For the same end one CPU now and then takes all permits and gives them back in one release when all the others have queued up.
 *
 * The tenant must not wait for a CPU that rightly waits for the tenant: one that wants all permits, or, where permits are given out in order, anyone
 * behind such a one. A CPU says what it wants and then looks for a tenant, a tenant says that it is one and then looks at what the others want, both
 * sequentially consistent. So either that CPU sees the tenant and wants less, or the tenant sees what it wants and does not wait for it (or
 * for anybody, where order is promised).
 */
import type { SemaphoreOps } from '../../../src/locking/kinds.ts';
import { CpuArea, cpuArea } from '../../../src/memory/index.ts';
import { Control, CpuLine, cpuLine, Data } from '../area.ts';
import type { Bench, Client, ClientOptions } from './context.ts';
import { longHold } from './exclusive.ts';

/** Nanoseconds between two looks at whether the others have queued up. */
const POLL = 50_000;

/** Creates the client of one CPU. */
export function semaphoreClient(bench: Bench, options: ClientOptions<'semaphore'>): Client {
  const { lock, params, value: permits, bare, definition } = options;
  const ops: SemaphoreOps = options.ops;
  const { isa, cpu, data, line, control } = bench;
  const inside = data + Data.inside;
  const tenant = data + Data.tenant;
  const inOrder = definition.promises.fifo === true;
  let round = -1;
  let left = 0;

  /** What this CPU wants next; less than everything while there is a tenant. */
  function chooseWeight(): number {
    const weight = 1 + cpu.below(permits);
    isa.store(line + CpuLine.wants, weight);
    if (weight < permits || isa.load(tenant) === 0) return weight;
    isa.store(line + CpuLine.wants, permits - 1);
    return permits - 1;
  }

  /** Waits until every CPU that has room beside this one has got on by a step. */
  function waitForOthers(): void {
    const theirs = (other: number): number => cpuLine(bench.area, other);
    const wantsAll = (other: number): boolean => isa.load(theirs(other) + CpuLine.wants) >= permits;
    for (let other = 0; other < cpu.count; other += 1)
      if (other !== cpu.id && inOrder && wantsAll(other)) return;
    for (let other = 0; other < cpu.count; other += 1) {
      if (other === cpu.id || wantsAll(other)) continue;
      const before = isa.load(theirs(other) + CpuLine.left);
      while (before !== 0 && isa.load(theirs(other) + CpuLine.left) === before)
        isa.spinWhile(theirs(other) + CpuLine.left, before);
    }
  }

  function hold(weight: number): void {
    bench.acquiredOnce();
    // Two that fit together may be inside together; only one that does not fit beside this one is certainly still waiting.
    bench.entered((theirs) => isa.readOnce(theirs + CpuLine.wants) + weight > permits);
    const out = isa.fetchAdd(inside, weight) + weight;
    if (out > permits) bench.report('tooMany', { addr: inside, expected: permits, got: out });
    bench.dawdle();
    longHold(bench);
    bench.sawContention();
  }

  function letGo(weight: number): void {
    isa.fetchAdd(inside, -weight);
    isa.store(line + CpuLine.wants, 0);
    ops.release(lock, weight);
    bench.count(CpuLine.writes);
  }

  function tenancy(): void {
    isa.store(line + CpuLine.wants, 1);
    bench.arrives();
    ops.acquire(lock, 1);
    hold(1);
    waitForOthers();
    letGo(1);
    isa.store(tenant, 0);
  }

  /** Takes everything, lets all the others queue up, and gives everything back in one release, which must wake all that fit. */
  function gather(): boolean {
    isa.store(line + CpuLine.wants, permits);
    if (isa.load(tenant) !== 0) return false;
    bench.arrives();
    ops.acquire(lock, permits);
    hold(permits);
    for (let other = 0; other < cpu.count; other += 1) {
      if (other === cpu.id) continue;
      const waiting = cpuArea(other) + CpuArea.waitingFor;
      while (isa.load(waiting) !== lock && isa.load(cpuLine(bench.area, other) + CpuLine.left) !== 0)
        isa.wait(line + CpuLine.wants, permits, POLL);
    }
    letGo(permits);
    return true;
  }

  function ordinary(): void {
    const weight = chooseWeight();
    bench.arrives();
    if (ops.tryAcquire && bench.chance(params.try)) {
      bench.count(CpuLine.tries);
      if (!ops.tryAcquire(lock, weight)) {
        bench.count(CpuLine.tryFails);
        bench.gaveUp();
        isa.store(line + CpuLine.wants, 0);
        return;
      }
    } else ops.acquire(lock, weight);
    hold(weight);
    letGo(weight);
  }

  function step(): void {
    const now = isa.read(control + Control.round);
    if (now !== round) {
      round = now;
      left = isa.read(control + Control.quota);
    }
    if (permits > 1 && bench.chance(0.1) && isa.compareExchange(tenant, 0, cpu.id + 1) === 0) tenancy();
    else if (!(permits > 1 && bench.chance(0.05) && gather())) ordinary();
    left -= 1;
    isa.storeWake(line + CpuLine.left, left);
  }

  function rest(): void {
    const out = isa.load(inside);
    if (out !== 0) bench.report('permitsAtRest', { addr: inside, expected: 0, got: out });
    isa.store(inside, 0);
    if (bare.tryAcquire) {
      if (!bare.tryAcquire(lock, permits)) {
        bench.report('notFree', { addr: lock });
        return;
      }
    } else {
      bare.acquire(lock, permits);
      bench.gaveUp();
    }
    bare.release(lock, permits);
  }

  return { step, rest };
}
