/**
 * The vmas of an address space: a sorted list, a red-black tree and a cache, three ways to the same objects (mm/mmap.c, Linux 2.6.5; `vm_prev` since 2.6.36).
 *
 *   mmap, vm_next, vm_prev   all vmas by address; they do not overlap
 *   mm_rb, vm_rb             the same in a tree
 *   mmap_cache               the vma that was found last; a hint
 *   map_count                how many
 *
 * No function takes a lock: which one protects the vmas is what regimes differ in (docs/regimes.md). The sound ones are: writers hold mmap_sem for writing and
 * the page_table_lock, readers one of them; or writers hold mmap_sem for writing and readers hold it for reading. Where neither is so, a reader meets a writer half way,
 * and what it may then meet depends on the order of the stores. It is that of the kernel:
 *
 *   link     into the list, before the node is in the tree; of the first vma `mmap` is set before its `vm_next`
 *   unlink   out of the list; out of the tree; `mmap_cache` goes back to the vma before
 *   detach   each vma out of the tree, while the list still has it; then the list is cut, at its start before its end; then the cache is cleared
 *
 * A vma that was taken out keeps its words, `vm_next` of the unlinked one among them. A descent that a rotation passes misses vmas that stay mapped (R0.1); a list
 * walk stands on a vma that was unlinked (R0.2), or goes from one that ended before to one that begins behind what it should see (R0.3); the cache is written by
 * readers, so one that comes late leaves a vma there that is gone.
 *
 * Ordering: plain accesses, except to `mmap_cache`. That word is raced on purpose, by readers that hold mmap_sem for reading only: any vma in it is right to start from,
 * since it is looked at before it is believed. findVma reads `vm_start` marked, too: expand_stack moves it while other faults look, and who finds the stack begin above his address looks
 * again under the lock of growers. Each vma pointer that is obtained is `consumed`: from there on its lifetime is judged, and loads through it are ordered.
 */
import type { Addr } from '../arch/index.ts';
import type { Base } from './kernel.ts';
import { rbEntries, TreeError } from './rb-node.ts';
import type { RbTree } from './rbtree.ts';
import { Mm, RbNode, Vma } from './structs.ts';

/** Where a vma belongs that does not overlap another. */
export interface VmaPlace {
  /** The first vma that ends behind the address; 0: none. */
  readonly vma: Addr;
  /** The last vma that ends at or before the address; 0: none. */
  readonly prev: Addr;
  /** The node below which it comes, and the address of the word there, or of `mm_rb`, that is to point to it. */
  readonly parent: Addr;
  readonly link: Addr;
}

/** The operations; callers hold what their regime says. */
export interface VmaTree {
  /** The first vma that ends behind an address; it may begin behind it, too. 0: none. */
  findVma(mm: Addr, address: number): Addr;
  /** The same, with the vma before it. */
  findVmaPrev(mm: Addr, address: number): Pick<VmaPlace, 'vma' | 'prev'>;
  /** The first vma that has an address from `start` to below `end`; 0: none. */
  findVmaIntersection(mm: Addr, start: number, end: number): Addr;
  /** Where a vma that begins at an address is to be linked. When `vma` has the address itself, it is of no use for that. */
  findVmaPrepare(mm: Addr, address: number): VmaPlace;
  /**
   * Links a vma with its bounds set, and counts it.
   * @param place from `findVmaPrepare`, nothing linked or unlinked since; looked for unless given
   * @throws TreeError when it overlaps another (only if `place` is not given)
   */
  vmaLink(mm: Addr, vma: Addr, place?: VmaPlace): void;
  /** Takes a vma out of list, tree and cache, and counts it off (__vma_unlink). */
  vmaUnlink(mm: Addr, vma: Addr): void;
  /**
   * Takes out a vma and all behind it that begin below `end` (detach_vmas_to_be_unmapped).
   * @returns the first of them: they stay linked by `vm_next`, which is 0 in the last
   */
  detachVmas(mm: Addr, first: Addr, end: number): Addr;
  /** Calls `fn` for each vma of the list until it returns false. `fn` leaves the vma linked: its `vm_next` is read afterwards. */
  forEach(mm: Addr, fn: (vma: Addr) => unknown): void;
  /**
   * Checks the vmas of an address space that nobody changes meanwhile.
   * @returns undefined when list, tree, cache and count agree, else a sentence
   */
  validate(mm: Addr): string | undefined;
}

export function vmaTree({
  isa,
  slabs,
  rbtree,
}: Pick<Base, 'isa' | 'slabs'> & { readonly rbtree: RbTree }): VmaTree {
  const { mmap, mm_rb, mmap_cache, map_count } = Mm;
  const { vm_mm, vm_start, vm_end, vm_next, vm_prev, vm_rb } = Vma;
  const { rb_left, rb_right } = RbNode;
  const { vmas } = slabs;
  const { isNode, entryOf, name } = rbEntries(vmas, vm_rb, 'vm_area_struct');

  /** A vma by its node, obtained. */
  function vmaAt(node: Addr): Addr {
    const vma = entryOf(node);
    isa.consumed(vma);
    return vma;
  }

  /** A vma by a pointer to it, obtained; 0 for 0. */
  function vmaFrom(word: Addr): Addr {
    const vma = isa.read(word);
    return vma === 0 ? 0 : vmaAt(vma + vm_rb);
  }

  function findVma(mm: Addr, address: number): Addr {
    const cached = isa.readOnce(mm + mmap_cache);
    if (cached !== 0) {
      vmaAt(cached + vm_rb);
      if (isa.read(cached + vm_end) > address && isa.readOnce(cached + vm_start) <= address) return cached;
    }
    let found = 0;
    let node = isa.read(mm + mm_rb);
    while (node !== 0) {
      const vma = vmaAt(node);
      if (isa.read(vma + vm_end) > address) {
        found = vma;
        if (isa.readOnce(vma + vm_start) <= address) break;
        node = isa.read(node + rb_left);
      } else node = isa.read(node + rb_right);
    }
    if (found !== 0) isa.writeOnce(mm + mmap_cache, found);
    return found;
  }

  function findVmaPrev(mm: Addr, address: number): Pick<VmaPlace, 'vma' | 'prev'> {
    const first = vmaFrom(mm + mmap);
    let prev = 0;
    let node = isa.read(mm + mm_rb);
    while (node !== 0) {
      const vma = vmaAt(node);
      if (address < isa.read(vma + vm_end)) node = isa.read(node + rb_left);
      else {
        prev = vma;
        const next = vmaFrom(vma + vm_next);
        if (next === 0 || address < isa.read(next + vm_end)) break;
        node = isa.read(node + rb_right);
      }
    }
    return { vma: prev === 0 ? first : vmaFrom(prev + vm_next), prev };
  }

  function findVmaIntersection(mm: Addr, start: number, end: number): Addr {
    const vma = findVma(mm, start);
    return vma !== 0 && end <= isa.read(vma + vm_start) ? 0 : vma;
  }

  function findVmaPrepare(mm: Addr, address: number): VmaPlace {
    let vma = 0;
    let prev = 0;
    let parent = 0;
    let link = mm + mm_rb;
    for (let node = isa.read(link); node !== 0; node = isa.read(link)) {
      const here = vmaAt(node);
      parent = node;
      if (isa.read(here + vm_end) > address) {
        vma = here;
        if (isa.read(here + vm_start) <= address) break;
        link = node + rb_left;
      } else {
        prev = here;
        link = node + rb_right;
      }
    }
    return { vma, prev, parent, link };
  }

  function placeFor(mm: Addr, vma: Addr): VmaPlace {
    const place = findVmaPrepare(mm, isa.read(vma + vm_start));
    if (place.vma !== 0 && isa.read(place.vma + vm_start) < isa.read(vma + vm_end))
      throw new TreeError(vma, `${name(vma)} is to be linked where ${name(place.vma)} is: they overlap`);
    return place;
  }

  function vmaLink(mm: Addr, vma: Addr, { prev, parent, link }: VmaPlace = placeFor(mm, vma)): void {
    isa.write(vma + vm_prev, prev);
    let next = 0;
    if (prev !== 0) {
      next = isa.read(prev + vm_next);
      isa.write(vma + vm_next, next);
      isa.write(prev + vm_next, vma);
    } else {
      isa.write(mm + mmap, vma);
      // The first vma was the leftmost node, so it is the one below which this comes.
      if (parent !== 0) next = vmaAt(parent);
      isa.write(vma + vm_next, next);
    }
    if (next !== 0) isa.write(next + vm_prev, vma);
    rbtree.insert(mm + mm_rb, vma + vm_rb, parent, link);
    isa.write(mm + map_count, isa.read(mm + map_count) + 1);
  }

  /** Makes what came before point to `next`, and that back. */
  function cut(mm: Addr, prev: Addr, next: Addr): void {
    isa.write(prev === 0 ? mm + mmap : prev + vm_next, next);
    if (next !== 0) isa.write(next + vm_prev, prev);
  }

  function vmaUnlink(mm: Addr, vma: Addr): void {
    const prev = vmaFrom(vma + vm_prev);
    cut(mm, prev, vmaFrom(vma + vm_next));
    rbtree.erase(mm + mm_rb, vma + vm_rb);
    if (isa.readOnce(mm + mmap_cache) === vma) isa.writeOnce(mm + mmap_cache, prev);
    isa.write(mm + map_count, isa.read(mm + map_count) - 1);
  }

  function detachVmas(mm: Addr, first: Addr, end: number): Addr {
    const prev = vmaFrom(first + vm_prev);
    let tail = first;
    let vma = first;
    do {
      rbtree.erase(mm + mm_rb, vma + vm_rb);
      isa.write(mm + map_count, isa.read(mm + map_count) - 1);
      tail = vma;
      vma = vmaFrom(vma + vm_next);
    } while (vma !== 0 && isa.read(vma + vm_start) < end);
    isa.write(first + vm_prev, 0);
    cut(mm, prev, vma);
    isa.write(tail + vm_next, 0);
    isa.writeOnce(mm + mmap_cache, 0);
    return first;
  }

  function forEach(mm: Addr, fn: (vma: Addr) => unknown): void {
    let vma = vmaFrom(mm + mmap);
    while (vma !== 0) {
      if (fn(vma) === false) return;
      vma = vmaFrom(vma + vm_next);
    }
  }

  /** What is wrong with the list; the cache is looked for in it. */
  function checkList(mm: Addr): string | undefined {
    const cached = isa.readOnce(mm + mmap_cache);
    let seen = cached === 0;
    let count = 0;
    let before = 0;
    let end = 0;
    for (let vma = isa.read(mm + mmap); vma !== 0; vma = isa.read(vma + vm_next)) {
      const from = before === 0 ? 'mmap' : `vm_next of ${name(before)}`;
      if (!isNode(vma + vm_rb)) return `${from} is ${name(vma)}, which is no vma`;
      count += 1;
      if (count > vmas.objects) return `the list has more vmas than there are: it goes round`;
      if ((vmas.generation(vma) & 1) === 0) return `${from} is ${name(vma)}, which is free`;
      if (isa.read(vma + vm_mm) !== mm) return `${name(vma)} in the list belongs to another mm_struct`;
      if (isa.read(vma + vm_prev) !== before)
        return `vm_prev of ${name(vma)} is ${name(isa.read(vma + vm_prev))}, but ${from} leads to it`;
      if (isa.read(vma + vm_start) < end) return `${name(vma)} begins before ${name(before)} ends`;
      end = isa.read(vma + vm_end);
      if (isa.read(vma + vm_start) >= end) return `${name(vma)} ends where it begins, or before`;
      if (vma === cached) seen = true;
      before = vma;
    }
    if (!seen) return `mmap_cache is ${name(cached)}, which is not in the list`;
    const counted = isa.read(mm + map_count);
    return counted === count ? undefined : `map_count is ${counted}, but the list has ${count}`;
  }

  function validate(mm: Addr): string | undefined {
    const wrong = checkList(mm);
    if (wrong !== undefined) return wrong;
    let expected = isa.read(mm + mmap);
    const damage = rbtree.validate(mm + mm_rb, {
      isNode,
      name: (node) => name(node - vm_rb),
      visit(node) {
        const vma = node - vm_rb;
        if (vma !== expected)
          return `the tree has ${name(vma)} where the list has ${expected === 0 ? 'come to its end' : name(expected)}`;
        expected = isa.read(vma + vm_next);
        return undefined;
      },
    });
    if (damage !== undefined) return damage;
    return expected === 0 ? undefined : `the list has ${name(expected)}, but the tree has not`;
  }

  return {
    findVma,
    findVmaPrev,
    findVmaIntersection,
    findVmaPrepare,
    vmaLink,
    vmaUnlink,
    detachVmas,
    forEach,
    validate,
  };
}
