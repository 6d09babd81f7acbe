/**
 * Red-black trees in shared memory, of nodes that are embedded in objects (lib/rbtree.c; Linux 2.6.5, the augment callbacks of 3.7).
 *
 *   root          a word: the topmost node, 0 when there is none
 *   rb_parent     the node above; 0 in the topmost one
 *   rb_color      red 0, black 1          a new node is red
 *   rb_left       everything that comes before the node, or 0
 *   rb_right      everything that comes behind it, or 0
 *
 * The root is black, a red node has no red child, and every path from a node down has as many black nodes as any other: so no path is more than twice as long as
 * another. Insertion puts a red node below its place and mends what that broke on the way up; erasure takes a node out, or puts its successor in its place, and
 * mends the path that is short of a black one. Who looks something up walks down himself: the tree knows no keys.
 *
 * Whoever changes a tree holds the lock that protects it, and so does whoever walks it; accesses are plain. Stores come in the order of the kernel's, because a walk
 * without the lock must meet what it would have met there. A rotation first hangs the inner grandchild over, and last tells whoever is above: in between the node that
 * comes up cannot be reached from the root. A successor is first taken out of its old place, then put into the new one. An erased node keeps its words. So such a walk
 * misses nodes or goes astray; but each of its steps is an access, so it does so before the eyes of the engine.
 *
 * A tree that two have changed at once is damaged. NULL where a node must be throws before it is followed, at no access; the rest is for `validate`.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { type RbLook, rbCheck } from './rb-check.ts';
import { hex, RB_BLACK, RB_RED, TreeError } from './rb-node.ts';
import { RbNode } from './structs.ts';

/** Who keeps a word for each subtree in its topmost node is told when that changes. */
export interface RbAugment {
  /** The subtree below `node` has changed: makes the word right in it and upwards, up to where it stays the same or to `stop`, which is left out. */
  propagate(node: Addr, stop: Addr): void;
  /** `to` has taken the place of `from`, which leaves the tree: it takes over the word. */
  copy(from: Addr, to: Addr): void;
  /** `to` has come up to where `from` was, and `from` hangs below it. */
  rotate(from: Addr, to: Addr): void;
}

/** What mending is made of; a broken tree is made by replacing one. */
export interface RbSteps {
  setColor(node: Addr, color: number): void;
  /**
   * Lets `node` go down on one side; its child on the other side comes up.
   * @param side `RbNode.rb_left` or `RbNode.rb_right`
   */
  rotate(root: Addr, node: Addr, side: Addr, augment?: RbAugment): void;
}

/** The operations; `root` is the address of the word that holds the root, all others are addresses of nodes, 0 for none. */
export interface RbTree {
  /**
   * Puts a node into a tree.
   * @param parent the node below which it comes; 0 in an empty tree
   * @param link the address of the word, in `parent` or the root, that is to point to it; it holds 0
   */
  insert(root: Addr, node: Addr, parent: Addr, link: Addr, augment?: RbAugment): void;
  /** Takes a node out of its tree; its words stay as they are. @throws TreeError when the tree is damaged */
  erase(root: Addr, node: Addr, augment?: RbAugment): void;
  /** The leftmost node; 0: none. */
  first(root: Addr): Addr;
  /** The rightmost node; 0: none. */
  last(root: Addr): Addr;
  /** The node behind a node of a tree. */
  next(node: Addr): Addr;
  /** The node before a node of a tree. */
  prev(node: Addr): Addr;
  /**
   * Checks a tree that nobody changes meanwhile.
   * @returns undefined when it is sound, else a sentence that names the property that is broken
   */
  validate(root: Addr, look?: RbLook): string | undefined;
}

/** @param variant makes a tree that is broken on purpose */
export function rbtree(
  { isa }: { readonly isa: Isa },
  variant: (steps: RbSteps) => RbSteps = (steps) => steps,
): RbTree {
  const { rb_parent: PARENT, rb_color: COLOR, rb_left: LEFT, rb_right: RIGHT } = RbNode;
  const across = (side: Addr): Addr => LEFT + RIGHT - side;
  const isRed = (node: Addr): boolean => isa.read(node + COLOR) === RB_RED;
  const isBlack = (node: Addr): boolean => node === 0 || !isRed(node);
  const { setColor, rotate } = variant({ setColor: paint, rotate: turn });

  function paint(node: Addr, color: number): void {
    isa.write(node + COLOR, color);
  }

  /** A neighbour that a sound tree has. */
  function there(neighbour: Addr, node: Addr, which: string): Addr {
    if (neighbour === 0)
      throw new TreeError(node, `the node ${hex(node)} has no ${which}, but must: the tree is damaged`);
    return neighbour;
  }

  /** Makes whoever points down to `old` point to `now`. */
  function relink(root: Addr, parent: Addr, old: Addr, now: Addr): void {
    if (parent === 0) isa.write(root, now);
    else isa.write(parent + (isa.read(parent + LEFT) === old ? LEFT : RIGHT), now);
  }

  function turn(root: Addr, node: Addr, side: Addr, augment?: RbAugment): void {
    const up = there(isa.read(node + across(side)), node, 'child to rotate with');
    const inner = isa.read(up + side);
    isa.write(node + across(side), inner);
    if (inner !== 0) isa.write(inner + PARENT, node);
    isa.write(up + side, node);
    const parent = isa.read(node + PARENT);
    isa.write(up + PARENT, parent);
    relink(root, parent, node, up);
    isa.write(node + PARENT, up);
    augment?.rotate(node, up);
  }

  /** `node` is red, and its parent may be. */
  function mendInsert(root: Addr, inserted: Addr, augment?: RbAugment): void {
    let node = inserted;
    let parent = isa.read(node + PARENT);
    while (parent !== 0 && isRed(parent)) {
      const grand = there(isa.read(parent + PARENT), parent, 'parent');
      const side = isa.read(grand + LEFT) === parent ? LEFT : RIGHT;
      const uncle = isa.read(grand + across(side));
      if (uncle !== 0 && isRed(uncle)) {
        setColor(uncle, RB_BLACK);
        setColor(parent, RB_BLACK);
        setColor(grand, RB_RED);
        node = grand;
      } else {
        if (isa.read(parent + across(side)) === node) {
          rotate(root, parent, side, augment);
          [node, parent] = [parent, node];
        }
        setColor(parent, RB_BLACK);
        setColor(grand, RB_RED);
        rotate(root, grand, across(side), augment);
      }
      parent = isa.read(node + PARENT);
    }
    setColor(there(isa.read(root), inserted, 'root above it'), RB_BLACK);
  }

  /** The paths through `child` (0: none) below `parent` are short of a black node. */
  function mendErase(root: Addr, child: Addr, above: Addr, augment?: RbAugment): void {
    let node = child;
    let parent = above;
    while (isBlack(node) && node !== isa.read(root)) {
      there(parent, node, 'parent');
      const side = isa.read(parent + LEFT) === node ? LEFT : RIGHT;
      let sibling = there(isa.read(parent + across(side)), parent, 'second child');
      if (isRed(sibling)) {
        setColor(sibling, RB_BLACK);
        setColor(parent, RB_RED);
        rotate(root, parent, side, augment);
        sibling = there(isa.read(parent + across(side)), parent, 'second child');
      }
      const near = isa.read(sibling + side);
      if (isBlack(near) && isBlack(isa.read(sibling + across(side)))) {
        setColor(sibling, RB_RED);
        node = parent;
        parent = isa.read(node + PARENT);
        continue;
      }
      if (isBlack(isa.read(sibling + across(side)))) {
        setColor(near, RB_BLACK);
        setColor(sibling, RB_RED);
        rotate(root, sibling, across(side), augment);
        sibling = isa.read(parent + across(side));
      }
      setColor(sibling, isa.read(parent + COLOR));
      setColor(parent, RB_BLACK);
      setColor(there(isa.read(sibling + across(side)), sibling, 'outer child'), RB_BLACK);
      rotate(root, parent, side, augment);
      return;
    }
    if (node !== 0) setColor(node, RB_BLACK);
  }

  function insert(root: Addr, node: Addr, parent: Addr, link: Addr, augment?: RbAugment): void {
    isa.write(node + PARENT, parent);
    isa.write(node + COLOR, RB_RED);
    isa.write(node + LEFT, 0);
    isa.write(node + RIGHT, 0);
    isa.write(link, node);
    if (parent !== 0) augment?.propagate(parent, 0);
    mendInsert(root, node, augment);
  }

  /** Takes a node out that has one child at most. */
  function unhook(root: Addr, node: Addr, parent: Addr, child: Addr): void {
    if (child !== 0) isa.write(child + PARENT, parent);
    relink(root, parent, node, child);
  }

  function erase(root: Addr, node: Addr, augment?: RbAugment): void {
    const left = isa.read(node + LEFT);
    const right = isa.read(node + RIGHT);
    if (left === 0 || right === 0) {
      const child = left === 0 ? right : left;
      const parent = isa.read(node + PARENT);
      const color = isa.read(node + COLOR);
      unhook(root, node, parent, child);
      if (parent !== 0) augment?.propagate(parent, 0);
      if (color === RB_BLACK) mendErase(root, child, parent, augment);
      return;
    }
    const heir = outermost(right, LEFT);
    const child = isa.read(heir + RIGHT);
    const above = isa.read(heir + PARENT);
    const color = isa.read(heir + COLOR);
    unhook(root, heir, above, child);
    const parent = above === node ? heir : above;
    takePlace(root, node, heir);
    augment?.copy(node, heir);
    if (parent !== heir) augment?.propagate(parent, heir);
    augment?.propagate(heir, 0);
    if (color === RB_BLACK) mendErase(root, child, parent, augment);
  }

  /** Puts `heir` where `node` is. The right child is read again: it may have been the heir. */
  function takePlace(root: Addr, node: Addr, heir: Addr): void {
    const parent = isa.read(node + PARENT);
    const left = there(isa.read(node + LEFT), node, 'left child');
    const right = isa.read(node + RIGHT);
    isa.write(heir + PARENT, parent);
    isa.write(heir + COLOR, isa.read(node + COLOR));
    isa.write(heir + RIGHT, right);
    isa.write(heir + LEFT, left);
    relink(root, parent, node, heir);
    isa.write(left + PARENT, heir);
    if (right !== 0) isa.write(right + PARENT, heir);
  }

  /** Down from a node on one side, as far as it goes. */
  function outermost(from: Addr, side: Addr): Addr {
    let node = from;
    for (let below = isa.read(node + side); below !== 0; below = isa.read(node + side)) node = below;
    return node;
  }

  function end(root: Addr, side: Addr): Addr {
    const top = isa.read(root);
    return top === 0 ? 0 : outermost(top, side);
  }

  /** The nearest node on one side. */
  function beside(from: Addr, side: Addr): Addr {
    const below = isa.read(from + side);
    if (below !== 0) return outermost(below, across(side));
    let node = from;
    let parent = isa.read(node + PARENT);
    while (parent !== 0 && isa.read(parent + side) === node) {
      node = parent;
      parent = isa.read(node + PARENT);
    }
    return parent;
  }

  return {
    insert,
    erase,
    first: (root) => end(root, LEFT),
    last: (root) => end(root, RIGHT),
    next: (node) => beside(node, RIGHT),
    prev: (node) => beside(node, LEFT),
    validate: rbCheck({ isa }),
  };
}
