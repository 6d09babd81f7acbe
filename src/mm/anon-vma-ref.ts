/**
 * The life of an anon_vma: allocation, references, and the way back (Peter Zijlstra's series of April 2010; merged in Linux 2.6.36 to 3.0).
 *
 *   ref   1 while the list is not empty, 1 for each child below a root, and 1 for each who looks at it for a moment
 *
 * The slab is type-stable: what a page's mapping once named is an anon_vma for ever, though another one, or a free one. So `lock`, `ref` and `root` may be touched without a reference, inside
 * an RCU read section, to find out which; RCU only keeps the slab from giving the memory back. That takes a lock that works in a free object, so it is initialised by
 * the slab's constructor, once, and never again: an allocation may find it held by somebody who is about to find out that he is late.
 *
 * Ordering: the last reference goes by a full read-modify-write, and only then `retire` looks at the lock. Whoever takes the lock and then sees a reference is before that; what that is
 * worth depends on the form (variants/page-lock-anon-vma/retire.ts).
 *
 * A child is freed before the reference on its root is dropped: freeing it may look at the root's lock.
 */
import type { Addr, Isa } from '../arch/index.ts';
import { lists, typeStable } from '../memory/index.ts';
import type { AnonVmaForm, AnonVmaKernel, AnonVmaLocking, AnonVmaRefs } from './anon-vma-form.ts';
import { AnonVma } from './structs.ts';

typeStable(AnonVma, 'root', 'lock', 'ref');

/** The slab's constructor: runs once for each object, ever. The lock is free, nobody refers to it, and it has no root until it is allocated. */
export function constructAnonVma(isa: Isa, anonVma: Addr): void {
  isa.write(anonVma + AnonVma.root, 0);
  isa.write(anonVma + AnonVma.lock, 0);
  isa.write(anonVma + AnonVma.ref, 0);
  lists({ isa }).init(anonVma + AnonVma.head);
}

/** References and freeing, as a form has them. */
export function anonVmaRefs(
  kernel: AnonVmaKernel,
  locking: AnonVmaLocking,
  { retire, renew }: Pick<AnonVmaForm, 'retire' | 'renew'>,
): AnonVmaRefs {
  const { isa, slabs } = kernel;
  const { anonVmas } = slabs;
  const { root, ref } = AnonVma;
  const giveBack = retire(kernel, { ...locking, free: anonVmas.free });

  function alloc(): Addr {
    const anonVma = anonVmas.tryAlloc();
    if (anonVma === 0) return 0;
    renew?.(isa, anonVma);
    // Late ones may be looking at both.
    isa.writeOnce(anonVma + ref, 1);
    isa.writeOnce(anonVma + root, anonVma);
    return anonVma;
  }

  function get(anonVma: Addr): void {
    isa.fetchAdd(anonVma + ref, 1);
  }

  function getUnlessZero(anonVma: Addr): boolean {
    let seen = isa.readOnce(anonVma + ref);
    while (seen !== 0) {
      const now = isa.compareExchange(anonVma + ref, seen, seen + 1);
      if (now === seen) return true;
      seen = now;
    }
    return false;
  }

  const putTestzero = (anonVma: Addr): boolean => isa.fetchAdd(anonVma + ref, -1) === 1;

  function destroy(anonVma: Addr): void {
    const top = isa.readOnce(anonVma + root);
    giveBack(anonVma);
    if (top !== anonVma) put(top);
  }

  function put(anonVma: Addr): void {
    if (putTestzero(anonVma)) destroy(anonVma);
  }

  return { alloc, get, getUnlessZero, put, putTestzero, destroy };
}
