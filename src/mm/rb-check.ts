/**
 * Whether a red-black tree is one: for tests, and for oracles while nobody changes it.
 *
 * Each node is reached from the one that its `rb_parent` names, and from no side of it twice; so the check ends in a damaged tree, too. What is broken is named by
 * the property: a parent that is another, a red node below a red one, paths with different numbers of black nodes, a node out of order.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { hex, RB_BLACK, RB_RED } from './rb-node.ts';
import { RbNode } from './structs.ts';

/** No path of a tree in 32-bit memory is longer. */
const DEEPEST = 64;

/** What a check is told of the tree. */
export interface RbLook {
  /** How to call a node; its address unless given. */
  readonly name?: (node: Addr) => string;
  /** Whether an address can be one of a node; what cannot is not followed. */
  readonly isNode?: (node: Addr) => boolean;
  /** Called for each node in order. @returns what is wrong with it */
  readonly visit?: (node: Addr) => string | undefined;
}

/** @returns a check of the tree whose root the word at an address holds: undefined when it is sound, else a sentence */
export function rbCheck({ isa }: { readonly isa: Isa }): (root: Addr, look?: RbLook) => string | undefined {
  const { rb_parent: PARENT, rb_color: COLOR, rb_left: LEFT, rb_right: RIGHT } = RbNode;

  return (root, { name = hex, isNode = () => true, visit = () => undefined } = {}) => {
    const call = (node: Addr): string => (node !== 0 && isNode(node) ? name(node) : hex(node));
    let wrong: string | undefined;

    /** What is wrong with a node, seen from its parent. */
    function damage(node: Addr, parent: Addr, depth: number): string | undefined {
      if (!isNode(node)) return `below ${call(parent)} hangs ${hex(node)}, which is no node`;
      const back = isa.read(node + PARENT);
      if (back !== parent)
        return `rb_parent of ${call(node)} is ${call(back)}, but it hangs below ${call(parent)}`;
      const color = isa.read(node + COLOR);
      if (color !== RB_RED && color !== RB_BLACK) return `the colour of ${call(node)} is ${color}`;
      if (color === RB_RED && parent === 0) return `the root ${call(node)} is red`;
      if (color === RB_RED && isa.read(parent + COLOR) === RB_RED)
        return `${call(node)} is red, and so is its parent ${call(parent)}`;
      const left = isa.read(node + LEFT);
      if (left !== 0 && left === isa.read(node + RIGHT))
        return `${call(left)} is both children of ${call(node)}`;
      return depth > DEEPEST ? `the path to ${call(node)} has more than ${DEEPEST} nodes` : undefined;
    }

    /** How many black nodes each path from `node` down has. */
    function height(node: Addr, parent: Addr, depth: number): number {
      if (node === 0) return 0;
      wrong = damage(node, parent, depth);
      if (wrong !== undefined) return 0;
      const before = height(isa.read(node + LEFT), node, depth + 1);
      wrong ??= visit(node);
      if (wrong !== undefined) return 0;
      const behind = height(isa.read(node + RIGHT), node, depth + 1);
      if (before !== behind)
        wrong ??= `the paths below ${call(node)} have ${before} black nodes on the left and ${behind} on the right`;
      return before + isa.read(node + COLOR);
    }

    height(isa.read(root), 0, 1);
    return wrong;
  };
}
