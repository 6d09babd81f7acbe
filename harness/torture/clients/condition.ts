/**
 * Torture client of condition variables: a bounded buffer under a mutex that is known to be good.
 *
 * Each CPU puts in as many items as it takes out within a round, so a round can end only when no wake-up was lost: a lost one leaves CPUs asleep with
 * the buffer full, or empty, which the watchdog proves. Two conditions with signals and room for four in even rounds; in odd ones
 * one condition with broadcasts and room for one item, so that those who wait to put and to take sleep side by side. Items are
 * numbered, and come out in the order in which they went in.
 */
import type { ConditionOps } from '../../../src/locking/kinds.ts';
import { Control, CpuLine, Data } from '../area.ts';
import type { Bench, Client, ClientOptions } from './context.ts';

const CAPACITY = 4;
const SINGLE_CAPACITY = 1;

/** Creates the client of one CPU. */
export function conditionClient(bench: Bench, options: ClientOptions<'condition'>): Client {
  const { lock, nested, mutex, mutexAddr } = options;
  const ops: ConditionOps = options.ops;
  const { isa, cpu, data } = bench;
  const head = data + Data.head;
  const tail = data + Data.tail;
  const ring = data + Data.ring;
  const other = nested[0] ?? lock;
  let put = 0;
  let steps = 0;
  let round = -1;
  let capacity = CAPACITY;

  function wake(condition: number, all: boolean): void {
    if (all) ops.broadcast(condition);
    else ops.signal(condition);
  }

  function filled(): number {
    const count = (isa.read(tail) - isa.read(head)) | 0;
    if (count < 0 || count > capacity)
      bench.report('ringOverrun', { addr: tail, expected: capacity, got: count });
    return count;
  }

  function produce(single: boolean): void {
    mutex.acquire(mutexAddr);
    while (filled() >= capacity) ops.wait(lock, mutexAddr);
    const at = isa.read(tail);
    isa.write(ring + 4 * (at & (CAPACITY - 1)), at);
    isa.write(tail, (at + 1) | 0);
    bench.dawdle();
    wake(single ? lock : other, single);
    mutex.release(mutexAddr);
    bench.count(CpuLine.writes);
  }

  function consume(single: boolean): void {
    const condition = single ? lock : other;
    mutex.acquire(mutexAddr);
    while (filled() <= 0) ops.wait(condition, mutexAddr);
    const at = isa.read(head);
    const item = isa.read(ring + 4 * (at & (CAPACITY - 1)));
    if (item !== at) bench.report('itemLost', { addr: ring, expected: at, got: item });
    isa.write(head, (at + 1) | 0);
    bench.dawdle();
    wake(lock, single);
    mutex.release(mutexAddr);
    bench.count(CpuLine.reads);
  }

  return {
    step() {
      const now = isa.read(bench.control + Control.round);
      if (now !== round) {
        round = now;
        steps = isa.read(bench.control + Control.quota);
        put = 0;
        capacity = (round & 1) !== 0 ? SINGLE_CAPACITY : CAPACITY;
      }
      bench.acquiredOnce();
      const single = (round & 1) !== 0;
      // With the CPUs in pairs one puts and one takes; the odd one out puts, then takes.
      const paired = cpu.id < (cpu.count & ~1) && isa.read(bench.control + Control.expected) === cpu.count;
      if (paired ? (cpu.id & 1) === 0 : put * 2 < steps) {
        put += 1;
        produce(single);
        if (!paired) consume(single);
      } else if (paired) consume(single);
    },
    rest() {
      const left = filled();
      if (left !== 0) bench.report('ringOverrun', { addr: tail, expected: 0, got: left });
      isa.write(head, isa.read(tail));
    },
  };
}
