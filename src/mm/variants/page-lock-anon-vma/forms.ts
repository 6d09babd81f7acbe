/**
 * The forms of page_lock_anon_vma by name, in the order of their time; docs/mm.md says what each promises and which race breaks it.
 *
 * Forms that nobody has proposed, but that somebody asked about or that a slip would make, are put together where they are shown (src/scenarios/mm/anon-vma*.ts).
 */
import type { AnonVmaForm } from '../../anon-vma-form.ts';
import { getAndLockForm, getRecheckAndLockForm } from './get-and-lock.ts';
import { pageMappedForm } from './page-mapped.ts';
import { refcountTestForm } from './refcount-test.ts';
import { afterGracePeriod, unlessFree } from './retire.ts';
import { spinlockForm, spinlockRecheckedForm } from './spinlock-under-rcu.ts';

/** The forms by name. */
export const ANON_VMA_FORMS = {
  /** Linux 2.6.9 to 2.6.35. */
  spinlock: spinlockForm,
  /** Linux 2.6.36 to 2.6.39. */
  'spinlock-rechecked': spinlockRecheckedForm,
  /** The series of April 2010 before 13/13. */
  'get-and-lock': getAndLockForm,
  /** The same with the second look at the page. */
  'get-recheck-and-lock': getRecheckAndLockForm,
  /** 13/13 as posted. */
  'refcount-test': refcountTestForm,
  /** 13/13 with the shortcut in anon_vma_free of 2011. */
  'refcount-test-is-locked': { ...refcountTestForm, retire: unlessFree },
  /** 13/13 with a grace period in place of the lock: refused. */
  'expedited-rcu': { ...refcountTestForm, retire: afterGracePeriod },
  /** Linux 3.0 as repaired: what the model has unless told otherwise. */
  'page-mapped': pageMappedForm,
} as const satisfies Record<string, AnonVmaForm>;

/** The name of a form. */
export type AnonVmaFormName = keyof typeof ANON_VMA_FORMS;
