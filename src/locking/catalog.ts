/**
 * The locks and mutants by name, without loading them: a CPU that tortures one lock loads that lock's file and no other, and the command
 * line knows every name before it has loaded any.
 *
 * Which names a file defines is written down here once more; the test of the catalog compares it with what index.ts exports, in both
 * directions and in order.
 */
import type { AnyLock } from './define.ts';

type Entry = readonly [load: () => Promise<object>, ...names: string[]];

const CORRECT: readonly Entry[] = [
  [() => import('./tas.ts'), 'tas'],
  [() => import('./ttas.ts'), 'ttas'],
  [() => import('./ttas-backoff.ts'), 'ttas-backoff'],
  [() => import('./ticket.ts'), 'ticket'],
  [() => import('./ticket-backoff.ts'), 'ticket-backoff'],
  [() => import('./twa.ts'), 'twa'],
  [() => import('./anderson.ts'), 'anderson'],
  [() => import('./mcs.ts'), 'mcs'],
  [() => import('./clh.ts'), 'clh'],
  [() => import('./malthusian.ts'), 'malthusian'],
  [() => import('./qspinlock.ts'), 'qspinlock'],
  [() => import('./mutex3.ts'), 'mutex3'],
  [() => import('./mutex.ts'), 'mutex'],
  [() => import('./semaphore.ts'), 'semaphore'],
  [() => import('./rwlock.ts'), 'rwlock'],
  [() => import('./rwlock-reader-preferring.ts'), 'rwlock-reader-preferring'],
  [() => import('./qrwlock.ts'), 'qrwlock'],
  [() => import('./brlock.ts'), 'brlock'],
  [() => import('./rwsem.ts'), 'rwsem', 'rwsem-reader-preferring'],
  [() => import('./percpu-rwsem.ts'), 'percpu-rwsem'],
  [() => import('./seqlock.ts'), 'seqlock'],
  [() => import('./condition.ts'), 'condition'],
  [() => import('./completion.ts'), 'completion'],
  [() => import('./event.ts'), 'event'],
  [() => import('./barrier.ts'), 'barrier'],
  [() => import('./mpmc.ts'), 'mpmc'],
  [() => import('./spsc.ts'), 'spsc'],
  [() => import('./chase-lev.ts'), 'chase-lev'],
];

const BROKEN: readonly Entry[] = [
  [
    () => import('./broken/mutex.ts'),
    'busted/no-exclusion',
    'busted/test-then-set',
    'busted/foreign-release',
    'busted/ttas-forgets-wake',
    'busted/trylock-twice',
    'busted/trylock-left-locked',
  ],
  [
    () => import('./broken/ticket.ts'),
    'busted/ticket-plain-draw',
    'busted/early-release',
    'busted/ticket-trylock-draws',
  ],
  [() => import('./broken/mcs.ts'), 'busted/mcs-unlinked', 'busted/mcs-cut-tail'],
  [() => import('./broken/anderson.ts'), 'busted/anderson-wraps'],
  [() => import('./broken/clh.ts'), 'busted/clh-own-node', 'busted/clh-plain-swing'],
  [
    () => import('./broken/qspinlock.ts'),
    'busted/qspinlock-loses-pending',
    'busted/qspinlock-pending-enters',
  ],
  [() => import('./broken/linux-mutex.ts'), 'busted/mutex-handoff-stolen'],
  [() => import('./broken/mutex3.ts'), 'busted/mutex3-dropped-wakeup', 'busted/mutex3-blind-park'],
  [
    () => import('./broken/semaphore.ts'),
    'busted/semaphore-stranded',
    'busted/semaphore-blind-queue',
    'busted/semaphore-overdraw',
  ],
  [
    () => import('./broken/rwlock.ts'),
    'busted/rwlock-starves-writers',
    'busted/rwlock-reader-slips',
    'busted/rwlock-all-gone',
  ],
  [
    () => import('./broken/rwsem.ts'),
    'busted/rwsem-downgrade',
    'busted/rwsem-lost-grant',
    'busted/rwsem-readers-overtake',
  ],
  [
    () => import('./broken/percpu-rwsem.ts'),
    'busted/percpu-rwsem-skips-one',
    'busted/percpu-rwsem-looks-first',
  ],
  [
    () => import('./broken/seqlock.ts'),
    'busted/seqlock-no-odd-check',
    'busted/seqlock-no-retry',
    'busted/seqlock-counts-once',
    'busted/seqlock-writers-meet',
  ],
  [
    () => import('./broken/condition.ts'),
    'busted/condition-constant-word',
    'busted/condition-broadcast-one',
    'busted/condition-late-note',
  ],
  [
    () => import('./broken/completion.ts'),
    'busted/completion-wakes-first',
    'busted/completion-lost',
    'busted/completion-not-taken',
    'busted/event-wakes-one',
  ],
  [
    () => import('./broken/barrier.ts'),
    'busted/barrier-lapped',
    'busted/barrier-late-reset',
    'busted/barrier-falls-through',
  ],
  [
    () => import('./broken/queue.ts'),
    'busted/mpmc-aba',
    'busted/spsc-gives-back-first',
    'busted/chase-lev-unfenced',
  ],
];

const namesOf = (entries: readonly Entry[]): readonly string[] => entries.flatMap(([, ...names]) => names);

/** Names of the correct locks, in the order in which they are listed. */
export const lockNames: readonly string[] = namesOf(CORRECT);
/** Names of the locks that are broken on purpose. */
export const mutantNames: readonly string[] = namesOf(BROKEN);

/** Loads a lock or a mutant by its name, and nothing else; undefined when there is none of that name. */
export async function loadLock(name: string): Promise<AnyLock | undefined> {
  const entry = [...CORRECT, ...BROKEN].find(([, ...names]) => names.includes(name));
  if (!entry) return undefined;
  const definitions = Object.values((await entry[0]()) as Record<string, AnyLock | null>);
  return definitions.find((each) => each?.definition === 'lock' && each.name === name) ?? undefined;
}
