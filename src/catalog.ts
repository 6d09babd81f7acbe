/**
 * The locks and mutants by name, without loading them: a CPU that tortures one lock loads that lock's file and no other, and the command
 * line knows every name before it has loaded any.
 *
 * Which names a file defines is written down here once more; the test of the catalog compares it with what locks.ts lists, in both
 * directions and in order.
 */
import type { AnyLock } from './locking/define.ts';
import type { ScenarioDefinition } from './scenario.ts';
import type { WorkloadDefinition } from './workload.ts';

type Entry = readonly [load: () => Promise<object>, ...names: string[]];

const CORRECT: readonly Entry[] = [
  [() => import('./locking/tas.ts'), 'tas'],
  [() => import('./locking/ttas.ts'), 'ttas'],
  [() => import('./locking/ttas-backoff.ts'), 'ttas-backoff'],
  [() => import('./locking/ticket.ts'), 'ticket'],
  [() => import('./locking/ticket-backoff.ts'), 'ticket-backoff'],
  [() => import('./locking/twa.ts'), 'twa'],
  [() => import('./locking/anderson.ts'), 'anderson'],
  [() => import('./locking/mcs.ts'), 'mcs'],
  [() => import('./locking/clh.ts'), 'clh'],
  [() => import('./locking/malthusian.ts'), 'malthusian'],
  [() => import('./locking/qspinlock.ts'), 'qspinlock'],
  [() => import('./locking/mutex3.ts'), 'mutex3'],
  [() => import('./locking/mutex.ts'), 'mutex'],
  [() => import('./locking/page-lock.ts'), 'page-lock'],
  [() => import('./locking/semaphore.ts'), 'semaphore'],
  [() => import('./locking/rwlock.ts'), 'rwlock'],
  [() => import('./locking/rwlock-reader-preferring.ts'), 'rwlock-reader-preferring'],
  [() => import('./locking/qrwlock.ts'), 'qrwlock'],
  [() => import('./locking/brlock.ts'), 'brlock'],
  [() => import('./locking/rwsem.ts'), 'rwsem', 'rwsem-reader-preferring'],
  [() => import('./locking/percpu-rwsem.ts'), 'percpu-rwsem'],
  [() => import('./locking/seqlock.ts'), 'seqlock'],
  [() => import('./locking/seqcount.ts'), 'seqcount'],
  [() => import('./locking/condition.ts'), 'condition'],
  [() => import('./locking/completion.ts'), 'completion'],
  [() => import('./locking/event.ts'), 'event'],
  [() => import('./locking/barrier.ts'), 'barrier'],
  [() => import('./locking/mpmc.ts'), 'mpmc'],
  [() => import('./locking/spsc.ts'), 'spsc'],
  [() => import('./locking/chase-lev.ts'), 'chase-lev'],
  [() => import('./rcu/rcu.ts'), 'rcu'],
  [() => import('./rcu/qsbr.ts'), 'qsbr'],
  [() => import('./rcu/srcu.ts'), 'srcu'],
  [() => import('./rcu/hazard.ts'), 'hazard'],
];

const BROKEN: readonly Entry[] = [
  [
    () => import('./locking/broken/mutex.ts'),
    'busted/no-exclusion',
    'busted/test-then-set',
    'busted/foreign-release',
    'busted/ttas-forgets-wake',
    'busted/trylock-twice',
    'busted/trylock-left-locked',
    'busted/ttas-recursive',
  ],
  [
    () => import('./locking/broken/ticket.ts'),
    'busted/ticket-plain-draw',
    'busted/early-release',
    'busted/ticket-trylock-draws',
  ],
  [() => import('./locking/broken/mcs.ts'), 'busted/mcs-unlinked', 'busted/mcs-cut-tail'],
  [() => import('./locking/broken/anderson.ts'), 'busted/anderson-wraps'],
  [() => import('./locking/broken/clh.ts'), 'busted/clh-own-node', 'busted/clh-plain-swing'],
  [
    () => import('./locking/broken/qspinlock.ts'),
    'busted/qspinlock-loses-pending',
    'busted/qspinlock-pending-enters',
  ],
  [() => import('./locking/broken/linux-mutex.ts'), 'busted/mutex-handoff-stolen'],
  [() => import('./locking/broken/page-lock.ts'), 'busted/page-lock-wrong-bucket'],
  [() => import('./locking/broken/mutex3.ts'), 'busted/mutex3-dropped-wakeup', 'busted/mutex3-blind-park'],
  [
    () => import('./locking/broken/semaphore.ts'),
    'busted/semaphore-stranded',
    'busted/semaphore-blind-queue',
    'busted/semaphore-overdraw',
    'busted/semaphore-two-frees',
  ],
  [
    () => import('./locking/broken/rwlock.ts'),
    'busted/rwlock-starves-writers',
    'busted/rwlock-reader-slips',
    'busted/rwlock-all-gone',
  ],
  [
    () => import('./locking/broken/rwsem.ts'),
    'busted/rwsem-downgrade',
    'busted/rwsem-lost-grant',
    'busted/rwsem-readers-overtake',
  ],
  [
    () => import('./locking/broken/percpu-rwsem.ts'),
    'busted/percpu-rwsem-skips-one',
    'busted/percpu-rwsem-looks-first',
  ],
  [
    () => import('./locking/broken/seqlock.ts'),
    'busted/seqlock-no-odd-check',
    'busted/seqlock-no-retry',
    'busted/seqlock-counts-once',
    'busted/seqlock-writers-meet',
    'busted/seqcount-swapped',
  ],
  [
    () => import('./locking/broken/condition.ts'),
    'busted/condition-constant-word',
    'busted/condition-broadcast-one',
    'busted/condition-late-note',
  ],
  [
    () => import('./locking/broken/completion.ts'),
    'busted/completion-wakes-first',
    'busted/completion-lost',
    'busted/completion-not-taken',
    'busted/event-wakes-one',
  ],
  [
    () => import('./locking/broken/barrier.ts'),
    'busted/barrier-lapped',
    'busted/barrier-late-reset',
    'busted/barrier-falls-through',
  ],
  [
    () => import('./locking/broken/queue.ts'),
    'busted/mpmc-aba',
    'busted/spsc-gives-back-first',
    'busted/chase-lev-unfenced',
  ],
  [
    () => import('./rcu/broken/rcu.ts'),
    'busted/rcu-no-wait',
    'busted/rcu-skips-one',
    'busted/rcu-early-callbacks',
    'busted/qsbr-offline-readers',
    'busted/srcu-one-index',
    'busted/hazard-unchecked',
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

/** Whether a name is that of a scenario of the mm model, which is loaded for such names only. */
const ofMm = (name: string): boolean => /^(?:busted\/)?mm\//.test(name);

/** Names of the scenarios that ship, the fixed and the broken ones. */
export async function scenarioNames(): Promise<readonly string[]> {
  const { classics } = await import('./scenarios/index.ts');
  const { mmControls, mmRaces } = await import('./scenarios/mm/index.ts');
  return [
    ...[...classics, ...mmRaces].flatMap(({ fixed, broken }) => [fixed.name, broken.name]),
    ...mmControls.map(({ name }) => name),
  ];
}

/** Loads a scenario that ships by its name; undefined when there is none of that name. */
export async function loadScenario(name: string): Promise<ScenarioDefinition | undefined> {
  if (name.startsWith('mm/regimes/')) return (await import('./mm/regimes/cells.ts')).cellByName(name);
  if (ofMm(name)) return (await import('./scenarios/mm/index.ts')).mmScenarioByName(name);
  return (await import('./scenarios/index.ts')).scenarioByName(name);
}

/** Names of the workloads that ship. */
export const workloadNames: readonly string[] = [
  'mm/objrmap',
  'mm/anon-vma',
  'mm/truncate',
  'mm/spf',
  'mm/all',
  'mm/migrate',
  'mm/migrate-hooks',
  'mm/cross',
];

/** Loads a workload that ships by its name; undefined when there is none of that name. */
export async function loadWorkload(name: string): Promise<WorkloadDefinition | undefined> {
  if (!workloadNames.includes(name)) return undefined;
  return (await import('./mm/workloads/index.ts')).mmWorkloads.find((each) => each.name === name);
}
