/**
 * Starvation by a lock that promises better: a CPU that has queued for it is passed by others more often than the lock says.
 *
 *   fifo      nobody comes before a CPU that had passed the doorway when he began to acquire
 *   bypass n  at most n acquisitions of others, all CPUs together, come between the doorway and the lock
 *
 * What is judged is who comes before whom, not how long anybody waits, so no schedule is too unfair for it: a CPU that the policy never runs keeps waiting, but
 * is passed only if the lock lets others in meanwhile. A lock that promises neither (a test-and-set lock may starve anybody) is not judged, nor is one that
 * does not say where its doorway is (`isa.queued`).
 *
 * Without false alarms, as in the torture's oracle: an acquisition counts only if it began after the other CPU's doorway and the two could not be inside
 * together. Of an attempt (`tryAcquire`) it is not known when it began; it is not counted.
 */
import type { Addr } from '../../src/arch/index.ts';
import { bypassOf, FIFO } from '../../src/locking/traits.ts';
import { OP, RECORD_WORDS, type Trace } from '../engines/trace.ts';
import { type Finding, hex, NOTHING, type Pass } from './finding.ts';
import { EXCLUSIVE } from './lock-graph.ts';

/** What the pass is made for. */
export interface StarvationOptions {
  readonly cpus: number;
  /** Names a lock. */
  readonly name?: ((lock: Addr) => string) | undefined;
}

interface Waiter {
  /** The lock that it acquires; 0: none. */
  lock: Addr;
  mode: number;
  traits: number;
  /** Where it began to, and where it passed the doorway; -1: it has not. */
  since: number;
  queued: number;
  /** Acquisitions that came before it since then. */
  passed: number;
}

const { acquiring, acquired, gaveUp, queued } = OP as Record<
  'acquiring' | 'acquired' | 'gaveUp' | 'queued',
  number
>;

/** Finds CPUs that are passed more often than their lock promises. */
export class Starvation implements Pass {
  private readonly name: (lock: Addr) => string;
  private readonly waiters: readonly Waiter[];

  constructor({ cpus, name = hex }: StarvationOptions) {
    this.name = name;
    this.waiters = Array.from({ length: cpus }, () => ({
      lock: 0,
      mode: 0,
      traits: 0,
      since: -1,
      queued: -1,
      passed: 0,
    }));
  }

  run(trace: Trace): readonly Finding[] {
    for (const each of this.waiters) each.lock = 0;
    const found: Finding[] = [];
    const { words, length } = trace;
    for (let at = 0; at < length; at += 1) {
      const base = at * RECORD_WORDS;
      const op = words[base]! & 0xff;
      if (op !== acquiring && op !== acquired && op !== gaveUp && op !== queued) continue;
      const waiter = this.waiters[words[base]! >>> 8]!;
      const lock = words[base + 1]!;
      if (op === acquiring) {
        waiter.lock = lock;
        waiter.mode = words[base + 2]!;
        waiter.traits = words[base + 3]!;
        waiter.since = at;
        waiter.queued = -1;
        waiter.passed = 0;
      } else if (op === queued) {
        if (waiter.lock === lock && waiter.queued < 0) waiter.queued = at;
      } else if (op === gaveUp) waiter.lock = 0;
      else if (waiter.lock === lock) {
        waiter.lock = 0;
        this.enters(waiter, lock, at, found);
      }
    }
    return found.length === 0 ? NOTHING : found;
  }

  private enters(first: Waiter, lock: Addr, at: number, found: Finding[]): void {
    for (const [cpu, each] of this.waiters.entries()) {
      if (each.lock !== lock || each.queued < 0 || first.since < each.queued) continue;
      if (each.mode !== EXCLUSIVE && first.mode !== EXCLUSIVE) continue;
      each.passed += 1;
      const fifo = (each.traits & FIFO) !== 0;
      const bound = fifo ? 0 : bypassOf(each.traits);
      if (bound < 0 || each.passed <= bound) continue;
      const key = `starvation ${this.name(lock)}`;
      if (found.some((one) => one.key === key)) continue;
      const by = this.waiters.indexOf(first);
      const promise = fifo ? 'promises first come, first served' : `promises at most ${bound}`;
      found.push({
        detector: 'starvation',
        key,
        text: `CPU ${cpu} had queued for ${this.name(lock)} when CPU ${by} began to acquire it, and CPU ${by} has it before: ${each.passed} passed, and the lock ${promise}`,
        details: [],
        at: [
          { at: each.queued, cpu },
          { at: first.since, cpu: by },
          { at, cpu: by },
        ],
        addresses: [lock],
      });
    }
  }
}
