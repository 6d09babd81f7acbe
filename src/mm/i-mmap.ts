/**
 * Who maps a file: an interval tree of vmas for each file, and a list of those that map its pages in no order (include/linux/interval_tree_generic.h and
 * mm/interval_tree.c, Linux 3.7; in the years of the threads it was two unsorted lists, then from 2.6.7 a prio_tree: the questions and answers are the same).
 *
 *   i_mmap             red-black tree by the first page of the file that a vma maps, `vm_pgoff`
 *   shared             the vma's node
 *   shared_last        the last page that it or a vma below it maps
 *   i_mmap_nonlinear   vmas with VM_NONLINEAR: any of their pages may be anywhere, so all are looked at
 *
 * A search for the pages from `first` to `last` leaves out a subtree whose `shared_last` comes before `first`, and what lies right of a vma that begins behind `last`.
 *
 * Equal keys stay in the order in which they were put in. A child of fork is put behind its parent, not behind all of its key: who scans in order then comes to the
 * parent first, and what is still copied from there is copied before the child's turn (mm.md R2.9e). A vma goes from the tree to the list, never back: whoever scans
 * the tree first and then the list meets it once at least (R2.8).
 *
 * All of it, and the bounds and `vm_pgoff` of a vma in it, is protected by the file's i_mmap_lock (i_shared_sem, i_mmap_mutex), which callers hold; accesses are
 * plain. Who moves the bounds takes the vma out before and puts it in again. An iteration is good for as long as the lock is held and its vma stays where it is: `iterNext`
 * reads the vma it is given, whatever has become of it since (R2.2).
 */
import type { Addr } from '../arch/index.ts';
import type { Base } from './kernel.ts';
import { PAGE_SHIFT } from './pte.ts';
import { rbEntries, TreeError } from './rb-node.ts';
import type { RbAugment, RbTree } from './rbtree.ts';
import { AddressSpace, RbNode, VM, Vma } from './structs.ts';

/** The operations; callers hold the file's i_mmap_lock. Pages are pages of the file. */
export interface IMmap {
  /** Makes a file that nobody maps. */
  init(mapping: Addr): void;
  /** Puts a vma into the tree of its file, behind those with the same first page. */
  insert(vma: Addr): void;
  /** Puts a copy of a vma of the tree right behind it. @throws TreeError when it begins at another page or file */
  insertAfter(parent: Addr, child: Addr): void;
  /** Takes a vma out of the tree; its bounds are those that it was put in with. */
  remove(vma: Addr): void;
  /** The first vma of the tree that maps one of the pages from `first` to `last`; 0: none. */
  iterFirst(mapping: Addr, first: number, last: number): Addr;
  /** The next one behind a vma of the tree; 0: none. */
  iterNext(vma: Addr, first: number, last: number): Addr;
  /** Calls `fn` for each vma of the tree that maps one of the pages, by first page, until it returns false. `fn` leaves the vma in the tree. */
  forEach(mapping: Addr, first: number, last: number, fn: (vma: Addr) => unknown): void;
  /** Puts a vma with VM_NONLINEAR, in no tree, last on the list. */
  nonlinearAdd(vma: Addr): void;
  /** Takes a vma off the list. */
  nonlinearRemove(vma: Addr): void;
  /** Calls `fn` for each vma of the list until it returns false; `fn` may take it off. */
  nonlinearForEach(mapping: Addr, fn: (vma: Addr) => unknown): void;
  /** Checks a file that nobody changes meanwhile. @returns undefined when tree and list are sound, else a sentence */
  validate(mapping: Addr): string | undefined;
}

export function iMmap({
  isa,
  slabs,
  lists,
  rbtree,
}: Pick<Base, 'isa' | 'slabs' | 'lists'> & { readonly rbtree: RbTree }): IMmap {
  const { i_mmap, i_mmap_nonlinear } = AddressSpace;
  const { vm_file, vm_start, vm_end, vm_pgoff, vm_flags, nonlinear, shared } = Vma;
  const { rb_left, rb_right, rb_parent } = RbNode;
  const { isNode, entryOf, name } = rbEntries(slabs.vmas, shared, 'vm_area_struct');
  /** `shared_last` as seen from the node. */
  const SHARED_LAST = Vma.shared_last - shared;

  const firstOf = (vma: Addr): number => isa.read(vma + vm_pgoff);
  const lastOf = (vma: Addr): number =>
    firstOf(vma) + ((isa.read(vma + vm_end) - isa.read(vma + vm_start)) >> PAGE_SHIFT) - 1;

  /** What `shared_last` of a node should be. */
  function lastBelow(node: Addr): number {
    const left = isa.read(node + rb_left);
    const right = isa.read(node + rb_right);
    let last = lastOf(entryOf(node));
    if (left !== 0) last = Math.max(last, isa.read(left + SHARED_LAST));
    if (right !== 0) last = Math.max(last, isa.read(right + SHARED_LAST));
    return last;
  }

  const augment: RbAugment = {
    propagate(from, stop) {
      for (let node = from; node !== stop; node = isa.read(node + rb_parent)) {
        const last = lastBelow(node);
        if (isa.read(node + SHARED_LAST) === last) return;
        isa.write(node + SHARED_LAST, last);
      }
    },
    copy(from, to) {
      isa.write(to + SHARED_LAST, isa.read(from + SHARED_LAST));
    },
    rotate(from, to) {
      isa.write(to + SHARED_LAST, isa.read(from + SHARED_LAST));
      isa.write(from + SHARED_LAST, lastBelow(from));
    },
  };

  function obtained(node: Addr): Addr {
    const vma = entryOf(node);
    isa.consumed(vma);
    return vma;
  }

  function put(vma: Addr, parent: Addr, link: Addr): void {
    isa.write(vma + Vma.shared_last, lastOf(vma));
    rbtree.insert(isa.read(vma + vm_file) + i_mmap, vma + shared, parent, link, augment);
  }

  function insert(vma: Addr): void {
    const key = firstOf(vma);
    let parent = 0;
    let link = isa.read(vma + vm_file) + i_mmap;
    for (let node = isa.read(link); node !== 0; node = isa.read(link)) {
      parent = node;
      link = node + (key < firstOf(obtained(node)) ? rb_left : rb_right);
    }
    put(vma, parent, link);
  }

  function insertAfter(parent: Addr, child: Addr): void {
    if (firstOf(parent) !== firstOf(child) || isa.read(parent + vm_file) !== isa.read(child + vm_file))
      throw new TreeError(
        child,
        `${name(child)} is put behind ${name(parent)}, but does not begin at its page`,
      );
    let node = parent + shared;
    let link = node + rb_right;
    for (let below = isa.read(link); below !== 0; below = isa.read(link)) {
      node = below;
      link = node + rb_left;
    }
    put(child, node, link);
  }

  const reaches = (node: Addr, page: number): boolean => node !== 0 && isa.read(node + SHARED_LAST) >= page;

  /** The first vma in a subtree that maps one of the pages. */
  function searchBelow(from: Addr, first: number, last: number): Addr {
    let node = from;
    if (!reaches(node, first)) return 0;
    for (;;) {
      const left = isa.read(node + rb_left);
      // One on the left reaches `first`. If it begins behind `last`, so does all that is right of it: nobody has to come back here.
      if (reaches(left, first)) {
        node = left;
        continue;
      }
      const vma = obtained(node);
      if (firstOf(vma) > last) return 0;
      if (lastOf(vma) >= first) return vma;
      // Somebody from `node` down reaches `first`, so one on the right does. It is NULL in a damaged tree alone.
      node = isa.read(node + rb_right);
      if (node === 0) return 0;
    }
  }

  const iterFirst: IMmap['iterFirst'] = (mapping, first, last) =>
    searchBelow(isa.read(mapping + i_mmap), first, last);

  function iterNext(vma: Addr, first: number, last: number): Addr {
    let node = vma + shared;
    let below = isa.read(node + rb_right);
    for (;;) {
      const found = searchBelow(below, first, last);
      if (found !== 0) return found;
      // Up to the first node that comes behind what has been seen.
      let parent = isa.read(node + rb_parent);
      while (parent !== 0 && isa.read(parent + rb_right) === node) {
        node = parent;
        parent = isa.read(node + rb_parent);
      }
      if (parent === 0) return 0;
      const next = obtained(parent);
      if (firstOf(next) > last) return 0;
      if (lastOf(next) >= first) return next;
      node = parent;
      below = isa.read(node + rb_right);
    }
  }

  function forEach(mapping: Addr, first: number, last: number, fn: (vma: Addr) => unknown): void {
    let vma = iterFirst(mapping, first, last);
    while (vma !== 0) {
      if (fn(vma) === false) return;
      vma = iterNext(vma, first, last);
    }
  }

  function nonlinearForEach(mapping: Addr, fn: (vma: Addr) => unknown): void {
    lists.forEach(mapping + i_mmap_nonlinear, (entry) => fn(obtained(entry - nonlinear + shared)));
  }

  function validate(mapping: Addr): string | undefined {
    let before = 0;
    const damage = rbtree.validate(mapping + i_mmap, {
      isNode,
      name: (node) => name(node - shared),
      visit(node) {
        const vma = node - shared;
        if (isa.read(vma + vm_file) !== mapping) return `${name(vma)} in the tree maps another file`;
        if ((isa.read(vma + vm_flags) & VM.NONLINEAR) !== 0) return `${name(vma)} in the tree is nonlinear`;
        if (before !== 0 && firstOf(before) > firstOf(vma))
          return `${name(vma)} begins at page ${firstOf(vma)}, but comes behind ${name(before)} at ${firstOf(before)}`;
        before = vma;
        const said = isa.read(node + SHARED_LAST);
        const last = lastBelow(node);
        return said === last
          ? undefined
          : `shared_last of ${name(vma)} is ${said}, but the last page mapped below it is ${last}`;
      },
    });
    if (damage !== undefined) return damage;
    const list = mapping + i_mmap_nonlinear;
    const broken = lists.verify(list, (entry) => name(entry - nonlinear));
    if (broken !== undefined) return `i_mmap_nonlinear: ${broken}`;
    let wrong: string | undefined;
    lists.forEach(list, (entry) => {
      const vma = entry - nonlinear;
      if (isa.read(vma + vm_file) !== mapping) wrong ??= `${name(vma)} in i_mmap_nonlinear maps another file`;
      else if ((isa.read(vma + vm_flags) & VM.NONLINEAR) === 0)
        wrong ??= `${name(vma)} in i_mmap_nonlinear is not nonlinear`;
    });
    return wrong;
  }

  return {
    init(mapping) {
      isa.write(mapping + i_mmap, 0);
      lists.init(mapping + i_mmap_nonlinear);
    },
    insert,
    insertAfter,
    remove: (vma) => rbtree.erase(isa.read(vma + vm_file) + i_mmap, vma + shared, augment),
    iterFirst,
    iterNext,
    forEach,
    nonlinearAdd: (vma) => lists.addTail(vma + nonlinear, isa.read(vma + vm_file) + i_mmap_nonlinear),
    nonlinearRemove: (vma) => lists.del(vma + nonlinear),
    nonlinearForEach,
    validate,
  };
}
