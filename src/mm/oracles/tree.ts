/** Red-black trees as an oracle walks them: each node is reached from the one that its `rb_parent` names, so the walk ends in a damaged tree, too. */
import type { Addr } from '../../arch/index.ts';
import { RbNode } from '../structs.ts';
import type { Census } from './census.ts';
import { once } from './oracle.ts';
import { hex, type Thing, type Things } from './things.ts';

/** A tree, walked. */
export interface Tree {
  /** What its nodes are embedded in, in order, up to where it is damaged. */
  readonly inOrder: readonly Thing[];
  /** What is wrong with it; undefined when it is sound. */
  readonly wrong: string | undefined;
}

const RED = 0;

const walkedTrees = once(() => new Map<Addr, Tree>());

/** The tree of a census: each is walked once. Arguments as of {@link walkTree} */
export function treeOf(census: Census, root: Addr, of: Things, node: Addr): Tree {
  const walked = walkedTrees(census);
  const before = walked.get(root);
  if (before) return before;
  const tree = walkTree(census.read, root, of, node);
  walked.set(root, tree);
  return tree;
}

/**
 * Walks a tree.
 * @param root the word that points to the topmost node
 * @param of the objects that its nodes are embedded in
 * @param node where in them
 */
function walkTree(read: (addr: Addr) => number, root: Addr, of: Things, node: Addr): Tree {
  const inOrder: Thing[] = [];
  const seen = new Set<Addr>();
  let wrong: string | undefined;
  const called = (at: Addr): string => (at === 0 ? 'none' : of.called(at - node));

  /** How many black nodes each path down has. */
  function height(at: Addr, parent: Addr): number {
    if (at === 0 || wrong !== undefined) return 0;
    const thing = of.at(at - node);
    if (!thing) {
      wrong = `below ${called(parent)} hangs ${hex(at)}, which is no node`;
      return 0;
    }
    const color = read(at + RbNode.rb_color);
    const back = read(at + RbNode.rb_parent);
    if (seen.has(at)) wrong = `${thing.name} is reached twice`;
    else if (back !== parent)
      wrong = `rb_parent of ${thing.name} is ${called(back)}, and it hangs below ${called(parent)}`;
    else if (color === RED && (parent === 0 || read(parent + RbNode.rb_color) === RED))
      wrong = `${thing.name} is red, and so is what it hangs below, or nothing is`;
    if (wrong !== undefined) return 0;
    seen.add(at);
    const before = height(read(at + RbNode.rb_left), at);
    inOrder.push(thing);
    const behind = height(read(at + RbNode.rb_right), at);
    if (before !== behind)
      wrong ??= `below ${thing.name} there are ${before} black nodes on the left and ${behind} on the right`;
    return before + (color === RED ? 0 : 1);
  }

  height(read(root), 0);
  return { inOrder, wrong };
}
