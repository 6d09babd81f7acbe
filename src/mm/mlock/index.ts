/** The designs for mlocked pages, by name. */
import { pgMlocked } from './bit.ts';
import { pageCount } from './count.ts';
import type { Mlock, MlockKernel } from './design.ts';
import { lruCount } from './lru-count.ts';
import { offLru } from './off-lru.ts';
import { pgLocked } from './pg-locked.ts';
import { refile } from './refile.ts';
import { pgReserved } from './reserved.ts';
import { hellwigFromZero, hellwigSketch } from './sketch.ts';

export type { Mlock, MlockKernel, PageLaw } from './design.ts';

/** A design as it is chosen: `broken` ones are wrong as the thread proposed them. */
export interface MlockDesign {
  /** Its operations on one CPU. */
  readonly make: (k: MlockKernel) => Mlock;
  /** In a line. */
  readonly what: string;
  /** How well it knows, at rest, which VM_LOCKED vmas map a page; `none`: it does not want to. */
  readonly knows: 'none' | 'whether' | 'how many' | 'at most';
  /** The race by which it fails. */
  readonly broken?: string;
}

const designs = <Name extends string>(
  all: Readonly<Record<Name, MlockDesign>>,
): Readonly<Record<Name, MlockDesign>> => all;

/** All of them. */
export const MLOCK_DESIGNS = designs({
  refile: { make: refile, what: '2.4: refiled as active on each encounter', knows: 'none' },
  reserved: { make: pgReserved, what: 'PG_reserved, off the lists', knows: 'whether', broken: 'PG_reserved' },
  'pg-locked': { make: pgLocked, what: 'PG_locked for as long', knows: 'whether', broken: 'R0.7' },
  bit: { make: pgMlocked, what: 'PG_mlocked, on the lists', knows: 'whether' },
  count: { make: pageCount, what: 'a counter of its own, on the lists', knows: 'how many' },
  'off-lru': { make: offLru, what: 'a counter of its own, off the lists', knows: 'how many' },
  sketch: { make: hellwigSketch, what: 'count in lru, as posted', knows: 'how many', broken: 'R0.8' },
  'sketch-from-zero': {
    make: hellwigFromZero,
    what: 'count in lru, started by who removes',
    knows: 'how many',
    broken: 'R0.8',
  },
  'lru-count': { make: lruCount, what: '2022: count in lru, under lru_lock', knows: 'at most' },
});

/** The name of a design. */
export type MlockName = keyof typeof MLOCK_DESIGNS;
