/**
 * Torture client of queues: what goes in comes out, once, and in order where that is promised.
 *
 * Every item names its producer and counts that one's puts, so a consumer of a FIFO queue must see the items of each producer in ascending order. What
 * was put and taken is counted and summed up by every CPU for itself; at rest the leader empties the queue, and then the counts and the sums of all
 * CPUs must be level: an item that was lost, doubled or made up shows in one or the other.
 *
 * Many producers and consumers: every CPU puts and takes in turn. One of each: the first CPU online puts, the second takes. A deque: the first puts and
 * takes, all others steal. Nothing blocks: who finds the queue full, or empty, looks again a few times, and goes on.
 */
import type { QueueOps } from '../../../src/locking/kinds.ts';
import { Control, CpuLine, cpuLine, Data } from '../area.ts';
import type { Bench, Client, ClientOptions } from './context.ts';

const SEQUENCE_BITS = 20;
const SEQUENCE = (1 << SEQUENCE_BITS) - 1;

type Step = () => void;

/** Creates the client of one CPU. */
export function queueClient(bench: Bench, options: ClientOptions<'queue'>): Client {
  const { lock, definition } = options;
  const ops: QueueOps = options.ops;
  const { isa, cpu, line } = bench;
  const { fifo, producers, consumers } = definition.promises;
  const last = new Map<number, number>();
  let puts = 0;
  let round = -1;
  let turn: Step = idle;

  function idle(): void {
    isa.pause();
  }

  function sum(item: number): void {
    isa.write(line + CpuLine.sum, (isa.read(line + CpuLine.sum) + item) | 0);
  }

  function put(): void {
    const item = ((cpu.id + 1) << SEQUENCE_BITS) | (puts & SEQUENCE);
    for (let { looks } = bench; !ops.put(lock, item); looks -= 1) {
      bench.count(CpuLine.tryFails);
      if (looks === 0) return;
      isa.pause();
    }
    puts += 1;
    sum(item);
    bench.count(CpuLine.writes);
  }

  function got(take: (lock: number) => number, ordered: boolean, patience = bench.looks): void {
    let item = take(lock);
    for (let looks = patience; item === 0; looks -= 1) {
      bench.count(CpuLine.tryFails);
      if (looks === 0) return;
      isa.pause();
      item = take(lock);
    }
    sum(-item);
    bench.count(CpuLine.reads);
    const producer = (item >>> SEQUENCE_BITS) - 1;
    const number = item & SEQUENCE;
    const before = last.get(producer);
    last.set(producer, number);
    if (!ordered || before === undefined) return;
    if (((number - before - 1) & SEQUENCE) > SEQUENCE >>> 1)
      bench.report('itemOrder', {
        other: producer,
        addr: lock,
        expected: (before + 1) & SEQUENCE,
        got: number,
      });
  }

  const steals = ops.steal?.bind(ops) ?? (() => 0);
  const takes = ops.take.bind(ops);
  const take = (): void => got(takes, fifo === true);
  const steal = (): void => got(steals, true);
  const either = (): void => (bench.chance(0.5) ? put() : take());
  /** A few in, as many out, while thieves come from the other end: they meet in the middle. */
  const own = (): void => {
    const items = 1 + cpu.below(4);
    for (let item = 0; item < items; item += 1) put();
    for (let item = 0; item < items; item += 1) got(takes, false, 0);
  };

  /** What this CPU does in this round, by its place among those that take part. */
  function role(): Step {
    let place = 0;
    let online = 0;
    for (let other = 0; other < cpu.count; other += 1) {
      if (isa.read(cpuLine(bench.area, other) + CpuLine.member) === 0) continue;
      if (other < cpu.id) place += 1;
      online += 1;
    }
    if (ops.steal) return place === 0 ? own : steal;
    if ((producers ?? online) >= online && (consumers ?? online) >= online) return either;
    // As many producers from the front as may be, but one; the others consume as far as they may.
    const putting = Math.min(producers ?? online - 1, online - 1);
    if (place < putting) return put;
    return place < putting + (consumers ?? online) ? take : idle;
  }

  function level(): void {
    let items = 0;
    let total = 0;
    for (let other = 0; other < cpu.count; other += 1) {
      const at = cpuLine(bench.area, other);
      items = (items + isa.read(at + CpuLine.writes) - isa.read(at + CpuLine.reads)) | 0;
      total = (total + isa.read(at + CpuLine.sum)) | 0;
      isa.write(at + CpuLine.sum, 0);
    }
    // Counters go on from round to round; what was missed before has been reported.
    const lost = (items - isa.read(bench.data + Data.total)) | 0;
    isa.write(bench.data + Data.total, items);
    if (lost !== 0) bench.report('itemsLost', { addr: lock, expected: 0, got: lost });
    else if (total !== 0) bench.report('itemsChanged', { addr: lock, expected: 0, got: total });
  }

  return {
    step() {
      const now = isa.read(bench.control + Control.round);
      if (now !== round) {
        round = now;
        // The queue was emptied in between; and a producer that left and came back counts from 0 again.
        last.clear();
        turn = role();
      }
      bench.acquiredOnce();
      turn();
      bench.dawdle();
    },
    rest() {
      for (let item = ops.take(lock); item !== 0; item = ops.take(lock)) {
        sum(-item);
        bench.count(CpuLine.reads);
      }
      level();
    },
  };
}
