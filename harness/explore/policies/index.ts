/** The policies, by name and by the index that shared memory and tokens have for them. */
import type { Policy } from '../../engines/gated/policy.ts';
import { exhaustive } from './exhaustive.ts';
import { focus } from './focus.ts';
import { pct } from './pct.ts';
import { pos } from './pos.ts';
import { randomWalk } from './random.ts';
import { recorded } from './recorded.ts';

/** All policies; the order is part of the token format. */
export const POLICIES: readonly Policy[] = [recorded, randomWalk, pct, pos, exhaustive, focus];

/** Index of the recorded schedule. */
export const RECORDED = 0;

/** A policy and its parameter: how lazy the walk is, the depth of PCT, the bound of the search. */
export interface PolicyChoice {
  readonly policy: string;
  readonly parameter: number;
}

/** What takes turns unless told otherwise: mixed depths, since a policy below a bug's depth finds nothing. */
export const PORTFOLIO: readonly PolicyChoice[] = [
  { policy: 'random', parameter: 16 },
  { policy: 'pct', parameter: 2 },
  { policy: 'pos', parameter: 0 },
  { policy: 'random', parameter: 4 },
  { policy: 'pct', parameter: 3 },
];

/** Index of a policy; -1: there is none of that name. */
export function policyIndex(name: string): number {
  return POLICIES.findIndex((policy) => policy.name === name);
}
