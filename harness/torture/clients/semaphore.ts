/**
 * Torture client of counting semaphores: random weights, never more permits out than there are, all of them back at rest. A release that makes
 * room for a waiter must wake it: nobody else will, since everybody else may be done. The run is then asleep with permits free, which
 * the watchdog proves.
 */
import type { SemaphoreOps } from '../../../src/locking/kinds.ts';
import { CpuLine, Data } from '../area.ts';
import type { Bench, Client, ClientOptions } from './context.ts';
import { longHold } from './exclusive.ts';

/** Creates the client of one CPU. */
export function semaphoreClient(bench: Bench, options: ClientOptions<'semaphore'>): Client {
  const { lock, params, value: permits, bare } = options;
  const ops: SemaphoreOps = options.ops;
  const { isa, cpu, data } = bench;
  const inside = data + Data.inside;

  function step(): void {
    const weight = 1 + cpu.below(permits);
    bench.arrives();
    isa.writeOnce(bench.line + CpuLine.wants, weight);
    if (ops.tryAcquire && bench.chance(params.try)) {
      bench.count(CpuLine.tries);
      if (!ops.tryAcquire(lock, weight)) {
        bench.count(CpuLine.tryFails);
        return;
      }
    } else ops.acquire(lock, weight);
    // Two that fit together may be inside together; only one that does not fit beside this one is certainly still waiting.
    bench.entered((theirs) => isa.readOnce(theirs + CpuLine.wants) + weight > permits);
    bench.acquiredOnce();
    const out = isa.fetchAdd(inside, weight) + weight;
    if (out > permits) bench.report('tooMany', { addr: inside, expected: permits, got: out });
    bench.dawdle();
    longHold(bench);
    bench.sawContention();
    isa.fetchAdd(inside, -weight);
    ops.release(lock, weight);
    bench.count(CpuLine.writes);
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
    } else bare.acquire(lock, permits);
    bare.release(lock, permits);
  }

  return { step, rest };
}
