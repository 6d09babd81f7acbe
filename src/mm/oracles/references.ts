/**
 * Who has a page, or an anon_vma: the references that there should be (docs/mm.md, Oracles).
 *
 *   page       an entry that maps it each, a place in a cache each, a batch on its way to the LRU, being a page table, being a driver's, and what the asker holds
 *   anon_vma   1 while a vma is on its list, 1 for each child below it, and what the asker holds
 *   anonmm     its address space, and each of the family that it is the head of
 */
import { AnonMm, AnonVma, MAPPING_FLAGS, MAPPING_MOVABLE, PG } from '../structs.ts';
import { type Census, counts, type Frame } from './census.ts';
import type { Asked } from './oracle.ts';
import { times } from './oracle.ts';
import type { Thing } from './things.ts';

/** What a sum is made of: how many, and of what. */
type Parts = readonly (readonly [count: number, what: string])[];

const sum = (parts: Parts): number => parts.reduce((all, [count]) => all + count, 0);

/** In words: `1 mapping, 1 cache`. */
function words(parts: Parts): string {
  const there = parts.filter(([count]) => count > 0);
  return there.length === 0 ? 'nobody' : there.map(([count, what]) => times(count, what)).join(', ');
}

/** References that there should be. */
export interface Owed {
  readonly refs: number;
  /** Who has them. */
  made(): string;
}

const owed = (parts: Parts): Owed => ({ refs: sum(parts), made: () => words(parts) });

const mappingsOf = (frame: Frame): number => (counts(frame) ? frame.entries.length : 0);
const tablesIn = ({ flags, walked }: Frame): number => ((flags & PG.table.mask) !== 0 || walked ? 1 : 0);

/** Whether a driver has it: one that it has given up has the type alone. With hooks a flag says so. */
export const driversPage = ({ mapping, flags }: Frame): boolean =>
  (flags & PG.balloon.mask) !== 0 ||
  ((mapping & MAPPING_FLAGS) === MAPPING_MOVABLE &&
    mapping !== MAPPING_MOVABLE &&
    (flags & PG.tail.mask) === 0);
const driversIn = (frame: Frame): number => (driversPage(frame) ? 1 : 0);

/** The references that a page should have. */
export function refsOwed(frame: Frame, { held }: Pick<Asked, 'held'>): number {
  const holders = held.size === 0 ? 0 : (held.get(frame.at) ?? 0);
  return (
    mappingsOf(frame) + frame.caches.length + frame.batched + tablesIn(frame) + driversIn(frame) + holders
  );
}

/** Who has them. */
export const madeOf = (frame: Frame, { held }: Pick<Asked, 'held'>): string =>
  words([
    [mappingsOf(frame), 'mapping'],
    [frame.caches.length, 'cache'],
    [frame.batched, 'batch'],
    [tablesIn(frame), 'table'],
    [driversIn(frame), 'driver'],
    [held.get(frame.at) ?? 0, 'holder'],
  ]);

/** The references that an anon_vma should have; undefined while its list is damaged. */
export function owedToAnonVma(
  { listAt, childrenOf }: Census,
  { at }: Thing,
  { held }: Pick<Asked, 'held'>,
): Owed | undefined {
  const list = listAt(at + AnonVma.head);
  if (!list || list.wrong !== undefined) return undefined;
  return owed([
    [list.entries.length === 0 ? 0 : 1, 'list'],
    [childrenOf(at), 'child'],
    [held.get(at) ?? 0, 'holder'],
  ]);
}

/** The references that an anonmm should have. */
export function owedToAnonMm({ anonMms, mms, read }: Census, { at }: Thing): Owed {
  const family = anonMms.live.filter((each) => each.at !== at && read(each.at + AnonMm.head) === at);
  return owed([
    [mms.at(read(at + AnonMm.mm))?.live ? 1 : 0, 'address space'],
    [family.length, 'member'],
  ]);
}
