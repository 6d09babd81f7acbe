/**
 * Who has a page, or an anon_vma: the references that there should be (mm.md C.4, F.2).
 *
 *   page       an entry that maps it each, a place in a cache each, a batch on its way to the LRU, being a page table, and what the asker holds
 *   anon_vma   1 while a vma is on its list, 1 for each child below it, and what the asker holds
 *   anonmm     its address space, and each of the family that it is the head of
 */
import { AnonMm, AnonVma, PG } from '../structs.ts';
import { type Census, counts, type Frame } from './census.ts';
import type { Asked } from './oracle.ts';
import { times } from './oracle.ts';
import type { Thing } from './things.ts';

/** A sum, and what it is made of. */
export interface Owed {
  readonly refs: number;
  /** As in `1 entry, 1 cache`. */
  readonly made: string;
}

function sum(parts: readonly (readonly [number, string])[]): Owed {
  const named = parts.filter(([count]) => count > 0);
  return {
    refs: named.reduce((all, [count]) => all + count, 0),
    made: named.length === 0 ? 'nobody' : named.map(([count, what]) => times(count, what)).join(', '),
  };
}

/** The references that a page should have. */
export function owedTo(frame: Frame, { held }: Pick<Asked, 'held'>): Owed {
  const { entries, caches, batched, walked, flags, at } = frame;
  return sum([
    [counts(frame) ? entries.length : 0, 'mapping'],
    [caches.length, 'cache'],
    [batched, 'batch'],
    [(flags & PG.table.mask) !== 0 || walked ? 1 : 0, 'table'],
    [held.get(at) ?? 0, 'holder'],
  ]);
}

/** The references that an anon_vma should have; undefined while its list is damaged. */
export function owedToAnonVma(
  { listAt, anonVmas, read }: Census,
  { at }: Thing,
  { held }: Pick<Asked, 'held'>,
): Owed | undefined {
  const list = listAt(at + AnonVma.head);
  if (!list || list.wrong !== undefined) return undefined;
  const children = anonVmas.live.filter((each) => each.at !== at && read(each.at + AnonVma.root) === at);
  return sum([
    [list.entries.length === 0 ? 0 : 1, 'list'],
    [children.length, 'child'],
    [held.get(at) ?? 0, 'holder'],
  ]);
}

/** The references that an anonmm should have. */
export function owedToAnonMm({ anonMms, mms, read }: Census, { at }: Thing): Owed {
  const family = anonMms.live.filter((each) => each.at !== at && read(each.at + AnonMm.head) === at);
  return sum([
    [mms.at(read(at + AnonMm.mm))?.live ? 1 : 0, 'address space'],
    [family.length, 'member'],
  ]);
}
