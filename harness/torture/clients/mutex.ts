/**
 * Torture client of mutexes: exclusion, order and bounded bypass where promised, ownership where promised, trylocks, nesting, a lock that is free
 * at rest.
 */

import type { MutexOps } from '../../../src/locking/kinds.ts';
import { CpuLine, Data } from '../area.ts';
import type { Bench, Client, ClientOptions } from './context.ts';
import { enter, exclusiveAtRest, leave, longHold } from './exclusive.ts';

/** Creates the client of one CPU. */
export function mutexClient(bench: Bench, options: ClientOptions<'mutex'>): Client {
  const { lock, nested, params, definition, bare } = options;
  const ops: MutexOps = options.ops;
  const { isa, cpu } = bench;
  const taken: number[] = [];

  function acquireMain(): boolean {
    if (ops.tryAcquire && bench.chance(params.try)) {
      bench.count(CpuLine.tries);
      bench.arrives();
      if (ops.tryAcquire(lock)) return true;
      bench.count(CpuLine.tryFails);
      bench.gaveUp();
      return false;
    }
    bench.arrives();
    ops.acquire(lock);
    return true;
  }

  /** Locks inside locks, always in the order of their addresses; a random subset, released in random order. */
  function acquireNested(): void {
    if (nested.length === 0) return;
    const mask = cpu.random();
    for (let at = 0; at < nested.length; at += 1) {
      if ((mask & (1 << at)) === 0) continue;
      ops.acquire(nested[at]!);
      taken.push(nested[at]!);
    }
  }

  function releaseNested(): void {
    while (taken.length > 0) {
      const at = cpu.below(taken.length);
      const inner = taken[at]!;
      taken[at] = taken[taken.length - 1]!;
      taken.pop();
      ops.release(inner);
    }
  }

  /** Somebody else holds it: a release from here must be refused, and change nothing. */
  function foreignRelease(): void {
    const holder = isa.readOnce(bench.data + Data.owner);
    if (holder === 0 || holder === cpu.id + 1) return;
    try {
      bare.release(lock);
    } catch {
      return;
    }
    bench.report('foreignRelease', { other: holder - 1 });
  }

  function step(): void {
    if (definition.promises.owned && bench.chance(0.02)) foreignRelease();
    if (!acquireMain()) return;
    bench.entered();
    enter(bench);
    acquireNested();
    longHold(bench);
    releaseNested();
    bench.sawContention();
    leave(bench);
    if (definition.promises.recursive && bench.chance(0.1)) {
      ops.acquire(lock);
      bench.gaveUp();
      ops.release(lock);
    }
    try {
      ops.release(lock);
    } catch (error) {
      if (!definition.promises.owned || (error as { code?: string } | null)?.code !== 'ENOTOWNER')
        throw error;
      bench.report('notHeld', {});
    }
    bench.count(CpuLine.writes);
  }

  function rest(): void {
    exclusiveAtRest(bench);
    for (const each of [lock, ...nested]) {
      if (bare.tryAcquire) {
        if (!bare.tryAcquire(each)) {
          bench.report('notFree', { addr: each });
          continue;
        }
      } else {
        bare.acquire(each);
        bench.gaveUp();
      }
      bare.release(each);
    }
  }

  return { step, rest };
}
