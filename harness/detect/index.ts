/**
 * The detectors, by name. Each is a pass over traces, made for one subject and kept for all its executions.
 *
 * On by default are those that a run does not notice: they look at the few records that are theirs and skip the rest.
 */
import type { Addr } from '../../src/arch/index.ts';
import type { Pass } from './finding.ts';
import { type GuardOptions, Guards } from './guards.ts';
import { Lifetime, type LifetimeOptions } from './lifetime.ts';
import { LockOrder } from './lockorder.ts';
import type { LockOrderOptions } from './lockorder-types.ts';
import { Races } from './races.ts';
import { Starvation } from './starvation.ts';

export type { Finding, LockClass, Pass, Place } from './finding.ts';
export { diagnose, type Standing } from './progress.ts';

/** What detectors need to know of what they watch. */
export interface Watched {
  readonly cpus: number;
  /** Bytes of the memory that traces are about. */
  readonly bytes: number;
  /** Names a word, an object or a lock; a number unless given. */
  readonly name?: (addr: Addr) => string;
  /** Its own oracles judge what its locks promise. */
  readonly judged?: boolean;
  /** The objects of its slabs; without them lifetimes are not judged. */
  readonly objects?: Omit<LifetimeOptions, 'cpus' | 'bytes' | 'name'>;
  /** The order in which its locks are to be taken. */
  readonly order?: LockOrderOptions['order'];
  /** Its guarded fields; without them guards are not judged. */
  readonly guards?: Omit<GuardOptions, 'cpus' | 'name'>;
}

/** A kind of pass. */
export interface Detector {
  readonly name: string;
  /** What it finds, in a line. */
  readonly finds: string;
  readonly byDefault: boolean;
  /** Makes a pass for one subject. @returns undefined when the subject lacks what it is about */
  readonly create: (subject: Watched) => Pass | undefined;
}

/** All of them. */
export const DETECTORS: readonly Detector[] = [
  {
    name: 'races',
    finds: 'accesses that nothing orders, one of them plain and one of them a write',
    byDefault: false,
    create: ({ cpus, bytes, name }) => new Races({ cpus, bytes, name }),
  },
  {
    name: 'lockorder',
    finds:
      'locks taken in orders that can deadlock or are not the declared one, recursively, by the wrong CPU, or where sleeping is forbidden',
    byDefault: true,
    create: ({ cpus, name, order }) => new LockOrder({ cpus, name, order }),
  },
  {
    name: 'lifetime',
    finds: 'objects used after they were freed, freed twice, or forgotten',
    byDefault: true,
    create: ({ cpus, bytes, name, objects }) => objects && new Lifetime({ ...objects, cpus, bytes, name }),
  },
  {
    name: 'starvation',
    finds: 'CPUs that queue for a lock and are passed more often than it promises',
    byDefault: true,
    create: ({ cpus, name, judged }) => (judged ? undefined : new Starvation({ cpus, name })),
  },
  {
    name: 'guard',
    finds: 'accesses without the lock that the regime declares for the field: leads, not verdicts',
    byDefault: false,
    create: ({ cpus, name, guards }) => guards && new Guards({ ...guards, cpus, name }),
  },
];

/** Detectors of these names; those on by default unless given. @throws RangeError for a name that none has */
export function detectors(names?: readonly string[]): readonly Detector[] {
  if (!names) return DETECTORS.filter(({ byDefault }) => byDefault);
  return names.map((name) => {
    const known = DETECTORS.find((each) => each.name === name);
    if (!known)
      throw new RangeError(
        `no detector is called '${name}': there are ${DETECTORS.map((each) => each.name).join(', ')}`,
      );
    return known;
  });
}
