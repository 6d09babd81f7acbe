/**
 * Intrusive doubly linked lists: two words inside the object, as in the kernel's list_head.
 *
 *   head <-> entry <-> entry <-> head      an entry's words hold the addresses of its neighbours' words
 *
 * An empty head points to itself. Whoever changes or walks a list holds the lock that its user has chosen for it, so accesses are plain; what a
 * walk without that lock reads is not this file's doing, and a race on it shows.
 *
 * A deleted entry's words are poisoned: they name no memory of any machine. A poisoned or zero word met where a neighbour is expected throws
 * before it is followed; that costs no access. Other damage is found by `verify`, which checks that each entry points back to the one it was
 * reached from: no entry can do so for two, so a walk that has not met damage ends at the head.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { type Field, ptr, struct } from './struct.ts';

/** The field type of a list head, and of the words that link an object into a list. */
export const listHead: Field = ptr('list_head', 2);

const ListHead = struct('list_head', { next: ptr('list_head'), prev: ptr('list_head') });

/** What `next` of a deleted entry holds. */
export const LIST_POISON_NEXT = 0x7ead0100;
/** What `prev` of a deleted entry holds. */
export const LIST_POISON_PREV = 0x7ead0200;

/** A list is damaged, or an entry is on none. */
export class ListError extends Error {
  readonly code = 'ELIST';
  readonly entry: Addr;
  constructor(entry: Addr, message: string) {
    super(message);
    this.name = 'ListError';
    this.entry = entry;
  }
}

/** The list operations; all take addresses of list words, not of objects. */
export interface Lists {
  /** Makes a list of none. */
  init(head: Addr): void;
  /** Whether the list has no entry. */
  isEmpty(head: Addr): boolean;
  /** The first entry; 0 when empty. */
  first(head: Addr): Addr;
  /** The last entry; 0 when empty. */
  last(head: Addr): Addr;
  /** Puts `entry` first, or after another entry. */
  add(entry: Addr, head: Addr): void;
  /** Puts `entry` last, or before another entry. */
  addTail(entry: Addr, head: Addr): void;
  /** Takes `entry` off its list and poisons it. @throws ListError when it is on none */
  del(entry: Addr): void;
  /** Takes `entry` off its list and puts it first on another. @throws ListError when it is on none */
  move(entry: Addr, head: Addr): void;
  /** Takes `entry` off its list and puts it last on another. @throws ListError when it is on none */
  moveTail(entry: Addr, head: Addr): void;
  /** Puts all entries of `from` before the first of `head`; `from` is empty afterwards. */
  splice(from: Addr, head: Addr): void;
  /**
   * Calls `fn` for each entry, first to last, until it returns false; `fn` may take its entry off the list.
   * @throws ListError when the walk meets a poisoned or zero word
   */
  forEach(head: Addr, fn: (entry: Addr) => unknown): void;
  /**
   * Checks a list that nobody changes meanwhile.
   * @param name how to call an entry; its address unless given
   * @returns undefined when it is sound, else a sentence that names what is broken
   */
  verify(head: Addr, name?: (entry: Addr) => string): string | undefined;
}

const hex = (addr: number): string => `0x${(addr >>> 0).toString(16)}`;

function damage(word: number): string | undefined {
  if (word === 0) return 'NULL';
  if (word === LIST_POISON_NEXT || word === LIST_POISON_PREV) return 'poison, as in a deleted entry';
  if (word < 0 || word % 4 !== 0 || word >= 2 ** 30) return `${hex(word)}, which is no address`;
  return undefined;
}

/** The list operations for one CPU. */
export function lists({ isa }: { readonly isa: Isa }): Lists {
  const next = (entry: Addr): Addr => isa.read(entry + ListHead.next);
  const prev = (entry: Addr): Addr => isa.read(entry + ListHead.prev);

  function neighbour(entry: Addr, word: number, which: string): Addr {
    const wrong = damage(word);
    if (wrong)
      throw new ListError(
        entry,
        `the ${which} of list entry ${hex(entry)} is ${wrong}: it is on no list, or the list is damaged`,
      );
    return word;
  }

  function join(before: Addr, after: Addr): void {
    isa.write(before + ListHead.next, after);
    isa.write(after + ListHead.prev, before);
  }

  function insert(entry: Addr, before: Addr, after: Addr): void {
    join(before, entry);
    join(entry, after);
  }

  function unlink(entry: Addr): void {
    const after = neighbour(entry, next(entry), 'next');
    const before = neighbour(entry, prev(entry), 'prev');
    join(before, after);
  }

  function init(head: Addr): void {
    join(head, head);
  }

  function add(entry: Addr, head: Addr): void {
    insert(entry, head, neighbour(head, next(head), 'next'));
  }

  function addTail(entry: Addr, head: Addr): void {
    insert(entry, neighbour(head, prev(head), 'prev'), head);
  }

  function del(entry: Addr): void {
    unlink(entry);
    isa.write(entry + ListHead.next, LIST_POISON_NEXT);
    isa.write(entry + ListHead.prev, LIST_POISON_PREV);
  }

  function splice(from: Addr, head: Addr): void {
    const first = neighbour(from, next(from), 'next');
    if (first === from) return;
    const last = neighbour(from, prev(from), 'prev');
    const after = neighbour(head, next(head), 'next');
    join(head, first);
    join(last, after);
    init(from);
  }

  function forEach(head: Addr, fn: (entry: Addr) => unknown): void {
    let entry = neighbour(head, next(head), 'next');
    while (entry !== head) {
      const after = neighbour(entry, next(entry), 'next');
      if (fn(entry) === false) return;
      entry = after;
    }
  }

  function verify(head: Addr, name: (entry: Addr) => string = hex): string | undefined {
    const call = (entry: Addr): string => (entry === head ? 'the head' : name(entry));
    let before = head;
    do {
      const entry = next(before);
      const wrong = damage(entry);
      if (wrong) return `next of ${call(before)} is ${wrong}`;
      const back = prev(entry);
      if (back !== before)
        return `next of ${call(before)} is ${call(entry)}, whose prev is ${damage(back) ?? call(back)}`;
      before = entry;
    } while (before !== head);
    return undefined;
  }

  return {
    init,
    isEmpty: (head) => next(head) === head,
    first: (head) => (next(head) === head ? 0 : next(head)),
    last: (head) => (prev(head) === head ? 0 : prev(head)),
    add,
    addTail,
    del,
    move(entry, head) {
      unlink(entry);
      add(entry, head);
    },
    moveTail(entry, head) {
      unlink(entry);
      addTail(entry, head);
    },
    splice,
    forEach,
    verify,
  };
}
