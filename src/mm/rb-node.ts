/**
 * Nodes of red-black trees: their colours, the objects that they are embedded in, and the error for a tree that is damaged.
 *
 * A tree is followed by whoever walks it, under the lock that protects it or, in a regime that is wrong, without. What such a walk reads may be anything: memory that
 * has become another kind of object holds no nodes. So before an address is followed it is compared with the slab, at no access: what is known of a slab is constant.
 */
import type { Addr } from '../arch/index.ts';
import type { Slab } from '../memory/index.ts';

/** `rb_color`, as long as it had a word of its own (until 2.6.18). */
export const RB_RED = 0;
/** `rb_color`. */
export const RB_BLACK = 1;

/** A tree or list is damaged, or leads to what is no object. */
export class TreeError extends Error {
  readonly code = 'ETREE';
  /** Where it was met. */
  readonly addr: Addr;
  constructor(addr: Addr, message: string) {
    super(message);
    this.name = 'TreeError';
    this.addr = addr;
  }
}

/** An address in messages. */
export const hex = (addr: Addr): string => (addr === 0 ? 'NULL' : `0x${(addr >>> 0).toString(16)}`);

/** From nodes to the objects of a slab that they are embedded in. */
export interface RbEntries {
  /** Whether a node of an object can lie at an address. */
  isNode(node: Addr): boolean;
  /** The object. @throws TreeError when there is none: the pointer is wild */
  entryOf(node: Addr): Addr;
  /** An object in messages: `vm_area_struct#3`. */
  name(object: Addr): string;
}

/**
 * Nodes `offset` bytes from the start of the objects of a slab.
 * @param what the name of the objects' struct
 */
export function rbEntries(
  slab: Pick<Slab, 'objects' | 'objectAt' | 'indexOf'>,
  offset: Addr,
  what: string,
): RbEntries {
  const first = slab.objectAt(0);
  const last = slab.objectAt(slab.objects - 1);
  const both = first | (slab.objects > 1 ? slab.objectAt(1) : first);
  // The largest power of two that divides every object's address: a division at each step of a walk would cost more than the step.
  const rest = (both & -both) - 1;
  const isObject = (object: Addr): boolean => object >= first && object <= last && (object & rest) === 0;
  return {
    isNode: (node) => isObject(node - offset),
    entryOf(node) {
      const object = node - offset;
      if (isObject(object)) return object;
      throw new TreeError(node, `${hex(node)} stands where a node of ${what} must: a wild pointer`);
    },
    name: (object) => (isObject(object) ? `${what}#${slab.indexOf(object)}` : hex(object)),
  };
}
