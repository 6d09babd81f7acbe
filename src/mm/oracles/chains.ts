/** Doubly linked lists as an oracle walks them: to where they are damaged, and never for ever. */
import type { Addr, Isa } from '../../arch/index.ts';
import { LIST_POISON_NEXT, LIST_POISON_PREV } from '../../memory/index.ts';

const NONE: readonly Addr[] = [];

/** A list, walked. */
export interface Chain {
  /** As in `zone.active_list`. */
  name(): string;
  readonly head: Addr;
  /** The words that link its entries, first to last, up to where it is damaged. */
  readonly entries: readonly Addr[];
  /** What is wrong with it; undefined when it is sound. A head of zeroes is of a list that nobody has set up: empty, and sound. */
  readonly wrong: string | undefined;
}

/**
 * Walks a list.
 * @param within whether an entry can be at an address: what cannot is not followed
 * @param called how to call an entry
 */
export function walkChain(
  isa: Pick<Isa, 'read'>,
  name: () => string,
  head: Addr,
  within: (entry: Addr) => boolean,
  called: (entry: Addr) => string,
): Chain {
  const unused = isa.read(head) === 0 && isa.read(head + 4) === 0;
  if (unused || (isa.read(head) === head && isa.read(head + 4) === head))
    return { name, head, entries: NONE, wrong: undefined };
  const entries: Addr[] = [];
  const call = (entry: Addr): string => {
    if (entry === head) return 'the head';
    if (entry === 0) return 'NULL';
    if (entry === LIST_POISON_NEXT || entry === LIST_POISON_PREV) return 'poison, as in a deleted entry';
    return within(entry)
      ? called(entry)
      : `0x${(entry >>> 0).toString(16)}, which is no entry of such a list`;
  };
  let wrong: string | undefined;
  let before = head;
  let entry = isa.read(head);
  // Each entry points back to the one it was reached from, and none can do so for two: the walk ends.
  while (wrong === undefined) {
    if (entry !== head && !within(entry)) wrong = `next of ${call(before)} is ${call(entry)}`;
    else if (isa.read(entry + 4) !== before)
      wrong = `next of ${call(before)} is ${call(entry)}, whose prev is ${call(isa.read(entry + 4))}`;
    else if (entry === head) break;
    else {
      entries.push(entry);
      before = entry;
      entry = isa.read(entry);
    }
  }
  return { name, head, entries, wrong };
}
