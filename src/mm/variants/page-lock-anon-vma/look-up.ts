/**
 * From a page to the anon_vma that its mapping names: the first half of every page_lock_anon_vma.
 *
 *   1. read `page.mapping`          its low bits say what it points to
 *   2. is it anonymous, and nothing else?
 *   3. is the page mapped?          a mapped page's anon_vma was alive at that moment; the mapping itself stays when the page is unmapped
 *   4. the pointer, of what was read in 1
 *
 * The mapping is read once. The page may become a KSM page meanwhile, or, where the caller has no reference, any other: a second read may answer something else than what was tested.
 *
 * Ordering: what the anon_vma was initialised with is read after the mapping that names it: rcu_dereference, a dependency, on an Alpha a barrier (Paul McKenney in the thread). Forms whose
 * first access to it is a fully ordered read-modify-write get that without.
 */
import type { LookUp } from '../../anon-vma-form.ts';
import { MAPPING_ANON, MAPPING_FLAGS, Page } from '../../structs.ts';

const anonymous = (mapping: number): boolean => (mapping & MAPPING_FLAGS) === MAPPING_ANON;

/** One read, with rcu_dereference. */
export const dereferenced: LookUp =
  ({ isa, pages }) =>
  (page) => {
    const mapping = isa.readOnce(page + Page.mapping);
    if (!anonymous(mapping)) return 0;
    const anonVma = mapping - MAPPING_ANON;
    isa.consumed(anonVma);
    return pages.mapped(page) ? anonVma : 0;
  };

/** One read, by ACCESS_ONCE alone: the form that was posted, and merged in 3.0. */
export const accessedOnce: LookUp =
  ({ isa, pages }) =>
  (page) => {
    const mapping = isa.readOnce(page + Page.mapping);
    return anonymous(mapping) && pages.mapped(page) ? mapping - MAPPING_ANON : 0;
  };

/** Two reads, as a compiler may make of a plain one: R1.4. */
export const readTwice: LookUp =
  ({ isa, pages }) =>
  (page) => {
    if (!anonymous(isa.readOnce(page + Page.mapping)) || !pages.mapped(page)) return 0;
    const anonVma = isa.readOnce(page + Page.mapping) - MAPPING_ANON;
    isa.consumed(anonVma);
    return anonVma;
  };
