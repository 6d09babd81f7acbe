/**
 * page_lock_anon_vma: what is locked is no anon_vma, or its lock is no lock (mm.md R1.4, R1.7). X is the anon_vma of process 0, which has the page.
 *
 * double-fetch
 *   1. CPU 0 reads the mapping: it is an anon_vma's
 *   2. CPU 1: KSM merges the page, whose mapping now names a stable node (type 3)
 *   3. CPU 0 reads the mapping again, to decode it, and takes the node for an anon_vma
 *   The caller has a reference to the page, so it stays a page of somebody: nothing but KSM changes the type.
 *
 * no-dereference (needs the weak memory model)
 *   1. CPU 1: process 1 has its first page; its anon_vma Y is allocated, and gets its root
 *   2. CPU 1: the mapping of the page names Y
 *   3. CPU 0 reads the mapping: Y
 *   4. CPU 0 reads the root of Y, and sees what was there before 1: nothing
 *   In 13/13 the lock is in the anon_vma itself, and the first access is a fully ordered one: Paul McKenney finds the section without an rcu_dereference interesting, and legal. That
 *   is the control `trylock-orders`. With a root there is a load before the lock, and it needs the dependency.
 *
 * not-type-stable
 *   1. CPU 0 decodes X
 *   2. CPU 1: process 0 exits; X goes to a slab that holds anon_vma_chains, too
 *   3. CPU 1: process 1 has its first page, and the memory of X becomes a chain
 *   4. CPU 0 takes a word of the chain for a lock
 *
 * reinitialised-lock
 *   1. CPU 0 decodes X
 *   2. CPU 1: process 0 exits, X is free
 *   3. CPU 0 gets the lock of X; it has not looked at the page again yet
 *   4. CPU 1: process 1 has its first page and gets X, whose lock is initialised: it is free, and CPU 1 takes it to change the list
 *   5. both have it; CPU 0 sees that the page is not mapped, and releases what is CPU 1's now
 */
import { type AnonVmaForm, constructAnonVma } from '../../mm/anon-vma.ts';
import type { Base } from '../../mm/kernel.ts';
import { AnonVma, AnonVmaChain, Page } from '../../mm/structs.ts';
import { initialisesLock } from '../../mm/variants/page-lock-anon-vma/allocation.ts';
import { accessedOnce, readTwice } from '../../mm/variants/page-lock-anon-vma/look-up.ts';
import { pageMappedForm } from '../../mm/variants/page-lock-anon-vma/page-mapped.ts';
import { refcountTestForm } from '../../mm/variants/page-lock-anon-vma/refcount-test.ts';
import {
  type AnonVmaScene,
  control,
  empty,
  exit,
  mergePage,
  own,
  race,
  reclaim,
  SCENE,
  touch,
  walk,
} from './anon-vma-scene.ts';

const SERIES = 'Paul McKenney, Fri Apr 09 2010, in "Re: [PATCH 13/13] mm: Optimize page_lock_anon_vma"';

/** R1.4. */
export const doubleFetch = race({
  name: 'mm/anon-vma/double-fetch',
  wrong:
    'the mapping of a page is read twice, to test its type and to decode it: in between KSM makes it that of a stable node',
  source: `${SERIES}, on how page->mapping is read; mm.md R1.4`,
  caughtBy: 'exception',
  says: 'O-TYPE',
  actors: [walk, mergePage],
  options: { typed: true },
  broken: { ...pageMappedForm, lookUp: readTwice },
  fixed: pageMappedForm,
});

/** The first page of process 1 is the page of the scene. */
function firstPage(scene: AnonVmaScene): void {
  const { isa, page } = scene;
  touch(scene, 1);
  own(scene, 1);
  isa.fetchAdd(page + Page._mapcount, 1);
}

/** R1.4. */
export const noDereference = race({
  name: 'mm/anon-vma/no-dereference',
  wrong:
    'the mapping is read without rcu_dereference: the anon_vma that it names is seen as it was before it was set up, without its root',
  source: `${SERIES}, and Peter Zijlstra, who agrees; mm.md R1.4`,
  caughtBy: 'exception',
  says: 'O-TYPE',
  model: 'weak',
  begin: empty,
  actors: [walk, firstPage],
  options: { typed: true },
  broken: { ...pageMappedForm, lookUp: accessedOnce },
  fixed: pageMappedForm,
});

/** Paul McKenney: interesting, and legal. */
export const trylockOrders = control({
  name: 'mm/anon-vma/trylock-orders',
  why: 'without rcu_dereference, but the first access to the anon_vma is an atomic operation with full ordering',
  source: `${SERIES}, on a read section that dereferences nothing; mm.md R1.4`,
  begin: empty,
  actors: [walk, firstPage],
  options: { typed: true },
  form: { ...refcountTestForm, lookUp: accessedOnce },
});

/** One slab for anon_vmas and chains: an allocation has to set the whole object up. */
const MERGED = { anonVmas: { layout: [AnonVma, AnonVmaChain], objects: SCENE.anonVmas + SCENE.chains } };
const mergedForm: AnonVmaForm = { ...pageMappedForm, renew: constructAnonVma };

function mergedSlabs(slabs: Base['slabs']): Base['slabs'] {
  const { anonVmas } = slabs;
  return {
    ...slabs,
    chains: {
      ...anonVmas,
      alloc: () => anonVmas.alloc(AnonVmaChain),
      tryAlloc: () => anonVmas.tryAlloc(AnonVmaChain),
    },
  };
}

/** R1.7. */
export const notTypeStable = race({
  name: 'mm/anon-vma/not-type-stable',
  wrong:
    'the memory of a freed anon_vma is used for something else at once: a word of an anon_vma_chain is taken for its lock',
  source:
    'Hugh Dickins, August 2004, "rmaplock: SLAB_DESTROY_BY_RCU", Linux 2.6.9; Documentation/RCU/rculist_nulls.rst; mm.md R1.7',
  caughtBy: 'exception',
  says: 'O-TYPE',
  actors: [
    walk,
    (scene) => {
      exit(scene, 0);
      touch(scene, 1);
    },
  ],
  options: { typed: true },
  brokenOptions: { typed: true, slabs: MERGED, shared: mergedSlabs },
  broken: mergedForm,
  fixed: pageMappedForm,
});

export const reinitialisedLock = race({
  name: 'mm/anon-vma/reinitialised-lock',
  wrong:
    'an allocation initialises the lock of the anon_vma that it hands out: somebody who comes late holds it, and now two do',
  source: `${SERIES}, on those who come for the lock between its release and the slab, or later; mm.md R1.7`,
  caughtBy: 'exception',
  says: 'O-LOCKBAL',
  actors: [
    reclaim,
    (scene) => {
      exit(scene, 0);
      touch(scene, 1);
    },
  ],
  options: { exclusive: true },
  broken: { ...pageMappedForm, renew: initialisesLock },
  fixed: pageMappedForm,
});
