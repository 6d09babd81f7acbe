/**
 * What becomes of speculative page faults, counted as the trace events of the series count it; each CPU in words of its own (MmCpu), so by plain accesses.
 *
 *   attempts = successes + aborts        an abort is followed by the classic path, but for `access`, of which a part is SIGSEGV at once
 *
 * `retries` counts attempts at a pte lock that was held beyond the first of a fault; `kmaps` the entries that are mapped (pte_map) and have not been unmapped, at rest none.
 */
import type { Base } from '../kernel.ts';
import { cpusOf, mmCpuOf } from '../per-cpu.ts';
import { MmCpu } from '../structs.ts';

/** Why a speculation was given up. */
export const SPF_ABORTS = ['pte_lock', 'vma_changed', 'noanon', 'notsup', 'access', 'pmd_changed'] as const;

/** A reason to give up. */
export type SpfAbort = (typeof SPF_ABORTS)[number];

/** What is counted besides. */
export type SpfEvent = SpfAbort | 'attempt' | 'success' | 'retry';

/** The counters of all CPUs, added up. */
export interface SpfCounters {
  readonly attempts: number;
  readonly successes: number;
  readonly aborts: Readonly<Record<SpfAbort, number>>;
  readonly retries: number;
  readonly kmaps: number;
}

/** Counts on one CPU. */
export interface SpfCounting {
  /** Counts an event of this CPU. */
  count(event: SpfEvent): void;
  /** Counts a mapping of an entry: 1, or its end: -1. */
  kmap(by: number): void;
  /** What all CPUs have counted; of a running machine an estimate. */
  read(): SpfCounters;
}

export function spfCounting({ isa, cpu, world }: Pick<Base, 'isa' | 'cpu' | 'world'>): SpfCounting {
  const mine = mmCpuOf(world, cpu.id);
  const add = (word: number, by: number): void => isa.writeOnce(mine + word, isa.readOnce(mine + word) + by);
  function sum(word: number): number {
    let total = 0;
    for (let each = 0; each < cpusOf(world); each += 1) total += isa.readOnce(mmCpuOf(world, each) + word);
    return total;
  }
  return {
    count: (event) => add(MmCpu[`spf_${event}`], 1),
    kmap: (by) => add(MmCpu.spf_kmap, by),
    read: () => ({
      attempts: sum(MmCpu.spf_attempt),
      successes: sum(MmCpu.spf_success),
      aborts: {
        pte_lock: sum(MmCpu.spf_pte_lock),
        vma_changed: sum(MmCpu.spf_vma_changed),
        noanon: sum(MmCpu.spf_noanon),
        notsup: sum(MmCpu.spf_notsup),
        access: sum(MmCpu.spf_access),
        pmd_changed: sum(MmCpu.spf_pmd_changed),
      },
      retries: sum(MmCpu.spf_retry),
      kmaps: sum(MmCpu.spf_kmap),
    }),
  };
}
