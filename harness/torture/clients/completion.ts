/**
 * Torture client of completions.
 *
 * In even rounds the CPUs are in pairs: one does something and completes, the other waits, and as many get through as were completed, no sooner:
 * a lost wake-up leaves a CPU asleep and nobody to wake it, which the watchdog proves, and one that gets through on nothing has come before
 * the work was counted. In odd rounds, and always for what can only be completed for all, every step is a gathering: the last one to come
 * completes for all the others, who must then see everybody there. Two take turns, so that one can be reset when all have left it.
 */
import type { CompletionOps } from '../../../src/locking/kinds.ts';
import { Control, CpuLine, Data } from '../area.ts';
import type { Bench, Client, ClientOptions } from './context.ts';

/** Creates the client of one CPU. */
export function completionClient(bench: Bench, options: ClientOptions<'completion'>): Client {
  const { lock, nested, params } = options;
  const ops: CompletionOps = options.ops;
  const { isa, cpu, data } = bench;
  const other = nested[0] ?? lock;
  const begun = data + Data.head;
  const through = data + Data.tail;
  const come = data + Data.inside;
  let round = -1;
  let steps = 0;

  function wait(at: number): void {
    if (ops.tryWait && bench.chance(params.try)) {
      bench.count(CpuLine.tries);
      if (ops.tryWait(at)) return;
      bench.count(CpuLine.tryFails);
    }
    ops.wait(at);
  }

  function complete(): void {
    bench.dawdle();
    isa.fetchAdd(begun, 1);
    ops.complete?.(lock);
    bench.count(CpuLine.writes);
  }

  function awaitOne(): void {
    wait(lock);
    const passed = (isa.fetchAdd(through, 1) + 1) | 0;
    const had = isa.load(begun);
    if (((passed - had) | 0) > 0) bench.report('tooSoon', { addr: lock, expected: had, got: passed });
    bench.count(CpuLine.reads);
  }

  function gather(expected: number): void {
    const [now, before] = (steps & 1) === 0 ? [lock, other] : [other, lock];
    const target = Math.imul(expected, steps + 1);
    if (isa.fetchAdd(come, 1) + 1 === target) {
      // All have come, so all have left the last one.
      ops.reset(before);
      bench.dawdle();
      ops.completeAll(now);
      bench.count(CpuLine.writes);
      return;
    }
    wait(now);
    const seen = isa.load(come);
    if (((seen - target) | 0) < 0) bench.report('tooSoon', { addr: now, expected: target, got: seen });
    bench.count(CpuLine.reads);
  }

  return {
    step() {
      const now = isa.read(bench.control + Control.round);
      if (now !== round) {
        round = now;
        steps = 0;
      }
      bench.acquiredOnce();
      const expected = isa.read(bench.control + Control.expected);
      if (ops.complete === undefined || (round & 1) !== 0) gather(expected);
      else {
        // With all CPUs online they are in pairs; otherwise each completes for itself, or for another.
        const paired = cpu.id < (cpu.count & ~1) && expected === cpu.count;
        if (!paired || (cpu.id & 1) === 0) complete();
        if (!paired || (cpu.id & 1) === 1) awaitOne();
      }
      steps += 1;
    },
    rest() {
      const [had, passed] = [isa.load(begun), isa.load(through)];
      if (had !== passed) bench.report('tooSoon', { addr: lock, expected: had, got: passed });
      for (const word of [begun, through, come]) isa.store(word, 0);
      ops.reset(lock);
      ops.reset(other);
    },
  };
}
