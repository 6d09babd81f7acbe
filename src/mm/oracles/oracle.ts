/** What a quiescent oracle is: a law that holds whenever all CPUs are at rest, checked over a {@link Census}. */
import type { Addr } from '../../arch/index.ts';
import type { Census } from './census.ts';
import type { Ledger } from './ledger.ts';
import type { RmapOf } from './rmap.ts';

/** What only the one who asks knows. */
export interface Asked {
  /** From a page to the entries that map it, as the kernel at hand would find them. */
  readonly rmapOf: RmapOf;
  /** References that the asker holds himself, by the address of the struct page or anon_vma. */
  readonly held: ReadonlyMap<Addr, number>;
  /** Pages that isolators have. */
  readonly isolated: number;
  /** What users have written, and been told that it is written. */
  readonly ledger: Ledger | undefined;
}

/** The names of the laws, as in docs/mm.md, Oracles. */
export type OracleName =
  | 'O-LIST'
  | 'O-PT'
  | 'O-VMA'
  | 'O-LOCKBAL'
  | 'O-SWAPOFF'
  | 'O-SWAPCNT'
  | 'O-DUP'
  | 'O-TAG'
  | 'O-LOST'
  | 'O-AV'
  | 'O-MAP'
  | 'O-REF'
  | 'O-RSS'
  | 'O-LRU'
  | 'O-MLOCK'
  | 'O-MLOCK-STRONG'
  | 'O-RSV1'
  | 'O-RSV2'
  | 'O-LEAK'
  | 'O-TLB'
  | 'O-KMAP'
  | 'O-TRUNC'
  | 'O-ISO'
  | 'O-TYPE'
  | 'O-ZS'
  | 'O-BALLOON'
  | 'O-STAMP';

/** A law. */
export interface Oracle {
  readonly name: OracleName;
  /** What it says, in a line. */
  readonly says: string;
  /** Not asked unless it is named: it holds for some designs only. */
  readonly optional?: true;
  /** Judges a census. @returns what is wrong, without the name; undefined: nothing */
  readonly check: (census: Census, asked: Asked) => string | undefined;
}

/** The first sentence that `judge` has about one of them. */
export function first<T>(
  all: readonly T[],
  judge: (each: T, at: number) => string | undefined,
): string | undefined {
  for (let at = 0; at < all.length; at += 1) {
    const wrong = judge(all[at]!, at);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/** The first sentence that `judge` has about one of so many numbers, from 0. */
export function firstOf(count: number, judge: (at: number) => string | undefined): string | undefined {
  for (let at = 0; at < count; at += 1) {
    const wrong = judge(at);
    if (wrong !== undefined) return wrong;
  }
  return undefined;
}

/** Finds out something of a census once, however many laws ask. */
export function once<T>(find: (census: Census) => T): (census: Census) => T {
  const known = new WeakMap<Census, { readonly found: T }>();
  return (census) => {
    let answer = known.get(census);
    if (answer === undefined) {
      answer = { found: find(census) };
      known.set(census, answer);
    }
    return answer.found;
  };
}

/** `1 reference`, `2 references`. */
export const times = (count: number, what: string): string => `${count} ${what}${count === 1 ? '' : 's'}`;
